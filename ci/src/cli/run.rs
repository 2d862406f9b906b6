//! The flags of `run`, and what they replace in a scenario.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, RangedI64ValueParser, TypedValueParser};
use clap::{Args, value_parser};
use rendezvous::{CallIn, Election, Name, Named, Nmi, OnHang, Order, Parked};

use super::Output;
use crate::guest::{DEADLINES_US, Fault, Hardware, ROUNDS};
use crate::machine::model::FaultPlan;
use crate::machine::{Cpu, Machine};
use crate::scenario::{self, Overrides};

pub(super) const HELP: &str = "\
A flag replaces the scenario's field. A flag that changes what is under test (--cpu, --firmware, \
--protocol, --offline, --parked, --force, --dry-run, --repeat, --fault, --faults) also voids what \
the scenario expects: then PASS (DONE for a dry run) is as expected, and SWALLOWED on machines that \
ignore the write.

Examples:
  muster run
  muster run --cpus 8 --threads 2
  muster run --cpu 0x000506e3 --firmware /lib/firmware/intel-ucode
  muster run --fault never-arrives:2 --json
  muster run --machine kvm-qemu --deny-skips
  muster run -- -d guest_errors";

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
    /// How long soft-offline CPUs are waited for
    #[arg(long, value_name = "US", value_parser = deadline(), requires = "offline")]
    offline_us: Option<u32>,
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
    #[arg(long, value_name = "N")]
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
            offline_us: self.offline_us,
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

fn rounds() -> RangedI64ValueParser<u32> {
    let (start, end) = (*ROUNDS.start(), *ROUNDS.end());
    value_parser!(u32).range(i64::from(start)..=i64::from(end))
}

pub(super) fn deadline() -> RangedI64ValueParser<u32> {
    let (start, end) = (*DEADLINES_US.start(), *DEADLINES_US.end());
    value_parser!(u32).range(i64::from(start)..=i64::from(end))
}

/// One of a closed list, by its name.
pub(super) fn choice<T: Named + Send + Sync>() -> impl TypedValueParser<Value = T> {
    let names = T::ALL.iter().map(|one| one.name());
    PossibleValuesParser::new(names).map(|name| T::from_name(&name).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Verb;
    use crate::cli::tests::parse;

    fn run_args(line: &str) -> RunArgs {
        match parse(line).unwrap().verb {
            Verb::Run(args) => *args,
            verb => panic!("{verb:?}"),
        }
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
