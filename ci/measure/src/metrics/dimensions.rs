//! Under what circumstances something is measured.

use std::fmt;

use rendezvous::{CallIn, Election, Named};
use serde::{Deserialize, Serialize};

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The unikernel in a virtual machine.
    Guest,
    /// The same protocols on pinned threads of the host.
    Native,
    /// The same protocols in virtual time.
    Simulated,
}

/// What times were read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockKind {
    /// The CPUs' time-stamp counter.
    Tsc,
    /// QEMU's count of instructions.
    Icount,
    /// Virtual time.
    Virtual,
}

/// Under what circumstances a series was measured. Two series are comparable only
/// where all of them are the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dimensions {
    /// Where it comes from.
    pub stage: Stage,
    /// The machine, by its name on the command line; for the other stages none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The protocol, or what it is held against (`std-barrier`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// How CPUs announce themselves: `tree` or `flat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_in: Option<String>,
    /// Which thread of a core leads: `first` or `lowest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub election: Option<String>,
    /// Number of CPUs.
    pub cpus: u32,
    /// Threads of each core.
    pub threads: u32,
    /// Packages.
    pub packages: u32,
    /// How long a modelled write takes, in µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_us: Option<u64>,
    /// What takes the write: `msr` or `engine`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<String>,
    /// What times were read from.
    pub clock: ClockKind,
    /// The CPU, of a series that is one CPU's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// From which CPU a cache line came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u32>,
    /// To which it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
}

impl Stage {
    /// The name in `metrics.json` and wherever a figure is shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Native => "native",
            Self::Simulated => "simulated",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Dimensions {
    /// Of so many CPUs; what else there is to say is filled in.
    #[must_use]
    pub const fn new(
        stage: Stage,
        clock: ClockKind,
        cpus: u32,
        threads: u32,
        packages: u32,
    ) -> Self {
        Self {
            stage,
            machine: None,
            protocol: None,
            call_in: None,
            election: None,
            cpus,
            threads,
            packages,
            load_us: None,
            hardware: None,
            clock,
            cpu: None,
            from: None,
            to: None,
        }
    }

    /// Whether the protocol has those options that it has where nobody chooses.
    #[must_use]
    pub fn has_usual_options(&self) -> bool {
        let is_usual = |choice: &Option<String>, usual: &str| {
            choice.as_deref().is_none_or(|choice| choice == usual)
        };
        is_usual(&self.call_in, CallIn::default().name())
            && is_usual(&self.election, Election::default().name())
    }

    /// The same for one CPU.
    #[must_use]
    pub fn of_cpu(&self, cpu: u32) -> Self {
        Self {
            cpu: Some(cpu),
            ..self.clone()
        }
    }
}
