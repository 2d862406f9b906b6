//! What something is, from its first bytes and, where these may be damaged,
//! from its name.

use microcode::{Date, amd};

use super::decode::Method;

/// What first bytes can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Intel's or AMD's.
    Microcode,
    /// An uncompressed cpio archive, perhaps behind zeros.
    Cpio,
    Tar,
    Ar,
    Compressed(Method),
    Other,
}

pub(super) const AR_MAGIC: &[u8] = b"!<arch>\n";
/// Where tar has its magic in bytes, in both the POSIX and the GNU form.
const TAR_MAGIC_AT: usize = 257;
const TAR_MAGIC: &[u8] = b"ustar";
/// The plain form of cpio's "newc" format, and the one with checksums.
pub(super) const CPIO_MAGICS: [&[u8]; 2] = [b"070701", b"070702"];

// Fields of Intel's header, in bytes.
const INTEL_DATE: usize = 8;
const INTEL_LOADER_VERSION: usize = 20;

impl Kind {
    pub(super) fn of(front: &[u8]) -> Self {
        let is_tar = || {
            front
                .get(TAR_MAGIC_AT..)
                .is_some_and(|rest| rest.starts_with(TAR_MAGIC))
        };
        if dword(front, 0) == Some(amd::MAGIC) {
            Self::Microcode
        } else if let Some(method) = Method::of(front) {
            Self::Compressed(method)
        } else if front.starts_with(AR_MAGIC) {
            Self::Ar
        } else if is_cpio(front) {
            Self::Cpio
        } else if is_tar() {
            Self::Tar
        } else if is_intel(front) {
            Self::Microcode
        } else {
            Self::Other
        }
    }
}

fn dword(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

fn is_cpio(front: &[u8]) -> bool {
    let nr_zeros = front.iter().take_while(|&&byte| byte == 0).count();
    let rest = front.get(nr_zeros & !3..).unwrap_or_default();
    CPIO_MAGICS.iter().any(|magic| rest.starts_with(magic))
}

/// Whether at least two of three fields are as in a header of Intel's: the
/// header's version, the loader's version, a date of the calendar. One alone
/// is common in other files (many begin with a dword of 1), and two are left
/// when one is damaged.
fn is_intel(front: &[u8]) -> bool {
    let is_version = matches!(dword(front, 0), Some(1 | 2));
    let is_date = dword(front, INTEL_DATE).is_some_and(|bcd| {
        let date = Date::from_bcd(bcd);
        date.to_bcd() == bcd
            && (1990..2100).contains(&date.year)
            && (1..=12).contains(&date.month)
            && (1..=31).contains(&date.day)
    });
    let is_loader = dword(front, INTEL_LOADER_VERSION) == Some(1);
    [is_version, is_date, is_loader]
        .into_iter()
        .filter(|&holds| holds)
        .count()
        >= 2
}

/// What may stand behind a name that says microcode.
const ENDINGS: [&[u8]; 5] = [b".bin", b".initramfs", b".gz", b".xz", b".zst"];

/// Whether something in a folder (of which only the last part counts) has the
/// name that microcode has, so that it is handed on even if its first bytes
/// say something else.
pub(super) fn is_expected(folder: &[u8], name: &[u8]) -> bool {
    if folder == b"intel-ucode" {
        return true;
    }
    let mut stem = name;
    while let Some(rest) = ENDINGS.iter().find_map(|ending| stem.strip_suffix(*ending)) {
        stem = rest;
    }
    let has_ending = stem.len() < name.len();
    match stem {
        b"GenuineIntel" | b"AuthenticAMD" => has_ending,
        _ if stem.starts_with(b"microcode_amd") => has_ending,
        _ => is_intel_name(stem),
    }
}

/// Family, model and stepping: `06-55-04`.
fn is_intel_name(name: &[u8]) -> bool {
    name.len() == 8
        && name.iter().enumerate().all(|(place, byte)| match place {
            2 | 5 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// [`is_expected`] for a path within an archive.
pub(super) fn is_expected_path(path: &[u8]) -> bool {
    let mut parts = path.rsplit(|&byte| byte == b'/');
    let name = parts.next().unwrap_or_default();
    is_expected(parts.next().unwrap_or_default(), name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use microcode::synth;

    #[test]
    fn an_intel_header_with_one_damaged_field_is_still_taken_and_with_two_not() {
        let sound = synth::intel(0x0005_06e3, 0x36, 0xf0).build();
        assert_eq!(Kind::of(&sound), Kind::Microcode);
        let places = [0, INTEL_DATE, INTEL_LOADER_VERSION];
        for place in places {
            let mut bytes = sound.clone();
            bytes[place] = 0xff;
            assert_eq!(Kind::of(&bytes), Kind::Microcode, "{place}");
            for other in places.into_iter().filter(|&other| other != place) {
                let mut bytes = bytes.clone();
                bytes[other] = 0xff;
                assert_eq!(Kind::of(&bytes), Kind::Other, "{place} {other}");
            }
        }
        let mut scan_image = sound;
        scan_image[0] = 2;
        assert_eq!(Kind::of(&scan_image), Kind::Microcode);
    }

    #[test]
    fn other_files_that_begin_with_one_are_passed_by() {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        assert_eq!(Kind::of(&bytes), Kind::Other);
        assert_eq!(Kind::of(&bytes[..4]), Kind::Other);
        assert_eq!(Kind::of(&[]), Kind::Other);
    }

    #[test]
    fn zeros_in_front_of_cpio_count_in_dwords() {
        for nr_zeros in 0..9 {
            let bytes = [&[0; 9][..nr_zeros], b"070701"].concat();
            let kind = if nr_zeros % 4 == 0 {
                Kind::Cpio
            } else {
                Kind::Other
            };
            assert_eq!(Kind::of(&bytes), kind);
        }
    }

    #[test]
    fn names_of_microcode_are_known() {
        for (path, expected) in [
            ("06-55-04", true),
            ("x/0f-0a-0b.initramfs", true),
            ("06-55-04.xz", true),
            ("06-55-04.log", false),
            ("06-55-0g", false),
            ("06-55-044", false),
            ("intel-ucode/anything", true),
            ("intel-ucode/below/it", false),
            ("amd-ucode/microcode_amd_fam17h.bin", true),
            ("amd-ucode/microcode_amd.bin.xz", true),
            ("amd-ucode/microcode_amd.bin.asc", false),
            ("kernel/x86/microcode/GenuineIntel.bin", true),
            ("GenuineIntel", false),
            ("README", false),
        ] {
            assert_eq!(is_expected_path(path.as_bytes()), expected, "{path}");
        }
    }
}
