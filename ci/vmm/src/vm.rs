//! The whole machine: made, run, and waited for.

use std::ffi::{c_int, c_void};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use engine::{Engine, LateLoad, msr};
use kvm_bindings::KVM_MAX_CPUID_ENTRIES;
use kvm_ioctls::{Kvm, VmFd};
use report::record;
use stand_in::{StandIn, Topology, TopologyError};
use vmm_sys_util::signal::{Killable, SIGRTMIN, register_signal_handler};

use crate::boot::{self, BootError};
use crate::cpuid::Answers;
use crate::devices::{CONSOLE_BYTES, CONSOLE_IRQ, Capped, Devices, Ended};
use crate::image::{self, ImageError, Loaded};
use crate::kvm::{self, KvmError};
use crate::memory::{DEVICES, Memory, MemoryError};
use crate::options::Options;
use crate::vcpu::{Exits, Machine, Stop, Vcpu};

/// What this is, in the machine's log.
const KIND: &str = "kvm-monitor";
/// How long CPUs are given to say where they are.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why there is no machine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The CPUs' file.
    #[error(transparent)]
    Cpus(#[from] stand_in::ConfigurationError),
    /// Their arrangement.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// KVM.
    #[error(transparent)]
    Kvm(#[from] KvmError),
    /// Memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// What the guest is told.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The host has no thread for a CPU.
    #[error("the host starts no thread for a CPU ({0}): give fewer CPUs")]
    Thread(io::Error),
    /// A log cannot be written.
    #[error("{}: {error}", path.display())]
    Log {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// How the machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The guest ended it.
    Ended(Ended),
    /// A CPU crashed: what happened.
    Crashed(String),
    /// Time was over: where its CPUs were.
    TimedOut(Vec<String>),
}

/// Runs a machine to its end. Its CPUs' threads are left to the process's end.
pub fn run(options: &Options, began: Instant) -> Result<End, Error> {
    let engine = stand_in::configuration(&options.cpus)?;
    let config = engine.config();
    let topology = Topology::new(config.cpus, config.threads, options.packages)?;
    let kvm = kvm::open(topology)?;
    let memory = Memory::new(options.memory)?;
    let image = image::load(&options.kernel, &memory)?;
    let line = command_line(&options.append);
    boot::prepare(&memory, &image, options.initrd.as_deref(), &line, topology)?;
    let vm = kvm::create(&kvm, &memory, &registers(config.late_load))?;
    let vcpus = vcpus(&kvm, &vm, &engine, topology)?;
    start_at(&vcpus[0], &image)?;
    let file = |path: &Path| {
        Capped::create(path).map_err(|error| Error::Log {
            path: path.to_owned(),
            error,
        })
    };
    let log = &options.log;
    let cpus = StandIn::create(engine, log, KIND).map_err(|error| Error::Log {
        path: log.clone(),
        error,
    })?;
    let machine = Arc::new(Machine {
        exits: vcpus.iter().map(|_| Exits::default()).collect(),
        cpus,
        memory,
        devices: Devices::new(file(&options.serial)?, file(&options.console)?),
        vm,
        is_over: AtomicBool::new(false),
    });
    let (stops, stopped) = mpsc::channel();
    register_signal_handler(SIGRTMIN(), on_signal)
        .map_err(KvmError::call("let its CPUs be interrupted"))?;
    machine.cpus.note(&record::Entered {
        after_ns: u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX),
    });
    let threads = vcpus.into_iter().map(|vcpu| start(vcpu, &machine, &stops));
    let threads: Vec<_> = threads.collect::<Result<_, _>>().map_err(Error::Thread)?;
    let end = wait(&machine, &stopped, &threads, options.timeout);
    machine.cpus.close();
    for (cpu, exits) in (0..).zip(&machine.exits) {
        machine.cpus.note(&exits.record(cpu));
    }
    Ok(end)
}

/// The machine's CPUs, each with what it answers to CPUID.
fn vcpus(kvm: &Kvm, vm: &VmFd, engine: &Engine, topology: Topology) -> Result<Vec<Vcpu>, KvmError> {
    let supported = kvm
        .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
        .map_err(KvmError::call("say what CPUs it supports"))?;
    let vcpu = |number: u32| {
        let place = topology.place(number);
        let fd = vm
            .create_vcpu(place.apic_id.into())
            .map_err(KvmError::call("make a CPU"))?;
        // Where its frequency cannot be had the guest measures it.
        let tsc_khz = fd.get_tsc_khz().unwrap_or(0);
        let config = engine.config();
        let answers = Answers::new(supported.as_slice(), config, topology, place, tsc_khz);
        let told = answers
            .for_kvm(|leaf, subleaf| engine.cpuid_change(number, leaf, subleaf))
            .map_err(|_| KvmError::Answers)?;
        fd.set_cpuid2(&told)
            .map_err(KvmError::call("take the CPU's answers to CPUID"))?;
        Ok(Vcpu {
            number,
            fd,
            answers,
        })
    };
    (0..topology.nr_cpus()).map(vcpu).collect()
}

/// Puts the boot CPU where the image begins.
fn start_at(boot_cpu: &Vcpu, image: &Loaded) -> Result<(), KvmError> {
    let fd = &boot_cpu.fd;
    let before = fd
        .get_sregs()
        .map_err(KvmError::call("show a CPU's registers"))?;
    let (general, system) = boot::registers(&before, image);
    fd.set_sregs(&system)
        .and_then(|()| fd.set_regs(&general))
        .map_err(KvmError::call("take the boot CPU's registers"))
}

/// A signal is only to bring a CPU out.
extern "C" fn on_signal(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {}

fn start(
    mut vcpu: Vcpu,
    machine: &Arc<Machine>,
    stops: &Sender<Stop>,
) -> io::Result<JoinHandle<()>> {
    let (machine, stops) = (Arc::clone(machine), stops.clone());
    let name = format!("cpu {}", vcpu.number);
    thread::Builder::new().name(name).spawn(move || {
        // Nobody listens any more where the machine has ended.
        let _ = stops.send(vcpu.run(&machine));
    })
}

/// Waits for the end; what the CPUs were at, if there is none.
fn wait(
    machine: &Machine,
    stopped: &Receiver<Stop>,
    threads: &[JoinHandle<()>],
    timeout: Duration,
) -> End {
    match stopped.recv_timeout(timeout) {
        Ok(Stop::Ended(ended)) => return End::Ended(ended),
        Ok(Stop::Crashed(what) | Stop::Interrupted(what)) => return End::Crashed(what),
        Err(RecvTimeoutError::Disconnected) => {
            return End::Crashed("all CPUs' threads ended".to_owned());
        }
        Err(RecvTimeoutError::Timeout) => {}
    }
    machine.is_over.store(true, Ordering::Relaxed);
    let deadline = Instant::now() + LAST_WORDS;
    let mut places = Vec::new();
    while places.len() < threads.len() && Instant::now() < deadline {
        for thread in threads {
            // One that has ended cannot be signalled.
            let _ = thread.kill(SIGRTMIN());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        while let Ok(stop) = stopped.recv_timeout(left.min(LAST_WORDS / 10)) {
            match stop {
                Stop::Crashed(place) | Stop::Interrupted(place) => places.push(place),
                Stop::Ended(_) => {}
            }
        }
    }
    End::TimedOut(places)
}

/// The words with where the console is, as Linux takes them, among those before
/// `--`.
fn command_line(append: &str) -> String {
    let console = format!("virtio_mmio.device={CONSOLE_BYTES}@{DEVICES:#x}:{CONSOLE_IRQ}");
    match append.split_once(" -- ") {
        Some((kernel, application)) => format!("{kernel} {console} -- {application}"),
        None => format!("{append} {console}"),
    }
}

/// The registers that are the model's: where it has no control of loading, those
/// of that are KVM's, as far as it has them.
fn registers(late_load: LateLoad) -> Vec<u32> {
    let has_control = late_load != LateLoad::Always;
    let is_control = |number: &u32| matches!(*number, msr::ARCH_CAPABILITIES | msr::MCU_CONTROL);
    let ours = msr::ANSWERED.into_iter();
    ours.filter(|number| has_control || !is_control(number))
        .collect()
}
