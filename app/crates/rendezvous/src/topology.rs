//! Which CPUs share a core.

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
}

/// The cores of a machine, numbered from 0 without gaps.
#[derive(Clone, Debug)]
pub struct Topology {
    core_of: Vec<u32>,
    nr_cores: u32,
}

impl Topology {
    /// Numbers the cores in the order of the CPUs that are first on them.
    #[must_use]
    pub fn new(places: &[Place]) -> Self {
        let mut cores: Vec<(u32, u32)> = Vec::new();
        let core_of = places
            .iter()
            .map(|place| {
                let key = (place.package, place.core);
                let known = cores.iter().position(|&core| core == key);
                let index = known.unwrap_or_else(|| {
                    cores.push(key);
                    cores.len() - 1
                });
                u32::try_from(index).unwrap_or(u32::MAX)
            })
            .collect();
        Self {
            core_of,
            nr_cores: u32::try_from(cores.len()).unwrap_or(u32::MAX),
        }
    }

    /// The number of CPUs.
    #[must_use]
    pub fn nr_cpus(&self) -> u32 {
        u32::try_from(self.core_of.len()).unwrap_or(u32::MAX)
    }

    /// The number of cores.
    #[must_use]
    pub fn nr_cores(&self) -> u32 {
        self.nr_cores
    }

    /// The core of a CPU.
    #[must_use]
    pub fn core_of(&self, cpu: u32) -> u32 {
        self.core_of[cpu as usize]
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
        };
        let topology = Topology::new(&[
            place(0, 0, 0),
            place(0, 0, 1),
            place(1, 0, 0),
            place(1, 4, 0),
            place(1, 0, 1),
        ]);
        assert_eq!(topology.nr_cores(), 3);
        let cores: Vec<u32> = (0..5).map(|cpu| topology.core_of(cpu)).collect();
        assert_eq!(cores, [0, 0, 1, 2, 1]);
    }
}
