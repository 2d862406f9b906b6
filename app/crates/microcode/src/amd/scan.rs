//! Finds the patches of a row of containers.
//!
//! The equivalence table is bounded by its length, and read up to
//! [`MAX_ENTRIES`]. Its zero sentinel is optional; Xen's reliance on it was an overrun (commit a8bf14f6f3).
//!
//! Sections have no boundary to fall back on. Where one cannot be read, the
//! scan looks at every byte for what can only be the next one: the magic and
//! the type of a table, or a patch with a header whose fields agree and behind
//! which a file ends or goes on. Xen and Linux stop there.

use super::{
    ContainerHeader, DATA_ID, EquivalenceEntry, HEADER_SIZE, MAGIC, MAX_ENTRIES, Patch,
    PatchHeader, SECTION_PATCH, SECTION_TABLE, SectionHeader, family_of_patch_id,
};
use crate::Date;
use crate::Scan;
use crate::bytes::is_zero;
use crate::finding::FindingKind;
use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

/// Larger patches are not believed in a search, in bytes; the largest known has
/// 14,368.
const LARGEST_PATCH: usize = 1 << 18;

/// Whether a raw file begins like AMD's.
pub(crate) fn is_magic(dword: u32) -> bool {
    dword == MAGIC
}

/// Finds all patches in `bytes`, which lie at `base` of what is scanned.
pub(crate) fn scan<'a>(bytes: &'a [u8], base: usize, scan: &mut Scan<'a>) {
    // The table of the container that the scan is in, unless it was lost.
    let mut table: Option<&[EquivalenceEntry]> = None;
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = base + (bytes.len() - rest.len());
        if is_zero(rest) {
            let nr_bytes = rest.len();
            return scan.find(at, FindingKind::Padding { nr_bytes });
        }
        let is_first = rest.len() == bytes.len();
        let read = match U32::ref_from_prefix(rest).map_or(0, |(dword, _)| dword.get()) {
            MAGIC => {
                let read = equivalence_table(rest, at, scan);
                // What follows a table that was lost is not the one before's.
                table = read.map(|(entries, _)| entries);
                read.map(|(_, after)| after)
            }
            _ if is_first || is_table_header(rest) => {
                scan.find(at, FindingKind::ContainerMagic);
                table = None;
                None
            }
            SECTION_PATCH => patch(rest, at, table, scan),
            section_type => mistyped_patch(rest, at, table, section_type, scan),
        };
        rest = read.unwrap_or_else(|| next_section(rest));
    }
}

/// Whether this would be a container if its magic were right: the type and the
/// size of a table follow, where a patch's section has its size and a date.
fn is_table_header(section: &[u8]) -> bool {
    ContainerHeader::ref_from_prefix(section).is_ok_and(|(ContainerHeader { table, .. }, _)| {
        table.section_type == SECTION_TABLE && table.size != 0
    })
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
    let mut entries = <[EquivalenceEntry]>::ref_from_bytes(entries).ok()?;
    if let Some(first) = entries.get(..MAX_ENTRIES)
        && entries.len() > MAX_ENTRIES
    {
        let nr_entries = entries.len();
        scan.find(at, FindingKind::EquivalenceSize { nr_entries });
        entries = first;
    }
    if let Some(signature) = conflict(entries) {
        scan.find(at, FindingKind::EquivalenceConflict { signature });
    }
    Some((entries, after))
}

/// A CPU that the table maps to two ids.
fn conflict(entries: &[EquivalenceEntry]) -> Option<u32> {
    let conflicts = |place: usize, entry: &EquivalenceEntry| {
        entry.installed_cpu != 0
            && entries[..place].iter().any(|before| {
                before.installed_cpu == entry.installed_cpu
                    && before.equivalence_id != entry.equivalence_id
            })
    };
    let mut numbered = entries.iter().enumerate();
    let (_, entry) = numbered.find(|&(place, entry)| conflicts(place, entry))?;
    Some(entry.installed_cpu.get())
}

