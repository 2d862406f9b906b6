//! The entry point for any bytes: an early initrd, or one vendor's file.
//!
//! The first bytes decide. In an initrd the path decides which vendor's format
//! a file is read in, as in every kernel. A path that occurs more than once is
//! read every time, where Linux stops at the first: the best candidate wins
//! anyway.

use crate::bytes::is_zero;
use crate::profile::{Profile, SDM};
use crate::update::Check;
use crate::{Candidate, Finding, FindingKind, Update, amd, cpio, intel};
use alloc::vec::Vec;
use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

/// Where an initrd has Intel's updates.
pub const INTEL_PATH: &str = "kernel/x86/microcode/GenuineIntel.bin";
/// Where an initrd has AMD's containers.
pub const AMD_PATH: &str = "kernel/x86/microcode/AuthenticAMD.bin";

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
    fn of(bytes: &[u8]) -> Self {
        let first = U32::ref_from_prefix(bytes).map_or(0, |(dword, _)| dword.get());
        if cpio::start(bytes).is_some() {
            Self::Cpio
        } else if intel::scan::is_magic(first) {
            Self::Intel
        } else if amd::scan::is_magic(first) {
            Self::Amd
        } else if is_zero(bytes) {
            Self::Empty
        } else {
            Self::Unknown
        }
    }

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
    /// For each microcode file, the first place at which a reader that expects
    /// updates alone comes to grief.
    breaks: Vec<Option<usize>>,
}

impl<'a> Scan<'a> {
    /// Whose rules it went by.
    #[must_use]
    pub const fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// Whether the bytes hold microcode or an archive at all.
    #[must_use]
    pub const fn is_recognised(&self) -> bool {
        !matches!(self.format, Format::Unknown)
    }

    /// How many microcode files the bytes hold.
    #[must_use]
    pub fn nr_files(&self) -> u32 {
        u32::try_from(self.breaks.len()).unwrap_or(u32::MAX)
    }

    /// Where in a file, if anywhere, a reader that expects updates alone, each
    /// right behind the one before it, first comes to grief.
    pub(crate) fn break_in(&self, file: u32) -> Option<usize> {
        self.breaks.get(file as usize).copied().flatten()
    }

    /// Notes a finding in the file that is being read.
    pub(crate) fn find(&mut self, offset: usize, kind: FindingKind) {
        let file = self.nr_files().checked_sub(1);
        self.findings.push(Finding { file, offset, kind });
        if let Some(first) = self.breaks.last_mut()
            && kind.breaks_a_row(self.profile)
        {
            first.get_or_insert(offset);
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
            file: self.nr_files().saturating_sub(1),
            offset,
            update,
            defect,
        });
    }
}

/// Finds every update and patch in `bytes`, whatever they are, by the manuals'
/// rules.
#[must_use]
pub fn scan(bytes: &[u8]) -> Scan<'_> {
    scan_as(bytes, &SDM)
}

/// Finds every update and patch in `bytes` as an implementation would read
/// them. What it would not read because of damage before it is found all the
/// same; [`judge`](crate::judge) minds that.
#[must_use]
pub fn scan_as<'a>(bytes: &'a [u8], profile: &'static Profile) -> Scan<'a> {
    let mut scan = Scan {
        format: Format::of(bytes),
        candidates: Vec::new(),
        findings: Vec::new(),
        profile,
        breaks: Vec::new(),
    };
    match scan.format {
        Format::Empty => {}
        Format::Cpio => scan_archives(bytes, &mut scan),
        Format::Intel => {
            scan.breaks.push(None);
            intel::scan::scan(bytes, 0, &mut scan);
        }
        Format::Amd => {
            scan.breaks.push(None);
            amd::scan::scan(bytes, 0, &mut scan);
        }
        Format::Unknown => scan.find(0, FindingKind::UnknownFormat),
    }
    scan
}

