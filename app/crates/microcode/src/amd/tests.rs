use super::*;
use crate::{Candidate, Damage, Date, Format, Scan, Update, synth};
use alloc::vec;
use alloc::vec::Vec;

/// The processor revision id of the hand-written patches.
const ID: u16 = 0x1062;

/// A container written by hand from `(installed CPU, equivalence id)` and
/// `(patch id, processor revision id)`, with patches of 80 bytes.
fn by_hand(table: &[(u32, u16)], patches: &[(u32, u16)]) -> Vec<u8> {
    let mut bytes = b"DMA\0\0\0\0\0".to_vec();
    let dword = |n: usize| u32::try_from(n).expect("a test's size").to_le_bytes();
    bytes.extend(dword(16 * table.len()));
    for (cpu, id) in table {
        bytes.extend(cpu.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(id.to_le_bytes());
        bytes.extend([0; 2]);
    }
    for (patch_id, id) in patches {
        bytes.extend(dword(1));
        bytes.extend(dword(80));
        let mut patch = [0; 80];
        patch[..4].copy_from_slice(&0x0311_2010u32.to_le_bytes());
        patch[4..8].copy_from_slice(&patch_id.to_le_bytes());
        patch[24..26].copy_from_slice(&id.to_le_bytes());
        bytes.extend(patch);
    }
    bytes
}

fn names(scan: &Scan<'_>) -> Vec<&'static str> {
    scan.findings.iter().map(|f| f.kind.name()).collect()
}

fn signatures(update: &Update<'_>) -> Vec<u32> {
    update.targets().map(|target| target.signature).collect()
}

/// The signatures of every candidate.
fn of_all(scan: &Scan<'_>) -> Vec<Vec<u32>> {
    let candidates = scan.candidates.iter();
    candidates.map(|c| signatures(&c.update)).collect()
}

#[test]
fn every_field_of_a_container_is_read_from_its_place() {
    let bytes = by_hand(
        &[
            (0x0010_0f62, ID),
            (0x0010_0f63, ID),
            (0x0010_0f80, 0x1080),
            (0, 0),
        ],
        &[(0x0100_00c7, ID)],
    );
    let scan = crate::scan(&bytes);
    assert_eq!(scan.format, Format::Amd);
    assert_eq!(scan.findings, []);
    let candidate = &scan.candidates[0];
    assert_eq!(candidate.offset, 12 + 64 + 8);
    let update = &candidate.update;
    assert_eq!(update.revision(), 0x0100_00c7);
    assert_eq!(signatures(update), [0x0010_0f62, 0x0010_0f63]);
    assert_eq!(update.flags(), None);
    assert_eq!(
        update.date(),
        Date {
            year: 2010,
            month: 3,
            day: 11
        }
    );
    assert_eq!(update.bytes(), &bytes[12 + 64 + 8..]);
}

#[test]
fn the_sentinel_is_optional_and_names_no_cpu() {
    let bytes = by_hand(&[(0x0010_0f62, ID)], &[(0x0100_00c7, ID)]);
    assert_eq!(
        signatures(&crate::scan(&bytes).candidates[0].update),
        [0x0010_0f62]
    );
    let bytes = by_hand(&[(0, 0)], &[(0x0100_00c7, 0)]);
    assert_eq!(crate::scan(&bytes).candidates[0].update.signature(), None);
}

#[test]
fn zen_patches_name_their_cpu_and_the_table_does_not_count() {
    let bytes = by_hand(&[(0x0083_0f10, 0x8012)], &[(0x0800_126f, 0x8012)]);
    assert_eq!(
        signatures(&crate::scan(&bytes).candidates[0].update),
        [0x0080_0f12]
    );
    let bytes = by_hand(&[(0x0010_0f62, 0x8012)], &[(0x0800_126f, 0x8012)]);
    assert_eq!(
        signatures(&crate::scan(&bytes).candidates[0].update),
        [0x0080_0f12]
    );
    // Nor can a table bring an older patch onto a Zen.
    let bytes = by_hand(&[(0x0083_0f10, ID)], &[(0x0100_00c7, ID)]);
    assert_eq!(crate::scan(&bytes).candidates[0].update.signature(), None);
}

#[test]
fn patch_ids_and_signatures_of_real_parts_agree() {
    for (id, signature) in [
        (0x0800_126f, 0x0080_0f12),
        (0x0830_107c, 0x0083_0f10),
        (0x0870_1034, 0x0087_0f10),
        (0x0a00_1238, 0x00a0_0f12),
        (0x0a10_1248, 0x00a1_0f12),
        (0x0aa0_0215, 0x00aa_0f02),
    ] {
        assert_eq!(signature_of_patch_id(id), Some(signature));
        let [level, ..] = u32::to_le_bytes(id);
        assert_eq!(patch_id(signature, level), id);
    }
    assert_eq!(signature_of_patch_id(0x0600_063e), None);
    assert_eq!(family(0x00b0_0f21), 0x1a);
    assert_eq!(family(0x0005_06e3), 6);
}

#[test]
fn containers_in_a_row_have_a_table_each() {
    let first = by_hand(&[(0x0010_0f62, ID)], &[(0x0100_00c7, ID)]);
    let second = by_hand(&[(0x0060_0f12, ID)], &[(0x0600_063e, ID)]);
    let bytes = [first, second].concat();
    let scan = crate::scan(&bytes);
    assert_eq!(scan.findings, []);
    let found = of_all(&scan);
    assert_eq!(found, [[0x0010_0f62], [0x0060_0f12]]);
}

#[test]
fn a_section_beyond_the_end_is_a_malformed_candidate() {
    let bytes = by_hand(
        &[(0x0010_0f62, ID)],
        &[(0x0100_00c7, ID), (0x0100_00c8, ID)],
    );
    let scan = crate::scan(&bytes[..bytes.len() - 5]);
    let damages: Vec<_> = scan.candidates.iter().map(Candidate::damage).collect();
    assert_eq!(damages, [None, Some(Damage::Malformed)]);
    assert_eq!(scan.findings[0].kind, FindingKind::Cut { missing: 5 });
    assert!(!scan.candidates[1].update.is_whole());
}

#[test]
fn a_cut_anywhere_keeps_what_is_whole_before_it() {
    let bytes = by_hand(
        &[(0x0010_0f62, ID)],
        &[(0x0100_00c7, ID), (0x0100_00c8, ID)],
    );
    let ends = [12 + 16 + 88, 12 + 16 + 2 * 88];
    for end in 4..bytes.len() {
        let scan = crate::scan(&bytes[..end]);
        let nr_sound = scan
            .candidates
            .iter()
            .filter(|c| c.damage().is_none())
            .count();
        assert_eq!(
            nr_sound,
            ends.iter().filter(|&&e| e <= end).count(),
            "end {end}"
        );
        let between_parts = end == 12 + 16 || ends.contains(&end);
        // Less than a section header may be all zero and then says nothing.
        assert_eq!(scan.findings.is_empty(), between_parts, "end {end}");
    }
}

#[test]
fn lengths_up_to_the_largest_are_bounded_by_the_bytes() {
    let sound = by_hand(&[(0x0010_0f62, ID)], &[(0x0100_00c7, ID)]);
    for length in [0x7fff_ffff, u32::MAX - 11, u32::MAX] {
        for at in [8, 12 + 16 + 4] {
            let mut bytes = sound.clone();
            bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
            assert_eq!(names(&crate::scan(&bytes)), ["cut"]);
        }
    }
}

#[test]
fn zeros_behind_the_last_patch_are_a_warning_and_others_an_error() {
    let mut bytes = by_hand(&[(0x0010_0f62, ID)], &[(0x0100_00c7, ID)]);
    bytes.extend([0; 13]);
    assert_eq!(names(&crate::scan(&bytes)), ["padding"]);
    bytes.push(7);
    let scan = crate::scan(&bytes);
    assert_eq!(names(&scan), ["section-type"]);
    assert_eq!(scan.candidates.len(), 1);
}

/// A container of three patches of 200 bytes for as many CPUs, then another
/// container, and where their sections begin.
fn row() -> (Vec<u8>, Vec<usize>) {
    let zen = [0x0080_0f12, 0x0083_0f10, 0x0087_0f10];
    let first = synth::amd(zen[0], 0x0800_126f).patch_size(200);
    let first = zen[1..].iter().fold(first, |container, &signature| {
        let id = patch_id(signature, 0x10);
        container.patch(signature, id).patch_size(200)
    });
    let second = synth::amd(0x00a0_0f11, 0x0a00_11d5).patch_size(200);
    let (first, second) = (first.build(), second.build());
    let table = 12 + 4 * 16;
    let sections = vec![table, table + 208, table + 416, first.len() + 12 + 2 * 16];
    ([first, second].concat(), sections)
}

fn sound_levels(bytes: &[u8]) -> Vec<u32> {
    let scan = crate::scan(bytes);
    let sound = scan.candidates.iter().filter(|c| c.damage().is_none());
    sound.map(|c| c.update.revision() & 0xff).collect()
}

#[test]
fn a_damaged_section_costs_itself_and_none_of_its_neighbours() {
    let (bytes, sections) = row();
    assert_eq!(sound_levels(&bytes), [0x6f, 0x10, 0x10, 0xd5]);
    let damaged = |at: usize, value: u32| {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        assert!(!crate::scan(&bytes).findings.is_empty());
        sound_levels(&bytes)
    };
    // The type, a size beyond the end, a size too small for a patch.
    for (field, value) in [(0, 9), (4, u32::MAX), (4, 63)] {
        assert_eq!(damaged(sections[0] + field, value), [0x10, 0x10, 0xd5]);
        assert_eq!(damaged(sections[1] + field, value), [0x6f, 0x10, 0xd5]);
        assert_eq!(damaged(sections[3] + field, value), [0x6f, 0x10, 0x10]);
    }
    // The second container's magic, and the size of its table.
    let container = sections[3] - 12 - 2 * 16;
    assert_eq!(damaged(container, 9), [0x6f, 0x10, 0x10, 0xd5]);
    assert_eq!(damaged(container + 8, u32::MAX), [0x6f, 0x10, 0x10, 0xd5]);
}

#[test]
fn every_single_bit_flip_of_a_header_is_found_or_harmless() {
    // Harmless: the patch is for no CPU that it was not for before, and takes
    // no more bytes. Its level may differ, which the CPU finds out.
    for sound in [
        synth::amd(0x0080_0f12, 0x0800_126f).build(),
        synth::amd(0x0010_0f62, 0x0100_00c7).build(),
    ] {
        let before = crate::scan(&sound).candidates[0].update;
        let header = sound.len() - before.size();
        for bit in (header - 8) * 8..(header + HEADER_SIZE) * 8 {
            let mut flipped = sound.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let scan = crate::scan(&flipped);
            let harmless = scan.candidates.iter().all(|candidate| {
                let update = &candidate.update;
                update.size() == before.size()
                    && update
                        .targets()
                        .all(|target| before.targets().any(|t| t == target))
            });
            assert!(harmless || !scan.findings.is_empty(), "bit {bit}");
        }
    }
}

#[test]
fn up_to_family_12h_the_data_sum_up_to_the_checksum() {
    let mut bytes = synth::amd(0x0010_0f62, 0x0100_00c7).build();
    assert_eq!(crate::scan(&bytes).candidates[0].checksum_ok(), Some(true));
    *bytes.last_mut().expect("it is not empty") ^= 1;
    let scan = crate::scan(&bytes);
    assert_eq!(names(&scan), ["patch-checksum"]);
    assert_eq!(scan.candidates[0].damage(), Some(Damage::Checksum));
    assert_eq!(scan.candidates[0].checksum_ok(), Some(false));
    let later = synth::amd(0x0070_0f01, 0x0700_010f).build();
    assert_eq!(crate::scan(&later).candidates[0].checksum_ok(), None);
}

#[test]
fn two_patches_for_one_equivalence_id_are_two_candidates_for_one_cpu() {
    let bytes = synth::amd(0x00a0_0f11, 0x0a00_11d5)
        .patch(0x00a0_0f11, 0x0a00_11de)
        .build();
    let scan = crate::scan(&bytes);
    assert_eq!(scan.findings, []);
    let found = of_all(&scan);
    assert_eq!(found, [[0x00a0_0f11], [0x00a0_0f11]]);
}

#[test]
fn load_control_is_read_where_there_is_one() {
    let control = |signature, id: u32, bits| {
        let bytes = synth::amd(signature, id).load_control(bits).build();
        let Update::Amd(patch) = crate::scan(&bytes).candidates[0].update else {
            panic!("it is AMD's");
        };
        patch.load_control()
    };
    for bits in [0, 1, 2, 3, 0xfc] {
        let expected = LoadControl {
            serialized: matches!(bits, 1 | 3),
            on_both_threads: matches!(bits, 2 | 3),
        };
        assert_eq!(control(0x00b4_0f40, 0x0b40_4035, bits), Some(expected));
    }
    assert_eq!(control(0x0010_0f62, 0x0100_00c7, 0xaa), None);
}

#[test]
fn a_minimum_revision_counts_only_if_it_names_the_same_cpu() {
    let minimum = |id: u32, field: u32| {
        let mut bytes = synth::amd(0x00a1_0f12, id).build();
        let at = bytes
            .windows(4)
            .position(|w| w == id.to_le_bytes())
            .expect("the id is there");
        bytes[at + 8..at + 12].copy_from_slice(&field.to_le_bytes());
        crate::scan(&bytes).candidates[0].update.minimum_revision()
    };
    assert_eq!(minimum(0x0a10_1248, 0x0a10_1240), Some(0x0a10_1240));
    // Nor does a level count that is not an earlier one.
    assert_eq!(minimum(0x0a10_1248, 0x0a10_1248), None);
    assert_eq!(minimum(0x0a10_1248, 0x0a10_1249), None);
    assert_eq!(minimum(0x0a10_1248, 0x0a10_1140), None);
    assert_eq!(minimum(0x0a10_1248, 0), None);
    // Below family 17h the field is a checksum.
    assert_eq!(minimum(0x0100_00c7, 0x0100_00c0), None);
}

#[test]
fn a_table_is_read_up_to_its_limit_and_no_further() {
    let entry = |n: usize| (0x0010_0f00 + u32::try_from(n).expect("few"), ID);
    let table: Vec<_> = (0..MAX_ENTRIES).map(entry).collect();
    let bytes = by_hand(&table, &[(0x0100_00c7, ID)]);
    assert_eq!(crate::scan(&bytes).findings, []);
    let table: Vec<_> = (0..=MAX_ENTRIES).map(entry).collect();
    let bytes = by_hand(&table, &[(0x0100_00c7, ID)]);
    let scan = crate::scan(&bytes);
    assert_eq!(names(&scan), ["equivalence-size"]);
    assert_eq!(scan.candidates[0].update.targets().count(), MAX_ENTRIES);
}

#[test]
fn a_cpu_with_two_ids_is_found_wherever_they_stand() {
    let bytes = by_hand(
        &[(0x0010_0f62, ID), (0x0010_0f63, 1), (0x0010_0f62, 2)],
        &[(0x0100_00c7, ID)],
    );
    assert_eq!(names(&crate::scan(&bytes)), ["equivalence-conflict"]);
}

#[test]
fn no_patch_is_mapped_by_the_table_of_a_container_before_its_own() {
    // Both containers use one id, for different CPUs.
    let first = by_hand(&[(0x0010_0f62, ID)], &[(0x0100_00c7, ID)]);
    let second = by_hand(&[(0x0010_0f80, ID)], &[(0x0100_00da, ID)]);
    let at = first.len();
    // Its magic, its table's type, its table's size.
    for (field, value) in [(0, 9u32), (4, 7), (8, u32::MAX)] {
        let mut bytes = [first.clone(), second.clone()].concat();
        bytes[at + field..at + field + 4].copy_from_slice(&value.to_le_bytes());
        // The patch can be found again, since its data id is AMD's.
        let patch = at + 12 + 16 + 8;
        bytes[patch + 8..patch + 10].copy_from_slice(&DATA_ID.to_le_bytes());
        let scan = crate::scan(&bytes);
        assert!(!scan.findings.is_empty());
        assert_eq!(scan.candidates.len(), 2, "field {field}");
        assert_eq!(signatures(&scan.candidates[0].update), [0x0010_0f62]);
        assert_eq!(signatures(&scan.candidates[1].update), [] as [u32; 0]);
    }
}
