//! Virtual CPUs that run the rendezvous' own code, one step at a time.
//!
//! Each CPU is a coroutine, and a step is one access of a shared word, of the
//! clock or of the CPU's registers. Who makes the next step is decided by
//! [`explore`], which tries every order, or by [`shuffle`], which draws lots and
//! has thousands of CPUs. Time passes by leaps that let every deadline pass,
//! before any step: so a time-out is an event like others. So is an NMI, whose
//! handler runs before any step of its CPU.
//!
//! Memory is sequentially consistent here; what weaker orderings allow is tried
//! by loom in the crate's own tests.

#![forbid(unsafe_code)]

mod coroutines;
mod explore;
mod setup;
mod shuffle;
mod violation;
mod word;
mod world;

pub use explore::{Bounds, Explored, explore};
pub use setup::{Setup, Write};
pub use shuffle::{Shuffled, shuffle};
pub use violation::{CounterExample, Violation};
