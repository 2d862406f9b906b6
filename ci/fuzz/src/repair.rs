//! Making Intel's sums right again.
//!
//! A fuzzer cannot guess a checksum, so nearly all that it makes of a sound
//! update would be refused for that alone, and what comes after the sums would
//! never be reached.

use microcode::intel::{Entry, HEADER_SIZE};
use microcode::{FindingKind, Scan, Update, scan};
use zerocopy::little_endian::U32;

/// How often a repair may bring the next wrong sum to light: that of the
/// header and the data, that of the table, those of three entries.
const ROUNDS: usize = 5;

/// Where the header and the extended table have their sums, in bytes.
const HEADER_SUM: usize = 16;
const TABLE_SUM: usize = 4;
/// Where the extended table has its entries, and each entry its sum.
const ENTRIES: usize = 20;
const ENTRY_SUM: usize = 8;

/// Changes the sums of the updates in `bytes` so that they are right.
pub fn repair(bytes: &mut [u8]) {
    for _ in 0..ROUNDS {
        let repairs = repairs(&scan(bytes));
        if repairs.is_empty() {
            return;
        }
        for (offset, too_much) in repairs {
            if let Some(sum) = bytes.get_mut(offset..).and_then(|b| b.first_chunk_mut()) {
                *sum = u32::from_le_bytes(*sum)
                    .wrapping_sub(too_much)
                    .to_le_bytes();
            }
        }
    }
}

/// Each sum that is wrong: where it is and what to take from it.
fn repairs(scan: &Scan<'_>) -> Vec<(usize, u32)> {
    let mut repairs = Vec::new();
    for candidate in &scan.candidates {
        let Update::Intel(update) = candidate.update else {
            continue;
        };
        let finding = scan.findings.iter().find(|f| f.offset == candidate.offset);
        let table = candidate.offset + HEADER_SIZE + update.data().len();
        match finding.map(|finding| finding.kind) {
            Some(FindingKind::Checksum { sum }) => {
                repairs.push((candidate.offset + HEADER_SUM, sum));
            }
            Some(FindingKind::TableChecksum { sum }) => repairs.push((table + TABLE_SUM, sum)),
            Some(FindingKind::EntryChecksum { entry }) => {
                let header = update.header();
                let expected = sum([header.signature, header.processor_flags, header.checksum]);
                let at = table + ENTRIES + entry * size_of::<Entry>() + ENTRY_SUM;
                let too_much = update.entries().get(entry).map_or(0, |e| {
                    sum([e.signature, e.processor_flags, e.checksum]).wrapping_sub(expected)
                });
                repairs.push((at, too_much));
                repairs.push((table + TABLE_SUM, too_much.wrapping_neg()));
            }
            _ => {}
        }
    }
    repairs
}

fn sum(dwords: [U32; 3]) -> u32 {
    dwords
        .iter()
        .fold(0, |sum, dword| sum.wrapping_add(dword.get()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use microcode::{initrd, synth};

    #[test]
    fn every_wrong_sum_is_made_right_and_nothing_else_is_touched() {
        let targets = [(1, 2), (3, 4), (5, 6)];
        let sound = synth::intel(1, 2, 3).extended(&targets).build();
        for defect in synth::Defect::ALL {
            let update = synth::intel(1, 2, 3).extended(&targets).defect(defect);
            let mut archive = initrd::pack(&[&sound[..], &update.build()].concat(), &[]);
            let before = archive.clone();
            repair(&mut archive);
            if defect.name().ends_with("checksum") {
                assert_eq!(scan(&archive).findings, [], "{defect:?}");
            } else {
                assert_eq!(archive, before, "{defect:?}");
            }
        }
    }
}
