//! Many scenarios, several at a time.
//!
//! Each is run as `muster run` does, and one that cannot be run takes none of
//! the others with it. A guest's CPUs wait for each other in a spin, so only
//! as many guests run at once as the host has cores for, and one with many
//! CPUs has the places of several: beside others it would run out of time.

mod files;
mod report;
pub mod shown;

pub use files::Files;
pub use report::{Counts, Entry, Report, Row, SCHEMA_VERSION};

use std::cmp::Reverse;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::pool::{self, Places};
use crate::result::RunResult;
use crate::run::Runner;
use crate::scenario::Scenario;
use crate::tree::Tree;
use crate::verdict::Verdict;

/// The host's cores that a guest keeps busy.
const CORES_A_PLACE: usize = 2;
/// The CPUs of a guest that one place is good for.
const CPUS_A_PLACE: u32 = 4;

/// How many guests run at once where nobody says.
#[must_use]
pub fn default_jobs() -> NonZero<usize> {
    let nr_cores = available_parallelism().map_or(1, Into::into);
    NonZero::new(nr_cores / CORES_A_PLACE).unwrap_or(NonZero::<usize>::MIN)
}

/// What runs scenarios.
#[derive(Debug)]
pub struct Suite {
    runner: Runner,
    places: Places,
    nr_places: usize,
    deny_skips: bool,
}

/// A scenario and how it ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The scenario.
    pub scenario: Scenario,
    /// The result, held against what the scenario declares.
    pub result: RunResult,
    /// The run's folder; none where it could not be run.
    pub dir: Option<PathBuf>,
}

/// All of a suite.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The scenarios, in the order that they were given.
    pub ended: Vec<Ended>,
    /// How long all took.
    pub time: Duration,
}

impl Suite {
    /// For scenarios of this checkout, `jobs` guests at a time; `deny_skips`
    /// makes a skip that a scenario does not declare an ERROR, unless a flag moved
    /// it to a machine that it is not about.
    #[must_use]
    pub const fn new(tree: Tree, jobs: NonZero<usize>, deny_skips: bool) -> Self {
        Self {
            runner: Runner::new(tree),
            places: Places::new(jobs.get()),
            nr_places: jobs.get(),
            deny_skips,
        }
    }

    /// Runs all scenarios; `done` is told of each that ended.
    pub fn run(
        &self,
        scenarios: &[Scenario],
        progress: &ProgressBar,
        done: &(dyn Fn(&Ended) + Sync),
    ) -> Outcome {
        let begin = Instant::now();
        let mut order: Vec<_> = scenarios.iter().enumerate().collect();
        order.sort_by_key(|(_, scenario)| Reverse(length(scenario)));
        let mut ended = pool::run(&order, self.nr_places, |&(index, scenario)| {
            let ended = self.run_one(scenario, progress);
            done(&ended);
            (index, ended)
        });
        ended.sort_by_key(|(index, _)| *index);
        Outcome {
            ended: ended.into_iter().map(|(_, ended)| ended).collect(),
            time: begin.elapsed(),
        }
    }

    /// Runs one scenario as soon as there is place for it.
    pub fn run_one(&self, scenario: &Scenario, progress: &ProgressBar) -> Ended {
        let _taken = self.places.take(nr_places(scenario));
        let deny_skips = self.deny_skips && !scenario.is_misplaced;
        let (result, dir) = match self.runner.run(scenario, deny_skips, progress) {
            Ok(run) => (run.result, Some(run.files.dir().to_owned())),
            Err(error) => (self.runner.not_run(scenario, &error), None),
        };
        Ended {
            scenario: scenario.clone(),
            result,
            dir,
        }
    }
}

const fn nr_places(scenario: &Scenario) -> usize {
    scenario.machine.cpus.div_ceil(CPUS_A_PLACE) as usize
}

/// How long a scenario takes, for comparison. Those for many places come
/// first, or one of them would have to wait at the end for all others; among
/// equals the long ones, so that none is left over at the end.
fn length(scenario: &Scenario) -> (usize, Duration, u32) {
    let machine = &scenario.machine;
    let timeout = match scenario.expected()[..] {
        [Verdict::Timeout] => machine.timeout(),
        _ => Duration::ZERO,
    };
    (nr_places(scenario), timeout, machine.cpus)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::result::tests::{passed, swallowed};

    pub(crate) fn scenario(text: &str) -> Scenario {
        let text = format!("summary = \"what it shows\"\ngroups = [\"g\", \"h\"]\n{text}");
        toml::from_str(&text).unwrap()
    }

    /// A scenario that ended as declared, one that did not, one that could not
    /// be run.
    pub(crate) fn outcome() -> Outcome {
        let ended = |name: &str, mut result: RunResult, as_expected| {
            result.context.scenario = name.to_owned();
            result.as_expected = as_expected;
            let dir = as_expected.then(|| format!("/tree/target/muster/{name}-1").into());
            let mut scenario = scenario("");
            scenario.name = name.to_owned();
            Ended {
                scenario,
                result,
                dir,
            }
        };
        let mut not_run = passed();
        not_run.verdict = Verdict::Error;
        not_run.reason = "no compiler:\nnone".to_owned();
        not_run.deviations = vec!["it could not be run".to_owned()];
        let ended = vec![
            ended("as-declared", swallowed(), true),
            ended("other", swallowed(), false),
            ended("not-run", not_run, false),
        ];
        Outcome {
            ended,
            time: Duration::from_millis(1250),
        }
    }

    #[test]
    fn large_guests_come_first_then_long_ones() {
        let texts = [
            "[machine]\ncpus = 2",
            "[machine]\ncpus = 4",
            "[machine]\ncpus = 2\ntimeout_s = 5\n[expect]\nverdict = \"TIMEOUT\"",
            "[machine]\ncpus = 16",
        ];
        let mut order = vec![0, 1, 2, 3];
        order.sort_by_key(|&index| Reverse(length(&scenario(texts[index]))));
        assert_eq!(order, [3, 2, 1, 0]);
    }

    #[test]
    fn a_scenario_that_cannot_be_run_is_an_error_even_where_that_is_declared() {
        let mut scenario = scenario("[expect]\nverdict = \"ERROR\"");
        scenario.firmware.path = Some("/nonexistent".into());
        let suite = Suite::new(Tree::find().unwrap(), NonZero::<usize>::MIN, false);
        let outcome = suite.run(
            &[scenario.clone(), scenario],
            &ProgressBar::hidden(),
            &|_| (),
        );
        assert_eq!(outcome.ended.len(), 2, "the second is run all the same");
        for Ended { result, dir, .. } in outcome.ended {
            assert_eq!(
                (result.verdict, result.as_expected),
                (Verdict::Error, false)
            );
            assert!(result.reason.contains("/nonexistent"), "{}", result.reason);
            assert_eq!(dir, None);
        }
    }
}
