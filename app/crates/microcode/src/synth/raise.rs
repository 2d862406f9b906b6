//! Gives synthetic updates higher revisions, so that one file can be loaded
//! again and again.

use alloc::vec::Vec;
use core::fmt;

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use super::TEXT;
use crate::amd::{PatchHeader, signature_of_patch_id};
use crate::intel::{Entry, HEADER_SIZE, Header, TableHeader};
use crate::{Update, scan};

/// How much of the text has to stand in every payload: the smallest of a patch is
/// shorter than all of it.
const MARK_SIZE: usize = 19;

/// Why the revisions cannot be raised; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RaiseError {
    /// The update at this offset is a vendor's, or damaged.
    NotSynthetic {
        /// In bytes from the start.
        offset: usize,
    },
    /// There is no such revision for the CPU of the update at this offset.
    Beyond {
        /// In bytes from the start.
        offset: usize,
        /// The revision that it has.
        revision: u32,
    },
}

impl fmt::Display for RaiseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSynthetic { offset } => write!(
                f,
                "the update at offset {offset} is not a sound synthetic one, and no other may be \
                 given a new revision"
            ),
            Self::Beyond { offset, revision } => write!(
                f,
                "the update at offset {offset} has revision {revision:#010x}, above which there \
                 are not enough for its CPU"
            ),
        }
    }
}

impl core::error::Error for RaiseError {}

/// Where an update lies, and the revision that it is to have.
struct Place {
    offset: usize,
    revision: u32,
    form: Form,
}

/// What has to be mended when the revision changes.
enum Form {
    /// The header's checksum, and those of the table of further signatures, which
    /// begins at this offset; it is not there where it has no entries.
    Intel { table: usize, nr_entries: usize },
    /// Nothing: the checksum of a patch does not cover its header.
    Amd,
}

impl Place {
    fn of(update: &Update<'_>, offset: usize, step: u32) -> Result<Self, RaiseError> {
        let revision = update.revision();
        let beyond = RaiseError::Beyond { offset, revision };
        let not_synthetic = RaiseError::NotSynthetic { offset };
        let (payload, raised, form) = match update {
            // Signed: negative revisions are pre-production.
            Update::Intel(intel) => (
                intel.data(),
                revision
                    .cast_signed()
                    .checked_add_unsigned(step)
                    .map(i32::cast_unsigned),
                Form::Intel {
                    table: offset + HEADER_SIZE + intel.data().len(),
                    nr_entries: intel.entries().len(),
                },
            ),
            // From family 17h on, all but the lowest byte names the CPU.
            Update::Amd(patch) => (
                patch
                    .bytes()
                    .get(size_of::<PatchHeader>()..)
                    .unwrap_or_default(),
                revision.checked_add(step).filter(|&raised| {
                    signature_of_patch_id(raised) == signature_of_patch_id(revision)
                        && raised >> 24 == revision >> 24
                }),
                Form::Amd,
            ),
        };
        // Metadata may stand before the text.
        if !payload.windows(MARK_SIZE).any(|w| w == &TEXT[..MARK_SIZE]) {
            return Err(not_synthetic);
        }
        Ok(Self {
            offset,
            revision: raised.ok_or(beyond)?,
            form,
        })
    }

    /// Writes the revision and mends every checksum that covers it.
    fn raise(&self, bytes: &mut [u8], step: u32) -> Option<()> {
        let from_header = bytes.get_mut(self.offset..)?;
        let Form::Intel { table, nr_entries } = self.form else {
            let (header, _) = PatchHeader::mut_from_prefix(from_header).ok()?;
            header.patch_id.set(self.revision);
            return Some(());
        };
        let lower = |checksum: &mut U32, by: u32| checksum.set(checksum.get().wrapping_sub(by));
        let (header, _) = Header::mut_from_prefix(from_header).ok()?;
        header.revision.set(self.revision);
        lower(&mut header.checksum, step);
        if nr_entries == 0 {
            return Some(());
        }
        // An entry's checksum is the header's with other fields, and the table's
        // covers the entries'.
        let (table, entries) = TableHeader::mut_from_prefix(bytes.get_mut(table..)?).ok()?;
        for entry in entries
            .chunks_exact_mut(size_of::<Entry>())
            .take(nr_entries)
        {
            let entry = Entry::mut_from_bytes(entry).ok()?;
            lower(&mut entry.checksum, step);
            table.checksum.set(table.checksum.get().wrapping_add(step));
        }
        Some(())
    }
}

