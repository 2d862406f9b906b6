//! What Xen's `stop_machine_run` and Linux' `stop_machine` do around their
//! protocols: nobody leaves before everybody is through.
//!
//! Both also wait, without a bound, until every CPU has interrupts off before
//! any begins. Here a CPU that is called has been up a moment before, and one
//! that does not come is what the protocols' own call-in is for. The wait at
//! the end has none either; here it ends when everybody's time is over.

use core::sync::atomic::Ordering;

use crossbeam_utils::CachePadded;

use crate::machine::Machine;
use crate::seat::Seat;
use crate::words::Word;

#[derive(Debug)]
pub(super) struct StopMachine<W> {
    nr_through: CachePadded<W>,
}

impl<W: Word> Default for StopMachine<W> {
    fn default() -> Self {
        Self {
            nr_through: CachePadded::new(W::new(0)),
        }
    }
}

impl<W: Word> StopMachine<W> {
    /// This CPU is through; waits until all are.
    pub(super) fn leave<M: Machine>(&self, seat: &Seat<'_, W, M>) {
        let nr_cpus = seat.plan.nr_called();
        let timeouts = seat.plan.timeouts;
        let patience_us = timeouts.call_in_us + timeouts.update_us * u64::from(nr_cpus);
        // AcqRel: what all did before is seen by each after it.
        self.nr_through.fetch_add(1, Ordering::AcqRel);
        seat.wait(patience_us, || {
            self.nr_through.load(Ordering::Acquire) >= nr_cpus
        });
    }
}
