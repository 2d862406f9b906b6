//! Stops all CPUs at one point, loads on every core, and lets them go together.
//!
//! The parties: a *control CPU* that runs the request, one *leader* per
//! physical core that writes, and its SMT siblings, the *followers*, that must
//! do nothing while it writes.
//!
//! ```text
//!  Plan ──▶ Rendezvous ──request──▶ CPUs called ──attend, on each──▶ Records
//! ```
//!
//! A [`Plan`] is made before anybody is stopped; a [`Rendezvous`] is one request
//! by one of the [protocols](Name): this project's own, and those of the loaders
//! that it is compared with, each written from its description.
//!
//! Inside, there is no allocation, no lock, no printing and no loop without a
//! deadline. Each CPU writes its own notes alone; the control CPU reads them all
//! afterwards.
//!
//! The code is generic over the [`Machine`] it runs on and the [`Word`]s that
//! the CPUs agree by: the guest's CPUs, host threads in tests, a model checker,
//! virtual CPUs in virtual time.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod core_turn;
mod gate;
mod machine;
mod options;
mod plan;
mod protocols;
mod rendezvous;
mod seat;
mod slot;
mod steps;
mod topology;
mod tree;
mod words;

#[cfg(test)]
mod tests;

pub use machine::{GpFault, LOOKS_PER_CLOCK, Machine};
pub use options::{CallIn, Election, Named, Nmi, OnHang, Options, Order, Parked, Timeouts};
pub use plan::{Plan, Task};
pub use protocols::{NR_BATCHES, Name};
pub use rendezvous::{Rendezvous, Unanswered};
pub use slot::{Moments, Outcome, Record, Role};
pub use topology::{Place, Topology};
pub use words::Word;
