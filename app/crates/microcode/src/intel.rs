//! Intel's update format: a header of 48 bytes, data, and an optional table
//! of further signatures (SDM volume 3, "Microcode Update Facilities").
//!
//! A file is a plain row of updates. Each has a total size that is a multiple
//! of 1024, so every header lies on such a boundary of the file; this is what
//! the scan falls back on when a total size cannot be believed. It then looks
//! for the next boundary at which something can only be a header, and what lies
//! before it counts to the damaged update. Stopping at the first bad size, as
//! Linux and Xen do, would be sound too, but loses good updates to one flipped
//! bit; searching for any valid checksum would take quadratic time on hostile
//! bytes.
//!
//! Where implementations differ, the SDM decides here:
//! * data size 0 means 2000 bytes of data and 2048 in all, whatever the total
//!   size says (so Linux and EDK2; Xen, FreeBSD, coreboot and iPXE look for a
//!   total size of 0);
//! * the extended table's own sum is checked apart from that of header and
//!   data; the SDM's single sum over everything is the sum of the two.

use crate::finding::FindingKind;
use crate::initrd::Scan;
use crate::update::Check;
use crate::{Date, Target};
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The size of [`Header`] in bytes.
pub const HEADER_SIZE: usize = size_of::<Header>();
/// Every total size is a multiple of this, in bytes.
pub const TOTAL_SIZE_STEP: usize = 1024;
/// The data size in bytes that a data size of 0 stands for.
pub const LEGACY_DATA_SIZE: usize = 2000;

/// `header_version` of microcode.
const VERSION_MICROCODE: u32 = 1;
/// `header_version` of the images for the in-field scan (Linux
/// `drivers/platform/x86/intel/ifs/load.c`); the header is laid out alike.
const VERSION_IN_FIELD_SCAN: u32 = 2;
/// The one `loader_version` that is defined.
const LOADER_VERSION: u32 = 1;

/// The header of an update.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    /// 1 for microcode.
    pub header_version: U32,
    /// The update's revision, signed; negative ones are pre-production.
    pub revision: U32,
    /// `0xMMDDYYYY`, binary-coded decimal.
    pub date: U32,
    /// The main signature, EAX of CPUID leaf 1.
    pub signature: U32,
    /// Makes the dwords of header and data sum up to 0.
    pub checksum: U32,
    /// 1.
    pub loader_version: U32,
    /// The main processor flags: bit n stands for platform id n.
    pub processor_flags: U32,
    /// Size of the data in bytes; 0 means 2000.
    pub data_size: U32,
    /// Size of header, data and extended table in bytes.
    pub total_size: U32,
    /// Size of the metadata within the data in bytes.
    pub metadata_size: U32,
    /// Lowest revision from which a running machine may be updated; 0 where
    /// none is declared.
    pub minimum_revision: U32,
    /// Reserved.
    pub reserved: U32,
}

/// Data size and total size in bytes, once they obey the format's rules.
#[derive(Clone, Copy)]
struct Sizes {
    data: usize,
    total: usize,
}

impl Header {
    fn sizes(&self) -> Result<Sizes, FindingKind> {
        let (data_size, total_size) = (self.data_size.get(), self.total_size.get());
        if data_size == 0 {
            return Ok(Sizes {
                data: LEGACY_DATA_SIZE,
                total: HEADER_SIZE + LEGACY_DATA_SIZE,
            });
        }
        let (data, total) = (data_size as usize, total_size as usize);
        if !data.is_multiple_of(4) {
            Err(FindingKind::DataSize { data_size })
        } else if !total.is_multiple_of(TOTAL_SIZE_STEP)
            || total
                .checked_sub(HEADER_SIZE)
                .is_none_or(|room| room < data)
        {
            Err(FindingKind::TotalSize {
                total_size,
                data_size,
            })
        } else {
            Ok(Sizes { data, total })
        }
    }

