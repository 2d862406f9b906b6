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
//! Memory is sequentially consistent, and a CPU does one thing after another. Of its
//! notes for the report, each moment costs a look at the clock and the outcome an
//! access to a line; the rest is not words that CPUs agree by and costs nothing. Not
//! simulated are soft-offline CPUs and NMIs.

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
#[cfg(test)]
pub(crate) use setting::Fault;
pub use setting::{MOST_CPUS, Setting, SettingError};

use crate::iteration::{CpuTimes, Iteration};
use coroutines::Coroutines;
use world::{World, with};

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
}

/// Simulates so many loads, one after another, each with a draw of its own of how
/// long the call takes to each CPU. Times count from the request.
pub fn simulate(setting: &Setting, nr_loads: u32) -> Result<Vec<Iteration>, SimulatedError> {
    let loads = records(setting, nr_loads)?;
    Ok(loads.iter().map(|load| iteration(setting, load)).collect())
}

/// The same: each load's notes, by CPU.
pub(crate) fn records(
    setting: &Setting,
    nr_loads: u32,
) -> Result<Vec<Vec<Record>>, SimulatedError> {
    run(setting, nr_loads, false)
}

/// The moments of a load's notes.
pub(crate) fn iteration(setting: &Setting, load: &[Record]) -> Iteration {
    let of_cpu = |(cpu, record)| CpuTimes::new(cpu, setting.core_of(cpu), record);
    Iteration {
        cpus: (0..).zip(load).map(of_cpu).collect(),
    }
}

/// Round by round if `is_stepwise`.
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
        load(Rc::clone(&rendezvous), &mut coroutines)?;
        Ok(rendezvous.records())
    });
    let loads = loads.collect();
    // Without a rendezvous the coroutines come to their ends.
    with(|world| world.reset(None));
    (0..setting.nr_cpus()).for_each(|cpu| coroutines.resume(cpu));
    world::set_up(None);
    loads
}

/// One load. Each wait has a deadline within the range of the clock, so all CPUs that
/// came are through in the end.
fn load(
    rendezvous: Rc<Rendezvous<word::SimWord>>,
    coroutines: &mut Coroutines,
) -> Result<(), SimulatedError> {
    with(|world| world.reset(Some(rendezvous)));
    while let Some(cpu) = with(World::turn) {
        coroutines.resume(cpu);
    }
    with(World::finish)
}
