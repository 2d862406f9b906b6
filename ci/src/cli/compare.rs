//! The flags of `compare`.

use clap::{Args, value_parser};

use super::Json;
use measure::compare::Rules;

pub(super) const HELP: &str = "\
A and B are metrics.json files, folders that have one, or two revisions of the checkout. Revisions \
are built below target/compare and run the same benchmark in turns; their runs stay there, and the \
folders A and B with them can be compared again.

A series is slower or faster if the 95 % interval of the ratio lies wholly beyond the threshold, \
and neither chance nor what runs or passes differ by among themselves explains it, nor CPUs that a \
hypervisor has put elsewhere, nor whatever made the barriers of other crates slower or faster; it \
is the same if the interval lies within. The values of a run depend on each other, so that batches \
of them are compared. Counts and virtual time are compared exactly. Levels are compared, and not \
how rare the slow ones are. One run a side shows times that differ only beside barriers, which \
`bench native` measures: otherwise give several, a folder with run-1.json, run-2.json and so on.

Exit codes: 0 nothing is slower beyond the threshold, 2 they cannot be compared, 4 a run failed, 5 \
something is slower beyond the threshold.

Examples:
  muster compare target/muster/last before.json
  muster compare main HEAD
  muster compare HEAD~5 HEAD --runs 5 --threshold 3 --json=comparison.json
  muster compare v1 v2 --bench \"bench instructions --cpus 8 --protocol linux\"";

/// The flags of `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// What it was before: a metrics.json, a folder with one, or a revision
    pub a: String,
    /// What it is now, likewise
    pub b: String,
    /// How much more is slower
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0, value_parser = percent)]
    threshold: f64,
    /// The benchmark that revisions run
    #[arg(
        long,
        value_name = "WORDS",
        default_value = "bench instructions --cpus 2,4"
    )]
    pub bench: String,
    /// How often each revision runs it, at most: counts that were the same twice are not
    /// counted again, and few runs of times show only what is large and steady
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10,
        value_parser = value_parser!(u32).range(1..=100)
    )]
    pub runs: u32,
    /// Where JSON goes.
    #[command(flatten)]
    pub json: Json,
}

impl CompareArgs {
    /// What counts as a difference.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            threshold: self.threshold / 100.0,
            ..Rules::default()
        }
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse().ok();
    let number = number.filter(|number| (0.0..=1000.0).contains(number));
    number.ok_or_else(|| "give a number from 0 to 1000, such as 10".to_owned())
}
