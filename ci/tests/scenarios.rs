//! Every scenario of `images/scenarios`, a trial each, on the machine that it
//! names: the verdict, the exit code and all else that it declares.
//!
//! What a run needs and is missing fails every trial, with the command that
//! fixes it: a scenario that did not run proves nothing. `cargo test -p muster
//! --test scenarios -- NAME` runs one.

use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;

use indicatif::ProgressBar;
use libtest_mimic::{Arguments, Failed, Trial, run};
use muster::exit::Exit;
use muster::run::Runner;
use muster::scenario::Scenario;
use muster::setup;
use muster::tree::Tree;

/// Cores that a guest keeps busy: its CPUs wait for each other in a spin.
const CORES_A_GUEST: usize = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let nr_cores = available_parallelism().map_or(1, Into::into);
    arguments
        .test_threads
        .get_or_insert((nr_cores / CORES_A_GUEST).max(1));
    let tree = Tree::find().expect("the tests run in their checkout");
    let paths = Scenario::list(&tree.scenarios()).expect("the checkout has scenarios");
    let runner = Arc::new(Runner::new(tree));
    let trials = paths.into_iter().map(|path| {
        let runner = Arc::clone(&runner);
        let name = path.file_stem().unwrap_or_default().display().to_string();
        Trial::test(name, move || trial(&runner, &Scenario::read(&path)?))
    });
    run(&arguments, trials.collect()).exit_code()
}

fn trial(runner: &Runner, scenario: &Scenario) -> Result<(), Failed> {
    setup::require(setup::Purpose::Runs)?;
    let run = runner.run(scenario, false, &ProgressBar::hidden())?;
    let result = run.result;
    let exit = Exit::of_run(result.verdict, result.as_expected);
    if exit == Exit::Success {
        return Ok(());
    }
    Err(format!(
        "{}: {}\n{}\nfiles: {}",
        result.verdict,
        result.reason,
        result.deviations.join("\n"),
        run.files.dir().display()
    )
    .into())
}
