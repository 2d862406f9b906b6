//! A second reader of both formats, to compare the first with: straight on
//! through sound bytes, in the words of the formats' descriptions, and without
//! a line of the crate `microcode`. `None` where bytes are not sound.

/// The little-endian dword at `at`.
pub(super) fn dword(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

fn size(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(dword(bytes, at)?).ok()
}

/// `0xMMDDYYYY` as `YYYY-MM-DD`: the digits are decimal ones already.
fn date(dword: u32) -> String {
    let [day, month] = [dword >> 16 & 0xff, dword >> 24];
    format!("{:04x}-{month:02x}-{day:02x}", dword & 0xffff)
}

/// An update of Intel's.
#[derive(Debug)]
pub(super) struct Update {
    /// Main signature and flags, then those of the extended table.
    pub(super) signatures: Vec<(u32, u32)>,
    pub(super) has_table: bool,
    pub(super) metadata_size: u32,
    pub(super) minimum_revision: u32,
    /// Of the dwords of header and data.
    pub(super) sum: u32,
}

/// All updates of a file of Intel's.
pub(super) fn intel(mut rest: &[u8]) -> Option<Vec<Update>> {
    let mut updates = Vec::new();
    while !rest.is_empty() {
        let (data_size, total_size) = match size(rest, 28)? {
            0 => (2000, 2048),
            data_size => (data_size, size(rest, 32)?),
        };
        let (update, following) = rest.split_at_checked(total_size)?;
        let (summed, table) = update.split_at_checked(48 + data_size)?;
        let mut signatures = vec![(dword(update, 12)?, dword(update, 24)?)];
        if !table.is_empty() {
            for entry in 0..size(table, 0)? {
                let at = 20 + 12 * entry;
                signatures.push((dword(table, at)?, dword(table, at + 4)?));
            }
        }
        let sum = |sum: u32, at| Some(sum.wrapping_add(dword(summed, at)?));
        updates.push(Update {
            signatures,
            has_table: !table.is_empty(),
            metadata_size: dword(update, 36)?,
            minimum_revision: dword(update, 40)?,
            sum: (0..summed.len()).step_by(4).try_fold(0, sum)?,
        });
        rest = following;
    }
    Some(updates)
}

/// A patch of AMD's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Patch {
    /// Where its header lies in the file, in bytes.
    pub(super) offset: usize,
    /// The patch id, which the CPU shows.
    pub(super) level: u32,
    pub(super) equivalence_id: u32,
    /// What the section declares, in bytes.
    pub(super) size: usize,
    pub(super) date: String,
    /// The signatures that the table maps to the equivalence id.
    pub(super) mapped: Vec<u32>,
}

/// All patches of a file of AMD's.
pub(super) fn amd(bytes: &[u8]) -> Option<Vec<Patch>> {
    let mut patches = Vec::new();
    let mut table = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes.get(at..)?.starts_with(b"DMA\0") {
            let table_size = size(bytes, at + 8)?;
            if dword(bytes, at + 4)? != 0 {
                return None;
            }
            at += 12;
            table.clear();
            for entry in (at..at + table_size).step_by(16) {
                table.push((dword(bytes, entry)?, dword(bytes, entry + 12)? & 0xffff));
            }
            at += table_size;
            continue;
        }
        let patch_size = size(bytes, at + 4)?;
        if dword(bytes, at)? != 1 {
            return None;
        }
        at += 8;
        let equivalence_id = dword(bytes, at + 24)? & 0xffff;
        let mapped = table
            .iter()
            .filter(|&&(cpu, id)| cpu != 0 && id == equivalence_id);
        patches.push(Patch {
            offset: at,
            level: dword(bytes, at + 4)?,
            equivalence_id,
            size: patch_size,
            date: date(dword(bytes, at)?),
            mapped: mapped.map(|&(cpu, _)| cpu).collect(),
        });
        at += patch_size;
    }
    (at == bytes.len()).then_some(patches)
}
