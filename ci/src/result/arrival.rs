//! CPUs that came online after the loads, as the result has them.

use report::{Hex32, Outcome};
use serde::Serialize;

use super::{text, text_or_null};
use crate::judge::Stream;

/// What one did before anything else.
#[derive(Clone, Debug, Serialize)]
pub struct ArrivalResult {
    /// Kernel's number of the CPU.
    pub id: u32,
    /// APIC id.
    pub apic_id: u32,
    /// Package number.
    pub package: u32,
    /// Core number within the package.
    pub core: u32,
    /// Thread number within the core.
    pub thread: u32,
    /// Revision that it came with.
    #[serde(serialize_with = "text")]
    pub before: Hex32,
    /// Revision once it was at work.
    #[serde(serialize_with = "text_or_null")]
    pub after: Option<Hex32>,
    /// Revision that the others have proven; null when there is none for it.
    #[serde(serialize_with = "text_or_null")]
    pub target: Option<Hex32>,
    /// What happened.
    #[serde(serialize_with = "text")]
    pub outcome: Outcome,
    /// How often it wrote.
    pub loads: u32,
}

impl ArrivalResult {
    pub(super) fn all(stream: &Stream<'_>) -> Vec<Self> {
        let arrivals = stream.arrivals.iter();
        arrivals
            .map(|arrival| Self {
                id: arrival.id,
                apic_id: arrival.apic_id,
                package: arrival.package,
                core: arrival.core,
                thread: arrival.thread,
                before: arrival.before,
                after: arrival.after,
                target: arrival.target,
                outcome: arrival.outcome,
                loads: arrival.nr_loads,
            })
            .collect()
    }
}
