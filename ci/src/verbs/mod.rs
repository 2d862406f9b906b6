//! What the verbs do: the library's parts put together, and what is printed.

mod bench;
mod blob;
mod budget;
mod compare;
mod peer;
mod suite;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::num::NonZero;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::CommandFactory;
use indicatif::{ProgressBar, ProgressDrawTarget};
use measure::simulated::{SettingError, SimulatedError};
use serde::Serialize;

use crate::cli::{Cli, Json, Output, RunArgs, Verb};
use crate::exit::Exit;
use crate::fuzz::{self, Bound, Fuzzers};
use crate::machine::{Cpu, Machine, TopologyError, host};
use crate::replay::{self, replay};
use crate::result::RunResult;
use crate::result::junit::junit;
use crate::run::{self, Runner};
use crate::scenario::{self, Scenario};
use crate::setup::Purpose;
use crate::tree::Tree;
use crate::{build, firmware, screen, setup, tree};

/// Does what the command line asks for.
pub fn act(verb: &Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::Setup { development } => {
            let purpose = match development {
                true => Purpose::Development,
                false => Purpose::ModelRuns,
            };
            setup::install(purpose, &mut |step| say(step))?;
            say(&screen::findings(&setup::examine()));
            Ok(Exit::Success)
        }
        Verb::Doctor => {
            say(&screen::findings(&setup::examine()));
            Ok(setup::require(Purpose::ModelRuns).map_or(Exit::Error, |()| Exit::Success))
        }
        Verb::Lint => {
            build::lint(Tree::find()?.root())?;
            Ok(Exit::Success)
        }
        Verb::Fuzz {
            target,
            seconds,
            runs,
            jobs,
        } => {
            let bound = Bound {
                seconds: *seconds,
                runs: *runs,
            };
            fuzz(target.as_deref(), bound, *jobs)
        }
        Verb::Run(args) => run_scenario(args),
        Verb::Suite(args) => suite::act(args),
        Verb::Replay { log, output } => {
            let result = replay(log)?;
            show(&result, None, output)?;
            Ok(Exit::of_run(result.verdict, result.as_expected))
        }
        Verb::Blob { verb } => blob::act(verb),
        Verb::Bench(args) => bench::act(args),
        Verb::Budget(args) => budget::act(args),
        Verb::Compare(args) => compare::act(args),
        Verb::Peer(args) => peer::act(args),
        Verb::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "muster", &mut text);
            say(&String::from_utf8_lossy(&text));
            Ok(Exit::Success)
        }
        Verb::Man { verb } => {
            let mut text = Vec::new();
            clap_mangen::Man::new(page(verb.as_deref())?).render(&mut text)?;
            say(&String::from_utf8_lossy(&text));
            Ok(Exit::Success)
        }
    }
}

/// The exit code of an error that left nothing to judge: what the user gave,
/// or else the environment.
#[must_use]
pub fn exit_of(error: &anyhow::Error) -> Exit {
    let by_user = error.is::<scenario::Error>()
        || error.is::<replay::Error>()
        || error.is::<tree::Error>()
        || error.is::<UnknownVerb>()
        || error.is::<TopologyError>()
        || error.is::<SettingError>()
        || matches!(error.downcast_ref(), Some(SimulatedError::Setting(_)))
        || error.is::<budget::CostsError>()
        || error.is::<crate::blob::Error>()
        || error.is::<firmware::SyntheticError>()
        || error
            .downcast_ref::<crate::compare::Error>()
            .is_some_and(crate::compare::Error::is_by_user)
        || matches!(error.downcast_ref(), Some(fuzz::Error::NoTarget { .. }))
        || matches!(
            error.downcast_ref(),
            Some(crate::peer::Error::Unknown { .. })
        )
        || matches!(
            error.downcast_ref(),
            Some(run::Error::Scenario(_) | run::Error::Firmware(_) | run::Error::Repeat { .. })
        );
    if by_user { Exit::Usage } else { Exit::Error }
}

fn run_scenario(args: &RunArgs) -> anyhow::Result<Exit> {
    let tree = Tree::find()?;
    let mut scenario = Scenario::load(&tree.scenarios(), &args.scenario)?;
    args.overrides()?.apply(&mut scenario);
    scenario.check()?;
    if scenario.unavailable().is_none() {
        setup::ensure(purpose(scenario.machine.kind), &mut |step| {
            eprintln!("muster: {step}");
        })?;
    }
    if scenario.machine.cpu == Cpu::Host {
        for guess in host::host()?.guesses {
            eprintln!("muster: this machine's CPU: {guess}");
        }
    }
    let progress = progress();
    let run = Runner::new(tree).run(&scenario, args.deny_skips, &progress);
    progress.finish_and_clear();
    let run = run?;
    show(&run.result, Some(run.files.dir()), &args.output)?;
    Ok(Exit::of_run(run.result.verdict, run.result.as_expected))
}

