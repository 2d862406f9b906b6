//! The entry point for any bytes: an early initrd, or one vendor's file.
//!
//! The first bytes decide. In an initrd the path decides which vendor's format
//! a file is read in, as in every kernel. A path that occurs more than once is
//! read every time, where Linux stops at the first: the best candidate wins
//! anyway.

use crate::bytes::is_zero;
use crate::profile::{Profile, SDM};
use crate::{Finding, FindingKind, Format, Scan, amd, cpio, intel};
use alloc::vec::Vec;
use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

/// Where an initrd has Intel's updates.
pub const INTEL_PATH: &str = "kernel/x86/microcode/GenuineIntel.bin";
/// Where an initrd has AMD's containers.
pub const AMD_PATH: &str = "kernel/x86/microcode/AuthenticAMD.bin";

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
    let mut scan = Scan::new(format(bytes), profile);
    match scan.format {
        Format::Empty => {}
        Format::Cpio => scan_archives(bytes, &mut scan),
        Format::Intel => {
            scan.begin_file();
            intel::scan::scan(bytes, 0, &mut scan);
        }
        Format::Amd => {
            scan.begin_file();
            amd::scan::scan(bytes, 0, &mut scan);
        }
        Format::Unknown => scan.find(0, FindingKind::UnknownFormat),
    }
    scan
}

/// What kind of bytes these are.
fn format(bytes: &[u8]) -> Format {
    let first = U32::ref_from_prefix(bytes).map_or(0, |(dword, _)| dword.get());
    if cpio::start(bytes).is_some() {
        Format::Cpio
    } else if intel::scan::is_magic(first) {
        Format::Intel
    } else if amd::scan::is_magic(first) {
        Format::Amd
    } else if is_zero(bytes) {
        Format::Empty
    } else {
        Format::Unknown
    }
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
            scan.begin_file();
            intel::scan::scan(data, offset, scan);
        } else if entry.path == AMD_PATH.as_bytes() {
            scan.begin_file();
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
    use crate::{Candidate, Damage, Vendor, synth};

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
