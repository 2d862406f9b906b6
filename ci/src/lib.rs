//! The host side of Muster: builds the guest, boots it, judges what it
//! reports.
//!
//! ```text
//! scenario ─┬▶ firmware ─▶ initrd ─┐
//! flags ────┘  build ─────▶ image ─┴▶ machine ─▶ logs ─▶ judge ─▶ result ─▶ files, screen
//! ```
//!
//! One direction, no way back: each stage is a module that knows the stages
//! before it by their results alone. The judge is a pure function of text, so
//! that a saved log can be judged again. All is a library, and the program a
//! thin shell around it, so that tests run scenarios without a second process.

#![forbid(unsafe_code)]

pub mod bench;
pub mod blob;
pub mod build;
pub mod cli;
pub mod compare;
pub mod debian;
pub mod digest;
pub mod exit;
pub mod firmware;
pub mod fuzz;
pub mod guest;
pub mod judge;
pub mod machine;
pub mod named;
pub mod number;
pub mod peer;
pub mod plans;
pub mod pool;
mod provenance;
pub mod replay;
pub mod result;
pub mod run;
pub mod scenario;
pub mod screen;
pub mod setup;
pub mod suite;
mod table;
pub mod tree;
pub mod verbs;
pub mod verdict;
pub mod walk;
