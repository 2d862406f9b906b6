//! The clock that everything is measured by: each CPU's time-stamp counter.
//!
//! It is a clock if it runs at one rate whatever the CPU does (it is *invariant*), and
//! one clock for all CPUs if their counters show the same at the same time.

use std::io;
use std::thread;
use std::time::Duration;

use cpu::registers::{CpuId, Native, Registers};
use cpu::tsc::{self, Clock};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::cpus::HostCpu;
use super::offset::{self, Offset};
use super::team;
use crate::summary::median;

/// How long the counter is held against the kernel's clock. A reading of both is off
/// by less than 100 ns, which is two parts in a million of this.
const CALIBRATION: Duration = Duration::from_millis(50);
/// Readings of both clocks at one moment; the fastest is taken.
const NR_READINGS: u32 = 64;
/// What CPUID tells is believed where it is within one part in so many of what was
/// measured.
const MOST_OFF: u32 = 1000;
/// Number of pairs of back-to-back reads.
const NR_STAMPS: usize = 1000;

/// What is known of the time-stamp counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockFacts {
    /// Whether it runs at one rate in all states of power (CPUID 0x80000007 EDX, bit 8).
    pub invariant: bool,
    /// The frequency that times were computed with, in kHz.
    pub khz: u32,
    /// Where it is from: `cpuid-15`, `hypervisor`, or `clock-monotonic-raw`, against
    /// which it was measured.
    pub source: String,
    /// The frequency as it was measured, in kHz.
    pub measured_khz: u32,
    /// What one time stamp costs, the median, in ns.
    pub stamp_ns: u64,
    /// Number of pairs of CPUs that were held against each other.
    pub nr_pairs: u32,
    /// The pair whose difference is known worst; none where no two were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<Offset>,
    /// Whether all pairs were compared, and in none of them a counter was ahead by
    /// more than the measurement may be off.
    pub synchronised: bool,
}

impl ClockFacts {
    /// The clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock::new(self.khz)
    }

    /// Whether a span from a moment of one CPU to one of another is known better than its
    /// own length, in ns. Of many such spans the median is much better than this: the
    /// difference of two counters stays what it is.
    #[must_use]
    pub fn trusts(&self, span_ns: u64) -> bool {
        let error_ns = self.worst.map(Offset::error_ns);
        self.invariant && self.synchronised && error_ns.is_some_and(|error| error < span_ns)
    }
}

/// Looks at the clock: the facts, and each back-to-back read in ns. `pinned` are CPUs
/// that threads can be kept on, `first` the one to begin with.
pub fn look(first: Option<HostCpu>, pinned: &[HostCpu]) -> io::Result<(ClockFacts, Vec<u64>)> {
    let cpus = [first.map(|cpu| cpu.number)];
    let alone = team::together(&cpus, |_| (measured_khz(), stamp_ticks()), &mut || {})?;
    let (measured_khz, ticks) = alone.into_iter().next().unwrap_or_default();
    let (khz, source) = choose(tsc::frequency(&Native), measured_khz);
    let clock = Clock::new(khz);
    let stamps: Vec<u64> = ticks.into_iter().map(|ticks| clock.ns(ticks)).collect();
    let mut facts = ClockFacts {
        invariant: is_invariant(),
        khz,
        source: source.to_owned(),
        measured_khz,
        stamp_ns: median(&stamps).unwrap_or_default(),
        nr_pairs: 0,
        worst: None,
        synchronised: pinned.len() > 1,
    };
    for (nr_before, &other) in pinned.iter().enumerate() {
        for &one in &pinned[..nr_before] {
            facts.hold(offset::measure(one, other, clock)?);
        }
    }
    Ok((facts, stamps))
}

impl ClockFacts {
    fn hold(&mut self, offset: Offset) {
        self.nr_pairs += 1;
        self.synchronised &= offset.may_be_none();
        if self
            .worst
            .is_none_or(|worst| worst.error_ns() < offset.error_ns())
        {
            self.worst = Some(offset);
        }
    }
}

fn is_invariant() -> bool {
    let power = CpuId::with_cpuid_reader(Native).get_advanced_power_mgmt_info();
    power.is_some_and(|power| power.has_invariant_tsc())
}

