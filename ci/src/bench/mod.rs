//! Benchmarks of the request: series with all their dimensions, and tables of
//! them. Nothing is asserted here.

pub mod guest;
pub mod instructions;
pub mod report;

use indicatif::ProgressBar;
use rendezvous::{CallIn, Election, Name, Named};

use crate::result::RunResult;
use crate::run::{self, Runner};
use crate::scenario::{self, Scenario};
use crate::verdict::Verdict;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A machine could not be run.
    #[error(transparent)]
    Run(#[from] run::Error),
    /// A run was not as it should be.
    #[error("{nr_cpus} CPUs: {verdict}: {reason}")]
    Failed {
        /// On how many CPUs.
        nr_cpus: u32,
        /// Its verdict.
        verdict: Verdict,
        /// Its reason.
        reason: String,
    },
}

impl From<scenario::Error> for Error {
    fn from(error: scenario::Error) -> Self {
        Self::Run(error.into())
    }
}

/// A protocol and what is chosen of it.
pub type Contender = (Name, CallIn, Election);

/// All that are held against each other: this project's own in each of its forms,
/// and the others as they are.
pub fn contenders() -> impl Iterator<Item = Contender> {
    let (call_in, election) = (CallIn::default(), Election::default());
    let own = CallIn::ALL
        .iter()
        .map(move |&one| (Name::Muster, one, election));
    let others = Election::ALL.iter().filter(move |&&one| one != election);
    let own = own.chain(others.map(move |&one| (Name::Muster, call_in, one)));
    let peers = Name::ALL.iter().filter(|&&name| name != Name::Muster);
    own.chain(peers.map(move |&name| (name, call_in, election)))
}

/// Runs a scenario that has to end with one of these verdicts, or there is nothing to
/// measure.
fn run_well(
    runner: &Runner,
    scenario: &Scenario,
    verdicts: &[Verdict],
    progress: &ProgressBar,
) -> Result<RunResult, Error> {
    let result = runner.run(scenario, false, progress)?.result;
    if verdicts.contains(&result.verdict) {
        return Ok(result);
    }
    Err(Error::Failed {
        nr_cpus: scenario.machine.cpus,
        verdict: result.verdict,
        reason: result.reason,
    })
}
