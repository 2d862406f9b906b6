//! The sentence for each finding: what is wrong and, where somebody can do
//! something about it, what.

use super::{Finding, FindingKind};
use crate::amd::MAX_ENTRIES;
use core::fmt;

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {:#x}: {}", self.offset, self.kind)
    }
}

impl fmt::Display for FindingKind {
    #[expect(clippy::too_many_lines, reason = "a sentence for each kind")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFormat => f.write_str(
                "neither a cpio archive nor Intel or AMD microcode; give a file of intel-ucode \
                 or amd-ucode, or an uncompressed early initrd",
            ),
            Self::ArchiveHeader => f.write_str(
                "a damaged cpio header, so this file of the archive was not read; rebuild the archive",
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
                "header version {version:#x} instead of 1, so no update was read here; \
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
                 equivalence table; fetch the file again"
            ),
            Self::EquivalenceRemainder { nr_bytes } => write!(
                f,
                "{nr_bytes} bytes after the last whole entry of the equivalence table were ignored"
            ),
            Self::EquivalenceSize { nr_entries } => write!(
                f,
                "an equivalence table of {nr_entries} entries, of which only the first {MAX_ENTRIES} were \
                 read; fetch the file again"
            ),
            Self::EquivalenceConflict { signature } => write!(
                f,
                "the equivalence table maps CPU {signature:#010x} to more than one id; \
                 loaders take the first"
            ),
            Self::SectionType { section_type } => write!(
                f,
                "a section of unknown type {section_type:#x} where a patch (1) or the next \
                 container should be; fetch the file again"
            ),
            Self::SectionSize { size } => write!(
                f,
                "a section of {size} bytes cannot hold a patch, whose header alone takes 64"
            ),
            Self::PatchChecksum { sum, expected } => write!(
                f,
                "the patch's data sum up to {sum:#010x} and not to its checksum {expected:#010x}; \
                 fetch the file again"
            ),
            Self::ContradictingIds { patch_id, mapped } => write!(
                f,
                "patch id {patch_id:#010x} is for another CPU than {mapped:#010x}, to which the \
                 equivalence table maps it; fetch the file again"
            ),
            Self::NotMapped { equivalence_id } => write!(
                f,
                "the equivalence table names no CPU for id {equivalence_id:#06x}; loaders that go \
                 by the table never find this patch"
            ),
            Self::ChipsetBound {
                north_bridge_id,
                south_bridge_id,
            } => write!(
                f,
                "the patch is bound to a chipset (north bridge {north_bridge_id:#010x}, south \
                 bridge {south_bridge_id:#010x}); Linux gives up a file with such a patch"
            ),
            Self::MinimumRevision { minimum } => write!(
                f,
                "the minimum revision {minimum:#010x} is no earlier level of the CPU that the \
                 patch is for, so it is ignored"
            ),
            Self::PreProduction { revision } => write!(
                f,
                "revision {revision:#010x} is negative: a pre-production update, which no \
                 released set should hold"
            ),
            Self::ProcessorFlags { flags } => write!(
                f,
                "processor flags {flags:#010x} name platforms beyond the eight that there are"
            ),
            Self::Metadata { metadata_size } => write!(
                f,
                "{metadata_size} bytes of metadata are no row of blocks at the end of the data; \
                 they were not read"
            ),
            Self::Date { date } => {
                write!(f, "date {date:#010x} (month, day, year) is on no calendar")
            }
            Self::Padding { nr_bytes } => write!(
                f,
                "{nr_bytes} zero bytes after the last update; Linux gives up a file that ends so"
            ),
        }
    }
}
