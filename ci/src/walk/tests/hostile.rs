//! Damage, bounds, and any bytes at all.

use std::io::Write;
use std::time::{Duration, Instant};

use microcode::initrd;
use proptest::prelude::*;

use super::super::decode::Method;
use super::super::{MEMBER_LIMIT, ProblemKind};
use super::make::{METHODS, amd, ar, deb, intel, packed, tar, xz};
use super::*;

#[test]
fn a_compressed_file_that_is_cut_or_changed_is_an_error_and_yields_nothing() {
    for method in METHODS {
        let sound = packed(method, &intel());
        let cut = &sound[..sound.len() - 9];
        let seen = Seen::of_file("x.bin", cut);
        assert!(seen.blobs.is_empty(), "{method:?}");
        let (name, kind) = seen.problem();
        assert_eq!(name, "x.bin");
        assert!(
            matches!(kind, ProblemKind::Damaged { format, .. } if *format == method.name()),
            "{kind}"
        );
        assert!(seen.problems[0].is_error());
        // lz4's old form has no sum.
        if method != Method::Lz4 {
            let mut changed = sound.clone();
            changed[sound.len() / 2] ^= 0x10;
            let seen = Seen::of_file("x.bin", &changed);
            assert!(
                seen.blobs.is_empty() && seen.problems.len() == 1,
                "{method:?} {seen:?}"
            );
        }
    }
}

#[test]
fn a_cut_package_is_one_error_and_what_came_before_is_found() {
    let sound = deb();
    let seen = Seen::of_file("x.deb", &sound[..sound.len() - 20]);
    assert_eq!(seen.blobs.len(), 2);
    assert_eq!(seen.problem().0, "x.deb!data.tar.xz");
    assert!(seen.problems[0].is_error());
}

#[test]
fn damage_in_one_member_leaves_the_others() {
    let mut broken = packed(Method::Gzip, &intel());
    broken.truncate(100);
    let files = [("a.gz", &broken[..]), ("b", &intel())];
    for (format, bytes) in [("tar", tar(&files)), ("ar", ar(&files))] {
        let seen = Seen::of_file("x", &bytes);
        assert_eq!(seen.names(), ["x!b"], "{format}");
        assert_eq!(seen.problem().0, "x!a.gz", "{format}");
    }
}

#[test]
fn a_cut_tar_or_ar_is_an_error_of_its_own() {
    let files = [
        ("a", &intel()[..]),
        ("b", b"text of no interest, but all there"),
    ];
    for (format, bytes) in [("tar", tar(&files)), ("ar", ar(&files))] {
        let cut = if format == "tar" {
            512 + 2048 + 512 + 10
        } else {
            bytes.len() - 5
        };
        let seen = Seen::of_file("x", &bytes[..cut]);
        assert_eq!(seen.names(), ["x!a"], "{format}");
        assert!(
            matches!(seen.problem().1, ProblemKind::Damaged { .. }),
            "{format}"
        );
    }
}

#[test]
fn reasons_do_not_carry_control_characters_of_hostile_names() {
    let mut bytes = tar(&[("a\x1b[2J", &intel())]);
    bytes[150] = b'z';
    let seen = Seen::of_file("x.tar", &bytes);
    let text = seen.problem().1.to_string();
    assert!(!text.contains('\x1b'), "{text:?}");
}

#[test]
fn a_decompressor_gets_no_more_memory_than_it_is_given() {
    let seen = Seen::of_file("x.xz", &xz(&intel(), 128 << 20));
    let (_, kind) = seen.problem();
    assert!(
        matches!(kind, ProblemKind::TooMuchMemory { format: "xz", .. }),
        "{kind}"
    );
    // A frame with a window of 2 GiB, then a raw block that is the last.
    let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 9, 0, 0, 1];
    let seen = Seen::of_file("x.zst", &zstd);
    let (_, kind) = seen.problem();
    assert!(
        matches!(kind, ProblemKind::TooMuchMemory { format: "zstd", .. }),
        "{kind}"
    );
}

