//! Every scenario of `images/scenarios`, a trial each, on the machine that it
//! names: the verdict, the exit code and all else that it declares.
//!
//! What a run needs and is missing fails every trial, with the command that
//! fixes it: a scenario that did not run proves nothing. `cargo test -p muster
//! --test scenarios -- NAME` runs one.

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::ProgressBar;
use libtest_mimic::{Arguments, Failed, Trial, run};
use muster::scenario::{Scenario, select};
use muster::setup;
use muster::suite::{Suite, default_jobs, shown};
use muster::tree::Tree;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let jobs = arguments.test_threads.and_then(NonZero::new);
    let jobs = jobs.unwrap_or_else(default_jobs);
    arguments.test_threads = Some(jobs.get());
    let tree = Tree::find().expect("the tests run in their checkout");
    let scenarios = select(&tree.scenarios(), &[], &[]).expect("the checkout has scenarios");
    let suite = Arc::new(Suite::new(tree, jobs, false));
    let trials = scenarios.into_iter().map(|scenario| {
        let suite = Arc::clone(&suite);
        Trial::test(scenario.name.clone(), move || trial(&suite, &scenario))
    });
    run(&arguments, trials.collect()).exit_code()
}

fn trial(suite: &Suite, scenario: &Scenario) -> Result<(), Failed> {
    setup::require(setup::Purpose::ModelRuns)?;
    let ended = suite.run_one(scenario, &ProgressBar::hidden());
    if ended.result.as_expected {
        return Ok(());
    }
    let said = shown::line(&ended, scenario.name.len());
    Err(anstream::adapter::strip_str(&said).to_string().into())
}
