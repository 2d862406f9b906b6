//! What a rendezvous cost, from its CPUs' moments: computed by the guest for
//! each load of many, and by the host for the one that is reported in full.

use crate::record::Time;

/// Spans in ns; `None` where a CPU that took part lacks the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// From the first to the last call-in.
    pub call_in_skew_ns: Option<u64>,
    /// From the last call-in to the gate's decision, as first seen.
    pub gate_ns: Option<u64>,
    /// From the first write to the end of the last.
    pub load_ns: Option<u64>,
    /// From the first interrupts-off to the last interrupts-on.
    pub stall_ns: Option<u64>,
}

impl Spans {
    /// The spans of the CPUs that took part.
    #[must_use]
    pub fn of<'a>(times: impl Iterator<Item = &'a Time> + Clone) -> Self {
        let called_in = Range::of(times.clone().map(|t| t.called_in_ns));
        let gate = Range::of(times.clone().map(|t| t.gate_ns));
        let left = Range::of(times.clone().map(|t| t.left_ns));
        // Followers need not write: the loads are those that began.
        let loads = times.filter(|t| t.load_start_ns.is_some());
        let load_start = Range::of(loads.clone().map(|t| t.load_start_ns));
        let load_end = Range::of(loads.map(|t| t.load_end_ns));
        Self {
            call_in_skew_ns: span(called_in, called_in),
            gate_ns: gate
                .zip(called_in)
                .and_then(|(gate, called_in)| gate.first.checked_sub(called_in.last)),
            load_ns: span(load_start, load_end),
            stall_ns: span(called_in, left),
        }
    }
}

/// The first and the last of the CPUs' moments of one kind.
#[derive(Clone, Copy)]
struct Range {
    first: u64,
    last: u64,
}

impl Range {
    /// `None` when there is no CPU, or one lacks the moment.
    fn of(mut moments: impl Iterator<Item = Option<u64>>) -> Option<Self> {
        let first = moments.next()??;
        let only = Self { first, last: first };
        moments.try_fold(only, |range, moment| {
            moment.map(|moment| Self {
                first: range.first.min(moment),
                last: range.last.max(moment),
            })
        })
    }
}

fn span(from: Option<Range>, to: Option<Range>) -> Option<u64> {
    to?.last.checked_sub(from?.first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(lines: &[&str]) -> Spans {
        let times: [Time; 2] = core::array::from_fn(|cpu| Time::read(lines[cpu]).unwrap());
        Spans::of(times.iter())
    }

    #[test]
    fn the_spans_are_the_documented_differences() {
        let spans = spans(&[
            " id=0 called_in_ns=10 gate_ns=61 load_start_ns=70 load_end_ns=90 left_ns=120",
            " id=1 called_in_ns=50 gate_ns=60 left_ns=130",
        ]);
        assert_eq!(spans.call_in_skew_ns, Some(40));
        assert_eq!(spans.gate_ns, Some(10));
        assert_eq!(spans.load_ns, Some(20));
        assert_eq!(spans.stall_ns, Some(120));
    }

    #[test]
    fn a_missing_moment_makes_its_spans_unknown_and_no_others() {
        let without_call_in = spans(&[" id=0 gate_ns=60", " id=1 called_in_ns=50 left_ns=130"]);
        assert_eq!(without_call_in, Spans::default());
        let without_load = spans(&[
            " id=0 called_in_ns=1 gate_ns=60 left_ns=70",
            " id=1 called_in_ns=5 gate_ns=61 left_ns=130",
        ]);
        assert_eq!(without_load.load_ns, None);
        assert_eq!(without_load.stall_ns, Some(129));
    }

    #[test]
    fn moments_in_an_impossible_order_are_unknown() {
        let spans = spans(&[
            " id=0 called_in_ns=50 gate_ns=6 left_ns=9",
            " id=1 called_in_ns=50 gate_ns=6 left_ns=9",
        ]);
        assert_eq!((spans.gate_ns, spans.stall_ns), (None, None));
    }
}
