//! A virtual machine under KVM whose CPUs take microcode updates.
//!
//! Every other monitor lets KVM swallow the guest's write. KVM can leave
//! registers to a monitor, and this one asks the model behind the machine
//! `model` as well:
//!
//! ```text
//!  guest                      KVM                  this
//!  wrmsr, rdmsr ────────────▶ filter ── exit ────▶ stand_in ▶ engine
//!  cpuid (loader's, diverted) ───────── exit ────▶ stand_in ▶ engine, cpuid
//!  console, serial, exit port ───────── exit ────▶ devices
//!  apic, interrupts, all else  itself
//! ```
//!
//! It boots Muster's images and nothing else. Whatever the guest gives (an
//! address, a queue, a port) is hostile: it may lose its own bytes and never
//! reaches memory that is not its own.

pub mod acpi;
pub mod boot;
pub mod cpuid;
pub mod devices;
pub mod image;
pub mod kvm;
pub mod linear;
pub mod memory;
pub mod options;
mod state;
pub mod vcpu;
mod vm;

pub use vm::{End, Error, run};

/// The exit status where the machine could not be started.
pub const REFUSED: i32 = 1;
/// The exit status of a machine that its guest reset.
pub const RESET: i32 = 0;
/// The exit status where a CPU crashed; a guest's own are odd.
pub const CRASHED: i32 = 2;
/// The exit status where the guest's time was over.
pub const TIMED_OUT: i32 = 4;
