use super::*;
use crate::profile::{LINUX, SDM, XEN};
use crate::{Damage, Format, Scan, Update as Any, scan_as, synth};
use alloc::vec::Vec;

/// A whole update written by hand, byte for byte: 48 + 976 = 1024 bytes, data
/// of the dword 0x11223344 repeated.
fn by_hand(revision: u32) -> Vec<u8> {
    let fields = [
        1,
        revision,
        0x1112_2021,
        0x0005_06e3,
        0,
        1,
        0x36,
        976,
        1024,
        0,
        0,
        0,
    ];
    let mut dwords: Vec<u32> = fields.to_vec();
    dwords.resize(256, 0x1122_3344);
    dwords[4] = dwords
        .iter()
        .fold(0, |sum: u32, &d| sum.wrapping_add(d))
        .wrapping_neg();
    dwords.iter().flat_map(|d| d.to_le_bytes()).collect()
}

fn set(bytes: &mut [u8], offset: usize, dword: u32) {
    bytes[offset..offset + 4].copy_from_slice(&dword.to_le_bytes());
}

fn names(scan: &Scan<'_>) -> Vec<&'static str> {
    scan.findings.iter().map(|f| f.kind.name()).collect()
}

fn damages(scan: &Scan<'_>) -> Vec<(usize, Option<Damage>)> {
    let of = |c: &crate::Candidate<'_>| (c.offset, c.damage());
    scan.candidates.iter().map(of).collect()
}

#[test]
fn every_field_of_a_header_is_read_from_its_place() {
    let bytes = by_hand(0x8000_00f0);
    let scan = crate::scan(&bytes);
    assert_eq!(scan.format, Format::Intel);
    assert_eq!(names(&scan), ["pre-production"]);
    let update = &scan.candidates[0].update;
    assert_eq!(update.revision(), 0x8000_00f0);
    assert_eq!(update.signature(), Some(0x0005_06e3));
    assert_eq!(update.flags(), Some(0x36));
    assert_eq!(
        update.date(),
        Date {
            year: 2021,
            month: 11,
            day: 12
        }
    );
    assert_eq!(update.size(), 1024);
    assert_eq!(update.bytes(), bytes);
    assert_eq!(update.minimum_revision(), None);
}

#[test]
fn data_size_zero_is_the_legacy_form_whatever_the_total_size_says() {
    let legacy = synth::intel(0x0f29, 4, 0x2d).legacy().build();
    assert_eq!(legacy.len(), 2048);
    assert_eq!(crate::scan(&legacy).findings, []);

    let mut odd = legacy.clone();
    let checksum = u32::from_le_bytes([odd[16], odd[17], odd[18], odd[19]]);
    set(&mut odd, 32, 4096);
    set(&mut odd, 16, checksum.wrapping_sub(4096));
    odd.extend_from_slice(&legacy);
    for profile in [&SDM, &LINUX] {
        let scan = scan_as(&odd, profile);
        assert_eq!(damages(&scan), [(0, None), (2048, None)]);
    }
    // Xen reads 4096 bytes here, and takes the second update for a table.
    let scan = scan_as(&odd, &XEN);
    assert_eq!(damages(&scan), [(0, Some(Damage::Malformed))]);
    assert_eq!(names(&scan), ["table-size"]);
}

#[test]
fn total_size_zero_beside_a_data_size_is_the_legacy_size_to_xen_alone() {
    let mut bytes = synth::intel(1, 1, 1).data_size(2000).build();
    set(&mut bytes, 32, 0);
    let checksum = u32::from_le_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]);
    set(&mut bytes, 16, checksum.wrapping_add(2048));
    for (profile, damage) in [
        (&SDM, Some(Damage::Size)),
        (&XEN, None),
        (&LINUX, Some(Damage::Size)),
    ] {
        assert_eq!(damages(&scan_as(&bytes, profile)), [(0, damage)]);
    }
}

#[test]
fn linux_minds_no_steps_of_sizes() {
    let mut bytes = by_hand(1);
    bytes.resize(1030, 0);
    set(&mut bytes, 28, 1030 - 48);
    set(&mut bytes, 32, 1030);
    set(&mut bytes, 16, 0);
    let checksum = sum_of_dwords(&bytes).wrapping_neg();
    set(&mut bytes, 16, checksum);
    for (profile, damage) in [
        (&SDM, Some(Damage::Size)),
        (&XEN, Some(Damage::Size)),
        (&LINUX, None),
    ] {
        assert_eq!(damages(&scan_as(&bytes, profile)), [(0, damage)]);
    }
}

#[test]
fn total_size_zero_beside_a_data_size_is_damage() {
    let mut bytes = by_hand(1);
    set(&mut bytes, 32, 0);
    let scan = crate::scan(&bytes);
    assert_eq!(damages(&scan), [(0, Some(Damage::Size))]);
    assert!(!scan.candidates[0].update.is_whole());
}

