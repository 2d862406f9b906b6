//! What the machine saw, as the result has it. A machine numbers its CPUs in the
//! order of their APIC ids, a guest that models them by its own numbers.

use report::Hex32;
use serde::Serialize;

use super::{text, text_or_null};

/// A write of a load register.
#[derive(Clone, Debug, Serialize)]
pub struct LoadResult {
    /// Since the machine's start, in ns of the host.
    pub at_ns: u64,
    /// The machine's number of the CPU.
    pub cpu: u32,
    /// The register.
    #[serde(serialize_with = "text")]
    pub msr: Hex32,
    /// `taken`, or why not.
    pub outcome: String,
    /// The CPU's revision before.
    #[serde(serialize_with = "text")]
    pub before: Hex32,
    /// Its revision after.
    #[serde(serialize_with = "text")]
    pub after: Hex32,
    /// Size of the update in bytes, as far as it was read.
    pub bytes: u32,
    /// How long it took, in ns of the host.
    pub took_ns: u64,
}

/// Something that a loader must not do.
#[derive(Clone, Debug, Serialize)]
pub struct MisuseResult {
    /// The machine's number of the CPU.
    pub cpu: u32,
    /// What it did.
    pub kind: String,
    /// The register, unless it was CPUID.
    #[serde(serialize_with = "text_or_null")]
    pub msr: Option<Hex32>,
}

/// What one CPU did in all.
#[derive(Clone, Debug, Serialize)]
pub struct TallyResult {
    /// The machine's number of the CPU.
    pub cpu: u32,
    /// Reads of the revision's register.
    pub reads: u64,
    /// Writes of the load register.
    pub loads: u32,
    /// Misuses.
    pub misuses: u32,
    /// Its revision at the end.
    #[serde(serialize_with = "text")]
    pub revision: Hex32,
}

/// How often a CPU left the guest, and why.
#[derive(Clone, Debug, Serialize)]
pub struct ExitsResult {
    /// The machine's number of the CPU.
    pub cpu: u32,
    /// Reads of registers that the monitor answers.
    pub rdmsr: u64,
    /// Writes of them.
    pub wrmsr: u64,
    /// The loader's CPUIDs.
    pub cpuid: u64,
    /// Accesses of ports.
    pub port: u64,
    /// Accesses of addresses without memory.
    pub address: u64,
}

impl ExitsResult {
    pub(super) fn new(exits: &report::record::Exits) -> Self {
        Self {
            cpu: exits.cpu,
            rdmsr: exits.nr_rdmsr,
            wrmsr: exits.nr_wrmsr,
            cpuid: exits.nr_cpuid,
            port: exits.nr_port,
            address: exits.nr_address,
        }
    }
}

impl LoadResult {
    pub(super) fn new(load: &report::record::Load<'_>) -> Self {
        Self {
            at_ns: load.at_ns,
            cpu: load.cpu,
            msr: load.msr,
            outcome: load.outcome.to_owned(),
            before: load.before,
            after: load.after,
            bytes: load.nr_bytes,
            took_ns: load.took_ns,
        }
    }
}

impl MisuseResult {
    pub(super) fn new(misuse: &report::record::Misuse<'_>) -> Self {
        Self {
            cpu: misuse.cpu,
            kind: misuse.kind.to_owned(),
            msr: misuse.msr,
        }
    }
}

impl TallyResult {
    pub(super) fn new(tally: &report::record::Tally) -> Self {
        Self {
            cpu: tally.cpu,
            reads: tally.nr_reads,
            loads: tally.nr_loads,
            misuses: tally.nr_misuses,
            revision: tally.revision,
        }
    }
}
