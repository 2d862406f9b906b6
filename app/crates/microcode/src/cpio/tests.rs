use super::*;

const FILES: [(&str, &[u8]); 2] = [("a/b/c", b"hello"), ("a/b/d", &[7; 33])];

fn read(bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    entries(bytes)
        .map(|entry| entry.expect("the archive is sound"))
        .map(|entry| (entry.path, entry.data))
        .collect()
}

#[test]
fn files_survive_the_round_trip_and_their_data_are_aligned() {
    let archive = pack(&FILES);
    let expected = FILES.map(|(path, data)| (path.as_bytes(), data));
    assert_eq!(read(&archive), expected);
    assert!(entries(&archive).all(|entry| entry.is_ok_and(|e| e.offset % 16 == 0)));
    assert_eq!(archive.len() % BLOCK, 0);
    assert_eq!(archive, pack(&FILES));
}

#[test]
fn a_plain_archive_without_alignment_is_read_too() {
    let name = b"x\0";
    let mut archive = b"070702".to_vec();
    for field in 0..13 {
        archive.extend(match field {
            MODE => *b"000081a4",
            FILE_SIZE => *b"00000003",
            NAME_SIZE => *b"00000002",
            _ => *b"00000000",
        });
    }
    archive.extend(name);
    archive.extend(b"abc");
    assert_eq!(read(&archive), [(&b"x"[..], &b"abc"[..])]);
}

#[test]
fn zeros_before_and_between_archives_are_skipped_and_foreign_bytes_end_them() {
    let archive = pack(&FILES[..1]);
    let bytes = [&[0; 8][..], &archive, &[0; 512], &archive].concat();
    assert_eq!(read(&bytes).len(), 2);
    let gzip = [&archive[..], &[0x1f, 0x8b, 8, 0], &archive].concat();
    assert_eq!(read(&gzip).len(), 1);
}

#[test]
fn a_cut_file_is_clamped_and_says_so() {
    let archive = pack(&[("x", &[1; 100])]);
    let sound = entries(&archive).next().expect("one").expect("sound");
    let cut = &archive[..sound.offset + 60];
    let entry = entries(cut).next().expect("one").expect("readable");
    assert_eq!((entry.data.len(), entry.missing), (60, 40));
}

#[test]
fn data_begin_no_later_than_the_bytes_end() {
    let mut writer = Writer::default();
    writer.entry(b"xy", MODE_REGULAR, 1, &[1; 8], 1);
    let cut = &writer.archive[..HEADER_SIZE + b"xy\0".len()];
    let entry = entries(cut).next().expect("one").expect("readable");
    assert_eq!((entry.offset, entry.missing), (cut.len(), 8));
}

#[test]
fn a_bad_header_is_an_error_and_costs_its_own_file_alone() {
    for at in [6 + 8 * NAME_SIZE, 6 + 8 * FILE_SIZE, 6 + 8 * MODE] {
        let mut archive = pack(&FILES);
        let place = |name: &[u8]| archive.windows(name.len()).position(|w| w == name);
        let header = place(b"a/b/c\0").expect("it is there") - HEADER_SIZE;
        archive[header + at] = b'x';
        let finding = Finding {
            file: None,
            offset: header,
            kind: FindingKind::ArchiveHeader,
        };
        let mut entries = entries(&archive);
        assert_eq!(entries.next(), Some(Err(finding)));
        let rest: Vec<_> = entries.map(|e| e.expect("it is sound").path).collect();
        assert_eq!(rest, [b"a/b/d"]);
    }
}

#[test]
fn behind_damage_only_what_can_be_nothing_else_is_a_header() {
    let archive = |decoy: &[u8]| {
        let mut archive = pack(&[("a", &[decoy, &[7; 200]].concat()), ("b", b"sound")]);
        // The first file's size is no number, so its data are searched.
        archive[6 + 8 * FILE_SIZE] = b'x';
        let paths = entries(&archive).flatten().map(|entry| entry.path.to_vec());
        paths.collect::<Vec<_>>()
    };
    // The one header, without the trailer behind it.
    let mut header = pack(&[("decoy", b"")]);
    header.truncate(entries(&header).flatten().next().expect("one").offset);
    assert_eq!(archive(&header)[0], b"decoy");
    let mut wrong_digit = header.clone();
    wrong_digit[6 + 8 * 12] = b'x';
    assert_eq!(archive(&wrong_digit), [b"b"]);
    let mut wrong_magic = header;
    wrong_magic[5] = b'3';
    assert_eq!(archive(&wrong_magic), [b"b"]);
}

#[test]
fn a_size_beyond_the_end_costs_its_own_file_alone() {
    let mut archive = pack(&FILES);
    let place = |name: &[u8]| archive.windows(name.len()).position(|w| w == name);
    let header = place(b"a/b/c\0").expect("it is there") - HEADER_SIZE;
    archive[header + 6 + 8 * FILE_SIZE..][..8].copy_from_slice(b"00100000");
    let files: Vec<_> = entries(&archive).flatten().collect();
    assert_eq!(files.len(), 2);
    assert!(files[0].missing > 0);
    assert_eq!((files[1].path, files[1].missing), (&b"a/b/d"[..], 0));
}

#[test]
fn sizes_of_all_ones_are_bounded_by_the_bytes() {
    for field in [NAME_SIZE, FILE_SIZE] {
        let mut archive = pack(&FILES);
        archive[6 + 8 * field..][..8].copy_from_slice(b"ffffffff");
        assert!(entries(&archive).count() <= 3);
    }
}

#[test]
fn an_archive_begins_on_a_dword() {
    let archive = pack(&FILES);
    for nr_zeros in 0..9 {
        let bytes = [&[0; 9][..nr_zeros], &archive].concat();
        let found = (nr_zeros % 4 == 0).then_some(nr_zeros);
        assert_eq!(start(&bytes), found);
    }
}

#[test]
fn folders_come_before_what_is_in_them_and_once() {
    let nr_headers = |files| {
        let archive = pack(files);
        archive
            .windows(6)
            .filter(|window| window == MAGICS[0])
            .count()
    };
    // a, a/b, a/b/c, a/b/d and the trailer.
    assert_eq!(nr_headers(&FILES), 5);
    assert_eq!(nr_headers(&[("/absolute", b"")]), 2);
    let archive = pack(&FILES);
    let place = |name: &[u8]| {
        archive
            .windows(name.len())
            .position(|window| window == name)
    };
    assert!(place(b"a\0") < place(b"a/b\0") && place(b"a/b\0") < place(b"a/b/c\0"));
}
