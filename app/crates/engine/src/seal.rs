//! Seals: what a maker's signature is to a CPU, a seal is to the model.
//!
//! A real CPU decrypts an update and verifies its maker's signature, so it
//! takes no other bytes than those. Nobody else can check that signature, and
//! AMD's later patches have not even a checksum. So whoever sets up the model
//! may tell it what the genuine updates are; a byte that was changed since is
//! then found.

use crate::memory::{Memory, Unmapped, at};

/// An update as its maker sealed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Seal {
    /// Revision or patch level.
    pub revision: u32,
    /// Size in bytes, header included.
    pub bytes: u32,
    /// A sum over all bytes in which the place of each counts.
    pub sum: u32,
}

/// How much is read at once, in bytes.
const CHUNK: usize = 1024;

/// Goes on with a sum. The factor is odd, so that one changed byte always
/// changes the sum.
fn sum(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |sum, &byte| {
        sum.wrapping_mul(0x0100_0193).wrapping_add(byte.into())
    })
}

impl Seal {
    /// Seals an update, from its header on.
    #[must_use]
    pub fn of(revision: u32, update: &[u8]) -> Self {
        Self {
            revision,
            bytes: u32::try_from(update.len()).unwrap_or(u32::MAX),
            sum: sum(0, update),
        }
    }

    /// Whether the bytes from `address` on are the sealed ones.
    pub(crate) fn holds(&self, memory: &impl Memory, address: u64) -> Result<bool, Unmapped> {
        let nr_bytes = self.bytes as usize;
        let mut buffer = [0; CHUNK];
        let (mut found, mut offset) = (0, 0);
        while offset < nr_bytes {
            let chunk = &mut buffer[..CHUNK.min(nr_bytes - offset)];
            memory.read(at(address, offset)?, chunk)?;
            found = sum(found, chunk);
            offset += chunk.len();
        }
        Ok(found == self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_moved_byte_breaks_the_seal() {
        let mut bytes = [7_u8; 2500];
        bytes[100] = 1;
        let seal = Seal::of(3, &bytes);
        let holds = |bytes: &[u8]| seal.holds(&(64, bytes), 64);
        assert_eq!(holds(&bytes), Ok(true));
        for place in [0, 100, 1023, 1024, 2499] {
            let mut other = bytes;
            other[place] ^= 0x40;
            assert_eq!(holds(&other), Ok(false));
        }
        let mut moved = bytes;
        moved.swap(100, 101);
        assert_eq!(holds(&moved), Ok(false));
        assert_eq!(holds(&bytes[1..]), Err(Unmapped));
    }
}
