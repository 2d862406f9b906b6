//! Whether all CPUs came in time: decided once, for all.

use crate::Machine;
use crate::sync::{AtomicU32, Ordering};

const WAITING: u32 = 0;
const OPEN: u32 = 1;
const CLOSED: u32 = 2;

/// What a CPU finds at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// All CPUs are here and stay until they have settled.
    Open,
    /// The gate was closed while this CPU waited: others are missing.
    Closed,
    /// The gate was closed before this CPU came.
    Late,
}

/// The call-in and the gate behind it.
///
/// The gate leaves `WAITING` by one compare-exchange, either of the last CPU
/// to arrive (`OPEN`) or of the first whose deadline passes (`CLOSED`).
/// Whoever loses the exchange takes the winner's word: a CPU that came too
/// late finds the gate closed and can never go on.
#[derive(Debug)]
pub struct Gate {
    nr_expected: u32,
    nr_arrived: AtomicU32,
    state: AtomicU32,
}

impl Gate {
    /// A gate for that many CPUs.
    #[must_use]
    pub fn new(nr_expected: u32) -> Self {
        Self {
            nr_expected,
            nr_arrived: AtomicU32::new(0),
            state: AtomicU32::new(WAITING),
        }
    }

    /// Announces this CPU and waits for the decision, until `deadline_ns` on
    /// the machine's clock at the longest.
    pub fn call_in(&self, machine: &impl Machine, deadline_ns: u64) -> Passage {
        if self.state.load(Ordering::Acquire) == CLOSED {
            return Passage::Late;
        }
        // Release: what this CPU did before is seen by every CPU behind the
        // open gate. Acquire: the last CPU takes over what the others did and
        // passes it on with the exchange in `decide`.
        if self.nr_arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.nr_expected {
            return self.decide(OPEN);
        }
        loop {
            // Acquire pairs with the exchange in `decide` of whoever decided.
            match self.state.load(Ordering::Acquire) {
                WAITING if machine.now_ns() > deadline_ns => return self.decide(CLOSED),
                WAITING => machine.relax(),
                OPEN => return Passage::Open,
                _ => return Passage::Closed,
            }
        }
    }

    /// Makes the decision, or takes the one that was made.
    fn decide(&self, decision: u32) -> Passage {
        let outcome =
            self.state
                .compare_exchange(WAITING, decision, Ordering::AcqRel, Ordering::Acquire);
        match outcome.map_or_else(|made| made, |_| decision) {
            OPEN => Passage::Open,
            _ => Passage::Closed,
        }
    }

    /// Whether the gate was opened.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.load(Ordering::Acquire) == OPEN
    }
}
