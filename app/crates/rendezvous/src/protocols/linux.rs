//! `linux`: Linux since 6.7 (`arch/x86/kernel/cpu/microcode/core.c`).
//!
//! A counter is counted down by each CPU; one whose second passes counts itself
//! up again and leaves, which is meant to keep late comers from getting to 0.
//! Then the lowest thread of each core writes, and tells its siblings by their
//! control words to write as well (where it took) or that all is done. A sibling
//! waits for that for a second, else the machine panics. Soft-offline siblings
//! are held in an NMI until the control CPU lets them go.
//!
//! Known to be wrong with it:
//! * between a CPU's last look at the counter and its counting up, the last one
//!   may have come and gone on;
//! * the control CPU lets all soft-offline siblings go when its own core has
//!   written, and other cores may still be writing.

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

/// Control words.
const WAIT: u32 = 0;
const APPLY: u32 = 1;
const DONE: u32 = 2;

#[derive(Debug)]
pub(crate) struct Linux<W> {
    /// CPUs that have not come, or came and gave up.
    nr_missing: CachePadded<W>,
    control: Box<[CachePadded<W>]>,
    stop_machine: StopMachine<W>,
}

impl<W: Word> Protocol<W> for Linux<W> {
    fn new(plan: &Plan) -> Self {
        let nr_cpus = plan.topology.nr_cpus();
        Self {
            nr_missing: CachePadded::new(W::new(plan.nr_called())),
            control: (0..nr_cpus)
                .map(|_| CachePadded::new(W::new(WAIT)))
                .collect(),
            stop_machine: StopMachine::default(),
        }
    }

    fn attend<M: Machine>(&self, seat: &Seat<'_, W, M>) {
        self.update(seat);
        self.stop_machine.leave(seat);
    }
}

impl<W: Word> Linux<W> {
    fn update<M: Machine>(&self, seat: &Seat<'_, W, M>) {
        // AcqRel: pairs with the Acquire of whoever looks.
        self.nr_missing
            .fetch_add(1_u32.wrapping_neg(), Ordering::AcqRel);
        let all_in = || self.nr_missing.load(Ordering::Acquire) == 0;
        if !seat.wait(seat.plan.timeouts.call_in_us, all_in) {
            self.nr_missing.fetch_add(1, Ordering::AcqRel);
            return seat.give_up();
        }
        seat.pass_gate();
        if !seat.loads() {
            seat.slot().conclude(Outcome::Attended, None);
        } else if seat.is_lowest() {
            self.lead(seat);
        } else {
            self.follow(seat);
        }
        if seat.is_control() {
            seat.release_held();
        }
    }

    fn lead<M: Machine>(&self, seat: &Seat<'_, W, M>) {
        seat.slot().take_role(Role::Leader);
        let took = seat.load(Role::Leader);
        for sibling in seat.plan.topology.threads_of(seat.core()) {
            if sibling != seat.cpu {
                let word = &self.control[sibling as usize];
                // Release pairs with the Acquire in `follow`.
                word.store(if took { APPLY } else { DONE }, Ordering::Release);
            }
        }
    }

    fn follow<M: Machine>(&self, seat: &Seat<'_, W, M>) {
        let Seat { plan, machine, .. } = *seat;
        seat.slot().take_role(Role::Follower);
        // Acquire pairs with the Release in `lead`.
        let word = || self.control[seat.cpu as usize].load(Ordering::Acquire);
        if !seat.wait(plan.timeouts.update_us, || word() != WAIT) {
            seat.miss("Microcode load: Primary CPU timed out");
            return seat.slot().conclude(Outcome::Aborted, None);
        }
        let revision = machine.revision();
        // A sibling that shares its core's revision finds nothing newer.
        if word() == APPLY && !plan.is_on_target(seat.cpu, revision) {
            seat.load(Role::Follower);
        } else {
            seat.conclude_revision(Role::Follower, revision);
        }
    }
}
