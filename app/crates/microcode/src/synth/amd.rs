//! Builds one container in AMD's format.

use super::{DATE, append_payload, seed};
use crate::Date;
use crate::amd::{
    ContainerHeader, EquivalenceEntry, HEADER_SIZE, MAGIC, PatchHeader, SECTION_PATCH,
    SECTION_TABLE, SectionHeader, patch_size,
};
use alloc::vec::Vec;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromZeros, IntoBytes};

/// One thing wrong with a container.
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
    /// The first patch's section is of an unknown type.
    SectionType,
    /// The first patch is but half a header.
    SectionSize,
}

impl ContainerDefect {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Cut,
        Self::ContainerMagic,
        Self::NoEquivalenceTable,
        Self::EquivalenceRemainder,
        Self::SectionType,
        Self::SectionSize,
    ];

    /// The name of the defect and of the finding that it causes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::ContainerMagic => "container-magic",
            Self::NoEquivalenceTable => "no-equivalence-table",
            Self::EquivalenceRemainder => "equivalence-remainder",
            Self::SectionType => "section-type",
            Self::SectionSize => "section-size",
        }
    }
}

#[derive(Clone, Debug)]
struct Patch {
    signature: u32,
    revision: u32,
}

/// A container to be built; see [`amd`].
#[derive(Clone, Debug)]
#[must_use = "`build` makes the bytes"]
pub struct AmdContainer {
    patches: Vec<Patch>,
    /// Signatures and what they are equivalent to.
    equivalences: Vec<(u32, u16)>,
    date: Date,
    patch_size: Option<u16>,
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
        patch_size: None,
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

    /// The size of each patch in bytes, header included and at least that;
    /// without it the size that is usual in the CPU's family.
    pub fn patch_size(mut self, size: u16) -> Self {
        self.patch_size = Some(size);
        self
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
        if self.defect == Some(ContainerDefect::Cut) {
            bytes.truncate(bytes.len() - 16);
        }
        bytes
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
        let entries: Vec<EquivalenceEntry> = self
            .equivalences
            .iter()
            .copied()
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
        } = patch;
        let size = self
            .patch_size
            .map_or(patch_size(signature) as usize, usize::from)
            .max(HEADER_SIZE);
        let mut header = PatchHeader::new_zeroed();
        header.date = U32::new(self.date.to_bcd());
        header.patch_id = U32::new(revision);
        header.processor_revision_id = U16::new(equivalence_id(signature));
        let section_type = SECTION_PATCH + u32::from(has(ContainerDefect::SectionType));
        if has(ContainerDefect::SectionSize) {
            let half = HEADER_SIZE / 2;
            bytes.extend_from_slice(section(section_type, half).as_bytes());
            bytes.extend_from_slice(&header.as_bytes()[..half]);
        } else {
            bytes.extend_from_slice(section(section_type, size).as_bytes());
            bytes.extend_from_slice(header.as_bytes());
            append_payload(bytes, size - HEADER_SIZE, seed(signature, revision));
        }
    }
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