fn scan_archives<'a>(bytes: &'a [u8], scan: &mut Scan<'a>) {
    for entry in cpio::entries(bytes) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(finding) => {
                scan.findings.push(finding);
                continue;
            }
        };
        let cpio::Entry {
            offset,
            data,
            missing,
            ..
        } = entry;
        if missing != 0 {
            let kind = FindingKind::ArchiveCut { missing };
            let file = None;
            scan.findings.push(Finding { file, offset, kind });
        }
        if entry.path == INTEL_PATH.as_bytes() {
            scan.breaks.push(None);
            intel::scan::scan(data, offset, scan);
        } else if entry.path == AMD_PATH.as_bytes() {
            scan.breaks.push(None);
            amd::scan::scan(data, offset, scan);
        }
    }
}

/// An early initrd with Intel's updates and AMD's containers; what is empty
/// is left out. See [`cpio::pack`].
#[must_use]
pub fn pack(intel: &[u8], amd: &[u8]) -> Vec<u8> {
    let mut files: Vec<(&str, &[u8])> = alloc::vec![(INTEL_PATH, intel), (AMD_PATH, amd)];
    files.retain(|(_, data)| !data.is_empty());
    cpio::pack(&files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Damage, Vendor, synth};

    fn both() -> (Vec<u8>, Vec<u8>) {
        let update = |revision| synth::intel(0x0005_06e3, 0x36, revision).build();
        let intel = [update(1), update(2)].concat();
        let amd = synth::amd(0x0080_0f12, 0x0800_126f).build();
        (intel, amd)
    }

    #[test]
    fn the_first_bytes_decide_the_format() {
        let (intel, amd) = both();
        let packed = pack(&intel, &amd);
        let padded = [&[0; 64][..], &packed].concat();
        for (bytes, format, nr_candidates) in [
            (&intel[..], Format::Intel, 2),
            (&amd, Format::Amd, 1),
            (&packed, Format::Cpio, 3),
            (&padded, Format::Cpio, 3),
            (&[], Format::Empty, 0),
            (&[0; 99], Format::Empty, 0),
            (b"\x7fELF and so on", Format::Unknown, 0),
            (&[9], Format::Unknown, 0),
        ] {
            let scan = scan(bytes);
            assert_eq!(scan.format, format);
            assert_eq!(scan.candidates.len(), nr_candidates);
            assert_eq!(scan.findings.len(), usize::from(format == Format::Unknown));
        }
    }

    #[test]
    fn candidates_are_numbered_and_placed_across_files_and_archives() {
        let (intel, amd) = both();
        let bytes = [pack(&intel, &amd), pack(&[], &amd)].concat();
        let scan = scan(&bytes);
        assert_eq!(scan.findings, []);
        assert_eq!(scan.candidates.len(), 4);
        for (index, candidate) in (0..).zip(&scan.candidates) {
            assert_eq!(candidate.index, index);
            let update = candidate.update.bytes();
            assert_eq!(&bytes[candidate.offset..][..update.len()], update);
        }
        let intel: Vec<_> = scan.candidates.iter().take(2).collect();
        assert!(
            intel
                .iter()
                .all(|c| c.offset % 16 == 0 && c.update.vendor() == Vendor::Intel)
        );
    }

    #[test]
    fn what_is_whole_in_a_cut_archive_is_found() {
        let (intel, _) = both();
        let bytes = pack(&intel, &[]);
        let first = scan(&bytes).candidates[0].offset;
        let scan = scan(&bytes[..first + 2048 + 100]);
        let damages: Vec<_> = scan.candidates.iter().map(Candidate::damage).collect();
        assert_eq!(damages, [None, Some(Damage::Malformed)]);
        let names: Vec<_> = scan.findings.iter().map(|f| f.kind.name()).collect();
        assert_eq!(names, ["archive-cut", "cut"]);
    }

    #[test]
    fn files_of_other_paths_are_left_alone() {
        let (intel, _) = both();
        let bytes = cpio::pack(&[("kernel/x86/microcode/GenuineIntel.bin.old", &intel)]);
        assert!(scan(&bytes).candidates.is_empty());
    }

    #[test]
    fn nothing_to_pack_is_still_an_archive() {
        let scan_format = scan(&pack(&[], &[])).format;
        assert_eq!(scan_format, Format::Cpio);
    }
}
