//! What the verb `bench` does.

use indicatif::{ProgressBar, ProgressStyle};
use measure::native::{self, NativeError};
use measure::simulated::{self, simulate};

use super::budget::{cores, costs};
use super::{answer, progress, purpose, say};
use crate::bench::guest::Setting;
use crate::bench::report::Report;
use crate::bench::{guest, instructions};
use crate::cli::{BenchArgs, Part};
use crate::exit::Exit;
use crate::machine::Topology;
use crate::provenance;
use crate::scenario::Overrides;
use crate::setup::{self, Purpose};
use crate::tree::Tree;

/// How often threads are started on this host, loads of each contender each time, and
/// those before that are not measured.
const NATIVE_PASSES: u32 = 10;
const NATIVE_LOADS: u32 = 500;
const NATIVE_WARM_UP: u32 = 50;

/// Numbers of CPUs that are simulated where nobody says, their threads a core, and
/// loads of each.
const SIMULATED_CPUS: [u32; 10] = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
const SIMULATED_THREADS: u32 = 2;
const SIMULATED_LOADS: u32 = 15;
/// As many CPUs as a single load is shown of.
const MOST_SHOWN: u32 = 16;

/// Numbers of CPUs of guests where nobody says, boots of each, and loads of each boot.
const GUEST_CPUS: [u32; 2] = [2, 4];
const GUEST_BOOTS: u32 = 5;
const GUEST_LOADS: u32 = 60;

pub(super) fn act(args: &BenchArgs) -> anyhow::Result<Exit> {
    check(args)?;
    let tree = Tree::find()?;
    let mut report = Report::new(&provenance::collect(tree.root(), args.machine));
    let progress = progress();
    if args.has(Part::Guest) {
        measure_guests(args, &tree, &mut report, &progress)?;
    }
    if args.has(Part::Native) {
        measure_natively(args, &mut report, &progress)?;
    }
    if args.has(Part::Simulated) {
        simulate_all(args, &mut report, &progress)?;
    }
    let mut counted = None;
    if args.has(Part::Instructions) {
        ensure(Purpose::ModelRuns)?;
        progress.set_style(ProgressStyle::default_spinner());
        let overrides = Overrides {
            firmware: args.firmware.clone(),
            ..Overrides::default()
        };
        let cpus = args.cpus_or(&instructions::CPUS);
        let counts = instructions::count(&tree, &cpus, args.protocols(), &overrides, &progress)?;
        counted = Some(counts.shown());
        report.metrics.series.extend(counts.series);
    }
    progress.finish_and_clear();
    let dir = report.write(&tree.runs())?;
    let tables = || {
        let spans = report.shown();
        let tables = spans.into_iter().chain(counted);
        tables.collect::<Vec<_>>().join("\n\n")
    };
    answer(&args.json, &report.metrics, tables)?;
    if !args.json.is_alone() {
        say(&format!("files: {}", Tree::shown(&dir)));
    }
    Ok(if report.metrics.series.is_empty() {
        Exit::NothingRan
    } else {
        Exit::Success
    })
}

/// Whether the flags make sense, before anything is measured by them.
fn check(args: &BenchArgs) -> anyhow::Result<()> {
    if args.has(Part::Simulated) {
        costs(args.costs.as_deref())?;
        for nr_cpus in args.cpus_or(&SIMULATED_CPUS) {
            cores(nr_cpus, simulated_threads(args), args.packages.unwrap_or(1))?;
        }
    }
    if args.has(Part::Guest) {
        for nr_cpus in args.cpus_or(&GUEST_CPUS) {
            Topology::new(
                nr_cpus,
                args.threads.unwrap_or(1),
                args.packages.unwrap_or(1),
            )?;
        }
    }
    Ok(())
}

fn simulated_threads(args: &BenchArgs) -> u32 {
    args.threads.unwrap_or(SIMULATED_THREADS)
}

fn ensure(purpose: Purpose) -> anyhow::Result<()> {
    setup::ensure(purpose, &mut |step| eprintln!("muster: {step}"))?;
    Ok(())
}

