//! Microcode files: what they hold, whom it is for, what is wrong with it.
//!
//! ```text
//! files, folders, archives ─walk─▶ bytes ─scan─┬▶ list    every update
//!                                              ├▶ explain a reason for each
//!                                              ├▶ verify  every finding
//!                                              ├▶ pack    an early initrd
//!                                              └▶ diff    two sets
//! synth ─▶ a file that is nobody's microcode
//! ```
//!
//! The formats and rules are the crate `microcode`'s; here are only where
//! bytes come from and how the answers are shown, as a table or as JSON. A
//! set is gone through piece by piece, and nothing of a piece is kept but its
//! rows, so that memory does not grow with a set.

pub mod cpu;
pub mod diff;
pub mod explain;
pub mod list;
pub mod pack;
mod sources;
pub mod verify;

pub use sources::{Problems, Sources};

use std::path::PathBuf;

use serde::Serialize;

use crate::walk::Problem;

/// Why a verb came to no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing that was named is there or can be read.
    #[error("{} {}", .0.name, .0.kind)]
    Unreadable(Problem),
    /// What was named holds no microcode.
    #[error("no microcode in {0}: give a vendor's file, a folder of them, an initrd or an archive")]
    Nothing(String),
    /// A CPU's platform has to be told.
    #[error(
        "updates for signature {signature:#010x} differ by platform: give the processor flags, \
         such as --cpu {signature:#010x}:{example:#04x} (there are {known})"
    )]
    Platform {
        /// The CPU's signature.
        signature: u32,
        /// One of the platforms, as a flag.
        example: u32,
        /// All flags that occur.
        known: String,
    },
    /// A damaged piece that should be packed.
    #[error("{0} (--force packs it as it is)")]
    Damaged(String),
    /// A piece that cannot be packed.
    #[error("{0} is neither Intel's nor AMD's, so an early initrd has no place for it")]
    NoPlace(String),
    /// A list of digests that is none.
    #[error("{}: {error}", path.display())]
    Digests {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
    /// The CPU of this machine is not known.
    #[error(transparent)]
    Host(#[from] crate::machine::host::HostError),
}

/// A number in JSON as reports write it: `0x` and eight digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex(pub u32);

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// Processor flags in JSON: `0x` and two digits, or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flags(pub u32);

impl Serialize for Flags {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::fmt::Display for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}
