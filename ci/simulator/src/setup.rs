//! What is tried: protocol, CPUs, what goes wrong.

use std::sync::Arc;

use rendezvous::{Name, Options, Place, Plan, Task, Timeouts, Topology};

/// The revision before a load.
pub(crate) const BEFORE: u32 = 1;
/// The update's revision.
pub(crate) const TARGET: u32 = 2;
/// What a write leaves that goes wrong otherwise.
pub(crate) const GARBLED: u32 = 3;

/// What a CPU's write does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Write {
    /// It takes.
    #[default]
    Takes,
    /// It raises #GP.
    Faults,
    /// It has no effect.
    Ignored,
    /// It leaves another revision.
    Garbles,
    /// It never returns.
    Hangs,
}

/// What is tried.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The protocol.
    pub protocol: Name,
    /// What is chosen of it.
    pub options: Options,
    /// Cores.
    pub nr_cores: u32,
    /// Threads of each.
    pub nr_threads: u32,
    /// Whether each thread writes and has a revision of its own (AMD), or the
    /// leader for its core (Intel).
    pub is_amd: bool,
    /// The CPU that runs the request.
    pub control: u32,
    /// CPUs that are called and never come.
    pub missing: Vec<u32>,
    /// CPUs that are not part of the request.
    pub absent: Vec<u32>,
    /// CPUs that are soft-offline and held.
    pub held: Vec<u32>,
    /// What the writes of CPUs do that are not [`Write::Takes`].
    pub writes: Vec<(u32, Write)>,
    /// How often time may leap while CPUs could go on.
    pub nr_leaps: u32,
    /// How many NMIs may come, each on any CPU at any moment. In random orders
    /// none does.
    pub nr_nmis: u32,
}

impl Setup {
    /// Cores with their threads, on which nothing goes wrong but the time.
    #[must_use]
    pub fn new(protocol: Name, nr_cores: u32, nr_threads: u32) -> Self {
        Self {
            protocol,
            options: Options::default(),
            nr_cores,
            nr_threads,
            is_amd: false,
            control: 0,
            missing: Vec::new(),
            absent: Vec::new(),
            held: Vec::new(),
            writes: Vec::new(),
            nr_leaps: 2,
            nr_nmis: 0,
        }
    }

    /// Number of CPUs.
    #[must_use]
    pub fn nr_cpus(&self) -> u32 {
        self.nr_cores * self.nr_threads
    }

    /// Whether the protocol promises that all CPUs are stopped during a load.
    pub(crate) fn stops_all(&self) -> bool {
        match self.protocol {
            Name::Muster | Name::XenV5 | Name::Xen | Name::Linux => true,
            Name::SerialChain | Name::Batches => false,
        }
    }

    pub(crate) fn core_of(&self, cpu: u32) -> u32 {
        cpu / self.nr_threads
    }

    pub(crate) fn write_of(&self, cpu: u32) -> Write {
        let own = self.writes.iter().find(|(of, _)| *of == cpu);
        own.map_or(Write::Takes, |(_, write)| *write)
    }

    pub(crate) fn plan(&self) -> Plan {
        let places: Vec<_> = (0..self.nr_cpus())
            .map(|cpu| Place {
                package: 0,
                core: self.core_of(cpu),
                thread: cpu % self.nr_threads,
                apic_id: cpu,
            })
            .collect();
        let load = Task::Load {
            before: BEFORE,
            target: TARGET,
        };
        let tasks = (0..self.nr_cpus())
            .map(|cpu| {
                if self.held.contains(&cpu) {
                    Task::Hold
                } else if self.absent.contains(&cpu) {
                    Task::Absent
                } else {
                    load
                }
            })
            .collect();
        // A leap of time lets each of them pass.
        let timeouts = Timeouts {
            call_in_us: 1,
            update_us: 1,
            offline_us: 1,
        };
        Plan::new(
            Arc::new(Topology::new(&places)),
            tasks,
            self.control,
            self.is_amd,
            self.options,
            timeouts,
        )
    }
}
