//! `xen-v5`: the series "improve late microcode loading", version 5, as its
//! cover letter and the closest stored version (v7, 028aa795) describe it.
//!
//! Every CPU counts itself in and compares the counter by itself, for 30 ms at
//! the longest. Then it reads its signature and revision; the lowest thread of
//! each core writes; everybody counts itself out and waits until all have, for a
//! second after each that comes out, else the machine panics. The other threads
//! read their revision once more.
//!
//! Known to be wrong with it:
//! * each CPU decides for itself whether all came: one gives up and leaves, the
//!   last one comes a moment later, the others go on without the first, and wait
//!   for a counter that cannot get there any more;
//! * siblings read registers after the call-in while their core's first thread
//!   may have begun to write;
//! * the second is granted anew for every CPU, so N CPUs may stand still for N
//!   seconds;
//! * on AMD's CPUs only one thread of a core is written.

use core::sync::atomic::Ordering;

use crossbeam_utils::CachePadded;

use super::Protocol;
use super::stop_machine::StopMachine;
use crate::machine::Machine;
use crate::plan::Plan;
use crate::seat::Seat;
use crate::slot::{Outcome, Role};
use crate::words::Word;

#[derive(Debug)]
pub(crate) struct XenV5<W> {
    nr_in: CachePadded<W>,
    nr_out: CachePadded<W>,
    stop_machine: StopMachine<W>,
}

impl<W: Word> Protocol<W> for XenV5<W> {
    fn new(_: &Plan) -> Self {
        Self {
            nr_in: CachePadded::new(W::new(0)),
            nr_out: CachePadded::new(W::new(0)),
            stop_machine: StopMachine::default(),
        }
    }

    fn attend<M: Machine>(&self, seat: &Seat<'_, W, M>) {
        self.update(seat);
        self.stop_machine.leave(seat);
    }
}

impl<W: Word> XenV5<W> {
    fn update<M: Machine>(&self, seat: &Seat<'_, W, M>) {
        let nr_cpus = seat.plan.nr_called();
        let timeouts = seat.plan.timeouts;
        // AcqRel, here and below: the counters are all that orders the CPUs.
        self.nr_in.fetch_add(1, Ordering::AcqRel);
        let all_in = || self.nr_in.load(Ordering::Acquire) >= nr_cpus;
        if !seat.wait(timeouts.call_in_us, all_in) {
            return seat.give_up();
        }
        seat.pass_gate();
        seat.machine.revision();
        let leads = seat.is_lowest();
        if leads {
            seat.slot().take_role(Role::Leader);
            seat.load(Role::Leader);
        }
        self.nr_out.fetch_add(1, Ordering::AcqRel);
        let message = "Timeout when finishing updating microcode";
        seat.wait_for_each(&self.nr_out, nr_cpus, message);
        if !leads && seat.loads() {
            seat.slot().take_role(Role::Follower);
            seat.conclude_revision(Role::Follower, seat.machine.revision());
        } else if !leads {
            seat.slot().conclude(Outcome::Attended, None);
        }
    }
}
