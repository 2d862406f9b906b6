//! The time-stamp counter as a clock, and its frequency where CPUID tells it.

use crate::registers::{CpuId, Registers};

/// A frequency and where it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TscFrequency {
    /// In kHz.
    pub khz: u32,
    /// The source, in one word.
    pub source: &'static str,
}

/// Asks CPUID: leaf 0x15 of the CPU (Intel SDM vol. 3B, 20.7.3), or leaf
/// 0x4000_0010 that several hypervisors have.
pub fn frequency(registers: &impl Registers) -> Option<TscFrequency> {
    let cpuid = CpuId::with_cpuid_reader(registers.clone());
    let own = cpuid
        .get_tsc_info()
        .and_then(|info| info.tsc_frequency())
        .and_then(|hz| u32::try_from(hz / 1000).ok())
        .map(|khz| TscFrequency {
            khz,
            source: "cpuid-15",
        });
    let told = || {
        let khz = cpuid.get_hypervisor_info()?.tsc_frequency()?;
        Some(TscFrequency {
            khz,
            source: "hypervisor",
        })
    };
    own.or_else(told).filter(|frequency| frequency.khz > 0)
}

/// A clock in ns from TSC 0, the machine's reset. It is one clock for all CPUs
/// where their counters run together, as they do on every machine with an
/// invariant TSC.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// ns per tick, as a fraction of 2^32.
    scale: u64,
}

impl Clock {
    /// A clock for a counter of that frequency; 0 is taken for 1 kHz.
    #[must_use]
    pub fn new(khz: u32) -> Self {
        Self {
            scale: (1_000_000 << 32) / u64::from(khz.max(1)),
        }
    }

    /// The time of a counter reading. No division: this is read in loops that
    /// other CPUs wait for.
    #[must_use]
    #[inline]
    pub fn ns(self, tsc: u64) -> u64 {
        #[expect(clippy::cast_possible_truncation, reason = "584 years are enough")]
        let ns = ((u128::from(tsc) * u128::from(self.scale)) >> 32) as u64;
        ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    #[test]
    fn the_crystal_and_its_ratio_give_the_frequency() {
        let fake = Fake::intel(0x0005_0654).with_leaf(0x15, 0, [2, 200, 25_000_000, 0]);
        let frequency = frequency(&fake).unwrap();
        assert_eq!((frequency.khz, frequency.source), (2_500_000, "cpuid-15"));
    }

    #[test]
    fn a_clock_counts_ns_over_years_without_overflow() {
        let clock = Clock::new(2_500_000);
        assert_eq!(clock.ns(2_500_000_000), 999_999_999);
        let year_ticks = 2_500_000_000 * 3600 * 24 * 365;
        let year_ns = 1_000_000_000 * 3600 * 24 * 365_u64;
        assert!(year_ns.abs_diff(clock.ns(year_ticks)) < year_ns / 1_000_000);
        assert_eq!(Clock::new(0).ns(1), 1_000_000);
    }

    #[test]
    fn without_either_leaf_it_is_unknown() {
        assert_eq!(frequency(&Fake::intel(0x0005_0654)), None);
    }
}
