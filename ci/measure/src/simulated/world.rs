//! The virtual machine: its clock, its lines and its CPUs.

use std::cell::RefCell;
use std::rc::Rc;

use foldhash::HashMap;
use oorandom::Rand64;
use rendezvous::Rendezvous;

use super::SimulatedError;
use super::agenda::Agenda;
use super::coroutines::pause;
use super::costs::CostModel;
use super::line::{Access, CpuSet, Distances, Line};
use super::setting::{BEFORE, CONTROL, Setting};
use super::sleep::Sleep;
use super::word::SimWord;

/// All that [`rendezvous`] pads its words to, in bytes: on x86, two lines of 64 that
/// are fetched together.
const LINE_BYTES: usize = 128;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// A CPU, as far as its coroutine does not know it.
#[derive(Debug, Default)]
struct Cpu {
    /// The lines that it reads in this round of a wait.
    lines: Vec<u32>,
    /// While it waits and needs not be looked at.
    sleep: Option<Sleep>,
    /// The rounds since it looked at the clock, where it lost the copy.
    nr_looks: Option<u64>,
}

/// How an access goes on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// It is none of a simulated CPU.
    Free,
    /// At once, at that cost in ns.
    Now(u64),
    /// The CPU waits for its turn at the line.
    Queued(u32),
}

/// How a wait goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// With the next round, so many after the last look at the clock.
    Round(u64),
    /// The deadline has passed.
    TimedOut,
}

/// All that a load consists of.
#[derive(Debug)]
pub(super) struct World {
    setting: Rc<Setting>,
    distances: Distances,
    random: Rand64,
    rendezvous: Option<Rc<Rendezvous<SimWord>>>,
    is_stepwise: bool,
    now_ns: u64,
    agenda: Agenda,
    cpus: Vec<Cpu>,
    current: Option<u32>,
    lines: Vec<Line>,
    /// By what the address of a word says: the value decides nothing, and lines are
    /// numbered as they come.
    line_of: HashMap<usize, u32>,
    /// By CPU on AMD's, else by core.
    revisions: Vec<u32>,
    /// The first panic.
    panicked: Option<SimulatedError>,
}

/// Uses this thread's world.
pub(super) fn with<R>(f: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(|world| f(world.as_mut().expect("a world is set up")))
}

/// A word can be used when there is no world any more.
fn with_any<R>(f: impl FnOnce(&mut World) -> R) -> Option<R> {
    WORLD.with_borrow_mut(|world| world.as_mut().map(f))
}

/// The world, or none, for this thread.
pub(super) fn set_up(world: Option<World>) {
    let former = WORLD.replace(world);
    // Its words are dropped when it is this thread's no more.
    drop(former);
}

/// What a word asks for.
pub(super) fn access(address: usize, access: Access) -> Turn {
    with_any(|world| world.access(address, access)).unwrap_or(Turn::Free)
}

/// Time passes for the CPU that runs; others go on meanwhile.
pub(super) fn pass(ns: u64) {
    if with(|world| world.pass(ns)) {
        pause();
    }
}

impl World {
    pub(super) fn new(setting: Setting, is_stepwise: bool) -> Self {
        let nr_cpus = setting.nr_cpus();
        Self {
            distances: Distances::new(setting.nr_threads, setting.nr_cores),
            random: Rand64::new(setting.seed.into()),
            rendezvous: None,
            is_stepwise,
            now_ns: 0,
            agenda: Agenda::new(nr_cpus),
            cpus: Vec::new(),
            current: None,
            lines: Vec::new(),
            line_of: HashMap::default(),
            revisions: Vec::new(),
            panicked: None,
            setting: Rc::new(setting),
        }
    }

    /// The machine before a request. Chance goes on where it was.
    pub(super) fn reset(&mut self, rendezvous: Option<Rc<Rendezvous<SimWord>>>) {
        let nr_cpus = self.setting.nr_cpus();
        self.rendezvous = rendezvous;
        self.now_ns = 0;
        self.cpus.clear();
        self.cpus.resize_with(nr_cpus as usize, Cpu::default);
        self.lines.clear();
        self.line_of.clear();
        self.revisions = vec![BEFORE; nr_cpus as usize];
        self.panicked = None;
        self.agenda.set(CONTROL, 0);
    }

    pub(super) fn setting(&self) -> &Setting {
        &self.setting
    }

    fn costs(&self) -> &CostModel {
        &self.setting.costs
    }

    pub(super) fn rendezvous(&self) -> Option<Rc<Rendezvous<SimWord>>> {
        self.rendezvous.clone()
    }

