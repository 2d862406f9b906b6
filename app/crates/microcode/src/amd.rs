//! AMD's container format: an equivalence table, then patches.
//!
//! AMD publishes no description. The layout is Linux'
//! `arch/x86/kernel/cpu/microcode/amd.c` and Xen's
//! `xen/arch/x86/cpu/microcode/amd.c`, the load control byte `MCExtractor`'s.
//! Containers follow one another without an overall length. Patches have no
//! checksum that is in use today (the CPU verifies a signature of its own), so
//! what a scan can say is only whether a patch is whole.
//!
//! The equivalence table is bounded by its length alone. Its zero sentinel is
//! optional; Xen's reliance on it was an overrun (commit a8bf14f6f3).
//!
//! Once a section header is wrong there is no boundary to fall back on, so a
//! scan stops there and says so.

use crate::finding::FindingKind;
use crate::initrd::Scan;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The first dword of a container, the letters `DMA` and a zero.
pub const MAGIC: u32 = 0x0041_4d44;
/// The type of the equivalence table's section.
pub(crate) const SECTION_TABLE: u32 = 0;
/// The type of a patch's section.
pub(crate) const SECTION_PATCH: u32 = 1;

/// Levels that take nothing newer: loading over them hangs or resets
/// (Linux `final_levels`).
pub const FINAL_LEVELS: [u32; 3] = [0x0100_0098, 0x0100_009f, 0x0100_00af];

/// From this family on, a patch id encodes its CPU.
const FAMILY_ZEN: u32 = 0x17;

/// The largest patch of each family in bytes, as Xen knows them
/// (`verify_patch_size`); other families have 2048. Newer patches outgrow such
/// a table, and Linux has no limit from family 15h on, so it is no rule for a
/// scan.
pub const PATCH_SIZES: [(u32, u32); 6] = [
    (0x14, 1824),
    (0x15, 4096),
    (0x16, 3458),
    (0x17, 3200),
    (0x19, 5568),
    (0x1a, 15296),
];

/// The size in bytes of the largest patch for the family of `signature`.
#[must_use]
pub fn patch_size(signature: u32) -> u32 {
    PATCH_SIZES
        .iter()
        .find(|(of_family, _)| *of_family == family(signature))
        .map_or(2048, |&(_, size)| size)
}

/// The family that a CPUID signature names, extended part included.
#[must_use]
pub const fn family(signature: u32) -> u32 {
    match signature >> 8 & 0xf {
        0xf => 0xf + (signature >> 20 & 0xff),
        base => base,
    }
}

/// The CPUID signature that a patch id encodes, from family 17h on: stepping
/// in bits 11:8, model in 15:12, extended model in 23:20, extended family in
/// 31:24 (Linux `ucode_rev_to_cpuid`).
#[must_use]
pub const fn signature_of_patch_id(patch_id: u32) -> Option<u32> {
    let stepping = patch_id >> 8 & 0xf;
    let model = patch_id >> 12 & 0xf;
    let extended_model = patch_id >> 20 & 0xf;
    let extended_family = patch_id >> 24;
    let signature = extended_family << 20 | extended_model << 16 | 0xf << 8 | model << 4 | stepping;
    if family(signature) >= FAMILY_ZEN {
        Some(signature)
    } else {
        None
    }
}

/// The patch id that stands for `level` on a CPU of family 17h or later, the
/// inverse of [`signature_of_patch_id`].
#[must_use]
pub const fn patch_id(signature: u32, level: u8) -> u32 {
    let stepping = signature & 0xf;
    let model = signature >> 4 & 0xf;
    let extended_model = signature >> 16 & 0xf;
    let extended_family = signature >> 20 & 0xff;
    extended_family << 24 | extended_model << 20 | model << 12 | stepping << 8 | level as u32
}

/// What a container begins with; `table_size` bytes of
/// [`EquivalenceEntry`]s follow.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ContainerHeader {
    pub(crate) magic: U32,
    pub(crate) table: SectionHeader,
}

