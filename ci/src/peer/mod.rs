//! Peers: other loaders on the same CPU, with the same blobs.
//!
//! ```text
//! case ─▶ blob ─┬▶ peer on the model ──▶ its words, the machine's log ─┐
//!               ├▶ Muster on the model ─▶ the machine's log ───────────┼▶ compared
//!               └▶ `microcode::judge` by the profile of each ──────────┘
//! ```
//!
//! An unmodified kernel or hypervisor of Debian's boots with an early initrd
//! and takes the update or leaves it. What it does must be what its profile
//! predicts, and what Muster does what Muster's own predicts: that is how a
//! model of hardware, and a model of other people's rules, earn trust. Where
//! a peer is known to differ from its profile, the case says so with the
//! reason.

mod boot;
mod case;
mod compare;
mod linux;
mod outcome;
mod packages;
pub mod report;
pub mod shown;
mod words;
mod xen;

pub use case::{BlobError, Case, Prediction};
pub use outcome::{Observation, Outcome};
pub use words::Words;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use indicatif::ProgressBar;
use microcode::Profile;
use microcode::profile::{LINUX, XEN};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::pool;
use crate::result::read_lossy;
use crate::run::{self, Runner};
use crate::tree::Tree;
use crate::verdict::Verdict;
use boot::Host;
use compare::Seen;

use report::{CaseResult, Report};

/// The machine of every case.
const MACHINE: Machine = Machine::Model;

/// Another loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// Debian's Linux, early load
    Linux,
    /// Debian's Xen, early load
    Xen,
}

/// The release of Debian that a peer is taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// Debian 12: Linux 6.1, Xen 4.17
    Bookworm,
    /// Debian 13: Linux 6.12, Xen 4.20
    #[default]
    Trixie,
}

impl Peer {
    /// Its name, for a person.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linux => "Linux",
            Self::Xen => "Xen",
        }
    }

    /// Its rules.
    #[must_use]
    pub const fn profile(self) -> &'static Profile {
        match self {
            Self::Linux => &LINUX,
            Self::Xen => &XEN,
        }
    }

    fn command_line(self, checks_digests: bool) -> String {
        match self {
            Self::Linux => linux::command_line(checks_digests),
            Self::Xen => xen::command_line(checks_digests),
        }
    }

    /// What QEMU's `-initrd` is given.
    fn module(self, initrd: &Path) -> PathBuf {
        match self {
            Self::Linux => initrd.to_owned(),
            Self::Xen => xen::modules(initrd),
        }
    }

    /// What it says when there is nothing more to come.
    const fn end(self) -> &'static str {
        match self {
            Self::Linux => linux::END,
            Self::Xen => xen::END,
        }
    }

    fn words(self, log: &str) -> Words {
        match self {
            Self::Linux => linux::words(log),
            Self::Xen => xen::words(log),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Release {
    /// The name in apt's sources.
    #[must_use]
    pub const fn codename(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which peer.
    pub peer: Peer,
    /// Of which release.
    pub release: Release,
    /// The cases by their names; all of them if empty.
    pub cases: Vec<String>,
    /// How many cases are tried at a time.
    pub nr_jobs: usize,
    /// Make a skip an ERROR.
    pub deny_skips: bool,
}

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No case has this name.
    #[error("there is no case {name:?}; there are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What could have been.
        known: String,
    },
    /// The list of cases is unsound.
    #[error("the list of cases: {0}")]
    Cases(#[from] toml::de::Error),
    /// Muster's own run could not take place.
    #[error(transparent)]
    Run(#[from] run::Error),
    /// A file of a run could not be written or read, or QEMU not started.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The cases of these names, in the order of the list; all without a name.
pub fn cases(names: &[String]) -> Result<Vec<Case>, Error> {
    let mut cases = case::all()?;
    if let Some(name) = names
        .iter()
        .find(|name| cases.iter().all(|case| case.name != **name))
    {
        let known: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
        return Err(Error::Unknown {
            name: name.clone(),
            known: known.join(", "),
        });
    }
    cases.retain(|case| names.is_empty() || names.contains(&case.name));
    Ok(cases)
}

/// Boots the peer and Muster with every case's blob, and compares.
pub fn run(tree: &Tree, request: &Request, progress: &ProgressBar) -> Result<Report, Error> {
    let cases = cases(&request.cases)?;
    let runner = Runner::new(tree.clone());
    let mut report = match host(tree, &runner, request, progress) {
        Ok(host) => {
            let results = pool::run(&cases, request.nr_jobs, |case| {
                try_case(tree, &runner, request, &host, case, progress)
            });
            let results = results.into_iter().collect::<Result<_, _>>()?;
            Report::new(request, host.program.name, results)
        }
        Err(reason) => Report::skipped(request, reason),
    };
    if request.deny_skips {
        report.deny_skips();
    }
    Ok(report)
}

/// What a peer is booted with, or why it cannot be had here.
fn host(
    tree: &Tree,
    runner: &Runner,
    request: &Request,
    progress: &ProgressBar,
) -> Result<Host, String> {
    let program = packages::program(tree, request, progress)
        .map_err(|error| format!("Debian's package cannot be had: {error}"))?;
    progress.set_message("looking for a QEMU whose CPUs take updates");
    let (emulator, plugin) = runner
        .emulator(MACHINE, progress)
        .map_err(|error| error.to_string())?;
    Ok(Host {
        program,
        emulator,
        plugin,
    })
}

fn try_case(
    tree: &Tree,
    runner: &Runner,
    request: &Request,
    host: &Host,
    case: &Case,
    progress: &ProgressBar,
) -> Result<CaseResult, Error> {
    let Request { peer, release, .. } = *request;
    let firmware = match case.blob(&tree.firmware(), progress) {
        Ok(firmware) => firmware,
        Err(error @ BlobError::Vendor(_)) => {
            return Ok(CaseResult::without(case, Verdict::Skip, error.to_string()));
        }
        Err(BlobError::Firmware(error)) => return Err(run::Error::from(error).into()),
    };
    let scenario = case.scenario(&firmware.initrd);
    let topology = scenario.check().map_err(run::Error::from)?;
    let muster = runner.run(&scenario, false, progress)?;
    let log = muster.files.machine();
    // A machine whose log has no end did not pass.
    let verdict = muster.result.verdict.worse(Verdict::Error);
    let muster = Seen {
        observation: Observation::read(&read_lossy(&log).map_err(at(&log))?).ok_or(verdict),
        directory: Tree::shown(muster.files.dir()),
    };
    progress.set_message(format!("booting {peer} on {}", case.name));
    let boot = boot::boot(tree, peer, host, case, topology, &firmware)?;
    let of_peer = case.of_peer(peer, release, &firmware);
    let of_muster = case.of_muster(&firmware);
    Ok(compare::compare(
        peer,
        case,
        [&of_peer, &of_muster],
        boot,
        muster,
    ))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |error| Error::Io { path, error }
}
