//! Stops all CPUs at one point, loads on every core in parallel, and lets them
//! go together.
//!
//! The parties: a *control CPU* that runs the request, one *leader* per
//! physical core that writes, and its SMT siblings, the *followers*, that must
//! do nothing while it writes.
//!
//! ```text
//!    control CPU / leader                follower
//!    --------------------                --------
//!    call in ─────────────┐   ┌───────── call in
//!                       gate: opened or closed, exactly once
//!    take a ticket: 0                    take a ticket: 1
//!    begin ─ write ─ finish              wait for the leader's finish
//!    read the revision                   (AMD: begin ─ write ─ finish)
//!        │                               read the revision
//!        └──────────── settle ───────────┘
//!    leave                               leave
//! ```
//!
//! Inside, there is no allocation, no lock, no printing and no loop without a
//! deadline. Each CPU writes its own [`Slot`](slot::Slot) alone; the control
//! CPU reads them all afterwards.
//!
//! Two decisions carry the safety of the whole, and each is made by one atomic
//! operation on one word, so that no two CPUs can see it made differently:
//! whether all came in time ([`gate`]), and which thread of a core may write
//! ([`core_turn`]). In older protocols every CPU judged for itself whether all
//! had arrived; one that gave up a moment before the last one came left the
//! others to go on without it.
//!
//! The code is generic over the [`Machine`] it runs on: the guest's CPUs, host
//! threads in tests, and a model checker (`--cfg loom`) that tries every
//! interleaving.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod core_turn;
pub mod gate;
mod muster;
pub mod slot;
mod sync;
pub mod topology;

#[cfg(test)]
mod tests;

pub use muster::{Muster, Task, Timeouts};
pub use slot::{Moments, Outcome, Record, Role};
pub use topology::{Place, Topology};

/// The protocol's name in reports and on the command line.
pub const PROTOCOL: &str = "muster";

/// A write that raised #GP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpFault;

/// What the protocol needs of the machine; each method acts on the CPU that
/// calls it.
pub trait Machine {
    /// Time in ns from any origin; it must be the same clock on all CPUs.
    fn now_ns(&self) -> u64;

    /// Called in every round of a wait.
    fn relax(&self);

    /// Writes the update that the plan chose for this CPU.
    fn load(&self) -> Result<(), GpFault>;

    /// Reads this CPU's revision anew.
    fn revision(&self) -> u32;
}
