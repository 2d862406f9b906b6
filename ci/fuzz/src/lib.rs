//! What the fuzz targets share: scans that are held against their promises,
//! accesses of registers, sums made right again, and the seeds.
//!
//! A target panics where something does not hold; that is how libFuzzer
//! learns of it.

#![forbid(unsafe_code)]

pub mod accesses;
#[path = "../../vmm/tests/guest/mod.rs"]
mod guest;
mod repair;
pub mod seeds;

use microcode::profile::SDM;
use microcode::{Candidate, Format, Profile, Scan, Vendor, cpio, initrd, promises, scan_as};

pub use repair::repair;

/// A scan by the manuals' rules that kept its promises.
///
/// # Panics
/// If it did not.
#[must_use]
pub fn scanned(bytes: &[u8]) -> Scan<'_> {
    scanned_as(bytes, &SDM)
}

/// A scan by a profile's rules that kept its promises.
///
/// # Panics
/// If it did not.
#[must_use]
pub fn scanned_as<'a>(bytes: &'a [u8], profile: &'static Profile) -> Scan<'a> {
    let scan = scan_as(bytes, profile);
    if let Err(broken) = promises::check(bytes, &scan) {
        panic!("{broken}\n{scan:#?}");
    }
    scan
}

/// Scans `file` as that of `vendor` in an initrd, where the path says what it
/// is, and by itself where its first bytes do. Both must come to the same.
/// `look` sees every candidate.
///
/// # Panics
/// If a promise is broken or the two scans differ.
pub fn scan_file(vendor: Vendor, file: &[u8], look: impl Fn(&Candidate<'_>)) {
    let (format, archive) = match vendor {
        Vendor::Intel => (Format::Intel, initrd::pack(file, &[])),
        Vendor::Amd => (Format::Amd, initrd::pack(&[], file)),
    };
    let packed = scanned(&archive);
    for candidate in &packed.candidates {
        assert_eq!(candidate.update.vendor(), vendor);
        look(candidate);
    }
    let raw = scanned(file);
    if raw.format != format {
        return;
    }
    let start = cpio::entries(&archive)
        .find_map(Result::ok)
        .map_or(0, |entry| entry.offset);
    let places = |scan: &Scan<'_>, start| -> (Vec<_>, Vec<_>) {
        let candidates = scan.candidates.iter();
        let findings = scan.findings.iter();
        (
            candidates.map(|c| (c.offset - start, c.damage())).collect(),
            findings.map(|f| (f.offset - start, f.kind)).collect(),
        )
    };
    assert_eq!(places(&raw, 0), places(&packed, start));
}
