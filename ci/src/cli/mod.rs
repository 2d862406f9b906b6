//! The command line: verbs and flags, without what they do.

mod blob;
mod peer;
mod suite;

pub use blob::{BlobVerb, ExplainArgs};
pub use peer::PeerArgs;
pub use suite::SuiteArgs;

use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, RangedI64ValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, value_parser};
use clap_complete::Shell;
use rendezvous::{CallIn, Election, Name, Named, Nmi, OnHang, Order, Parked};

use crate::guest::{DEADLINES_US, Fault, Hardware, ROUNDS};
use crate::machine::model::FaultPlan;
use crate::machine::{Cpu, Machine};
use crate::scenario::{self, Overrides};

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
    #[command(
        after_help = "A flag replaces the scenario's field. A flag that changes what is under test \
                      (--cpu, --firmware, --protocol, --force, --dry-run, --repeat, --fault, --faults) also voids what the scenario expects: \
                      then PASS (DONE for a dry run) is as expected, and SWALLOWED on machines that ignore the \
                      write.\n\nExamples:\n  muster run\n  muster run --cpus 8 --threads 2\n  \
                      muster run --cpu 0x000506e3 --firmware /lib/firmware/intel-ucode\n  \
                      muster run --fault never-arrives:2 --json\n  \
                      muster run --machine kvm-qemu --deny-skips\n  \
                      muster run -- -d guest_errors"
    )]
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

/// The flags of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A scenario of images/scenarios by its name, or a .toml file
    #[arg(default_value = scenario::DEFAULT)]
    pub scenario: String,
    /// What stands behind the guest's CPUs
    #[arg(long)]
    machine: Option<Machine>,
    /// Number of CPUs, all threads counted
    #[arg(long, value_name = "N")]
    cpus: Option<u32>,
    /// Threads a core
    #[arg(long, value_name = "T")]
    threads: Option<u32>,
    /// Packages
    #[arg(long, value_name = "P")]
    packages: Option<u32>,
    /// The CPU: CPUID leaf 1 EAX such as 0x000506e3, or a QEMU model
    #[arg(long, value_name = "SIGNATURE|MODEL")]
    cpu: Option<Cpu>,
    /// QEMU's accelerator with options, such as tcg,thread=single
    #[arg(long, value_name = "QEMU-ACCEL")]
    accel: Option<String>,
    /// Microcode: a file or initrd as it is, or a folder to choose from
    #[arg(long, value_name = "PATH")]
    firmware: Option<PathBuf>,
    /// The rendezvous protocol: this project's own, or a peer's
    #[arg(long, value_parser = choice::<Name>())]
    protocol: Option<Name>,
    /// How the CPUs announce themselves
    #[arg(long, value_parser = choice::<CallIn>())]
    call_in: Option<CallIn>,
    /// Which thread of a core writes first
    #[arg(long, value_parser = choice::<Election>())]
    election: Option<Election>,
    /// Which cores write when: all at once, one after another, or the control
    /// CPU's alone first
    #[arg(long, value_parser = choice::<Order>())]
    order: Option<Order>,
    /// What becomes of NMIs while CPUs are stopped: their handler runs, they are
    /// held while their core loads, or the CPUs are called in by NMI
    #[arg(long, value_parser = choice::<Nmi>())]
    nmi: Option<Nmi>,
    /// CPUs that are soft-offline, such as 1,3
    #[arg(long, value_name = "CPUS", value_delimiter = ',')]
    offline: Vec<u32>,
    /// What is done about them where a sibling is to load: they are called by NMI
    /// and held, or their core is refused
    #[arg(long, value_parser = choice::<Parked>(), requires = "offline")]
    parked: Option<Parked>,
    /// What becomes of a machine of which a CPU does not come back in time
    #[arg(long, value_parser = choice::<OnHang>())]
    on_hang: Option<OnHang>,
    /// How long the CPUs are waited for at the gate; emulated ones need more than
    /// the 30 000 µs of real ones, and get it without this flag
    #[arg(long, value_name = "US", value_parser = deadline())]
    callin_us: Option<u32>,
    /// How long a load may take
    #[arg(long, value_name = "US", value_parser = deadline())]
    update_us: Option<u32>,
    /// Load the same or an older revision too
    #[arg(long)]
    force: bool,
    /// Stop after the plan: every check and every reason, and nobody is stopped or
    /// written to
    #[arg(long)]
    dry_run: bool,
    /// Load so often in one boot: each time a synthetic update with the next
    /// revision, or with --force the same again
    #[arg(long, value_name = "N", value_parser = rounds(), conflicts_with = "dry_run")]
    repeat: Option<u32>,
    /// Start only so many CPUs at boot; the others come online when the loads are
    /// done, with what these have proven
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    online: Option<u32>,
    /// Make something go wrong in the first load: never-arrives:CPU, late:CPU:US,
    /// gp-fault:CPU, unquiet:CPU, dead:CPU, nmi-storm:CPU, disturb, panic, exception,
    /// hang (repeatable)
    #[arg(long = "fault", value_name = "KIND[:CPU]")]
    faults: Vec<Fault>,
    /// What takes the write: the CPU's registers, or a model within the guest
    #[arg(long)]
    hardware: Option<Hardware>,
    /// A fault plan: what goes wrong in CPUs that take updates
    #[arg(long = "faults", value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// How long the guest may take
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// Make a run that is skipped an ERROR
    #[arg(long)]
    pub deny_skips: bool,
    /// What is written beside the screen.
    #[command(flatten)]
    pub output: Output,
    /// Further arguments of QEMU
    #[arg(last = true, value_name = "QEMU ARGS")]
    qemu_args: Vec<String>,
}

