//! What a scan has to say about the bytes, beside the candidates.
//!
//! A finding is the one place where a defect has its name, its weight and its
//! sentence. The parsers return a [`FindingKind`]; whether a candidate is
//! [damaged](crate::Damage) follows from it, so the two cannot disagree.

mod words;

use crate::Damage;
use crate::profile::{Chipset, Profile};

/// One observation at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which microcode file of the scanned bytes, as
    /// [`Candidate::file`](crate::Candidate::file); `None` for the archive
    /// around them.
    pub file: Option<u32>,
    /// Where, in bytes from the start of what was scanned.
    pub offset: usize,
    /// What.
    pub kind: FindingKind,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Unusual, and nothing is lost by it.
    Warning,
    /// Something cannot be used.
    Error,
}

impl Severity {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The closed list of what can be found. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// The bytes are of no known format.
    UnknownFormat,
    /// A cpio header with a field that is no number, or that ends beyond the
    /// bytes: the rest of the archive cannot be read.
    ArchiveHeader,
    /// The archive ends before the data of one of its files.
    ArchiveCut {
        /// How much of the file is not there.
        missing: usize,
    },
    /// Bytes after the last Intel update that are too few for a header.
    Trailing {
        /// How many.
        nr_bytes: usize,
    },
    /// An update or a patch of which the end is not there.
    Cut {
        /// How much of it is not there.
        missing: usize,
    },

    /// An Intel header of a version that is not known.
    HeaderVersion {
        /// The version found; 1 is microcode.
        version: u32,
    },
    /// Intel data for the in-field scan, which is no microcode.
    InFieldScan,
    /// An Intel update that asks for another loader.
    LoaderVersion {
        /// The version found; 1 is the only one defined.
        version: u32,
    },
    /// An Intel data size that is no multiple of 4.
    DataSize {
        /// The size found.
        data_size: u32,
    },
    /// An Intel total size that is no multiple of 1024 or too small for
    /// header and data.
    TotalSize {
        /// The size found.
        total_size: u32,
        /// The data size beside it.
        data_size: u32,
    },
    /// The dwords of header and data do not sum up to 0.
    Checksum {
        /// The sum found.
        sum: u32,
    },
    /// An extended signature table whose size is not that of its entries.
    TableSize {
        /// The size of the room for the table.
        size: usize,
        /// How many entries the table declares.
        nr_entries: u32,
    },
    /// The dwords of the extended signature table do not sum up to 0.
    TableChecksum {
        /// The sum found.
        sum: u32,
    },
    /// An entry of the extended signature table with a wrong checksum.
    EntryChecksum {
        /// Which entry, from 0.
        entry: usize,
    },
    /// An Intel update with a negative revision.
    PreProduction {
        /// The revision found.
        revision: u32,
    },
    /// Intel processor flags beyond the eight platforms that there are.
    ProcessorFlags {
        /// The flags found.
        flags: u32,
    },
    /// A metadata area that is no row of blocks within the data.
    Metadata {
        /// The size that the header declares.
        metadata_size: u32,
    },

    /// What should be an AMD container has not the magic of one.
    ContainerMagic,
    /// An AMD container without an equivalence table at its start.
    NoEquivalenceTable {
        /// The type of the section in its place.
        section_type: u32,
    },
    /// An equivalence table that is no whole number of entries.
    EquivalenceRemainder {
        /// How much is left after the last whole entry.
        nr_bytes: usize,
    },
    /// An equivalence table of more entries than are read.
    EquivalenceSize {
        /// How many it has.
        nr_entries: usize,
    },
    /// An equivalence table that maps one CPU to two ids.
    EquivalenceConflict {
        /// The CPU's signature.
        signature: u32,
    },
    /// An AMD section of an unknown type.
    SectionType {
        /// The type found; 1 is a patch.
        section_type: u32,
    },
    /// An AMD section that cannot even hold a patch header.
    SectionSize {
        /// The size found.
        size: u32,
    },
    /// An AMD patch whose data do not sum up to its checksum.
    PatchChecksum {
        /// The sum of the data's dwords.
        sum: u32,
        /// What the header says.
        expected: u32,
    },
    /// An AMD patch whose id is for another CPU than its equivalence id.
    ContradictingIds {
        /// The patch id.
        patch_id: u32,
        /// A CPU that the table maps to its equivalence id.
        mapped: u32,
    },
    /// An AMD patch with an equivalence id that its table does not have.
    NotMapped {
        /// The id.
        equivalence_id: u16,
    },
    /// An AMD patch that is bound to a chipset.
    ChipsetBound {
        /// PCI id of the north bridge, or 0.
        north_bridge_id: u32,
        /// PCI id of the south bridge, or 0.
        south_bridge_id: u32,
    },
    /// A minimum revision that is no level of the CPU that the AMD patch is
    /// for, or none below the patch's own.
    MinimumRevision {
        /// What the header says.
        minimum: u32,
    },

