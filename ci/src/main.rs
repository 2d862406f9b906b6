//! The program `muster`: the library's verbs behind a command line.

#![forbid(unsafe_code)]

use std::panic::catch_unwind;
use std::process::ExitCode;

use clap::Parser;
use muster::cli::Cli;
use muster::exit::Exit;
use muster::verbs::{act, exit_of};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let exit = match catch_unwind(|| act(&cli.verb)) {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            eprintln!("muster: {error:#}");
            exit_of(&error)
        }
        // The panic has printed its message by now.
        Err(_) => {
            eprintln!("muster: this is a bug in Muster; please report it with the message above");
            Exit::Bug
        }
    };
    exit.into()
}
