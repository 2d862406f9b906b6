//! Any bytes as an archive: every entry is a view of them, in order. Any files
//! packed: they are read back as they were.

#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use microcode::cpio::{entries, pack};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Read(&'a [u8]),
    Pack(Vec<(&'a str, &'a [u8])>),
}

fuzz_target!(|input: Input<'_>| match input {
    Input::Read(bytes) => read(bytes),
    Input::Pack(mut files) => {
        // The writer compares every folder with every other.
        files.truncate(4);
        for (path, _) in &mut files {
            *path = &path[..path.floor_char_boundary(64)];
        }
        survive(&files);
    }
});

fn read(bytes: &[u8]) {
    let mut end = 0;
    let mut entries = entries(bytes);
    for entry in entries.by_ref() {
        let Ok(entry) = entry else {
            continue;
        };
        assert!(entry.offset >= end + 110, "a header lies before the data");
        let place = bytes
            .get(entry.offset..)
            .expect("data begin within the bytes");
        assert!(place.starts_with(entry.data));
        // Data that are cut go to the end, or to what may be the next header.
        let after = &place[entry.data.len()..];
        assert!(entry.missing == 0 || after.is_empty() || after.starts_with(b"07070"));
        end = entry.offset + entry.data.len();
    }
    // Nothing follows the end.
    assert_eq!(entries.next(), None);
}

fn survive(files: &[(&str, &[u8])]) {
    let archive = pack(files);
    let mut read = entries(&archive);
    for (path, data) in files {
        let entry = read.next().and_then(Result::ok).expect("a file is missing");
        // A NUL ends a path.
        let path = path.split('\0').next().unwrap_or_default();
        assert_eq!((entry.path, entry.data), (path.as_bytes(), *data));
        assert_eq!((entry.missing, entry.offset % 16), (0, 0));
        assert_eq!(archive[entry.offset - 1], 0, "no NUL ends the path");
    }
    assert_eq!(read.next(), None);
}
