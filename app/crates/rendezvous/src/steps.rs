//! Which core's turn it is where they do not load all at once: one word.

use core::sync::atomic::Ordering;

use crate::machine::Machine;
use crate::options::Order;
use crate::plan::Plan;
use crate::seat::Seat;
use crate::words::Word;

const ABORTED: u32 = 1 << 31;

/// The word counts the steps that are done, or says that none will follow. It
/// moves by additions and one flag, so that a step which ends late cannot undo
/// an abort.
#[derive(Debug)]
pub(crate) struct Steps<W>(W);

impl<W: Word> Default for Steps<W> {
    fn default() -> Self {
        Self(W::new(0))
    }
}

impl<W: Word> Steps<W> {
    /// Waits for the turn of this CPU's core, which is step `mine`; whether it came.
    /// The first one need not wait, and asks for no deadline.
    pub(crate) fn wait<M: Machine>(
        &self,
        seat: &Seat<'_, W, M>,
        mine: u32,
        deadline_ns: impl FnOnce() -> u64,
    ) -> bool {
        if mine == 0 {
            return true;
        }
        // Acquire pairs with the Release in `finish`.
        let come = || self.0.load(Ordering::Acquire) >= mine;
        if !seat.wait_until(deadline_ns(), come) {
            self.abort();
        }
        // The step after a core that is given up never comes: the flag stays.
        self.0.load(Ordering::Acquire) & ABORTED == 0
    }

    /// A core has loaded, on all of its threads that do.
    pub(crate) fn finish(&self, plan: &Plan, core: u32, is_success: bool) {
        match plan.options.order {
            Order::Parallel => {}
            Order::Canary if plan.step(core) > 0 => {}
            Order::Canary if !is_success => self.abort(),
            // Release pairs with the Acquire in `wait`.
            Order::Canary | Order::Serial => {
                self.0.fetch_add(1, Ordering::Release);
            }
        }
    }

    fn abort(&self) {
        // Release: nothing to hand over; whoever finds the flag does nothing.
        self.0.fetch_or(ABORTED, Ordering::Release);
    }
}
