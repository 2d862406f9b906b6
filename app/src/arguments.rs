//! The words after `--` on the command line.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use rendezvous::{Name, Named, Options, Parked, Timeouts};

use crate::hardware::ModelArguments;

/// A test lever: something that this program does wrong on demand, so that a
/// test can see it noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This CPU's worker does not come when it is called.
    NeverArrives(u32),
    /// This CPU comes so much later than it is called.
    Late { cpu: u32, us: u32 },
    /// This CPU's write goes to a register that faults.
    FaultingWrite(u32),
    /// This CPU allocates and prints while it loads.
    Unquiet(u32),
    /// CPUs that wait for another one execute CPUID meanwhile.
    Disturb,
    /// CPUs that wait send this one NMIs while its core loads.
    NmiStorm(u32),
    /// Panic before the request.
    Panic,
    /// Overflow the stack before the request.
    Exception,
    /// Wait for ever before the request.
    Hang,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// The main job.
    Load,
    /// The main job up to its plan.
    DryRun,
    /// Hold the CPUs against the conformance vectors.
    Conformance,
    /// Read revisions on all CPUs at once.
    Reads { nr_times: u32 },
}

impl Job {
    /// The name in the report; the main job has none.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Load => None,
            Self::DryRun => Some(report::DRY_RUN),
            Self::Conformance => Some("conformance"),
            Self::Reads { .. } => Some("reads"),
        }
    }
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) job: Job,
    /// Whether a model takes the writes instead of the CPU.
    pub(crate) is_modelled: bool,
    pub(crate) model: ModelArguments,
    /// Load the same or an older revision too.
    pub(crate) force: bool,
    /// How often to load.
    pub(crate) nr_rounds: u32,
    /// Whether each CPU's moments are reported of each load, and not of the first
    /// alone.
    pub(crate) has_all_times: bool,
    /// CPUs that are soft-offline, and what is done about them.
    pub(crate) offline: Vec<u32>,
    pub(crate) parked: Parked,
    pub(crate) protocol: Name,
    pub(crate) options: Options,
    /// Deadlines of the rendezvous.
    pub(crate) timeouts: Timeouts,
    /// At most one lever.
    pub(crate) fault: Option<Fault>,
}

impl Arguments {
    /// Whether each load gets a revision of its own.
    pub(crate) const fn is_raised(&self) -> bool {
        self.nr_rounds > 1 && !self.force
    }

    /// Reads the words; an unknown one is an error that names it.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let mut arguments = Self {
            job: Job::Load,
            is_modelled: false,
            model: ModelArguments::default(),
            force: false,
            nr_rounds: 1,
            has_all_times: false,
            offline: Vec::new(),
            parked: Parked::default(),
            protocol: Name::default(),
            options: Options::default(),
            timeouts: Timeouts::of(Name::default()),
            fault: None,
        };
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            match key {
                "force" if value.is_empty() => arguments.force = true,
                "repeat" => arguments.nr_rounds = number(word, value)?,
                "times" if value == "all" => arguments.has_all_times = true,
                // Deadlines stand behind it.
                "protocol" => {
                    arguments.protocol = named(word, value)?;
                    arguments.timeouts = Timeouts::of(arguments.protocol);
                }
                "call_in" => arguments.options.call_in = named(word, value)?,
                "election" => arguments.options.election = named(word, value)?,
                "order" => arguments.options.order = named(word, value)?,
                "nmi" => arguments.options.nmi = named(word, value)?,
                "offline" => {
                    let cpus = value.split(',').map(|cpu| number(word, cpu));
                    arguments.offline = cpus.collect::<Result<_, _>>()?;
                }
                "parked" => arguments.parked = named(word, value)?,
                "on_hang" => arguments.options.on_hang = named(word, value)?,
                "job" if value == report::DRY_RUN => arguments.job = Job::DryRun,
                "job" if value == "conformance" => arguments.job = Job::Conformance,
                "job" => return Err(format!("there is no job '{value}'")),
                "reads" => {
                    let nr_times = number(word, value)?;
                    arguments.job = Job::Reads { nr_times };
                }
                "hw" if value == "engine" => arguments.is_modelled = true,
                "hw" if value == "msr" => {}
                "hw" => return Err(format!("there is no hardware '{value}'")),
                "revision" => arguments.model.revision = Some(number(word, value)?),
                "load_us" => arguments.model.cost.load_us = number(word, value)?,
                "load_ns_per_kib" => arguments.model.cost.load_ns_per_kib = number(word, value)?,
                "access_ns" => arguments.model.cost.access_ns = number(word, value)?,
                "hwfault" => {
                    let fault = value
                        .parse()
                        .map_err(|error| format!("'{word}': {error}"))?;
                    arguments.model.faults.push(fault);
                }
                "hwfeature" => {
                    let feature = value
                        .parse()
                        .map_err(|error| format!("'{word}': {error}"))?;
                    arguments.model.features.push(feature);
                }
                "callin_us" => arguments.timeouts.call_in_us = number(word, value)?,
                "update_us" => arguments.timeouts.update_us = number(word, value)?,
                "offline_us" => arguments.timeouts.offline_us = number(word, value)?,
                "fault" => arguments.fault = Some(fault(word, value)?),
                _ => return Err(format!("unknown argument '{word}'")),
            }
        }
        Ok(arguments)
    }
}

fn number<T: core::str::FromStr>(word: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("'{word}' needs a whole number"))
}

fn named<T: Named>(word: &str, value: &str) -> Result<T, String> {
    T::from_name(value).ok_or_else(|| format!("'{word}' names nothing that is known"))
}

fn fault(word: &str, value: &str) -> Result<Fault, String> {
    match value.split_once(':').unwrap_or((value, "")) {
        ("never-arrives", cpu) => Ok(Fault::NeverArrives(number(word, cpu)?)),
        ("late", place) => {
            let (cpu, us) = place.split_once(':').unwrap_or((place, ""));
            Ok(Fault::Late {
                cpu: number(word, cpu)?,
                us: number(word, us)?,
            })
        }
        ("gp-fault", cpu) => Ok(Fault::FaultingWrite(number(word, cpu)?)),
        ("unquiet", cpu) => Ok(Fault::Unquiet(number(word, cpu)?)),
        ("nmi-storm", cpu) => Ok(Fault::NmiStorm(number(word, cpu)?)),
        ("disturb", "") => Ok(Fault::Disturb),
        ("panic", "") => Ok(Fault::Panic),
        ("exception", "") => Ok(Fault::Exception),
        ("hang", "") => Ok(Fault::Hang),
        _ => Err(format!("unknown fault '{value}'")),
    }
}
