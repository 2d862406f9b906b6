//! Everything below a path that may be microcode, piece by piece.
//!
//! ```text
//! path ─folder─▶ files ─first bytes─┬▶ microcode, early initrd ─────▶ visitor
//!                  ▲                ├▶ archive ─▶ members ─┐
//!                  │                ├▶ compressed ─▶ bytes ┤
//!                  └────────────────┼──────────────────────┘
//!                                   └▶ anything else: passed by
//! ```
//!
//! The first bytes decide what something is, its name only where they are
//! damaged. What is in a stream is looked at as it comes by, so that memory
//! does not grow with an archive; only a piece that may be microcode is held
//! as a whole. Nothing is ever unpacked to disk.
//!
//! Whatever lies below the path, the walk ends and says what it left out:
//! every bound is a constant with its reason, and what is neither a file nor a
//! folder is not opened.

mod archive;
mod buffer;
mod cpio;
mod decode;
mod folder;
mod name;
mod problem;
mod sniff;
mod source;

#[cfg(test)]
mod tests;

pub use problem::{Problem, ProblemKind};

use std::path::Path;
use std::rc::Rc;

use buffer::Buffer;
use source::Meter;

/// A plain file is held whole up to this size in bytes. The largest vendors'
/// sets in one file have about 20 MB, initrds with graphics firmware 200 MB.
const FILE_LIMIT: usize = 256 << 20;
/// A member of an archive is held whole up to this size in bytes: nobody ships
/// an early initrd as large, and a hostile archive may have one for each of
/// [`LEVELS`].
const MEMBER_LIMIT: usize = 64 << 20;
/// The most bytes that are gone through for one file, decompressed ones
/// included: an initrd with everything has less than 1 GiB, and more takes
/// longer than a person waits.
const OUTPUT_LIMIT: u64 = 2 << 30;
/// The most members of one archive: the sources of Linux have 90,000.
const MEMBERS: u32 = 1_000_000;
/// How deep archives may lie in one another, each perhaps compressed: a
/// package in a collection has two, and firmware in an initrd in it four.
const LEVELS: u8 = 4;

/// A piece of bytes that may be microcode, whole.
#[derive(Clone, Copy, Debug)]
pub struct Blob<'a> {
    /// Where it was found, printable: the file relative to the folder that was
    /// asked for, members of archives behind `!`.
    pub name: &'a str,
    /// All of it. Of an initrd the uncompressed archives at its front, from
    /// the first byte of the file.
    pub bytes: &'a [u8],
}

/// What a walk comes across.
#[derive(Debug)]
pub enum Item<'a> {
    /// Bytes that may be microcode.
    Blob(Blob<'a>),
    /// What could not be read or was left out.
    Problem(Problem),
}

/// Visits all that may be microcode in the file `path` or below the folder
/// `path`: folders in the order of their names' bytes, archives in their own
/// order.
///
/// A file that `path` itself names and that is neither an archive nor
/// compressed is visited whatever it holds.
pub fn walk(path: &Path, visit: &mut dyn FnMut(Item<'_>)) {
    let mut walker = Walker {
        visit,
        buffer: Buffer::default(),
        meter: Rc::default(),
    };
    walker.start(path);
}

/// The state of a walk.
struct Walker<'v> {
    visit: &'v mut dyn FnMut(Item<'_>),
    /// Holds one file after another, so that memory is asked for once.
    buffer: Buffer,
    /// What the current file may still cost.
    meter: Rc<Meter>,
}

impl Walker<'_> {
    fn blob(&mut self, name: &str, bytes: &[u8]) {
        (self.visit)(Item::Blob(Blob { name, bytes }));
    }

    fn problem(&mut self, name: &str, kind: ProblemKind) {
        let name = name.to_owned();
        (self.visit)(Item::Problem(Problem { name, kind }));
    }
}
