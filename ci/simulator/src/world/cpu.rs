//! One virtual CPU, as the scheduler sees it.
//!
//! Where a CPU is in its program is not known; what it has seen and done is, and
//! a program is a function of that. So two states are the same if memory is and
//! each CPU has seen and done the same.
//!
//! A round of a wait that finds nothing changed has no effect. So a CPU that
//! waits is not chosen before something changes that it looked at, and forgets
//! what it saw: otherwise every run would be a new state.

use std::hash::Hasher;

use super::hasher;

/// Whether a CPU can go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Status {
    /// It was not called.
    #[default]
    Asleep,
    /// It can.
    Ready,
    /// When something changes that it looked at.
    Waiting,
    /// It never returns from its load.
    Hung,
    /// It is through.
    Done,
}

/// What a step touches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Touch {
    /// What others see.
    #[default]
    Shared,
    /// A word.
    Word(usize),
    /// The clock.
    Clock,
}

/// A program that an NMI has interrupted, as it is to go on.
#[derive(Clone, Debug)]
pub(super) struct Interrupted {
    /// Whether the handler has begun.
    pub(super) has_begun: bool,
    pub(super) status: Status,
    next: Touch,
    pub(super) wait: Vec<(usize, u32)>,
    history: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Cpu {
    pub(super) status: Status,
    pub(super) is_stopped: bool,
    /// Its coroutine was resumed in this run.
    pub(super) has_begun: bool,
    /// It was chosen for the step behind a wait.
    pub(super) is_chosen: bool,
    /// Its steps since a CPU left, as far as they are counted.
    pub(super) nr_steps: u8,
    /// What its next step will touch.
    pub(super) next: Touch,
    /// What it waits for: places, and how often they had changed.
    pub(super) wait: Vec<(usize, u32)>,
    /// While it is in an NMI's handler.
    pub(super) interrupted: Option<Interrupted>,
    /// All that it has seen and done.
    history: u64,
}

impl Cpu {
    fn add(&mut self, what: u64, how: u64) {
        let mut hasher = hasher();
        hasher.write_u64(self.history);
        hasher.write_u64(what);
        hasher.write_u64(how);
        self.history = hasher.finish();
    }

    pub(super) fn saw(&mut self, place: usize, value: u32, nr_changes: u32) {
        self.add(place as u64, value.into());
        self.wait.push((place, nr_changes));
    }

    pub(super) fn did(&mut self, what: u64, how: u64) {
        self.add(what.wrapping_add(1 << 32), how);
    }

    /// All that it has seen and done so far.
    pub(super) fn history(&self) -> u64 {
        self.history
    }

    /// A round of a wait that began with that history has found nothing.
    pub(super) fn wait(&mut self, history: u64) {
        self.status = Status::Waiting;
        self.history = history;
    }

    pub(super) fn end_wait(&mut self) {
        self.status = Status::Ready;
        self.wait.clear();
    }

    /// Its handler begins.
    pub(super) fn interrupt(&mut self) {
        self.interrupted = Some(Interrupted {
            has_begun: false,
            status: self.status,
            next: self.next,
            wait: std::mem::take(&mut self.wait),
            history: self.history,
        });
        self.status = Status::Ready;
        self.did(u64::MAX - 7, 0);
    }

    /// Its handler is through.
    pub(super) fn go_on(&mut self) {
        if let Some(interrupted) = self.interrupted.take() {
            self.status = interrupted.status;
            self.next = interrupted.next;
            self.wait = interrupted.wait;
            self.history = interrupted.history;
        }
    }

    pub(super) fn hash(&self, hasher: &mut impl Hasher) {
        hasher.write_u64(self.history);
        hasher.write_u8(self.nr_steps);
        hasher.write_u8(self.status as u8 | u8::from(self.is_stopped) << 4);
    }
}
