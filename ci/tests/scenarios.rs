//! Every scenario of `images/scenarios`, a trial each, on the machine that it
//! names: the verdict, the exit code and all else that it declares. And a second
//! one under KVM: there it ends as it declares as well, with the same end of each
//! core's CPUs.
//!
//! What a run needs and is missing fails every trial, with the command that
//! fixes it: a scenario that did not run proves nothing. Where there is no KVM,
//! the second trial is shown as ignored with the reason, or fails with
//! `MUSTER_DENY_SKIPS=1`; one that is about QEMU is ignored everywhere.
//! `cargo test -p muster --test scenarios -- NAME` runs one on both.

mod skips;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use indicatif::ProgressBar;
use libtest_mimic::{Arguments, Completion, Failed, Trial, run};
use muster::machine::Machine;
use muster::result::RunResult;
use muster::scenario::{Expectation, Overrides, Scenario, select};
use muster::setup;
use muster::suite::{Ended, Suite, default_jobs, shown};
use muster::tree::Tree;
use report::Outcome;
use skips::skipped;

const OTHER: Machine = Machine::Kvm;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let jobs = arguments.test_threads.and_then(NonZero::new);
    let jobs = jobs.unwrap_or_else(default_jobs);
    arguments.test_threads = Some(jobs.get());
    let tree = Tree::find().expect("the tests run in their checkout");
    let scenarios = select(&tree.scenarios(), &[], &[]).expect("the checkout has scenarios");
    let suite = Arc::new(Suite::new(tree, jobs, false));
    let trials = scenarios.into_iter().flat_map(|scenario| {
        let name = scenario.name.clone();
        let subject = Arc::new(Subject {
            suite: Arc::clone(&suite),
            scenario,
            ended: OnceLock::new(),
        });
        let moved = Arc::clone(&subject);
        [
            Trial::test(name.clone(), move || subject.ends_as_declared()),
            Trial::ignorable_test(format!("{name} on {OTHER}"), move || {
                moved.ends_alike_elsewhere()
            }),
        ]
    });
    run(&arguments, trials.collect()).exit_code()
}

/// A scenario of both trials.
struct Subject {
    suite: Arc<Suite>,
    scenario: Scenario,
    /// How it ended on its own machine.
    ended: OnceLock<Ended>,
}

impl Subject {
    fn ended(&self) -> Result<&Ended, Failed> {
        setup::require(setup::Purpose::ModelRuns)?;
        let run = || self.suite.run_one(&self.scenario, &ProgressBar::hidden());
        as_declared(self.ended.get_or_init(run))
    }

    fn ends_as_declared(&self) -> Result<(), Failed> {
        self.ended().map(drop)
    }

    fn ends_alike_elsewhere(&self) -> Result<Completion, Failed> {
        let mut moved = self.scenario.clone();
        let overrides = Overrides {
            machine: Some(OTHER),
            ..Overrides::default()
        };
        overrides.apply(&mut moved);
        if let Some(reason) = moved.unavailable() {
            return if moved.is_misplaced {
                Ok(Completion::ignored_with(reason))
            } else {
                skipped(reason)
            };
        }
        let there = self.suite.run_one(&moved, &ProgressBar::hidden());
        let there = &as_declared(&there)?.result;
        let here = &self.ended()?.result;
        let ends = |result: &RunResult| (result.verdict, ends(result));
        let is_open = self
            .scenario
            .expect
            .as_ref()
            .is_some_and(Expectation::leaves_success_open);
        if is_open || ends(here) == ends(there) {
            return Ok(Completion::Completed);
        }
        let [here, there] = [ends(here), ends(there)];
        Err(format!("on its own machine {here:?}, on {OTHER} {there:?}").into())
    }
}

fn as_declared(ended: &Ended) -> Result<&Ended, Failed> {
    if ended.result.as_expected {
        return Ok(ended);
    }
    let said = shown::line(ended, ended.scenario.name.len());
    Err(anstream::adapter::strip_str(&said).to_string().into())
}

/// By package and core how its CPUs ended and on which revision. Which of a core's
/// CPUs leads is for the machine to choose: who took the update led or followed,
/// and of the others only how many ended how is the same. What a parked one shows is
/// its core's, unless it was let go before the core had loaded, as `linux` may.
fn ends(result: &RunResult) -> BTreeMap<(u32, u32), Vec<String>> {
    let mut ends = BTreeMap::<_, Vec<_>>::new();
    for cpu in &result.cpus {
        let shown = cpu.after.filter(|_| cpu.outcome != Outcome::Parked);
        let after = shown.map_or("-".to_owned(), |after| after.to_string());
        let outcome = match cpu.outcome {
            Outcome::Updated | Outcome::Followed => "updated|followed",
            other => other.name(),
        };
        let of_core = ends.entry((cpu.package, cpu.core)).or_default();
        of_core.push(format!("{outcome} {after}"));
        of_core.sort();
    }
    ends
}
