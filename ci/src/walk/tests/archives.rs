//! Archives, compression, initrds.

use microcode::{cpio, initrd};

use super::super::ProblemKind;
use super::super::decode::Method;
use super::make::{METHODS, amd, ar, deb, intel, packed, tar};
use super::*;

#[test]
fn a_package_yields_its_files_under_their_names() {
    let seen = Seen::of_file("x.deb", &deb());
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
    assert_eq!(
        seen.blobs,
        [
            (
                "x.deb!data.tar.xz!lib/firmware/intel-ucode/06-5e-03".to_owned(),
                intel()
            ),
            (
                "x.deb!data.tar.xz!lib/firmware/amd-ucode/microcode_amd.bin".to_owned(),
                amd()
            ),
        ]
    );
}

#[test]
fn a_compressed_file_keeps_its_name_in_every_method() {
    for method in METHODS {
        for bytes in [intel(), amd()] {
            let seen = Seen::of_file("microcode.bin", &packed(method, &bytes));
            assert_eq!(seen.only(), ("microcode.bin", &bytes[..]), "{method:?}");
        }
    }
}

#[test]
fn streams_one_after_another_are_one_file() {
    for method in METHODS {
        let bytes = intel();
        let (front, back) = bytes.split_at(1000);
        let both = [packed(method, front), packed(method, back), vec![0; 8]].concat();
        assert_eq!(Seen::of_file("x", &both).only().1, bytes, "{method:?}");
    }
}

#[test]
fn other_content_is_passed_by_even_if_compressed() {
    for method in METHODS {
        let seen = Seen::of_file("changelog.gz", &packed(method, b"nothing of interest"));
        assert!(
            seen.blobs.is_empty() && seen.problems.is_empty(),
            "{method:?}"
        );
    }
}

#[test]
fn dots_before_members_go_and_long_names_stay_whole() {
    let long = format!("lib/{}/06-5e-03", "long/".repeat(60));
    let seen = Seen::of_file("x.tar", &tar(&[("./a.bin", &intel()), (&long, &intel())]));
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
    assert_eq!(seen.names(), ["x.tar!a.bin", &format!("x.tar!{long}")]);
}

#[test]
fn names_in_pax_headers_are_taken() {
    let mut archive = ::tar::Builder::new(Vec::new());
    let records = [("comment", &b"none"[..]), ("path", b"intel-ucode/06-5e-03")];
    archive.append_pax_extensions(records).unwrap();
    let mut header = ::tar::Header::new_ustar();
    let bytes = intel();
    header.set_size(bytes.len() as u64);
    archive
        .append_data(&mut header, "short", &bytes[..])
        .unwrap();
    let seen = Seen::of_file("x.tar", &archive.into_inner().unwrap());
    assert_eq!(seen.only().0, "x.tar!intel-ucode/06-5e-03");
}

#[test]
fn names_in_archives_are_printable() {
    let seen = Seen::of_file("x.deb", &ar(&[("a\x1b[31m", &intel())]));
    assert_eq!(seen.only().0, "x.deb!a\\u{1b}[31m");
}

#[test]
fn damaged_microcode_in_an_archive_is_handed_on_by_its_name() {
    let junk = [0xee; 4096];
    let files = [("intel-ucode/06-5e-03", &junk[..]), ("other", &junk)];
    let seen = Seen::of_file("x.tar", &tar(&files));
    assert_eq!(seen.only(), ("x.tar!intel-ucode/06-5e-03", &junk[..]));
}

#[test]
fn an_early_initrd_is_one_piece_and_its_updates_are_not_told_twice() {
    let early = initrd::pack(&intel(), &amd());
    for bytes in [
        early.clone(),
        [&[0; 64], &early[..]].concat(),
        [&early[..], &early].concat(),
        early[..early.len() - 3].to_vec(),
    ] {
        let seen = Seen::of_file("initrd.img", &bytes);
        assert_eq!(seen.only(), ("initrd.img", &bytes[..]));
    }
}

fn main_archive() -> Vec<u8> {
    let compressed = packed(Method::Xz, &intel());
    cpio::pack(&[
        ("bin/sh", b"#!"),
        ("lib/firmware/amd-ucode/x.bin", &amd()),
        ("lib/firmware/intel-ucode/06-5e-03.xz", &compressed),
        ("usr/share/x", &vec![0x55; 70_001]),
    ])
}

