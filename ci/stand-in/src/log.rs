//! The machine's log: a record for each write of a load register and each
//! misuse, then what every CPU did in all.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use engine::{Access, Config, Engine, Load, Misuse};
use microcode::Vendor;
use report::logfmt::Hex64;
use report::{Hex32, record};

/// So many loads and misuses are written down; a guest that never stops must not
/// fill the disk. All are counted.
const MAX_LOADS: u32 = 200_000;
const MAX_MISUSES: u32 = 10_000;

/// The log, and when it began.
#[derive(Debug)]
pub(crate) struct Log {
    began: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: BufWriter<File>,
    nr_loads: u32,
    nr_misuses: u32,
}

impl Log {
    pub(crate) fn create(path: &Path, config: &Config, kind: &str) -> io::Result<Self> {
        let log = Self {
            began: Instant::now(),
            inner: Mutex::new(Inner {
                file: BufWriter::new(File::create(path)?),
                nr_loads: 0,
                nr_misuses: 0,
            }),
        };
        let started = SystemTime::now().duration_since(UNIX_EPOCH);
        log.write(&record::Machine {
            kind,
            version: env!("CARGO_PKG_VERSION"),
            started_ms: started.map_or(0, |started| {
                u64::try_from(started.as_millis()).unwrap_or(u64::MAX)
            }),
            vendor: match config.vendor {
                Vendor::Intel => report::Vendor::Intel,
                Vendor::Amd => report::Vendor::Amd,
            },
            signature: Hex32(config.signature),
            nr_cpus: config.cpus,
            nr_threads: config.threads,
        });
        Ok(log)
    }

    /// Time since the start in ns.
    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Writes a line and hands it to the system, so that it is there whatever
    /// becomes of QEMU. Nobody can be told of a full disk from here; the host
    /// program finds the tallies missing.
    pub(crate) fn write(&self, record: &impl Display) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(inner.file, "{record}");
        let _ = inner.file.flush();
    }

    /// Counts a record of a kind; whether it is among the first so many.
    fn has_room(&self, counter: impl FnOnce(&mut Inner) -> &mut u32, most: u32) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counter(&mut inner);
        *count = count.saturating_add(1);
        *count <= most
    }

    /// A write of a load register; `after` is the CPU's revision then.
    pub(crate) fn load(&self, began_ns: u64, load: &Load, msr: u32, value: u64, after: u32) {
        if !self.has_room(|inner| &mut inner.nr_loads, MAX_LOADS) {
            return;
        }
        let outcome = match load.outcome {
            Ok(_) if load.hangs() => record::Load::HUNG,
            Ok(_) => record::Load::TAKEN,
            Err(refusal) => refusal.name(),
        };
        self.write(&record::Load {
            at_ns: began_ns,
            cpu: load.thread,
            msr: Hex32(msr),
            value: Hex64(value),
            outcome,
            before: Hex32(load.before),
            after: Hex32(after),
            nr_bytes: load.nr_bytes,
            took_ns: self.now_ns() - began_ns,
        });
    }

    /// Something that a loader must not do.
    pub(crate) fn misuse(&self, cpu: u32, misuse: Misuse, access: Access) {
        if !self.has_room(|inner| &mut inner.nr_misuses, MAX_MISUSES) {
            return;
        }
        self.write(&record::Misuse {
            at_ns: self.now_ns(),
            cpu,
            kind: misuse.name(),
            msr: match access {
                Access::Read(msr) | Access::Write(msr, _) => Some(Hex32(msr)),
                Access::Cpuid => None,
            },
        });
    }

    /// What every CPU did.
    pub(crate) fn close(&self, engine: &Engine) {
        for cpu in 0..engine.config().cpus {
            let counters = engine.counters(cpu);
            self.write(&record::Tally {
                cpu,
                nr_reads: counters.nr_reads,
                nr_loads: counters.nr_loads,
                nr_misuses: counters.nr_misuses,
                revision: Hex32(engine.revision(cpu)),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::{Memory, Unmapped, msr};

    use super::*;
    use crate::StandIn;

    struct Nothing;

    impl Memory for Nothing {
        fn read(&self, _: u64, _: &mut [u8]) -> Result<(), Unmapped> {
            Err(Unmapped)
        }
    }

    #[test]
    fn a_guest_that_never_stops_loading_fills_no_disk_and_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let engine = Engine::new(Config::new(Vendor::Intel, 0x0005_0654, 1)).unwrap();
        let cpus = StandIn::create(engine, &path, "test").unwrap();
        let load = Access::Write(msr::BIOS_UPDT_TRIG, 0x1000);
        let nr_loads = MAX_LOADS + 10;
        for _ in 0..nr_loads {
            let _ = cpus.access(0, load, &Nothing);
        }
        cpus.close();
        let text = std::fs::read_to_string(&path).unwrap();
        let nr_lines = text
            .lines()
            .filter(|line| line.starts_with("# load "))
            .count();
        assert_eq!(nr_lines, MAX_LOADS as usize);
        let tally = text.lines().last().unwrap();
        assert!(tally.contains(&format!("loads={nr_loads}")), "{tally}");
    }
}
