//! Finds the updates of a file, one behind the other.
//!
//! Each has a total size that is a multiple of 1024, so every header lies on
//! such a boundary of the file; this is what the scan falls back on when a
//! total size cannot be believed. It then looks for the next boundary at which
//! something can only be a header, and what lies before it counts to the
//! damaged update. Stopping at the first bad size, as Linux and Xen do, would
//! be sound too, but loses good updates to one flipped bit; searching for any
//! valid checksum would take quadratic time on hostile bytes.

use super::{HEADER_SIZE, Header, TOTAL_SIZE_STEP, Update};
use super::{VERSION_IN_FIELD_SCAN, VERSION_MICROCODE};
use crate::Scan;
use crate::bytes::is_zero;
use crate::finding::FindingKind;
use zerocopy::FromBytes;

/// Whether a raw file begins like Intel's.
pub(crate) fn is_magic(dword: u32) -> bool {
    matches!(dword, VERSION_MICROCODE | VERSION_IN_FIELD_SCAN)
}

/// Finds all updates in `bytes`, which lie at `base` of what is scanned.
pub(crate) fn scan<'a>(bytes: &'a [u8], base: usize, scan: &mut Scan<'a>) {
    let mut offset = 0;
    while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
        let at = base + offset;
        if is_zero(rest) {
            let nr_bytes = rest.len();
            return scan.find(at, FindingKind::Padding { nr_bytes });
        }
        let Ok((header, _)) = Header::ref_from_prefix(rest) else {
            let nr_bytes = rest.len();
            return scan.find(at, FindingKind::Trailing { nr_bytes });
        };
        let sizes = header.sizes(scan.profile()).ok();
        let extent = sizes
            .map(|sizes| sizes.total)
            .filter(|&size| size <= rest.len() && is_magic(header.header_version.get()))
            .unwrap_or_else(|| extent_to_next_header(rest));
        match header.header_version.get() {
            VERSION_MICROCODE => {
                let bytes = &rest[..extent];
                let update = Update {
                    header,
                    bytes,
                    sizes,
                };
                let check = update.check(scan.profile());
                let is_sound = check.is_ok();
                scan.add(at, crate::Update::Intel(update), check);
                if is_sound {
                    update.remarks().for_each(|remark| scan.find(at, remark));
                }
            }
            VERSION_IN_FIELD_SCAN => scan.find(at, FindingKind::InFieldScan),
            version => scan.find(at, FindingKind::HeaderVersion { version }),
        }
        offset += extent;
    }
}

/// How far it is to the next boundary with an unmistakable header, or to the
/// end. `rest` begins on a boundary, and is longer than a header.
fn extent_to_next_header(rest: &[u8]) -> usize {
    (TOTAL_SIZE_STEP..rest.len().saturating_sub(HEADER_SIZE - 1))
        .step_by(TOTAL_SIZE_STEP)
        .find(|&offset| {
            Header::ref_from_prefix(&rest[offset..])
                .is_ok_and(|(header, _)| header.is_unmistakable())
        })
        .unwrap_or(rest.len())
}