#[test]
fn a_checksum_error_leaves_the_neighbours_alone() {
    let mut bytes = [by_hand(1), by_hand(2), by_hand(3)].concat();
    bytes[1024 + 500] ^= 0x10;
    let scan = crate::scan(&bytes);
    assert_eq!(
        damages(&scan),
        [(0, None), (1024, Some(Damage::Checksum)), (2048, None)]
    );
    assert_eq!(names(&scan), ["checksum"]);
    assert_eq!(scan.findings[0].offset, 1024);
}

#[test]
fn after_an_unusable_size_the_scan_finds_the_next_header() {
    for size in [0, 1000, 512, 0x4000_0000, u32::MAX] {
        let long = synth::intel(0x0005_06e3, 0x36, 2).data_size(5000).build();
        let long_size = long.len();
        let mut bytes = [by_hand(1), long, by_hand(3)].concat();
        set(&mut bytes, 1024 + 32, size);
        let scan = crate::scan(&bytes);
        let offsets: Vec<_> = scan.candidates.iter().map(|c| c.offset).collect();
        assert_eq!(offsets, [0, 1024, 1024 + long_size], "total size {size}");
        assert!(scan.candidates[1].damage().is_some());
        assert_eq!(scan.candidates[1].update.bytes().len(), long_size);
        assert_eq!(scan.candidates[2].damage(), None);
    }
}

#[test]
fn only_an_unmistakable_header_ends_a_damaged_update() {
    // Into the data of an update whose size is unusable goes what looks like
    // a header but for one field.
    let decoy = |offset: usize, value| {
        let mut bytes = synth::intel(1, 1, 1).data_size(2500).build();
        set(&mut bytes, 32, 0);
        bytes[1024..2048].copy_from_slice(&by_hand(2));
        set(&mut bytes, 1024 + offset, value);
        bytes.extend(by_hand(3));
        let scan = crate::scan(&bytes);
        let offsets: Vec<_> = scan.candidates.iter().map(|c| c.offset).collect();
        offsets
    };
    for (offset, value) in [
        (0, 2),
        (8, 0x1312_2021),
        (8, 0x1132_2021),
        (12, 0),
        (20, 2),
        (24, 0x100),
        (28, 977),
        (32, 1028),
        (32, 512),
    ] {
        assert_eq!(decoy(offset, value), [0, 3072], "offset {offset}");
    }
    // With nothing wrong it would have been taken for one.
    assert_eq!(decoy(0, 1)[..2], [0, 1024]);
}

#[test]
fn a_cut_update_is_a_malformed_candidate_after_the_sound_ones() {
    let bytes = [by_hand(1), by_hand(2)].concat();
    for end in [1024 + 48, 1024 + 49, 1500, 2047] {
        let scan = crate::scan(&bytes[..end]);
        assert_eq!(damages(&scan), [(0, None), (1024, Some(Damage::Malformed))]);
        let missing = 2048 - end;
        assert_eq!(scan.findings[0].kind, FindingKind::Cut { missing });
        assert_eq!(scan.candidates[1].update.bytes().len(), end - 1024);
        assert_eq!(scan.candidates[1].update.size(), 1024);
    }
    let scan = crate::scan(&bytes[..1024 + 47]);
    assert_eq!(damages(&scan), [(0, None)]);
    assert_eq!(names(&scan), ["trailing"]);
}

#[test]
fn in_field_scan_data_are_a_warning_and_no_candidate() {
    let mut scan_data = by_hand(1);
    set(&mut scan_data, 0, 2);
    let bytes = [scan_data, by_hand(2)].concat();
    let scan = crate::scan(&bytes);
    assert_eq!(names(&scan), ["in-field-scan"]);
    assert_eq!(damages(&scan), [(1024, None)]);
}

#[test]
fn zeros_behind_the_last_update_are_a_warning_and_others_an_error() {
    let mut bytes = by_hand(1);
    bytes.resize(1024 + 700, 0);
    assert_eq!(names(&crate::scan(&bytes)), ["padding"]);
    *bytes.last_mut().expect("it is not empty") = 1;
    assert_eq!(names(&crate::scan(&bytes)), ["header-version"]);
}

#[test]
fn extended_signatures_follow_the_main_one() {
    let bytes = synth::intel(0x0005_06e3, 0x36, 1)
        .extended(&[(0x0005_06e3, 0x36), (0x0004_06e3, 0xc0)])
        .build();
    let scan = crate::scan(&bytes);
    let targets: Vec<_> = scan.candidates[0]
        .update
        .targets()
        .map(|t| (t.signature, t.flags))
        .collect();
    let main = (0x0005_06e3, Some(0x36));
    assert_eq!(targets, [main, main, (0x0004_06e3, Some(0xc0))]);
}

#[test]
fn a_table_too_small_for_its_own_header_is_malformed() {
    // 48 + 972 leaves four bytes of room.
    let mut bytes = by_hand(1);
    set(&mut bytes, 28, 972);
    set(&mut bytes, 1020, 0);
    set(&mut bytes, 16, 0);
    let checksum = sum_of_dwords(&bytes).wrapping_neg();
    set(&mut bytes, 16, checksum);
    let scan = crate::scan(&bytes);
    let kind = FindingKind::TableSize {
        size: 4,
        nr_entries: 0,
    };
    assert_eq!(scan.findings[0].kind, kind);
    assert_eq!(damages(&scan), [(0, Some(Damage::Malformed))]);
}

