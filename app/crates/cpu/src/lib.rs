//! The CPU that this runs on: who it is, where it sits, what its microcode
//! revision is, what it says that it can do, and how to load another revision.
//!
//! This is the only library with unsafe hardware access. Everything above the
//! few instructions in [`registers`] goes through the trait [`Registers`], so
//! that it runs against a fake on the host: the order of accesses by which a
//! revision is read is as much a rule as any other.

#![no_std]

#[cfg(test)]
mod fake;
pub mod features;
pub mod identity;
pub mod interrupts;
pub mod registers;
pub mod topology;
pub mod tsc;
pub mod update;

pub use features::Features;
pub use identity::{Identity, Vendor};
pub use interrupts::InterruptsOff;
pub use registers::{GpFault, Native, Registers};
pub use topology::Place;
