//! What stands behind the guest's load register reports too: a machine that
//! takes updates writes these to its own log, and the guest to its stream where
//! it models the CPU itself.

use core::fmt;

use super::Field;
use crate::logfmt::{Hex32, Hex64};
use crate::names::Vendor;

record! {
    /// The machine: the first record of its log.
    pub struct Machine<'a> = "machine" {
        /// What it is: `qemu-plugin`, `kvm-monitor`.
        kind: &'a str = "kind",
        /// Version of the program.
        version: &'a str = "version",
        /// The host's time at the start, in ms since 1970.
        started_ms: u64 = "started_ms",
        /// Whose CPU it models.
        vendor: Vendor = "vendor",
        /// CPUID leaf 1 EAX.
        signature: Hex32 = "sig",
        /// The CPUs, all threads counted.
        nr_cpus: u32 = "cpus",
        /// Threads a core.
        nr_threads: u32 = "threads",
    }
}

record! {
    /// One write of a load register.
    pub struct Load<'a> = "load" {
        /// Since the start, in ns of the host.
        at_ns: u64 = "at_ns",
        /// Number of the CPU.
        cpu: u32 = "cpu",
        /// The register.
        msr: Hex32 = "msr",
        /// What was written: an address.
        value: Hex64 = "value",
        /// `taken`, or why not.
        outcome: &'a str = "outcome",
        /// The CPU's revision before.
        before: Hex32 = "before",
        /// Its revision after.
        after: Hex32 = "after",
        /// Size of the update in bytes, as far as it was read.
        nr_bytes: u32 = "bytes",
        /// How long the write took, in ns of the host.
        took_ns: u64 = "took_ns",
    }
}

impl Load<'_> {
    /// The outcome of a load that the CPU took.
    pub const TAKEN: &'static str = "taken";
    /// The outcome of a load that never ended.
    pub const HUNG: &'static str = "hung";
}

record! {
    /// Something that a loader must not do.
    pub struct Misuse<'a> = "misuse" {
        /// Since the start, in ns of the host.
        at_ns: u64 = "at_ns",
        /// Number of the CPU.
        cpu: u32 = "cpu",
        /// What it did.
        kind: &'a str = "kind",
        /// The register, unless it was CPUID.
        msr: Option<Hex32> = "msr",
    }
}

record! {
    /// What one CPU did in all: the last records of a log.
    pub struct Tally = "tally" {
        /// Number of the CPU.
        cpu: u32 = "cpu",
        /// Reads of the revision's register.
        nr_reads: u64 = "reads",
        /// Writes of the load register.
        nr_loads: u32 = "loads",
        /// Misuses, those included that were too many for a line each.
        nr_misuses: u32 = "misuses",
        /// Its revision at the end.
        revision: Hex32 = "rev",
    }
}

record! {
    /// What it took a monitor to get to the first instruction.
    pub struct Entered = "entered" {
        /// Since the monitor's start, in ns of the host.
        after_ns: u64 = "after_ns",
    }
}

record! {
    /// How often one CPU left the guest, and why: behind its tally.
    pub struct Exits = "exits" {
        /// Number of the CPU.
        cpu: u32 = "cpu",
        /// Reads of registers that the monitor answers.
        nr_rdmsr: u64 = "rdmsr",
        /// Writes of them.
        nr_wrmsr: u64 = "wrmsr",
        /// The loader's CPUIDs.
        nr_cpuid: u64 = "cpuid",
        /// Accesses of ports.
        nr_port: u64 = "port",
        /// Accesses of addresses without memory.
        nr_address: u64 = "address",
    }
}
