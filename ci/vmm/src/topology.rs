//! Where a CPU is in the machine, and its APIC id.

/// APIC ids of 8 bits; the highest is the broadcast.
const HIGHEST_APIC_ID: u32 = 254;

/// Packages × cores × threads, all alike.
#[expect(clippy::struct_field_names, reason = "numbers of different things")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    nr_packages: u32,
    /// A package's.
    nr_cores: u32,
    /// A core's.
    nr_threads: u32,
}

/// Why CPUs cannot be arranged so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// The numbers do not divide.
    #[error(
        "{nr_cpus} CPUs do not make {nr_packages} packages with {nr_threads} threads a core: give \
         a number of packages that divides"
    )]
    Uneven {
        /// All CPUs.
        nr_cpus: u32,
        /// Packages asked for.
        nr_packages: u32,
        /// Threads a core.
        nr_threads: u32,
    },
    /// An id does not fit.
    #[error(
        "the last CPU's APIC id would be {0}, and they end at {HIGHEST_APIC_ID}: give fewer CPUs, \
         or numbers of cores and threads that are powers of two"
    )]
    ApicId(u32),
}

/// Where one CPU is; numbers count within what is above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its package.
    pub package: u32,
    /// Its core.
    pub core: u32,
    /// Its thread.
    pub thread: u32,
    /// Its APIC id.
    pub apic_id: u32,
}

/// How many bits so many things need to be told apart.
const fn width(number: u32) -> u32 {
    u32::BITS - (number - 1).leading_zeros()
}

impl Topology {
    /// Arranges `nr_cpus` CPUs with `nr_threads` to a core.
    pub fn new(nr_cpus: u32, nr_threads: u32, nr_packages: u32) -> Result<Self, TopologyError> {
        let uneven = TopologyError::Uneven {
            nr_cpus,
            nr_packages,
            nr_threads,
        };
        let per_core = nr_threads.checked_mul(nr_packages).ok_or(uneven)?;
        if per_core == 0 || nr_cpus == 0 || !nr_cpus.is_multiple_of(per_core) {
            return Err(uneven);
        }
        let topology = Self {
            nr_packages,
            nr_cores: nr_cpus / per_core,
            nr_threads,
        };
        match topology.place(nr_cpus - 1).apic_id {
            id if id > HIGHEST_APIC_ID => Err(TopologyError::ApicId(id)),
            _ => Ok(topology),
        }
    }

    /// Where the CPU of that number is: threads count first, then cores.
    #[must_use]
    pub const fn place(&self, cpu: u32) -> Place {
        let per_package = self.nr_cores * self.nr_threads;
        let (package, within) = (cpu / per_package, cpu % per_package);
        let (core, thread) = (within / self.nr_threads, within % self.nr_threads);
        Place {
            package,
            core,
            thread,
            apic_id: package << self.package_shift() | core << self.core_shift() | thread,
        }
    }

    /// All CPUs.
    #[must_use]
    pub const fn nr_cpus(&self) -> u32 {
        self.nr_packages * self.nr_cores * self.nr_threads
    }

    /// Threads of a core.
    #[must_use]
    pub const fn nr_threads(&self) -> u32 {
        self.nr_threads
    }

    /// Threads of a package.
    #[must_use]
    pub const fn nr_package_threads(&self) -> u32 {
        self.nr_cores * self.nr_threads
    }

    /// How far an APIC id is shifted right to name the core.
    #[must_use]
    pub const fn core_shift(&self) -> u32 {
        width(self.nr_threads)
    }

    /// How far an APIC id is shifted right to name the package.
    #[must_use]
    pub const fn package_shift(&self) -> u32 {
        self.core_shift() + width(self.nr_cores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apic_ids_have_bits_of_their_own_for_thread_core_and_package() {
        let topology = Topology::new(12, 2, 2).unwrap();
        let ids: Vec<_> = (0..12).map(|cpu| topology.place(cpu).apic_id).collect();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13]);
        assert_eq!((topology.core_shift(), topology.package_shift()), (1, 3));
        let single = Topology::new(4, 1, 1).unwrap();
        assert_eq!((single.core_shift(), single.package_shift()), (0, 2));
    }

    #[test]
    fn what_does_not_divide_or_fit_is_refused_with_the_numbers() {
        let error = |cpus, threads, packages| {
            let error = Topology::new(cpus, threads, packages).unwrap_err();
            error.to_string()
        };
        assert!(error(5, 2, 1).starts_with("5 CPUs do not make 1 packages"));
        assert!(error(4, 0, 1).contains("0 threads"));
        assert!(error(4, u32::MAX, 2).contains("4294967295 threads"));
        assert!(error(250, 1, 5).contains("APIC id"), "ids have gaps");
        assert!(Topology::new(255, 1, 1).is_ok());
    }
}
