//! The virtual machine: memory, clock, CPUs, and what is watched.

mod cpu;

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher};
use std::rc::Rc;

use rendezvous::{CONTROL_CPU, GpFault, Machine, Name, OnHang, Outcome, Record, Rendezvous};

use crate::coroutines::pause;
use crate::setup::{BEFORE, GARBLED, Setup, TARGET, Write};
use crate::violation::Violation;
use crate::word::SimWord;
use cpu::{Cpu, Status};

pub(crate) use cpu::Touch;

/// The clock's place in memory; its value counts leaps.
const CLOCK: usize = 0;
/// How far time leaps, in ns: beyond every deadline.
const LEAP_NS: u64 = 1_000_000;

/// Steps between a protocol's last word that a CPU may load and its load: it
/// notes that it does, and begins.
const STEPS_INTO_LOAD: u8 = 2;

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
    static RENDEZVOUS: RefCell<Option<Rc<Rendezvous<SimWord>>>> = const { RefCell::new(None) };
}

/// A word's value, and how often it changed.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    value: u32,
    nr_changes: u32,
    /// The first CPU that used it.
    user: Option<u32>,
    /// Whether another one did too.
    is_shared: bool,
}

/// All that a run consists of.
#[derive(Debug, Default)]
pub(crate) struct World {
    setup: Option<Rc<Setup>>,
    memory: Vec<Cell>,
    cpus: Vec<Cpu>,
    /// For each core or thread.
    revisions: Vec<u32>,
    /// Who of a core is inside a load.
    inside: Vec<Option<u32>>,
    current: Option<u32>,
    /// Everybody runs to the end without being watched.
    is_draining: bool,
    has_canary_failed: bool,
    nr_loads: u32,
    pub(crate) violation: Option<Violation>,
    pub(crate) steps: Option<Vec<String>>,
}

/// The same in every run.
fn hasher() -> impl Hasher {
    foldhash::quality::FixedState::default().build_hasher()
}

/// Uses this thread's world.
pub(crate) fn with<R>(f: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(f)
}

/// One step that touches what others see: it is made when this CPU is chosen.
fn step<R>(f: impl FnOnce(&mut World) -> R) -> R {
    touch(Touch::Shared, f)
}

/// One step.
pub(crate) fn touch<R>(what: Touch, f: impl FnOnce(&mut World) -> R) -> R {
    if with(|world| world.has_to_wait(what)) {
        pause();
    }
    with(f)
}

/// What a CPU's coroutine does in a run.
pub(crate) fn run_cpu(cpu: u32) {
    let rendezvous = RENDEZVOUS.with_borrow(Clone::clone);
    let Some(rendezvous) = rendezvous else { return };
    let machine = OnCpu(cpu);
    if with(|world| world.setup().held.contains(&cpu)) {
        rendezvous.hold(cpu, &machine);
        step(|world| world.go_back(cpu));
    } else if cpu != CONTROL_CPU {
        rendezvous.attend(cpu, &machine);
    } else if rendezvous.request(&machine).is_ok() {
        step(World::call_all);
        rendezvous.attend(cpu, &machine);
    }
    with(|world| world.cpus[cpu as usize].status = Status::Done);
}

/// One CPU, as the rendezvous sees it.
struct OnCpu(u32);

impl Machine for OnCpu {
    fn now_ns(&self) -> u64 {
        touch(Touch::Clock, |world| {
            if world.is_draining {
                // Nobody waits for anything.
                world.memory[CLOCK].value += 1;
            }
            u64::from(world.read(CLOCK, "reads the clock,")) * LEAP_NS
        })
    }

    fn stamp_ns(&self) -> u64 {
        u64::from(with(|world| world.nr_leaps())) * LEAP_NS
    }

    fn relax(&self) {}

    fn wait<T>(&self, deadline_ns: u64, look: impl Fn() -> Option<T>) -> Option<T> {
        let history = with(|world| world.begin_wait(self.0));
        loop {
            if let Some(found) = look() {
                return Some(found);
            }
            if self.now_ns() > deadline_ns {
                return None;
            }
            if with(|world| world.find_nothing(self.0, history)) {
                pause();
            }
            with(|world| world.cpus[self.0 as usize].end_wait());
        }
    }

