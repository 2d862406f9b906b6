//! Who of a core's threads may write, and when: one word per core.
//!
//! The word counts: 2k, the thread with ticket k may begin; 2k + 1, it is
//! inside; 2k + 2, it has finished. So no two threads of a core can be inside
//! at once. A core that is given up gets a flag that stays, and a thread begins
//! by a compare-exchange that the flag makes fail: either it began before, or
//! it never will.

use core::sync::atomic::Ordering;

use crate::machine::Machine;
use crate::words::Word;

/// Nobody begins any more.
const GIVEN_UP: u32 = 1 << 31;

/// A thread's place in its core's order: 0 leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u32);

impl Ticket {
    /// Whether this thread leads its core.
    #[must_use]
    pub(crate) fn leads(self) -> bool {
        self.0 == 0
    }
}

/// The core was given up before this thread's turn came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GivenUp;

/// A core's election and its order of writing.
#[derive(Debug)]
pub(crate) struct CoreTurn<W> {
    nr_tickets: W,
    turn: W,
}

impl<W: Word> Default for CoreTurn<W> {
    fn default() -> Self {
        Self {
            nr_tickets: W::new(0),
            turn: W::new(0),
        }
    }
}

impl<W: Word> CoreTurn<W> {
    /// Takes the next ticket; the first thread through the gate leads.
    #[must_use]
    pub(crate) fn take_ticket(&self) -> Ticket {
        // Relaxed: the number alone matters; `turn` orders everything else.
        Ticket(self.nr_tickets.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits until the thread before this one has finished, and goes inside.
    /// `before_beginning` is done first: whoever gives the core up finds it done
    /// by a thread that may still write.
    pub(crate) fn begin(
        &self,
        ticket: Ticket,
        machine: &impl Machine,
        deadline_ns: u64,
        before_beginning: impl FnOnce(),
    ) -> Result<(), GivenUp> {
        let mine = 2 * ticket.0;
        self.wait(|turn| turn == mine, machine, deadline_ns)?;
        before_beginning();
        // Acquire pairs with the Release in `finish` of the thread before,
        // Release with the Acquire in `give_up`.
        self.turn
            .compare_exchange(mine, mine + 1, Ordering::AcqRel, Ordering::Relaxed)
            .map(|_| ())
            .map_err(|_| GivenUp)
    }

    /// Comes out again and lets the next thread in.
    pub(crate) fn finish(&self) {
        // Release pairs with the Acquire in `begin` and in `wait`: the next
        // thread sees the write done. An addition keeps the flag.
        self.turn.fetch_add(1, Ordering::Release);
    }

    /// Waits until the leader has finished.
    pub(crate) fn await_leader(
        &self,
        machine: &impl Machine,
        deadline_ns: u64,
    ) -> Result<(), GivenUp> {
        self.wait(|turn| turn >= 2, machine, deadline_ns)
    }

    /// Keeps every thread out that has not begun yet.
    pub(crate) fn give_up(&self) {
        // Release: whoever leaves does so after this. There is no partner to
        // take anything over: a thread that finds the flag does nothing. Acquire
        // pairs with the Release in `begin`.
        self.turn.fetch_or(GIVEN_UP, Ordering::AcqRel);
    }

    #[cfg(test)]
    pub(crate) fn is_given_up(&self) -> bool {
        self.turn.load(Ordering::Relaxed) & GIVEN_UP != 0
    }

    fn wait(
        &self,
        has_come: impl Fn(u32) -> bool,
        machine: &impl Machine,
        deadline_ns: u64,
    ) -> Result<(), GivenUp> {
        let look = || {
            // Acquire pairs with the Release in `finish`.
            let turn = self.turn.load(Ordering::Acquire);
            if has_come(turn & !GIVEN_UP) {
                return Some(Ok(()));
            }
            (turn & GIVEN_UP != 0).then_some(Err(GivenUp))
        };
        machine.wait(deadline_ns, look).unwrap_or_else(|| {
            self.give_up();
            Err(GivenUp)
        })
    }
}
