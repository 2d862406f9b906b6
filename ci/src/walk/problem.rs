//! What a walk could not read or left out.

use std::io;

use super::{LEVELS, MEMBERS, OUTPUT_LIMIT};

/// Something that was not gone through, or not to its end.
#[derive(Debug)]
pub struct Problem {
    /// Where, as in [`Blob::name`](super::Blob::name).
    pub name: String,
    /// Why.
    pub kind: ProblemKind,
}

impl Problem {
    /// Whether microcode may have been missed that somebody counts on. What
    /// nobody would expect to be searched is a note.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        match self.kind {
            ProblemKind::Special { named, .. } => named,
            ProblemKind::FolderAgain { .. } | ProblemKind::UnknownCompression => false,
            _ => true,
        }
    }
}

/// Why something was not gone through. The text follows a name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The file or folder cannot be opened or read.
    #[error("cannot be read ({0}): check that it is there and that you may read it")]
    Unreadable(#[source] io::Error),
    /// A symbolic link without a target.
    #[error("is a symbolic link that leads nowhere: mend it or remove it")]
    BrokenLink,
    /// A folder that was gone through under another name.
    #[error("is the folder {first} again, which is searched once: nothing needs to be done")]
    FolderAgain {
        /// The other name.
        first: String,
    },
    /// Neither a file nor a folder.
    #[error("is {what}, which is never opened: {}", special_remedy(*.named))]
    Special {
        /// What it is, with its article.
        what: &'static str,
        /// Whether it is what the walk was asked for.
        named: bool,
    },
    /// More than is held at once.
    #[error(
        "has more than {} MiB, the most that is read as one piece of microcode: see what it is, \
         and name its parts if it holds microcode", limit >> 20
    )]
    TooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// Bytes that break the rules of their format.
    #[error("is damaged as {format} ({reason}): fetch or make it again")]
    Damaged {
        /// The format, by its common name.
        format: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A decompressor that asks for more memory than it is given.
    #[error(
        "wants more than {} MiB of memory to be decompressed ({format}): if you trust it, unpack \
         it by other means and name what comes out", limit >> 20
    )]
    TooMuchMemory {
        /// The format, by its common name.
        format: &'static str,
        /// The bound in bytes.
        limit: u64,
    },
    /// More than 2 GiB in one file.
    #[error(
        "was searched up to {} GiB and not further: unpack it and name the part that matters",
        OUTPUT_LIMIT >> 30
    )]
    TooMuch,
    /// A million members and more in one archive.
    #[error(
        "has more than {MEMBERS} members, and the others were not searched: unpack it and name \
         the folder"
    )]
    TooMany,
    /// Archives in archives, more than four deep.
    #[error(
        "lies too deep to be searched ({LEVELS} archives in one another are): unpack the outer \
         one and name this"
    )]
    TooDeep,
    /// Bytes behind an early initrd that are in no known compression.
    #[error(
        "goes on in a compression that is not known here, behind the archives that were searched: \
         if microcode is wanted from there, unpack it by other means"
    )]
    UnknownCompression,
}

const fn special_remedy(named: bool) -> &'static str {
    if named {
        "name a file or a folder"
    } else {
        "it was passed by, and nothing needs to be done"
    }
}
