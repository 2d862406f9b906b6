//! One run: microcode, image, machine, judgement, files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use jiff::Timestamp;

use crate::build::{self, Image};
use crate::firmware::{self, Delivery, Firmware};
use crate::judge::{Ending, Judgement, Stream, judge};
use crate::machine::Topology;
use crate::machine::qemu::Qemu;
use crate::provenance;
use crate::result::{Context, Files, Provenance, RunResult};
use crate::scenario::{self, Scenario, deny_skip};
use crate::tree::Tree;
use crate::verdict::Verdict;

/// Why there was no run to judge.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scenario is unsound.
    #[error(transparent)]
    Scenario(#[from] scenario::Error),
    /// There is no microcode as asked for.
    #[error(transparent)]
    Firmware(#[from] firmware::Error),
    /// The guest could not be built.
    #[error(transparent)]
    Build(#[from] build::Error),
    /// A file of the run could not be written or read, or QEMU not started.
    #[error("{}: {error}", path.display())]
    Io {
        /// The run's folder, or where it should be.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A run and where its files are.
#[derive(Clone, Debug)]
pub struct Run {
    /// The result, held against what the scenario declares.
    pub result: RunResult,
    /// The files.
    pub files: Files,
}

/// Runs a scenario and writes its files; `deny_skips` makes a skip that the
/// scenario does not declare an ERROR. The tools that a run needs are
/// [`crate::setup`]'s matter.
pub fn run(
    tree: &Tree,
    scenario: &Scenario,
    deny_skips: bool,
    progress: &ProgressBar,
) -> Result<Run, Error> {
    let topology = scenario.check()?;
    let kind = scenario.machine.kind;
    let started = Timestamp::now();
    let context = Context {
        scenario: scenario.name.clone(),
        machine: Some(kind),
        expected: scenario.expected(),
        firmware: None,
        ending: Ending::Unknown,
        accel: Some(scenario.machine.accel().to_owned()),
        started: Some(started.to_string()),
        seconds: 0.0,
        provenance: provenance::collect(tree.root(), kind),
    };
    let create = || {
        let runs = tree.runs();
        Files::create(&runs, &format!("{}-{kind}", scenario.name), started).map_err(at(&runs))
    };
    let (mut result, files) = if let Some(reason) = kind.unavailable() {
        (skipped(reason, context), create()?)
    } else {
        progress.set_message("choosing the microcode");
        let spec = &scenario.firmware;
        let cpu = &scenario.machine.cpu;
        let firmware = firmware::resolve(spec, cpu, &tree.firmware(), progress)?;
        let files = create()?;
        fs::write(files.initrd(), &firmware.initrd).map_err(at(files.dir()))?;
        progress.set_message("building the guest");
        let image = image(tree, scenario, &files)?;
        progress.set_message(format!("running {} on {kind}", scenario.name));
        let qemu = qemu(scenario, topology, &image, &firmware, &files);
        let context = Context {
            firmware: Some(firmware.record),
            provenance: Provenance {
                kernel: Some(image.kernel),
                toolchain: Some(image.toolchain),
                ..context.provenance
            },
            ..context
        };
        let timeout = scenario.machine.timeout();
        let result = boot(&qemu, timeout, &files, context).map_err(at(files.dir()))?;
        (result, files)
    };
    if deny_skips {
        deny_skip(&mut result);
    }
    scenario.review(&mut result);
    files
        .write(&result)
        .and_then(|()| files.link_as_last())
        .map_err(at(files.dir()))?;
    Ok(Run { result, files })
}

/// The result of a run that cannot take place here.
fn skipped(reason: String, context: Context) -> RunResult {
    let judgement = Judgement {
        verdict: Verdict::Skip,
        reason,
        stream: Stream::default(),
    };
    RunResult::new(&judgement, context)
}

/// Starts the machine, waits for its end, judges what it left behind.
fn boot(qemu: &Qemu, timeout: Duration, files: &Files, context: Context) -> io::Result<RunResult> {
    let begin = Instant::now();
    let ending = qemu.run(files, timeout)?;
    let context = Context {
        ending,
        seconds: begin.elapsed().as_secs_f64(),
        ..context
    };
    let logs = files.logs()?;
    Ok(RunResult::new(&judge(&logs.evidence(ending)), context))
}

fn image(tree: &Tree, scenario: &Scenario, files: &Files) -> Result<Image, build::Error> {
    let embedded = match scenario.firmware.delivery {
        Delivery::Embedded => Some(files.initrd()),
        Delivery::Module => None,
    };
    build::image(tree.root(), embedded.as_deref())
}

fn qemu(
    scenario: &Scenario,
    topology: Topology,
    image: &Image,
    firmware: &Firmware,
    files: &Files,
) -> Qemu {
    let machine = &scenario.machine;
    let patience_us = machine.kind.patience_us(topology.nr_cpus());
    Qemu {
        machine: machine.kind,
        accel: machine.accel().to_owned(),
        cpu: machine.cpu.clone(),
        revision: machine
            .revision
            .or_else(|| firmware.lowest_start(&machine.cpu)),
        topology,
        image: image.path.clone(),
        module: match scenario.firmware.delivery {
            Delivery::Embedded => None,
            Delivery::Module => Some(files.initrd()),
        },
        nr_initrd_bytes: firmware.initrd.len() as u64,
        command_line: scenario.guest.command_line(patience_us),
        extra: machine.qemu_args.clone(),
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |error| Error::Io { path, error }
}