fn rounds() -> RangedI64ValueParser<u32> {
    let (start, end) = (*ROUNDS.start(), *ROUNDS.end());
    value_parser!(u32).range(i64::from(start)..=i64::from(end))
}

fn deadline() -> RangedI64ValueParser<u32> {
    let (start, end) = (*DEADLINES_US.start(), *DEADLINES_US.end());
    value_parser!(u32).range(i64::from(start)..=i64::from(end))
}

/// One of a closed list, by its name.
fn choice<T: Named + Send + Sync>() -> impl TypedValueParser<Value = T> {
    let names = T::ALL.iter().map(|one| one.name());
    PossibleValuesParser::new(names).map(|name| T::from_name(&name).unwrap_or_default())
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

impl RunArgs {
    /// What replaces the scenario's fields.
    pub fn overrides(&self) -> Result<Overrides, scenario::Error> {
        let plan = self.plan.as_deref().map(FaultPlan::read).transpose()?;
        Ok(Overrides {
            machine: self.machine,
            cpus: self.cpus,
            threads: self.threads,
            packages: self.packages,
            cpu: self.cpu.clone(),
            accel: self.accel.clone(),
            firmware: self.firmware.clone(),
            protocol: self.protocol,
            call_in: self.call_in,
            election: self.election,
            order: self.order,
            nmi: self.nmi,
            offline: self.offline.clone(),
            parked: self.parked,
            on_hang: self.on_hang,
            callin_us: self.callin_us,
            update_us: self.update_us,
            force: self.force,
            dry_run: self.dry_run,
            repeat: self.repeat,
            online: self.online,
            hardware: self.hardware,
            faults: self.faults.clone(),
            plan,
            timeout_s: self.timeout,
            qemu_args: self.qemu_args.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    fn run_args(line: &str) -> RunArgs {
        match parse(line).unwrap().verb {
            Verb::Run(args) => *args,
            verb => panic!("{verb:?}"),
        }
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
                parse(&format!("muster {line}")).unwrap();
                nr_examples += 1;
            }
        }
        assert!(nr_examples > 10);
    }

    #[test]
    fn run_without_a_scenario_is_the_default_one() {
        let args = run_args("muster run -- -d int");
        assert_eq!(args.scenario, "default");
        assert_eq!(args.overrides().unwrap().qemu_args, ["-d", "int"]);
    }

    #[test]
    fn json_takes_a_file_only_after_an_equals_sign() {
        let args = run_args("muster run --json smt");
        assert_eq!(args.scenario, "smt");
        assert_eq!(args.output.json.file, Some("-".into()));
        let args = run_args("muster run --json=x.json");
        assert_eq!(args.output.json.file, Some("x.json".into()));
    }

    #[test]
    fn what_cannot_be_is_refused_by_the_flag() {
        for line in [
            "--cpu 0xzz",
            "--fault fire",
            "--machine cray",
            "--protocol other",
            "--order backwards",
            "--callin-us 0",
            "--repeat 0",
            "--online 0",
            "--repeat 1000001",
            "--repeat 2 --dry-run",
            "--fault late:1",
            "--nmi sometimes",
            "--parked refuse",
            "--update-us 600000001",
        ] {
            assert!(parse(&format!("muster run {line}")).is_err(), "{line}");
        }
    }
}