/// Reads one patch section: what follows it; `None` where that is not known.
fn patch<'a>(
    section: &'a [u8],
    at: usize,
    table: Option<&'a [EquivalenceEntry]>,
    scan: &mut Scan<'a>,
) -> Option<&'a [u8]> {
    let Ok((SectionHeader { size, .. }, rest)) = SectionHeader::ref_from_prefix(section) else {
        let missing = size_of::<SectionHeader>() - section.len();
        scan.find(at, FindingKind::Cut { missing });
        return None;
    };
    let declared = size.get() as usize;
    if declared < HEADER_SIZE {
        scan.find(at, FindingKind::SectionSize { size: size.get() });
        return None;
    }
    // What is cut ends at the next section, if one can be found.
    let extent = if declared <= rest.len() {
        declared
    } else {
        rest.len() - next_section(rest).len()
    };
    let (bytes, after) = rest.split_at(extent);
    let Ok((header, _)) = PatchHeader::ref_from_prefix(bytes) else {
        let missing = declared - bytes.len();
        scan.find(at, FindingKind::Cut { missing });
        return Some(after);
    };
    let patch = Patch {
        header,
        bytes,
        size: declared,
        table: table.unwrap_or_default(),
        is_table_known: table.is_some(),
    };
    let check = match declared - bytes.len() {
        0 if scan.profile().checks_amd_ids => patch.check(),
        0 => Ok(()),
        missing => Err(FindingKind::Cut { missing }),
    };
    add(patch, at, check, scan);
    Some(after)
}

/// A section whose type alone is wrong: a patch that nobody would read.
fn mistyped_patch<'a>(
    section: &'a [u8],
    at: usize,
    table: Option<&'a [EquivalenceEntry]>,
    section_type: u32,
    scan: &mut Scan<'a>,
) -> Option<&'a [u8]> {
    let kind = FindingKind::SectionType { section_type };
    let Some((header, bytes, after)) = believable_patch(section) else {
        scan.find(at, kind);
        return None;
    };
    let patch = Patch {
        header,
        bytes,
        size: bytes.len(),
        table: table.unwrap_or_default(),
        is_table_known: table.is_some(),
    };
    add(patch, at, Err(kind), scan);
    Some(after)
}

fn add<'a>(patch: Patch<'a>, at: usize, check: Result<(), FindingKind>, scan: &mut Scan<'a>) {
    let at = at + size_of::<SectionHeader>();
    let is_sound = check.is_ok();
    scan.add(at, crate::Update::Amd(patch), check);
    if is_sound {
        patch.remarks().for_each(|remark| scan.find(at, remark));
    }
}

/// The bytes from the next thing on that can only be a section or a
/// container; none if there is no such thing.
fn next_section(bytes: &[u8]) -> &[u8] {
    (1..bytes.len())
        .map(|offset| &bytes[offset..])
        .find(|rest| match rest {
            [0x44, 0x4d, 0x41, 0, 0, 0, 0, 0, ..] => true,
            [1, 0, 0, 0, ..] => believable_patch(rest).is_some(),
            _ => false,
        })
        .unwrap_or_default()
}

/// The header, the bytes and what follows a section that can only be a patch,
/// its type aside: a size that patches have, a date of the calendar, a data id
/// of AMD's, a family that has patches, and behind it the end, zeros, or the
/// next section.
fn believable_patch(section: &[u8]) -> Option<(&PatchHeader, &[u8], &[u8])> {
    let (SectionHeader { size, .. }, rest) = SectionHeader::ref_from_prefix(section).ok()?;
    let size = size.get() as usize;
    let (bytes, after) = rest.split_at_checked(size)?;
    let (header, _) = PatchHeader::ref_from_prefix(bytes).ok()?;
    let goes_on = match U32::ref_from_prefix(after) {
        Ok((dword, _)) => matches!(dword.get(), 0 | MAGIC | SECTION_PATCH),
        Err(_) => is_zero(after),
    };
    let is_believable = size <= LARGEST_PATCH
        && header.data_id.get() & 0xff00 == DATA_ID
        && Date::from_bcd(header.date.get()).is_sane()
        && (0x10..=0x1f).contains(&family_of_patch_id(header.patch_id.get()))
        && goes_on;
    is_believable.then_some((header, bytes, after))
}