    /// Whether this can only be the header of an update: two fixed dwords, a
    /// date of the calendar, flags of eight bits and sizes that agree. Data
    /// that are encrypted pass by chance once in more than 2^100 times.
    fn is_unmistakable(&self) -> bool {
        self.header_version.get() == VERSION_MICROCODE
            && self.loader_version.get() == LOADER_VERSION
            && self.signature.get() != 0
            && self.processor_flags.get() <= 0xff
            && Date::from_bcd(self.date.get()).is_sane()
            && self.sizes().is_ok()
    }
}

/// What the extended signature table begins with; `nr_entries` [`Entry`]s
/// follow.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct TableHeader {
    pub(crate) nr_entries: U32,
    /// Makes the dwords of the whole table sum up to 0.
    pub(crate) checksum: U32,
    pub(crate) reserved: [U32; 3],
}

/// One entry of the extended signature table.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Entry {
    /// EAX of CPUID leaf 1.
    pub signature: U32,
    /// Bit n stands for platform id n.
    pub processor_flags: U32,
    /// What the main header's checksum would be with this signature and these
    /// flags in their places.
    pub checksum: U32,
}

/// An update as a view of the scanned bytes.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    header: &'a Header,
    bytes: &'a [u8],
}

impl<'a> Update<'a> {
    /// Its header.
    #[must_use]
    pub const fn header(&self) -> &'a Header {
        self.header
    }

    /// All of it, from the header to the extended table.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether the declared sizes are allowed and all of it is there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.header
            .sizes()
            .is_ok_and(|sizes| sizes.total == self.bytes.len())
    }

    /// The size of the whole in bytes, as declared.
    #[must_use]
    pub fn size(&self) -> usize {
        self.header.sizes().map_or_else(
            |_| self.header.total_size.get() as usize,
            |sizes| sizes.total,
        )
    }

    /// The update's data, metadata included; empty where the sizes are unusable.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        let end = self.header.sizes().map_or(0, |s| HEADER_SIZE + s.data);
        self.bytes
            .get(HEADER_SIZE..end.min(self.bytes.len()))
            .unwrap_or_default()
    }

    /// The entries of the extended signature table, as many as are there.
    #[must_use]
    pub fn entries(&self) -> &'a [Entry] {
        self.table().map_or(&[], |(header, entries, _)| {
            let nr_entries = header.nr_entries.get() as usize;
            entries.get(..nr_entries).unwrap_or(entries)
        })
    }

    /// The main signature with its flags, then the extended table's.
    pub fn targets(&self) -> impl Iterator<Item = Target> + use<'a> {
        let target = |signature: U32, flags: U32| Target {
            signature: signature.get(),
            flags: Some(flags.get()),
        };
        let Header {
            signature,
            processor_flags,
            ..
        } = *self.header;
        let entries = self.entries().iter();
        core::iter::once(target(signature, processor_flags))
            .chain(entries.map(move |entry| target(entry.signature, entry.processor_flags)))
    }

    /// The lowest revision from which a running machine may be updated.
    #[must_use]
    pub fn minimum_revision(&self) -> Option<u32> {
        Some(self.header.minimum_revision.get()).filter(|&revision| revision != 0)
    }

    /// The room for the extended table as its header, the whole entries that
    /// fit, and the remainder; `None` where there is none.
    fn table(&self) -> Option<(&'a TableHeader, &'a [Entry], &'a [u8])> {
        let Sizes { data, total } = self.header.sizes().ok()?;
        let end = total.min(self.bytes.len());
        let table = self.bytes.get(HEADER_SIZE.checked_add(data)?..end)?;
        let (header, entries) = TableHeader::ref_from_prefix(table).ok()?;
        let (entries, remainder) = entries.split_at(entries.len() / ENTRY_SIZE * ENTRY_SIZE);
        Some((header, <[Entry]>::ref_from_bytes(entries).ok()?, remainder))
    }

    /// Every check that needs no CPU, in the order in which a reader can
    /// trust what the next one reads.
    fn check(&self) -> Check {
        let sizes = self.header.sizes()?;
        if let Some(missing) = sizes.total.checked_sub(self.bytes.len())
            && missing != 0
        {
            return Err(FindingKind::Cut { missing });
        }
        let version = self.header.loader_version.get();
        if version != LOADER_VERSION {
            return Err(FindingKind::LoaderVersion { version });
        }
        let (summed, table) = self.bytes.split_at(HEADER_SIZE + sizes.data);
        match sum_of_dwords(summed) {
            0 => self.check_table(table),
            sum => Err(FindingKind::Checksum { sum }),
        }
    }

    fn check_table(&self, bytes: &[u8]) -> Check {
        if bytes.is_empty() {
            return Ok(());
        }
        let wrong_size = |nr_entries| FindingKind::TableSize {
            size: bytes.len(),
            nr_entries,
        };
        let (header, entries, remainder) = self.table().ok_or_else(|| wrong_size(0))?;
        let nr_entries = header.nr_entries.get();
        if entries.len() != nr_entries as usize || !remainder.is_empty() {
            return Err(wrong_size(nr_entries));
        }
        match sum_of_dwords(bytes) {
            0 => {}
            sum => return Err(FindingKind::TableChecksum { sum }),
        }
        let Header {
            signature,
            processor_flags,
            checksum,
            ..
        } = *self.header;
        let expected = sum([signature, processor_flags, checksum]);
        let wrong = |e: &Entry| sum([e.signature, e.processor_flags, e.checksum]) != expected;
        match entries.iter().position(wrong) {
            None => Ok(()),
            Some(entry) => Err(FindingKind::EntryChecksum { entry }),
        }
    }
}

