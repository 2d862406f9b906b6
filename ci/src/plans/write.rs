//! What a plan makes of a CPU's write of the load register.
//!
//! Worked out here once more and not taken from the engine, which may be wrong
//! about it.

use engine::{Fault, FaultKind, Where};

use super::Plan;
use crate::guest;

/// A thread writes once a boot.
const FIRST_LOAD: u32 = 1;

/// What comes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It raises #GP.
    GpFault,
    /// The revision stays.
    NotTaken,
    /// The revision becomes this one.
    Becomes(u32),
    /// It never ends.
    Hangs,
}

/// A write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) end: End,
    /// How much longer it takes than others, in µs.
    pub(super) more_us: u64,
    /// Whether it goes to the register that loads.
    pub(super) is_load: bool,
}

impl Write {
    /// Whether it may last for so long, in µs: half of it may be the host's,
    /// which lets others run.
    pub(super) fn may_last(&self, us: u32) -> bool {
        self.more_us >= u64::from(us) / 2
    }
}

/// Whether a fault meets the write of a CPU on cores of so many threads.
pub(super) fn meets(fault: &Fault, cpu: u32, nr_threads: u32) -> bool {
    let is_here = match fault.at {
        Where::Everywhere => true,
        Where::Core(core) => core == cpu / nr_threads,
        Where::Cpu(one) => one == cpu,
    };
    is_here && fault.load.is_none_or(|load| load == FIRST_LOAD)
}

impl Plan {
    /// What comes of a CPU's write, if it gets to write. The first fault that
    /// refuses the update or hangs decides, and the last of several wrong revisions
    /// shows.
    pub(super) fn write(&self, cpu: u32) -> Write {
        let (_, _, _, target) = self.rig.cpu();
        let mut write = Write {
            end: End::Becomes(target),
            more_us: 0,
            is_load: true,
        };
        if self.lever == Some(guest::Fault::GpFault(cpu)) {
            write.end = End::GpFault;
            write.is_load = false;
            return write;
        }
        for fault in self.meeting(cpu) {
            match fault.kind {
                FaultKind::Slow { us } => {
                    write.more_us += u64::from(us);
                    continue;
                }
                FaultKind::Mismatch { revision } => {
                    write.end = End::Becomes(revision);
                    continue;
                }
                FaultKind::GpFault => write.end = End::GpFault,
                FaultKind::NotTaken => write.end = End::NotTaken,
                FaultKind::Hang => write.end = End::Hangs,
            }
            break;
        }
        write
    }

    /// The faults that meet a CPU's write.
    pub(super) fn meeting(&self, cpu: u32) -> impl Iterator<Item = &Fault> {
        let nr_threads = self.rig.nr_threads;
        let faults = self.faults.iter();
        faults.filter(move |fault| meets(fault, cpu, nr_threads))
    }
}
