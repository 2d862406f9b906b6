//! Every order of the steps.
//!
//! A run is made again and again, each time up to the last place where another
//! choice is left, and on from there. A state that was seen before is not gone
//! on from: the program is a function of what it sees, so what follows was seen
//! too.
//!
//! A step that nobody else can see or influence is made at once and at no other
//! time: one on a word that only one CPU uses, or a look at the clock when time
//! does not pass any more. Which words those are is assumed and checked: where
//! another CPU turns up, all begins anew without that assumption.

use std::rc::Rc;

use foldhash::HashSet;

use crate::coroutines::Coroutines;
use crate::setup::Setup;
use crate::violation::{CounterExample, Violation};
use crate::world::{self, World};

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// States, after which it is given up.
    pub nr_states: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            nr_states: 30_000_000,
        }
    }
}

/// What was tried.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// Different states.
    pub nr_states: usize,
    /// Steps between them.
    pub nr_steps: u64,
    /// The longest run's steps.
    pub longest: usize,
    /// Whether the bound was reached before all was tried.
    pub is_cut: bool,
    /// The first violation that was found.
    pub counter_example: Option<CounterExample>,
}

/// What can happen next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice {
    Cpu(u32),
    Leap,
    Nmi(u32),
}

/// A place in a run with its choices, and which one is being tried.
#[derive(Debug)]
struct Fork {
    choices: Vec<Choice>,
    next: usize,
}

/// What can happen now: nothing, when all is over.
///
/// Time passes by itself at any moment, as often as the set-up says, and when
/// nobody can go on otherwise.
pub(crate) fn choices(setup: &Setup) -> Result<Vec<Choice>, Violation> {
    /// As often as any chain of waits needs.
    const NR_FORCED: u32 = 64;
    world::with(|world| {
        let mut choices: Vec<_> = world.ready().map(Choice::Cpu).collect();
        let nr_leaps = world.nr_leaps();
        let Some(cpu) = world.waiting() else {
            return Ok(choices);
        };
        if nr_leaps < setup.nr_leaps || choices.is_empty() {
            choices.push(Choice::Leap);
        }
        if let Some(cpu) = world.stalled() {
            return Err(Violation::Stalled { cpu });
        }
        if nr_leaps > NR_FORCED {
            return Err(Violation::NeverLeft { cpu });
        }
        Ok(choices)
    })
}

/// Lets it happen.
pub(crate) fn take(choice: Choice, coroutines: &mut Coroutines) {
    match choice {
        Choice::Leap => world::with(World::leap),
        Choice::Cpu(cpu) => {
            world::with(|world| world.choose(cpu));
            begin(cpu, coroutines);
            coroutines.resume(cpu);
        }
        Choice::Nmi(cpu) => {
            world::with(|world| world.turn_to(cpu));
            begin(cpu, coroutines);
            world::with(|world| world.interrupt(cpu));
            coroutines.resume(cpu);
        }
    }
}

/// Brings a CPU to its first step, if it is not beyond.
fn begin(cpu: u32, coroutines: &mut Coroutines) {
    if !world::with(|world| world.mark_begun(cpu)) {
        coroutines.resume(cpu);
    }
}

/// Lets all CPUs run to the end of this run.
pub(crate) fn finish(setup: &Setup, coroutines: &mut Coroutines) {
    world::with(World::drain);
    for cpu in 0..setup.nr_cpus() {
        if world::with(|world| {
            world.choose(cpu);
            world.is_under_way(cpu)
        }) {
            coroutines.resume(cpu);
        }
    }
}

/// Tries every order.
#[must_use]
pub fn explore(setup: &Setup, bounds: Bounds) -> Explored {
    let setup = Rc::new(setup.clone());
    let mut explorer = Explorer {
        coroutines: Coroutines::new(setup.nr_cpus()),
        setup,
        bounds,
        shared: HashSet::default(),
        seen: HashSet::default(),
        forks: Vec::new(),
        explored: Explored::default(),
    };
    while explorer.explore_all() {}
    explorer.explored
}

struct Explorer {
    setup: Rc<Setup>,
    bounds: Bounds,
    coroutines: Coroutines,
    /// Words that more than one CPU is known to use.
    shared: HashSet<usize>,
    seen: HashSet<u64>,
    forks: Vec<Fork>,
    explored: Explored,
}

impl Explorer {
    /// Whether all has to begin anew, since a word is shared that was not known
    /// to be.
    fn explore_all(&mut self) -> bool {
        self.seen.clear();
        self.forks.clear();
        self.explored = Explored::default();
        loop {
            let violation = self.run();
            let nr_known = self.shared.len();
            world::with(|world| self.shared.extend(world.shared_words()));
            finish(&self.setup, &mut self.coroutines);
            self.explored.nr_states = self.seen.len();
            if let Some(violation) = violation {
                self.explored.counter_example = Some(self.again(violation));
                return false;
            }
            if self.shared.len() > nr_known {
                return true;
            }
            if self.seen.len() > self.bounds.nr_states {
                self.explored.is_cut = true;
                return false;
            }
            let is_done = |fork: &mut Fork| fork.next + 1 == fork.choices.len();
            while self.forks.pop_if(is_done).is_some() {}
            match self.forks.last_mut() {
                Some(fork) => fork.next += 1,
                None => return false,
            }
        }
    }

    /// One run: what the forks say, and on from there.
    fn run(&mut self) -> Option<Violation> {
        World::reset(&self.setup, false);
        for fork in &self.forks {
            take(fork.choices[fork.next], &mut self.coroutines);
        }
        loop {
            let (violation, fingerprint) =
                world::with(|world| (world.violation, world.fingerprint()));
            if violation.is_some() {
                return violation;
            }
            if !self.seen.insert(fingerprint) {
                return None;
            }
            let is_private = |place| !self.shared.contains(&place);
            let recluse = world::with(|world| world.recluse(is_private));
            let choices = match recluse {
                Some(cpu) => vec![Choice::Cpu(cpu)],
                None => match self.choices() {
                    Ok(choices) => choices,
                    Err(violation) => return Some(violation),
                },
            };
            let &first = choices.first()?;
            self.forks.push(Fork { choices, next: 0 });
            self.explored.longest = self.explored.longest.max(self.forks.len());
            self.explored.nr_steps += 1;
            take(first, &mut self.coroutines);
        }
    }

    /// What can happen now, NMIs included, which may come when all is over too.
    /// One before a step that nobody else can see is left out: its handler would
    /// do what it does before the next.
    fn choices(&self) -> Result<Vec<Choice>, Violation> {
        let mut choices = choices(&self.setup)?;
        if choices.is_empty() {
            world::check_end();
        }
        world::with(|world| {
            choices.extend(world.open_to_nmis().map(Choice::Nmi));
            world.violation.map_or(Ok(choices), Err)
        })
    }

    /// The run of a violation once more, with its steps in words.
    fn again(&mut self, violation: Violation) -> CounterExample {
        World::reset(&self.setup, true);
        for fork in &self.forks {
            take(fork.choices[fork.next], &mut self.coroutines);
        }
        let steps = world::with(|world| world.steps.take()).unwrap_or_default();
        finish(&self.setup, &mut self.coroutines);
        CounterExample { violation, steps }
    }
}
