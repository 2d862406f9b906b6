//! A CPU that takes microcode updates, as a model: the registers that a loader
//! touches, what they answer, and what becomes of a revision.
//!
//! ```text
//!  a guest's wrmsr, rdmsr, cpuid          whoever stands behind the guest
//!  ────────────────────────────           ──────────────────────────────
//!            begin(thread, access) ─────▶ Answer: a value, done, #GP, not mine
//!                                         and perhaps a Load that takes time
//!            finish(load, now) ─────────▶ the revision is the new one
//! ```
//!
//! Every hypervisor swallows a guest's microcode write, so no loader can be
//! tested from end to end on one. This model stands behind a guest in several
//! ways: a QEMU plugin, the guest itself, whatever else can be told of a
//! register's access. One set of [conformance vectors](conformance) runs against
//! each of them.
//!
//! It is stricter than silicon where silicon is silent: what a manual forbids
//! and a CPU punishes at its leisure, such as a sibling that runs on while its
//! core loads, is a [`Misuse`] here that a test can see.
//!
//! There is no unsafe code, no I/O and, after [`Engine::new`], no allocation
//! and no lock: the guest uses it while all other CPUs are stopped.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod amd;
mod answer;
mod config;
pub mod conformance;
mod engine;
mod fault;
mod feature;
mod intel;
mod memory;
pub mod msr;
mod seal;

pub use answer::{Access, Answer, Load, Misuse, Refusal, Reply};
pub use config::{Config, ConfigError, CoreConfig, Cost, Domain, Downgrade, LateLoad};
pub use engine::{Counters, Engine};
pub use fault::{Fault, FaultError, FaultKind, Where, random_faults};
pub use feature::{CpuidChange, CpuidRegister, Feature, FeatureError};
pub use memory::{Memory, Unmapped};
pub use seal::Seal;