    fn stop(&self) {
        step(|world| world.stop(self.0));
    }

    fn go(&self) {
        step(|world| world.go(self.0));
    }

    fn parse(&self) {}

    fn load(&self) -> Result<(), GpFault> {
        let write = step(|world| world.begin_load(self.0));
        if write == Write::Hangs {
            with(|world| world.hang(self.0));
            // Nobody chooses this CPU any more, but for the end of the run.
            while !with(|world| world.is_draining) {
                pause();
            }
        }
        step(|world| world.end_load(self.0, write))
    }

    fn revision(&self) -> u32 {
        step(|world| world.revision(self.0))
    }

    fn send_nmi(&self, cpu: u32) {
        step(|world| world.wake(cpu));
    }

    fn panic(&self, _: &'static str) {
        step(|world| world.violate(Violation::Panicked { cpu: self.0 }));
    }
}

impl World {
    /// A machine as it is before a request, with its rendezvous.
    pub(crate) fn reset(setup: &Rc<Setup>, has_steps: bool) {
        RENDEZVOUS.with_borrow_mut(Option::take);
        let nr_cpus = setup.nr_cpus() as usize;
        let nr_revisions = if setup.is_amd {
            nr_cpus
        } else {
            setup.nr_cores as usize
        };
        with(|world| {
            *world = Self {
                setup: Some(Rc::clone(setup)),
                memory: vec![Cell::default()],
                cpus: vec![Cpu::default(); nr_cpus],
                revisions: vec![BEFORE; nr_revisions],
                inside: vec![None; setup.nr_cores as usize],
                steps: has_steps.then(Vec::new),
                ..Self::default()
            };
            world.cpus[CONTROL_CPU as usize].status = Status::Ready;
        });
        let rendezvous = Rc::new(Rendezvous::new(setup.protocol, setup.plan()));
        RENDEZVOUS.with_borrow_mut(|place| *place = Some(rendezvous));
    }

    fn setup(&self) -> &Setup {
        self.setup.as_ref().expect("the world was reset")
    }

    pub(crate) fn add_word(&mut self, value: u32) -> usize {
        self.memory.push(Cell {
            value,
            ..Cell::default()
        });
        self.memory.len() - 1
    }

    /// Whether the current CPU has to be chosen before it makes its next step.
    fn has_to_wait(&mut self, what: Touch) -> bool {
        let Some(current) = self.current.filter(|_| !self.is_draining) else {
            return false;
        };
        self.cpus[current as usize].next = what;
        !std::mem::take(&mut self.cpus[current as usize].is_chosen)
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        if let (Some(steps), Some(cpu)) = (&mut self.steps, self.current) {
            steps.push(format!("CPU {cpu} {}", what()));
        }
    }

    pub(crate) fn read(&mut self, place: usize, verb: &str) -> u32 {
        self.use_word(place);
        let Cell {
            value, nr_changes, ..
        } = self.memory[place];
        if let Some(current) = self.current {
            self.cpus[current as usize].saw(place, value, nr_changes);
        }
        self.say(|| format!("{verb} word {place}: {value:#x}"));
        value
    }

    pub(crate) fn write(&mut self, place: usize, value: u32, verb: &str) {
        self.use_word(place);
        let cell = &mut self.memory[place];
        if cell.value != value {
            cell.value = value;
            cell.nr_changes += 1;
        }
        self.act(place as u64, u64::from(value));
        self.say(|| format!("{verb} word {place}: now {value:#x}"));
    }

    /// The current CPU did something that others can see.
    fn act(&mut self, what: u64, how: u64) {
        if let Some(current) = self.current {
            self.cpus[current as usize].did(what, how);
        }
    }

    /// The history with which a wait begins.
    fn begin_wait(&mut self, cpu: u32) -> u64 {
        let cpu = &mut self.cpus[cpu as usize];
        cpu.wait.clear();
        cpu.history()
    }

    /// A round of a wait has found nothing; whether there is a point in waiting
    /// for a change.
    fn find_nothing(&mut self, cpu: u32, history: u64) -> bool {
        self.cpus[cpu as usize].wait(history);
        !self.is_draining
    }

