//! Benchmarks of the request: series with all their dimensions, and tables of
//! them. Nothing is asserted here.

pub mod guest;
pub mod instructions;
pub mod report;

use indicatif::ProgressBar;
use measure::native;
use rendezvous::{CallIn, Election, Name};

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

/// All that are held against each other: those on this host's threads, without barriers.
pub fn contenders() -> impl Iterator<Item = Contender> {
    let all = native::Contender::all().into_iter();
    all.filter_map(|one| match one {
        native::Contender::Protocol {
            name,
            call_in,
            election,
        } => Some((name, call_in, election)),
        native::Contender::Barrier(_) => None,
    })
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
