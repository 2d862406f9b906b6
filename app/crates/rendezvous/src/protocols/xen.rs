//! `xen`: Xen since 4.13 (`xen/arch/x86/cpu/microcode/core.c`).
//!
//! A control thread drives the others through PREPARE, CALLIN, ENTER and EXIT.
//! It waits until all have called in, 30 ms at the longest, and writes first; any
//! error ends it for everybody. Then the first thread of every other core writes,
//! on AMD's CPUs every thread; the other threads wait for EXIT and copy the
//! revision. The control thread grants a second after each CPU that has written.
//!
//! Known to be wrong with it:
//! * threads wait for ENTER and EXIT without a bound, and nobody sets them where
//!   the control thread itself hangs (here they leave when everybody's time is
//!   over);
//! * on AMD's CPUs both threads of a core write at once;
//! * the second is granted anew for every CPU.

use alloc::boxed::Box;
use core::sync::atomic::Ordering;

use crossbeam_utils::CachePadded;

use super::Protocol;
use super::stop_machine::StopMachine;
use crate::machine::Machine;
use crate::plan::Plan;
use crate::seat::Seat;
use crate::slot::{Outcome, Role};
use crate::words::Word;

const PREPARE: u32 = 0;
const CALLIN: u32 = 1;
const ENTER: u32 = 2;
const EXIT: u32 = 3;

/// No revision was read.
const NONE: u32 = 0;

#[derive(Debug)]
pub(crate) struct Xen<W> {
    state: CachePadded<W>,
    nr_in: CachePadded<W>,
    /// Threads that have written, or had to.
    nr_out: CachePadded<W>,
    /// The revision that each core's first thread shows.
    revisions: Box<[CachePadded<W>]>,
    stop_machine: StopMachine<W>,
}

impl<W: Word> Protocol<W> for Xen<W> {
    fn new(plan: &Plan) -> Self {
        let nr_cores = plan.topology.nr_cores();
        let word = |value| CachePadded::new(W::new(value));
        Self {
            state: word(PREPARE),
            nr_in: word(0),
            nr_out: word(0),
            revisions: (0..nr_cores).map(|_| word(NONE)).collect(),
            stop_machine: StopMachine::default(),
        }
    }

    fn attend<M: Machine>(&self, seat: &Seat<'_, W, M>) {
        let settles = if seat.is_control() {
            self.control(seat)
        } else {
            self.other(seat)
        };
        if !settles {
            seat.slot().conclude(Outcome::Aborted, None);
        }
        self.stop_machine.leave(seat);
    }
}

impl<W: Word> Xen<W> {
    fn set(&self, state: u32) {
        // Release pairs with the Acquire in `wait_for`.
        self.state.store(state, Ordering::Release);
    }

    /// Whether this CPU writes: the lowest thread of its core, or each on AMD's.
    fn writes<M: Machine>(seat: &Seat<'_, W, M>) -> bool {
        seat.is_lowest() || (seat.loads() && seat.plan.followers_load)
    }

    /// Writes and tells the siblings; whether it took.
    fn write<M: Machine>(&self, seat: &Seat<'_, W, M>) -> bool {
        let role = seat.take_role_by_rank();
        seat.slot().enter_load();
        let written = seat.write();
        if role == Role::Leader {
            // Release pairs with the Acquire in `other`.
            self.revisions[seat.core() as usize].store(written.after(), Ordering::Release);
        }
        seat.conclude_write(role, written)
    }

    /// The control thread; whether it has concluded.
    fn control<M: Machine>(&self, seat: &Seat<'_, W, M>) -> bool {
        let nr_others = seat.plan.nr_called() - 1;
        let timeouts = seat.plan.timeouts;
        self.set(CALLIN);
        // Acquire pairs with the addition in `other`.
        let all_in = || self.nr_in.load(Ordering::Acquire) >= nr_others;
        if !seat.wait(timeouts.call_in_us, all_in) {
            self.set(EXIT);
            seat.give_up();
            return true;
        }
        seat.pass_gate();
        if Self::writes(seat) {
            if !self.write(seat) {
                self.set(EXIT);
                return true;
            }
        } else {
            seat.slot().conclude(Outcome::Attended, None);
        }
        self.set(ENTER);
        let message = "Timeout when finished updating microcode";
        seat.wait_for_each(&self.nr_out, seat.plan.nr_other_writers(), message);
        self.set(EXIT);
        true
    }

    /// Waits for a state; whether it came before EXIT did.
    fn wait_for<M: Machine>(&self, seat: &Seat<'_, W, M>, state: u32) -> bool {
        let timeouts = seat.plan.timeouts;
        let nr_cpus = u64::from(seat.plan.nr_called());
        let patience_us = timeouts.call_in_us + timeouts.update_us * (nr_cpus + 1);
        // Acquire pairs with the Release in `set`.
        let reached = || self.state.load(Ordering::Acquire) >= state;
        if !seat.wait(patience_us, reached) {
            seat.miss("the control thread does not come back");
            return false;
        }
        state == EXIT || self.state.load(Ordering::Acquire) != EXIT
    }

    /// Any other thread; whether it has concluded.
    fn other<M: Machine>(&self, seat: &Seat<'_, W, M>) -> bool {
        if !self.wait_for(seat, CALLIN) {
            return false;
        }
        // AcqRel: pairs with the Acquire in `control`.
        self.nr_in.fetch_add(1, Ordering::AcqRel);
        if Self::writes(seat) {
            if !self.wait_for(seat, ENTER) {
                return false;
            }
            seat.pass_gate();
            self.write(seat);
            // AcqRel: pairs with the Acquire in `control`.
            self.nr_out.fetch_add(1, Ordering::AcqRel);
            self.wait_for(seat, EXIT);
            return true;
        }
        if !self.wait_for(seat, EXIT) {
            return false;
        }
        if !seat.loads() {
            seat.pass_gate();
            seat.slot().conclude(Outcome::Attended, None);
            return true;
        }
        // Acquire pairs with the Release in `write`.
        let revision = self.revisions[seat.core() as usize].load(Ordering::Acquire);
        if revision == NONE {
            return false;
        }
        seat.pass_gate();
        seat.slot().take_role(Role::Follower);
        seat.conclude_revision(Role::Follower, revision);
        true
    }
}
