//! Which CPU runs, where QEMU does not know.
//!
//! Where one host thread runs all CPUs in turns (`thread=single`, `-icount`),
//! QEMU tells every callback the number of the CPU for which the block was
//! translated. But a read of the local APIC's registers is answered by the APIC
//! of the CPU that runs, as long as it is not in x2APIC mode; so the host
//! program leaves x2APIC out of such machines and says how ids are made.

use crate::api::Api;

/// The register with the id, in bits 31:24 (Intel SDM volume 3, "Local APIC
/// ID").
const ID_REGISTER: u64 = 0xfee0_0020;
const ID_SHIFT: u32 = 24;

/// How a CPU's number and its APIC id hang together: QEMU gives threads and
/// cores as many bits as they need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ApicIds {
    /// Threads a core.
    threads: u32,
    /// Cores a package.
    cores: u32,
}

/// Bits that tell `nr` things apart.
const fn width(nr: u32) -> u32 {
    u32::BITS - nr.saturating_sub(1).leading_zeros()
}

impl ApicIds {
    /// The ids of packages of so many cores of so many threads.
    pub(crate) const fn new(threads: u32, cores: u32) -> Self {
        Self { threads, cores }
    }

    /// The number of the CPU with that id.
    const fn number(self, id: u32) -> u32 {
        let (thread_width, core_width) = (width(self.threads), width(self.cores));
        let thread = id & ((1 << thread_width) - 1);
        let core = id >> thread_width & ((1 << core_width) - 1);
        let package = id >> (thread_width + core_width);
        (package * self.cores + core) * self.threads + thread
    }

    /// The number of the CPU that runs; `None` if its APIC cannot be read.
    pub(crate) fn running(self, api: &Api) -> Option<u32> {
        api.read_physical(ID_REGISTER)
            .map(|register| self.number(register >> ID_SHIFT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_without_gaps_are_numbers() {
        let ids = ApicIds::new(2, 4);
        for id in 0..16 {
            assert_eq!(ids.number(id), id);
        }
        assert_eq!(ApicIds::new(1, 1).number(7), 7);
    }

    #[test]
    fn ids_with_gaps_are_counted_through() {
        // Three cores of two threads: ids 0 to 5, then 8 to 13.
        let ids = ApicIds::new(2, 3);
        let all: Vec<_> = (0..6).chain(8..14).map(|id| ids.number(id)).collect();
        assert_eq!(all, (0..12).collect::<Vec<_>>());
    }
}
