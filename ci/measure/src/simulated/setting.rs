//! What is simulated: the machine, the protocol, and what goes wrong.

use std::sync::Arc;

use rendezvous::{CallIn, Election, Name, Named, Options, Place, Plan, Task, Timeouts, Topology};

use super::costs::CostModel;
use crate::metrics::{ClockKind, Dimensions, Stage};

/// Most CPUs that there may be.
pub const MOST_CPUS: u32 = 4096;
/// The longest step, in ns.
const LONGEST_COST_NS: u64 = 1_000_000_000;
/// The longest write and time-out, in µs: a day.
const LONGEST_US: u64 = 86_400_000_000;

/// The CPU that runs the request.
pub(super) const CONTROL: u32 = 0;
/// The revision before a load.
pub(super) const BEFORE: u32 = 1;
/// The update's revision.
pub(super) const TARGET: u32 = 2;

/// What is simulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The protocol.
    pub protocol: Name,
    /// What is chosen of it.
    pub options: Options,
    /// Number of packages.
    pub nr_packages: u32,
    /// Cores of each package.
    pub nr_cores: u32,
    /// Threads of each core.
    pub nr_threads: u32,
    /// How long a write takes, in µs.
    pub load_us: u64,
    /// How long the parts may take.
    pub timeouts: Timeouts,
    /// What each step costs.
    pub costs: CostModel,
    /// From what chance is drawn.
    pub seed: u64,
    /// Whether each thread writes and has a revision of its own (AMD), or the
    /// leader writes for its core (Intel).
    pub is_amd: bool,
    /// What goes wrong in which CPU.
    pub(crate) faults: Vec<(u32, Fault)>,
}

/// What goes wrong in a CPU, in every load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "tests alone let something go wrong")
)]
pub(crate) enum Fault {
    /// It never answers the call. The control CPU, which calls, always does.
    NeverArrives,
    /// It answers later, in µs; likewise.
    Late(u64),
    /// Its write takes as long, in µs.
    Slow(u64),
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// There are no CPUs.
    #[error(
        "{packages} packages of {cores} cores of {threads} threads are no CPUs: at least one of each"
    )]
    NoCpus {
        /// Packages.
        packages: u32,
        /// Cores of each.
        cores: u32,
        /// Threads of each of those.
        threads: u32,
    },
    /// There are too many.
    #[error("{cpus} CPUs are too many: at most {MOST_CPUS} can be simulated")]
    TooManyCpus {
        /// How many.
        cpus: u64,
    },
    /// A wait whose rounds take no time would never end.
    #[error("costs: hit or pause must be more than 0, or a wait would take no time")]
    NoRound,
    /// A cost is not one of a single step.
    #[error("costs: {name} is {ns} ns, and no step takes more than {LONGEST_COST_NS} ns")]
    TooLong {
        /// Which.
        name: &'static str,
        /// How long, in ns.
        ns: u64,
    },
    /// A time is beyond all reason.
    #[error("{name} is {us} µs, and nothing may take more than a day")]
    BeyondReason {
        /// Which.
        name: &'static str,
        /// How long, in µs.
        us: u64,
    },
}

impl Setting {
    /// A machine on which nothing goes wrong, each write takes 1 ms, and the
    /// protocol has its origin's time-outs. What else is to be different is set
    /// afterwards, and checked once more before it is simulated.
    pub fn new(
        protocol: Name,
        nr_packages: u32,
        nr_cores: u32,
        nr_threads: u32,
    ) -> Result<Self, SettingError> {
        let setting = Self {
            protocol,
            options: Options::default(),
            nr_packages,
            nr_cores,
            nr_threads,
            load_us: 1_000,
            timeouts: Timeouts::of(protocol),
            costs: CostModel::default(),
            seed: 0,
            is_amd: false,
            faults: Vec::new(),
        };
        setting.check()?;
        Ok(setting)
    }

