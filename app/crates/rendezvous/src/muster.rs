//! The `muster` protocol, as one CPU runs it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crossbeam_utils::CachePadded;

use crate::core_turn::{CoreTurn, Ticket};
use crate::gate::{Gate, Passage};
use crate::slot::{Outcome, Record, Role, Slot};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::topology::Topology;
use crate::{GpFault, Machine};

/// How long the parts may take, in µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the request to the last call-in. A CPU answers within
    /// microseconds unless it has interrupts off; 30 ms is what Xen gives it
    /// (`MICROCODE_CALLIN_TIMEOUT_US` in `arch/x86/cpu/microcode/core.c`).
    pub call_in_us: u64,
    /// From the open gate to the last settling: the load itself, which takes
    /// milliseconds; 1 s is what Xen and Linux give it
    /// (`MICROCODE_UPDATE_TIMEOUT_US`, ibid.).
    pub update_us: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            call_in_us: 30_000,
            update_us: 1_000_000,
        }
    }
}

/// What the plan has for one CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Bring it from one revision to another.
    Load {
        /// Its revision now.
        before: u32,
        /// The update's revision.
        target: u32,
    },
    /// Nothing: it is stopped with the others and waits.
    Attend,
}

/// A deadline; one beyond the end of the clock never comes.
fn after(start_ns: u64, timeout_us: u64) -> u64 {
    start_ns.saturating_add(timeout_us.saturating_mul(1000))
}

/// The write, and the revision after it; `None` if the core was given up
/// before it began.
fn write(
    slot: &Slot,
    core: &CoreTurn,
    ticket: Ticket,
    machine: &impl Machine,
    deadline_ns: u64,
) -> Option<(Result<(), GpFault>, u32)> {
    core.begin(ticket, machine, deadline_ns).ok()?;
    slot.enter_load();
    Slot::note(&slot.load_start_ns, machine.now_ns());
    let result = machine.load();
    Slot::note(&slot.load_end_ns, machine.now_ns());
    // Before the next thread may begin: reading registers would disturb it.
    let after = machine.revision();
    core.finish(ticket);
    Some((result, after))
}

/// One request: everything that its CPUs share.
#[derive(Debug)]
pub struct Muster {
    tasks: Box<[Task]>,
    topology: Topology,
    timeouts: Timeouts,
    followers_load: bool,
    requested_ns: AtomicU64,
    gate: CachePadded<Gate>,
    nr_settled: CachePadded<AtomicU32>,
    cores: Box<[CachePadded<CoreTurn>]>,
    slots: Box<[CachePadded<Slot>]>,
}

impl Muster {
    /// Prepares a request. `followers_load`: whether every thread of a core
    /// has to write, one after another (AMD), or its leader alone (Intel).
    ///
    /// # Panics
    ///
    /// If there are not as many tasks as CPUs in the topology.
    #[must_use]
    pub fn new(
        topology: Topology,
        tasks: Vec<Task>,
        followers_load: bool,
        timeouts: Timeouts,
    ) -> Self {
        assert_eq!(
            topology.nr_cpus() as usize,
            tasks.len(),
            "a task for each CPU"
        );
        Self {
            gate: CachePadded::new(Gate::new(topology.nr_cpus())),
            nr_settled: CachePadded::new(AtomicU32::new(0)),
            cores: (0..topology.nr_cores())
                .map(|_| CachePadded::default())
                .collect(),
            slots: tasks.iter().map(|_| CachePadded::default()).collect(),
            tasks: tasks.into(),
            topology,
            timeouts,
            followers_load,
            requested_ns: AtomicU64::new(0),
        }
    }

    /// Starts the clock of the request. The control CPU does this before it
    /// lets any CPU attend; whatever it lets them attend by orders it.
    pub fn request(&self, machine: &impl Machine) {
        self.requested_ns.store(machine.now_ns(), Ordering::Relaxed);
    }

    fn requested_ns(&self) -> u64 {
        self.requested_ns.load(Ordering::Relaxed)
    }

