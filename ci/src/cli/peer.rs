//! The flags of `peer`.

use std::io;
use std::num::NonZero;
use std::thread::available_parallelism;

use clap::Args;

use super::Output;
use crate::peer::{Peer, Release, Request};

pub(super) const EXAMPLES: &str = "\
An unmodified kernel or hypervisor of Debian's boots with an early initrd. What it does must be \
what `blob explain` predicts by its rules, and what Muster does what it predicts by Muster's. \
Debian's packages are fetched below target/ and not installed.

Examples:
  muster peer linux
  muster peer xen --release bookworm
  muster peer linux intel-good amd-vendor --json
  muster peer xen --list";

/// The flags of `peer`.
#[derive(Debug, Args)]
pub struct PeerArgs {
    /// Which loader
    peer: Peer,
    /// The cases by their names; all of them without one
    #[arg(value_name = "CASE")]
    cases: Vec<String>,
    /// Debian's release that it is taken from
    #[arg(long, value_enum, default_value_t)]
    release: Release,
    /// How many cases are tried at a time; without it as many as there are cores
    #[arg(long, short, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Only list the cases
    #[arg(long)]
    pub list: bool,
    /// Make a case that is skipped an ERROR
    #[arg(long)]
    deny_skips: bool,
    /// What is written beside the screen.
    #[command(flatten)]
    pub output: Output,
}

impl PeerArgs {
    /// What is asked for. It fails where the number of cores cannot be had.
    pub fn request(&self) -> io::Result<Request> {
        Ok(Request {
            peer: self.peer,
            release: self.release,
            cases: self.cases.clone(),
            nr_jobs: self.jobs.map_or_else(available_parallelism, Ok)?.get(),
            deny_skips: self.deny_skips,
        })
    }
}
