//! `serial-chain`: Xen before the series (`xen/arch/x86/microcode.c` at
//! f19a1992).
//!
//! The request wanders from CPU to CPU. Each reads the blob anew, compares
//! revisions, takes a lock that all CPUs share with interrupts off, writes if it
//! runs something older, and passes the request on. A thread whose sibling has
//! written finds nothing newer.
//!
//! Known to be wrong with it:
//! * nobody else is stopped, so siblings run while their core loads, and the
//!   machine runs on two revisions for as long as the chain takes;
//! * parsing allocates on every CPU, which can fail on one and not on another;
//! * it takes as long as all loads together.

use alloc::boxed::Box;
use core::sync::atomic::Ordering;

use super::Protocol;
use crate::machine::Machine;
use crate::plan::Plan;
use crate::seat::{Seat, after};
use crate::words::Word;

/// The word is the number of CPUs that have had their turn. It is the lock as
/// well: only one CPU has its turn.
#[derive(Debug)]
pub(crate) struct SerialChain<W> {
    turn: W,
    /// By CPU: how many have theirs before it.
    places: Box<[u32]>,
}

impl<W: Word> Protocol<W> for SerialChain<W> {
    const STOPS_ALL: bool = false;

    fn new(plan: &Plan) -> Self {
        let mut nr_before = 0;
        let place = |cpu| {
            let place = nr_before;
            nr_before += u32::from(plan.task(cpu).is_called());
            place
        };
        Self {
            turn: W::new(0),
            places: (0..plan.topology.nr_cpus()).map(place).collect(),
        }
    }

    fn attend<M: Machine>(&self, seat: &Seat<'_, W, M>) {
        let mine = self.places[seat.cpu as usize];
        let timeouts = seat.plan.timeouts;
        let patience_us = timeouts.call_in_us + timeouts.update_us * u64::from(mine);
        // Acquire pairs with the Release below of the CPU before.
        let come = || self.turn.load(Ordering::Acquire) == mine;
        if !seat.wait_until(after(seat.calling_ns, patience_us), come) {
            return seat.give_up();
        }
        seat.pass_gate();
        seat.machine.parse();
        let stopped = seat.loads().then(|| seat.stop());
        seat.load_or_follow();
        drop(stopped);
        // Release pairs with the Acquire above of the next CPU.
        self.turn.fetch_add(1, Ordering::Release);
    }
}
