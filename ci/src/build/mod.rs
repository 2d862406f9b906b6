//! From the sources to an image that boots.
//!
//! ```text
//! registry's kernel + kernel-patches/ ─▶ target/kernel/
//! app/, images/boot/ ── cargo ─▶ libmuster_app.a ─┐
//! initrd ── as ─▶ initrd.o ───────────────────────┴─ ld ─▶ muster.elf
//! ```
//!
//! The initrd is an object of its own, so that another one costs a link and no
//! compiler. Cargo links nothing: the guest is linked by GNU ld, with the
//! script beside the boot stub, which needs no linker in the toolchain.

pub(crate) mod command;
mod host;
mod image;
mod instructions;
mod kernel;
pub mod toolchain;
mod workspace;

pub use host::{monitor, plugin};
pub use image::{Library, lint};

use std::io;
use std::path::PathBuf;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No toolchain can compile the guest.
    #[error("{0}; `muster doctor` says how to get one")]
    Toolchain(toolchain::Missing),
    /// The toolchain has no linter.
    #[error("{0}: `muster setup --development` installs it")]
    Linter(String),
    /// A tool could not be started.
    #[error("{tool} cannot be run ({why}): `muster doctor` says how to get it")]
    Tool {
        /// Its name.
        tool: String,
        /// Why.
        why: io::Error,
    },
    /// A tool failed.
    #[error("{what} failed ({command}):\n{output}")]
    Failed {
        /// What was done.
        what: String,
        /// The command line.
        command: String,
        /// What it said.
        output: String,
    },
    /// A file could not be read or written.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// The image has instructions that it must not have.
    #[error(
        "the image has instructions that a KVM without hardware virtualization cannot execute: \
         {list}"
    )]
    Instructions {
        /// Which, and where.
        list: String,
    },
    /// `kernel-patches/BASE` or the kernel's source is not what it should be.
    #[error("{0}")]
    Kernel(String),
}

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |why| Self::File { path, why }
    }
}
