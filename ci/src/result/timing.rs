//! What a rendezvous cost, from the CPUs' moments.

use report::record::Time;
use report::{HardwareKind, Outcome};
use serde::Serialize;

use crate::judge::Stream;

/// Spans in ns; `None` where a CPU that took part lacks the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timing {
    /// From the first to the last call-in.
    pub call_in_skew_ns: Option<u64>,
    /// From the last call-in to the gate's decision, as first seen.
    pub gate_ns: Option<u64>,
    /// From the first write to the end of the last.
    pub load_ns: Option<u64>,
    /// From the first interrupts-off to the last interrupts-on.
    pub stall_ns: Option<u64>,
    /// Reading and checking the initrd, before any CPU stopped.
    pub scan_ns: Option<u64>,
    /// Judging every candidate for every kind of CPU, likewise.
    pub judge_ns: Option<u64>,
    /// Copying what was chosen into the cache, likewise.
    pub cache_ns: Option<u64>,
    /// From reset to the application's first line, in ms.
    pub boot_ms: Option<u64>,
    /// Whether the load's time comes from a model rather than from hardware.
    pub modelled_load: bool,
}

impl Timing {
    /// The spans of a report. Parked and refused CPUs take no part.
    #[must_use]
    pub fn new(stream: &Stream<'_>) -> Self {
        let took_part = |time: &&Time| {
            stream.cpus.iter().any(|cpu| {
                cpu.id == time.id && !matches!(cpu.outcome, Outcome::Parked | Outcome::Refused)
            })
        };
        let times: Vec<_> = stream.times.iter().filter(took_part).collect();
        let called_in = Range::of(times.iter().map(|t| t.called_in_ns));
        let gate = Range::of(times.iter().map(|t| t.gate_ns));
        let left = Range::of(times.iter().map(|t| t.left_ns));
        // Followers need not write: the loads are those that began.
        let loads = || times.iter().filter(|t| t.load_start_ns.is_some());
        let load_start = Range::of(loads().map(|t| t.load_start_ns));
        let load_end = Range::of(loads().map(|t| t.load_end_ns));
        Self {
            call_in_skew_ns: span(called_in, called_in),
            gate_ns: gate
                .zip(called_in)
                .and_then(|(gate, called_in)| gate.first.checked_sub(called_in.last)),
            load_ns: span(load_start, load_end),
            stall_ns: span(called_in, left),
            scan_ns: stream.prepare.map(|prepare| prepare.scan_ns),
            judge_ns: stream.prepare.map(|prepare| prepare.judge_ns),
            cache_ns: stream.prepare.map(|prepare| prepare.cache_ns),
            boot_ms: stream.header.map(|header| header.entry_us / 1000),
            modelled_load: stream
                .header
                .is_some_and(|header| header.hardware == HardwareKind::Engine),
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
    fn of(moments: impl Iterator<Item = Option<u64>>) -> Option<Self> {
        let moments = moments.collect::<Option<Vec<_>>>()?;
        Some(Self {
            first: *moments.iter().min()?,
            last: *moments.iter().max()?,
        })
    }
}

fn span(from: Option<Range>, to: Option<Range>) -> Option<u64> {
    to?.last.checked_sub(from?.first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(lines: &[(&str, &str)]) -> Timing {
        let cpu = |(id, (outcome, moments)): (usize, &(&str, &str))| {
            format!(
                "# cpu id={id} apic={id} package=0 core=0 thread={id} role=leader \
                 outcome={outcome}\n# time id={id} {moments}"
            )
        };
        let text = lines
            .iter()
            .enumerate()
            .map(cpu)
            .collect::<Vec<_>>()
            .join("\n");
        Timing::new(&Stream::read(&text))
    }

    #[test]
    fn the_spans_are_the_documented_differences() {
        let timing = timing(&[
            (
                "updated",
                "called_in_ns=10 gate_ns=61 load_start_ns=70 load_end_ns=90 left_ns=120",
            ),
            ("followed", "called_in_ns=50 gate_ns=60 left_ns=130"),
        ]);
        assert_eq!(timing.call_in_skew_ns, Some(40));
        assert_eq!(timing.gate_ns, Some(10));
        assert_eq!(timing.load_ns, Some(20));
        assert_eq!(timing.stall_ns, Some(120));
        assert!(!timing.modelled_load);
    }

    #[test]
    fn a_missing_moment_makes_its_spans_unknown_and_no_others() {
        let timing = timing(&[
            ("late", "gate_ns=60"),
            ("aborted", "called_in_ns=50 gate_ns=61 left_ns=130"),
        ]);
        assert_eq!(timing, Timing::default());
    }

    #[test]
    fn a_parked_cpu_takes_no_part() {
        let timing = timing(&[
            ("parked", ""),
            ("updated", "called_in_ns=5 gate_ns=6 left_ns=9"),
        ]);
        assert_eq!(timing.stall_ns, Some(4));
    }

    #[test]
    fn moments_in_an_impossible_order_are_unknown() {
        let timing = timing(&[("updated", "called_in_ns=50 gate_ns=6 left_ns=9")]);
        assert_eq!((timing.gate_ns, timing.stall_ns), (None, None));
    }
}