    /// A date that no calendar has.
    Date {
        /// What the header says, `0xMMDDYYYY`.
        date: u32,
    },
    /// Zeros after the last update or patch of a file.
    Padding {
        /// How many.
        nr_bytes: usize,
    },
}

/// What a parser's check of one candidate comes to.
pub(crate) type Check = Result<(), FindingKind>;

impl FindingKind {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownFormat => "unknown-format",
            Self::ArchiveHeader => "archive-header",
            Self::ArchiveCut { .. } => "archive-cut",
            Self::Trailing { .. } => "trailing",
            Self::Cut { .. } => "cut",
            Self::HeaderVersion { .. } => "header-version",
            Self::InFieldScan => "in-field-scan",
            Self::LoaderVersion { .. } => "loader-version",
            Self::DataSize { .. } => "data-size",
            Self::TotalSize { .. } => "total-size",
            Self::Checksum { .. } => "checksum",
            Self::TableSize { .. } => "table-size",
            Self::TableChecksum { .. } => "table-checksum",
            Self::EntryChecksum { .. } => "entry-checksum",
            Self::PreProduction { .. } => "pre-production",
            Self::ProcessorFlags { .. } => "processor-flags",
            Self::Metadata { .. } => "metadata",
            Self::ContainerMagic => "container-magic",
            Self::NoEquivalenceTable { .. } => "no-equivalence-table",
            Self::EquivalenceRemainder { .. } => "equivalence-remainder",
            Self::EquivalenceSize { .. } => "equivalence-size",
            Self::EquivalenceConflict { .. } => "equivalence-conflict",
            Self::SectionType { .. } => "section-type",
            Self::SectionSize { .. } => "section-size",
            Self::PatchChecksum { .. } => "patch-checksum",
            Self::ContradictingIds { .. } => "contradicting-ids",
            Self::NotMapped { .. } => "not-mapped",
            Self::ChipsetBound { .. } => "chipset-bound",
            Self::MinimumRevision { .. } => "minimum-revision",
            Self::Date { .. } => "date",
            Self::Padding { .. } => "padding",
        }
    }

    /// How much it weighs.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::InFieldScan
            | Self::EquivalenceRemainder { .. }
            | Self::PreProduction { .. }
            | Self::ProcessorFlags { .. }
            | Self::Metadata { .. }
            | Self::EquivalenceConflict { .. }
            | Self::NotMapped { .. }
            | Self::ChipsetBound { .. }
            | Self::MinimumRevision { .. }
            | Self::Date { .. }
            | Self::Padding { .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// Whether a reader that expects updates alone, each right behind the one
    /// before it, comes to grief here.
    #[must_use]
    pub(crate) fn breaks_a_row(self, profile: &Profile) -> bool {
        match self {
            Self::InFieldScan | Self::Padding { .. } => true,
            Self::ChipsetBound { .. } => profile.chipset == Chipset::Damage,
            _ => self.severity() == Severity::Error,
        }
    }

    /// What the finding means for the candidate that it was made on, if it
    /// was made on one; `None` where it does it no harm.
    #[must_use]
    pub const fn damage(self) -> Option<Damage> {
        match self {
            Self::Checksum { .. }
            | Self::TableChecksum { .. }
            | Self::EntryChecksum { .. }
            | Self::PatchChecksum { .. } => Some(Damage::Checksum),
            Self::DataSize { .. } | Self::TotalSize { .. } => Some(Damage::Size),
            Self::Cut { .. }
            | Self::LoaderVersion { .. }
            | Self::TableSize { .. }
            | Self::SectionType { .. }
            | Self::ContradictingIds { .. } => Some(Damage::Malformed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_finding_tells_where_and_what() {
        let finding = Finding {
            file: Some(0),
            offset: 0x400,
            kind: FindingKind::Checksum { sum: 0x10 },
        };
        assert_eq!(
            finding.to_string(),
            "offset 0x400: header and data sum up to 0x00000010 instead of 0; fetch the file again"
        );
    }

    #[test]
    fn what_damages_a_candidate_is_an_error() {
        for kind in [
            FindingKind::Cut { missing: 1 },
            FindingKind::DataSize { data_size: 1 },
            FindingKind::EntryChecksum { entry: 0 },
        ] {
            assert!(kind.damage().is_some());
            assert_eq!(kind.severity(), Severity::Error);
        }
        assert_eq!(FindingKind::InFieldScan.damage(), None);
        assert_eq!(FindingKind::InFieldScan.severity(), Severity::Warning);
    }
}
