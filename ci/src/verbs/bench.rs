//! What the verb `bench` does.

use super::{answer, progress};
use crate::bench::instructions;
use crate::cli::BenchVerb;
use crate::exit::Exit;
use crate::setup::{self, Purpose};
use crate::tree::Tree;

pub(super) fn act(verb: &BenchVerb) -> anyhow::Result<Exit> {
    let BenchVerb::Instructions(args) = verb;
    let tree = Tree::find()?;
    setup::ensure(Purpose::ModelRuns, &mut |step| eprintln!("muster: {step}"))?;
    let progress = progress();
    let counts = instructions::count(&tree, args.cpus(), &args.overrides(), &progress);
    progress.finish_and_clear();
    let counts = counts?;
    answer(&args.json, &counts.metrics, || counts.shown())?;
    Ok(Exit::Success)
}