    /// Whether it can be simulated.
    pub fn check(&self) -> Result<(), SettingError> {
        let sizes = [self.nr_packages, self.nr_cores, self.nr_threads];
        if sizes.contains(&0) {
            return Err(SettingError::NoCpus {
                packages: self.nr_packages,
                cores: self.nr_cores,
                threads: self.nr_threads,
            });
        }
        let times = |cpus: u64, size| cpus.saturating_mul(u64::from(size));
        let cpus = sizes.into_iter().fold(1, times);
        if cpus > u64::from(MOST_CPUS) {
            return Err(SettingError::TooManyCpus { cpus });
        }
        if (self.costs.hit, self.costs.pause) == (0, 0) {
            return Err(SettingError::NoRound);
        }
        let is_too_long = |&(_, ns): &(_, u64)| ns > LONGEST_COST_NS;
        if let Some((name, ns)) = self.costs.all().into_iter().find(is_too_long) {
            return Err(SettingError::TooLong { name, ns });
        }
        let Timeouts {
            call_in_us,
            update_us,
            offline_us,
        } = self.timeouts;
        let times = [
            ("load_us", self.load_us),
            ("the time-out of the call-in", call_in_us),
            ("the time-out of an update", update_us),
            ("the time-out of offline CPUs", offline_us),
        ];
        let is_too_long = |&(_, us): &(_, u64)| us > LONGEST_US;
        if let Some((name, us)) = times.into_iter().find(is_too_long) {
            return Err(SettingError::BeyondReason { name, us });
        }
        Ok(())
    }

    /// All threads of all cores.
    #[must_use]
    pub fn nr_cpus(&self) -> u32 {
        self.nr_packages * self.nr_cores * self.nr_threads
    }

    /// The dimensions of what is simulated.
    #[must_use]
    pub fn dimensions(&self) -> Dimensions {
        let named = |name: &str| Some(name.to_owned());
        let is_muster = self.protocol == Name::Muster;
        let of_muster = |name| named(name).filter(|_| is_muster);
        Dimensions {
            protocol: named(self.protocol.name()),
            call_in: of_muster(CallIn::name(self.options.call_in)),
            election: of_muster(Election::name(self.options.election)),
            load_us: Some(self.load_us),
            ..Dimensions::new(
                Stage::Simulated,
                ClockKind::Virtual,
                self.nr_cpus(),
                self.nr_threads,
                self.nr_packages,
            )
        }
    }

    /// The core of a CPU: the threads of a core have numbers in a row, the cores of
    /// a package as well.
    pub(super) fn core_of(&self, cpu: u32) -> u32 {
        cpu / self.nr_threads
    }

    /// Package, core within it and thread within that.
    fn seat_of(&self, cpu: u32) -> (u32, u32, u32) {
        let core = self.core_of(cpu);
        let within = core % self.nr_cores;
        (core / self.nr_cores, within, cpu % self.nr_threads)
    }

    /// A CPU's APIC id, with the bits that threads and cores need, as on a machine.
    pub(crate) fn apic_id(&self, cpu: u32) -> u32 {
        let bits = |size: u32| size.next_power_of_two().trailing_zeros();
        let core_shift = bits(self.nr_threads);
        let package_shift = core_shift + bits(self.nr_cores);
        let (package, core, thread) = self.seat_of(cpu);
        package << package_shift | core << core_shift | thread
    }

    /// All CPUs load.
    pub(super) fn plan(&self) -> Plan {
        let place = |cpu: u32| {
            let (package, core, thread) = self.seat_of(cpu);
            Place {
                package,
                core,
                thread,
                apic_id: self.apic_id(cpu),
            }
        };
        let places: Vec<_> = (0..self.nr_cpus()).map(place).collect();
        let load = Task::Load {
            before: BEFORE,
            target: TARGET,
        };
        Plan::new(
            Arc::new(Topology::new(&places)),
            vec![load; places.len()],
            CONTROL,
            self.is_amd,
            self.options,
            self.timeouts,
        )
    }

    /// How long a CPU's write takes, in ns.
    pub(super) fn load_ns(&self, cpu: u32) -> u64 {
        let slow = self.faults.iter().find_map(|&(of, fault)| match fault {
            Fault::Slow(us) if of == cpu => Some(us),
            _ => None,
        });
        slow.unwrap_or(self.load_us).saturating_mul(1000)
    }

    /// By how much a CPU's answer to the call is late, in ns; none if it never
    /// answers.
    pub(super) fn lateness_ns(&self, cpu: u32) -> Option<u64> {
        let mut own = self.faults.iter().filter(|&&(of, _)| of == cpu);
        own.try_fold(0_u64, |late_ns, (_, fault)| match fault {
            Fault::NeverArrives => None,
            Fault::Late(us) => Some(late_ns.saturating_add(us.saturating_mul(1000))),
            Fault::Slow(_) => Some(late_ns),
        })
    }
}
