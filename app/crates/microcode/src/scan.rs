//! What a scan comes to: candidates, findings, and where each file breaks.

use crate::finding::Check;
use crate::profile::Profile;
use crate::{Candidate, Finding, FindingKind, Update};
use alloc::vec::Vec;

/// What kind of bytes were scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Nothing, or zeros alone.
    Empty,
    /// An initrd that begins with an uncompressed cpio archive.
    Cpio,
    /// A row of Intel's updates.
    Intel,
    /// A row of AMD's containers.
    Amd,
    /// None of these.
    Unknown,
}

impl Format {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Cpio => "cpio",
            Self::Intel => "intel",
            Self::Amd => "amd",
            Self::Unknown => "unknown",
        }
    }
}

/// Everything that was found in some bytes.
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    /// What kind of bytes they are.
    pub format: Format,
    /// All updates and patches, damaged ones included, in the order of the
    /// bytes. They do not overlap.
    pub candidates: Vec<Candidate<'a>>,
    /// All there is to say. Each damaged candidate has one, at its offset.
    pub findings: Vec<Finding>,
    profile: &'static Profile,
    /// How many microcode files were begun.
    nr_files: u32,
    /// The files, in order, in which a reader that expects updates alone comes
    /// to grief, and where it first does.
    breaks: Vec<(u32, usize)>,
}

impl<'a> Scan<'a> {
    /// Nothing yet.
    pub(crate) const fn new(format: Format, profile: &'static Profile) -> Self {
        Self {
            format,
            candidates: Vec::new(),
            findings: Vec::new(),
            profile,
            nr_files: 0,
            breaks: Vec::new(),
        }
    }

    /// Begins another microcode file.
    pub(crate) fn begin_file(&mut self) {
        self.nr_files = self.nr_files.saturating_add(1);
    }

    /// Whose rules it went by.
    #[must_use]
    pub const fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// Where in a file, if anywhere, a reader that expects updates alone, each
    /// right behind the one before it, first comes to grief.
    pub(crate) fn break_in(&self, file: u32) -> Option<usize> {
        let place = self.breaks.binary_search_by_key(&file, |&(file, _)| file);
        Some(self.breaks[place.ok()?].1)
    }

    /// Notes a finding in the file that is being read.
    pub(crate) fn find(&mut self, offset: usize, kind: FindingKind) {
        let file = self.nr_files.checked_sub(1);
        self.findings.push(Finding { file, offset, kind });
        if let Some(file) = file
            && kind.breaks_a_row(self.profile)
            && self.breaks.last().is_none_or(|&(last, _)| last != file)
        {
            self.breaks.push((file, offset));
        }
    }

    /// Notes a candidate and, where its check failed, the finding.
    pub(crate) fn add(&mut self, offset: usize, update: Update<'a>, check: Check) {
        let defect = check.err();
        if let Some(kind) = defect {
            self.find(offset, kind);
        }
        self.candidates.push(Candidate {
            index: u32::try_from(self.candidates.len()).unwrap_or(u32::MAX),
            file: self.nr_files.saturating_sub(1),
            offset,
            update,
            defect,
        });
    }
}