    pub(crate) fn violate(&mut self, violation: Violation) {
        if !self.is_draining {
            self.violation.get_or_insert(violation);
        }
    }

    /// The others are called.
    fn call_all(&mut self) {
        for cpu in 0..self.setup().nr_cpus() {
            let setup = self.setup();
            if cpu != CONTROL_CPU && !setup.absent.contains(&cpu) && !setup.held.contains(&cpu) {
                self.wake(cpu);
            }
        }
        self.act(u64::MAX, 0);
    }

    fn wake(&mut self, cpu: u32) {
        if !self.setup().absent.contains(&cpu) {
            self.cpus[cpu as usize].status = Status::Ready;
        }
        self.act(u64::MAX, 1 + u64::from(cpu));
        self.say(|| format!("calls CPU {cpu}"));
    }

    fn stop(&mut self, cpu: u32) {
        self.cpus[cpu as usize].is_stopped = true;
        self.act(u64::MAX - 1, 0);
        self.say(|| "is stopped".into());
    }

    fn is_sibling_inside(&self, cpu: u32) -> bool {
        let core = self.setup().core_of(cpu) as usize;
        self.inside[core].is_some_and(|inside| inside != cpu)
    }

    pub(crate) fn nr_leaps(&self) -> u32 {
        self.memory[CLOCK].value
    }

    fn go(&mut self, cpu: u32) {
        self.cpus[cpu as usize].is_stopped = false;
        // From now on only who was about to load may.
        for cpu in &mut self.cpus {
            cpu.nr_steps = 0;
        }
        let has_left = self.setup().stops_all() && self.nr_leaps() == 0;
        if has_left && self.is_sibling_inside(cpu) {
            self.violate(Violation::LeftDuringLoad { cpu });
        }
        self.act(u64::MAX - 2, 0);
        self.say(|| "runs again".into());
    }

    fn go_back(&mut self, cpu: u32) {
        if self.is_sibling_inside(cpu) && self.nr_leaps() == 0 {
            self.violate(Violation::ReleasedDuringLoad { cpu });
        }
        self.act(u64::MAX - 3, 0);
        self.say(|| "goes back to being offline".into());
    }

    fn begin_load(&mut self, cpu: u32) -> Write {
        let core = self.setup().core_of(cpu) as usize;
        if self.is_sibling_inside(cpu) {
            self.violate(Violation::TwoThreadsInside { cpu });
        }
        let loads = &self.cpus[cpu as usize];
        let is_loose = |other: &u32| self.is_loose(*other, loads);
        if let Some(other) = (0..self.setup().nr_cpus()).find(is_loose) {
            self.violate(Violation::LoadWhileNotAllStopped { cpu, other });
        }
        let is_canary = core == self.setup().core_of(CONTROL_CPU) as usize;
        self.nr_loads += 1;
        if self.has_canary_failed && !is_canary {
            self.violate(Violation::LoadAfterFailedCanary { cpu });
        }
        self.inside[core] = Some(cpu);
        self.act(u64::MAX - 4, 0);
        self.say(|| "begins to load".into());
        self.setup().write_of(cpu)
    }

    /// Whether a CPU should be stopped during a load and is not. That one which
    /// was through the gate leaves when time has passed is the price of a load
    /// that hangs; the one that loads must have been about to by then.
    fn is_loose(&self, cpu: u32, loads: &Cpu) -> bool {
        let setup = self.setup();
        let state = &self.cpus[cpu as usize];
        let is_to_be_stopped = setup.stops_all() && !setup.held.contains(&cpu);
        let is_about_to = loads.nr_steps <= STEPS_INTO_LOAD;
        let is_excused = || self.nr_leaps() > 0 && is_about_to && has_passed(cpu);
        is_to_be_stopped && !state.is_stopped && !is_excused()
    }

    fn hang(&mut self, cpu: u32) {
        self.cpus[cpu as usize].status = Status::Hung;
    }

    fn slot(&mut self, cpu: u32) -> &mut u32 {
        let setup = self.setup();
        let place = if setup.is_amd {
            cpu
        } else {
            setup.core_of(cpu)
        };
        &mut self.revisions[place as usize]
    }