/// gzip of `front` and that many MiB of zeros, made without holding them.
fn bomb(front: &[u8], mebibytes: usize) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(front).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..mebibytes {
        writer.write_all(&zeros).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn a_member_beyond_the_limit_is_not_held() {
    let seen = Seen::of_file("x.gz", &bomb(&intel(), MEMBER_LIMIT >> 20));
    assert!(seen.blobs.is_empty());
    assert!(matches!(seen.problem().1, ProblemKind::TooLarge { .. }));
    assert!(seen.problems[0].is_error());
}

#[test]
fn decompression_ends_at_the_limit_and_says_so_once() {
    // One member of tar that claims 4 GiB.
    let mut header = ::tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(4 << 30);
    header.set_entry_type(::tar::EntryType::Regular);
    header.set_cksum();
    // One stream is as good as the whole, and compressed faster.
    let bytes = [bomb(header.as_bytes(), 64), bomb(&[], 64).repeat(32)].concat();
    let seen = Seen::of_file("x.tar.gz", &bytes);
    let (name, kind) = seen.problem();
    assert_eq!(name, "x.tar.gz");
    assert!(matches!(kind, ProblemKind::TooMuch), "{kind}");
    assert!(seen.problems[0].is_error());
}

#[test]
fn members_without_number_are_bounded() {
    let member = ar(&[("x", b"")]);
    let bytes = [&member[..8], &member[8..].repeat(1_000_001)].concat();
    let seen = Seen::of_file("x.a", &bytes);
    assert!(matches!(seen.problem().1, ProblemKind::TooMany));
}

#[test]
fn a_name_of_a_gibibyte_takes_no_memory() {
    let mut header = ::tar::Header::new_gnu();
    header.set_path("././@LongLink").unwrap();
    header.set_entry_type(::tar::EntryType::GNULongName);
    header.set_size(1 << 30);
    header.set_cksum();
    let before = peak_memory();
    let seen = Seen::of_file("x.tar.gz", &bomb(header.as_bytes(), 64));
    assert!(matches!(
        seen.problem().1,
        ProblemKind::Damaged { format: "tar", .. }
    ));
    let name = [&b"070701"[..], &b"7fffffff".repeat(13)].concat();
    let seen = Seen::of_file("x.gz", &bomb(&name, 64));
    assert!(matches!(
        seen.problem().1,
        ProblemKind::Damaged { format: "cpio", .. }
    ));
    // Other tests run beside this one; half of a name is far above them.
    assert!(peak_memory() - before < 512 << 20);
}

/// The most memory that this process ever had, in bytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kibibytes << 10
}

/// An initrd with compressed packages in it.
fn nest(method: Method) -> Vec<u8> {
    let inner = packed(method, &tar(&[("x.deb", &deb()), ("y.bin", &amd())]));
    let main = microcode::cpio::pack(&[("a.tar", &inner), ("b", &intel())]);
    [initrd::pack(&intel(), &amd()), packed(method, &main)].concat()
}

fn method() -> impl Strategy<Value = Method> {
    proptest::sample::select(&METHODS)
}

fn ends(bytes: &[u8]) -> Result<(), TestCaseError> {
    let start = Instant::now();
    let seen = Seen::of_file("x", bytes);
    for (name, _) in &seen.blobs {
        prop_assert!(!name.contains(char::is_control));
    }
    prop_assert!(start.elapsed() < Duration::from_secs(20));
    Ok(())
}

#[test]
fn the_nest_that_is_cut_below_is_sound() {
    for method in METHODS {
        let seen = Seen::of_file("x", &nest(method));
        assert!(seen.problems.is_empty(), "{:?}", seen.problems);
        assert_eq!(seen.blobs.len(), 5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes_come_to_an_end(bytes: Vec<u8>, front in 0..9usize) {
        let fronts = [
            &b""[..], b"070701", b"!<arch>\n", b"\x1f\x8b\x08\0", b"\xfd7zXZ\0",
            b"\x28\xb5\x2f\xfd", b"BZh91AY", b"\x02\x21\x4c\x18", b"\x01\0\0\0",
        ];
        ends(&[fronts[front], &bytes].concat())?;
    }

    #[test]
    fn any_cut_of_a_nest_comes_to_an_end(method in method(), cut: prop::sample::Index) {
        let bytes = nest(method);
        ends(&bytes[..cut.index(bytes.len())])?;
    }

    #[test]
    fn any_change_to_a_nest_comes_to_an_end(
        method in method(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9),
    ) {
        let mut bytes = nest(method);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        ends(&bytes)?;
    }
}
