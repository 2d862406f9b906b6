//! A run that loads more than once, as the result has it.

use measure::metrics::Metric;
use report::record::{Round, Time};
use report::{Hex32, Outcome};
use serde::Serialize;

use super::{text, text_or_null};
use crate::judge::Stream;

/// What many loads came to.
#[derive(Clone, Debug, Serialize)]
pub struct RepeatResult {
    /// How many there were.
    pub loads: u32,
    /// CPUs, in whichever load, that did not end as they should.
    pub failures: u64,
    /// Blocks of the guest's heap in use after the first load that went well and
    /// after the last that did; null where none did.
    pub heap_blocks: Option<[u64; 2]>,
    /// The same in bytes.
    pub heap_bytes: Option<[u64; 2]>,
    /// The first of the failures after the first load.
    pub deviations: Vec<DeviationResult>,
    /// Each load; `metrics.json` has what they cost.
    #[serde(skip)]
    pub rounds: Vec<Round>,
    /// Each CPU's moments of each load after the first, where the guest was asked
    /// for them.
    #[serde(skip)]
    pub times: Vec<Time>,
}

/// A CPU that did not end as it should in a load after the first.
#[derive(Clone, Debug, Serialize)]
pub struct DeviationResult {
    /// Which load, from 1.
    pub load: u32,
    /// Kernel's number of the CPU.
    pub cpu: u32,
    /// Revision after the load.
    #[serde(serialize_with = "text_or_null")]
    pub after: Option<Hex32>,
    /// What happened.
    #[serde(serialize_with = "text")]
    pub outcome: Outcome,
}

/// A control CPU that did not come back, and the CPU that went on.
#[derive(Clone, Debug, Serialize)]
pub struct HandoverResult {
    /// Kernel's number of the one that is missing.
    pub from: u32,
    /// Kernel's number of the one that went on.
    pub to: u32,
}

impl RepeatResult {
    /// None of a run that loads once.
    pub(super) fn new(stream: &Stream<'_>) -> Option<Self> {
        let rounds = stream.rounds.clone();
        let last = *rounds.last()?;
        let good = stream.good_rounds();
        let deviations = stream.deviations.iter().map(|deviation| DeviationResult {
            load: deviation.number,
            cpu: deviation.cpu,
            after: deviation.after,
            outcome: deviation.outcome,
        });
        Some(Self {
            loads: last.number,
            failures: rounds.iter().map(|round| u64::from(round.nr_failed)).sum(),
            heap_blocks: good.map(|(first, last)| [first.nr_blocks, last.nr_blocks]),
            heap_bytes: good.map(|(first, last)| [first.nr_bytes, last.nr_bytes]),
            deviations: deviations.collect(),
            rounds,
            times: stream.further_times.clone(),
        })
    }

    /// What the loads cost, by metric, in ns: a load of which a span is unknown
    /// is left out of it.
    #[must_use]
    pub fn series(&self) -> Vec<(Metric, Vec<u64>)> {
        let known = |span: fn(&Round) -> Option<u64>| -> Vec<u64> {
            self.rounds.iter().filter_map(span).collect()
        };
        vec![
            (Metric::CallInSkew, known(|round| round.call_in_skew_ns)),
            (Metric::Gate, known(|round| round.gate_ns)),
            (Metric::Load, known(|round| round.load_ns)),
            (Metric::Stall, known(|round| round.stall_ns)),
            (Metric::Request, known(|round| Some(round.request_ns))),
        ]
    }
}

impl HandoverResult {
    pub(super) fn all(stream: &Stream<'_>) -> Vec<Self> {
        let handovers = stream.handovers.iter();
        handovers
            .map(|handover| Self {
                from: handover.from,
                to: handover.to,
            })
            .collect()
    }
}
