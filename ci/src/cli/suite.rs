//! The flags of `suite`.

use std::num::NonZero;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, value_parser};

use super::Output;
use crate::machine::Machine;
use crate::plans::{Plan, RIGS, Rig, plans};
use crate::scenario::Overrides;
use crate::suite::default_jobs;

pub(super) const HELP: &str = "\
Scenarios that are named and those of the groups are run, or all. A line tells how each ended; what \
is not as its scenario declares says why. One that cannot be run is an ERROR and stops no other. \
The exit code is that of the worst.

With --random plans are run instead, which are drawn from a seed: faults of the CPUs, who never \
arrives, order, election and call-in. A plan is as expected if it explains how each CPU ended; only \
others have a line.

Examples:
  muster suite
  muster suite -g smoke -g amd -j 4
  muster suite intel-2 intel-16 --json
  muster suite --machine kvm-qemu --deny-skips --junit junit.xml
  muster suite --random 100 -j 2
  muster suite --random 10 --machine kvm
  muster suite --random 1 --seed 17 --on amd-2x2
  muster suite --list";

/// Most seeds of one suite, each of which is a boot on every machine: two hours,
/// and half a gigabyte of files.
const MOST_SEEDS: i64 = 1000;

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
    /// Run fault plans by chance: N seeds on every machine of --on
    #[arg(
        long,
        value_name = "N",
        value_parser = value_parser!(u32).range(1..=MOST_SEEDS),
        conflicts_with_all = ["scenarios", "groups"]
    )]
    random: Option<u32>,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 0, requires = "random")]
    seed: u32,
    /// Machines for the plans: vendor, cores x threads (repeatable); all without it
    #[arg(long = "on", value_name = "MACHINE", value_parser = rig(), requires = "random")]
    rigs: Vec<Rig>,
    /// Only list what there is to run
    #[arg(long, conflicts_with_all = ["jobs", "junit", "deny_skips"])]
    pub list: bool,
    /// What stands behind the guests' CPUs, whatever the scenarios say
    #[arg(long)]
    machine: Option<Machine>,
    /// Make a run that is skipped an ERROR, unless --machine took it from what it is about
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

    /// The plans that are to be run in the scenarios' place.
    #[must_use]
    pub fn plans(&self) -> Option<Vec<Plan>> {
        let rigs = match self.rigs[..] {
            [] => &RIGS,
            _ => &self.rigs[..],
        };
        let nr_seeds = self.random?;
        Some(plans(self.seed, nr_seeds, rigs).collect())
    }

    /// How many guests run at a time.
    #[must_use]
    pub fn jobs(&self) -> NonZero<usize> {
        self.jobs.unwrap_or_else(default_jobs)
    }
}

fn rig() -> impl TypedValueParser<Value = Rig> {
    let names = PossibleValuesParser::new(RIGS.map(|rig| rig.name));
    names.map(|name| Rig::from_name(&name).unwrap_or(RIGS[0]))
}