fn measure_guests(
    args: &BenchArgs,
    tree: &Tree,
    report: &mut Report,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    let setting = Setting {
        machine: args.machine,
        contenders: args.contenders(),
        cpus: args.cpus_or(&GUEST_CPUS),
        threads: args.threads.unwrap_or(1),
        packages: args.packages.unwrap_or(1),
        hardware: args.hardware,
        load_us: args.load_us,
        nr_loads: args.loads.unwrap_or(GUEST_LOADS),
        nr_boots: args.passes.unwrap_or(GUEST_BOOTS),
    };
    let most = setting.cpus.iter().copied().max().unwrap_or_default();
    let topology = Topology::new(most, setting.threads, setting.packages)?;
    if let Some(lack) = setting.machine.unavailable(topology) {
        report.note(format!("guests on {}: {lack}", setting.machine));
        return Ok(());
    }
    ensure(purpose(setting.machine))?;
    progress.set_style(ProgressStyle::with_template(
        "{bar:20} {pos} of {len} boots, {msg}",
    )?);
    progress.set_length(setting.nr_boots_of_all());
    for measured in guest::measure(tree, &setting, progress)? {
        report.made_by(setting.machine, setting.hardware, &measured.provenance);
        let is_shown = measured.dimensions.cpus == most;
        report.add(&measured.boots, &measured.dimensions, is_shown);
    }
    Ok(())
}

fn simulate_all(
    args: &BenchArgs,
    report: &mut Report,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    let costs = costs(args.costs.as_deref())?;
    let cpus = args.cpus_or(&SIMULATED_CPUS);
    let contenders = args.contenders();
    progress.set_style(ProgressStyle::with_template(
        "{bar:20} {pos} of {len}, {msg}",
    )?);
    progress.set_position(0);
    progress.set_length((cpus.len() * contenders.len()) as u64);
    progress.set_message("simulating");
    let nr_loads = args.loads.unwrap_or(SIMULATED_LOADS);
    let fit = cpus
        .iter()
        .copied()
        .filter(|&nr_cpus| nr_cpus <= MOST_SHOWN);
    let shown = fit.max().unwrap_or_default();
    for nr_cpus in cpus {
        let threads = simulated_threads(args);
        let packages = args.packages.unwrap_or(1);
        let nr_cores = cores(nr_cpus, threads, packages)?;
        for &(protocol, call_in, election) in &contenders {
            let mut setting = simulated::Setting::new(protocol, packages, nr_cores, threads)?;
            setting.options.call_in = call_in;
            setting.options.election = election;
            setting.load_us = args.load_us.into();
            setting.costs = costs.clone();
            setting.seed = args.seed;
            let loads = simulate(&setting, nr_loads)?;
            report.add(&[loads], &setting.dimensions(), nr_cpus == shown);
            progress.inc(1);
        }
    }
    Ok(())
}

fn measure_natively(
    args: &BenchArgs,
    report: &mut Report,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    let usable = match native::cpus::usable() {
        Ok(usable) if usable.len() > 1 => u32::try_from(usable.len()).unwrap_or(u32::MAX),
        Ok(_) => {
            report.note(format!("native: {}", NativeError::OneCpu));
            return Ok(());
        }
        Err(lack) => {
            report.note(format!("native: {lack}"));
            return Ok(());
        }
    };
    let is_asked = |one: &native::Contender| args.asks_for(*one);
    let contenders: Vec<_> = native::Contender::all()
        .into_iter()
        .filter(is_asked)
        .collect();
    let asked = args.cpus_or(&[usable]);
    let (cpus, beyond): (Vec<_>, Vec<_>) = asked.into_iter().partition(|&cpus| cpus <= usable);
    if !beyond.is_empty() {
        let numbers: Vec<_> = beyond.iter().map(ToString::to_string).collect();
        report.note(format!(
            "native on {} CPUs: this process may use {usable}",
            numbers.join(", ")
        ));
    }
    progress.set_style(ProgressStyle::with_template(
        "{bar:20} {pos} of {len} loads, {msg}",
    )?);
    progress.set_message("on this host's threads");
    let most = cpus.iter().copied().max();
    for nr_cpus in cpus {
        let setting = native::Setting {
            contenders: contenders.clone(),
            nr_cpus,
            nr_passes: args.passes.unwrap_or(NATIVE_PASSES),
            nr_iterations: args.loads.unwrap_or(NATIVE_LOADS),
            load_us: args.load_us.into(),
            nr_warm_up: NATIVE_WARM_UP,
        };
        let measured = native::run(&setting, &mut |nr_over, nr_all| {
            progress.set_length(nr_all.into());
            progress.set_position(nr_over.into());
        })?;
        if Some(nr_cpus) == most {
            report.metrics.clock = Some(serde_json::to_value(&measured.clock)?);
        }
        report.metrics.series.extend(measured.series);
        for sentence in measured.not_measured {
            report.note(format!("native on {nr_cpus} CPUs: {sentence}"));
        }
        // Counters that are no clock have no moments to show beside each other.
        if measured.clock.invariant && measured.clock.synchronised {
            for (_, dimensions, passes) in &measured.contenders {
                report.show(passes, dimensions);
            }
        }
    }
    Ok(())
}
