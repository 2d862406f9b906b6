//! AMD's container format: an equivalence table, then patches.
//!
//! AMD publishes no description. The layout is Linux'
//! `arch/x86/kernel/cpu/microcode/amd.c` and Xen's
//! `xen/arch/x86/cpu/microcode/amd.c`, the load control byte `MCExtractor`'s.
//! Containers follow one another without an overall length (`scan`).
//!
//! Patches up to family 12h have a checksum: it is the sum of the dwords
//! behind the header, as all of the vendor's patches for these families show.
//! Later ones have none that is in use (the CPU verifies a signature of its
//! own), so all that can be said of them is whether they are whole and whether
//! their ids agree with the table.

pub(crate) mod scan;

use crate::Date;
use crate::bytes::sum_of_dwords;
use crate::finding::{Check, FindingKind};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The first dword of a container, the letters `DMA` and a zero.
pub const MAGIC: u32 = 0x0041_4d44;
/// The type of the equivalence table's section.
pub(crate) const SECTION_TABLE: u32 = 0;
/// The type of a patch's section.
pub(crate) const SECTION_PATCH: u32 = 1;

/// The most entries of an equivalence table that are read: every patch is held
/// against all of them. The largest known table has 24.
pub const MAX_ENTRIES: usize = 256;
/// From this family on, a patch id encodes its CPU.
pub(crate) const FAMILY_ZEN: u32 = 0x17;
/// Up to this family, patches have a checksum.
pub(crate) const FAMILY_LAST_CHECKSUM: u32 = 0x12;
/// What every family's data id has in its upper byte.
pub(crate) const DATA_ID: u16 = 0x8000;

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
    /// Whether the container's table could be read.
    is_table_known: bool,
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
        let older = Self { table, ..*self }
            .mapped()
            .filter(|&signature| family(signature) < FAMILY_ZEN);
        encoded.into_iter().chain(older)
    }

    /// The signatures that the equivalence table maps to the patch, whatever
    /// its id says. A table may name one twice.
    pub fn mapped(&self) -> impl Iterator<Item = u32> + use<'a> {
        let id = self.header.processor_revision_id;
        self.table
            .iter()
            .filter(move |entry| entry.equivalence_id == id)
            .map(|entry| entry.installed_cpu.get())
            .filter(|&signature| signature != 0)
    }

    /// The lowest level from which a running machine may be updated. Only
    /// later families have the field, and it counts only where it names the
    /// same CPU as the patch id, and an earlier level.
    #[must_use]
    pub fn minimum_revision(&self) -> Option<u32> {
        let (id, minimum) = (self.header.patch_id.get(), self.header.checksum.get());
        signature_of_patch_id(id)
            .filter(|_| id >> 8 == minimum >> 8 && minimum < id)
            .map(|_| minimum)
    }

    /// The checksum, where the patch has one.
    #[must_use]
    pub fn checksum(&self) -> Option<u32> {
        let family = family_of_patch_id(self.header.patch_id.get());
        Some(self.header.checksum.get())
            .filter(|&checksum| family <= FAMILY_LAST_CHECKSUM && checksum != 0)
    }

    /// The sum of the dwords behind the header, which the checksum is.
    #[must_use]
    pub fn sum(&self) -> u32 {
        sum_of_dwords(self.bytes.get(HEADER_SIZE..).unwrap_or_default())
    }

    /// How the patch wants to be loaded; `None` below family 17h, whose
    /// headers hold filler in its place.
    #[must_use]
    pub fn load_control(&self) -> Option<LoadControl> {
        let bits = self.header.load_control;
        signature_of_patch_id(self.header.patch_id.get()).map(|_| LoadControl {
            serialized: bits & 1 != 0,
            on_both_threads: bits & 2 != 0,
        })
    }

    /// The PCI ids of the north and the south bridge, if the patch is bound
    /// to a chipset.
    #[must_use]
    pub fn chipset(&self) -> Option<(u32, u32)> {
        let ids = (
            self.header.north_bridge_id.get(),
            self.header.south_bridge_id.get(),
        );
        Some(ids).filter(|&ids| ids != (0, 0))
    }

    /// Every check that needs no CPU.
    fn check(&self) -> Check {
        if let Some(expected) = self.checksum() {
            let sum = self.sum();
            if sum != expected {
                return Err(FindingKind::PatchChecksum { sum, expected });
            }
        }
        // Where the table does not know the patch, nothing contradicts it.
        let patch_id = self.header.patch_id.get();
        match self.mapped().next() {
            Some(mapped) if !self.mapped().any(|cpu| is_for(patch_id, cpu)) => {
                Err(FindingKind::ContradictingIds { patch_id, mapped })
            }
            _ => Ok(()),
        }
    }

    /// What is unusual about a whole patch.
    fn remarks(&self) -> impl Iterator<Item = FindingKind> + use<> {
        let header = self.header;
        let equivalence_id = header.processor_revision_id.get();
        let minimum = header.checksum.get();
        let date = header.date.get();
        let is_zen = signature_of_patch_id(header.patch_id.get()).is_some();
        let wrong_minimum = is_zen && minimum != 0 && self.minimum_revision().is_none();
        [
            (self.is_table_known && self.mapped().next().is_none())
                .then_some(FindingKind::NotMapped { equivalence_id }),
            self.chipset().map(
                |(north_bridge_id, south_bridge_id)| FindingKind::ChipsetBound {
                    north_bridge_id,
                    south_bridge_id,
                },
            ),
            wrong_minimum.then_some(FindingKind::MinimumRevision { minimum }),
            (!Date::from_bcd(date).is_sane()).then_some(FindingKind::Date { date }),
        ]
        .into_iter()
        .flatten()
    }
}

/// How a patch wants to be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadControl {
    /// On one core after another.
    pub serialized: bool,
    /// On both threads of a core.
    pub on_both_threads: bool,
}

/// The family that a patch id is for: its upper byte is the extended family.
fn family_of_patch_id(patch_id: u32) -> u32 {
    0xf + (patch_id >> 24)
}

/// Whether a patch with this id can be for a CPU. Below family 17h the id
/// tells no more than the family.
fn is_for(patch_id: u32, signature: u32) -> bool {
    match signature_of_patch_id(patch_id) {
        Some(encoded) => encoded == signature,
        None => family_of_patch_id(patch_id) == family(signature),
    }
}

#[cfg(test)]
mod tests;
