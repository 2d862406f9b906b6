//! The flags of `suite`.

use std::num::NonZero;

use clap::Args;

use super::Output;
use crate::machine::Machine;
use crate::scenario::Overrides;
use crate::suite::default_jobs;

pub(super) const HELP: &str = "\
Scenarios that are named and those of the groups are run, or all. A line tells how each ended; what \
is not as its scenario declares says why. One that cannot be run is an ERROR and stops no other. \
The exit code is that of the worst.

Examples:
  muster suite
  muster suite -g smoke -g amd -j 4
  muster suite intel-2 intel-16 --json
  muster suite --machine kvm-qemu --deny-skips --junit junit.xml
  muster suite --list";

/// The flags of `suite`.
#[derive(Debug, Args)]
pub struct SuiteArgs {
    /// Scenarios of images/scenarios by their names, or .toml files
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// The scenarios of a group (repeatable)
    #[arg(long = "group", short, value_name = "GROUP")]
    pub groups: Vec<String>,
    /// How many guests run at a time; without it half as many as there are cores
    #[arg(long, short, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Only list what there is to run
    #[arg(long, conflicts_with_all = ["jobs", "junit", "deny_skips"])]
    pub list: bool,
    /// What stands behind the guests' CPUs, whatever the scenarios say
    #[arg(long)]
    machine: Option<Machine>,
    /// Make a run that is skipped an ERROR
    #[arg(long)]
    pub deny_skips: bool,
    /// What is written beside the screen.
    #[command(flatten)]
    pub output: Output,
}

impl SuiteArgs {
    /// What replaces the scenarios' fields.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            machine: self.machine,
            ..Overrides::default()
        }
    }

    /// How many guests run at a time.
    #[must_use]
    pub fn jobs(&self) -> NonZero<usize> {
        self.jobs.unwrap_or_else(default_jobs)
    }
}
