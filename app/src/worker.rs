//! One worker on every CPU: it looks at its CPU, sleeps until all are gathered,
//! waits for the request, and takes part in it.
//!
//! It sleeps, since CPUs that wait by spinning take the time of those that work
//! where a host runs them in turns: with 64 on two cores, all else before the
//! request took up to half a minute instead of a second.
//!
//! Workers are pinned tasks that stay for good. A task's end would free its
//! stack, and the first to end would do that while others are still stopped.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cpu::{Features, Identity, Native, Place};
use hermit::ring0;
use hermit::scheduler::{self, task::NORMAL_PRIO};
use once_cell::race::OnceBox;
use report::record::Guard;

use crate::errand;
use crate::request::Request;

/// A worker needs a few KiB; the kernel gives it this and 96 KiB of its own.
const STACK_SIZE: usize = 64 * 1024;
/// How long a worker may take to look at its CPU. Starting one takes about a
/// millisecond; a virtual CPU may have to wait for its host.
const PROBE_TIMEOUT_US: u64 = 30_000_000;

/// How long a sleeping worker has to come before it is called once more.
const CALL_AGAIN_US: u64 = 20_000;

/// What a worker found out about its CPU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) identity: Identity,
    pub(crate) place: Place,
    pub(crate) revision: u32,
    pub(crate) features: Features,
}

/// A CPU that cannot be worked with.
type ProbeResult = Result<Probe, &'static str>;

static PROBES: OnceBox<Vec<OnceBox<ProbeResult>>> = OnceBox::new();
static REQUEST: OnceBox<Request> = OnceBox::new();
/// Whether the workers are called up from their sleep.
static IS_GATHERING: AtomicBool = AtomicBool::new(false);
/// How many are up.
static NR_GATHERED: AtomicU32 = AtomicU32::new(0);

fn probe() -> ProbeResult {
    let identity =
        cpu::identity::identity(&Native).map_err(|_| "its vendor is neither Intel nor AMD")?;
    let revision = cpu::update::revision(&Native, identity.vendor)
        .map_err(|_| "its revision register (MSR 0x8b) faults")?;
    Ok(Probe {
        identity,
        place: cpu::topology::place(&Native, identity.vendor),
        revision,
        features: Features::read(&Native),
    })
}

/// Starts a worker on every CPU but this one, CPU 0, and looks at all CPUs.
pub(crate) fn start() -> Result<Vec<Probe>, String> {
    let nr_cpus = ring0::nr_cpus();
    let probes = PROBES.get_or_init(|| Box::new((0..nr_cpus).map(|_| OnceBox::new()).collect()));
    for cpu in 1..nr_cpus {
        spawn(cpu);
    }
    // It is the only one that fills this CPU's.
    let _ = probes[0].set(Box::new(probe()));

    let deadline_us = now_us() + PROBE_TIMEOUT_US;
    (0..)
        .zip(probes.iter())
        .map(|(cpu, slot)| {
            loop {
                match slot.get() {
                    Some(Ok(probe)) => return Ok(*probe),
                    Some(Err(why)) => return Err(alloc::format!("CPU {cpu}: {why}")),
                    None if now_us() > deadline_us => {
                        return Err(alloc::format!("CPU {cpu}: its worker did not start"));
                    }
                    None => spin_loop(),
                }
            }
        })
        .collect()
}

#[expect(unsafe_code, reason = "the kernel's interface")]
fn spawn(cpu: u32) {
    // SAFETY: `work` takes any number, and the CPU exists.
    unsafe {
        scheduler::spawn(
            work,
            cpu as usize,
            NORMAL_PRIO,
            STACK_SIZE,
            cpu.cast_signed() as isize,
        )
    };
}

fn now_us() -> u64 {
    use cpu::Registers;
    Native.read_tsc() / u64::from(ring0::tsc_mhz())
}

/// A worker's life.
extern "C" fn work(cpu: usize) {
    if let Some(slot) = PROBES.get().and_then(|probes| probes.get(cpu)) {
        // It is the only one that fills this slot.
        let _ = slot.set(Box::new(probe()));
    }
    // Acquire pairs with the Release in `gather`.
    cpu::interrupts::wait_until(|| IS_GATHERING.load(Ordering::Acquire));
    // Release pairs with the Acquire in `gather`.
    NR_GATHERED.fetch_add(1, Ordering::Release);
    let request = loop {
        if let Some(request) = REQUEST.get() {
            break request;
        }
        errand::look(cpu as u32);
        spin_loop();
    };
    request.answer(cpu as u32);
    loop {
        cpu::interrupts::wait();
    }
}

/// Calls all workers up and waits until they are. One that does not come is
/// late at the gate.
pub(crate) fn gather() {
    // Release pairs with the Acquire in `work`.
    IS_GATHERING.store(true, Ordering::Release);
    let nr_others = ring0::nr_cpus() - 1;
    let deadline_us = now_us() + PROBE_TIMEOUT_US;
    // Acquire pairs with the Release in `work`.
    let are_missing = || NR_GATHERED.load(Ordering::Acquire) < nr_others;
    while are_missing() && now_us() < deadline_us {
        // More than once: an interrupt may overtake the store on its way.
        for cpu in 1..=nr_others {
            ring0::wake(cpu);
        }
        let again_us = now_us() + CALL_AGAIN_US;
        while are_missing() && now_us() < again_us {
            spin_loop();
        }
    }
}

/// Makes the request on all CPUs and takes part on this one, CPU 0.
pub(crate) fn call(request: Box<Request>) -> (&'static Request, Guard) {
    gather();
    request.start();
    // There is one request a boot.
    let _ = REQUEST.set(request);
    let request = REQUEST.get().expect("it was just set");
    request.answer(0);
    let seen = request.finish();
    (request, seen)
}
