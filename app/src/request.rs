//! The request that all workers answer: the rendezvous, and what this machine
//! does in it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::Cell;
use core::hint::{black_box, spin_loop};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use cpu::interrupts::{self, InterruptsOff};
use cpu::registers::CpuIdReader;
use cpu::tsc::Clock;
use cpu::update::Loadable;
use cpu::{Features, Native, Registers, Vendor};
use hermit::{ring0, watch};
use microcode::Cached;
use rendezvous::{GpFault, Machine, Name, Nmi, Outcome, Record, Rendezvous, Task};
use report::record::Guard;

use crate::arguments::Fault;
use crate::features::After;
use crate::hardware::{CpuRegisters, Model};
use crate::plan::Plan;
use crate::worker;

/// How long the control CPU waits for the next of the others to be out and to
/// have read its revision once more, when it is out itself.
pub(crate) const DEPARTURE_TIMEOUT_NS: u64 = 1_000_000_000;

/// A revision that was not read.
const UNREAD: u64 = u64::MAX;

/// Most NMIs that a CPU sends in a storm: every one interrupts the other CPU.
const MAX_STORM: u32 = 1000;

/// Everything that the workers share.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) rendezvous: Rendezvous,
    /// What each CPU loads, if anything.
    pub(crate) plan: Plan,
    pub(crate) vendor: Vendor,
    pub(crate) clock: Clock,
    /// What takes the writes, if not the CPUs.
    pub(crate) model: Option<&'static Model>,
    /// A test lever.
    pub(crate) fault: Option<Fault>,
    pub(crate) revisions: Revisions,
    /// Where each CPU notes its features, if anybody wants to know.
    pub(crate) features: Option<After>,
    /// Whether the control CPU has seen all that it waited for.
    pub(crate) is_over: AtomicBool,
    /// CPUs on which interrupts were off after they had left.
    pub(crate) nr_masked: AtomicU32,
    /// By CPU: whether it has begun its part.
    pub(crate) has_begun: Box<[AtomicBool]>,
    /// Soft-offline CPUs that did not answer.
    pub(crate) nr_unanswered: AtomicU32,
    /// When the control CPU is overdue, in µs of the TSC.
    pub(crate) overdue_us: AtomicU64,
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
    request: &'a Request,
    registers: CpuRegisters<'a>,
    update: Option<Loadable<'a>>,
    /// NMIs that it has sent as a test lever.
    nr_storm: Cell<u32>,
    /// While this CPU is stopped.
    stopped: Cell<Option<InterruptsOff>>,
}

impl Machine for OnCpu<'_> {
    fn now_ns(&self) -> u64 {
        self.request.now_ns()
    }

    fn relax(&self) {
        if let Some(fault) = self.request.fault {
            self.disturb(fault);
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
        if let (Some(cached), Vendor::Intel) = (self.request.update(self.cpu), self.request.vendor)
        {
            black_box(cached.sum());
        }
    }

    fn send_nmi(&self, cpu: u32) {
        self.request.send_nmi(cpu);
    }

    fn panic(&self, message: &'static str) {
        panic!("CPU {}: {message}", self.cpu);
    }

    fn load(&self) -> Result<(), GpFault> {
        let fault = self.request.fault;
        if fault == Some(Fault::FaultingWrite(self.cpu)) {
            return cpu::update::provoke_fault(&Native).map_err(|_| GpFault);
        }
        if fault == Some(Fault::Unquiet(self.cpu)) {
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
        cpu::update::revision(&self.registers, self.request.vendor).unwrap_or(0)
    }
}

impl OnCpu<'_> {
    /// What a test lever does in every round of a wait.
    #[inline(never)]
    fn disturb(&self, fault: Fault) {
        match fault {
            Fault::Disturb => {
                self.registers.cpuid2(1, 0);
            }
            Fault::NmiStorm(target) => self.storm(target),
            _ => {}
        }
    }

    /// A test lever: NMIs for a CPU whose core loads.
    fn storm(&self, target: u32) {
        let nr_sent = self.nr_storm.get();
        if nr_sent < MAX_STORM && self.request.rendezvous.core_loads(target) {
            self.nr_storm.set(nr_sent + 1);
            self.request.send_nmi(target);
        }
    }
}

