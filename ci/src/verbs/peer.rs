//! What the verb `peer` does.

use anyhow::Context as _;

use super::{answer, progress, write};
use crate::cli::PeerArgs;
use crate::exit::Exit;
use crate::peer::report::Entry;
use crate::peer::{self, shown};
use crate::setup::{self, Purpose};
use crate::tree::Tree;
use crate::verdict::Verdict;

/// Compares, or only lists what there is.
pub(super) fn act(args: &PeerArgs) -> anyhow::Result<Exit> {
    let request = args.request()?;
    let cases = peer::cases(&request.cases)?;
    if args.list {
        let entries: Vec<_> = cases.iter().map(Entry::new).collect();
        answer(&args.output.json, &entries, || shown::list(&entries))?;
        return Ok(Exit::Success);
    }
    let tree = Tree::find()?;
    setup::ensure(Purpose::QemuRuns, &mut |step| eprintln!("muster: {step}"))?;
    let progress = progress();
    let report = peer::run(&tree, &request, &progress);
    progress.finish_and_clear();
    let report = report?;
    if let Some(path) = &args.output.junit {
        let text = report.junit().to_string();
        write(path, &text.context("the JUnit report cannot be written")?)?;
    }
    if args.output.json.is_alone() {
        anstream::eprintln!("{}", shown::verdict(&report));
    }
    answer(&args.output.json, &report, || shown::report(&report))?;
    Ok(Exit::of_run(
        report.verdict,
        report.verdict == Verdict::Pass,
    ))
}
