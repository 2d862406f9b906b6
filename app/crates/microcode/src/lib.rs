//! Microcode files: from any bytes to the one update that a CPU is given.
//!
//! ```text
//! bytes ──scan──▶ candidates + findings ──judge──▶ a verdict for each ──insert──▶ cache
//! ```
//!
//! Everything here is total: any byte string gives a list of [`Candidate`]s
//! and a list of [`Finding`]s, in time and space linear in its length. There
//! is no panic, no arithmetic that can overflow and no loop without a bound,
//! because the guest runs this on whatever a boot loader hands over. All of it
//! happens before a CPU is stopped; what the stopped CPUs use is a
//! [`Cached`] copy that needs no further look.
//!
//! Updates are views into the scanned bytes; only the cache copies, and only
//! what was chosen. An iterator that yields `Result`s was rejected: a damaged
//! update is still worth a row in a list and a verdict, so damage is a
//! property of a candidate and not an error in its place.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod amd;
pub mod applicability;
mod bytes;
pub mod cache;
pub mod cpio;
mod cpu;
mod date;
pub mod digest;
mod finding;
pub mod initrd;
pub mod intel;
pub mod profile;
pub mod promises;
mod reason;
mod scan;
pub mod synth;
mod update;

pub use applicability::{Policy, judge};
pub use cache::{Cache, CacheError, Cached, Inserted};
pub use cpu::{CpuKind, Target, Vendor};
pub use date::Date;
pub use digest::{DigestCheck, DigestList};
pub use finding::{Finding, FindingKind, Severity};
pub use initrd::{scan, scan_as};
pub use profile::Profile;
pub use reason::{Reason, Verdict};
pub use scan::{Format, Scan};
pub use update::{Candidate, Damage, Fit, Update};
