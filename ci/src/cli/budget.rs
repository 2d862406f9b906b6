//! The flags of `budget`.

use std::path::PathBuf;

use clap::{Args, value_parser};
use measure::budget::Limit;
use measure::simulated::MOST_CPUS;
use rendezvous::Name;

use super::Json;
use super::run::{choice, deadline};

pub(super) const HELP: &str = "\
How long a load may hold a machine up: at the worst, by the time-outs of its protocol with the \
reasons, and as is to be expected, simulated by the cost model of `muster bench simulated`. Limits \
are what else of the machine is patient for so long; the exit code is 5 where one is broken at the \
worst.

Examples:
  muster budget --cpus 64
  muster budget --cpus 256 --threads 2 --packages 2 --load-us 2000 --limit watchdog=20s \
--limit storage=30s
  muster budget --cpus 64 --protocol muster,xen-v5 --callin-us 30000 --json";

/// The flags of `budget`.
#[derive(Debug, Args)]
pub struct BudgetArgs {
    /// Number of CPUs, all threads counted
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=i64::from(MOST_CPUS)))]
    pub cpus: u32,
    /// Threads of each core
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: u32,
    /// Packages
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub packages: u32,
    /// How long each write takes
    #[arg(long, value_name = "US", default_value_t = 1000)]
    pub load_us: u64,
    /// Whether each thread writes, as on AMD's CPUs
    #[arg(long)]
    pub amd: bool,
    /// Rendezvous protocols; all of them without it
    #[arg(long = "protocol", value_name = "NAME,…", value_delimiter = ',', value_parser = choice::<Name>())]
    pub protocols: Vec<Name>,
    /// How long the CPUs are waited for at the gate; the protocol's own without it
    #[arg(long, value_name = "US", value_parser = deadline())]
    pub callin_us: Option<u32>,
    /// How long a load may take, likewise
    #[arg(long, value_name = "US", value_parser = deadline())]
    pub update_us: Option<u32>,
    /// What else is patient for so long, such as watchdog=20s (repeatable)
    #[arg(long = "limit", value_name = "NAME=TIME")]
    pub limits: Vec<Limit>,
    /// What caches cost: a TOML file that replaces some of the model's numbers
    #[arg(long, value_name = "FILE")]
    pub costs: Option<PathBuf>,
    /// Where JSON goes.
    #[command(flatten)]
    pub json: Json,
}
