//! The records: each a `# kind key=value …` line, declared once for both ends.

use core::fmt;

use crate::logfmt::{self, Date, Flags, Hex32, Value};
use crate::names::{CandidateVerdict, HardwareKind, InitrdSource, Outcome, Role, Vendor};

/// Writes ` key=value`; a field that is `None` is left out.
trait Field<'a>: Sized {
    fn write_field(&self, key: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    fn read(fields: &'a str, key: &str) -> Option<Self>;
}

impl<'a, T: Value<'a>> Field<'a> for T {
    fn write_field(&self, key: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {key}=")?;
        Value::write(self, f)
    }

    fn read(fields: &'a str, key: &str) -> Option<Self> {
        logfmt::find(fields, key).and_then(T::read)
    }
}

impl<'a, T: Value<'a>> Field<'a> for Option<T> {
    fn write_field(&self, key: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref()
            .map_or(Ok(()), |value| value.write_field(key, f))
    }

    fn read(fields: &'a str, key: &str) -> Option<Self> {
        match logfmt::find(fields, key) {
            Some(text) => T::read(text).map(Some),
            None => Some(None),
        }
    }
}

/// Declares a record: its kind on the wire and its fields in their order.
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident $(<$l:lifetime>)? = $kind:literal {
        $($(#[$fmeta:meta])* $field:ident: $ty:ty = $key:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name $(<$l>)? { $($(#[$fmeta])* pub $field: $ty,)+ }

        impl $(<$l>)? $name $(<$l>)? {
            /// The word after `# ` that names this kind of record.
            pub const KIND: &'static str = $kind;

            /// Reads the fields of a line of this kind; `None` where one is
            /// missing or is not of its type, as in a torn line.
            pub(crate) fn read(fields: &$($l)? str) -> Option<Self> {
                Some(Self { $($field: Field::read(fields, $key)?,)+ })
            }
        }

        impl $(<$l>)? fmt::Display for $name $(<$l>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!("# ", $kind))?;
                $(self.$field.write_field($key, f)?;)+
                Ok(())
            }
        }
    };
}

mod arrival;
mod feature;
mod machine;
mod rounds;

pub use arrival::Arrival;
pub use feature::Feature;
pub use machine::{Entered, Exits, Load, Machine, Misuse, Tally};
pub use rounds::{Deviation, Final, Handover, Round};

record! {
    /// The header: who reports, on what machine. The first record of a run.
    pub struct Header<'a> = "muster" {
        /// Version of the guest program.
        version: &'a str = "version",
        /// [`crate::SCHEMA`] of the writer.
        schema: u32 = "schema",
        /// Name of the rendezvous protocol.
        protocol: &'a str = "protocol",
        /// What takes the write.
        hardware: HardwareKind = "hw",
        /// What was done, if not a load: `dry-run`, `conformance`, `reads`.
        job: Option<&'a str> = "job",
        /// Vendor of the control CPU.
        vendor: Vendor = "vendor",
        /// CPUID leaf 1 EAX of the control CPU.
        signature: Hex32 = "sig",
        /// Platform id of the control CPU, 0 to 7 (Intel; 0 on AMD).
        platform: u8 = "platform",
        /// CPUs that are up.
        nr_cpus: u32 = "cpus",
        /// Physical cores among them.
        nr_cores: u32 = "cores",
        /// Frequency of the time-stamp counter in kHz.
        tsc_khz: u32 = "tsc_khz",
        /// Where that frequency was read.
        tsc_source: &'a str = "tsc_source",
        /// CPUID leaf 0x40000000's text when the CPU says that it is virtual.
        hypervisor: Option<&'a str> = "hypervisor",
        /// Time from the image's first instruction to the main job, in µs.
        entry_us: u64 = "entry_us",
        /// How often it loads, if more than once.
        nr_rounds: Option<u32> = "rounds",
    }
}

record! {
    /// Where the microcode came from.
    pub struct Initrd = "initrd" {
        /// Linked in or given at boot.
        source: InitrdSource = "source",
        /// Its size in bytes.
        nr_bytes: u64 = "bytes",
        /// Updates and patches recognised in it.
        nr_candidates: u32 = "candidates",
        /// Damages found in it.
        nr_findings: u32 = "findings",
    }
}

record! {
    /// A damage in the initrd.
    pub struct Finding<'a> = "finding" {
        /// Byte offset from the start of the initrd.
        offset: u64 = "offset",
        /// What is wrong, in one word.
        kind: &'a str = "kind",
        /// What is wrong, in a sentence.
        message: &'a str = "message",
    }
}

record! {
    /// One candidate of the initrd and what became of it.
    pub struct Candidate = "candidate" {
        /// Position in the initrd, from 0.
        index: u32 = "idx",
        /// Format.
        vendor: Vendor = "vendor",
        /// The main signature, or the CPU that an AMD patch is for.
        signature: Option<Hex32> = "sig",
        /// Processor flags (Intel).
        flags: Option<Flags> = "flags",
        /// Revision or patch level.
        revision: Hex32 = "rev",
        /// Date of the header.
        date: Date = "date",
        /// Total size in bytes.
        nr_bytes: u32 = "bytes",
        /// What became of it.
        verdict: CandidateVerdict = "verdict",
    }
}

record! {
    /// What it took to get from the initrd to a plan, before any CPU stopped.
    pub struct Prepare = "prepare" {
        /// Reading and checking the initrd, in ns.
        scan_ns: u64 = "scan_ns",
        /// Judging every candidate for every kind of CPU, in ns.
        judge_ns: u64 = "judge_ns",
        /// Copying what was chosen into the cache, in ns.
        cache_ns: u64 = "cache_ns",
    }
}