    pub(super) fn is_stepwise(&self) -> bool {
        self.is_stepwise
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Turns to the CPU that is the next to go on.
    pub(super) fn turn(&mut self) -> Option<u32> {
        let (at_ns, cpu) = self.agenda.first()?;
        self.agenda.clear(cpu);
        self.now_ns = at_ns;
        self.current = Some(cpu);
        Some(cpu)
    }

    /// No CPU runs any more; whether one has panicked.
    pub(super) fn finish(&mut self) -> Result<(), SimulatedError> {
        self.current = None;
        self.panicked.take().map_or(Ok(()), Err)
    }

    /// A CPU panics the machine; the protocol lets it leave all the same.
    pub(super) fn panic(&mut self, cpu: u32, message: &'static str) {
        let panicked = SimulatedError::Panicked { cpu, message };
        self.panicked.get_or_insert(panicked);
    }

    /// Whether the CPU that runs has to pause, since others come before it.
    fn pass(&mut self, ns: u64) -> bool {
        let Some(current) = self.current else {
            return false;
        };
        self.now_ns += ns;
        let own = (self.now_ns, current);
        let is_overtaken = self.agenda.first().is_some_and(|first| first < own);
        if is_overtaken {
            self.agenda.set(current, self.now_ns);
        }
        is_overtaken
    }

    /// The control CPU calls the others at once, as one interrupt to all does. Each
    /// comes when chance has it.
    pub(super) fn call_all(&mut self) {
        let CostModel {
            call, call_spread, ..
        } = *self.costs();
        for cpu in 0..self.setting.nr_cpus() {
            let spread_ns = self.random.rand_range(0..call_spread + 1);
            let late_ns = self.setting.lateness_ns(cpu);
            if let Some(late_ns) = late_ns.filter(|_| cpu != CONTROL) {
                self.agenda
                    .set(cpu, self.now_ns + call + spread_ns + late_ns);
            }
        }
    }

    fn line(&mut self, address: usize) -> u32 {
        let nr_cpus = self.setting.nr_cpus();
        let lines = &mut self.lines;
        *self.line_of.entry(address / LINE_BYTES).or_insert_with(|| {
            // The control CPU has set up the words.
            lines.push(Line::new(nr_cpus, CONTROL));
            u32::try_from(lines.len() - 1).unwrap_or(u32::MAX)
        })
    }

    fn access(&mut self, address: usize, access: Access) -> Turn {
        let Some(cpu) = self.current else {
            return Turn::Free;
        };
        let number = self.line(address);
        if access == Access::Read {
            self.cpus[cpu as usize].lines.push(number);
        }
        let line = &mut self.lines[number as usize];
        if let Some(cost_ns) = line.hit(cpu, access, &self.setting.costs) {
            return Turn::Now(cost_ns);
        }
        if line.queue.is_empty() && line.busy_until_ns <= self.now_ns {
            return Turn::Now(self.serve(number, cpu, access));
        }
        if line.queue.is_empty() {
            self.agenda.set(cpu, line.busy_until_ns);
        }
        line.queue.push_back(cpu);
        Turn::Queued(number)
    }

    /// Serves the CPU whose turn at the line has come; what it costs it, in ns.
    pub(super) fn serve_next(&mut self, number: u32, access: Access) -> u64 {
        let Some(cpu) = self.current else {
            return 0;
        };
        let cost_ns = self.serve(number, cpu, access);
        let line = &mut self.lines[number as usize];
        line.queue.pop_front();
        if let Some(&next) = line.queue.front() {
            self.agenda.set(next, line.busy_until_ns);
        }
        cost_ns
    }

    fn serve(&mut self, number: u32, cpu: u32, access: Access) -> u64 {
        let costs = &self.setting.costs;
        let line = &mut self.lines[number as usize];
        let (cost_ns, lost) = line.serve(cpu, access, self.distances, costs, self.now_ns);
        for other in lost.iter().flat_map(CpuSet::iter) {
            self.lose(other, number, cpu);
        }
        cost_ns
    }

    /// A CPU loses its copy to another.
    fn lose(&mut self, cpu: u32, line: u32, to: u32) {
        let loser = &mut self.cpus[cpu as usize];
        let Some(sleep) = loser.sleep.filter(|_| loser.lines.contains(&line)) else {
            return;
        };
        // Of two CPUs at the same time the lower one is first.
        let misses_from_ns = self.now_ns + u64::from(cpu < to);
        let next = sleep.skip_to(misses_from_ns);
        if next.next_ns < sleep.times_out_ns() {
            loser.sleep = None;
            loser.nr_looks = Some(next.nr_looks);
            self.agenda.set(cpu, next.next_ns);
        }
    }

    /// A round of a wait begins.
    pub(super) fn begin_look(&mut self, cpu: u32) {
        self.cpus[cpu as usize].lines.clear();
    }

    /// A round has found nothing: whether the CPU sleeps, since it has the one line
    /// that it looked at.
    pub(super) fn fall_asleep(&mut self, cpu: u32, deadline_ns: u64, nr_looks: u64) -> bool {
        let sleeper = &mut self.cpus[cpu as usize];
        let [line] = sleeper.lines[..] else {
            return false;
        };
        if !self.lines[line as usize].is_held_by(cpu) {
            return false;
        }
        let costs = &self.setting.costs;
        let sleep = Sleep {
            next_ns: self.now_ns,
            nr_looks,
            round_ns: costs.hit + costs.pause,
            clock_ns: costs.clock,
            deadline_ns,
        };
        sleeper.sleep = Some(sleep);
        self.agenda.set(cpu, sleep.times_out_ns());
        true
    }

    /// The CPU goes on.
    pub(super) fn wake(&mut self, cpu: u32) -> Wake {
        let cpu = &mut self.cpus[cpu as usize];
        cpu.sleep = None;
        cpu.nr_looks.take().map_or(Wake::TimedOut, Wake::Round)
    }

    /// The CPU's revision, or its core's.
    pub(super) fn revision(&mut self, cpu: u32) -> &mut u32 {
        let whose = if self.setting.is_amd {
            cpu
        } else {
            self.setting.core_of(cpu)
        };
        &mut self.revisions[whose as usize]
    }
}
