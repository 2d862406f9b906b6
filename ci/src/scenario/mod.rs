//! Scenarios: what to run and how it ends, as data in `images/scenarios`.
//!
//! A scenario is a TOML file whose tables have the names of the types here.
//! The command line's flags replace its fields, so a run without a file is the
//! file `default.toml`. Unknown fields are errors, as a misspelt expectation
//! would be one that never fails.

mod expectation;
mod features;
mod host;
mod outcomes;
mod overrides;
mod select;
mod soundness;

pub use expectation::{Expectation, any_of, deny_skip, review};
pub use features::ExpectedFeature;
pub use outcomes::Outcomes;
pub use overrides::Overrides;
pub use select::select;
pub use soundness::Unsound;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::firmware::Spec;
use crate::guest::{Guest, Hardware, Job};
use crate::machine::model::FaultPlan;
use crate::machine::{Cpu, Machine, Model, Topology, TopologyError};

/// The scenario of a run that names none.
pub const DEFAULT: &str = "default";

/// How long a guest may take where nothing else is said: boots that take a
/// second are given a minute, and 255 emulated CPUs their three (measured:
/// 146 s on two cores).
const TIMEOUT_S: u32 = 60;
const TIMEOUT_PER_CPU_S: u32 = 2;

/// What to run, and how it ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name without its extension.
    #[serde(skip)]
    pub name: String,
    /// What it shows, in a sentence.
    pub summary: String,
    /// Groups that it belongs to.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The machine.
    #[serde(default)]
    pub machine: MachineTable,
    /// The microcode.
    #[serde(default)]
    pub firmware: Spec,
    /// What the guest is told.
    #[serde(default)]
    pub guest: Guest,
    /// How it ends; without it, as well as the machine allows.
    pub expect: Option<Expectation>,
    /// Whether a flag moved it to a machine that has not what it is about.
    #[serde(skip)]
    pub is_misplaced: bool,
}

/// A scenario's table `machine`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MachineTable {
    /// Which machine.
    pub kind: Machine,
    /// The CPU: a QEMU model or a signature.
    pub cpu: Cpu,
    /// What else is to be said of CPUs that take updates.
    pub model: Model,
    /// The revision that the CPUs start with. Without it, the lowest that the
    /// update declares it may replace on a running machine, if it does.
    pub revision: Option<u32>,
    /// Number of CPUs, all threads counted.
    pub cpus: u32,
    /// Threads a core.
    pub threads: u32,
    /// Packages.
    pub packages: u32,
    /// QEMU's accelerator with options; the machine's own without it.
    pub accel: Option<String>,
    /// How long the guest may take, in seconds.
    pub timeout_s: Option<u32>,
    /// Further arguments of QEMU.
    pub qemu_args: Vec<String>,
}

impl Default for MachineTable {
    fn default() -> Self {
        Self {
            kind: Machine::default(),
            cpu: Cpu::default(),
            model: Model::default(),
            revision: None,
            cpus: 4,
            threads: 1,
            packages: 1,
            accel: None,
            timeout_s: None,
            qemu_args: Vec::new(),
        }
    }
}

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No file has this name.
    #[error("there is no scenario {name:?}; there are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What could have been.
        known: String,
    },
    /// No scenario is in this group.
    #[error("there is no group {group:?}; there are: {known}")]
    UnknownGroup {
        /// What was asked for.
        group: String,
        /// What could have been.
        known: String,
    },
    /// The text is no scenario; the message has the line.
    #[error("{}: {error}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// What is wrong and where.
        error: Box<toml::de::Error>,
    },
    /// The scenario contradicts itself.
    #[error("scenario {name}: {error}")]
    Unsound {
        /// Which.
        name: String,
        /// How.
        error: Unsound,
    },
}

impl Scenario {
    /// Reads the scenario of that name from `folder`, or a file by its path
    /// (anything that ends in `.toml`).
    pub fn load(folder: &Path, name: &str) -> Result<Self, Error> {
        Self::read(&Self::find(folder, name)?)
    }