#[test]
fn a_table_takes_all_its_room_and_no_more() {
    let resized = |data_size, nr_entries| {
        let mut bytes = synth::intel(1, 1, 1).extended(&[(2, 2), (3, 3)]).build();
        let table = HEADER_SIZE + data_size as usize;
        set(&mut bytes, 28, data_size);
        set(&mut bytes, table, nr_entries);
        set(&mut bytes, 16, 0);
        let checksum = sum_of_dwords(&bytes[..table]).wrapping_neg();
        set(&mut bytes, 16, checksum);
        names(&crate::scan(&bytes))
    };
    let data_size = 3 * 1024 - 48 - (20 + 2 * 12);
    assert_eq!(resized(data_size, 1), ["table-size"]);
    assert_eq!(resized(data_size - 4, 2), ["table-size"]);
    assert!(resized(data_size, 2).is_empty());
}

#[test]
fn a_table_that_claims_more_entries_than_memory_holds_yields_only_what_is_there() {
    let mut bytes = synth::intel(1, 1, 1).extended(&[(2, 2)]).build();
    let table = bytes.len() - 32;
    set(&mut bytes, table, u32::MAX);
    let scan = crate::scan(&bytes);
    assert_eq!(names(&scan), ["table-size"]);
    assert_eq!(scan.candidates[0].update.targets().count(), 2);
}

#[test]
fn every_single_bit_flip_of_a_header_leaves_a_finding_and_no_sound_candidate() {
    let plain = by_hand(1);
    let extended = synth::intel(0x0005_06e3, 0x36, 1)
        .extended(&[(0x0004_06e3, 0xc0)])
        .build();
    let legacy = synth::intel(0x0f29, 4, 1).legacy().build();
    for sound in [plain, extended, legacy] {
        for bit in 0..HEADER_SIZE * 8 {
            let mut flipped = sound.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let scan = crate::scan(&flipped);
            assert!(!scan.findings.is_empty(), "bit {bit}");
            assert!(
                scan.candidates.iter().all(|c| c.damage().is_some()),
                "bit {bit}"
            );
        }
    }
}

#[test]
fn damage_is_what_the_finding_says() {
    for (offset, value, damage) in [
        (20, 2, Damage::Malformed),
        (28, 977, Damage::Size),
        (28, 980, Damage::Size),
        (32, 1028, Damage::Size),
        (24, 0x37, Damage::Checksum),
    ] {
        let mut bytes = by_hand(1);
        set(&mut bytes, offset, value);
        assert_eq!(damages(&crate::scan(&bytes)), [(0, Some(damage))]);
    }
}

#[test]
fn data_lie_between_header_and_table() {
    let bytes = synth::intel(1, 1, 1).extended(&[(2, 2)]).build();
    let scan = crate::scan(&bytes);
    let Any::Intel(update) = scan.candidates[0].update else {
        panic!("it is Intel's");
    };
    assert_eq!(update.data(), &bytes[HEADER_SIZE..bytes.len() - 32]);
    assert_eq!(update.entries().len(), 1);
}

#[test]
fn metadata_come_back_as_they_were_put_in() {
    let bytes = synth::intel(1, 1, 1)
        .metadata(3, &[0x10, 0, 0, 0])
        .metadata(9, &[1; 16])
        .build();
    let scan = crate::scan(&bytes);
    assert_eq!(scan.findings, []);
    let Any::Intel(update) = scan.candidates[0].update else {
        panic!("it is Intel's");
    };
    let found: Vec<_> = update.metadata().collect();
    let block = |block_type, data| MetadataBlock { block_type, data };
    assert_eq!(found, [block(3, &[0x10, 0, 0, 0][..]), block(9, &[1; 16])]);
}

#[test]
fn what_is_unusual_is_a_warning_and_the_update_stays_sound() {
    let update = synth::intel(1, 1, 0x8000_0001);
    for (bytes, name) in [
        (update.build(), "pre-production"),
        (
            synth::intel(1, 1, 1).defect(synth::Defect::Date).build(),
            "date",
        ),
        (
            synth::intel(1, 1, 1)
                .defect(synth::Defect::ProcessorFlags)
                .build(),
            "processor-flags",
        ),
    ] {
        let scan = crate::scan(&bytes);
        assert_eq!(names(&scan), [name]);
        assert_eq!(damages(&scan), [(0, None)]);
        assert_eq!(scan.findings[0].kind.severity(), crate::Severity::Warning);
    }
}

#[test]
fn the_checksum_is_known_even_where_something_else_is_wrong() {
    let ok = |defect| {
        let bytes = synth::intel(1, 1, 1).defect(defect).build();
        crate::scan(&bytes).candidates[0].checksum_ok()
    };
    assert_eq!(ok(synth::Defect::Checksum), Some(false));
    assert_eq!(ok(synth::Defect::EntryChecksum), Some(false));
    assert_eq!(ok(synth::Defect::LoaderVersion), Some(true));
    assert_eq!(ok(synth::Defect::Cut), Some(false));
    assert_eq!(ok(synth::Defect::Date), Some(true));
}
