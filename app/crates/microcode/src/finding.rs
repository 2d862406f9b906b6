//! What a scan has to say about the bytes, beside the candidates.
//!
//! A finding is the one place where a defect has its name, its weight and its
//! sentence. The parsers return a [`FindingKind`]; whether a candidate is
//! [damaged](crate::Damage) follows from it, so the two cannot disagree.

use crate::Damage;
use core::fmt;

/// One observation at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
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
    /// An AMD section of an unknown type: the rest cannot be read.
    SectionType {
        /// The type found; 1 is a patch.
        section_type: u32,
    },
    /// An AMD section that cannot even hold a patch header.
    SectionSize {
        /// The size found.
        size: u32,
    },
}

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
            Self::ContainerMagic => "container-magic",
            Self::NoEquivalenceTable { .. } => "no-equivalence-table",
            Self::EquivalenceRemainder { .. } => "equivalence-remainder",
            Self::SectionType { .. } => "section-type",
            Self::SectionSize { .. } => "section-size",
        }
    }

    /// How much it weighs.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::InFieldScan | Self::EquivalenceRemainder { .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// What the finding means for the candidate that it was made on; `None`
    /// where it leaves no candidate or does it no harm.
    #[must_use]
    pub const fn damage(self) -> Option<Damage> {
        match self {
            Self::Checksum { .. } | Self::TableChecksum { .. } | Self::EntryChecksum { .. } => {
                Some(Damage::Checksum)
            }
            Self::DataSize { .. } | Self::TotalSize { .. } => Some(Damage::Size),
            Self::Cut { .. } | Self::LoaderVersion { .. } | Self::TableSize { .. } => {
                Some(Damage::Malformed)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {:#x}: {}", self.offset, self.kind)
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFormat => f.write_str(
                "neither a cpio archive nor Intel or AMD microcode; give a file of intel-ucode \
                 or amd-ucode, or an uncompressed early initrd",
            ),
            Self::ArchiveHeader => f.write_str(
                "a damaged cpio header, so the rest of the archive was not read; rebuild the archive",
            ),
            Self::ArchiveCut { missing } => write!(
                f,
                "the archive ends {missing} bytes before this file does; copy the archive again"
            ),
            Self::Trailing { nr_bytes } => write!(
                f,
                "the last {nr_bytes} bytes are too few for the header of an update; \
                 fetch the file again"
            ),
            Self::Cut { missing } => write!(
                f,
                "the last {missing} bytes of this update are missing; fetch the file again"
            ),
            Self::HeaderVersion { version } => write!(
                f,
                "header version {version:#x} instead of 1, so no update is read here; \
                 fetch the file again"
            ),
            Self::InFieldScan => {
                f.write_str("in-field scan data, not microcode; nothing loads it as an update")
            }
            Self::LoaderVersion { version } => {
                write!(f, "the update asks for loader version {version:#x}, known is 1")
            }
            Self::DataSize { data_size } => {
                write!(f, "data size {data_size} is no multiple of 4")
            }
            Self::TotalSize {
                total_size,
                data_size,
            } => write!(
                f,
                "total size {total_size} is no multiple of 1024 or too small for a 48-byte \
                 header and data size {data_size}"
            ),
            Self::Checksum { sum } => write!(
                f,
                "header and data sum up to {sum:#010x} instead of 0; fetch the file again"
            ),
            Self::TableSize { size, nr_entries } => write!(
                f,
                "an extended signature table of {nr_entries} entries does not take the {size} \
                 bytes that the header leaves it"
            ),
            Self::TableChecksum { sum } => write!(
                f,
                "the extended signature table sums up to {sum:#010x} instead of 0; \
                 fetch the file again"
            ),
            Self::EntryChecksum { entry } => write!(
                f,
                "entry {entry} of the extended signature table has a wrong checksum; \
                 fetch the file again"
            ),
            Self::ContainerMagic => f.write_str(
                "no AMD container (magic 0x00414d44) where one should be; give a file of amd-ucode",
            ),
            Self::NoEquivalenceTable { section_type } => write!(
                f,
                "the container begins with a section of type {section_type:#x} instead of its \
                 equivalence table, so the rest was not read"
            ),
            Self::EquivalenceRemainder { nr_bytes } => write!(
                f,
                "{nr_bytes} bytes after the last whole entry of the equivalence table were ignored"
            ),
            Self::SectionType { section_type } => write!(
                f,
                "a section of unknown type {section_type:#x}, so the rest was not read"
            ),
            Self::SectionSize { size } => write!(
                f,
                "a section of {size} bytes cannot hold a patch, whose header alone takes 64"
            ),
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