impl Request {
    /// One CPU and the update that it may load, one or none.
    fn on<'a>(&'a self, cpu: u32, update: &'a [&'a [u8]]) -> OnCpu<'a> {
        OnCpu {
            cpu,
            request: self,
            registers: CpuRegisters::new(self.model, cpu, update),
            // It was tried when the request was made.
            update: update
                .first()
                .and_then(|bytes| Loadable::new(self.vendor, bytes).ok()),
            nr_storm: Cell::new(0),
            stopped: Cell::new(None),
        }
    }

    /// What the CPU loads, if anything.
    fn update(&self, cpu: u32) -> Option<&Arc<Cached>> {
        let share = self.plan.share(cpu);
        share.update.as_ref().filter(|_| share.loads())
    }

    /// Whether the CPU is called; one that comes online later is not.
    pub(crate) fn takes_part(&self, cpu: u32) -> bool {
        self.rendezvous.plan().task(cpu).is_called()
    }

    /// Whether the CPU came out and might read its revision.
    pub(crate) fn has_finished(&self, cpu: u32) -> bool {
        self.revisions.of(cpu).is_some()
    }

    /// Whether the CPU is called or held.
    pub(crate) fn concerns(&self, cpu: u32) -> bool {
        self.rendezvous.plan().task(cpu) != Task::Absent
    }

    /// Whether the CPUs are called in by NMI.
    pub(crate) fn is_by_nmi(&self) -> bool {
        self.rendezvous.plan().options().nmi == Nmi::Rendezvous
    }

    /// How many soft-offline CPUs did not answer, so that nobody was stopped.
    pub(crate) fn nr_unanswered(&self) -> Option<u32> {
        Some(self.nr_unanswered.load(Ordering::Relaxed)).filter(|&nr_cpus| nr_cpus > 0)
    }

    /// A CPU's notes; one that was not called is not late.
    pub(crate) fn explain(&self, cpu: u32, record: &Record) -> Record {
        let outcome = match record.outcome {
            Outcome::Late if !self.takes_part(cpu) => Outcome::Attended,
            Outcome::Late if self.nr_unanswered().is_some() => Outcome::Aborted,
            outcome => outcome,
        };
        Record { outcome, ..*record }
    }

    fn now_ns(&self) -> u64 {
        self.clock.ns(Native.read_tsc())
    }

    fn send_nmi(&self, cpu: u32) {
        // One that is not sent is missed where it is waited for.
        let _ = ring0::send_nmi(self.rendezvous.plan().apic_id(cpu));
    }

    /// From here on nobody may allocate or print. Has the soft-offline siblings
    /// held; whether the others may be called.
    pub(crate) fn start(&self, control: u32) -> bool {
        watch::arm();
        let held = self.rendezvous.request(&self.on(control, &[]));
        let nr_unanswered = held.err().map_or(0, |unanswered| unanswered.nr_cpus);
        self.nr_unanswered.store(nr_unanswered, Ordering::Relaxed);
        nr_unanswered == 0
    }

    /// Calls the CPUs in by NMI, this one last, where that is asked for.
    pub(crate) fn call_by_nmi(&self, control: u32) {
        if self.is_by_nmi() {
            let others = (0..self.plan.nr_cpus()).filter(|&cpu| cpu != control);
            let called = others.chain([control]).filter(|&cpu| self.takes_part(cpu));
            called.for_each(|cpu| self.send_nmi(cpu));
        }
    }

    /// What an NMI does on a CPU of this request.
    pub(crate) fn answer_nmi(&self, cpu: u32) {
        if self.fault == Some(Fault::NeverArrives(cpu)) {
            return;
        }
        let update = self.update(cpu).map(|cached| cached.bytes());
        let machine = self.on(cpu, update.as_slice());
        match self.rendezvous.plan().task(cpu) {
            Task::Hold if self.begins(cpu) => self.rendezvous.hold(cpu, &machine),
            Task::Load { .. } | Task::Attend if self.is_by_nmi() && self.begins(cpu) => {
                self.rendezvous.attend(cpu, &machine);
            }
            // The ordinary handlers of kernels look at counters and banks of the
            // CPU; what is forbidden to them, this one does.
            _ if !self.rendezvous.contain(cpu, &machine) => {
                machine.registers.cpuid2(1, 0);
            }
            _ => {}
        }
    }

    /// Whether a CPU is to begin its part, which it does once: here, or in the
    /// handler of an NMI that comes upon it.
    fn begins(&self, cpu: u32) -> bool {
        // Relaxed: no other CPU looks at it.
        let is_first = !self.has_begun[cpu as usize].swap(true, Ordering::Relaxed);
        if let Some(Fault::Late { cpu: late, us }) = self.fault
            && late == cpu
            && is_first
        {
            let comes_ns = self.now_ns() + u64::from(us) * 1000;
            while self.now_ns() < comes_ns {
                spin_loop();
            }
        }
        is_first
    }

    /// One CPU's part.
    pub(crate) fn answer(&self, cpu: u32) {
        if self.fault == Some(Fault::NeverArrives(cpu)) {
            return;
        }
        let update = self.update(cpu).map(|cached| cached.bytes());
        let machine = self.on(cpu, update.as_slice());
        // An NMI comes between two instructions: what it has begun here is over.
        // Relaxed: no other CPU begins it.
        let has_begun = || self.has_begun[cpu as usize].load(Ordering::Relaxed);
        if self.is_by_nmi() {
            let deadline_ns = self.now_ns() + DEPARTURE_TIMEOUT_NS;
            while !has_begun() && self.now_ns() < deadline_ns {
                spin_loop();
            }
        }
        if self.takes_part(cpu) && self.begins(cpu) {
            self.rendezvous.attend(cpu, &machine);
        }
        if !interrupts::are_on() {
            self.nr_masked.fetch_add(1, Ordering::Relaxed);
        }
        if !self.rendezvous.core_loads(cpu) {
            self.revisions.note(cpu, machine.revision());
        }
    }

    /// Notes that a CPU came out, if it was in: by this project's own protocol all
    /// do at about the same time, so the control CPU has to be back soon.
    pub(crate) fn came_out(&self, cpu: u32, now_us: u64) {
        let was_in = self.takes_part(cpu) && self.rendezvous.has_called_in(cpu);
        if was_in && self.rendezvous.name() == Name::Muster {
            let soon_us = now_us + DEPARTURE_TIMEOUT_NS / 1000;
            self.overdue_us.fetch_min(soon_us, Ordering::Relaxed);
        }
    }

    /// Notes what a CPU can do now, when the request is over: reading it takes
    /// longer than all else.
    pub(crate) fn note_features(&self, cpu: u32) {
        let Some(features) = self.features.as_ref().filter(|_| self.has_finished(cpu)) else {
            return;
        };
        let deadline_ns = self.now_ns() + DEPARTURE_TIMEOUT_NS;
        // Acquire pairs with the Release in `finish`.
        while !self.is_over.load(Ordering::Acquire) && self.now_ns() < deadline_ns {
            spin_loop();
        }
        let machine = self.on(cpu, &[]);
        features.note(cpu, Features::read(&machine.registers));
    }

    /// Waits on the control CPU until all that came back have noted theirs.
    pub(crate) fn await_features(&self) {
        let Some(features) = &self.features else {
            return;
        };
        let deadline_ns = self.now_ns() + DEPARTURE_TIMEOUT_NS;
        for cpu in (0..self.plan.nr_cpus()).filter(|&cpu| self.has_finished(cpu)) {
            while features.of(cpu).is_none() && self.now_ns() < deadline_ns {
                spin_loop();
            }
        }
    }

    /// What a CPU can do after the request, as far as it got there.
    pub(crate) fn features_of(&self, cpu: u32) -> Option<Features> {
        self.features.as_ref()?.of(cpu)
    }

    /// Waits on the control CPU until all others are out, or long enough; what
    /// the guard saw meanwhile.
    pub(crate) fn finish(&self) -> Guard {
        let mut deadline_ns = self.now_ns() + DEPARTURE_TIMEOUT_NS;
        for cpu in (0..self.plan.nr_cpus()).filter(|&cpu| self.concerns(cpu)) {
            let is_out = || self.has_finished(cpu);
            if is_out() {
                continue;
            }
            // By some protocols the control CPU is through before others come.
            let may_come = || self.rendezvous.has_called_in(cpu) || self.rendezvous.opened();
            while may_come() && !is_out() && self.now_ns() < deadline_ns {
                spin_loop();
            }
            if is_out() {
                deadline_ns = self.now_ns() + DEPARTURE_TIMEOUT_NS;
            }
        }
        let (nr_allocations, nr_writes) = watch::disarm();
        // Release pairs with the Acquire in `note_features`.
        self.is_over.store(true, Ordering::Release);
        Guard {
            nr_allocations,
            nr_writes,
            nr_nmis: worker::nr_nmis_of_all(),
            nr_masked: Some(self.nr_masked.load(Ordering::Relaxed)),
        }
    }
}
