//! The CPUs of a run, as the result has them: those that were there at the
//! request, and those that did not come up.

use report::record::{Cpu, Time};
use report::{CandidateVerdict, Hex32, Outcome, Role};
use serde::Serialize;

use super::{text, text_or_null};
use crate::judge::Stream;

/// A CPU; times in ns from the control CPU's request.
#[derive(Clone, Debug, Serialize)]
pub struct CpuResult {
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
    /// CPUID leaf 1 EAX.
    #[serde(serialize_with = "text_or_null")]
    pub signature: Option<Hex32>,
    /// Part in the load of its core.
    #[serde(serialize_with = "text")]
    pub role: Role,
    /// Revision before the request.
    #[serde(serialize_with = "text_or_null")]
    pub before: Option<Hex32>,
    /// Revision after it.
    #[serde(serialize_with = "text_or_null")]
    pub after: Option<Hex32>,
    /// Revision that it should have ended on; null when nothing applies.
    #[serde(serialize_with = "text_or_null")]
    pub target: Option<Hex32>,
    /// What happened.
    #[serde(serialize_with = "text")]
    pub outcome: Outcome,
    /// Why, for a refused CPU.
    #[serde(serialize_with = "text_or_null")]
    pub refused_for: Option<CandidateVerdict>,
    /// The error code that peers return for this outcome.
    pub errno: Option<&'static str>,
    /// NMIs that it got during the request.
    pub nmis: u32,
    /// Interrupts off, arrival announced.
    pub called_in_ns: Option<u64>,
    /// The gate's decision seen.
    pub gate_ns: Option<u64>,
    /// Before the write.
    pub load_start_ns: Option<u64>,
    /// After the write and the check of the revision.
    pub load_end_ns: Option<u64>,
    /// Interrupts on again.
    pub left_ns: Option<u64>,
}

impl CpuResult {
    /// Those of a report, with their times.
    pub(super) fn all(stream: &Stream<'_>) -> Vec<Self> {
        let time_of = |cpu: &Cpu| stream.times.iter().find(|time| time.id == cpu.id);
        let cpus = stream.cpus.iter();
        let common = stream.header.map(|header| header.signature);
        cpus.map(|cpu| Self::new(cpu, common, time_of(cpu)))
            .collect()
    }

    fn new(cpu: &Cpu, common: Option<Hex32>, time: Option<&Time>) -> Self {
        Self {
            id: cpu.id,
            apic_id: cpu.apic_id,
            package: cpu.package,
            core: cpu.core,
            thread: cpu.thread,
            signature: cpu.signature.or(common),
            role: cpu.role,
            before: cpu.before,
            after: cpu.after,
            target: cpu.target,
            outcome: cpu.outcome,
            refused_for: cpu.reason,
            errno: cpu.outcome.errno_for(cpu.reason),
            nmis: cpu.nr_nmis.unwrap_or_default(),
            called_in_ns: time.and_then(|t| t.called_in_ns),
            gate_ns: time.and_then(|t| t.gate_ns),
            load_start_ns: time.and_then(|t| t.load_start_ns),
            load_end_ns: time.and_then(|t| t.load_end_ns),
            left_ns: time.and_then(|t| t.left_ns),
        }
    }
}

/// A CPU that the firmware lists and that did not come up.
#[derive(Clone, Debug, Serialize)]
pub struct AbsentResult {
    /// APIC id.
    pub apic_id: u32,
    /// What was tried.
    pub reason: String,
}

impl AbsentResult {
    /// Those of a report.
    pub(super) fn all(stream: &Stream<'_>) -> Vec<Self> {
        let absents = stream.absents.iter();
        absents
            .map(|absent| Self {
                apic_id: absent.apic_id,
                reason: absent.reason.to_owned(),
            })
            .collect()
    }
}
