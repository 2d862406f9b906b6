//! What one CPU writes down for the report.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::words::Word;

/// A CPU's part in the load of its core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It did not take part.
    #[default]
    None,
    /// It wrote first.
    Leader,
    /// It waited for the leader.
    Follower,
}

/// What happened to a CPU that was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The plan had nothing for it to do; it waited with the others.
    Attended,
    /// It wrote, and shows the update's revision.
    Updated,
    /// It followed, and shows the revision of its core's update.
    Followed,
    /// It called in after the gate was closed, or never.
    Late,
    /// It was there, but the gate closed or its core was given up.
    Aborted,
    /// The write raised #GP.
    GpFault,
    /// The write passed, and the revision is unchanged.
    NotTaken,
    /// The revision changed, but not to the update's.
    Mismatch,
    /// It was inside the load when the others left.
    Hung,
    /// It was soft-offline, and held while its core loaded.
    Held,
}

const ROLES: [Role; 3] = [Role::None, Role::Leader, Role::Follower];
const OUTCOMES: [Outcome; 10] = [
    Outcome::Attended,
    Outcome::Updated,
    Outcome::Followed,
    Outcome::Late,
    Outcome::Aborted,
    Outcome::GpFault,
    Outcome::NotTaken,
    Outcome::Mismatch,
    Outcome::Hung,
    Outcome::Held,
];

/// A moment that never came.
const NEVER: u64 = u64::MAX;

/// One CPU's notes. It alone writes them; whoever reads them afterwards first
/// reads `outcome`, which is written last.
///
/// The notes but `outcome` are for the report alone and decide nothing, so they
/// are not [`Word`]s.
#[derive(Debug)]
pub(crate) struct Slot<W> {
    pub(crate) called_in_ns: AtomicU64,
    pub(crate) gate_ns: AtomicU64,
    pub(crate) load_start_ns: AtomicU64,
    pub(crate) load_end_ns: AtomicU64,
    pub(crate) left_ns: AtomicU64,
    gave_up: AtomicBool,
    role: AtomicU32,
    after: AtomicU64,
    outcome: W,
}

impl<W: Word> Default for Slot<W> {
    fn default() -> Self {
        Self {
            called_in_ns: AtomicU64::new(NEVER),
            gate_ns: AtomicU64::new(NEVER),
            load_start_ns: AtomicU64::new(NEVER),
            load_end_ns: AtomicU64::new(NEVER),
            left_ns: AtomicU64::new(NEVER),
            gave_up: AtomicBool::new(false),
            role: AtomicU32::new(0),
            after: AtomicU64::new(NEVER),
            // One that never came is late.
            outcome: W::new(Outcome::Late as u32),
        }
    }
}

/// The moments of one CPU in ns on the machine's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// It called in.
    pub called_in_ns: Option<u64>,
    /// It saw the gate open.
    pub gate_ns: Option<u64>,
    /// It began to write.
    pub load_start_ns: Option<u64>,
    /// It had written.
    pub load_end_ns: Option<u64>,
    /// It had interrupts on again.
    pub left_ns: Option<u64>,
}

/// A CPU's notes, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What happened.
    pub outcome: Outcome,
    /// Its part.
    pub role: Role,
    /// The revision that it read after the load, if it got there.
    pub after: Option<u32>,
    /// When.
    pub moments: Moments,
}

impl<W: Word> Slot<W> {
    /// Writes a moment down. Relaxed: `conclude` publishes it, and whoever
    /// reads `left_ns` has been told otherwise that the CPU is out.
    pub(crate) fn note(moment: &AtomicU64, now_ns: u64) {
        moment.store(now_ns, Ordering::Relaxed);
    }

    pub(crate) fn take_role(&self, role: Role) {
        self.role.store(role as u32, Ordering::Relaxed);
    }

    /// Marks the CPU as inside the load, or about to be, until `conclude` says
    /// otherwise.
    pub(crate) fn enter_load(&self) {
        // Release pairs with the Acquire in `outcome`.
        self.outcome.store(Outcome::Hung as u32, Ordering::Release);
    }

    pub(crate) fn conclude(&self, outcome: Outcome, after: Option<u32>) {
        self.after
            .store(after.map_or(NEVER, u64::from), Ordering::Relaxed);
        // Release pairs with the Acquire in `outcome`.
        self.outcome.store(outcome as u32, Ordering::Release);
    }

    pub(crate) fn leave(&self, now_ns: u64) {
        Self::note(&self.left_ns, now_ns);
    }

    pub(crate) fn has_called_in(&self) -> bool {
        self.called_in_ns.load(Ordering::Relaxed) != NEVER
    }

    /// Whether the CPU has called in and not left yet.
    pub(crate) fn is_inside(&self) -> bool {
        self.has_called_in() && self.left_ns.load(Ordering::Relaxed) == NEVER
    }

    pub(crate) fn give_up(&self) {
        self.gave_up.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_given_up(&self) -> bool {
        self.gave_up.load(Ordering::Relaxed)
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.gate_ns.load(Ordering::Relaxed) != NEVER
    }

    pub(crate) fn outcome(&self) -> Outcome {
        // Acquire pairs with the Release in `enter_load` and `conclude`.
        OUTCOMES[self.outcome.load(Ordering::Acquire) as usize]
    }

    /// The notes, their times counted from `origin_ns`.
    pub(crate) fn read(&self, origin_ns: u64) -> Record {
        let outcome = self.outcome();
        let value = |note: &AtomicU64| Some(note.load(Ordering::Relaxed)).filter(|&v| v != NEVER);
        let moment = |note: &AtomicU64| value(note).map(|ns| ns.saturating_sub(origin_ns));
        Record {
            outcome,
            role: ROLES[self.role.load(Ordering::Relaxed) as usize],
            after: value(&self.after).and_then(|after| u32::try_from(after).ok()),
            moments: Moments {
                called_in_ns: moment(&self.called_in_ns),
                gate_ns: moment(&self.gate_ns),
                load_start_ns: moment(&self.load_start_ns),
                load_end_ns: moment(&self.load_end_ns),
                left_ns: moment(&self.left_ns),
            },
        }
    }
}
