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

    /// The same with other tasks.
    pub(crate) fn with(&self, tasks: Vec<Task>) -> Self {
        Self::new(
            Arc::clone(&self.topology),
            tasks,
            self.control,
            self.followers_load,
            self.options,
            self.timeouts,
        )
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = Task> {
        self.tasks.iter().copied()
    }

    /// Gives the CPUs other tasks, of which those that are called stay so and no
    /// other is.
    pub(crate) fn assign(&mut self, tasks: impl Iterator<Item = Task>) {
        for (own, task) in self.tasks.iter_mut().zip(tasks) {
            *own = task;
        }
        self.order();
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
        for (number, core) in (0..).zip(cores.iter_mut()) {
            let threads = || topology.threads_of(number).map(|cpu| cpu as usize);
            let is_unsafe = threads().any(|cpu| tasks[cpu] == Task::Absent);
            *core = Core::default();
            for cpu in threads() {
                if is_unsafe && tasks[cpu].is_load() {
                    tasks[cpu] = Task::Attend;
                }
                ranks[cpu] = core.nr_loading;
                core.nr_loading += u32::from(tasks[cpu].is_load());
            }
        }
        let leads = |cpu: usize| self.followers_load || ranks[cpu] == 0;
        let writes = |cpu: &usize| tasks[*cpu].is_load() && leads(*cpu);
        let others = (0..tasks.len()).filter(|&cpu| cpu != self.control as usize);
        self.nr_other_writers = u32::try_from(others.filter(writes).count()).unwrap_or(u32::MAX);
        let core_of_control = topology.core_of(self.control) as usize;
        let canary = if cores[core_of_control].nr_loading > 0 {
            Some(core_of_control)
        } else {
            cores.iter().position(|core| core.nr_loading > 0)
        };
        self.nr_steps = 0;
        for (place, core) in cores.iter_mut().enumerate() {
            if core.nr_loading == 0 {
                continue;
            }
            core.step = match self.options.order {
                Order::Parallel => 0,
                Order::Serial => self.nr_steps,
                Order::Canary => u32::from(Some(place) != canary),
            };
            self.nr_steps = self.nr_steps.max(core.step + 1);
        }
    }

    /// What a CPU is to do.
    #[must_use]
    pub fn task(&self, cpu: u32) -> Task {
        self.tasks[cpu as usize]
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

    pub(crate) fn nr_steps(&self) -> u32 {
        self.nr_steps.max(1)
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
