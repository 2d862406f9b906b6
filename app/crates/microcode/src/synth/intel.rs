//! Builds one update in Intel's format.

use super::{DATE, NO_DATE, append_payload, padding, seed};
use crate::Date;
use crate::bytes::sum_of_dwords;
use crate::intel::{
    BlockHeader, Entry, HEADER_SIZE, Header, LEGACY_DATA_SIZE, TOTAL_SIZE_STEP, TYPE_END,
    TableHeader,
};
use alloc::vec::Vec;
use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

/// The largest data size in bytes that the builder makes.
pub const MAX_DATA_SIZE: usize = 16 << 20;

/// One thing wrong with an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Defect {
    /// One bit of the data is flipped.
    Checksum,
    /// The last 512 bytes are missing.
    Cut,
    /// The header is of a version that does not exist.
    HeaderVersion,
    /// Another loader version is asked for.
    LoaderVersion,
    /// The data size is no multiple of 4.
    DataSize,
    /// The total size is 0 although the data size is not.
    TotalSize,
    /// The extended table declares an entry more than it has. This and the
    /// next two give the update a table if it has none.
    TableSize,
    /// The extended table's checksum is off by one.
    TableChecksum,
    /// The checksum of the extended table's first entry is off by one.
    EntryChecksum,
    /// The processor flags name a ninth platform.
    ProcessorFlags,
    /// The metadata are declared to be larger than the data.
    Metadata,
    /// The date is in the thirteenth month.
    Date,
    /// Zeros follow.
    Padding,
    /// A few bytes follow that are no header.
    Trailing,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Checksum,
        Self::Cut,
        Self::HeaderVersion,
        Self::LoaderVersion,
        Self::DataSize,
        Self::TotalSize,
        Self::TableSize,
        Self::TableChecksum,
        Self::EntryChecksum,
        Self::ProcessorFlags,
        Self::Metadata,
        Self::Date,
        Self::Padding,
        Self::Trailing,
    ];

    /// The name of the defect and of the finding that it causes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Checksum => "checksum",
            Self::Cut => "cut",
            Self::HeaderVersion => "header-version",
            Self::LoaderVersion => "loader-version",
            Self::DataSize => "data-size",
            Self::TotalSize => "total-size",
            Self::TableSize => "table-size",
            Self::TableChecksum => "table-checksum",
            Self::EntryChecksum => "entry-checksum",
            Self::ProcessorFlags => "processor-flags",
            Self::Metadata => "metadata",
            Self::Date => "date",
            Self::Padding => "padding",
            Self::Trailing => "trailing",
        }
    }

    const fn needs_table(self) -> bool {
        matches!(
            self,
            Self::TableSize | Self::TableChecksum | Self::EntryChecksum
        )
    }

    /// Whether the oldest form has nothing that could have the defect.
    const fn needs_sizes(self) -> bool {
        self.needs_table() || matches!(self, Self::DataSize | Self::TotalSize)
    }
}

/// An update to be built; see [`intel`].
#[derive(Clone, Debug)]
#[must_use = "`build` makes the bytes"]
pub struct IntelUpdate {
    signature: u32,
    flags: u32,
    revision: u32,
    date: Date,
    data_size: usize,
    minimum_revision: u32,
    is_legacy: bool,
    is_in_field_scan: bool,
    extended: Vec<(u32, u32)>,
    metadata: Vec<(u32, Vec<u8>)>,
    defect: Option<Defect>,
}

/// An update of 2048 bytes for the CPUs with this signature whose platform
/// ids are among `flags`.
pub const fn intel(signature: u32, flags: u32, revision: u32) -> IntelUpdate {
    IntelUpdate {
        signature,
        flags,
        revision,
        date: DATE,
        data_size: LEGACY_DATA_SIZE,
        minimum_revision: 0,
        is_legacy: false,
        is_in_field_scan: false,
        extended: Vec::new(),
        metadata: Vec::new(),
        defect: None,
    }
}

impl IntelUpdate {
    /// The release date.
    pub fn date(mut self, date: Date) -> Self {
        self.date = date;
        self
    }

    /// The least size of the data in bytes; it grows until the total size is a
    /// multiple of 1024. At most [`MAX_DATA_SIZE`].
    pub fn data_size(mut self, size: usize) -> Self {
        self.data_size = size.clamp(1, MAX_DATA_SIZE);
        self
    }

    /// The lowest revision that a running machine may be updated from.
    pub fn minimum_revision(mut self, revision: u32) -> Self {
        self.minimum_revision = revision;
        self
    }

    /// The oldest form: 2000 bytes of data, sizes of 0, no extended table. A
    /// defect of the sizes or the table overrides it.
    pub fn legacy(mut self) -> Self {
        self.is_legacy = true;
        self
    }

    /// The extended table's signatures and processor flags. Vendors repeat the
    /// main signature there; the builder leaves that to the caller.
    pub fn extended(mut self, targets: &[(u32, u32)]) -> Self {
        self.extended = targets.to_vec();
        self
    }

    /// One more block of metadata, of a type other than 0 and whole dwords. The
    /// oldest form has none.
    pub fn metadata(mut self, block_type: u32, data: &[u8]) -> Self {
        let data = data[..data.len() & !3].to_vec();
        self.metadata.push((block_type, data));
        self
    }

    /// An image for the in-field scan instead of an update.
    pub fn in_field_scan(mut self) -> Self {
        self.is_in_field_scan = true;
        self
    }

    /// Does one thing wrong.
    pub fn defect(mut self, defect: Defect) -> Self {
        self.defect = Some(defect);
        self
    }

