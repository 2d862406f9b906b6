//! What was decided before anybody is stopped.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::options::{Options, Order, Timeouts};
use crate::topology::Topology;
use crate::tree::Tree;

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
    /// It is soft-offline: it is held in an NMI while its core loads.
    Hold,
    /// It is not there: nobody waits for it, and its core loads nothing, since
    /// nobody knows what it does.
    Absent,
}

/// Everything about a request that does not change while it runs.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) topology: Arc<Topology>,
    pub(crate) tasks: Box<[Task]>,
    /// Whether every thread of a core has to write, one after another (AMD),
    /// or its leader alone (Intel).
    pub(crate) followers_load: bool,
    pub(crate) options: Options,
    pub(crate) timeouts: Timeouts,
    pub(crate) tree: Tree,
    control: u32,
    /// By CPU: its place among those of its core that load, from 0.
    ranks: Box<[u32]>,
    cores: Box<[Core]>,
    nr_called: u32,
    nr_other_writers: u32,
    nr_steps: u32,
}

/// A core's part.
#[derive(Clone, Copy, Debug, Default)]
struct Core {
    nr_loading: u32,
    step: u32,
}

impl Plan {
    /// Puts together what the CPUs, by their numbers, are to do; `control` is the
    /// one that runs the request.
    ///
    /// # Panics
    ///
    /// If there are not as many tasks as CPUs in the topology, or the control CPU
    /// is not among those that are called.
    #[must_use]
    pub fn new(
        topology: Arc<Topology>,
        tasks: Vec<Task>,
        control: u32,
        followers_load: bool,
        options: Options,
        timeouts: Timeouts,
    ) -> Self {
        assert_eq!(
            topology.nr_cpus() as usize,
            tasks.len(),
            "a task for each CPU"
        );
        assert!(
            tasks[control as usize].is_called(),
            "the control CPU attends"
        );
        let nr_called = tasks.iter().filter(|task| task.is_called()).count();
        let mut plan = Self {
            tree: Tree::new(&topology, &tasks, options.call_in),
            ranks: tasks.iter().map(|_| 0).collect(),
            cores: (0..topology.nr_cores()).map(|_| Core::default()).collect(),
            topology,
            tasks: tasks.into(),
            followers_load,
            options,
            timeouts,
            control,
            nr_called: u32::try_from(nr_called).unwrap_or(u32::MAX),
            nr_other_writers: 0,
            nr_steps: 0,
        };
        plan.order();
        plan
    }

    /// The same, made from its tasks anew.
    pub(crate) fn renewed(&self) -> Self {
        Self::new(
            Arc::clone(&self.topology),
            self.tasks.to_vec(),
            self.control,
            self.followers_load,
            self.options,
            self.timeouts,
        )
    }

    /// Gives the CPUs other tasks; whether those that are called are others now, and
    /// the plan has to be [`renewed`](Self::renewed).
    #[must_use]
    pub(crate) fn assign(&mut self, tasks: impl Iterator<Item = Task>) -> bool {
        let mut are_others_called = false;
        for (own, task) in self.tasks.iter_mut().zip(tasks) {
            are_others_called |= own.is_called() != task.is_called();
            *own = task;
        }
        self.order();
        are_others_called
    }

    /// Works out from the tasks who comes when.
    fn order(&mut self) {
        let Self {
            topology,
            tasks,
            ranks,
            cores,
            ..
        } = self;
        self.nr_other_writers = 0;
        for (number, core) in (0..).zip(cores.iter_mut()) {
            let threads = topology.threads_of(number).map(|cpu| cpu as usize);
            let is_unsafe = threads.clone().any(|cpu| tasks[cpu] == Task::Absent);
            let mut nr_loading = 0;
            for cpu in threads {
                if is_unsafe && tasks[cpu].is_load() {
                    tasks[cpu] = Task::Attend;
                }
                ranks[cpu] = nr_loading;
                if tasks[cpu].is_load() {
                    let writes = self.followers_load || nr_loading == 0;
                    let is_other = cpu != self.control as usize;
                    self.nr_other_writers += u32::from(writes && is_other);
                    nr_loading += 1;
                }
            }
            *core = Core {
                nr_loading,
                step: 0,
            };
        }
        self.nr_steps = 1;
        if self.options.order != Order::Parallel {
            self.order_cores();
        }
    }

