//! The cpio archive in its "newc" form, as far as an early initrd needs it
//! (Linux `Documentation/driver-api/early-userspace/buffer-format.rst`).
//!
//! An initrd is a row of archives with zero bytes before and between them.
//! Reading follows Linux' `lib/earlycpio.c`: trailers end nothing, and the
//! first bytes that are neither zero nor a header end it without complaint,
//! because there the compressed archives begin. Only names and data are read.
//! Linux gives up at a header with a field that is no number or that reaches
//! beyond the end; here the next header is looked for, so that a damaged entry
//! costs itself alone.
//!
//! Writing aligns each file's data to 16 bytes, so that a kernel can use
//! Intel's updates in place. It does so by ending the name with more than one
//! NUL, which Linux' description of the format allows. iucode-tool puts a
//! folder with a name of the right length in front instead, but that shows up
//! when the archive is unpacked. At most 15 NULs are added: from 18 on, Linux'
//! early reader complains about the name.

use crate::bytes::leading_zeros;
use crate::{Finding, FindingKind};
use alloc::vec::Vec;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Magic, then 13 fields of 8 hexadecimal digits.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    magic: [u8; 6],
    fields: [[u8; 8]; 13],
}

const HEADER_SIZE: usize = size_of::<Header>();
/// The plain form, and the form with a checksum of the data that nobody reads.
const MAGICS: [&[u8; 6]; 2] = [b"070701", b"070702"];
/// The file type within the mode, and its value for a regular file.
const MODE_TYPE: u32 = 0o170_000;
const MODE_REGULAR: u32 = 0o100_000;
const TRAILER: &[u8] = b"TRAILER!!!";
/// The size in bytes to which archives are padded, cpio's customary block.
const BLOCK: usize = 512;

// The places of the fields that matter.
const INODE: usize = 0;
const MODE: usize = 1;
const NR_LINKS: usize = 4;
const FILE_SIZE: usize = 6;
const NAME_SIZE: usize = 11;

impl Header {
    fn is_one(&self) -> bool {
        MAGICS.contains(&&self.magic)
    }

    /// Whether the magic and all fields are as a writer writes them.
    fn is_unmistakable(&self) -> bool {
        self.is_one() && self.fields.as_flattened().iter().all(u8::is_ascii_hexdigit)
    }

    fn field(&self, index: usize) -> Option<u32> {
        let (mut value, mut all) = (0, 0);
        for &digit in &self.fields[index] {
            let digit = DIGITS[usize::from(digit)];
            all |= digit;
            value = value << 4 | u32::from(digit);
        }
        (all <= 0xf).then_some(value)
    }
}

/// What each character is worth as a hexadecimal digit; more than 15 for what
/// is none. An initrd is read before anything else, so every header counts.
static DIGITS: [u8; 256] = {
    let mut digits = [u8::MAX; 256];
    let mut value: u8 = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        digits[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// A regular file of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its path, without the NUL.
    pub path: &'a [u8],
    /// Where its data begin, in bytes from the start of the archive.
    pub offset: usize,
    /// Its data, as far as they are there.
    pub data: &'a [u8],
    /// How many bytes of data are missing at the end of the archive.
    pub missing: usize,
}

/// Where the first archive begins; `None` if there is none.
pub(crate) fn start(bytes: &[u8]) -> Option<usize> {
    let start = skip_zeros(bytes, 0);
    header_at(bytes, start).map(|_| start)
}

/// The regular files of all archives at the front of `bytes`.
#[must_use]
pub fn entries(bytes: &[u8]) -> Entries<'_> {
    Entries { bytes, offset: 0 }
}

/// See [`entries`]. After an error it goes on with the next header that can
/// be found.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Finding>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let at = skip_zeros(self.bytes, self.offset);
            let header = header_at(self.bytes, at)?;
            let Some((mode, mut entry, end)) = self.read(header, at) else {
                self.offset = next_header(self.bytes, at + 4);
                return Some(Err(Finding {
                    file: None,
                    offset: at,
                    kind: FindingKind::ArchiveHeader,
                }));
            };
            self.offset = end;
            if mode & MODE_TYPE == MODE_REGULAR {
                let path = entry.path.split(|&byte| byte == 0).next();
                entry.path = path.unwrap_or_default();
                return Some(Ok(entry));
            }
        }
    }
}