    fn end_load(&mut self, cpu: u32, write: Write) -> Result<(), GpFault> {
        match write {
            Write::Takes => *self.slot(cpu) = TARGET,
            Write::Garbles => *self.slot(cpu) = GARBLED,
            Write::Faults | Write::Ignored | Write::Hangs => {}
        }
        let core = self.setup().core_of(cpu) as usize;
        self.inside[core] = None;
        let is_canary = self.setup().options.order == rendezvous::Order::Canary
            && core == self.setup().core_of(CONTROL_CPU) as usize;
        self.has_canary_failed |= is_canary && write != Write::Takes;
        self.act(u64::MAX - 5, 0);
        self.say(|| format!("ends its load, which {write:?}"));
        if write == Write::Faults {
            Err(GpFault)
        } else {
            Ok(())
        }
    }

    fn revision(&mut self, cpu: u32) -> u32 {
        if self.is_sibling_inside(cpu) {
            self.violate(Violation::SiblingActivity { cpu });
        }
        let revision = *self.slot(cpu);
        self.act(u64::MAX - 6, revision.into());
        self.say(|| format!("reads its revision, {revision}"));
        revision
    }

    /// Who could make the next step.
    pub(crate) fn ready(&self) -> impl Iterator<Item = u32> {
        let nr_cpus = self.setup().nr_cpus();
        (0..nr_cpus).filter(|&cpu| self.is_ready(cpu))
    }

    /// Somebody whose next step nobody else can see or influence, so that its
    /// place among the others' steps makes no difference.
    pub(crate) fn recluse(&self, is_private: impl Fn(usize) -> bool) -> Option<u32> {
        let time_stands = self.nr_leaps() >= self.setup().nr_leaps;
        self.ready().find(|&cpu| {
            let cpu = &self.cpus[cpu as usize];
            // One that waits first looks again, which is a step that counts.
            cpu.has_begun
                && cpu.status == Status::Ready
                && match cpu.next {
                    Touch::Shared => false,
                    Touch::Word(place) => is_private(place),
                    Touch::Clock => time_stands,
                }
        })
    }

    /// Words that more than one CPU used in this run.
    pub(crate) fn shared_words(&self) -> impl Iterator<Item = usize> {
        let is_shared = |cell: &Cell| cell.is_shared;
        (0..)
            .zip(&self.memory)
            .filter(move |(_, cell)| is_shared(cell))
            .map(|(place, _)| place)
    }

    fn use_word(&mut self, place: usize) {
        if let Some(current) = self.current {
            let cell = &mut self.memory[place];
            let user = cell.user.get_or_insert(current);
            cell.is_shared |= *user != current;
        }
    }

    pub(crate) fn is_ready(&self, cpu: u32) -> bool {
        let cpu = &self.cpus[cpu as usize];
        match cpu.status {
            Status::Ready => true,
            Status::Waiting => cpu
                .wait
                .iter()
                .any(|&(place, nr_changes)| self.memory[place].nr_changes != nr_changes),
            Status::Asleep | Status::Hung | Status::Done => false,
        }
    }

    pub(crate) fn choose(&mut self, cpu: u32) {
        let nr_steps = &mut self.cpus[cpu as usize].nr_steps;
        *nr_steps = (*nr_steps + 1).min(STEPS_INTO_LOAD + 1);
        self.current = Some(cpu);
        self.cpus[cpu as usize].is_chosen = self.cpus[cpu as usize].status == Status::Waiting;
    }

    /// Time passes every deadline.
    pub(crate) fn leap(&mut self) {
        self.memory[CLOCK].value += 1;
        self.memory[CLOCK].nr_changes += 1;
        if let Some(steps) = &mut self.steps {
            steps.push("time passes every deadline".into());
        }
    }

    /// Whether anybody still waits.
    pub(crate) fn waiting(&self) -> Option<u32> {
        let waits = |cpu: &Cpu| cpu.status == Status::Waiting || cpu.status == Status::Ready;
        let place = self.cpus.iter().position(waits)?;
        u32::try_from(place).ok()
    }

