//! What a reader has to be told before the figures are believed, a sentence each.

use super::clock::ClockFacts;
use super::contender::Contender;
use super::offset::Offset;
use super::rounds::Spoilt;
use super::transfer;
use crate::metrics::Series;
use crate::summary::median;

pub(super) fn of_clock(facts: &ClockFacts, not_measured: &mut Vec<String>) {
    if !facts.invariant {
        not_measured.push(
            "The time-stamp counter is not invariant (CPUID 0x80000007 EDX, bit 8): it is no \
             clock, and no time is measured."
                .to_owned(),
        );
    }
    if let Some(worst) = facts.worst.filter(|_| !facts.synchronised) {
        not_measured.push(format!(
            "The time-stamp counters of CPUs {} and {} are {} ns apart, and the measurement is off \
             by {} ns at most: spans between CPUs are not measured.",
            worst.from,
            worst.to,
            worst.offset_ns.abs(),
            worst.bound_ns
        ));
    }
}

pub(super) fn of_spoilt(contenders: &[Contender], spoilt: &Spoilt, not_measured: &mut Vec<String>) {
    for ((place, number, outcome), count) in spoilt {
        let label = contenders[*place].label();
        not_measured.push(format!(
            "{label}: {count} iterations are left out, in which CPU {number} ended as {outcome}."
        ));
    }
}

/// Under a hypervisor the CPUs may move to others while they are measured, and then the
/// floor is another one.
pub(super) fn of_move(way: &Series, not_measured: &mut Vec<String>) {
    let medians = || way.by_pass().filter_map(median);
    let (Some(least_ns), Some(most_ns)) = (medians().min(), medians().max()) else {
        return;
    };
    if transfer::have_moved([least_ns, most_ns]) {
        let cpu = |cpu: Option<u32>| cpu.map_or_else(String::new, |cpu| cpu.to_string());
        not_measured.push(format!(
            "From CPU {} to {} a cache line took {least_ns} ns in one pass and {most_ns} ns in \
             another: the CPUs have moved, and this run's figures are of two machines.",
            cpu(way.dimensions.from),
            cpu(way.dimensions.to)
        ));
    }
}

/// A gate that opens in less time than the clocks are known to agree to is measured,
/// and its reader should know.
pub(super) fn of_gates(doubtful: &[String], facts: &ClockFacts, not_measured: &mut Vec<String>) {
    if doubtful.is_empty() {
        return;
    }
    let error_ns = facts.worst.map_or(0, Offset::error_ns);
    not_measured.push(format!(
        "The CPUs' clocks are known to agree to {error_ns} ns, and these gates open within that: {}. \
         Where the last CPU to call in is not the first one through, they may be off by as much.",
        doubtful.join(", ")
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{ClockKind, Dimensions, Metric, Stage};
    use crate::native::Barrier;

    fn said(say: impl Fn(&mut Vec<String>)) -> String {
        let mut not_measured = Vec::new();
        say(&mut not_measured);
        not_measured.join("\n")
    }

    fn facts(invariant: bool, offset_ns: i64) -> ClockFacts {
        let worst = Offset {
            from: 2,
            to: 3,
            offset_ns,
            bound_ns: 50,
        };
        ClockFacts {
            invariant,
            khz: 1_000_000,
            source: "cpuid-15".to_owned(),
            measured_khz: 1_000_000,
            stamp_ns: 9,
            nr_pairs: 1,
            worst: Some(worst),
            synchronised: worst.may_be_none(),
        }
    }

    #[test]
    fn a_clock_that_is_none_is_named_with_its_reason() {
        assert_eq!(said(|lines| of_clock(&facts(true, 9), lines)), "");
        let varying = said(|lines| of_clock(&facts(false, 9), lines));
        assert!(varying.contains("not invariant"), "{varying}");
        let apart = said(|lines| of_clock(&facts(true, -700), lines));
        assert!(apart.contains("CPUs 2 and 3 are 700 ns apart"), "{apart}");
    }

    #[test]
    fn a_floor_that_has_moved_is_told() {
        let told = |after| {
            let dimensions = Dimensions {
                from: Some(0),
                to: Some(1),
                ..Dimensions::new(Stage::Native, ClockKind::Tsc, 2, 1, 1)
            };
            let passes = [50, after].map(|ns| vec![ns, ns + 1, ns + 2]);
            let way = Series::of_passes(Metric::Transfer, dimensions, &passes);
            said(|lines| of_move(&way, lines))
        };
        assert_eq!(told(90), "");
        assert!(
            told(200).contains("took 51 ns in one pass and 201"),
            "{}",
            told(200)
        );
        assert!(!told(20).is_empty());
    }

    #[test]
    fn gates_within_the_error_of_the_clocks_are_named_with_it() {
        let doubtful = ["muster tree first".to_owned(), "linux".to_owned()];
        let line = said(|lines| of_gates(&doubtful, &facts(true, 9), lines));
        assert!(line.contains("agree to 59 ns"), "{line}");
        assert!(line.contains("muster tree first, linux"), "{line}");
        assert_eq!(said(|lines| of_gates(&[], &facts(true, 9), lines)), "");
    }

    #[test]
    fn iterations_that_went_wrong_are_counted_by_how() {
        let spoilt = Spoilt::from([((0, 1, "Late".to_owned()), 3)]);
        let line = said(|lines| of_spoilt(&[Contender::Barrier(Barrier::Std)], &spoilt, lines));
        assert!(line.contains("3 iterations") && line.contains("CPU 1 ended as Late"));
    }
}
