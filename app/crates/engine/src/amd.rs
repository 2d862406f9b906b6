//! How an AMD CPU looks at a patch (the vendor publishes no description; the
//! header is Linux' `arch/x86/kernel/cpu/microcode/amd.c`).
//!
//! The CPU is given a patch alone and never its container, so it knows nothing
//! of the equivalence table. A patch has no size in its header, and from
//! family 14h on no checksum: whether its bytes are genuine is for the
//! [seal](crate::Seal) to say.

use microcode::amd::{HEADER_SIZE, PatchHeader, family, signature_of_patch_id};
use zerocopy::FromBytes;

use crate::answer::Refusal;
use crate::engine::{Examined, Kind};
use crate::memory::Memory;

/// What every family's data id has in its upper byte.
const DATA_ID: u16 = 0x8000;

/// The id by which patches name a CPU unless the vendor's table has another:
/// extended family, extended model, model and stepping, a digit each.
#[must_use]
pub(crate) const fn equivalence_id(signature: u32) -> u16 {
    let [low, _, middle, _] = signature.to_le_bytes();
    u16::from_le_bytes([low, middle])
}

/// Looks at the patch whose header lies at `start`.
pub(crate) fn examine(
    memory: &impl Memory,
    start: u64,
    kind: Kind,
    equivalence_ids: &[u16],
) -> Result<Examined, Refusal> {
    let mut bytes = [0; HEADER_SIZE];
    memory.read(start, &mut bytes)?;
    let header = PatchHeader::read_from_bytes(&bytes).map_err(|_| Refusal::Header)?;
    if header.data_id.get() & 0xff00 != DATA_ID {
        return Err(Refusal::Header);
    }
    let patch_id = header.patch_id.get();
    let id = header.processor_revision_id.get();
    let fits = if let Some(signature) = signature_of_patch_id(patch_id) {
        signature == kind.signature
    } else {
        let named = match equivalence_ids {
            [] => equivalence_id(kind.signature) == id,
            ids => ids.contains(&id),
        };
        named && 0xf + (patch_id >> 24) == family(kind.signature)
    };
    if !fits {
        return Err(Refusal::Signature);
    }
    Ok(Examined {
        revision: patch_id,
        start,
        nr_bytes: u32::try_from(HEADER_SIZE).unwrap_or_default(),
    })
}
