//! What there is to say of a run that loads more than once, or on more than one
//! control CPU.

use super::{Field, fmt};
use crate::logfmt::Hex32;
use crate::names::Outcome;

record! {
    /// One load of a run that loads more than once. Spans are those of
    /// [`Spans`](crate::Spans), in ns.
    pub struct Round = "round" {
        /// Which, from 1.
        number: u32 = "n",
        /// The revision that it brings, of the first CPU that has one.
        revision: Option<Hex32> = "rev",
        /// CPUs that took part.
        nr_cpus: u32 = "cpus",
        /// Those of them that did not end as they should.
        nr_failed: u32 = "failed",
        /// From the first look at the microcode to the last CPU's verified
        /// revision.
        request_ns: u64 = "request_ns",
        /// Spread of the call-ins.
        call_in_skew_ns: Option<u64> = "skew_ns",
        /// From the last call-in to the gate's decision.
        gate_ns: Option<u64> = "gate_ns",
        /// From the first write to the end of the last.
        load_ns: Option<u64> = "load_ns",
        /// From the first interrupts-off to the last interrupts-on.
        stall_ns: Option<u64> = "stall_ns",
        /// Blocks of the heap in use after it.
        nr_blocks: u64 = "blocks",
        /// Bytes of the heap in use after it.
        nr_bytes: u64 = "bytes",
    }
}

record! {
    /// A CPU that did not end as it should in a load after the first.
    pub struct Deviation = "deviation" {
        /// Which load, from 1.
        number: u32 = "n",
        /// Kernel's number of the CPU.
        cpu: u32 = "cpu",
        /// Revision after the load.
        after: Option<Hex32> = "after",
        /// What happened.
        outcome: Outcome = "outcome",
    }
}

record! {
    /// How a CPU ended after all loads of a run that loads more than once.
    pub struct Final = "final" {
        /// Kernel's number of the CPU.
        cpu: u32 = "cpu",
        /// Its revision; absent where it is missing since one of the loads.
        revision: Option<Hex32> = "rev",
        /// How often it wrote.
        nr_loads: u32 = "loads",
    }
}

record! {
    /// The control CPU did not come back from a load, and another CPU goes on in
    /// its place.
    pub struct Handover = "handover" {
        /// Kernel's number of the CPU that is missing.
        from: u32 = "from",
        /// Kernel's number of the CPU that goes on.
        to: u32 = "to",
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;
    use crate::MAX_LINE;

    #[test]
    fn the_longest_line_fits_and_reads_as_it_is_written() {
        let ns = Some(u64::MAX >> 8);
        let round = Round {
            number: u32::MAX,
            revision: Some(Hex32(u32::MAX)),
            nr_cpus: 4096,
            nr_failed: 4096,
            request_ns: u64::MAX >> 8,
            call_in_skew_ns: ns,
            gate_ns: ns,
            load_ns: ns,
            stall_ns: ns,
            nr_blocks: u64::MAX >> 16,
            nr_bytes: u64::MAX >> 16,
        };
        let line = round.to_string();
        assert!(line.len() < MAX_LINE, "{}", line.len());
        let fields = line.strip_prefix("# round").unwrap();
        assert_eq!(Round::read(fields), Some(round));
    }
}
