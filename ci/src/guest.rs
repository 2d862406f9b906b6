//! What the guest is told: its command line.
//!
//! Words before `--` are the kernel's, words after it the application's
//! arguments.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use engine::Config;
use rendezvous::{CallIn, Election, Name, Named, OnHang, Order};
use report::DRY_RUN;
use serde::{Deserialize, Deserializer, de};

/// What takes the guest's microcode write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Hardware {
    /// The CPU's own registers.
    #[default]
    Msr,
    /// A model of the CPU within the guest: the load is a modelled one.
    Engine,
}

/// What the guest does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Job {
    /// Load, the main job.
    #[default]
    Load,
    /// The main job up to its plan: nobody is stopped or written to.
    DryRun,
    /// Hold the CPUs against the conformance vectors.
    Conformance,
    /// Read revisions on all CPUs at once, so many times each, with a load in
    /// the middle.
    Reads(u32),
}

/// What a deadline may be, in µs: one of 0 has passed before anybody can come,
/// and nobody waits for longer than ten minutes.
pub const DEADLINES_US: std::ops::RangeInclusive<u32> = 1..=600_000_000;

/// What the guest shall do otherwise than by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guest {
    /// What takes the write.
    #[serde(default)]
    pub hardware: Hardware,
    /// What it does.
    #[serde(default)]
    pub job: Job,
    /// The rendezvous protocol.
    #[serde(default, deserialize_with = "named")]
    pub protocol: Name,
    /// How the CPUs announce themselves.
    #[serde(default, deserialize_with = "named")]
    pub call_in: CallIn,
    /// Which thread of a core writes first.
    #[serde(default, deserialize_with = "named")]
    pub election: Election,
    /// Which cores write when.
    #[serde(default, deserialize_with = "named")]
    pub order: Order,
    /// What becomes of a machine that is held up.
    #[serde(default, deserialize_with = "named")]
    pub on_hang: OnHang,
    /// Load the same or an older revision too.
    #[serde(default)]
    pub force: bool,
    /// What shall go wrong.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// How long the CPUs are waited for at the gate, in µs; the machine's
    /// patience without it.
    pub callin_us: Option<u32>,
    /// How long a load may take, in µs; the machine's patience without it.
    pub update_us: Option<u32>,
}

/// Reads a member of a closed list by its name.
fn named<'de, D: Deserializer<'de>, T: Named>(deserializer: D) -> Result<T, D::Error> {
    let name = String::deserialize(deserializer)?;
    T::from_name(&name).ok_or_else(|| {
        let known: Vec<_> = T::ALL.iter().map(|one| one.name()).collect();
        de::Error::custom(format!(
            "there is no {name:?}; there are: {}",
            known.join(", ")
        ))
    })
}

/// `word=name`, unless that is what the guest takes anyway.
fn word<T: Named>(word: &str, choice: T) -> Option<String> {
    (choice != T::default()).then(|| format!("{word}={}", choice.name()))
}

/// Something that is made to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Fault {
    /// The CPU is up and never calls in.
    NeverArrives(u32),
    /// The CPU does not come up; the kernel is told to take it for dead.
    Dead(u32),
    /// The CPU's write goes to a register that faults.
    GpFault(u32),
    /// The CPU allocates and prints while others are stopped.
    Unquiet(u32),
    /// CPUs that wait for another one execute CPUID meanwhile, which a sibling of
    /// one that loads must not.
    Disturb,
    /// The application panics.
    Panic,
    /// The application takes an exception that nothing handles.
    Exception,
    /// The application never ends.
    Hang,
}

