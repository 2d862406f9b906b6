//! The main job: the machine is looked at, and a session of loads begins.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use cpu::tsc::{Clock, TscFrequency};
use cpu::{Native, Registers};
use hermit::ring0;
use rendezvous::{Place, Topology};
use report::ktap::VERSION_LINE;
use report::{InitrdSource, ONLINE, REPEAT, Status, TESTS};

use crate::arguments::{Arguments, Fault, Job};
use crate::console::emit;
use crate::hardware::Model;
use crate::initrd::Microcode;
use crate::session::{End, Session};
use crate::tests::Tests;
use crate::worker::Probe;
use crate::{conformance, features, records, worker};

/// How many of the tests are about the plan.
const NR_TESTS_OF_PLAN: usize = 2;

/// What is known before the first load.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) arguments: Arguments,
    pub(crate) topology: Arc<Topology>,
    pub(crate) clock: Clock,
    /// What takes the writes, if not the CPUs.
    pub(crate) model: Option<&'static Model>,
    pub(crate) microcode: Microcode,
    pub(crate) source: InitrdSource,
    /// The CPUs as they were found; their revisions and features are those
    /// that they had last.
    pub(crate) probes: Vec<Probe>,
}

/// Does what the command line asks for and reports it, to the last line unless
/// another CPU goes on with it.
pub(crate) fn run() -> End {
    emit(&VERSION_LINE);
    let arguments = Arguments::parse(ring0::args());
    let mut tests = match &arguments {
        Ok(arguments) if matches!(arguments.job, Job::Conformance | Job::Reads { .. }) => {
            conformance::run(arguments);
            return End::Reported;
        }
        Ok(arguments) => Tests::plan(tests_of(arguments)),
        Err(_) => Tests::plan(TESTS),
    };
    match arguments.and_then(set_up) {
        Ok(setup) => Box::new(Session::new(setup, tests)).run(),
        Err(reason) => {
            tests.stop(Status::Error, &reason);
            tests.close();
            End::Reported
        }
    }
}

fn tests_of(arguments: &Arguments) -> impl Iterator<Item = &'static str> {
    let nr_tests = match arguments.job {
        Job::DryRun => NR_TESTS_OF_PLAN,
        _ => TESTS.len(),
    };
    let does_load = arguments.job == Job::Load;
    let repeat = (arguments.nr_rounds > 1).then_some(REPEAT);
    let online = (ring0::nr_offline() > 0 && does_load).then_some(ONLINE);
    TESTS.into_iter().take(nr_tests).chain(repeat).chain(online)
}

/// The time-stamp counter's frequency: what the CPU says, or what the kernel
/// has measured.
pub(crate) fn tsc_frequency() -> TscFrequency {
    cpu::tsc::frequency(&Native).unwrap_or(TscFrequency {
        khz: u32::from(ring0::tsc_mhz()) * 1000,
        source: "pit",
    })
}

/// Looks at the machine and reports what it is.
fn set_up(arguments: Arguments) -> Result<Setup, String> {
    let entry_ticks = Native.read_tsc().wrapping_sub(muster_boot::entry_tsc());
    let frequency = tsc_frequency();
    let clock = Clock::new(frequency.khz);
    let mut probes = worker::start()?;
    let topology = topology(&probes);
    let model = arguments
        .is_modelled
        .then(|| Model::of(&probes, &topology, clock, &arguments.model))
        .transpose()?;
    if let Some(model) = model {
        for (cpu, probe) in (0..).zip(&mut probes) {
            probe.revision = model.engine.revision(model.thread(cpu));
            probe.features = features::modelled(model, cpu, probe.features);
        }
    }
    records::header(
        &probes[0],
        &topology,
        frequency,
        clock.ns(entry_ticks) / 1000,
        &arguments,
    );
    records::absent();
    pull_lever(arguments.fault);
    ring0::set_nmi_hook(worker::on_nmi);
    let (microcode, source) = Microcode::find(arguments.is_raised());
    Ok(Setup {
        arguments,
        topology: Arc::new(topology),
        clock,
        model,
        microcode,
        source,
        probes,
    })
}

pub(crate) fn topology(probes: &[Probe]) -> Topology {
    let places: Vec<Place> = probes
        .iter()
        .map(|probe| Place {
            package: probe.place.package,
            core: probe.place.core,
            thread: probe.place.thread,
            apic_id: probe.place.apic_id,
        })
        .collect();
    Topology::new(&places)
}

/// Does what the command line asked to go wrong before the first load.
fn pull_lever(fault: Option<Fault>) {
    #[expect(unconditional_recursion, reason = "it shall overflow the stack")]
    fn overflow(depth: u64) -> u64 {
        core::hint::black_box(overflow(depth + 1)) + depth
    }

    match fault {
        Some(Fault::Panic) => panic!("asked for by fault=panic"),
        Some(Fault::Exception) => {
            overflow(0);
        }
        Some(Fault::Hang) => loop {
            cpu::interrupts::wait();
        },
        Some(
            Fault::NeverArrives(_)
            | Fault::Late { .. }
            | Fault::FaultingWrite(_)
            | Fault::Unquiet(_)
            | Fault::Disturb
            | Fault::NmiStorm(_),
        )
        | None => {}
    }
}
