//! `suite.json`: what became of the scenarios, and `--list --json`: what they
//! are.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::{Ended, Outcome};
use crate::exit::Exit;
use crate::machine::Machine;
use crate::scenario::{Scenario, any_of};
use crate::verdict::Verdict;

/// The version of the layout of `suite.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// All of a suite.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The worst that a scenario counts as.
    pub verdict: Verdict,
    /// How many scenarios count as what.
    pub counts: Counts,
    /// How long all took.
    pub seconds: f64,
    /// The scenarios.
    pub scenarios: Vec<Row>,
}

/// Scenarios by what they count as ([`Verdict::counted`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// As declared.
    pub pass: usize,
    /// Otherwise, and the matter under test is wrong.
    pub fail: usize,
    /// Did not run, and that is not declared.
    pub skip: usize,
    /// Otherwise, and the test or its environment is wrong.
    pub error: usize,
    /// Otherwise, and the guest died.
    pub crash: usize,
    /// Otherwise, and the guest did not come to an end.
    pub timeout: usize,
}

/// What a scenario is, before it is run.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The groups that it belongs to.
    pub group: Vec<String>,
    /// Where it runs.
    pub machine: Machine,
    /// The verdict that it declares, or those that its machine allows.
    pub expected: String,
    /// What it shows.
    pub summary: String,
}

/// What became of a scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What it is.
    #[serde(flatten)]
    pub entry: Entry,
    /// How it ended.
    pub verdict: Verdict,
    /// Whether the verdict and all else is as declared.
    pub as_expected: bool,
    /// Why it ended so.
    pub reason: String,
    /// What is not as declared, a sentence each.
    pub deviations: Vec<String>,
    /// Wall-clock time of the machine in seconds.
    pub seconds: f64,
    /// The run's folder, relative to the checkout; none where it could not be
    /// run.
    pub directory: Option<String>,
}

impl Entry {
    /// Of a scenario.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            name: scenario.name.clone(),
            group: scenario.groups.clone(),
            machine: scenario.machine.kind,
            expected: any_of(&scenario.expected()),
            summary: scenario.summary.clone(),
        }
    }
}

impl Row {
    fn new(ended: &Ended, root: &Path) -> Self {
        let result = &ended.result;
        let relative = |dir: &Path| dir.strip_prefix(root).unwrap_or(dir).display().to_string();
        Self {
            entry: Entry::new(&ended.scenario),
            verdict: result.verdict,
            as_expected: result.as_expected,
            reason: result.reason.clone(),
            deviations: result.deviations.clone(),
            seconds: result.context.seconds,
            directory: ended.dir.as_deref().map(relative),
        }
    }

    const fn counted(&self) -> Verdict {
        self.verdict.counted(self.as_expected)
    }
}

impl Counts {
    fn add(&mut self, counted: Verdict) {
        let count = match counted {
            Verdict::Pass => &mut self.pass,
            Verdict::Skip => &mut self.skip,
            Verdict::Error => &mut self.error,
            Verdict::Crash => &mut self.crash,
            Verdict::Timeout => &mut self.timeout,
            _ => &mut self.fail,
        };
        *count += 1;
    }
}

impl Report {
    /// Of what was run in the checkout at `root`.
    #[must_use]
    pub fn new(outcome: &Outcome, root: &Path) -> Self {
        let rows = outcome.ended.iter().map(|ended| Row::new(ended, root));
        let scenarios: Vec<_> = rows.collect();
        let mut counts = Counts::default();
        let mut verdict = Verdict::Skip;
        for counted in scenarios.iter().map(Row::counted) {
            counts.add(counted);
            if counted.severity() > verdict.severity() {
                verdict = counted;
            }
        }
        Self {
            schema_version: SCHEMA_VERSION,
            verdict,
            counts,
            seconds: rounded(outcome.time),
            scenarios,
        }
    }

    /// The exit code: that of the verdict.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        Exit::of_counted(self.verdict)
    }
}

/// A suite's time to the millisecond; the rest of it says nothing.
fn rounded(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::tests::outcome;

    fn report(kept: &[usize]) -> Report {
        let mut outcome = outcome();
        outcome.ended = kept.iter().map(|&i| outcome.ended[i].clone()).collect();
        Report::new(&outcome, Path::new("/tree"))
    }

    #[test]
    fn the_json_has_the_documented_fields() {
        let json = serde_json::to_value(report(&[0, 1, 2])).unwrap();
        let expected = [
            ("/schema_version", 1.into()),
            ("/verdict", "FAIL".into()),
            ("/counts/pass", 1.into()),
            ("/counts/fail", 1.into()),
            ("/counts/skip", 0.into()),
            ("/counts/error", 1.into()),
            ("/counts/crash", 0.into()),
            ("/counts/timeout", 0.into()),
            ("/scenarios/0/name", "as-declared".into()),
            ("/scenarios/0/group/1", "h".into()),
            ("/scenarios/0/machine", Machine::default().name().into()),
            ("/scenarios/0/verdict", "SWALLOWED".into()),
            ("/scenarios/0/expected", "PASS".into()),
            ("/scenarios/0/seconds", 0.25.into()),
            (
                "/scenarios/0/directory",
                "target/muster/as-declared-1".into(),
            ),
            ("/scenarios/2/directory", serde_json::Value::Null),
        ];
        for (pointer, value) in expected {
            assert_eq!(json.pointer(pointer), Some(&value), "{pointer}");
        }
        assert!(json["scenarios"][0]["reason"].is_string());
    }

    #[test]
    fn the_verdict_is_the_worst_that_a_scenario_counts_as() {
        assert_eq!(report(&[0]).verdict, Verdict::Pass);
        assert_eq!(report(&[0, 2]).verdict, Verdict::Error);
        assert_eq!(report(&[1, 2, 0]).verdict, Verdict::Fail);
        assert_eq!(report(&[1, 2, 0]).exit(), Exit::Fail);
        assert_eq!(report(&[0]).exit(), Exit::Success);
        assert_eq!(report(&[]).exit(), Exit::NothingRan);
    }
}
