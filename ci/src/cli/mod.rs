//! The command line: verbs and flags, without what they do.

mod bench;
mod blob;
mod budget;
mod compare;
mod peer;
mod run;
mod suite;

pub use bench::{BenchArgs, Part};
pub use blob::{BlobVerb, ExplainArgs};
pub use budget::BudgetArgs;
pub use compare::CompareArgs;
pub use peer::PeerArgs;
pub use run::RunArgs;
pub use suite::SuiteArgs;

use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// Loads CPU microcode on all cores of a virtual machine in lock-step and
/// says what each core did.
#[derive(Debug, Parser)]
#[command(
    name = "muster",
    version,
    arg_required_else_help = true,
    after_help = "Examples:\n  muster run\n  muster run --cpus 8 --firmware 06-55-04\n\n\
                  Exit codes: 0 all as expected, 1 a bug in Muster, 2 usage, 3 nothing ran,\n\
                  4 ERROR, 5 FAIL or SWALLOWED, 6 CRASH, 7 TIMEOUT"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Install what runs need, after saying what and why
    #[command(
        after_help = "`run` does this by itself unless MUSTER_NO_SETUP=1 is set.\n\nExample:\n  \
                      muster setup"
    )]
    Setup {
        /// Also what the checks of development need
        #[arg(long)]
        development: bool,
    },
    /// Check what runs need, and print the command for each missing piece
    #[command(after_help = "Example:\n  muster doctor")]
    Doctor,
    /// Lint what is compiled for the guest alone (development)
    #[command(after_help = "Example:\n  muster lint")]
    Lint,
    /// Fuzz whatever reads foreign bytes, within a bound (development)
    #[command(
        after_help = "Without a bound each target runs 10 seconds. Inputs that showed something \
                      new are kept below target/fuzz/corpus, and the next run starts from them. \
                      Exit code 5 means that an input was found which breaks something.\n\n\
                      Examples:\n  muster fuzz\n  muster fuzz judge --seconds 600\n  \
                      muster fuzz --runs 12500000 -j 2"
    )]
    Fuzz {
        /// Which target; all of them without it
        target: Option<String>,
        /// How long each target runs
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        seconds: Option<u32>,
        /// How many inputs each target runs
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        runs: Option<u32>,
        /// How many targets run at a time; without it as many as there are cores
        #[arg(long, short, value_name = "N")]
        jobs: Option<NonZero<usize>>,
    },
    /// Build the guest, boot it, load, judge, and print the table of CPUs
    #[command(after_help = run::HELP)]
    Run(Box<RunArgs>),
    /// Run many scenarios, several at a time, a line each
    #[command(after_help = suite::HELP)]
    Suite(SuiteArgs),
    /// Judge a saved run again
    #[command(
        after_help = "Examples:\n  muster replay target/muster/last\n  muster replay console.log"
    )]
    Replay {
        /// A run's folder, or a console log
        log: PathBuf,
        /// What is written beside the screen.
        #[command(flatten)]
        output: Output,
    },
    /// Look at, judge, pack and make microcode files
    #[command(
        arg_required_else_help = true,
        after_help = "Examples:\n  muster blob list /lib/firmware\n  \
                      muster blob explain --cpu host"
    )]
    Blob {
        /// What to do.
        #[command(subcommand)]
        verb: BlobVerb,
    },
    /// Measure what a rendezvous costs, part by part
    #[command(after_help = bench::HELP)]
    Bench(Box<BenchArgs>),
    /// How long a load may hold a machine up, at the worst and as expected
    #[command(after_help = budget::HELP)]
    Budget(BudgetArgs),
    /// Say what became slower from one measurement or revision to another
    #[command(after_help = compare::HELP)]
    Compare(CompareArgs),
    /// Boot another loader with the same microcode on the same CPU, and compare
    #[command(after_help = peer::EXAMPLES)]
    Peer(PeerArgs),
    /// Print the completions of a shell
    #[command(after_help = "Example:\n  muster completions bash > \
                      ~/.local/share/bash-completion/completions/muster")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page of the program, or of one verb
    #[command(after_help = "Example:\n  muster man run | man -l -")]
    Man {
        /// Which verb
        verb: Option<String>,
    },
}

/// Where results go beside the screen.
#[derive(Debug, Args)]
pub struct Output {
    /// Where JSON goes.
    #[command(flatten)]
    pub json: Json,
    /// Write the report in `JUnit` form to a file
    #[arg(
        long,
        value_name = "FILE",
        help = "Write the report in JUnit form to a file"
    )]
    pub junit: Option<PathBuf>,
}

/// The flag `--json`.
#[derive(Debug, Args)]
pub struct Json {
    /// Print JSON instead of text, or write it to a file
    #[arg(
        long = "json",
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "-"
    )]
    pub file: Option<PathBuf>,
}

impl Json {
    /// Whether JSON is all that the standard output gets.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.file.as_deref() == Some(Path::new("-"))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    pub(super) fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_is_sound_and_every_verb_has_an_example() {
        let command = Cli::command();
        command.clone().debug_assert();
        let blob = command.find_subcommand("blob").unwrap();
        let verbs = command.get_subcommands().map(|verb| ("", verb));
        let verbs = verbs.chain(blob.get_subcommands().map(|verb| ("blob ", verb)));
        for (prefix, verb) in verbs {
            let help = verb
                .get_after_help()
                .expect("every verb has one")
                .to_string();
            let example = format!("  muster {prefix}{}", verb.get_name());
            assert!(help.contains(&example), "{help}");
        }
    }

    #[test]
    fn the_examples_in_the_help_are_valid_command_lines() {
        let command = Cli::command();
        let helps = command
            .get_subcommands()
            .flat_map(|verb| verb.get_subcommands().chain([verb]))
            .chain([&command])
            .filter_map(|command| command.get_after_help())
            .map(ToString::to_string);
        let mut nr_examples = 0;
        for help in helps {
            for line in help
                .lines()
                .filter_map(|line| line.strip_prefix("  muster "))
            {
                let line = line.split(['|', '>']).next().unwrap();
                let words = shlex::split(line).unwrap();
                let words = std::iter::once("muster").chain(words.iter().map(String::as_str));
                Cli::try_parse_from(words).unwrap();
                nr_examples += 1;
            }
        }
        assert!(nr_examples > 10);
    }
}