/// Makes every update in `bytes`, an initrd or one vendor's file, one for a
/// revision that is `step` higher. All of them have to be synthetic and sound.
///
/// # Errors
/// See [`RaiseError`]; the bytes are then as they were.
pub fn raise(bytes: &mut [u8], step: u32) -> Result<(), RaiseError> {
    let scan = scan(bytes);
    let places: Vec<_> = scan
        .candidates
        .iter()
        .map(|candidate| match candidate.damage() {
            None => Place::of(&candidate.update, candidate.offset, step),
            Some(_) => Err(RaiseError::NotSynthetic {
                offset: candidate.offset,
            }),
        })
        .collect::<Result<_, _>>()?;
    for place in &places {
        // The scan has found the whole of it there.
        let _ = place.raise(bytes, step);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{initrd, synth};

    fn initrd() -> Vec<u8> {
        let intel = synth::intel(0x0005_06e3, 0x36, 0xf0).extended(&[(1, 2), (3, 4)]);
        let amd = synth::amd(0x0080_0f12, 0x0800_1280);
        initrd::pack(&intel.build(), &amd.build())
    }

    fn revisions(bytes: &[u8]) -> Vec<u32> {
        let scan = scan(bytes);
        assert_eq!(scan.findings, []);
        scan.candidates
            .iter()
            .map(|c| c.update.revision())
            .collect()
    }

    #[test]
    fn a_raised_update_is_sound_and_differs_in_its_revision_alone() {
        let mut bytes = initrd();
        for step in [1, 0, 5] {
            raise(&mut bytes, step).unwrap();
        }
        assert_eq!(revisions(&bytes), [0xf6, 0x0800_1286]);
        let targets = |bytes: &[u8]| -> Vec<_> {
            let scan = scan(bytes);
            let targets = scan.candidates.iter().flat_map(|c| c.update.targets());
            targets.map(|target| target.signature).collect()
        };
        assert_eq!(targets(&bytes), targets(&initrd()));
    }

    #[test]
    fn every_form_of_a_synthetic_update_can_be_raised() {
        let intel = || synth::intel(1, 1, 7);
        for mut bytes in [
            intel().legacy().build(),
            intel().data_size(48).build(),
            synth::amd(0x0010_0f62, 0x0100_00c7)
                .without_sentinel()
                .build(),
        ] {
            let before = revisions(&bytes);
            raise(&mut bytes, 1).unwrap();
            assert_eq!(revisions(&bytes), [before[0] + 1]);
        }
    }

    #[test]
    fn what_is_not_synthetic_stays_as_it_is() {
        let mut bytes = initrd();
        let text = bytes
            .windows(MARK_SIZE)
            .position(|w| w == &TEXT[..MARK_SIZE]);
        bytes[text.unwrap()] ^= 1;
        let before = bytes.clone();
        let error = raise(&mut bytes, 1).unwrap_err();
        assert!(matches!(error, RaiseError::NotSynthetic { .. }), "{error}");
        assert_eq!(bytes, before);
    }

    #[test]
    fn the_last_revision_of_a_cpu_cannot_be_raised() {
        for mut bytes in [
            synth::intel(1, 1, 0x7fff_ffff).build(),
            synth::amd(0x0080_0f12, 0x0800_12ff).build(),
        ] {
            let error = raise(&mut bytes, 1).unwrap_err();
            assert!(matches!(error, RaiseError::Beyond { .. }), "{error}");
        }
        let mut pre_production = synth::intel(1, 1, 0xffff_ffff).build();
        raise(&mut pre_production, 1).unwrap();
        assert_eq!(revisions(&pre_production), [0]);
    }
}
