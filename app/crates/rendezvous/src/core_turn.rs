//! Who of a core's threads may write, and when: one word per core.
//!
//! The word counts: 2k, the thread with ticket k may begin; 2k + 1, it is
//! inside; 2k + 2, it has finished. So no two threads of a core can be inside
//! at once. A core whose turn does not move until the deadline is given up:
//! from an even number to `GIVEN_UP`, by the same compare-exchange that a
//! thread would begin with, so that a thread either began before or never
//! will.

use crate::Machine;
use crate::sync::{AtomicU32, Ordering};

const GIVEN_UP: u32 = u32::MAX;

/// A thread's place in its core's order: 0 leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u32);

impl Ticket {
    /// Whether this thread leads its core.
    #[must_use]
    pub fn leads(self) -> bool {
        self.0 == 0
    }
}

/// The core was given up before this thread's turn came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp;

/// A core's election and its order of writing.
#[derive(Debug)]
pub struct CoreTurn {
    nr_tickets: AtomicU32,
    turn: AtomicU32,
}

impl Default for CoreTurn {
    fn default() -> Self {
        Self {
            nr_tickets: AtomicU32::new(0),
            turn: AtomicU32::new(0),
        }
    }
}

impl CoreTurn {
    /// Takes the next ticket; the first thread through the gate leads.
    #[must_use]
    pub fn take_ticket(&self) -> Ticket {
        // Relaxed: the number alone matters; `turn` orders everything else.
        Ticket(self.nr_tickets.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits until the thread before this one has finished, and goes inside.
    pub fn begin(
        &self,
        ticket: Ticket,
        machine: &impl Machine,
        deadline_ns: u64,
    ) -> Result<(), GivenUp> {
        let mine = 2 * ticket.0;
        self.wait(|turn| turn == mine, machine, deadline_ns)?;
        // Acquire pairs with the Release in `finish` of the thread before.
        self.turn
            .compare_exchange(mine, mine + 1, Ordering::Acquire, Ordering::Relaxed)
            .map(|_| ())
            .map_err(|_| GivenUp)
    }

    /// Comes out again and lets the next thread in.
    pub fn finish(&self, ticket: Ticket) {
        // Release pairs with the Acquire in `begin` and in `wait`: the next
        // thread sees the write done. Nobody else moves an odd turn.
        self.turn.store(2 * ticket.0 + 2, Ordering::Release);
    }

    /// Waits until the leader has finished.
    pub fn await_leader(&self, machine: &impl Machine, deadline_ns: u64) -> Result<(), GivenUp> {
        self.wait(|turn| turn >= 2, machine, deadline_ns)
    }

    /// Whether a thread is inside.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        // Acquire pairs with the Release in `finish`.
        let turn = self.turn.load(Ordering::Acquire);
        turn != GIVEN_UP && !turn.is_multiple_of(2)
    }

    /// Keeps every thread out that has not begun yet.
    pub fn give_up(&self) {
        let turn = self.turn.load(Ordering::Relaxed);
        if turn.is_multiple_of(2) {
            // Nothing to order: the thread that loses this race for the even
            // turn does nothing, and one that wins it is waited for elsewhere.
            let _ =
                self.turn
                    .compare_exchange(turn, GIVEN_UP, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    #[cfg(all(test, loom))]
    pub(crate) fn is_given_up(&self) -> bool {
        self.turn.load(Ordering::Relaxed) == GIVEN_UP
    }

    fn wait(
        &self,
        mut come: impl FnMut(u32) -> bool,
        machine: &impl Machine,
        deadline_ns: u64,
    ) -> Result<(), GivenUp> {
        loop {
            // Acquire pairs with the Release in `finish`.
            let turn = self.turn.load(Ordering::Acquire);
            if turn == GIVEN_UP {
                return Err(GivenUp);
            }
            if come(turn) {
                return Ok(());
            }
            if machine.now_ns() > deadline_ns {
                self.give_up();
                return Err(GivenUp);
            }
            machine.relax();
        }
    }
}