/// Why a fault cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No such kind.
    #[error(
        "there is no fault {0:?}: give never-arrives:CPU, gp-fault:CPU, unquiet:CPU, dead:CPU, \
         disturb, panic, exception or hang"
    )]
    Kind(String),
    /// The kind needs a CPU.
    #[error("the fault {0} needs a CPU: give {0}:CPU, such as {0}:1")]
    NoCpu(&'static str),
    /// The CPU is no number.
    #[error("{0:?} in the fault is no CPU: give its number")]
    Cpu(String),
    /// The kind concerns the whole guest.
    #[error("the fault {0} concerns no CPU: leave the number out")]
    NotOfCpu(&'static str),
    /// The machine has no such CPU.
    #[error("the fault {fault} names a CPU that the machine has not: it has 0 to {last}")]
    Beyond {
        /// The fault.
        fault: Fault,
        /// The last CPU's number.
        last: u32,
    },
    /// The application pulls one lever at most.
    #[error("the faults {0} and {1} cannot be had together: only dead:CPU goes with another")]
    Together(Fault, Fault),
    /// The boot CPU cannot be dead.
    #[error("the fault {0} would leave nobody to boot: give a CPU from 1 on")]
    BootCpu(Fault),
}

impl Fault {
    const fn kind(self) -> &'static str {
        match self {
            Self::NeverArrives(_) => "never-arrives",
            Self::Dead(_) => "dead",
            Self::GpFault(_) => "gp-fault",
            Self::Unquiet(_) => "unquiet",
            Self::Disturb => "disturb",
            Self::Panic => "panic",
            Self::Exception => "exception",
            Self::Hang => "hang",
        }
    }

    const fn cpu(self) -> Option<u32> {
        match self {
            Self::NeverArrives(cpu) | Self::Dead(cpu) | Self::GpFault(cpu) | Self::Unquiet(cpu) => {
                Some(cpu)
            }
            Self::Disturb | Self::Panic | Self::Exception | Self::Hang => None,
        }
    }

    /// Whether a machine of `nr_cpus` CPUs can have this fault.
    fn check(self, nr_cpus: u32) -> Result<(), FaultError> {
        match self.cpu() {
            Some(cpu) if cpu >= nr_cpus => Err(FaultError::Beyond {
                fault: self,
                last: nr_cpus.saturating_sub(1),
            }),
            Some(0) if matches!(self, Self::Dead(_)) => Err(FaultError::BootCpu(self)),
            _ => Ok(()),
        }
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, cpu) = match text.split_once(':') {
            Some((kind, cpu)) => (kind, Some(cpu)),
            None => (text, None),
        };
        let of_cpu = |fault: fn(u32) -> Self| {
            let cpu = cpu.ok_or(FaultError::NoCpu(fault(0).kind()))?;
            cpu.parse()
                .map(fault)
                .map_err(|_| FaultError::Cpu(cpu.to_owned()))
        };
        let of_all = |fault: Self| match cpu {
            None => Ok(fault),
            Some(_) => Err(FaultError::NotOfCpu(fault.kind())),
        };
        match kind {
            "never-arrives" => of_cpu(Self::NeverArrives),
            "dead" => of_cpu(Self::Dead),
            "gp-fault" => of_cpu(Self::GpFault),
            "unquiet" => of_cpu(Self::Unquiet),
            "disturb" => of_all(Self::Disturb),
            "panic" => of_all(Self::Panic),
            "exception" => of_all(Self::Exception),
            "hang" => of_all(Self::Hang),
            _ => Err(FaultError::Kind(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Fault {
    type Error = FaultError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        self.cpu().map_or(Ok(()), |cpu| write!(f, ":{cpu}"))
    }
}

impl Guest {
    /// Whether a machine of `nr_cpus` CPUs can have these faults at once.
    pub fn check(&self, nr_cpus: u32) -> Result<(), FaultError> {
        self.faults
            .iter()
            .try_for_each(|fault| fault.check(nr_cpus))?;
        let mut levers = self.levers();
        match (levers.next(), levers.next()) {
            (Some(&first), Some(&second)) => Err(FaultError::Together(first, second)),
            _ => Ok(()),
        }
    }

    /// The faults that the application itself makes.
    fn levers(&self) -> impl Iterator<Item = &Fault> {
        let is_lever = |fault: &&Fault| !matches!(fault, Fault::Dead(_));
        self.faults.iter().filter(is_lever)
    }

    /// The command line that QEMU's `-append` is given; `patience_us` is the
    /// machine's (see [`crate::machine::Machine::patience_us`]), and `model` what
    /// the guest models where it does.
    #[must_use]
    pub fn command_line(&self, patience_us: u32, model: Option<&Config>) -> String {
        let mut kernel = vec!["muster".to_owned()];
        let mut application = vec![format!("protocol={}", self.protocol.name())];
        application.extend(word("call_in", self.call_in));
        application.extend(word("election", self.election));
        application.extend(word("order", self.order));
        application.extend(word("on_hang", self.on_hang));
        let dead: Vec<_> = self
            .faults
            .iter()
            .filter_map(|fault| match fault {
                Fault::Dead(cpu) => Some(cpu.to_string()),
                _ => None,
            })
            .collect();
        if !dead.is_empty() {
            kernel.push(format!("env=HERMIT_DEAD_APS={}", dead.join(",")));
        }
        if self.force {
            application.push("force".to_owned());
        }
        for (word, us) in [("callin_us", self.callin_us), ("update_us", self.update_us)] {
            application.push(format!("{word}={}", us.unwrap_or(patience_us)));
        }
        match self.job {
            Job::Load => {}
            Job::DryRun => application.push(format!("job={DRY_RUN}")),
            Job::Conformance => application.push("job=conformance".to_owned()),
            Job::Reads(nr_times) => application.push(format!("reads={nr_times}")),
        }
        if let (Hardware::Engine, Some(model)) = (self.hardware, model) {
            application.extend(model_words(model));
        }
        application.extend(self.levers().map(|fault| format!("fault={fault}")));
        format!("{} -- {}", kernel.join(" "), application.join(" "))
    }
}

/// What the guest is told of the CPUs that it models; the rest it finds out.
fn model_words(model: &Config) -> Vec<String> {
    let cost = model.cost;
    let mut words = vec![
        "hw=engine".to_owned(),
        format!("revision={}", model.revision),
    ];
    for (word, number) in [
        ("load_us", cost.load_us),
        ("load_ns_per_kib", cost.load_ns_per_kib),
        ("access_ns", cost.access_ns),
    ] {
        if number != 0 {
            words.push(format!("{word}={number}"));
        }
    }
    let features = model.feature.iter();
    words.extend(features.map(|feature| format!("hwfeature={feature}")));
    words.extend(model.fault.iter().map(|fault| format!("hwfault={fault}")));
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_kernel_is_told_of_the_dead_and_the_application_of_the_rest() {
        let guest = Guest {
            force: true,
            faults: ["dead:3", "never-arrives:2", "dead:1"]
                .map(|fault| fault.parse().unwrap())
                .to_vec(),
            callin_us: Some(5),
            update_us: None,
            ..Guest::default()
        };
        assert_eq!(
            guest.command_line(7, None),
            "muster env=HERMIT_DEAD_APS=3,1 -- protocol=muster force callin_us=5 update_us=7 \
             fault=never-arrives:2"
        );
        assert_eq!(
            Guest::default().command_line(7, None),
            "muster -- protocol=muster callin_us=7 update_us=7"
        );
    }

    #[test]
    fn the_model_is_described_only_to_a_guest_that_has_one() {
        let mut model = Config::new(microcode::Vendor::Intel, 1, 2);
        model.revision = 9;
        model.cost.load_us = 70;
        let feature = "leaf=0x7,register=edx,set=0x400";
        model.feature.push(feature.parse().unwrap());
        model.fault.push("slow,cpu=1,us=5".parse().unwrap());
        let words = |hardware, job| {
            let guest = Guest {
                hardware,
                job,
                ..Guest::default()
            };
            guest.command_line(7, Some(&model))
        };
        assert!(!words(Hardware::Msr, Job::Load).contains("load_us"));
        assert!(words(Hardware::Engine, Job::Load).ends_with(
            "update_us=7 hw=engine revision=9 load_us=70 \
             hwfeature=leaf=0x7,register=edx,set=0x400 hwfault=slow,cpu=1,us=5"
        ));
        assert!(words(Hardware::Msr, Job::Reads(5)).ends_with("reads=5"));
        assert!(words(Hardware::Msr, Job::Conformance).ends_with("job=conformance"));
    }

    #[test]
    fn a_fault_that_cannot_be_had_is_refused_with_the_reason() {
        let error = |text: &str| text.parse::<Fault>().unwrap_err();
        assert_eq!(error("dead"), FaultError::NoCpu("dead"));
        assert_eq!(error("dead:x"), FaultError::Cpu("x".to_owned()));
        assert_eq!(error("panic:1"), FaultError::NotOfCpu("panic"));
        assert_eq!(error("fire:1"), FaultError::Kind("fire:1".to_owned()));
        assert!(Fault::Dead(0).check(4).is_err());
        assert!(Fault::NeverArrives(4).check(4).is_err());
        assert!(Fault::NeverArrives(0).check(4).is_ok());
        assert!(Fault::Panic.check(1).is_ok());
    }

    #[test]
    fn only_dead_cpus_go_with_another_fault() {
        let check = |faults: &[Fault]| {
            let faults = faults.to_vec();
            let guest = Guest {
                faults,
                ..Guest::default()
            };
            guest.check(4)
        };
        assert_eq!(
            check(&[Fault::Panic, Fault::Hang]),
            Err(FaultError::Together(Fault::Panic, Fault::Hang))
        );
        assert_eq!(
            check(&[Fault::Dead(1), Fault::Dead(2), Fault::Hang]),
            Ok(())
        );
    }

    proptest! {
        #[test]
        fn a_fault_is_read_as_it_is_written(text in "[a-z-]{1,14}(:[0-9]{1,4})?") {
            if let Ok(fault) = text.parse::<Fault>() {
                prop_assert_eq!(fault.to_string().parse(), Ok(fault));
            }
        }
    }
}
