//! Intel's update format: a header of 48 bytes, data, and an optional table
//! of further signatures (SDM volume 3, "Microcode Update Facilities").
//!
//! A file is a plain row of updates (`scan`). The data are encrypted but for
//! an area of metadata at their end (`metadata`).
//!
//! Two points are left to the [profile](crate::profile): what tells the oldest
//! form, which has no sizes, and whether sizes must be in steps. The extended
//! table's own sum is checked apart from that of header and data; the SDM's
//! single sum over everything is the sum of the two.

mod metadata;
pub(crate) mod scan;

pub(crate) use metadata::{BlockHeader, TYPE_END};
pub use metadata::{Metadata, MetadataBlock};

use crate::bytes::sum_of_dwords;
use crate::finding::Check;
use crate::finding::FindingKind;
use crate::profile::{LegacyKey, Profile};
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
#[derive(Clone, Copy, Debug)]
struct Sizes {
    data: usize,
    total: usize,
}

impl Header {
    fn sizes(&self, profile: &Profile) -> Result<Sizes, FindingKind> {
        const LEGACY_TOTAL_SIZE: usize = HEADER_SIZE + LEGACY_DATA_SIZE;
        let (data_size, total_size) = (self.data_size.get(), self.total_size.get());
        let (data, total) = match (data_size, total_size, profile.legacy_key) {
            (0, _, LegacyKey::DataSize) | (0, 0, LegacyKey::TotalSize) => {
                (LEGACY_DATA_SIZE, LEGACY_TOTAL_SIZE)
            }
            (0, total, LegacyKey::TotalSize) => (LEGACY_DATA_SIZE, total as usize),
            (data, 0, LegacyKey::TotalSize) => (data as usize, LEGACY_TOTAL_SIZE),
            (data, total, _) => (data as usize, total as usize),
        };
        if profile.checks_size_steps && !data.is_multiple_of(4) {
            Err(FindingKind::DataSize { data_size })
        } else if profile.checks_size_steps && !total.is_multiple_of(TOTAL_SIZE_STEP)
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
            && self.sizes(&crate::profile::SDM).is_ok()
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
    /// `None` where they break the format's rules.
    sizes: Option<Sizes>,
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
        self.sizes
            .is_some_and(|sizes| sizes.total == self.bytes.len())
    }

    /// The size of the whole in bytes, as declared.
    #[must_use]
    pub fn size(&self) -> usize {
        self.sizes
            .map_or(self.header.total_size.get() as usize, |sizes| sizes.total)
    }

    /// The update's data, metadata included; empty where the sizes are unusable.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        let end = self.sizes.map_or(0, |sizes| HEADER_SIZE + sizes.data);
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

    /// The revision that a CPU shows once it took the update.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.header.revision.get()
    }

    /// The lowest revision from which a running machine may be updated.
    #[must_use]
    pub fn minimum_revision(&self) -> Option<u32> {
        Some(self.header.minimum_revision.get()).filter(|&revision| revision != 0)
    }

    /// The room for the extended table as its header, the whole entries that
    /// fit, and the remainder; `None` where there is none.
    fn table(&self) -> Option<(&'a TableHeader, &'a [Entry], &'a [u8])> {
        let Sizes { data, total } = self.sizes?;
        let end = total.min(self.bytes.len());
        let table = self.bytes.get(HEADER_SIZE.checked_add(data)?..end)?;
        let (header, entries) = TableHeader::ref_from_prefix(table).ok()?;
        let (entries, remainder) = entries.split_at(entries.len() / ENTRY_SIZE * ENTRY_SIZE);
        Some((header, <[Entry]>::ref_from_bytes(entries).ok()?, remainder))
    }

    /// The sum of the dwords of header and data, 0 in a sound update; `None`
    /// where not all of them are there.
    #[must_use]
    pub fn sum(&self) -> Option<u32> {
        let end = HEADER_SIZE + self.sizes?.data;
        self.bytes.get(..end).map(sum_of_dwords)
    }

    /// The metadata at the end of the data.
    #[must_use]
    pub fn metadata(&self) -> Metadata<'a> {
        Metadata::of(self.data(), self.header.metadata_size.get())
    }

    /// Every check that needs no CPU, in the order in which a reader can
    /// trust what the next one reads.
    fn check(&self, profile: &Profile) -> Check {
        let sizes = self.header.sizes(profile)?;
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

    /// What is unusual about a sound update.
    fn remarks(&self) -> impl Iterator<Item = FindingKind> + use<> {
        let (revision, flags) = (self.revision(), self.header.processor_flags.get());
        let date = self.header.date.get();
        let metadata_size = self.header.metadata_size.get();
        [
            crate::Vendor::Intel
                .is_pre_production(revision)
                .then_some(FindingKind::PreProduction { revision }),
            (flags > 0xff).then_some(FindingKind::ProcessorFlags { flags }),
            (!Date::from_bcd(date).is_sane()).then_some(FindingKind::Date { date }),
            (!self.metadata().is_sound()).then_some(FindingKind::Metadata { metadata_size }),
        ]
        .into_iter()
        .flatten()
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

#[cfg(test)]
mod tests;