    /// Works out from the threads that load when each core's turn comes.
    fn order_cores(&mut self) {
        let cores = &mut self.cores;
        let core_of_control = self.topology.core_of(self.control) as usize;
        let canary = if cores[core_of_control].nr_loading > 0 {
            Some(core_of_control)
        } else {
            cores.iter().position(|core| core.nr_loading > 0)
        };
        let mut nr_steps = 0;
        let loading = cores.iter_mut().enumerate();
        for (place, core) in loading.filter(|(_, core)| core.nr_loading > 0) {
            core.step = if self.options.order == Order::Serial {
                nr_steps
            } else {
                u32::from(Some(place) != canary)
            };
            nr_steps = nr_steps.max(core.step + 1);
        }
        self.nr_steps = nr_steps.max(1);
    }

    /// What a CPU is to do; one that came online later is not there.
    #[must_use]
    pub fn task(&self, cpu: u32) -> Task {
        let task = self.tasks.get(cpu as usize);
        task.copied().unwrap_or(Task::Absent)
    }

    /// What was chosen.
    #[must_use]
    pub fn options(&self) -> Options {
        self.options
    }

    /// A CPU's APIC id.
    #[must_use]
    pub fn apic_id(&self, cpu: u32) -> u32 {
        self.topology.place(cpu).apic_id
    }

    /// The CPU that runs the request.
    #[must_use]
    pub fn control(&self) -> u32 {
        self.control
    }

    /// The CPUs that are stopped together.
    pub(crate) fn called(&self) -> impl Iterator<Item = u32> {
        (0..self.topology.nr_cpus()).filter(|&cpu| self.task(cpu).is_called())
    }

    /// How many CPUs are stopped together.
    #[must_use]
    pub fn nr_called(&self) -> u32 {
        self.nr_called
    }

    /// The soft-offline CPUs that are held.
    pub(crate) fn held(&self) -> impl Iterator<Item = u32> {
        (0..self.topology.nr_cpus()).filter(|&cpu| self.task(cpu) == Task::Hold)
    }

    pub(crate) fn loads(&self, cpu: u32) -> bool {
        self.task(cpu).is_load()
    }

    /// How many CPUs write, the control CPU not counted, where the lowest thread of a
    /// core does or, on AMD's, each.
    pub(crate) fn nr_other_writers(&self) -> u32 {
        self.nr_other_writers
    }

    /// How many threads of a core load something.
    pub(crate) fn nr_loading(&self, core: u32) -> u32 {
        self.cores[core as usize].nr_loading
    }

    /// A loading CPU's place among those of its core, from 0.
    pub(crate) fn rank(&self, cpu: u32) -> u32 {
        self.ranks[cpu as usize]
    }

    /// When a core's turn comes among those that do not load at once.
    pub(crate) fn step(&self, core: u32) -> u32 {
        self.cores[core as usize].step
    }

    /// How many steps there are, at least one.
    pub(crate) fn nr_steps(&self) -> u32 {
        self.nr_steps
    }

    /// How long all loads may take, in µs.
    pub(crate) fn loads_us(&self) -> u64 {
        self.timeouts
            .update_us
            .saturating_mul(self.nr_steps().into())
    }

    /// Whether the update's revision shows on a CPU that ended on `after`.
    pub(crate) fn is_on_target(&self, cpu: u32, after: u32) -> bool {
        matches!(self.task(cpu), Task::Load { target, .. } if target == after)
    }
}

impl Task {
    const fn is_load(self) -> bool {
        matches!(self, Self::Load { .. })
    }

    /// Whether its CPU is stopped with the others.
    #[must_use]
    pub const fn is_called(self) -> bool {
        matches!(self, Self::Load { .. } | Self::Attend)
    }
}