/// What CPUID tells, unless there is nothing or it is wrong.
fn choose(told: Option<tsc::TscFrequency>, measured_khz: u32) -> (u32, &'static str) {
    let most_off = measured_khz / MOST_OFF;
    let told = told.filter(|told| told.khz.abs_diff(measured_khz) <= most_off);
    told.map_or((measured_khz, "clock-monotonic-raw"), |told| {
        (told.khz, told.source)
    })
}

/// The counter held against the kernel's clock that nobody adjusts.
fn measured_khz() -> u32 {
    let (start, start_ns) = reading();
    thread::sleep(CALIBRATION);
    let (end, end_ns) = reading();
    let ticks = u128::from(end.saturating_sub(start));
    let ns = end_ns.saturating_sub(start_ns).max(1);
    u32::try_from(ticks * 1_000_000 / ns).unwrap_or(u32::MAX)
}

/// Both clocks at one moment.
fn reading() -> (u64, u128) {
    let readings = (0..NR_READINGS).map(|_| {
        let before = Native.read_tsc();
        let time = clock_gettime(ClockId::MonotonicRaw);
        let took = Native.read_tsc().saturating_sub(before);
        let seconds = u128::try_from(time.tv_sec).unwrap_or(0);
        let rest_ns = u128::try_from(time.tv_nsec).unwrap_or(0);
        (took, before + took / 2, seconds * 1_000_000_000 + rest_ns)
    });
    let fastest = readings.min_by_key(|(took, ..)| *took);
    fastest.map_or((0, 0), |(_, tsc, ns)| (tsc, ns))
}

fn stamp_ticks() -> Vec<u64> {
    let mut stamps = Vec::with_capacity(NR_STAMPS + 1);
    stamps.resize_with(NR_STAMPS + 1, || Native.read_tsc());
    let pairs = stamps.windows(2);
    pairs.map(|pair| pair[1].saturating_sub(pair[0])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::cpus;

    #[test]
    fn the_facts_are_consistent_with_each_other() {
        let usable = cpus::usable().unwrap();
        let pinned = &usable[..usable.len().min(2)];
        let (facts, stamps) = look(Some(usable[0]), pinned).unwrap();
        assert_eq!(stamps.len(), NR_STAMPS);
        assert_eq!(Some(facts.stamp_ns), median(&stamps));
        assert!(facts.khz.abs_diff(facts.measured_khz) <= facts.measured_khz / MOST_OFF);
        assert_eq!(facts.worst.is_some(), pinned.len() == 2);
        assert_eq!(facts.nr_pairs, u32::from(pinned.len() == 2));
        let may_be_none = facts.worst.is_some_and(Offset::may_be_none);
        assert_eq!(facts.synchronised, may_be_none);
        assert!(!facts.trusts(0));
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<ClockFacts>(&text).unwrap(), facts);
    }

    #[test]
    fn what_cpuid_tells_is_believed_where_it_is_about_what_was_measured() {
        let told = |khz| {
            Some(tsc::TscFrequency {
                khz,
                source: "cpuid-15",
            })
        };
        let measured = |khz| (khz, "clock-monotonic-raw");
        assert_eq!(choose(told(2_500_000), 2_500_900), (2_500_000, "cpuid-15"));
        assert_eq!(choose(told(2_400_000), 2_500_900), measured(2_500_900));
        assert_eq!(choose(None, 2_500_900), measured(2_500_900));
    }

    #[test]
    fn the_worst_pair_is_kept_and_one_that_is_apart_unsettles_all() {
        let mut facts = ClockFacts {
            invariant: true,
            khz: 1,
            source: String::new(),
            measured_khz: 1,
            stamp_ns: 1,
            nr_pairs: 0,
            worst: None,
            synchronised: true,
        };
        assert!(!facts.trusts(u64::MAX), "nobody was compared");
        let pair = |offset_ns, bound_ns| Offset {
            from: 0,
            to: 1,
            offset_ns,
            bound_ns,
        };
        for (offset, synchronised, worst, trusted) in [
            (pair(-3, 90), true, pair(-3, 90), 94),
            (pair(10, 50), true, pair(-3, 90), 94),
            (pair(120, 60), false, pair(120, 60), u64::MAX),
            (pair(1, 60), false, pair(120, 60), u64::MAX),
        ] {
            facts.hold(offset);
            assert_eq!(
                (facts.synchronised, facts.worst),
                (synchronised, Some(worst))
            );
            assert!(!facts.trusts(93));
            assert_eq!(facts.trusts(trusted), synchronised);
        }
        assert_eq!(facts.nr_pairs, 4);
    }
}
