//! The request that all workers answer: the rendezvous, and what this machine
//! does in it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::Cell;
use core::hint::{black_box, spin_loop};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use cpu::interrupts::{self, InterruptsOff};
use cpu::registers::CpuIdReader;
use cpu::tsc::Clock;
use cpu::update::Loadable;
use cpu::{Features, Native, Registers, Vendor};
use hermit::{ring0, watch};
use microcode::Cached;
use rendezvous::{GpFault, Machine, Rendezvous};
use report::record::Guard;

use crate::arguments::Fault;
use crate::features::After;
use crate::hardware::{CpuRegisters, Model};

/// How long the control CPU waits for the next of the others to be out and to
/// have read its revision once more, when it is out itself.
pub(crate) const DEPARTURE_TIMEOUT_NS: u64 = 1_000_000_000;

/// A revision that was not read.
const UNREAD: u64 = u64::MAX;

/// NMIs since the request. One while CPUs are stopped must not end the machine.
static NR_NMIS: AtomicU64 = AtomicU64::new(0);

/// The kernel's NMI hook.
fn on_nmi() -> bool {
    NR_NMIS.fetch_add(1, Ordering::Relaxed);
    true
}

/// What one CPU loads, if anything.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) vendor: Vendor,
    pub(crate) update: Option<Arc<Cached>>,
}

impl Work {
    /// The update as the CPU is given it.
    pub(crate) fn loadable(&self) -> Option<Result<Loadable<'_>, cpu::update::BadBuffer>> {
        let cached = self.update.as_ref()?;
        Some(Loadable::new(self.vendor, cached.bytes()))
    }
}

/// Everything that the workers share.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) rendezvous: Rendezvous,
    pub(crate) work: Box<[Work]>,
    pub(crate) clock: Clock,
    /// What takes the writes, if not the CPUs.
    pub(crate) model: Option<&'static Model>,
    /// A test lever.
    pub(crate) fault: Option<Fault>,
    pub(crate) revisions: Revisions,
    pub(crate) features: After,
    /// CPUs on which interrupts were off after they had left.
    pub(crate) nr_masked: AtomicU32,
}

/// Each CPU's revision, read when all is over.
#[derive(Debug)]
pub(crate) struct Revisions(Box<[AtomicU64]>);

impl Revisions {
    pub(crate) fn new(nr_cpus: u32) -> Self {
        Self((0..nr_cpus).map(|_| AtomicU64::new(UNREAD)).collect())
    }

    /// What this CPU read, if it got there and might.
    pub(crate) fn of(&self, cpu: u32) -> Option<u32> {
        // Acquire pairs with the Release in `note`: a CPU that has read its
        // revision has left.
        u32::try_from(self.0[cpu as usize].load(Ordering::Acquire)).ok()
    }

    fn note(&self, cpu: u32, revision: u32) {
        self.0[cpu as usize].store(revision.into(), Ordering::Release);
    }
}

/// One CPU, as the rendezvous sees it.
struct OnCpu<'a> {
    cpu: u32,
    registers: CpuRegisters<'a>,
    clock: Clock,
    work: &'a Work,
    update: Option<Loadable<'a>>,
    fault: Option<Fault>,
    /// While this CPU is stopped.
    stopped: Cell<Option<InterruptsOff>>,
}

impl Machine for OnCpu<'_> {
    fn now_ns(&self) -> u64 {
        self.clock.ns(Native.read_tsc())
    }

    fn relax(&self) {
        if self.fault == Some(Fault::Disturb) {
            self.registers.cpuid2(1, 0);
        }
        spin_loop();
    }

    fn stop(&self) {
        self.stopped.set(Some(InterruptsOff::new()));
    }

    fn go(&self) {
        self.stopped.set(None);
    }

    fn parse(&self) {
        // What it finds was decided before; this is about what it costs.
        if let (Some(cached), Vendor::Intel) = (&self.work.update, self.work.vendor) {
            black_box(cached.sum());
        }
    }

    fn send_nmi(&self, _cpu: u32) {
        // No plan has CPUs that are soft-offline.
    }

    fn panic(&self, message: &'static str) {
        panic!("CPU {}: {message}", self.cpu);
    }

    fn load(&self) -> Result<(), GpFault> {
        if self.fault == Some(Fault::FaultingWrite(self.cpu)) {
            return cpu::update::provoke_fault(&Native).map_err(|_| GpFault);
        }
        if self.fault == Some(Fault::Unquiet(self.cpu)) {
            let message = alloc::format!("CPU {} is unquiet on demand", self.cpu);
            log::warn!("{message}");
        }
        // The plan gives a CPU an update or no part in the load.
        let Some(update) = &self.update else {
            return Ok(());
        };
        cpu::update::load(&self.registers, update).map_err(|_| GpFault)
    }

    fn revision(&self) -> u32 {
        // The register was read before; a CPU whose register faults only now
        // shows a revision that no update has.
        cpu::update::revision(&self.registers, self.work.vendor).unwrap_or(0)
    }
}

