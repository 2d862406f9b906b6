//! What was decided before anybody is stopped.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::options::{Options, Order, Timeouts};
use crate::topology::Topology;
use crate::tree::Tree;

/// The CPU that runs the request.
pub const CONTROL_CPU: u32 = 0;

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
}

/// Everything about a request that does not change while it runs.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) topology: Topology,
    pub(crate) tasks: Box<[Task]>,
    /// Whether every thread of a core has to write, one after another (AMD),
    /// or its leader alone (Intel).
    pub(crate) followers_load: bool,
    pub(crate) options: Options,
    pub(crate) timeouts: Timeouts,
    pub(crate) tree: Tree,
    cores: Box<[Core]>,
    nr_called: u32,
    nr_steps: u32,
}

/// A core's part.
#[derive(Clone, Copy, Debug, Default)]
struct Core {
    nr_loading: u32,
    step: u32,
}

impl Plan {
    /// Puts together what the CPUs, by their numbers, are to do.
    ///
    /// # Panics
    ///
    /// If there are not as many tasks as CPUs in the topology.
    #[must_use]
    pub fn new(
        topology: Topology,
        tasks: Vec<Task>,
        followers_load: bool,
        options: Options,
        timeouts: Timeouts,
    ) -> Self {
        assert_eq!(
            topology.nr_cpus() as usize,
            tasks.len(),
            "a task for each CPU"
        );
        let nr_loading = |core| {
            let loads = |cpu: &u32| matches!(tasks[*cpu as usize], Task::Load { .. });
            topology.threads_of(core).filter(loads).count()
        };
        let mut cores: Box<[Core]> = (0..topology.nr_cores())
            .map(|core| Core {
                nr_loading: u32::try_from(nr_loading(core)).unwrap_or(u32::MAX),
                step: 0,
            })
            .collect();
        let control = topology.core_of(CONTROL_CPU) as usize;
        let canary = if cores[control].nr_loading > 0 {
            Some(control)
        } else {
            cores.iter().position(|core| core.nr_loading > 0)
        };
        let mut nr_steps = 0;
        for (place, core) in cores.iter_mut().enumerate() {
            if core.nr_loading == 0 {
                continue;
            }
            core.step = match options.order {
                Order::Parallel => 0,
                Order::Serial => nr_steps,
                Order::Canary => u32::from(Some(place) != canary),
            };
            nr_steps = nr_steps.max(core.step + 1);
        }
        let tree = Tree::new(&topology, &tasks, options.call_in);
        let nr_called = tasks.iter().filter(|task| task.is_called()).count();
        Self {
            topology,
            tasks: tasks.into(),
            followers_load,
            options,
            timeouts,
            tree,
            cores,
            nr_called: u32::try_from(nr_called).unwrap_or(u32::MAX),
            nr_steps,
        }
    }

    /// What a CPU is to do.
    #[must_use]
    pub fn task(&self, cpu: u32) -> Task {
        self.tasks[cpu as usize]
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
        matches!(self.task(cpu), Task::Load { .. })
    }

    /// How many threads of a core load something.
    pub(crate) fn nr_loading(&self, core: u32) -> u32 {
        self.cores[core as usize].nr_loading
    }

    /// A loading CPU's place among those of its core, from 0.
    pub(crate) fn rank(&self, cpu: u32) -> u32 {
        let core = self.topology.core_of(cpu);
        let before = self.topology.threads_of(core).take_while(|&t| t != cpu);
        u32::try_from(before.filter(|&t| self.loads(t)).count()).unwrap_or(u32::MAX)
    }

    /// When a core's turn comes among those that do not load at once.
    pub(crate) fn step(&self, core: u32) -> u32 {
        self.cores[core as usize].step
    }

    pub(crate) fn nr_steps(&self) -> u32 {
        self.nr_steps.max(1)
    }

    /// Whether the update's revision shows on a CPU that ended on `after`.
    pub(crate) fn is_on_target(&self, cpu: u32, after: u32) -> bool {
        matches!(self.task(cpu), Task::Load { target, .. } if target == after)
    }
}

impl Task {
    /// Whether its CPU is stopped with the others.
    #[must_use]
    pub const fn is_called(self) -> bool {
        matches!(self, Self::Load { .. } | Self::Attend)
    }
}
