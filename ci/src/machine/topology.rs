//! How many CPUs, and how they are arranged.

/// QEMU's and the kernel's limit: APIC ids of 8 bits, of which one is the
/// broadcast.
pub const MAX_CPUS: u32 = 255;

/// Packages × cores × threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Packages (sockets).
    pub nr_packages: u32,
    /// Physical cores a package.
    pub nr_cores: u32,
    /// Threads a core.
    pub nr_threads: u32,
}

/// Why CPUs cannot be arranged so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// None, or more than APIC ids can name.
    #[error("{0} CPUs: give 1 to {MAX_CPUS}")]
    Count(u32),
    /// The numbers do not divide.
    #[error(
        "{nr_cpus} CPUs do not make {nr_packages} packages with {nr_threads} threads a core: the \
         number of CPUs must be a multiple of packages × threads"
    )]
    Uneven {
        /// All CPUs.
        nr_cpus: u32,
        /// Packages asked for.
        nr_packages: u32,
        /// Threads a core asked for.
        nr_threads: u32,
    },
}

impl Topology {
    /// Arranges `nr_cpus` CPUs; all cores are alike.
    pub fn new(nr_cpus: u32, nr_threads: u32, nr_packages: u32) -> Result<Self, TopologyError> {
        if !(1..=MAX_CPUS).contains(&nr_cpus) {
            return Err(TopologyError::Count(nr_cpus));
        }
        let uneven = TopologyError::Uneven {
            nr_cpus,
            nr_packages,
            nr_threads,
        };
        let per_core = nr_threads.checked_mul(nr_packages).ok_or(uneven)?;
        if per_core == 0 || !nr_cpus.is_multiple_of(per_core) {
            return Err(uneven);
        }
        Ok(Self {
            nr_packages,
            nr_cores: nr_cpus / per_core,
            nr_threads,
        })
    }

    /// All threads of all cores.
    #[must_use]
    pub const fn nr_cpus(self) -> u32 {
        self.nr_packages * self.nr_cores * self.nr_threads
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_does_not_divide_is_refused() {
        assert!(Topology::new(4, 3, 1).is_err());
        assert!(Topology::new(4, 0, 1).is_err());
        assert!(Topology::new(1, 2, 1).is_err());
        assert_eq!(Topology::new(0, 1, 1), Err(TopologyError::Count(0)));
        assert_eq!(Topology::new(256, 1, 1), Err(TopologyError::Count(256)));
        assert!(Topology::new(4, u32::MAX, 2).is_err());
    }

    proptest! {
        #[test]
        fn an_arrangement_has_exactly_the_cpus_asked_for(
            nr_cpus in 0..300_u32, nr_threads in 0..5_u32, nr_packages in 0..5_u32,
        ) {
            if let Ok(topology) = Topology::new(nr_cpus, nr_threads, nr_packages) {
                prop_assert_eq!(topology.nr_cpus(), nr_cpus);
            }
        }
    }
}