fn fuzz(target: Option<&str>, bound: Bound, jobs: Option<NonZero<usize>>) -> anyhow::Result<Exit> {
    let tree = Tree::find()?;
    setup::ensure(Purpose::Fuzzing, &mut |step| eprintln!("muster: {step}"))?;
    let jobs = jobs.map_or_else(available_parallelism, Ok)?;
    let progress = progress();
    progress.set_message("building the fuzzers");
    let fuzzers = Fuzzers::build(tree.root(), target)?;
    progress.set_message("fuzzing");
    let start = Instant::now();
    let outcomes = fuzzers.run(bound, jobs.get(), &|outcome| {
        progress.suspend(|| say(&fuzz::shown::outcome(outcome)));
    })?;
    progress.finish_and_clear();
    say(&fuzz::shown::total(&outcomes, start.elapsed()));
    let found = outcomes.iter().any(|outcome| outcome.found.is_some());
    Ok(if found { Exit::Fail } else { Exit::Success })
}

/// What a run on that machine needs.
const fn purpose(kind: Machine) -> Purpose {
    match kind {
        Machine::Model => Purpose::ModelRuns,
        Machine::Kvm => Purpose::KvmRuns,
        Machine::Tcg | Machine::KvmQemu => Purpose::QemuRuns,
    }
}

/// A spinner for a person at a terminal, nothing for anybody else.
fn progress() -> ProgressBar {
    let progress = ProgressBar::new_spinner();
    if !io::stdout().is_terminal() {
        progress.set_draw_target(ProgressDrawTarget::hidden());
    }
    progress.enable_steady_tick(Duration::from_millis(100));
    progress
}

/// Prints a result; as JSON alone where that was asked for, so that the
/// standard output can be parsed.
fn show(result: &RunResult, folder: Option<&Path>, output: &Output) -> anyhow::Result<()> {
    if let Some(path) = &output.junit {
        let text = junit([result])
            .to_string()
            .context("the JUnit report cannot be written")?;
        write(path, &text)?;
    }
    answer(&output.json, result, || screen::result(result))?;
    if output.json.is_alone() {
        anstream::eprintln!("{}", screen::verdict(result));
        return Ok(());
    }
    if let Some(folder) = folder {
        say(&format!("files: {}", Tree::shown(folder)));
    }
    Ok(())
}

/// Prints an answer, as JSON alone where that was asked for.
fn answer(
    json: &Json,
    value: &impl Serialize,
    text: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    if let Some(path) = &json.file {
        let value = serde_json::to_string_pretty(value)?;
        if json.is_alone() {
            say(&value);
            return Ok(());
        }
        write(path, &(value + "\n"))?;
    }
    say(&text());
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

/// Prints lines. A reader that went away (`muster … | head`) is no error.
fn say(text: &str) {
    let _ = writeln!(anstream::stdout(), "{}", text.trim_end());
}

#[derive(Debug, thiserror::Error)]
#[error("there is no verb {0:?}: `muster --help` lists them")]
struct UnknownVerb(String);

fn page(verb: Option<&str>) -> Result<clap::Command, UnknownVerb> {
    let mut program = Cli::command();
    let Some(name) = verb else {
        return Ok(program);
    };
    program.build();
    let verb = program.find_subcommand(name).cloned();
    verb.ok_or_else(|| UnknownVerb(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_manual_page_for_the_program_and_each_verb_and_no_other() {
        assert_eq!(page(None).unwrap().get_name(), "muster");
        assert_eq!(page(Some("run")).unwrap().get_name(), "run");
        assert!(page(Some("walk")).is_err());
    }

    #[test]
    fn what_the_user_gave_is_a_usage_error_and_the_rest_is_none() {
        let error = anyhow::Error::from(UnknownVerb("walk".to_owned()));
        assert_eq!(exit_of(&error), Exit::Usage);
        assert_eq!(exit_of(&anyhow::anyhow!("else")), Exit::Error);
        let error = Scenario::load(Path::new("/nonexistent"), "x").unwrap_err();
        assert_eq!(exit_of(&run::Error::from(error).into()), Exit::Usage);
    }
}
