//! `muster`: this project's own.
//!
//! ```text
//!    leader                              follower
//!    ------                              --------
//!    call in ─────────────┐   ┌───────── call in
//!                       gate: opened or closed, exactly once
//!    ticket 0                            ticket 1
//!    begin ─ write ─ finish              wait for the leader's finish
//!    read the revision                   (AMD: begin ─ write ─ finish)
//!        │                               read the revision
//!        └──────────── settle ───────────┘
//!    leave                               leave
//! ```
//!
//! Each decision on which safety rests is made by one atomic operation on one
//! word, so that no two CPUs can see it made differently: whether all came in
//! time ([`Gate`]), which thread of a core may write ([`CoreTurn`]), whether the
//! next core may follow ([`Steps`]), and whether all are through (a second
//! gate). Whoever closes that second gate has first given up every core, so a
//! CPU that leaves before all are through leaves a machine on which nobody
//! begins to load any more.

use alloc::boxed::Box;

use crossbeam_utils::CachePadded;

use super::Protocol;
use crate::core_turn::{CoreTurn, Ticket};
use crate::gate::{Gate, Passage};
use crate::machine::Machine;
use crate::options::Election;
use crate::plan::Plan;
use crate::seat::{Seat, after};
use crate::slot::{Outcome, Role};
use crate::steps::Steps;
use crate::words::Word;

#[derive(Debug)]
pub(crate) struct Muster<W> {
    gate: Gate<W>,
    settled: Gate<W>,
    steps: CachePadded<Steps<W>>,
    cores: Box<[CachePadded<Core<W>>]>,
}

#[derive(Debug)]
struct Core<W> {
    turn: CoreTurn<W>,
    /// Threads that wrote without success; a thread counts itself before its
    /// turn ends.
    nr_failed: W,
}

impl<W: Word> Default for Core<W> {
    fn default() -> Self {
        Self {
            turn: CoreTurn::default(),
            nr_failed: W::new(0),
        }
    }
}

impl<W: Word> Protocol<W> for Muster<W> {
    fn new(plan: &Plan) -> Self {
        let nr_cores = plan.topology.nr_cores();
        Self {
            gate: Gate::new(&plan.tree),
            settled: Gate::new(&plan.tree),
            steps: CachePadded::default(),
            cores: (0..nr_cores).map(|_| CachePadded::default()).collect(),
        }
    }

    fn attend<M: Machine>(&self, seat: &Seat<'_, W, M>) {
        let Seat {
            plan,
            machine,
            leaf,
            ..
        } = *seat;
        let timeouts = plan.timeouts;
        let deadline_ns = after(seat.calling_ns, timeouts.call_in_us);
        let is_late = || machine.now_ns() > deadline_ns;
        let Self { gate, settled, .. } = self;
        match gate.call_in(leaf, machine, deadline_ns, is_late, || {}) {
            Passage::Open => {}
            Passage::Closed => return seat.give_up(),
            Passage::Late => return seat.slot().conclude(Outcome::Late, None),
        }
        let gate_ns = seat.pass_gate();
        // Each step has the time of one load.
        let until =
            |nr_steps: u32| after(gate_ns, timeouts.update_us.saturating_mul(nr_steps.into()));
        if seat.loads() {
            let step = plan.step(seat.core());
            if self.steps.wait(seat, step, || until(step)) {
                self.take_part(seat, until(step + 1));
            } else {
                seat.slot().conclude(Outcome::Aborted, None);
            }
        } else {
            seat.slot().conclude(Outcome::Attended, None);
        }
        let give_up = || self.cores.iter().for_each(|core| core.turn.give_up());
        let through_ns = until(plan.nr_steps());
        // Closed is closed: late or not, this CPU has missed another.
        let passage = settled.call_in(leaf, machine, through_ns, || false, give_up);
        if passage != Passage::Open {
            seat.miss("a CPU is still inside its load");
        }
    }
}

impl<W: Word> Muster<W> {
    pub(crate) fn give_up(&self, core: u32) {
        self.cores[core as usize].turn.give_up();
    }

    /// The load of a core, as one of its threads sees it.
    fn take_part<M: Machine>(&self, seat: &Seat<'_, W, M>, deadline_ns: u64) {
        let core = &self.cores[seat.core() as usize];
        let ticket = match seat.plan.options.election {
            Election::First => core.turn.take_ticket(),
            Election::Lowest => Ticket(seat.plan.rank(seat.cpu)),
        };
        let role = if ticket.leads() {
            Role::Leader
        } else {
            Role::Follower
        };
        seat.slot().take_role(role);
        if !ticket.leads() && !seat.plan.followers_load {
            if core.turn.await_leader(seat.machine, deadline_ns).is_ok() {
                seat.conclude_revision(role, seat.machine.revision());
            } else {
                seat.slot().conclude(Outcome::Aborted, None);
            }
            return;
        }
        // Noted before it is decided, so that a CPU which leaves knows of every
        // thread that may still write.
        let note = || seat.slot().enter_load();
        let begun = core.turn.begin(ticket, seat.machine, deadline_ns, note);
        if begun.is_err() {
            return seat.slot().conclude(Outcome::Aborted, None);
        }
        // Before the next thread may begin, since reading a register would
        // disturb it: the revision, and whether it is the update's.
        let written = seat.write();
        let is_success = seat.conclude_write(role, written);
        if !is_success {
            core.count_failure();
        }
        let nr_writers = if seat.plan.followers_load {
            seat.plan.nr_loading(seat.core())
        } else {
            1
        };
        let is_last = ticket.0 + 1 == nr_writers;
        core.turn.finish();
        if is_last {
            self.steps
                .finish(seat.plan, seat.core(), !core.has_failed());
        }
    }
}

impl<W: Word> Core<W> {
    fn count_failure(&self) {
        // Relaxed: `turn` hands it on to the next thread.
        self.nr_failed
            .fetch_add(1, core::sync::atomic::Ordering::Relaxed);
    }

    fn has_failed(&self) -> bool {
        // Relaxed: this thread's turn came after those that count.
        self.nr_failed.load(core::sync::atomic::Ordering::Relaxed) > 0
    }
}
