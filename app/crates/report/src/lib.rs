//! The contract between the guest and the host: one stream of KTAP version 1
//! whose diagnostic lines carry the data in logfmt.
//!
//! ```text
//! guest                                        host
//! -----                                        ----
//! record.to_string()  ── "# cpu id=1 …\n" ──▶  Line::parse("# cpu id=1 …")
//! ```
//!
//! Both sides link this crate, so a field exists once: in [`record`]. The
//! reader never fails on a whole stream; a torn or unknown line is an
//! [`Line::Other`] and costs nothing but itself.

#![no_std]
#![forbid(unsafe_code)]

pub mod cpu_list;
pub mod exit;
pub mod ktap;
pub mod logfmt;
mod names;
pub mod record;
mod spans;

pub use cpu_list::CpuList;
pub use ktap::{Line, Status, Totals};
pub use logfmt::Hex32;
pub use names::{CandidateVerdict, HardwareKind, InitrdSource, Outcome, Register, Role, Vendor};
pub use spans::Spans;

/// The version of the record layout, `schema=` in the header line. It grows
/// when a field changes its meaning or goes; new fields do not change it.
pub const SCHEMA: u32 = 1;

/// The longest line that the guest writes, line feed included. A line is one
/// write, so that two writers can never interleave within it.
pub const MAX_LINE: usize = 255;

/// The tests of a run in the order in which the guest reports them.
///
/// * `initrd`: microcode was found in what the image or the boot loader gave;
/// * `cache`: every CPU kind present has an update;
/// * `rendezvous`: all CPUs called in, the gate opened, nobody allocated or
///   printed inside the window;
/// * `load`: every leader's and follower's load took effect;
/// * `verify`: every targeted CPU ended on the target revision, and CPUs of one
///   kind and revision show the same features.
///
/// A run that loads more than once goes on with [`REPEAT`], one with CPUs that
/// were left out at boot with [`ONLINE`].
pub const TESTS: [&str; 5] = ["initrd", "cache", "rendezvous", "load", "verify"];

/// The test of the loads after the first: every CPU that can still be reached
/// ended on the target revision of each, and the heap is as it was.
pub const REPEAT: &str = "repeat";

/// The test of the CPUs that were left out at boot: brought online after the
/// loads, each has what the others have proven before it does anything else.
pub const ONLINE: &str = "online";

/// The name of the job that stops after the plan: nobody is stopped or written
/// to, and the tests end with `cache`.
pub const DRY_RUN: &str = "dry-run";
