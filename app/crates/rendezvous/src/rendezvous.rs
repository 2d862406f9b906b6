//! One request: what its CPUs share, and what becomes of each.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use crate::machine::Machine;
use crate::options::Nmi;
use crate::plan::{Plan, Task};
use crate::protocols::{Any, Name};
use crate::seat::Seat;
use crate::slot::{Outcome, Record, Slot};
use crate::words::Word;

/// One request, made anew for each.
#[derive(Debug)]
pub struct Rendezvous<W = AtomicU32> {
    plan: Plan,
    name: Name,
    protocol: Any<W>,
    slots: Box<[CachePadded<Slot<W>>]>,
    requested_ns: AtomicU64,
    /// When the CPUs are called: the held ones are there.
    calling_ns: AtomicU64,
    /// Soft-offline CPUs that are held.
    nr_held: CachePadded<W>,
    /// Whether they may go.
    over: CachePadded<W>,
}

/// So many soft-offline siblings did not answer the NMI in time: nobody was
/// stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// How many.
    pub nr_cpus: u32,
}

impl<W: Word> Rendezvous<W> {
    /// Prepares a request. All that it needs is allocated here.
    #[must_use]
    pub fn new(name: Name, plan: Plan) -> Self {
        let nr_cpus = plan.topology.nr_cpus();
        Self {
            protocol: Any::new(name, &plan),
            name,
            slots: (0..nr_cpus).map(|_| CachePadded::default()).collect(),
            requested_ns: AtomicU64::new(0),
            calling_ns: AtomicU64::new(0),
            nr_held: CachePadded::new(W::new(0)),
            over: CachePadded::new(W::new(0)),
            plan,
        }
    }

    /// Gives the CPUs other tasks in a request that has not begun. It allocates
    /// nothing where the same CPUs are called as before.
    pub fn assign(&mut self, tasks: impl Iterator<Item = Task>) {
        if self.plan.assign(tasks) {
            *self = Self::new(self.name, self.plan.renewed());
        }
    }

    /// What was decided before.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The protocol.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// Starts the clock of the request, and has the soft-offline siblings held; the
    /// time to call in begins when they are.
    /// The control CPU does this before it lets any CPU attend; whatever it lets
    /// them attend by orders it.
    pub fn request(&self, machine: &impl Machine) -> Result<(), Unanswered> {
        let requested_ns = machine.now_ns();
        self.requested_ns.store(requested_ns, Ordering::Relaxed);
        self.calling_ns.store(requested_ns, Ordering::Relaxed);
        let mut nr_expected = 0;
        for cpu in self.plan.held() {
            machine.send_nmi(cpu);
            nr_expected += 1;
        }
        if nr_expected == 0 {
            return Ok(());
        }
        let seat = self.seat(self.plan.control(), machine);
        // Acquire pairs with the addition in `hold`.
        let answered = || self.nr_held.load(Ordering::Acquire);
        if seat.wait(self.plan.timeouts.offline_us, || answered() >= nr_expected) {
            self.calling_ns.store(machine.now_ns(), Ordering::Relaxed);
            return Ok(());
        }
        seat.release_held();
        Err(Unanswered {
            nr_cpus: nr_expected.saturating_sub(answered()),
        })
    }

    fn seat<'a, M: Machine>(&'a self, cpu: u32, machine: &'a M) -> Seat<'a, W, M> {
        Seat {
            cpu,
            machine,
            plan: &self.plan,
            leaf: self.plan.tree.leaf_of(cpu),
            slots: &self.slots,
            calling_ns: self.calling_ns.load(Ordering::Relaxed),
            over: &self.over,
        }
    }

    /// Runs the protocol on one CPU, which is stopped meanwhile and runs as
    /// before when this returns.
    pub fn attend(&self, cpu: u32, machine: &impl Machine) {
        let seat = self.seat(cpu, machine);
        self.protocol.attend(&seat);
        if cpu == self.plan.control() {
            seat.release_held();
        }
        seat.slot().leave(machine.stamp_ns());
    }

    /// Holds a soft-offline CPU in its NMI until the loads are over.
    pub fn hold(&self, cpu: u32, machine: &impl Machine) {
        let seat = self.seat(cpu, machine);
        seat.call_in();
        // Release pairs with the Acquire in `request`.
        self.nr_held.fetch_add(1, Ordering::Release);
        let timeouts = self.plan.timeouts;
        let patience_us = timeouts.offline_us + timeouts.call_in_us + self.plan.loads_us();
        // Acquire pairs with the Release in `release_held`.
        if !seat.wait(patience_us, || self.over.load(Ordering::Acquire) != 0) {
            self.protocol.give_up(seat.core());
        }
        seat.slot().conclude(Outcome::Held, None);
        seat.slot().leave(machine.stamp_ns());
    }

    /// What the handler of an NMI does first, wherever the NMI came upon its CPU:
    /// while another thread of its core is inside a load, it waits here until
    /// that is over, or the loads' time. Whether nothing else may be done in the
    /// handler, since the CPU is stopped or its core still loads.
    ///
    /// It reads memory and the clock alone. No other NMI comes before the
    /// handler's IRET.
    pub fn contain(&self, cpu: u32, machine: &impl Machine) -> bool {
        if self.plan.options.nmi == Nmi::Off {
            return false;
        }
        let slot = &self.slots[cpu as usize];
        // The thread that is inside would wait for itself.
        if slot.outcome() == Outcome::Hung {
            return true;
        }
        let seat = self.seat(cpu, machine);
        seat.wait(self.plan.loads_us(), || !self.core_loads(cpu));
        slot.is_inside() || self.core_loads(cpu)
    }

    /// Whether a thread of this CPU's core is inside a load, or about to be. A CPU
    /// that left at the deadline must not touch the registers of such a core.
    #[must_use]
    pub fn core_loads(&self, cpu: u32) -> bool {
        let topology = &self.plan.topology;
        topology
            .threads_of(topology.core_of(cpu))
            .any(|thread| self.slots[thread as usize].outcome() == Outcome::Hung)
    }

    /// Whether this CPU has called in, in time or not.
    #[must_use]
    pub fn has_called_in(&self, cpu: u32) -> bool {
        self.slots[cpu as usize].has_called_in()
    }

    /// Whether a CPU was let through to load.
    #[must_use]
    pub fn has_passed(&self, cpu: u32) -> bool {
        self.slots[cpu as usize].has_passed()
    }

    /// Whether a CPU left because others were missing.
    #[must_use]
    pub fn has_given_up(&self, cpu: u32) -> bool {
        self.slots[cpu as usize].has_given_up()
    }

    /// Whether any CPU was let through to load.
    #[must_use]
    pub fn opened(&self) -> bool {
        self.slots.iter().any(|slot| slot.has_passed())
    }

    /// The notes of all CPUs, their times counted from the request.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let requested_ns = self.requested_ns.load(Ordering::Relaxed);
        self.slots
            .iter()
            .map(|slot| slot.read(requested_ns))
            .collect()
    }
}
