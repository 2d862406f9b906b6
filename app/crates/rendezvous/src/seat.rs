//! One CPU in one request: what all protocols are written with.

use core::sync::atomic::Ordering;

use crossbeam_utils::CachePadded;

use crate::machine::{GpFault, Machine, Stopped};
use crate::options::OnHang;
use crate::plan::{Plan, Task};
use crate::slot::{Outcome, Role, Slot};
use crate::words::Word;

/// A write and the revision after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    result: Result<(), GpFault>,
    after: u32,
}

/// A CPU's place in the request.
#[derive(Debug)]
pub(crate) struct Seat<'a, W, M: Machine> {
    pub(crate) cpu: u32,
    pub(crate) machine: &'a M,
    pub(crate) plan: &'a Plan,
    pub(crate) slots: &'a [CachePadded<Slot<W>>],
    /// Where this CPU announces itself in the tree. It is looked up with all the rest,
    /// before the CPU is stopped: afterwards, others may wait for it.
    pub(crate) leaf: usize,
    /// When the CPUs were called.
    pub(crate) calling_ns: u64,
    /// Whether the CPUs that are held may go.
    pub(crate) over: &'a W,
}

/// A deadline; one beyond the end of the clock never comes.
pub(crate) fn after(start_ns: u64, timeout_us: u64) -> u64 {
    start_ns.saturating_add(timeout_us.saturating_mul(1000))
}

impl Written {
    /// The revision that was read after it.
    pub(crate) fn after(self) -> u32 {
        self.after
    }
}

impl<W: Word, M: Machine> Seat<'_, W, M> {
    pub(crate) fn slot(&self) -> &Slot<W> {
        &self.slots[self.cpu as usize]
    }

    pub(crate) fn core(&self) -> u32 {
        self.plan.topology.core_of(self.cpu)
    }

    /// Whether this CPU runs the request.
    pub(crate) fn is_control(&self) -> bool {
        self.cpu == self.plan.control()
    }

    /// Whether the plan has an update for this CPU.
    pub(crate) fn loads(&self) -> bool {
        self.plan.loads(self.cpu)
    }

    /// Whether this CPU is the lowest of its core that loads.
    pub(crate) fn is_lowest(&self) -> bool {
        self.loads() && self.plan.rank(self.cpu) == 0
    }

    /// Waits until `is_so`, until `timeout_us` from now at the longest; whether
    /// it came to be so.
    pub(crate) fn wait(&self, timeout_us: u64, is_so: impl Fn() -> bool) -> bool {
        let deadline_ns = after(self.machine.now_ns(), timeout_us);
        self.wait_until(deadline_ns, is_so)
    }

    pub(crate) fn wait_until(&self, deadline_ns: u64, is_so: impl Fn() -> bool) -> bool {
        let look = || is_so().then_some(());
        self.machine.wait(deadline_ns, look).is_some()
    }

    /// Waits until a counter has come to `nr_cpus`, for the time of an update
    /// after each that it counts, as Xen does.
    pub(crate) fn wait_for_each(&self, counter: &W, nr_cpus: u32, message: &'static str) {
        // Acquire pairs with the addition of each that is counted.
        let count = || counter.load(Ordering::Acquire);
        let mut nr_counted = count();
        while nr_counted < nr_cpus {
            if !self.wait(self.plan.timeouts.update_us, || count() > nr_counted) {
                return self.miss(message);
            }
            nr_counted = count();
        }
    }

    /// Notes that this CPU is here.
    pub(crate) fn call_in(&self) {
        Slot::<W>::note(&self.slot().called_in_ns, self.machine.stamp_ns());
    }

    /// Concludes that others are missing.
    pub(crate) fn give_up(&self) {
        self.slot().give_up();
        self.slot().conclude(Outcome::Aborted, None);
    }

    /// Notes that this CPU may go on, and when.
    pub(crate) fn pass_gate(&self) -> u64 {
        let now_ns = self.machine.now_ns();
        Slot::<W>::note(&self.slot().gate_ns, now_ns);
        now_ns
    }

    /// Notes the part that this CPU plays by its place in its core.
    pub(crate) fn take_role_by_rank(&self) -> Role {
        let role = if self.plan.rank(self.cpu) == 0 {
            Role::Leader
        } else {
            Role::Follower
        };
        self.slot().take_role(role);
        role
    }

    /// Stops this CPU for as long as the guard lives, in a protocol that does
    /// not stop all.
    pub(crate) fn stop(&self) -> Stopped<'_, M> {
        Stopped::new(self.machine)
    }

    /// Writes the update and reads the revision, on a CPU that is marked as
    /// inside the load.
    pub(crate) fn write(&self) -> Written {
        let slot = self.slot();
        Slot::<W>::note(&slot.load_start_ns, self.machine.stamp_ns());
        let result = self.machine.load();
        Slot::<W>::note(&slot.load_end_ns, self.machine.stamp_ns());
        Written {
            result,
            after: self.machine.revision(),
        }
    }

    /// Concludes with what came of a write; whether it took.
    pub(crate) fn conclude_write(&self, role: Role, written: Written) -> bool {
        match written.result {
            Err(GpFault) => {
                self.slot().conclude(Outcome::GpFault, Some(written.after));
                false
            }
            Ok(()) => self.conclude_revision(role, written.after),
        }
    }

    /// Concludes with the revision that this CPU shows; whether it is the
    /// update's.
    pub(crate) fn conclude_revision(&self, role: Role, after: u32) -> bool {
        let Task::Load { before, .. } = self.plan.task(self.cpu) else {
            self.slot().conclude(Outcome::Attended, None);
            return false;
        };
        let is_on_target = self.plan.is_on_target(self.cpu, after);
        let outcome = match role {
            Role::Leader if is_on_target => Outcome::Updated,
            _ if is_on_target => Outcome::Followed,
            _ if after == before => Outcome::NotTaken,
            _ => Outcome::Mismatch,
        };
        self.slot().conclude(outcome, Some(after));
        is_on_target
    }

    /// Writes, and concludes with what came of it; whether it took.
    pub(crate) fn load(&self, role: Role) -> bool {
        self.slot().enter_load();
        let written = self.write();
        self.conclude_write(role, written)
    }

    /// Writes, unless this CPU follows and finds its core updated.
    pub(crate) fn load_or_follow(&self) {
        if !self.loads() {
            return self.slot().conclude(Outcome::Attended, None);
        }
        let role = self.take_role_by_rank();
        let revision = self.machine.revision();
        if role == Role::Follower && self.plan.is_on_target(self.cpu, revision) {
            self.conclude_revision(role, revision);
        } else {
            self.load(role);
        }
    }

    /// Lets the soft-offline CPUs go.
    pub(crate) fn release_held(&self) {
        // Release pairs with the Acquire in `Rendezvous::hold`.
        self.over.store(1, Ordering::Release);
    }

    /// A CPU did not come back: what the user wants done about it.
    pub(crate) fn miss(&self, message: &'static str) {
        if self.plan.options.on_hang == OnHang::Panic {
            self.machine.panic(message);
        }
    }
}
