//! A CPU whose microcode is a number: the machine of a thread.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use cpu::registers::{Native, Registers};
use cpu::tsc::Clock;
use crossbeam_utils::CachePadded;
use rendezvous::{GpFault, Machine, Task};

/// Revisions of the modelled update.
const BEFORE: u32 = 1;
const TARGET: u32 = 2;

/// What each CPU is to do: all of them have the same update.
pub(super) const TASK: Task = Task::Load {
    before: BEFORE,
    target: TARGET,
};

/// How a thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// It has its CPU for itself.
    Spin,
    /// Whoever it waits for may need its CPU.
    Yield,
}

impl Patience {
    /// One round of a wait.
    pub(super) fn relax(self) {
        match self {
            Self::Spin => spin_loop(),
            Self::Yield => thread::yield_now(),
        }
    }
}

/// The revision of a core; its threads share it, as Intel's do.
pub(super) type Revision = CachePadded<AtomicU32>;

/// A revision before the load. Relaxed, here and below: the protocols order what
/// they have to, and no memory hangs on it.
pub(super) fn reset(revision: &Revision) {
    revision.store(BEFORE, Ordering::Relaxed);
}

/// One thread's CPU.
#[derive(Debug)]
pub(super) struct Cpu<'a> {
    pub(super) clock: Clock,
    pub(super) patience: Patience,
    /// How long a write takes, in ns.
    pub(super) load_ns: u64,
    pub(super) revision: &'a Revision,
}

impl Machine for Cpu<'_> {
    fn now_ns(&self) -> u64 {
        self.clock.ns(Native.read_tsc())
    }

    fn relax(&self) {
        self.patience.relax();
    }

    // A program cannot turn interrupts off.
    fn stop(&self) {}

    fn go(&self) {}

    // There is no blob: `serial-chain` has the benefit of it.
    fn parse(&self) {}

    fn load(&self) -> Result<(), GpFault> {
        if self.load_ns > 0 {
            // As WRMSR does: the CPU is busy, whoever else waits for it.
            let end_ns = self.now_ns().saturating_add(self.load_ns);
            while self.now_ns() < end_ns {
                spin_loop();
            }
        }
        self.revision.store(TARGET, Ordering::Relaxed);
        Ok(())
    }

    fn revision(&self) -> u32 {
        self.revision.load(Ordering::Relaxed)
    }

    // Nobody is soft-offline.
    fn send_nmi(&self, _: u32) {}

    // Whoever is missed is missing in the iteration.
    fn panic(&self, _: &'static str) {}
}