impl Request {
    /// One CPU; a modelled one may read `memory`.
    fn on<'a>(&'a self, cpu: u32, memory: &'a [&'a [u8]]) -> OnCpu<'a> {
        let work = &self.work[cpu as usize];
        OnCpu {
            cpu,
            registers: CpuRegisters::new(self.model, cpu, memory),
            clock: self.clock,
            work,
            // It was tried when the request was made.
            update: work.loadable().and_then(Result::ok),
            fault: self.fault,
            stopped: Cell::new(None),
        }
    }

    /// Whether the CPU is called; one that comes online later is not.
    pub(crate) fn takes_part(&self, cpu: u32) -> bool {
        (cpu as usize) < self.work.len() && self.rendezvous.plan().task(cpu).is_called()
    }

    /// Whether the CPU came out and might read its revision.
    pub(crate) fn has_finished(&self, cpu: u32) -> bool {
        self.revisions.of(cpu).is_some()
    }

    /// From here on nobody may allocate or print.
    pub(crate) fn start(&self, control: u32) {
        ring0::set_nmi_hook(on_nmi);
        NR_NMIS.store(0, Ordering::Relaxed);
        watch::arm();
        let _ = self.rendezvous.request(&self.on(control, &[]));
    }

    /// One CPU's part.
    pub(crate) fn answer(&self, cpu: u32) {
        if self.fault == Some(Fault::NeverArrives(cpu)) {
            return;
        }
        if let Some(Fault::Late { cpu: late, us }) = self.fault
            && late == cpu
        {
            let comes_ns = self.clock.ns(Native.read_tsc()) + u64::from(us) * 1000;
            while self.clock.ns(Native.read_tsc()) < comes_ns {
                spin_loop();
            }
        }
        let update = self.work[cpu as usize].update.as_ref();
        let memory = update.map(|cached| cached.bytes());
        let machine = self.on(cpu, memory.as_slice());
        self.rendezvous.attend(cpu, &machine);
        if !interrupts::are_on() {
            self.nr_masked.fetch_add(1, Ordering::Relaxed);
        }
        if !self.rendezvous.core_loads(cpu) {
            // First: a CPU that has noted its revision is done.
            self.features.note(cpu, Features::read(&machine.registers));
            self.revisions.note(cpu, machine.revision());
        }
    }

    /// Waits on the control CPU until all others are out, or long enough; what
    /// the guard saw meanwhile.
    pub(crate) fn finish(&self) -> Guard {
        let now_ns = || self.clock.ns(Native.read_tsc());
        let mut deadline_ns = now_ns() + DEPARTURE_TIMEOUT_NS;
        for cpu in (0..self.work.len() as u32).filter(|&cpu| self.takes_part(cpu)) {
            let is_out = || self.has_finished(cpu);
            if is_out() {
                continue;
            }
            // By some protocols the control CPU is through before others come.
            let may_come = || self.rendezvous.has_called_in(cpu) || self.rendezvous.opened();
            while may_come() && !is_out() && now_ns() < deadline_ns {
                spin_loop();
            }
            if is_out() {
                deadline_ns = now_ns() + DEPARTURE_TIMEOUT_NS;
            }
        }
        let (nr_allocations, nr_writes) = watch::disarm();
        Guard {
            nr_allocations,
            nr_writes,
            nr_nmis: NR_NMIS.load(Ordering::Relaxed),
            nr_masked: Some(self.nr_masked.load(Ordering::Relaxed)),
        }
    }
}
