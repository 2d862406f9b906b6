//! What a rendezvous cost, from the CPUs' moments.

use report::record::Time;
use report::{HardwareKind, Outcome, Spans};
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
    /// The spans of a report. Parked CPUs take no part.
    #[must_use]
    pub fn new(stream: &Stream<'_>) -> Self {
        let took_part = |time: &&Time| {
            stream.cpus.iter().any(|cpu| {
                let is_idle = match cpu.outcome {
                    Outcome::Parked => true,
                    // It was stopped with the others, if anybody was.
                    Outcome::Refused => time.called_in_ns.is_none(),
                    _ => false,
                };
                cpu.id == time.id && !is_idle
            })
        };
        let Spans {
            call_in_skew_ns,
            gate_ns,
            load_ns,
            stall_ns,
        } = Spans::of(stream.times.iter().filter(took_part));
        Self {
            call_in_skew_ns,
            gate_ns,
            load_ns,
            stall_ns,
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
    fn a_parked_cpu_takes_no_part_even_if_it_was_held() {
        let updated = ("updated", "called_in_ns=5 gate_ns=6 left_ns=9");
        for moments in ["", "called_in_ns=1 left_ns=20"] {
            let timing = timing(&[("parked", moments), updated]);
            assert_eq!(timing.stall_ns, Some(4), "{moments}");
            assert_eq!(timing.call_in_skew_ns, Some(0), "{moments}");
        }
    }
}
