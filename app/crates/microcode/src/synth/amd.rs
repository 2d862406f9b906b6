//! Builds one container in AMD's format.

use super::{DATE, NO_DATE, append_payload, padding, seed};
use crate::Date;
use crate::amd::{
    ContainerHeader, DATA_ID, EquivalenceEntry, FAMILY_LAST_CHECKSUM, HEADER_SIZE, MAGIC,
    PatchHeader, SECTION_PATCH, SECTION_TABLE, SectionHeader, family, signature_of_patch_id,
};
use crate::bytes::sum_of_dwords;
use crate::profile::XEN;
use alloc::vec::Vec;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromZeros, IntoBytes};

/// One thing wrong with a container, in its first patch where it is a patch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContainerDefect {
    /// The last 16 bytes are missing.
    Cut,
    /// The magic is another. Only an initrd's path then tells what it is.
    ContainerMagic,
    /// The equivalence table's section is of the wrong type.
    NoEquivalenceTable,
    /// The equivalence table is half an entry longer.
    EquivalenceRemainder,
    /// The equivalence table maps its first CPU to a second id.
    EquivalenceConflict,
    /// The first patch's section is of an unknown type.
    SectionType,
    /// The first patch is but half a header.
    SectionSize,
    /// The checksum is off by one. Up to family 12h; later there is none.
    PatchChecksum,
    /// The patch id is for another CPU than the equivalence table says.
    ContradictingIds,
    /// The equivalence table does not have the patch's equivalence id.
    NotMapped,
    /// The patch is bound to a north bridge.
    ChipsetBound,
    /// The minimum revision is another CPU's. From family 17h on; before there
    /// is none.
    MinimumRevision,
    /// The date is in the thirteenth month.
    Date,
    /// Zeros follow the last patch.
    Padding,
}

