//! Benchmarks of the request: series with all their dimensions, and tables of
//! them. Nothing is asserted here.

pub mod guest;
pub mod instructions;

use crate::run;
use crate::scenario;
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
