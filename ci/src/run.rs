//! Runs: microcode, image, machine, judgement, files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use engine::Config;
use indicatif::ProgressBar;
use jiff::Timestamp;
use microcode::synth::{self, RaiseError};

use crate::build::{self, Library};
use crate::firmware::{self, Delivery, Firmware};
use crate::judge::{Ending, Judgement, Stream, judge};
use crate::machine::emulator::Emulator;
use crate::machine::qemu::{Plugin, Qemu};
use crate::machine::vmm::Vmm;
use crate::machine::{Machine, Payload, Topology};
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
    /// The microcode cannot be loaded more than once.
    #[error(
        "{error}: to load more than once, give a synthetic file (muster blob synth) with fewer \
         loads, or --force, which loads the same revision again"
    )]
    Repeat {
        /// Why.
        error: RaiseError,
    },
    /// The guest could not be built.
    #[error(transparent)]
    Build(Arc<build::Error>),
    /// No QEMU for CPUs that take updates.
    #[error("{0}")]
    Emulator(String),
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

/// What runs share: the checkout, and what of the guest is built once, when the
/// first run needs it.
#[derive(Debug)]
pub struct Runner {
    tree: Tree,
    library: Built<Library>,
    /// The image with an empty initrd.
    bare: Built<PathBuf>,
    /// The QEMU that takes the plugin, or why there is none.
    model: OnceLock<Result<Emulator, String>>,
    /// The KVM monitor.
    monitor: Built<PathBuf>,
}

type Built<T> = OnceLock<Result<T, Arc<build::Error>>>;

impl Runner {
    /// For runs of this checkout.
    #[must_use]
    pub const fn new(tree: Tree) -> Self {
        Self {
            tree,
            library: Built::new(),
            bare: Built::new(),
            model: OnceLock::new(),
            monitor: Built::new(),
        }
    }

