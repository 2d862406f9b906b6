//! One worker on every CPU: it looks at its CPU, and then takes part in one
//! request after another.
//!
//! ```text
//!   asleep ─▶ gathered: it spins ─▶ called: it takes part ─▶ out: it watches
//!     ▲                                                            │
//!     └───────── the control CPU is out too, or was replaced ◀─────┘
//! ```
//!
//! It sleeps between requests, since CPUs that wait by spinning take the time of
//! those that work where a host runs them in turns: with 64 on two cores, all
//! else before the request took up to half a minute instead of a second.
//!
//! What the control CPU has yet to do lies on a desk while it takes part itself.
//! If it does not come back to it in time, the first CPU that is out takes it
//! over: a load that never ends costs its core and not the report.
//!
//! Workers are pinned tasks that stay for good. A task's end would free its
//! stack, and the first to end would do that while others are still stopped.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, Ordering};

use cpu::{Features, Identity, Native, Place};
use hermit::ring0;
use hermit::scheduler::{self, task::NORMAL_PRIO};
use once_cell::race::OnceBox;
use spinning_top::Spinlock;

use crate::errand;
use crate::request::{DEPARTURE_TIMEOUT_NS, Request};
use crate::session::{End, Session};

/// A worker needs a few KiB; the kernel gives it this and 96 KiB of its own.
const STACK_SIZE: usize = 64 * 1024;
/// How long a worker may take to look at its CPU. Starting one takes about a
/// millisecond; a virtual CPU may have to wait for its host.
const PROBE_TIMEOUT_US: u64 = 30_000_000;

/// How long a sleeping worker has to come before it is called once more.
const CALL_AGAIN_US: u64 = 20_000;

/// How often a CPU that watches the desk looks before it looks at the clock.
const LOOKS_PER_CLOCK: u32 = 16;

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

/// What the control CPU and one worker share.
#[derive(Debug)]
struct Door {
    probe: OnceBox<ProbeResult>,
    /// The gathering that the worker came to last.
    gathered: AtomicU32,
    /// The request that it takes part in. No other CPU wants the lock meanwhile.
    request: Spinlock<Option<Arc<Request>>>,
    /// NMIs since the last request began.
    nr_nmis: AtomicU32,
}

impl Door {
    fn new() -> Self {
        Self {
            probe: OnceBox::new(),
            gathered: AtomicU32::new(0),
            request: Spinlock::new(None),
            nr_nmis: AtomicU32::new(0),
        }
    }
}

static DOORS: OnceBox<Vec<Door>> = OnceBox::new();
/// Gatherings are counted: the number of the last.
static GATHERING: AtomicU32 = AtomicU32::new(0);
/// The gathering whose workers were called.
static CALLED: AtomicU32 = AtomicU32::new(0);
/// The gathering whose control CPU is back at the desk, or was replaced.
static RETURNED: AtomicU32 = AtomicU32::new(0);

/// What the control CPU of a gathering left.
static DESK: Spinlock<Option<(u32, Box<Session>)>> = Spinlock::new(None);

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

fn door(cpu: u32) -> Option<&'static Door> {
    DOORS.get()?.get(cpu as usize)
}

/// Starts a worker on every CPU but this one, CPU 0, and looks at all CPUs.
pub(crate) fn start() -> Result<Vec<Probe>, String> {
    let nr_cpus = ring0::nr_cpus();
    let nr_doors = nr_cpus + ring0::nr_offline();
    let doors = DOORS.get_or_init(|| Box::new((0..nr_doors).map(|_| Door::new()).collect()));
    for cpu in 1..nr_cpus {
        spawn(cpu);
    }
    // It is the only one that fills this CPU's.
    let _ = doors[0].probe.set(Box::new(probe()));

    let deadline_us = now_us() + PROBE_TIMEOUT_US;
    (0..nr_cpus).map(|cpu| probed(cpu, deadline_us)).collect()
}

/// Starts a worker on a CPU that came online later, and looks at the CPU.
pub(crate) fn start_one(cpu: u32) -> Result<Probe, String> {
    spawn(cpu);
    probed(cpu, now_us() + PROBE_TIMEOUT_US)
}

/// What a worker has found out, or is about to.
fn probed(cpu: u32, deadline_us: u64) -> Result<Probe, String> {
    let error = |why: &str| Err(alloc::format!("CPU {cpu}: {why}"));
    loop {
        match door(cpu).map(|door| door.probe.get()) {
            None => return error("there is no room for it"),
            Some(Some(Ok(probe))) => return Ok(*probe),
            Some(Some(Err(why))) => return error(why),
            Some(None) if now_us() > deadline_us => return error("its worker did not start"),
            Some(None) => spin_loop(),
        }
    }
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
    let cpu = cpu as u32;
    if let Some(door) = door(cpu) {
        // It is the only one that fills this slot.
        let _ = door.probe.set(Box::new(probe()));
    }
    live(cpu);
}

/// A worker's life after its first look; a control CPU that was replaced joins
/// the workers too.
pub(crate) fn live(cpu: u32) -> ! {
    let Some(door) = door(cpu) else {
        loop {
            cpu::interrupts::wait();
        }
    };
    let mut number = CALLED.load(Ordering::Relaxed);
    loop {
        // Acquire pairs with the Release in `gather`.
        let is_gathering = || GATHERING.load(Ordering::Acquire) != number;
        cpu::interrupts::wait_until(is_gathering);
        number = GATHERING.load(Ordering::Acquire);
        // Release pairs with the Acquire in `gather`.
        door.gathered.store(number, Ordering::Release);
        // Acquire pairs with the Release in `call`: the request is at the door.
        while CALLED.load(Ordering::Acquire) < number {
            errand::look(cpu);
            spin_loop();
        }
        let request = door.request.lock().clone();
        if let Some(request) = request {
            request.answer(cpu);
            door.request.lock().take();
            watch(cpu, number, request);
        }
    }
}