impl ContainerDefect {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Cut,
        Self::ContainerMagic,
        Self::NoEquivalenceTable,
        Self::EquivalenceRemainder,
        Self::EquivalenceConflict,
        Self::SectionType,
        Self::SectionSize,
        Self::PatchChecksum,
        Self::ContradictingIds,
        Self::NotMapped,
        Self::ChipsetBound,
        Self::MinimumRevision,
        Self::Date,
        Self::Padding,
    ];

    /// The name of the defect and of the finding that it causes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::ContainerMagic => "container-magic",
            Self::NoEquivalenceTable => "no-equivalence-table",
            Self::EquivalenceRemainder => "equivalence-remainder",
            Self::EquivalenceConflict => "equivalence-conflict",
            Self::SectionType => "section-type",
            Self::SectionSize => "section-size",
            Self::PatchChecksum => "patch-checksum",
            Self::ContradictingIds => "contradicting-ids",
            Self::NotMapped => "not-mapped",
            Self::ChipsetBound => "chipset-bound",
            Self::MinimumRevision => "minimum-revision",
            Self::Date => "date",
            Self::Padding => "padding",
        }
    }

    /// Whether a patch for this CPU can have it.
    #[must_use]
    pub const fn suits(self, signature: u32) -> bool {
        match self {
            Self::PatchChecksum => family(signature) <= FAMILY_LAST_CHECKSUM,
            Self::MinimumRevision => family(signature) >= crate::amd::FAMILY_ZEN,
            _ => true,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Patch {
    signature: u32,
    revision: u32,
    minimum: u32,
    load_control: u8,
    size: Option<u16>,
}

/// A container to be built; see [`amd`].
#[derive(Clone, Debug)]
#[must_use = "`build` makes the bytes"]
pub struct AmdContainer {
    patches: Vec<Patch>,
    /// Signatures and what they are equivalent to.
    equivalences: Vec<(u32, u16)>,
    date: Date,
    has_sentinel: bool,
    defect: Option<ContainerDefect>,
}

/// A container with one patch of `revision`, its patch id, for the CPUs with
/// this signature. From family 17h on the id must encode the signature, or the
/// patch is for another CPU: [`crate::amd::patch_id`] makes such ids.
pub fn amd(signature: u32, revision: u32) -> AmdContainer {
    let empty = AmdContainer {
        patches: Vec::new(),
        equivalences: Vec::new(),
        date: DATE,
        has_sentinel: true,
        defect: None,
    };
    empty.patch(signature, revision)
}

impl AmdContainer {
    /// One more patch.
    pub fn patch(mut self, signature: u32, revision: u32) -> Self {
        self.patches.push(Patch {
            signature,
            revision,
            minimum: 0,
            load_control: 0,
            size: None,
        });
        self.map(signature, equivalence_id(signature))
    }

    /// One more CPU that the patch added last is for, by the equivalence table.
    pub fn equivalent(self, signature: u32) -> Self {
        let like = self.patches.last().map_or(0, |patch| patch.signature);
        self.map(signature, equivalence_id(like))
    }

    /// The release date of all patches.
    pub fn date(mut self, date: Date) -> Self {
        self.date = date;
        self
    }

    /// The size of the patch added last in bytes, header included and at least
    /// that; without it the largest that is usual in the CPU's family.
    pub fn patch_size(self, size: u16) -> Self {
        self.with_last(|patch| patch.size = Some(size))
    }

    /// The lowest level from which a running machine may load the patch added
    /// last. Only from family 17h on.
    pub fn minimum_revision(self, revision: u32) -> Self {
        self.with_last(|patch| patch.minimum = revision)
    }

    /// The load control byte of the patch added last; see
    /// [`LoadControl`](crate::amd::LoadControl).
    pub fn load_control(self, bits: u8) -> Self {
        self.with_last(|patch| patch.load_control = bits)
    }

    /// Leaves out the zero entry that usually ends the equivalence table.
    pub fn without_sentinel(mut self) -> Self {
        self.has_sentinel = false;
        self
    }

    /// Does one thing wrong.
    pub fn defect(mut self, defect: ContainerDefect) -> Self {
        self.defect = Some(defect);
        self
    }

    /// The container's bytes.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.append_table(&mut bytes);
        for (index, patch) in self.patches.iter().enumerate() {
            self.append_patch(&mut bytes, patch, index == 0);
        }
        match self.defect {
            Some(ContainerDefect::Cut) => bytes.truncate(bytes.len() - 16),
            Some(ContainerDefect::Padding) => bytes.extend(padding()),
            _ => {}
        }
        bytes
    }

    fn with_last(mut self, change: impl FnOnce(&mut Patch)) -> Self {
        if let Some(patch) = self.patches.last_mut() {
            change(patch);
        }
        self
    }

    fn map(mut self, signature: u32, id: u16) -> Self {
        if !self.equivalences.contains(&(signature, id)) {
            self.equivalences.push((signature, id));
        }
        self
    }

    fn append_table(&self, bytes: &mut Vec<u8>) {
        let has = |defect| self.defect == Some(defect);
        let sentinel = self.has_sentinel.then_some((0, 0));
        let conflict = self
            .equivalences
            .first()
            .filter(|_| has(ContainerDefect::EquivalenceConflict))
            .map(|&(signature, id)| (signature, !id));
        let entries: Vec<EquivalenceEntry> = conflict
            .into_iter()
            .chain(self.equivalences.iter().copied())
            .chain(sentinel)
            .map(|(signature, id)| EquivalenceEntry {
                installed_cpu: U32::new(signature),
                errata_mask: U32::new(0),
                errata_compare: U32::new(0),
                equivalence_id: U16::new(id),
                reserved: U16::new(0),
            })
            .collect();
        let remainder: &[u8] = if has(ContainerDefect::EquivalenceRemainder) {
            &[0; size_of::<EquivalenceEntry>() / 2]
        } else {
            &[]
        };
        let size = entries.as_bytes().len() + remainder.len();
        let header = ContainerHeader {
            magic: U32::new(MAGIC ^ u32::from(has(ContainerDefect::ContainerMagic))),
            table: section(
                SECTION_TABLE + u32::from(has(ContainerDefect::NoEquivalenceTable)),
                size,
            ),
        };
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(entries.as_bytes());
        bytes.extend_from_slice(remainder);
    }

    fn append_patch(&self, bytes: &mut Vec<u8>, patch: &Patch, is_first: bool) {
        let has = |defect| is_first && self.defect == Some(defect);
        let &Patch {
            signature,
            revision,
            ..
        } = patch;
        let size = patch.size.map_or(usual_size(signature), usize::from);
        let size = size.max(HEADER_SIZE);
        let mut payload = Vec::with_capacity(size);
        append_payload(&mut payload, size - HEADER_SIZE, seed(signature, revision));

        let mut header = self.header(patch);
        if family(signature) <= FAMILY_LAST_CHECKSUM {
            header.checksum = U32::new(sum_of_dwords(&payload));
        }
        if has(ContainerDefect::PatchChecksum) && ContainerDefect::PatchChecksum.suits(signature) {
            header.checksum += U32::new(1);
        }
        if has(ContainerDefect::MinimumRevision)
            && ContainerDefect::MinimumRevision.suits(signature)
        {
            header.checksum = U32::new(revision ^ 0x100);
        }
        if has(ContainerDefect::ContradictingIds) {
            // Another stepping, or another family.
            let bit = match signature_of_patch_id(revision) {
                Some(_) => 0x100,
                None => 0x0100_0000,
            };
            header.patch_id = U32::new(revision ^ bit);
        }
        if has(ContainerDefect::NotMapped) {
            let is_free = |id: &u16| self.equivalences.iter().all(|(_, known)| known != id);
            let free = (0..=u16::MAX).rev().find(is_free);
            header.processor_revision_id = U16::new(free.unwrap_or_default());
        }
        if has(ContainerDefect::ChipsetBound) {
            header.north_bridge_id = U32::new(0x1022);
        }
        if has(ContainerDefect::Date) {
            header.date = U32::new(NO_DATE);
        }

        let section_type = SECTION_PATCH + u32::from(has(ContainerDefect::SectionType));
        if has(ContainerDefect::SectionSize) {
            let half = HEADER_SIZE / 2;
            bytes.extend_from_slice(section(section_type, half).as_bytes());
            bytes.extend_from_slice(&header.as_bytes()[..half]);
        } else {
            bytes.extend_from_slice(section(section_type, size).as_bytes());
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(&payload);
        }
    }

    fn header(&self, patch: &Patch) -> PatchHeader {
        let mut header = PatchHeader::new_zeroed();
        header.date = U32::new(self.date.to_bcd());
        header.patch_id = U32::new(patch.revision);
        header.data_id = U16::new(DATA_ID);
        header.checksum = U32::new(patch.minimum);
        header.processor_revision_id = U16::new(equivalence_id(patch.signature));
        header.load_control = patch.load_control;
        header
    }
}

/// The size in bytes that patches have in the CPU's family, or had once.
fn usual_size(signature: u32) -> usize {
    let size = XEN.amd_sizes.limit(family(signature)).unwrap_or_default();
    size as usize
}

/// The id that AMD gives the CPUs of a signature: extended family, extended
/// model, model and stepping, a digit each.
fn equivalence_id(signature: u32) -> u16 {
    let [low, _, middle, _] = signature.to_le_bytes();
    u16::from_le_bytes([low, middle])
}

fn section(section_type: u32, size: usize) -> SectionHeader {
    SectionHeader {
        section_type: U32::new(section_type),
        size: U32::new(u32::try_from(size).unwrap_or(u32::MAX)),
    }
}