    /// Runs a scenario and writes its files; `deny_skips` makes a skip that
    /// the scenario does not declare an ERROR. The tools that a run needs are
    /// [`crate::setup`]'s matter.
    pub fn run(
        &self,
        scenario: &Scenario,
        deny_skips: bool,
        progress: &ProgressBar,
    ) -> Result<Run, Error> {
        let topology = scenario.check()?;
        let scenario = &*scenario.with_host();
        let kind = scenario.machine.kind;
        let started = Timestamp::now();
        let context = self.context(scenario, started);
        let runs = self.tree.runs();
        let create = || {
            Files::create(&runs, &format!("{}-{kind}", scenario.name), started).map_err(at(&runs))
        };
        let (mut result, files) = if let Some(reason) = scenario.unavailable() {
            (unjudged(Verdict::Skip, reason, context), create()?)
        } else {
            self.take_place(scenario, topology, context, create, progress)?
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

    /// Makes what a scenario needs, boots its machine and judges it. The folder is
    /// created once there is microcode to put into it.
    fn take_place(
        &self,
        scenario: &Scenario,
        topology: Topology,
        context: Context,
        create: impl FnOnce() -> Result<Files, Error>,
        progress: &ProgressBar,
    ) -> Result<(RunResult, Files), Error> {
        let (spec, machine) = (&scenario.firmware, &scenario.machine);
        progress.set_message("choosing the microcode");
        let firmware = firmware::resolve(spec, &machine.cpu, &self.tree.firmware(), progress)?;
        can_repeat(scenario, &firmware)?;
        let files = create()?;
        let initrd = files.initrd();
        fs::write(&initrd, &firmware.initrd).map_err(at(files.dir()))?;
        progress.set_message("building the guest");
        let library = built(&self.library, || Library::compile(self.tree.root()))?;
        let (image, module) = match spec.delivery {
            Delivery::Embedded => {
                let image = library.link(Some(&initrd));
                let image = image.map_err(|error| Error::Build(error.into()))?;
                (image, None)
            }
            Delivery::Module => {
                let image = built(&self.bare, || library.link(None))?;
                (image.clone(), Some(initrd))
            }
        };
        progress.set_message(format!("running {} on {}", scenario.name, machine.kind));
        let model = firmware
            .kind(&machine.cpu, machine.revision, &machine.model)
            .map(|kind| machine.model.config(&kind, topology));
        let patience_us = machine.kind.patience_us(topology.nr_cpus());
        let payload = Payload {
            topology,
            image,
            module,
            nr_initrd_bytes: firmware.initrd.len() as u64,
            command_line: scenario.guest.command_line(patience_us, model.as_ref()),
        };
        let (started, version) = self.machine(scenario, &firmware, model, payload, progress)?;
        let context = Context {
            firmware: Some(firmware.record),
            provenance: Provenance {
                kernel: Some(library.kernel.clone()),
                toolchain: Some(library.toolchain.clone()),
                qemu: version,
                ..context.provenance
            },
            ..context
        };
        let result = boot(&started, machine.timeout(), &files, context).map_err(at(files.dir()))?;
        Ok((result, files))
    }

    /// The result of a scenario that could not be run: an ERROR, and not as
    /// declared even where an ERROR is.
    #[must_use]
    pub fn not_run(&self, scenario: &Scenario, error: &Error) -> RunResult {
        let context = self.context(scenario, Timestamp::now());
        let mut result = unjudged(Verdict::Error, error.to_string(), context);
        result.deviations = vec!["it could not be run".to_owned()];
        result
    }

    /// The machine of a scenario, and QEMU's version if it is QEMU's.
    fn machine(
        &self,
        scenario: &Scenario,
        firmware: &Firmware,
        model: Option<Config>,
        payload: Payload,
        progress: &ProgressBar,
    ) -> Result<(Started, Option<String>), Error> {
        let machine = &scenario.machine;
        if let (Machine::Kvm, Some(config)) = (machine.kind, &model) {
            let program = built(&self.monitor, || {
                build::monitor(&self.tree).map(|()| self.tree.monitor())
            })?;
            let vmm = Vmm {
                program: program.clone(),
                config: config.clone(),
                payload,
            };
            return Ok((Started::Vmm(Box::new(vmm)), None));
        }
        let (emulator, plugin) = self.emulator(machine.kind, progress)?;
        let version = emulator.version();
        let qemu = Qemu {
            emulator,
            machine: machine.kind,
            accel: machine.accel().to_owned(),
            cpu: machine.cpu.clone(),
            revision: machine
                .revision
                .or_else(|| firmware.lowest_start(&machine.cpu)),
            model: plugin
                .zip(model)
                .map(|(library, config)| Plugin { library, config }),
            is_bare: false,
            payload,
            extra: machine.qemu_args.clone(),
        };
        Ok((Started::Qemu(Box::new(qemu)), version))
    }

    /// The QEMU of a machine, and the plugin that it loads.
    pub fn emulator(
        &self,
        kind: Machine,
        progress: &ProgressBar,
    ) -> Result<(Emulator, Option<PathBuf>), Error> {
        if kind != Machine::Model {
            return Ok((Emulator::system(), None));
        }
        let model = self.model.get_or_init(|| {
            build::plugin(&self.tree).map_err(|error| error.to_string())?;
            let plugin = self.tree.plugin();
            Emulator::with_plugin(&plugin, &self.tree.qemu(), progress)
                .map_err(|missing| missing.to_string())
        });
        match model {
            Ok(emulator) => Ok((emulator.clone(), Some(self.tree.plugin()))),
            Err(why) => Err(Error::Emulator(why.clone())),
        }
    }

    fn context(&self, scenario: &Scenario, started: Timestamp) -> Context {
        let kind = scenario.machine.kind;
        Context {
            scenario: scenario.name.clone(),
            machine: Some(kind),
            expected: scenario.expected(),
            firmware: None,
            ending: Ending::Unknown,
            accel: Some(scenario.machine.accel().to_owned()),
            started: Some(started.to_string()),
            seconds: 0.0,
            provenance: provenance::collect(self.tree.root(), kind),
        }
    }
}

/// Whether there is a revision for each load that the guest shall make: it makes
/// them itself.
fn can_repeat(scenario: &Scenario, firmware: &Firmware) -> Result<(), Error> {
    let guest = &scenario.guest;
    match guest.repeat {
        Some(nr_rounds @ 2..) if !guest.force => {
            let raised = synth::raise(&mut firmware.initrd.clone(), nr_rounds - 1);
            raised.map_err(|error| Error::Repeat { error })
        }
        _ => Ok(()),
    }
}

/// What was built before, or is built now.
fn built<T>(
    place: &Built<T>,
    build: impl FnOnce() -> Result<T, build::Error>,
) -> Result<&T, Error> {
    let result = place.get_or_init(|| build().map_err(Arc::new));
    let result = result.as_ref();
    result.map_err(|error| Error::Build(Arc::clone(error)))
}

/// The result of a run that did not take place.
fn unjudged(verdict: Verdict, reason: String, context: Context) -> RunResult {
    let judgement = Judgement {
        verdict,
        reason,
        stream: Stream::default(),
        machine: Stream::default(),
    };
    RunResult::new(&judgement, context)
}

/// A machine that is started.
enum Started {
    Qemu(Box<Qemu>),
    Vmm(Box<Vmm>),
}

/// Starts the machine, waits for its end, judges what it left behind.
fn boot(
    machine: &Started,
    timeout: Duration,
    files: &Files,
    context: Context,
) -> io::Result<RunResult> {
    let begin = Instant::now();
    let ending = match machine {
        Started::Qemu(qemu) => qemu.run(files, timeout),
        Started::Vmm(vmm) => vmm.run(files, timeout),
    }?;
    let context = Context {
        ending,
        seconds: begin.elapsed().as_secs_f64(),
        ..context
    };
    let logs = files.logs()?;
    Ok(RunResult::new(&judge(&logs.evidence(ending)), context))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |error| Error::Io { path, error }
}
