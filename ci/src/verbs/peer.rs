//! What the verb `peer` does.

use std::path::Path;

use anyhow::Context as _;

use super::{progress, say, write};
use crate::cli::{Output, PeerArgs};
use crate::exit::Exit;
use crate::peer::report::Report;
use crate::peer::{self, shown};
use crate::run::Runner;
use crate::setup::{self, Purpose};
use crate::tree::Tree;
use crate::verdict::Verdict;

/// Compares, or only lists what there is.
pub(super) fn act(args: &PeerArgs) -> anyhow::Result<Exit> {
    let request = args.request()?;
    let cases = peer::cases(&request.cases)?;
    if args.list {
        say(&shown::list(&cases));
        return Ok(Exit::Success);
    }
    let runner = Runner::new(Tree::find()?);
    setup::ensure(Purpose::Runs, &mut |step| eprintln!("muster: {step}"))?;
    let progress = progress();
    let report = peer::run(&runner, &request, &progress);
    progress.finish_and_clear();
    let report = report?;
    show(&report, &args.output)?;
    Ok(Exit::of_run(
        report.verdict,
        report.verdict == Verdict::Pass,
    ))
}

/// Prints a report; as JSON alone where that was asked for.
fn show(report: &Report, output: &Output) -> anyhow::Result<()> {
    if let Some(path) = &output.junit {
        let text = report
            .junit()
            .to_string()
            .context("the JUnit report cannot be written")?;
        write(path, &text)?;
    }
    if let Some(path) = &output.json.file {
        let text = serde_json::to_string_pretty(report)?;
        if path == Path::new("-") {
            say(&text);
            anstream::eprintln!("{}", shown::verdict(report));
            return Ok(());
        }
        write(path, &(text + "\n"))?;
    }
    say(&shown::report(report));
    Ok(())
}
