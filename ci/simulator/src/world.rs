//! The virtual machine: memory, clock, CPUs, and what is watched.

mod cpu;
mod ending;
mod nmi;
mod on_cpu;
mod registers;
mod schedule;

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher};
use std::rc::Rc;

use rendezvous::Rendezvous;

use crate::setup::{BEFORE, Setup};
use crate::violation::Violation;
use crate::word::SimWord;
use cpu::{Cpu, Status};
use nmi::await_choice;

pub(crate) use cpu::Touch;
pub(crate) use ending::check_end;
use ending::has_passed;
pub(crate) use on_cpu::run_cpu;

/// The clock's place in memory; its value counts leaps.
const CLOCK: usize = 0;
/// How far time leaps, in ns: beyond every deadline.
const LEAP_NS: u64 = 1_000_000;

/// Steps between a protocol's last word that a CPU may load and its load: it
/// begins.
const STEPS_INTO_LOAD: u8 = 1;

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
    /// By CPU: whether it came out of a load.
    have_written: Vec<bool>,
    current: Option<u32>,
    /// Everybody runs to the end without being watched.
    is_draining: bool,
    has_canary_failed: bool,
    nr_loads: u32,
    nr_nmis: u32,
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
        await_choice();
    }
    with(f)
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
                have_written: vec![false; nr_cpus],
                revisions: vec![BEFORE; nr_revisions],
                inside: vec![None; setup.nr_cores as usize],
                steps: has_steps.then(Vec::new),
                ..Self::default()
            };
            world.cpus[setup.control as usize].status = Status::Ready;
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
            let is_called = cpu != setup.control
                && ![&setup.missing, &setup.absent, &setup.held]
                    .iter()
                    .any(|others| others.contains(&cpu));
            if is_called {
                self.wake(cpu);
            }
        }
        self.act(u64::MAX, 0);
    }

    fn use_word(&mut self, place: usize) {
        if let Some(current) = self.current {
            let cell = &mut self.memory[place];
            let user = cell.user.get_or_insert(current);
            cell.is_shared |= *user != current;
        }
    }

    /// Lets everybody run to the end.
    pub(crate) fn drain(&mut self) {
        self.is_draining = true;
    }

    /// Whether a CPU's coroutine is in the middle of a run.
    pub(crate) fn is_under_way(&self, cpu: u32) -> bool {
        let Cpu {
            has_begun, status, ..
        } = self.cpus[cpu as usize];
        has_begun && (status != Status::Done || self.setup().nr_nmis > 0)
    }

    /// Whether it was before.
    pub(crate) fn mark_begun(&mut self, cpu: u32) -> bool {
        std::mem::replace(&mut self.cpus[cpu as usize].has_begun, true)
    }
}
