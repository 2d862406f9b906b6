//! Which CPUs share a core.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Where a CPU sits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Package (socket).
    pub package: u32,
    /// Core, as the machine numbers it within its package.
    pub core: u32,
    /// Thread within its core.
    pub thread: u32,
    /// APIC id.
    pub apic_id: u32,
}

/// The cores of a machine, numbered from 0 without gaps.
#[derive(Clone, Debug)]
pub struct Topology {
    places: Box<[Place]>,
    core_of: Box<[u32]>,
    /// The CPUs, core by core and by thread.
    threads: Box<[u32]>,
    /// Where each core's begin among them, and where the last one's end.
    bounds: Box<[usize]>,
}

impl Topology {
    /// Numbers the cores in the order of the CPUs that are first on them.
    #[must_use]
    pub fn new(places: &[Place]) -> Self {
        let mut cores: Vec<((u32, u32), Vec<u32>)> = Vec::new();
        let mut core_of = Vec::with_capacity(places.len());
        for (cpu, place) in (0..).zip(places) {
            let key = (place.package, place.core);
            let known = cores.iter().position(|(core, _)| *core == key);
            let index = known.unwrap_or_else(|| {
                cores.push((key, Vec::new()));
                cores.len() - 1
            });
            cores[index].1.push(cpu);
            core_of.push(u32::try_from(index).unwrap_or(u32::MAX));
        }
        let mut threads = Vec::with_capacity(places.len());
        let mut bounds = Vec::with_capacity(cores.len() + 1);
        bounds.push(0);
        for (_, mut cpus) in cores {
            cpus.sort_unstable_by_key(|&cpu| (places[cpu as usize].thread, cpu));
            threads.extend(cpus);
            bounds.push(threads.len());
        }
        Self {
            core_of: core_of.into(),
            threads: threads.into(),
            bounds: bounds.into(),
            places: places.into(),
        }
    }

    /// The number of CPUs.
    #[must_use]
    #[inline]
    pub fn nr_cpus(&self) -> u32 {
        u32::try_from(self.core_of.len()).unwrap_or(u32::MAX)
    }

    /// The number of cores.
    #[must_use]
    #[inline]
    pub fn nr_cores(&self) -> u32 {
        u32::try_from(self.bounds.len() - 1).unwrap_or(u32::MAX)
    }

    /// Where a CPU sits.
    #[must_use]
    #[inline]
    pub fn place(&self, cpu: u32) -> Place {
        self.places[cpu as usize]
    }

    /// The core of a CPU.
    #[must_use]
    #[inline]
    pub fn core_of(&self, cpu: u32) -> u32 {
        self.core_of[cpu as usize]
    }

    /// The CPUs of a core, by their number within it.
    #[inline]
    pub fn threads_of(&self, core: u32) -> impl Iterator<Item = u32> + Clone {
        let core = core as usize;
        let own = self.bounds[core]..self.bounds[core + 1];
        self.threads[own].iter().copied()
    }

    /// The package of a core.
    #[must_use]
    pub fn package_of(&self, core: u32) -> u32 {
        self.threads_of(core)
            .next()
            .map_or(0, |cpu| self.place(cpu).package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_core_numbers_in_two_packages_are_two_cores() {
        let place = |package, core, thread| Place {
            package,
            core,
            thread,
            apic_id: 0,
        };
        let topology = Topology::new(&[
            place(0, 0, 1),
            place(0, 0, 0),
            place(1, 0, 0),
            place(1, 4, 0),
            place(1, 0, 1),
        ]);
        assert_eq!(topology.nr_cores(), 3);
        let cores: Vec<u32> = (0..5).map(|cpu| topology.core_of(cpu)).collect();
        assert_eq!(cores, [0, 0, 1, 2, 1]);
        assert!(topology.threads_of(0).eq([1, 0]));
        assert!(topology.threads_of(1).eq([2, 4]));
        assert_eq!(topology.package_of(2), 1);
    }
}