impl<'a> Entries<'a> {
    /// The mode and the entry behind `header`, its path with all NULs, and where the
    /// next header may be.
    fn read(&self, header: &Header, at: usize) -> Option<(u32, Entry<'a>, usize)> {
        let name_size = header.field(NAME_SIZE)? as usize;
        let declared = header.field(FILE_SIZE)? as usize;
        let name_at = at + HEADER_SIZE;
        let name_end = name_at.checked_add(name_size)?;
        let name = self.bytes.get(name_at..name_end)?;
        // The archive may end within the padding.
        let offset = name_end.checked_next_multiple_of(4)?.min(self.bytes.len());
        let rest = self.bytes.get(offset..).unwrap_or_default();
        // Data that are cut end at the next header, if there is one.
        let data = rest
            .get(..declared)
            .unwrap_or_else(|| &rest[..next_header(rest, 0)]);
        let end = offset + data.len();
        let entry = Entry {
            path: name,
            offset,
            data,
            missing: declared - data.len(),
        };
        Some((header.field(MODE)?, entry, end.next_multiple_of(4)))
    }
}

fn header_at(bytes: &[u8], offset: usize) -> Option<&Header> {
    let (header, _) = Header::ref_from_prefix(bytes.get(offset..)?).ok()?;
    header.is_one().then_some(header)
}

/// The first dword boundary from `offset` on whose dword is not zero, or the
/// end.
fn skip_zeros(bytes: &[u8], offset: usize) -> usize {
    let rest = bytes.get(offset..).unwrap_or_default();
    match leading_zeros(rest) {
        nr_zeros if nr_zeros == rest.len() => bytes.len(),
        nr_zeros => offset + (nr_zeros & !3),
    }
}

/// The first dword boundary from `offset` on with what can only be a header,
/// or the end.
fn next_header(bytes: &[u8], offset: usize) -> usize {
    (offset..bytes.len())
        .step_by(4)
        .find(|&at| header_at(bytes, at).is_some_and(Header::is_unmistakable))
        .unwrap_or(bytes.len())
}

/// An archive of `files`, each a path and its data, with the folders that the
/// paths name. The same files give the same bytes: times, owners and devices
/// are 0.
///
/// The format counts in 32 bits; of a larger file only the first 4 GiB less a
/// byte are packed.
#[must_use]
pub fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::default();
    let mut folders: Vec<&str> = Vec::new();
    for &(path, data) in files {
        for (slash, _) in path.match_indices('/') {
            let folder = &path[..slash];
            if !folder.is_empty() && !folders.contains(&folder) {
                folders.push(folder);
                writer.folder(folder.as_bytes());
            }
        }
        writer.file(path.as_bytes(), data);
    }
    writer.finish()
}

#[derive(Default)]
struct Writer {
    archive: Vec<u8>,
    nr_entries: u32,
}

impl Writer {
    fn folder(&mut self, path: &[u8]) {
        self.entry(path, 0o040_755, 2, &[], 1);
    }

    fn file(&mut self, path: &[u8], data: &[u8]) {
        self.entry(path, MODE_REGULAR | 0o644, 1, data, 16);
    }

    fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, 1, &[], 1);
        self.pad(BLOCK);
        self.archive
    }

    fn entry(&mut self, name: &[u8], mode: u32, nr_links: u32, data: &[u8], align: usize) {
        let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let name_at = self.archive.len() + HEADER_SIZE;
        let name_end = (name_at + name.len() + 1).next_multiple_of(align);
        let name_size = u32::try_from(name_end - name_at).unwrap_or(u32::MAX);

        let mut fields = [0; 13];
        fields[INODE] = self.nr_entries;
        fields[MODE] = mode;
        fields[NR_LINKS] = nr_links;
        fields[FILE_SIZE] = size;
        fields[NAME_SIZE] = name_size;
        let header = Header {
            magic: *MAGICS[0],
            fields: fields.map(hexadecimal),
        };

        self.archive.extend_from_slice(header.as_bytes());
        self.archive.extend_from_slice(name);
        self.archive.resize(name_end, 0);
        self.pad(4);
        self.archive.extend_from_slice(&data[..size as usize]);
        self.pad(4);
        self.nr_entries = self.nr_entries.wrapping_add(1);
    }

    fn pad(&mut self, align: usize) {
        let size = self.archive.len().next_multiple_of(align);
        self.archive.resize(size, 0);
    }
}

/// The eight digits of a field.
fn hexadecimal(value: u32) -> [u8; 8] {
    core::array::from_fn(|place| b"0123456789ABCDEF"[(value >> (28 - 4 * place) & 0xf) as usize])
}

#[cfg(test)]
mod tests;
