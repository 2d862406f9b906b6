//! Linux and Xen on the same CPU as Muster, with the same microcode: each does
//! what its profile predicts, and so does Muster. Xen tries every case; Linux,
//! which boots slower, those that differ most.
//!
//! Debian's packages are fetched below `target/`. Where they cannot be had, a
//! trial is shown as ignored with the reason; with `MUSTER_DENY_SKIPS=1` it
//! fails.

mod skips;

use std::process::ExitCode;
use std::thread::available_parallelism;

use indicatif::ProgressBar;
use libtest_mimic::{Arguments, Completion, Failed, Trial, run};
use muster::peer::{self, Peer, Release, Request, shown};
use muster::setup;
use muster::tree::Tree;
use muster::verdict::Verdict;

/// The cases that Linux tries.
const LINUX: [&str; 9] = [
    "intel-vendor",
    "intel-smt",
    "intel-older",
    "intel-signature",
    "intel-checksum",
    "intel-misaligned",
    "amd-vendor",
    "amd-unlisted",
    "amd-smt",
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each trial uses all cores by itself.
    arguments.test_threads = Some(1);
    let trials = [
        Trial::ignorable_test("xen_and_muster_do_as_predicted_in_every_case", || {
            compare(Peer::Xen, &[])
        }),
        Trial::ignorable_test("linux_and_muster_do_as_predicted", || {
            compare(Peer::Linux, &LINUX)
        }),
    ];
    run(&arguments, trials.into()).exit_code()
}

fn compare(peer: Peer, cases: &[&str]) -> Result<Completion, Failed> {
    setup::require(setup::Purpose::ModelRuns)?;
    let tree = Tree::find()?;
    let request = Request {
        peer,
        release: Release::default(),
        cases: cases.iter().map(ToString::to_string).collect(),
        nr_jobs: available_parallelism().map_or(1, Into::into),
        deny_skips: skips::are_denied(),
    };
    let report = peer::run(&tree, &request, &ProgressBar::hidden())?;
    match report.verdict {
        Verdict::Pass => Ok(Completion::Completed),
        Verdict::Skip => skips::skipped(report.reason),
        _ => Err(shown::report(&report).into()),
    }
}
