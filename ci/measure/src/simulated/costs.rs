//! What things cost in virtual time.

use serde::{Deserialize, Serialize};

/// What each step of a CPU costs, in ns.
///
/// Memory is lines that wander between the CPUs, kept in order by a directory: a
/// line is one CPU's alone, or some CPUs have copies of it. Whoever has what it
/// needs pays for a hit. Everybody else waits for a turn at the line and then for
/// its way:
///
/// * A copy comes from the nearest CPU that has one. Where one CPU had the line
///   alone, nobody else is served until the copy has arrived; where there are
///   copies already, the line is busy for [`line_busy`](Self::line_busy).
/// * To write takes the line from all who have it, which takes as long as the way
///   from the farthest. Nobody else is served until that is done.
///
/// Left out are the CPUs' own work between two accesses, which is a few
/// instructions, and what a store buffer hides: a CPU waits for its stores.
///
/// The defaults are those of a large server at 3 GHz, rounded. They say which
/// protocol costs how much more than another and how each grows; what a machine
/// takes is for the other stages to measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CostModel {
    /// A line that the CPU has. The first-level cache answers in 4 to 5 cycles.
    pub hit: u64,
    /// A line's way between threads of one core. They share their caches; public
    /// tables of the latency from core to core show 5 to 15 ns.
    pub sibling: u64,
    /// A line's way between cores of one package. The same tables show 20 ns within
    /// a cluster of cores and up to 100 ns across a large mesh.
    pub package: u64,
    /// A line's way between packages. The same tables show 100 to 200 ns.
    pub between_packages: u64,
    /// What an atomic read-modify-write takes beyond its line: about 20 cycles by
    /// the public instruction tables.
    pub atomic: u64,
    /// For how long a line is busy with a request for one more copy. A slice of the
    /// last-level cache or a directory takes some cycles of its own clock for each
    /// request to the same line.
    pub line_busy: u64,
    /// One round's pause in a wait: 140 cycles since Skylake, by Intel's optimization
    /// manual; 10 before that, and about 65 on AMD's.
    pub pause: u64,
    /// Reading the clock: RDTSC takes about 25 cycles, by the public instruction
    /// tables.
    pub clock: u64,
    /// From the call to the first instruction of a CPU that was called, at least. An
    /// interrupt between CPUs and its entry take about a microsecond where nobody
    /// sleeps.
    pub call: u64,
    /// By how much that may be longer, evenly spread. A CPU that has interrupts off
    /// for a moment, or sleeps lightly, takes microseconds more.
    pub call_spread: u64,
    /// Reading a revision. One write of a register, CPUID, which waits for
    /// everything before it, and one read of a register take some 100 cycles each.
    pub revision: u64,
    /// Looking the update up in the blob again, which only `serial-chain` does. A
    /// sum over 44 KB, which is what a server's update has, at 1.5 GB/s.
    pub parse: u64,
}

impl Default for CostModel {
    fn default() -> Self {
        Self {
            hit: 2,
            sibling: 10,
            package: 60,
            between_packages: 140,
            atomic: 6,
            line_busy: 8,
            pause: 45,
            clock: 10,
            call: 1_000,
            call_spread: 3_000,
            revision: 150,
            parse: 30_000,
        }
    }
}

impl CostModel {
    /// All of them by name.
    pub(super) fn all(&self) -> [(&'static str, u64); 12] {
        [
            ("hit", self.hit),
            ("sibling", self.sibling),
            ("package", self.package),
            ("between_packages", self.between_packages),
            ("atomic", self.atomic),
            ("line_busy", self.line_busy),
            ("pause", self.pause),
            ("clock", self.clock),
            ("call", self.call),
            ("call_spread", self.call_spread),
            ("revision", self.revision),
            ("parse", self.parse),
        ]
    }
}