/// What every section begins with.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct SectionHeader {
    pub(crate) section_type: U32,
    /// Size of what follows in bytes.
    pub(crate) size: U32,
}

/// Maps an installed CPU to the id that its patches carry.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct EquivalenceEntry {
    /// EAX of CPUID leaf 1; 0 in the sentinel.
    pub installed_cpu: U32,
    /// Mask of fixed errata.
    pub errata_mask: U32,
    /// What the masked errata are compared with.
    pub errata_compare: U32,
    /// The processor revision id of the patches for this CPU.
    pub equivalence_id: U16,
    /// Reserved.
    pub reserved: U16,
}

/// The header of a patch, 64 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PatchHeader {
    /// `0xMMDDYYYY`, binary-coded decimal.
    pub date: U32,
    /// The level that a CPU shows once it took the patch.
    pub patch_id: U32,
    /// Format of the data.
    pub data_id: U16,
    /// Length of the data in a unit of the vendor's own; 0 today.
    pub data_length: u8,
    /// Whether the CPU initialises itself after the load.
    pub init_flag: u8,
    /// A checksum of the data up to family 12h, the minimum revision in
    /// recent patches of family 17h and later.
    pub checksum: U32,
    /// PCI id of the north bridge that the patch is bound to; 0 for none.
    pub north_bridge_id: U32,
    /// PCI id of the south bridge that the patch is bound to; 0 for none.
    pub south_bridge_id: U32,
    /// The equivalence id of the CPUs that it is for.
    pub processor_revision_id: U16,
    /// Revision of the north bridge.
    pub north_bridge_revision: u8,
    /// Revision of the south bridge.
    pub south_bridge_revision: u8,
    /// Revision of the interface to the BIOS.
    pub bios_api_revision: u8,
    /// Bit 0: load on one core after another; bit 1: load on both threads.
    pub load_control: u8,
    /// Reserved.
    pub reserved: [u8; 2],
    /// Addresses that the patch intercepts.
    pub match_registers: [U32; 8],
}

/// The size of [`PatchHeader`] in bytes.
pub const HEADER_SIZE: usize = size_of::<PatchHeader>();

/// A patch as a view of the scanned bytes.
#[derive(Clone, Copy, Debug)]
pub struct Patch<'a> {
    header: &'a PatchHeader,
    bytes: &'a [u8],
    size: usize,
    table: &'a [EquivalenceEntry],
}

impl<'a> Patch<'a> {
    /// Its header.
    #[must_use]
    pub const fn header(&self) -> &'a PatchHeader {
        self.header
    }

    /// All of it, from the header on.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The size in bytes that its section declares.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// The equivalence table of its container, with the sentinel if there is
    /// one.
    #[must_use]
    pub const fn table(&self) -> &'a [EquivalenceEntry] {
        self.table
    }

    /// The signatures of the CPUs that the patch is for: the one that its id
    /// encodes, else, below family 17h, all that the equivalence table maps to
    /// it. Linux ignores the table of the later families too.
    pub fn signatures(&self) -> impl Iterator<Item = u32> + use<'a> {
        let encoded = signature_of_patch_id(self.header.patch_id.get());
        let table = if encoded.is_some() { &[] } else { self.table };
        let id = self.header.processor_revision_id;
        let mapped = table
            .iter()
            .filter(move |entry| entry.equivalence_id == id)
            .map(|entry| entry.installed_cpu.get())
            .filter(|&signature| signature != 0 && family(signature) < FAMILY_ZEN);
        encoded.into_iter().chain(mapped)
    }

    /// The lowest level from which a running machine may be updated. Only
    /// later families have the field, and it counts only where it names the
    /// same CPU as the patch id.
    #[must_use]
    pub fn minimum_revision(&self) -> Option<u32> {
        let (id, minimum) = (self.header.patch_id.get(), self.header.checksum.get());
        signature_of_patch_id(id)
            .filter(|_| id >> 8 == minimum >> 8)
            .map(|_| minimum)
    }
}