record! {
    /// What the cache holds for one kind of CPU after the request.
    pub struct Cached<'a> = "cached" {
        /// The kind's vendor.
        vendor: Vendor = "vendor",
        /// The kind's CPUID leaf 1 EAX.
        signature: Hex32 = "sig",
        /// The kind's platform id (Intel; 0 on AMD).
        platform: u8 = "platform",
        /// Revision or patch level of the update.
        revision: Hex32 = "rev",
        /// What became of it when it was offered: `stored`, `replaced`,
        /// `dropped-older`, `dropped-same`.
        inserted: &'a str = "inserted",
        /// What the load made of it: `on-trial`, `proven`, `rejected`.
        state: &'a str = "state",
    }
}

record! {
    /// How one CPU ended.
    pub struct Cpu = "cpu" {
        /// Kernel's number of the CPU, from 0.
        id: u32 = "id",
        /// APIC id.
        apic_id: u32 = "apic",
        /// Package number.
        package: u32 = "package",
        /// Core number within the package.
        core: u32 = "core",
        /// Thread number within the core, from 0.
        thread: u32 = "thread",
        /// CPUID leaf 1 EAX where it is not the control CPU's.
        signature: Option<Hex32> = "sig",
        /// Part in the load of its core.
        role: Role = "role",
        /// Revision before the request.
        before: Option<Hex32> = "before",
        /// Revision after the request.
        after: Option<Hex32> = "after",
        /// Revision it should have ended on; absent when nothing applies.
        target: Option<Hex32> = "target",
        /// What happened.
        outcome: Outcome = "outcome",
        /// Why, for `refused`.
        reason: Option<CandidateVerdict> = "reason",
        /// NMIs that it got during the request, if any.
        nr_nmis: Option<u32> = "nmis",
    }
}

record! {
    /// When one CPU did what, in ns from the control CPU's request; a moment
    /// that never came is absent.
    pub struct Time = "time" {
        /// Kernel's number of the CPU.
        id: u32 = "id",
        /// Which load, from 2 on; absent for the first.
        load: Option<u32> = "load",
        /// Interrupts off, arrival announced.
        called_in_ns: Option<u64> = "called_in_ns",
        /// The gate's decision seen.
        gate_ns: Option<u64> = "gate_ns",
        /// Before the write.
        load_start_ns: Option<u64> = "load_start_ns",
        /// After the write.
        load_end_ns: Option<u64> = "load_end_ns",
        /// Interrupts on again.
        left_ns: Option<u64> = "left_ns",
    }
}

record! {
    /// A CPU that the firmware lists and that did not come up.
    pub struct Absent<'a> = "absent" {
        /// APIC id.
        apic_id: u32 = "apic",
        /// What was tried.
        reason: &'a str = "reason",
    }
}

record! {
    /// What the guard saw between the first call-in and the last leave.
    pub struct Guard = "guard" {
        /// Calls of the allocator.
        nr_allocations: u64 = "allocations",
        /// Writes to a console.
        nr_writes: u64 = "writes",
        /// NMIs that arrived meanwhile, on any CPU.
        nr_nmis: u64 = "nmis",
        /// CPUs on which interrupts were off after they had left.
        nr_masked: Option<u32> = "masked",
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;
    use crate::{MAX_LINE, SCHEMA};

    fn cpu() -> Cpu {
        Cpu {
            id: 1,
            apic_id: 1,
            package: 0,
            core: 0,
            thread: 1,
            signature: None,
            role: Role::Follower,
            before: Some(Hex32(0xea)),
            after: Some(Hex32(0xf0)),
            target: Some(Hex32(0xf0)),
            outcome: Outcome::Followed,
            reason: None,
            nr_nmis: None,
        }
    }

    #[test]
    fn a_cpu_line_reads_as_documented() {
        assert_eq!(
            cpu().to_string(),
            "# cpu id=1 apic=1 package=0 core=0 thread=1 role=follower \
             before=0x000000ea after=0x000000f0 target=0x000000f0 outcome=followed"
        );
    }

    #[test]
    fn a_line_cut_anywhere_is_no_record_or_the_same_one() {
        let line = cpu().to_string();
        let fields = line.strip_prefix("# cpu").unwrap();
        for end in 0..fields.len() {
            assert_eq!(Cpu::read(&fields[..end]), None, "{}", &fields[..end]);
        }
        assert_eq!(Cpu::read(fields), Some(cpu()));
    }

    #[test]
    fn the_longest_lines_fit() {
        let header = Header {
            version: "100.100.100",
            schema: SCHEMA,
            protocol: "serial-chain",
            hardware: HardwareKind::Engine,
            job: None,
            vendor: Vendor::Intel,
            signature: Hex32(u32::MAX),
            platform: 7,
            nr_cpus: 4096,
            nr_cores: 4096,
            tsc_khz: 10_000_000,
            tsc_source: "hypervisor",
            hypervisor: Some("TCGTCGTCGTCG"),
            entry_us: 1_000_000_000,
            nr_rounds: Some(u32::MAX),
        };
        assert!(header.to_string().len() < MAX_LINE);
        let t = Some(u64::MAX);
        let time = Time {
            load: Some(u32::MAX),
            id: 4096,
            called_in_ns: t,
            gate_ns: t,
            load_start_ns: t,
            load_end_ns: t,
            left_ns: t,
        };
        assert!(time.to_string().len() < MAX_LINE);
    }
}
