//! The flags of `bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};
use measure::native;
use rendezvous::{Name, Named};

use super::Json;
use super::run::choice;
use crate::bench::{Contender, contenders};
use crate::guest::Hardware;
use crate::machine::Machine;

pub(super) const HELP: &str = "\
What a rendezvous costs, part by part, by each protocol, and how that grows. Every figure says \
which stage it is from:

  guest         the unikernel in a virtual machine (--machine)
  native        the same protocols on pinned threads of this host, against barriers and against \
the time that a cache line takes from one CPU to another
  simulated     the same protocols in virtual time, by a stated model of what caches cost
  instructions  guest instructions of one request, the same in every run of one image

Protocols take turns, so that what else happens on the host hits all alike. Everything lies in \
target/muster/bench-<time>: metrics.json with each value, report.html with plots, trace.json for \
Perfetto.

Examples:
  muster bench
  muster bench native --passes 20 --loads 1000
  muster bench simulated --cpus 2,64,4096 --threads 2 --packages 2
  muster bench guest --machine kvm --hardware engine --load-us 500
  muster bench instructions --cpus 2,64 --protocol linux --json";

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The unikernel in a virtual machine.
    Guest,
    /// Threads of this host.
    Native,
    /// Virtual time.
    Simulated,
    /// Guest instructions.
    Instructions,
}

/// The flags of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What to measure; all of it without it
    #[arg(value_name = "STAGE", value_enum, hide_possible_values = true)]
    parts: Vec<Part>,
    /// Numbers of CPUs; without it each stage has its own
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        value_parser = value_parser!(u32).range(2..=4096)
    )]
    pub cpus: Vec<u32>,
    /// Threads of each core, of guests and simulated machines
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=4096))]
    pub threads: Option<u32>,
    /// Packages, likewise
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=4096))]
    pub packages: Option<u32>,
    /// Rendezvous protocols; without it all of them, and this project's own for the
    /// instructions
    #[arg(long = "protocol", value_name = "NAME,…", value_delimiter = ',', value_parser = choice::<Name>())]
    protocols: Vec<Name>,
    /// How often guests are booted and threads are started anew; without it each stage has
    /// its own
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1000))]
    pub passes: Option<u32>,
    /// How often each protocol loads each time; without it each stage has its own, and
    /// instructions are always those of 50
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub loads: Option<u32>,
    /// How long each modelled write takes
    #[arg(long, value_name = "US", default_value_t = 0, value_parser = value_parser!(u32).range(..=1_000_000))]
    pub load_us: u32,
    /// What stands behind the guest's CPUs
    #[arg(long, default_value_t)]
    pub machine: Machine,
    /// What takes the guest's writes
    #[arg(long, value_enum, default_value_t)]
    pub hardware: Hardware,
    /// What the simulated machines' chances are drawn from
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// What caches cost the simulated machines: a TOML file that replaces some of the
    /// model's numbers
    #[arg(long, value_name = "FILE")]
    pub costs: Option<PathBuf>,
    /// Microcode for the instructions: a file or initrd as it is, or a folder to
    /// choose from
    #[arg(long, value_name = "PATH")]
    pub firmware: Option<PathBuf>,
    /// Where JSON goes.
    #[command(flatten)]
    pub json: Json,
}

impl BenchArgs {
    /// Whether it is to be measured.
    #[must_use]
    pub fn has(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    /// On so many CPUs; `own` where nobody says.
    #[must_use]
    pub fn cpus_or(&self, own: &[u32]) -> Vec<u32> {
        match self.cpus[..] {
            [] => own.to_vec(),
            _ => self.cpus.clone(),
        }
    }

    /// The protocols with their options.
    #[must_use]
    pub fn contenders(&self) -> Vec<Contender> {
        let is_asked = |name| self.protocols.is_empty() || self.protocols.contains(&name);
        contenders().filter(|one| is_asked(one.0)).collect()
    }

    /// Whether a contender on this host's threads is asked for: without a protocol
    /// all are, barriers too.
    #[must_use]
    pub fn asks_for(&self, contender: native::Contender) -> bool {
        self.protocols.is_empty()
            || self
                .protocols
                .iter()
                .any(|protocol| protocol.name() == contender.name())
    }

    /// The protocols whose instructions are counted: this project's own where nobody says.
    #[must_use]
    pub fn protocols(&self) -> &[Name] {
        match self.protocols[..] {
            [] => &[Name::Muster],
            _ => &self.protocols,
        }
    }
}