const ENTRY_SIZE: usize = size_of::<Entry>();

fn sum(dwords: impl IntoIterator<Item = U32>) -> u32 {
    dwords
        .into_iter()
        .fold(0, |sum, dword| sum.wrapping_add(dword.get()))
}

/// The sum modulo 2^32 of the little-endian dwords; up to three odd bytes at
/// the end are left out.
pub(crate) fn sum_of_dwords(bytes: &[u8]) -> u32 {
    let whole = &bytes[..bytes.len() & !3];
    sum(<[U32]>::ref_from_bytes(whole)
        .unwrap_or_default()
        .iter()
        .copied())
}

/// Whether a raw file begins like Intel's.
pub(crate) fn is_magic(dword: u32) -> bool {
    matches!(dword, VERSION_MICROCODE | VERSION_IN_FIELD_SCAN)
}

/// Finds all updates in `bytes`, which lie at `base` of what is scanned.
pub(crate) fn scan<'a>(bytes: &'a [u8], base: usize, scan: &mut Scan<'a>) {
    let mut offset = 0;
    while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
        let at = base + offset;
        let Ok((header, _)) = Header::ref_from_prefix(rest) else {
            if rest.iter().any(|&byte| byte != 0) {
                let nr_bytes = rest.len();
                scan.find(at, FindingKind::Trailing { nr_bytes });
            }
            return;
        };
        let size = header.sizes().map_or(usize::MAX, |sizes| sizes.total);
        let extent = if size <= rest.len() && is_magic(header.header_version.get()) {
            size
        } else {
            extent_to_next_header(rest)
        };
        match header.header_version.get() {
            VERSION_MICROCODE => {
                let bytes = &rest[..extent];
                let update = Update { header, bytes };
                let check = update.check();
                scan.add(at, crate::Update::Intel(update), check);
            }
            VERSION_IN_FIELD_SCAN => scan.find(at, FindingKind::InFieldScan),
            _ if rest.iter().all(|&byte| byte == 0) => return,
            version => scan.find(at, FindingKind::HeaderVersion { version }),
        }
        offset += extent;
    }
}

/// How far it is to the next boundary with an unmistakable header, or to the
/// end. `rest` begins on a boundary.
fn extent_to_next_header(rest: &[u8]) -> usize {
    (TOTAL_SIZE_STEP..rest.len())
        .step_by(TOTAL_SIZE_STEP)
        .find(|&offset| {
            Header::ref_from_prefix(&rest[offset..])
                .is_ok_and(|(header, _)| header.is_unmistakable())
        })
        .unwrap_or(rest.len())
}

#[cfg(test)]
mod tests;