#[test]
fn what_follows_an_early_initrd_is_gone_through_in_every_method_and_in_none() {
    let early = initrd::pack(&intel(), &[]);
    let main = main_archive();
    let found = [
        "initrd.img",
        "initrd.img!lib/firmware/amd-ucode/x.bin",
        "initrd.img!lib/firmware/intel-ucode/06-5e-03.xz",
    ];
    for method in METHODS {
        let bytes = [&early[..], &packed(method, &main), &[0; 5]].concat();
        let seen = Seen::of_file("initrd.img", &bytes);
        assert!(seen.problems.is_empty(), "{method:?} {:?}", seen.problems);
        assert_eq!(seen.names(), found, "{method:?}");
        assert_eq!(seen.blobs[0].1, early);
        assert_eq!(seen.blobs[1].1, amd());
        assert_eq!(seen.blobs[2].1, intel());
    }
    let plain = [&early[..], &main].concat();
    let seen = Seen::of_file("initrd.img", &plain);
    assert_eq!(seen.names(), found);
    assert_eq!(seen.blobs[0].1, plain);
}

#[test]
fn a_row_of_compressed_archives_is_gone_through_to_its_end() {
    let pack = |name| cpio::pack(&[(name, &intel())]);
    let bytes = [
        packed(Method::Gzip, &pack("a")),
        vec![0; 512],
        packed(Method::Xz, &pack("b")),
        packed(Method::Zstd, &pack("c")),
    ]
    .concat();
    let early = [initrd::pack(&intel(), &[]), bytes].concat();
    let seen = Seen::of_file("i", &early);
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
    assert_eq!(seen.names(), ["i", "i!a", "i!b", "i!c"]);
}

#[test]
fn an_early_initrd_in_a_package_is_one_piece_and_a_compressed_one_is_an_archive() {
    let early = initrd::pack(&intel(), &[]);
    let archive = tar(&[("boot/intel-ucode.img", &early)]);
    let seen = Seen::of_file("x.tar.zst", &packed(Method::Zstd, &archive));
    assert_eq!(seen.only(), ("x.tar.zst!boot/intel-ucode.img", &early[..]));
    let seen = Seen::of_file("ucode.img.gz", &packed(Method::Gzip, &early));
    let name = "ucode.img.gz!kernel/x86/microcode/GenuineIntel.bin";
    assert_eq!(seen.only(), (name, &intel()[..]));
}

#[test]
fn an_unknown_compression_behind_an_early_initrd_is_a_note() {
    let early = initrd::pack(&intel(), &[]);
    let bytes = [&early[..], b"\x5d\0\0\x80\0 lzma perhaps"].concat();
    let seen = Seen::of_file("initrd.img", &bytes);
    assert_eq!(seen.blobs, [("initrd.img".to_owned(), early)]);
    let (name, kind) = seen.problem();
    assert_eq!(name, "initrd.img");
    assert!(matches!(kind, ProblemKind::UnknownCompression), "{kind}");
    assert!(!seen.problems[0].is_error());
}

#[test]
fn a_cut_or_damaged_early_initrd_is_whole_for_the_scan_to_judge() {
    let early = initrd::pack(&intel(), &[]);
    let cut = early[..early.len() / 2].to_vec();
    let mut damaged = early.clone();
    damaged[20] = b'x';
    let mut huge = early;
    huge[54..62].copy_from_slice(b"ffffffff");
    for bytes in [cut, damaged, huge] {
        let seen = Seen::of_file("initrd.img", &bytes);
        assert_eq!(seen.only(), ("initrd.img", &bytes[..]));
    }
}

#[test]
fn archives_lie_in_one_another_up_to_four_deep() {
    let nested = |depth: usize| {
        let mut bytes = intel();
        for _ in 0..depth {
            bytes = packed(Method::Gzip, &tar(&[("x", &bytes)]));
        }
        Seen::of_file("x", &bytes)
    };
    assert_eq!(nested(4).only().0, "x!x!x!x!x");
    let seen = nested(5);
    assert!(seen.blobs.is_empty());
    let (name, kind) = seen.problem();
    assert_eq!(name, "x!x!x!x!x");
    assert!(matches!(kind, ProblemKind::TooDeep), "{kind}");
    assert!(seen.problems[0].is_error());
    let mut bytes = intel();
    for _ in 0..9 {
        bytes = packed(Method::Gzip, &bytes);
    }
    assert!(matches!(
        Seen::of_file("x", &bytes).problem().1,
        ProblemKind::TooDeep
    ));
}
