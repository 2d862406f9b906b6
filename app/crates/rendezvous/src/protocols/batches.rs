//! `batches`: iPXE, as the survey of its loader (0ab2277c) describes it.
//!
//! The boot CPU writes first. Then it calls the others in eight batches, by the
//! three lowest bits of their APIC ids, and gives each batch 10 ms. A called CPU
//! writes if it runs something older and goes back to sleep. Siblings differ in
//! the lowest bit, so they are in different batches.
//!
//! Known to be wrong with it:
//! * nobody looks whether a batch is through: the next one begins after 10 ms, so
//!   a sibling may write while its core still loads;
//! * a CPU that comes late writes all the same.

use core::sync::atomic::Ordering;

use crossbeam_utils::CachePadded;

use super::Protocol;
use crate::machine::Machine;
use crate::plan::Plan;
use crate::seat::{Seat, after};
use crate::words::Word;

/// Number of batches of [`Name::Batches`](super::Name): as many as three bits of an APIC
/// id tell apart.
pub const NR_BATCHES: usize = 8;

#[derive(Debug)]
pub(crate) struct Batches<W> {
    /// How many batches were called.
    nr_called: CachePadded<W>,
    /// CPUs that are through.
    nr_done: CachePadded<W>,
    /// How many are through when each batch is, the control CPU not counted.
    due: [u32; NR_BATCHES],
}

impl<W: Word> Protocol<W> for Batches<W> {
    fn new(plan: &Plan) -> Self {
        let mut due = [0; NR_BATCHES];
        for cpu in plan.called().filter(|&cpu| cpu != plan.control()) {
            for nr_due in &mut due[batch_of(plan, cpu)..] {
                *nr_due += 1;
            }
        }
        Self {
            nr_called: CachePadded::new(W::new(0)),
            nr_done: CachePadded::new(W::new(0)),
            due,
        }
    }

    fn attend<M: Machine>(&self, seat: &Seat<'_, W, M>) {
        if seat.is_control() {
            seat.pass_gate();
            seat.load_or_follow();
            self.drive(seat);
            return;
        }
        let batch = u32::try_from(batch_of(seat.plan, seat.cpu)).unwrap_or(u32::MAX);
        let timeouts = seat.plan.timeouts;
        let patience_us = timeouts.call_in_us + timeouts.update_us * u64::from(batch + 2);
        // Acquire pairs with the Release in `drive`.
        let called = || self.nr_called.load(Ordering::Acquire) > batch;
        if !seat.wait_until(after(seat.calling_ns, patience_us), called) {
            return seat.give_up();
        }
        seat.pass_gate();
        seat.load_or_follow();
        // Release pairs with the Acquire in `drive`.
        self.nr_done.fetch_add(1, Ordering::Release);
    }
}

fn batch_of(plan: &Plan, cpu: u32) -> usize {
    plan.topology.place(cpu).apic_id as usize % NR_BATCHES
}

impl<W: Word> Batches<W> {
    fn drive<M: Machine>(&self, seat: &Seat<'_, W, M>) {
        for (nr_called, nr_due) in (1..).zip(self.due) {
            // Release pairs with the Acquire in `attend`.
            self.nr_called.store(nr_called, Ordering::Release);
            let through = || self.nr_done.load(Ordering::Acquire) >= nr_due;
            // Through or not, the next one is called.
            seat.wait(seat.plan.timeouts.update_us, through);
        }
    }
}
