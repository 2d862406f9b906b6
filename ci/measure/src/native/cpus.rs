//! Which CPUs of this host may be used, where they sit, and how a thread stays on one.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;

use rendezvous::Place;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::NativeError;

/// Where the kernel describes the CPUs.
const CPUS: &str = "/sys/devices/system/cpu";

/// A CPU of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostCpu {
    /// The kernel's number.
    pub number: u32,
    /// The package, as the kernel numbers it.
    pub package: u32,
    /// The core within the package, as the kernel numbers it.
    pub core: u32,
    /// The thread within the core, from 0.
    pub thread: u32,
}

impl HostCpu {
    /// The same for a rendezvous. The kernel does not tell a program the APIC id; its
    /// own number does for what the protocols take from it.
    pub(super) const fn place(self) -> Place {
        Place {
            package: self.package,
            core: self.core,
            thread: self.thread,
            apic_id: self.number,
        }
    }
}

/// The CPUs that this process may use, by their numbers.
pub fn usable() -> Result<Vec<HostCpu>, NativeError> {
    let set = sched_getaffinity(None).map_err(|error| NativeError::Affinity(error.into()))?;
    let numbers = (0..CpuSet::MAX_CPU).filter(|&number| set.is_set(number));
    let numbers = numbers.filter_map(|number| u32::try_from(number).ok());
    Ok(numbers.map(|number| at(Path::new(CPUS), number)).collect())
}

/// Where a CPU sits. One of which the kernel says nothing is a core of its own.
fn at(cpus: &Path, number: u32) -> HostCpu {
    let topology = cpus.join(format!("cpu{number}")).join("topology");
    let text = |file: &str| fs::read_to_string(topology.join(file)).ok();
    let value = |file: &str| text(file)?.trim().parse::<u32>().ok();
    let thread = text("thread_siblings_list").and_then(|list| place_in(&list, number));
    HostCpu {
        number,
        package: value("physical_package_id").unwrap_or(0),
        core: value("core_id").unwrap_or(number),
        thread: thread.unwrap_or(0),
    }
}

/// How many come before a number in a list such as `0,4-6`.
fn place_in(list: &str, number: u32) -> Option<u32> {
    let mut nr_before = 0;
    for part in list.trim().split(',') {
        let (start, end) = part.split_once('-').unwrap_or((part, part));
        let (start, end): (u32, u32) = (start.parse().ok()?, end.parse().ok()?);
        if (start..=end).contains(&number) {
            return Some(nr_before + number - start);
        }
        nr_before += end.checked_sub(start)? + 1;
    }
    None
}

/// Keeps the thread that calls on one CPU, for as long as it lives.
pub fn pin(cpu: u32) -> io::Result<()> {
    let mut set = CpuSet::new();
    let number = usize::try_from(cpu).map_err(io::Error::other)?;
    if number >= CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    set.set(number);
    Ok(sched_setaffinity(None, &set)?)
}

/// Whether threads can be kept on these CPUs, tried on one that ends at once.
pub(super) fn can_pin(cpus: &[HostCpu]) -> io::Result<()> {
    let tried = thread::scope(|scope| {
        let trial = || cpus.iter().try_for_each(|cpu| pin(cpu.number));
        thread::Builder::new()
            .spawn_scoped(scope, trial)?
            .join()
            .map_or_else(
                |_| Err(io::Error::other("the thread that tried it ended early")),
                Ok,
            )
    });
    tried?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_numbered_by_its_place_in_the_list_of_siblings() {
        assert_eq!(place_in("3\n", 3), Some(0));
        assert_eq!(place_in("0,4\n", 4), Some(1));
        assert_eq!(place_in("0-1,8-11\n", 10), Some(4));
        for list in ["", "\n", "0,4", "5-3", "a-b", "0-"] {
            assert_eq!(place_in(list, 3), None, "{list:?}");
        }
    }

    #[test]
    fn a_cpu_sits_where_the_kernel_says_or_else_alone() {
        let folder = tempfile::tempdir().unwrap();
        let topology = folder.path().join("cpu5/topology");
        fs::create_dir_all(&topology).unwrap();
        for (file, text) in [
            ("physical_package_id", "1\n"),
            ("core_id", "2\n"),
            ("thread_siblings_list", "4-5\n"),
        ] {
            fs::write(topology.join(file), text).unwrap();
        }
        let cpu = |number, package, core, thread| HostCpu {
            number,
            package,
            core,
            thread,
        };
        assert_eq!(at(folder.path(), 5), cpu(5, 1, 2, 1));
        assert_eq!(at(folder.path(), 6), cpu(6, 0, 6, 0));
        // As some hypervisors leave it.
        fs::write(topology.join("core_id"), "-1\n").unwrap();
        assert_eq!(at(folder.path(), 5), cpu(5, 1, 5, 1));
    }

    #[test]
    fn a_pinned_thread_may_use_that_cpu_alone_and_others_stay_as_they_were() {
        let before = usable().unwrap();
        let first = before[0];
        let inside = thread::spawn(move || {
            pin(first.number).unwrap();
            usable().unwrap()
        });
        assert_eq!(inside.join().unwrap(), [first]);
        assert_eq!(usable().unwrap(), before);
        can_pin(&before).unwrap();
    }

    #[test]
    fn a_cpu_that_is_not_there_is_an_error() {
        assert!(pin(u32::MAX).is_err());
        let none = HostCpu {
            number: 1023,
            package: 0,
            core: 0,
            thread: 0,
        };
        assert!(usable().unwrap().contains(&none) || can_pin(&[none]).is_err());
    }
}