    /// Runs the protocol on one CPU. The caller has interrupts off and turns
    /// them on again afterwards, whatever the outcome, and then says so with
    /// [`Muster::leave`].
    pub fn attend(&self, cpu: u32, machine: &impl Machine) {
        let slot = &self.slots[cpu as usize];
        Slot::note(&slot.called_in_ns, machine.now_ns());
        let deadline_ns = after(self.requested_ns(), self.timeouts.call_in_us);
        let passage = self.gate.call_in(machine, deadline_ns);
        let gate_ns = machine.now_ns();
        match passage {
            Passage::Open => Slot::note(&slot.gate_ns, gate_ns),
            Passage::Closed => return slot.conclude(Outcome::Aborted, None),
            Passage::Late => return slot.conclude(Outcome::Late, None),
        }

        let deadline_ns = after(gate_ns, self.timeouts.update_us);
        match self.tasks[cpu as usize] {
            Task::Attend => slot.conclude(Outcome::Attended, None),
            Task::Load { before, target } => {
                let (outcome, after) = self.take_part(cpu, machine, deadline_ns, before, target);
                slot.conclude(outcome, after);
            }
        }
        self.settle(machine, deadline_ns);
    }

    /// The load of a core, as one of its threads sees it.
    fn take_part(
        &self,
        cpu: u32,
        machine: &impl Machine,
        deadline_ns: u64,
        before: u32,
        target: u32,
    ) -> (Outcome, Option<u32>) {
        let slot = &self.slots[cpu as usize];
        let core = &self.cores[self.topology.core_of(cpu) as usize];
        let ticket = core.take_ticket();
        let (role, success) = if ticket.leads() {
            (Role::Leader, Outcome::Updated)
        } else {
            (Role::Follower, Outcome::Followed)
        };
        slot.take_role(role);

        let after = if ticket.leads() || self.followers_load {
            match write(slot, core, ticket, machine, deadline_ns) {
                None => return (Outcome::Aborted, None),
                Some((Err(GpFault), after)) => return (Outcome::GpFault, Some(after)),
                Some((Ok(()), after)) => after,
            }
        } else if core.await_leader(machine, deadline_ns).is_err() {
            return (Outcome::Aborted, None);
        } else {
            machine.revision()
        };
        let outcome = match after {
            _ if after == target => success,
            _ if after == before => Outcome::NotTaken,
            _ => Outcome::Mismatch,
        };
        (outcome, Some(after))
    }

    /// Waits until every CPU has settled, or the deadline.
    fn settle(&self, machine: &impl Machine, deadline_ns: u64) {
        // Release: the CPU's notes; Acquire pairs with it, so that a CPU that
        // leaves knows that all are outside their loads.
        self.nr_settled.fetch_add(1, Ordering::AcqRel);
        while self.nr_settled.load(Ordering::Acquire) != self.topology.nr_cpus() {
            if machine.now_ns() > deadline_ns {
                // From here on CPUs run freely: nobody may begin any more.
                for core in &self.cores {
                    core.give_up();
                }
                return;
            }
            machine.relax();
        }
    }

    /// This CPU runs as before the request.
    pub fn leave(&self, cpu: u32, machine: &impl Machine) {
        self.slots[cpu as usize].leave(machine.now_ns());
    }

    /// Whether a thread of this CPU's core is inside a load. A CPU that left at
    /// the deadline must not touch the registers of such a core.
    #[must_use]
    pub fn core_loads(&self, cpu: u32) -> bool {
        self.cores[self.topology.core_of(cpu) as usize].is_inside()
    }

    /// Whether this CPU has called in, in time or not.
    #[must_use]
    pub fn has_called_in(&self, cpu: u32) -> bool {
        self.slots[cpu as usize].has_called_in()
    }

    /// Whether the gate was opened.
    #[must_use]
    pub fn opened(&self) -> bool {
        self.gate.is_open()
    }

    /// The notes of all CPUs, their times counted from the request.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let requested_ns = self.requested_ns();
        let since = |moment: Option<u64>| moment.map(|ns| ns.saturating_sub(requested_ns));
        self.slots
            .iter()
            .map(|slot| {
                let mut record = slot.read();
                let moments = &mut record.moments;
                for moment in [
                    &mut moments.called_in_ns,
                    &mut moments.gate_ns,
                    &mut moments.load_start_ns,
                    &mut moments.load_end_ns,
                    &mut moments.left_ns,
                ] {
                    *moment = since(*moment);
                }
                record
            })
            .collect()
    }
}
