//! What `suite` does.

use std::fs;

use anyhow::Context as _;
use clap::ValueEnum;
use indicatif::ProgressStyle;

use super::{answer, progress, purpose, say};
use crate::cli::SuiteArgs;
use crate::exit::Exit;
use crate::machine::Machine;
use crate::plans::Plan;
use crate::scenario::{Scenario, select};
use crate::setup;
use crate::suite::{Entry, Files, Outcome, Report, Suite, shown};
use crate::tree::Tree;

pub(super) fn act(args: &SuiteArgs) -> anyhow::Result<Exit> {
    let tree = Tree::find()?;
    let mut scenarios = match args.plans() {
        Some(plans) => plans.iter().map(Plan::scenario).collect(),
        None => select(&tree.scenarios(), &args.scenarios, &args.groups)?,
    };
    for scenario in &mut scenarios {
        args.overrides().apply(scenario);
    }
    if args.list {
        let entries: Vec<_> = scenarios.iter().map(Entry::new).collect();
        answer(&args.output.json, &entries, || shown::list(&entries))?;
        return Ok(Exit::Success);
    }
    for kind in Machine::value_variants() {
        let is_needed = |one: &Scenario| one.machine.kind == *kind && one.unavailable().is_none();
        if scenarios.iter().any(is_needed) {
            setup::ensure(purpose(*kind), &mut |step| eprintln!("muster: {step}"))?;
        }
    }
    let outcome = run(args, &tree, &scenarios)?;
    let report = Report::new(&outcome, tree.root());
    let files = Files::write(&tree.runs(), &outcome, &report)
        .with_context(|| format!("{} cannot be written", tree.runs().display()))?;
    if let Some(path) = &args.output.junit {
        fs::copy(files.junit(), path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let total = format!(
        "{}\nfiles: {}",
        shown::total(&outcome),
        Tree::shown(files.dir())
    );
    if args.output.json.is_alone() {
        anstream::eprintln!("{total}");
    }
    answer(&args.output.json, &report, || total)?;
    Ok(report.exit())
}

/// Runs them with a bar at a terminal, and tells of each scenario that ended, and
/// of each plan that does not explain its end.
fn run(args: &SuiteArgs, tree: &Tree, scenarios: &[Scenario]) -> anyhow::Result<Outcome> {
    let suite = Suite::new(tree.clone(), args.jobs(), args.deny_skips);
    let progress = progress();
    progress.set_style(ProgressStyle::with_template(
        "{bar:20} {pos} of {len}, {msg}",
    )?);
    progress.set_length(scenarios.len() as u64);
    let width = shown::width(scenarios);
    let is_alone = args.output.json.is_alone();
    let are_plans = args.plans().is_some();
    let outcome = suite.run(scenarios, &progress, &|ended| {
        progress.inc(1);
        if are_plans && ended.result.as_expected {
            return;
        }
        let line = shown::line(ended, width);
        progress.suspend(|| {
            if is_alone {
                anstream::eprintln!("{line}");
            } else {
                say(&line);
            }
        });
    });
    progress.finish_and_clear();
    Ok(outcome)
}
