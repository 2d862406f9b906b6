//! How CPUs are arranged, and their APIC ids: threads, cores and packages have as
//! many bits each as they need, as QEMU has it too.

/// APIC ids have 8 bits; the highest is the broadcast.
const HIGHEST_APIC_ID: u32 = 254;
/// So many CPUs have such an id.
pub const MAX_CPUS: u32 = HIGHEST_APIC_ID + 1;

/// Packages × cores × threads, all alike.
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
        "{nr_cpus} CPUs cannot be shared out evenly: give a multiple of packages × threads of a \
         core, which is {nr_packages} × {nr_threads}"
    )]
    Uneven {
        /// All CPUs.
        nr_cpus: u32,
        /// Packages asked for.
        nr_packages: u32,
        /// Threads a core asked for.
        nr_threads: u32,
    },
    /// An id does not fit, as there are gaps between those of packages or cores.
    #[error(
        "the last CPU's APIC id would be {0}, and they end at {HIGHEST_APIC_ID}: give fewer CPUs, \
         or numbers of cores and threads that are powers of two"
    )]
    ApicId(u32),
}

/// Where a CPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its package.
    pub package: u32,
    /// Its core, all packages counted.
    pub core: u32,
    /// Its thread within the core.
    pub thread: u32,
    /// Its APIC id.
    pub apic_id: u32,
}

/// Bits that tell so many things apart.
const fn width(number: u32) -> u32 {
    u32::BITS - (number - 1).leading_zeros()
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
        let topology = Self {
            nr_packages,
            nr_cores: nr_cpus / per_core,
            nr_threads,
        };
        match topology.highest_apic_id() {
            id if id > HIGHEST_APIC_ID => Err(TopologyError::ApicId(id)),
            _ => Ok(topology),
        }
    }

    /// All threads of all cores.
    #[must_use]
    pub const fn nr_cpus(self) -> u32 {
        self.nr_packages * self.nr_package_threads()
    }

    /// The threads of a package.
    #[must_use]
    pub const fn nr_package_threads(self) -> u32 {
        self.nr_cores * self.nr_threads
    }

    /// How far an APIC id is shifted right to name the core.
    #[must_use]
    pub const fn core_shift(self) -> u32 {
        width(self.nr_threads)
    }

    /// How far an APIC id is shifted right to name the package.
    #[must_use]
    pub const fn package_shift(self) -> u32 {
        self.core_shift() + width(self.nr_cores)
    }

    /// Where the CPU of that number is: threads count first, then cores.
    #[must_use]
    pub const fn place(self, cpu: u32) -> Place {
        let (core, thread) = (cpu / self.nr_threads, cpu % self.nr_threads);
        let (package, in_package) = (core / self.nr_cores, core % self.nr_cores);
        Place {
            package,
            core,
            thread,
            apic_id: package << self.package_shift() | in_package << self.core_shift() | thread,
        }
    }

    /// The number of the CPU with that APIC id.
    #[must_use]
    pub const fn cpu(self, apic_id: u32) -> u32 {
        let (core_shift, package_shift) = (self.core_shift(), self.package_shift());
        let thread = apic_id & ((1 << core_shift) - 1);
        let core = (apic_id & ((1 << package_shift) - 1)) >> core_shift;
        let package = apic_id >> package_shift;
        (package * self.nr_cores + core) * self.nr_threads + thread
    }

    /// The last CPU's.
    #[must_use]
    pub const fn highest_apic_id(self) -> u32 {
        self.place(self.nr_cpus() - 1).apic_id
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn apic_ids_have_bits_of_their_own_for_thread_core_and_package() {
        let topology = Topology::new(12, 2, 2).unwrap();
        let ids: Vec<_> = (0..12).map(|cpu| topology.place(cpu).apic_id).collect();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13]);
        assert_eq!((topology.core_shift(), topology.package_shift()), (1, 3));
        let last = topology.place(11);
        assert_eq!((last.package, last.core, last.thread), (1, 5, 1));
        let single = Topology::new(4, 1, 1).unwrap();
        assert_eq!((single.core_shift(), single.package_shift()), (0, 2));
    }

    #[test]
    fn what_does_not_divide_or_fit_is_refused() {
        let uneven = |cpus, threads, packages| {
            let error = Topology::new(cpus, threads, packages).unwrap_err();
            matches!(error, TopologyError::Uneven { .. })
        };
        assert!(uneven(4, 3, 1) && uneven(4, 0, 1) && uneven(1, 2, 1));
        assert!(uneven(4, u32::MAX, 2));
        assert_eq!(Topology::new(0, 1, 1), Err(TopologyError::Count(0)));
        assert_eq!(Topology::new(256, 1, 1), Err(TopologyError::Count(256)));
        assert_eq!(Topology::new(255, 1, 5), Err(TopologyError::ApicId(306)));
        assert!(Topology::new(255, 1, 1).is_ok());
    }

    proptest! {
        #[test]
        fn an_arrangement_has_exactly_the_cpus_asked_for_each_with_its_id(
            nr_cpus in 0..300_u32, nr_threads in 0..5_u32, nr_packages in 0..5_u32,
        ) {
            if let Ok(topology) = Topology::new(nr_cpus, nr_threads, nr_packages) {
                prop_assert_eq!(topology.nr_cpus(), nr_cpus);
                for cpu in 0..nr_cpus {
                    prop_assert_eq!(topology.cpu(topology.place(cpu).apic_id), cpu);
                }
            }
        }
    }
}