/// Whether a raw file begins like AMD's.
pub(crate) fn is_magic(dword: u32) -> bool {
    dword == MAGIC
}

/// Finds all patches in `bytes`, which lie at `base` of what is scanned.
pub(crate) fn scan<'a>(bytes: &'a [u8], base: usize, scan: &mut Scan<'a>) {
    // The table of the container that the scan is in.
    let mut table: Option<&[EquivalenceEntry]> = None;
    let mut rest = bytes;
    while rest.iter().any(|&byte| byte != 0) {
        let at = base + (bytes.len() - rest.len());
        let first = U32::ref_from_prefix(rest).map_or(0, |(dword, _)| dword.get());
        rest = match (first, table) {
            (MAGIC, _) => {
                let Some((entries, after)) = equivalence_table(rest, at, scan) else {
                    return;
                };
                table = Some(entries);
                after
            }
            (SECTION_PATCH, Some(table)) => patch(rest, at, table, scan),
            (section_type, Some(_)) => {
                return scan.find(at, FindingKind::SectionType { section_type });
            }
            (_, None) => return scan.find(at, FindingKind::ContainerMagic),
        };
    }
}

/// Reads a container up to the end of its equivalence table: the entries and
/// what follows them.
fn equivalence_table<'a>(
    container: &'a [u8],
    at: usize,
    scan: &mut Scan<'a>,
) -> Option<(&'a [EquivalenceEntry], &'a [u8])> {
    let Ok((ContainerHeader { table, .. }, rest)) = ContainerHeader::ref_from_prefix(container)
    else {
        let missing = size_of::<ContainerHeader>() - container.len();
        scan.find(at, FindingKind::Cut { missing });
        return None;
    };
    if table.section_type != SECTION_TABLE {
        let section_type = table.section_type.get();
        scan.find(at, FindingKind::NoEquivalenceTable { section_type });
        return None;
    }
    let size = table.size.get() as usize;
    let Some((bytes, after)) = rest.split_at_checked(size) else {
        let missing = size - rest.len();
        scan.find(at, FindingKind::Cut { missing });
        return None;
    };
    let whole = bytes.len() - bytes.len() % size_of::<EquivalenceEntry>();
    let (entries, remainder) = bytes.split_at(whole);
    if !remainder.is_empty() {
        let nr_bytes = remainder.len();
        scan.find(at, FindingKind::EquivalenceRemainder { nr_bytes });
    }
    Some((<[EquivalenceEntry]>::ref_from_bytes(entries).ok()?, after))
}

/// Reads one patch section: what follows it, which is nothing if it is cut.
fn patch<'a>(
    section: &'a [u8],
    at: usize,
    table: &'a [EquivalenceEntry],
    scan: &mut Scan<'a>,
) -> &'a [u8] {
    let Ok((SectionHeader { size, .. }, rest)) = SectionHeader::ref_from_prefix(section) else {
        let missing = size_of::<SectionHeader>() - section.len();
        scan.find(at, FindingKind::Cut { missing });
        return &[];
    };
    let declared = size.get() as usize;
    let (bytes, after) = rest.split_at(declared.min(rest.len()));
    let missing = declared - bytes.len();
    let check = match missing {
        0 => Ok(()),
        missing => Err(FindingKind::Cut { missing }),
    };
    match PatchHeader::ref_from_prefix(bytes) {
        Ok((header, _)) => scan.add(
            at + size_of::<SectionHeader>(),
            crate::Update::Amd(Patch {
                header,
                bytes,
                size: declared,
                table,
            }),
            check,
        ),
        Err(_) if missing == 0 => scan.find(at, FindingKind::SectionSize { size: size.get() }),
        Err(_) => scan.find(at, FindingKind::Cut { missing }),
    }
    after
}

#[cfg(test)]
mod tests;
