//! Files, folders, links, and what is neither.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::super::{FILE_LIMIT, ProblemKind};
use super::make::{amd, intel};
use super::*;

#[test]
fn microcode_is_found_below_a_folder_in_the_order_of_names_and_the_rest_passed_by() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (name, bytes) in [
        ("z.bin", intel()),
        ("B/06-5e-03", intel()),
        ("a/x.bin", amd()),
        ("a-b", intel()),
        ("README", b"read me".to_vec()),
        ("empty", Vec::new()),
        ("large.txt", vec![b'x'; 300_000]),
    ] {
        fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        fs::write(root.join(name), bytes).unwrap();
    }
    let seen = Seen::at(root);
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
    assert_eq!(seen.names(), ["B/06-5e-03", "a/x.bin", "a-b", "z.bin"]);
    assert_eq!(seen.blobs[1].1, amd());
}

#[test]
fn a_named_file_is_handed_on_whatever_it_holds() {
    let large = vec![7; 200_000];
    for bytes in [&b""[..], b"read me", &[0; 99], &large] {
        let seen = Seen::of_file("README", bytes);
        assert_eq!(seen.only(), ("README", bytes));
    }
}

#[test]
fn files_of_all_sizes_around_the_first_read_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for (place, size) in [65_535, 65_536, 65_537, 3_000_000, 100, 65_536]
        .into_iter()
        .enumerate()
    {
        let mut bytes = intel();
        bytes.extend((0..size).map(|place| u8::try_from(place % 251).unwrap()));
        bytes.truncate(size);
        let name = format!("{place}.bin");
        fs::write(folder.path().join(&name), &bytes).unwrap();
        expected.push((name, bytes));
    }
    assert_eq!(Seen::at(folder.path()).blobs, expected);
}

#[test]
fn damaged_microcode_is_handed_on_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let ucode = folder.path().join("intel-ucode");
    fs::create_dir(&ucode).unwrap();
    for name in ["06-5e-03", "06-3c-03.initramfs", "other"] {
        fs::write(ucode.join(name), [0xee; 4096]).unwrap();
    }
    fs::write(folder.path().join("other"), [0xee; 4096]).unwrap();
    let names = ["06-3c-03.initramfs", "06-5e-03", "other"];
    let below = names.map(|name| format!("intel-ucode/{name}"));
    assert_eq!(Seen::at(folder.path()).names(), below);
    assert_eq!(Seen::at(&ucode).names(), names);
}

#[test]
fn what_is_missing_is_an_error_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::at(&folder.path().join("nothing"));
    let (name, kind) = seen.problem();
    assert_eq!(name, "nothing");
    assert!(matches!(kind, ProblemKind::Unreadable(_)), "{kind}");
    assert!(seen.problems[0].is_error());
}

/// A file that nobody may read, root included: what the kernel refuses to
/// everybody.
#[test]
fn what_cannot_be_read_is_an_error_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    // Reading it fails with EIO, as nothing is mapped at address 0.
    symlink("/proc/self/mem", folder.path().join("a")).unwrap();
    fs::write(folder.path().join("b"), intel()).unwrap();
    let seen = Seen::at(folder.path());
    assert_eq!(seen.names(), ["b"]);
    let (name, kind) = seen.problem();
    assert_eq!(name, "a");
    assert!(matches!(kind, ProblemKind::Unreadable(_)), "{kind}");
    assert!(seen.problems[0].is_error());
}

#[test]
fn files_without_a_declared_size_are_read_to_their_end() {
    let seen = Seen::at(Path::new("/proc/self/status"));
    let (name, bytes) = seen.only();
    assert_eq!(name, "status");
    assert!(bytes.starts_with(b"Name:"), "{bytes:?}");
}

#[test]
fn pipes_sockets_and_devices_are_never_opened() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let pipe = root.join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    symlink("/dev/zero", root.join("zero")).unwrap();
    let seen = Seen::at(root);
    assert_eq!(seen.blobs, []);
    let problems: Vec<_> = seen
        .problems
        .iter()
        .map(|problem| (problem.name.as_str(), problem.is_error()))
        .collect();
    assert_eq!(
        problems,
        [("pipe", false), ("socket", false), ("zero", false)]
    );
    assert!(seen.problems[0].kind.to_string().contains("a named pipe"));
    for name in ["pipe", "socket", "zero"] {
        let seen = Seen::at(&root.join(name));
        let (_, kind) = seen.problem();
        assert!(
            matches!(kind, ProblemKind::Special { named: true, .. }),
            "{kind}"
        );
        assert!(seen.problems[0].is_error());
    }
}

#[test]
fn links_are_followed_and_broken_ones_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("x.bin"), intel()).unwrap();
    for (target, name) in [
        (other.path().join("x.bin").as_path(), "file"),
        (other.path(), "folder"),
        (Path::new("nowhere"), "broken"),
        (Path::new("itself"), "itself"),
    ] {
        symlink(target, folder.path().join(name)).unwrap();
    }
    let seen = Seen::at(folder.path());
    assert_eq!(seen.names(), ["file", "folder/x.bin"]);
    let names: Vec<_> = seen.problems.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["broken", "itself"]);
    for problem in &seen.problems {
        assert!(
            matches!(problem.kind, ProblemKind::BrokenLink),
            "{}",
            problem.kind
        );
        assert!(problem.is_error());
    }
    let alone = Seen::at(&folder.path().join("broken"));
    assert!(matches!(alone.problem().1, ProblemKind::BrokenLink));
}

#[test]
fn each_folder_is_gone_through_once_whatever_links_say() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    // Twenty floors of two doors each: a million ways to the last.
    for floor in 0..20 {
        let below = root.join(format!("{floor:02}"));
        fs::create_dir(&below).unwrap();
        for door in ["a", "b"] {
            symlink(format!("../{:02}", floor + 1), below.join(door)).unwrap();
        }
    }
    fs::create_dir(root.join("20")).unwrap();
    fs::write(root.join("20/x.bin"), intel()).unwrap();
    symlink("..", root.join("20/up")).unwrap();
    let seen = Seen::at(root);
    assert_eq!(seen.blobs.len(), 1);
    assert_eq!(seen.problems.len(), 41);
    for problem in &seen.problems {
        let kind = &problem.kind;
        assert!(matches!(kind, ProblemKind::FolderAgain { .. }), "{kind}");
        assert!(!problem.is_error());
    }
}

#[test]
fn a_file_beyond_the_limit_is_told_by_its_size_without_reading_it() {
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("zeros");
    File::create(&named).unwrap().set_len(2 << 30).unwrap();
    let microcode = folder.path().join("x.bin");
    fs::write(&microcode, intel()).unwrap();
    let file = File::options().write(true).open(&microcode).unwrap();
    file.set_len(FILE_LIMIT as u64 + 1).unwrap();
    for path in [&named, &microcode] {
        let seen = Seen::at(path);
        assert!(matches!(seen.problem().1, ProblemKind::TooLarge { .. }));
        assert!(seen.problems[0].is_error());
    }
    // In a folder nobody asked for the zeros.
    assert_eq!(Seen::at(folder.path()).problem().0, "x.bin");
}

#[test]
fn names_that_control_a_terminal_are_escaped() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("\u{1b}[2J"), intel()).unwrap();
    assert_eq!(Seen::at(folder.path()).only().0, "\\u{1b}[2J");
}
