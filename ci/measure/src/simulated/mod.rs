//! The protocols in virtual time: the code of [`rendezvous`] on virtual CPUs.
//!
//! Each CPU is a coroutine. What it does costs what the [`CostModel`] says, and the
//! CPU whose clock is behind those of all others goes on: so a run is a function of
//! its [`Setting`] alone, and thousands of CPUs need no more than one.
//!
//! ```text
//!  Setting ──▶ World: clock, lines, agenda ◀──access, pass, wait──▶ CPUs (coroutines)
//!                                                                      │
//!                                               Iteration ◀──records───┘
//! ```
//!
//! A CPU that waits sleeps until a line that it looks at is taken from it, and goes
//! on at the very time at which its next round would have missed the line
//! (`sleep.rs`). So nothing is lost by it, which a test holds against a simulation
//! round by round.
//!
//! Memory is sequentially consistent, a CPU does one thing after another, and only
//! words that CPUs agree by have lines: the notes for the report are on lines of
//! their own and cost nothing. Not simulated are soft-offline CPUs and NMIs.

mod agenda;
mod coroutines;
mod costs;
mod line;
mod on_cpu;
mod setting;
mod sleep;
#[cfg(test)]
mod tests;
mod word;
mod world;

use std::rc::Rc;

use rendezvous::{Record, Rendezvous};

pub use costs::CostModel;
pub use setting::{Fault, MOST_CPUS, Setting, SettingError};

use crate::iteration::{CpuTimes, Iteration};
use coroutines::Coroutines;
use world::{Misfortune, World, with};

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimulatedError {
    /// The setting makes no sense.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The protocol panics the machine, as its options tell it to.
    #[error("CPU {cpu} panics: {message}")]
    Panicked {
        /// The first that does.
        cpu: u32,
        /// What it says.
        message: &'static str,
    },
    /// A CPU waits for something that never comes, without a deadline.
    #[error("CPU {cpu} waits for ever")]
    Stuck {
        /// Which.
        cpu: u32,
    },
}

/// Simulates so many loads, one after another, each with a draw of its own of how
/// long the call takes to each CPU. Times count from the request.
pub fn simulate(setting: &Setting, nr_loads: u32) -> Result<Vec<Iteration>, SimulatedError> {
    let loads = run(setting, nr_loads, false)?;
    let iteration = |records: &Vec<Record>| {
        let of_cpu = |(cpu, record)| CpuTimes::new(cpu, setting.core_of(cpu), record);
        Iteration {
            cpus: (0..).zip(records).map(of_cpu).collect(),
        }
    };
    Ok(loads.iter().map(iteration).collect())
}

/// Each load's notes, by CPU; round by round if `is_stepwise`.
fn run(
    setting: &Setting,
    nr_loads: u32,
    is_stepwise: bool,
) -> Result<Vec<Vec<Record>>, SimulatedError> {
    setting.check()?;
    let plan = setting.plan();
    let mut coroutines = Coroutines::new(setting.nr_cpus());
    world::set_up(Some(World::new(setting.clone(), is_stepwise)));
    let loads = (0..nr_loads).map(|_| {
        let rendezvous = Rc::new(Rendezvous::new(setting.protocol, plan.clone()));
        let misfortune = load(Rc::clone(&rendezvous), &mut coroutines);
        match misfortune {
            Some(Misfortune::Panicked { cpu, message }) => {
                Err(SimulatedError::Panicked { cpu, message })
            }
            Some(Misfortune::Stuck { cpu }) => Err(SimulatedError::Stuck { cpu }),
            None => Ok(rendezvous.records()),
        }
    });
    let loads = loads.collect();
    // Without a rendezvous the coroutines come to their ends.
    with(|world| world.reset(None));
    (0..setting.nr_cpus()).for_each(|cpu| coroutines.resume(cpu));
    world::set_up(None);
    loads
}

/// One load; what went wrong with the simulation itself.
fn load(
    rendezvous: Rc<Rendezvous<word::SimWord>>,
    coroutines: &mut Coroutines,
) -> Option<Misfortune> {
    with(|world| world.reset(Some(rendezvous)));
    while let Some(cpu) = with(World::turn) {
        coroutines.resume(cpu);
    }
    while let Some(cpu) = with(World::drain) {
        coroutines.resume(cpu);
    }
    with(|world| {
        world.rest();
        world.misfortune
    })
}