    /// Somebody, where only time can let anybody go on although nobody hangs or
    /// is missing.
    pub(crate) fn stalled(&self) -> Option<u32> {
        let setup = self.setup();
        let nobody_hangs = self.cpus.iter().all(|cpu| cpu.status != Status::Hung);
        // Peers' own bounds, and those that were put to theirs, may cross.
        let is_held_to_it = self.nr_leaps() == 0 || setup.protocol == Name::Muster;
        let is_stuck = is_held_to_it
            && self.ready().next().is_none()
            && nobody_hangs
            && setup.absent.is_empty()
            && setup.options.on_hang == OnHang::Leave;
        self.waiting().filter(|_| is_stuck)
    }

    /// A number that differs where anything does that may make a difference.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = hasher();
        for cell in &self.memory {
            hasher.write_u32(cell.value);
        }
        for (number, cpu) in (0..).zip(&self.cpus) {
            cpu.hash(&mut hasher);
            hasher.write_u8(self.is_ready(number).into());
        }
        for &revision in &self.revisions {
            hasher.write_u32(revision);
        }
        for inside in &self.inside {
            hasher.write_u32(inside.map_or(0, |cpu| cpu + 1));
        }
        hasher.write_u8(self.has_canary_failed.into());
        hasher.finish()
    }

    /// Lets everybody run to the end.
    pub(crate) fn drain(&mut self) {
        self.is_draining = true;
    }

    /// Whether a CPU's coroutine is in the middle of a run.
    pub(crate) fn is_under_way(&self, cpu: u32) -> bool {
        let status = self.cpus[cpu as usize].status;
        self.cpus[cpu as usize].has_begun && status != Status::Done
    }

    /// Whether it was before.
    pub(crate) fn mark_begun(&mut self, cpu: u32) -> bool {
        std::mem::replace(&mut self.cpus[cpu as usize].has_begun, true)
    }
}

/// Whether a CPU was let through the gate.
fn has_passed(cpu: u32) -> bool {
    RENDEZVOUS.with_borrow(|rendezvous| {
        let rendezvous = rendezvous.as_ref();
        rendezvous.is_some_and(|rendezvous| rendezvous.has_passed(cpu))
    })
}

/// What the notes say against what happened, when all is over.
pub(crate) fn check_end() {
    let rendezvous = RENDEZVOUS.with_borrow(Clone::clone);
    let Some(rendezvous) = rendezvous else { return };
    with(|world| world.current = None);
    let records = rendezvous.records();
    with(|world| {
        for (cpu, record) in (0..).zip(&records) {
            world.check_cpu(cpu, record, rendezvous.has_given_up(cpu));
        }
    });
}

impl World {
    fn check_cpu(&mut self, cpu: u32, record: &Record, has_given_up: bool) {
        let outcome = record.outcome;
        let setup = Rc::clone(self.setup.as_ref().expect("the world was reset"));
        let Cpu {
            status, is_stopped, ..
        } = self.cpus[cpu as usize];
        if setup.stops_all() && has_given_up && self.nr_loads > 0 {
            self.violate(Violation::Split { cpu });
        }
        if status != Status::Done {
            return;
        }
        if is_stopped {
            self.violate(Violation::NotRestored { cpu });
        }
        if setup.held.contains(&cpu) {
            return;
        }
        let revision = *self.slot(cpu);
        let is_true = match outcome {
            Outcome::Updated | Outcome::Followed => revision == TARGET,
            // Where each CPU decides for itself, the load may come later.
            Outcome::NotTaken => revision == BEFORE || self.nr_leaps() > 0,
            Outcome::Mismatch => revision == GARBLED,
            Outcome::GpFault => setup.write_of(cpu) == Write::Faults,
            Outcome::Late | Outcome::Aborted => true,
            Outcome::Hung | Outcome::Held | Outcome::Attended => false,
        };
        let is_stale = |&after: &u32| after != revision && self.nr_leaps() == 0;
        if !is_true || record.after.as_ref().is_some_and(is_stale) {
            self.violate(Violation::WrongOutcome { cpu });
        }
        let is_success = matches!(outcome, Outcome::Updated | Outcome::Followed);
        let nothing_fails = setup.writes.is_empty() && setup.absent.is_empty();
        if !is_success && nothing_fails && self.nr_leaps() == 0 {
            self.violate(Violation::LeftBehind { cpu });
        }
    }
}