    /// The file that [`Self::load`] reads.
    fn find(folder: &Path, name: &str) -> Result<PathBuf, Error> {
        let is_path = Path::new(name).extension().is_some_and(|e| e == "toml");
        if is_path {
            return Ok(name.into());
        }
        let path = folder.join(format!("{name}.toml"));
        // A name with a slash would lead out of the folder.
        if name.contains('/') || !path.is_file() {
            let known = Self::list(folder)?;
            let names: Vec<_> = known.iter().filter_map(|path| path.file_stem()).collect();
            let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
            return Err(Error::Unknown {
                name: name.to_owned(),
                known: names.join(", "),
            });
        }
        Ok(path)
    }

    /// The scenario files of a folder, by name.
    pub fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
        let unreadable = |error| Error::Read {
            path: folder.to_owned(),
            error,
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    /// Reads a scenario file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut scenario: Self = read(path)?;
        let name = path.file_stem().unwrap_or_default();
        scenario.name = name.to_string_lossy().into_owned();
        scenario.check()?;
        Ok(scenario)
    }

    /// Whether it can be run as it stands; the arrangement of its CPUs.
    pub fn check(&self) -> Result<Topology, Error> {
        self.soundness().map_err(|error| Error::Unsound {
            name: self.name.clone(),
            error,
        })
    }

    /// Whether it is about CPUs that take updates, and not only about loading on
    /// them: what they are, what goes wrong in them, how they answer.
    fn is_about_cpus(&self) -> bool {
        self.machine.model != Model::default()
            || !matches!(self.guest.job, Job::Load | Job::DryRun)
            || self
                .expect
                .as_ref()
                .is_some_and(|expect| expect.plan.is_some())
    }

    /// Why it cannot take place here, as opposed to a piece that could be
    /// installed.
    #[must_use]
    pub fn unavailable(&self) -> Option<String> {
        let kind = self.machine.kind;
        let misplaced = || match kind.takes_updates() {
            false => format!(
                "it is about CPUs that take updates, and those of the machine {kind} take none"
            ),
            true if self.machine.qemu_args.is_empty() => format!(
                "it is about CPUs that ignore updates, and those of the machine {kind} take them"
            ),
            true => format!("it is about QEMU's own options, and the machine {kind} has none"),
        };
        let topology = self.machine.topology().ok();
        topology
            .and_then(|topology| kind.unavailable(topology))
            .or_else(|| self.is_misplaced.then(misplaced))
    }

    /// Whether a microcode write has an effect here: the machine takes it, or
    /// the guest models a CPU that does.
    #[must_use]
    pub fn takes_updates(&self) -> bool {
        self.machine.kind.takes_updates() || self.guest.hardware == Hardware::Engine
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = fs::read_to_string(path).map_err(|error| Error::Read {
        path: path.to_owned(),
        error,
    })?;
    toml::from_str(&text).map_err(|error| Error::Parse {
        path: path.to_owned(),
        error: error.into(),
    })
}

impl FaultPlan {
    /// Reads a fault plan.
    pub fn read(path: &Path) -> Result<Self, Error> {
        read(path)
    }
}

impl MachineTable {
    /// The arrangement of the CPUs.
    pub fn topology(&self) -> Result<Topology, TopologyError> {
        Topology::new(self.cpus, self.threads, self.packages)
    }

    /// What `-accel` is given.
    #[must_use]
    pub fn accel(&self) -> &str {
        self.accel
            .as_deref()
            .unwrap_or_else(|| self.kind.default_accel(self.cpus))
    }

    /// How long the guest may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        let default = TIMEOUT_S + TIMEOUT_PER_CPU_S * self.cpus;
        Duration::from_secs(self.timeout_s.unwrap_or(default).into())
    }
}

#[cfg(test)]
mod tests;