/// Waits until the control CPU is back at its desk; takes its place if it is
/// overdue. A CPU whose core still loads does so only if no other does: it can
/// report and not load any more.
fn watch(cpu: u32, number: u32, request: Arc<Request>) {
    let patience_us = if request.has_finished(cpu) {
        0
    } else {
        DEPARTURE_TIMEOUT_NS / 1000
    };
    // Acquire pairs with the Release of whoever sits at the desk.
    let is_back = |_| {
        spin_loop();
        RETURNED.load(Ordering::Acquire) >= number
    };
    if !(0..LOOKS_PER_CLOCK).any(is_back) {
        // Not before it has to wait: most requests are over.
        request.came_out(cpu, now_us());
    }
    while !(0..LOOKS_PER_CLOCK).any(is_back) {
        let overdue_us = request.overdue_us.load(Ordering::Relaxed);
        if now_us() > overdue_us.saturating_add(patience_us)
            && let Some(session) = leave_desk(number)
        {
            // The session has it too.
            drop(request);
            match session.take_over(cpu) {
                End::Reported => ring0::exit(report::exit::DONE),
                End::TakenOver => return,
            }
        }
    }
    request.note_features(cpu);
}

/// Takes what the control CPU of a gathering left on the desk, if it is there:
/// it is whose who comes first.
fn leave_desk(number: u32) -> Option<Box<Session>> {
    let (_, session) = DESK.lock().take_if(|(of, _)| *of == number)?;
    // Release pairs with the Acquire in `watch`.
    RETURNED.store(number, Ordering::Release);
    Some(session)
}

/// The kernel's NMI hook: the request that the CPU is part of has its say.
pub(crate) fn on_nmi() -> bool {
    let cpu = ring0::core_id();
    if let Some(door) = door(cpu) {
        door.nr_nmis.fetch_add(1, Ordering::Relaxed);
        // It is locked where the NMI came upon the lock's holder, on its way to the
        // request or from it: no load is near.
        if let Some(request) = door.request.try_lock()
            && let Some(request) = request.as_ref()
        {
            request.answer_nmi(cpu);
        }
    }
    // No NMI ends the machine.
    true
}

/// How many NMIs a CPU has had since the last request began.
pub(crate) fn nr_nmis(cpu: u32) -> u32 {
    door(cpu).map_or(0, |door| door.nr_nmis.load(Ordering::Relaxed))
}

/// The same, of all CPUs together.
pub(crate) fn nr_nmis_of_all() -> u64 {
    let doors = DOORS.get().into_iter().flatten();
    doors
        .map(|door| u64::from(door.nr_nmis.load(Ordering::Relaxed)))
        .sum()
}

/// Calls those of the workers up that `are_expected` names, and waits until they
/// are. One that does not come is late at the gate.
pub(crate) fn gather(are_expected: impl Fn(u32) -> bool) {
    let Some(doors) = DOORS.get() else { return };
    // Release pairs with the Acquire in `live`.
    let number = GATHERING.fetch_add(1, Ordering::Release) + 1;
    let deadline_us = now_us() + PROBE_TIMEOUT_US;
    let missing = || {
        // Acquire pairs with the Release in `live`.
        let is_missing = |&(cpu, door): &(u32, &Door)| {
            are_expected(cpu) && door.gathered.load(Ordering::Acquire) != number
        };
        (0..).zip(doors).filter(is_missing).map(|(cpu, _)| cpu)
    };
    while missing().next().is_some() && now_us() < deadline_us {
        // More than once: an interrupt may overtake the store on its way. By one
        // command, unless that would wake others too.
        if missing().count() + 1 == ring0::nr_cpus() as usize {
            ring0::wake_others();
        } else {
            missing().for_each(ring0::wake);
        }
        let again_us = now_us() + CALL_AGAIN_US;
        while missing().next().is_some() && now_us() < again_us {
            spin_loop();
        }
    }
}

/// Makes a request on all CPUs that are part of it, and takes part on this one;
/// what the session goes on with, unless another CPU has taken it over.
pub(crate) fn call(session: Box<Session>, request: &Arc<Request>) -> Option<Box<Session>> {
    let control = session.control();
    let patience_us = session.patience_us();
    let is_by_nmi = request.is_by_nmi();
    // An NMI wakes them itself, and is to show what it costs.
    gather(|cpu| !is_by_nmi && cpu != control && request.takes_part(cpu));
    let doors = || (0..).zip(DOORS.get().into_iter().flatten());
    let concerned = || doors().filter(|(cpu, _)| request.concerns(*cpu));
    for (_, door) in concerned() {
        *door.request.lock() = Some(Arc::clone(request));
        door.nr_nmis.store(0, Ordering::Relaxed);
    }
    let number = GATHERING.load(Ordering::Relaxed);
    *DESK.lock() = Some((number, session));
    let overdue_us = now_us() + patience_us;
    request.overdue_us.store(overdue_us, Ordering::Relaxed);
    let is_on = request.start(control);
    if !is_on {
        for (_, door) in concerned() {
            door.request.lock().take();
        }
    }
    // Release pairs with the Acquire in `live`.
    CALLED.store(number, Ordering::Release);
    if is_on {
        request.call_by_nmi(control);
        request.answer(control);
        if let Some(door) = door(control) {
            door.request.lock().take();
        }
    }
    leave_desk(number)
}
