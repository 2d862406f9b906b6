//! Synthetic updates: whole, checksum-valid files that are no vendor's code.
//!
//! Vendor files may not be committed and real updates come in few shapes, so
//! tests, fuzzers and users without a vendor file build their own:
//!
//! ```
//! use microcode::{initrd, scan, synth};
//!
//! let intel = synth::intel(0x0005_06e3, 0x36, 0xf0).build();
//! let amd = synth::amd(0x0080_0f12, 0x0800_126f).build();
//! let initrd = initrd::pack(&intel, &amd);
//! assert_eq!(scan(&initrd).candidates.len(), 2);
//! ```
//!
//! The same calls give the same bytes. No real CPU takes such an update: they
//! verify a signature that only the vendor can make. Each builder can do one
//! defect, after which everything else still holds, checksums included; a
//! defect's name is that of the [finding](crate::FindingKind) it causes.

mod amd;
mod intel;
mod raise;

pub use amd::{AmdContainer, ContainerDefect, amd};
pub use intel::{Defect, IntelUpdate, MAX_DATA_SIZE, intel};
pub use raise::{RaiseError, raise};

use crate::Date;
use alloc::vec::Vec;

/// What every payload begins with, so that a hex dump tells what it is.
const TEXT: &[u8] = b"Synthetic microcode for tests. No CPU runs it. ";

/// The date of what is given none.
const DATE: Date = Date {
    year: 2026,
    month: 1,
    day: 1,
};

/// A date in the form of the headers that no calendar has.
const NO_DATE: u32 = 0x1301_2026;

/// Zeros that a file may end with.
fn padding() -> [u8; 64] {
    [0; 64]
}

/// Appends `size` bytes: the text, then noise as encrypted data have it, from
/// the generator splitmix64 (Steele, Lea and Flood, 2014).
fn append_payload(bytes: &mut Vec<u8>, size: usize, seed: u64) {
    let mut state = seed;
    let noise = core::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()
    });
    bytes.extend(TEXT.iter().copied().chain(noise.flatten()).take(size));
}

/// What makes the payloads of different updates differ.
fn seed(signature: u32, revision: u32) -> u64 {
    u64::from(signature) << 32 | u64::from(revision)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Finding, initrd, scan};
    use alloc::vec::Vec;

    fn names(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|finding| finding.kind.name()).collect()
    }

    #[test]
    fn every_defect_of_an_update_is_found_under_its_name_and_alone() {
        for defect in Defect::ALL {
            let builder = intel(0x0005_06e3, 0x36, 0xf0).defect(defect);
            for builder in [
                builder.clone(),
                builder.clone().legacy(),
                builder.extended(&[(0x0005_06e3, 0x36), (0x0004_06e3, 0xc0)]),
            ] {
                let bytes = builder.build();
                assert_eq!(names(&scan_as_intel(&bytes)), [defect.name()]);
            }
        }
    }

    fn scan_as_intel(update: &[u8]) -> Vec<Finding> {
        scan(&initrd::pack(update, &[])).findings
    }

    #[test]
    fn every_defect_of_a_container_is_found_under_its_name_and_alone() {
        for (signature, revision) in [(0x0080_0f12, 0x0800_126f), (0x0010_0f62, 0x0100_00c7)] {
            for defect in ContainerDefect::ALL {
                let bytes = amd(signature, revision).defect(defect).build();
                let archive = initrd::pack(&[], &bytes);
                let found = names(&scan(&archive).findings);
                if defect.suits(signature) {
                    assert_eq!(found, [defect.name()]);
                } else {
                    assert_eq!(found, [""; 0], "{}", defect.name());
                }
            }
        }
    }

    #[test]
    fn sound_files_of_every_form_have_no_finding() {
        let update = intel(0x0005_06e3, 0x36, 0xf0);
        for bytes in [
            update.clone().build(),
            update.clone().legacy().build(),
            update.clone().data_size(1).build(),
            update.clone().extended(&[(1, 2), (3, 4)]).build(),
            amd(0x0080_0f12, 0x0800_126f).build(),
            amd(0x0010_0f62, 0x0100_00c7).without_sentinel().build(),
        ] {
            let scan = scan(&bytes);
            assert_eq!(scan.findings, []);
            assert_eq!(scan.candidates.len(), 1);
        }
    }

    #[test]
    fn payloads_say_what_they_are_and_differ_by_revision() {
        let payload = |revision| {
            let bytes = intel(1, 1, revision).build();
            bytes[crate::intel::HEADER_SIZE..].to_vec()
        };
        assert!(payload(1).starts_with(b"Synthetic"));
        assert_eq!(payload(1), payload(1));
        assert_ne!(payload(1), payload(2));
    }
}