    /// The update's bytes.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let targets = self.table_targets();
        let table_size = match targets.len() {
            0 => 0,
            n => size_of::<TableHeader>() + n * size_of::<Entry>(),
        };
        let metadata = self.metadata_area();
        let (data_size, total_size) = if self.has_legacy_form() {
            (LEGACY_DATA_SIZE, HEADER_SIZE + LEGACY_DATA_SIZE)
        } else {
            let total = HEADER_SIZE + self.data_size.max(metadata.len()) + table_size;
            let total = total.next_multiple_of(TOTAL_SIZE_STEP);
            (total - HEADER_SIZE - table_size, total)
        };

        let mut header = self.header(data_size, total_size);
        let mut bytes = Vec::with_capacity(total_size);
        bytes.extend_from_slice(header.as_bytes());
        let payload_size = data_size - metadata.len();
        append_payload(
            &mut bytes,
            payload_size,
            seed(self.signature, self.revision),
        );
        bytes.extend_from_slice(&metadata);
        header.checksum = U32::new(sum_of_dwords(&bytes).wrapping_neg());
        bytes[..HEADER_SIZE].copy_from_slice(header.as_bytes());
        if !targets.is_empty() {
            self.append_table(&mut bytes, &header, &targets);
        }

        match self.defect {
            Some(Defect::Checksum) => bytes[HEADER_SIZE] ^= 1,
            Some(Defect::Cut) => bytes.truncate(total_size - 512),
            Some(Defect::Padding) => bytes.extend(padding()),
            Some(Defect::Trailing) => bytes.extend(b"odd bytes"),
            _ => {}
        }
        bytes
    }

    fn has_legacy_form(&self) -> bool {
        self.is_legacy && !self.defect.is_some_and(Defect::needs_sizes)
    }

    /// The blocks of metadata and the one that ends them.
    fn metadata_area(&self) -> Vec<u8> {
        let mut area = Vec::new();
        if self.has_legacy_form() || self.metadata.is_empty() {
            return area;
        }
        let end = (TYPE_END, Vec::new());
        for (block_type, data) in self.metadata.iter().chain([&end]) {
            let header = BlockHeader {
                block_type: U32::new(*block_type),
                size: dword(size_of::<BlockHeader>() + data.len()),
            };
            area.extend_from_slice(header.as_bytes());
            area.extend_from_slice(data);
        }
        area
    }

    fn table_targets(&self) -> Vec<(u32, u32)> {
        if self.has_legacy_form() {
            Vec::new()
        } else if self.extended.is_empty() && self.defect.is_some_and(Defect::needs_table) {
            alloc::vec![(self.signature, self.flags)]
        } else {
            self.extended.clone()
        }
    }

    fn header(&self, data_size: usize, total_size: usize) -> Header {
        let sizes = match (self.has_legacy_form(), self.defect) {
            (true, _) => [0, 0],
            (_, Some(Defect::DataSize)) => [data_size - 2, total_size],
            (_, Some(Defect::TotalSize)) => [data_size, 0],
            _ => [data_size, total_size],
        };
        let [data_size, total_size] = sizes.map(dword);
        let has = |defect| self.defect == Some(defect);
        let version_unless = |defect| if has(defect) { 0x7f } else { 1 };
        let metadata_size = match self.metadata_area().len() {
            _ if has(Defect::Metadata) => U32::new(u32::MAX),
            size => dword(size),
        };
        let is_in_field_scan = u32::from(self.is_in_field_scan);
        let ninth_platform = u32::from(has(Defect::ProcessorFlags)) << 8;
        Header {
            header_version: U32::new(version_unless(Defect::HeaderVersion) + is_in_field_scan),
            revision: U32::new(self.revision),
            date: U32::new(if has(Defect::Date) {
                NO_DATE
            } else {
                self.date.to_bcd()
            }),
            signature: U32::new(self.signature),
            checksum: U32::new(0),
            loader_version: U32::new(version_unless(Defect::LoaderVersion)),
            processor_flags: U32::new(self.flags | ninth_platform),
            data_size,
            total_size,
            metadata_size,
            minimum_revision: U32::new(self.minimum_revision),
            reserved: U32::new(0),
        }
    }

    fn append_table(&self, bytes: &mut Vec<u8>, main: &Header, targets: &[(u32, u32)]) {
        let off_by_one = |defect| u32::from(self.defect == Some(defect));
        let main_sum = sum_of_dwords(main.signature.as_bytes())
            .wrapping_add(main.processor_flags.get())
            .wrapping_add(main.checksum.get());
        let entry = |(place, &(signature, flags)): (usize, &(u32, u32))| {
            let checksum = main_sum.wrapping_sub(signature).wrapping_sub(flags);
            let error = off_by_one(Defect::EntryChecksum) * u32::from(place == 0);
            Entry {
                signature: U32::new(signature),
                processor_flags: U32::new(flags),
                checksum: U32::new(checksum.wrapping_add(error)),
            }
        };
        let entries: Vec<Entry> = targets.iter().enumerate().map(entry).collect();
        let mut header = TableHeader {
            nr_entries: dword(entries.len() + off_by_one(Defect::TableSize) as usize),
            checksum: U32::new(0),
            reserved: Default::default(),
        };
        let sum = sum_of_dwords(header.as_bytes()).wrapping_add(sum_of_dwords(entries.as_bytes()));
        let checksum = sum
            .wrapping_neg()
            .wrapping_add(off_by_one(Defect::TableChecksum));
        header.checksum = U32::new(checksum);
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(entries.as_bytes());
    }
}

/// A size as a field holds it; none here comes near the limit unless a caller
/// names hundreds of millions of extended signatures.
fn dword(size: usize) -> U32 {
    U32::new(u32::try_from(size).unwrap_or(u32::MAX))
}
