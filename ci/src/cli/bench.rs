//! The flags of `bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand, value_parser};
use rendezvous::Name;

use super::Json;
use super::run::choice;
use crate::bench::instructions::CPUS;
use crate::scenario::Overrides;

/// What is measured.
#[derive(Debug, Subcommand)]
pub enum BenchVerb {
    /// Count the guest's instructions of one request
    #[command(
        after_help = "The same image gives the same counts: QEMU counts instructions as time, and \
                      runs all CPUs in turns. \"request\" is all of it, from the first look at the \
                      microcode to the last CPU's verified revision; \"stopped\" the part from the \
                      first CPU with interrupts off to the last with interrupts on.\n\n\
                      Examples:\n  muster bench instructions\n  \
                      muster bench instructions --cpus 2,64 --protocol linux --json"
    )]
    Instructions(InstructionsArgs),
}

/// The flags of `bench instructions`.
#[derive(Debug, Args)]
pub struct InstructionsArgs {
    /// Numbers of CPUs
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        value_parser = value_parser!(u32).range(2..=255)
    )]
    cpus: Vec<u32>,
    /// Microcode: a file or initrd as it is, or a folder to choose from
    #[arg(long, value_name = "PATH")]
    firmware: Option<PathBuf>,
    /// The rendezvous protocol
    #[arg(long, value_parser = choice::<Name>())]
    protocol: Option<Name>,
    /// Where JSON goes.
    #[command(flatten)]
    pub json: Json,
}

impl InstructionsArgs {
    /// On how many CPUs.
    #[must_use]
    pub fn cpus(&self) -> &[u32] {
        match self.cpus[..] {
            [] => &CPUS,
            _ => &self.cpus,
        }
    }

    /// With what.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            firmware: self.firmware.clone(),
            protocol: self.protocol,
            ..Overrides::default()
        }
    }
}
