//! The guest's memory, as its CPU sees it.

/// An address that the CPU cannot read, as its page is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmapped;

/// Reads what lies at a linear address of the CPU that makes the access.
pub trait Memory {
    /// Fills `buffer` from `address` on, or not at all.
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Unmapped>;
}

/// Bytes that lie at an address, and nothing else.
impl Memory for (u64, &[u8]) {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Unmapped> {
        let (start, bytes) = *self;
        let offset = address.checked_sub(start).ok_or(Unmapped)?;
        let offset = usize::try_from(offset).map_err(|_| Unmapped)?;
        let end = offset.checked_add(buffer.len()).ok_or(Unmapped)?;
        buffer.copy_from_slice(bytes.get(offset..end).ok_or(Unmapped)?);
        Ok(())
    }
}

/// How much is read at once, in bytes: little enough for a small stack.
const CHUNK: usize = 1024;

/// The sum of the dwords from `address` on. `nr_bytes` is a multiple of 4.
pub(crate) fn sum_of_dwords(
    memory: &impl Memory,
    address: u64,
    nr_bytes: usize,
) -> Result<u32, Unmapped> {
    let mut buffer = [0; CHUNK];
    let (mut sum, mut offset) = (0_u32, 0);
    while offset < nr_bytes {
        let chunk = &mut buffer[..CHUNK.min(nr_bytes - offset)];
        memory.read(at(address, offset)?, chunk)?;
        for dword in chunk.chunks_exact(4) {
            let dword = [dword[0], dword[1], dword[2], dword[3]];
            sum = sum.wrapping_add(u32::from_le_bytes(dword));
        }
        offset += chunk.len();
    }
    Ok(sum)
}

/// The address that lies `offset` bytes behind another.
pub(crate) fn at(address: u64, offset: usize) -> Result<u64, Unmapped> {
    address.checked_add(offset as u64).ok_or(Unmapped)
}

/// Whether the upper bits repeat bit 47, as in every address of four-level
/// paging.
pub(crate) const fn is_canonical(address: u64) -> bool {
    let upper = address.cast_signed() >> 47;
    upper == 0 || upper == -1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_leaves_the_bytes_reads_nothing() {
        let memory = (0x1000, [1, 2, 3, 4].as_slice());
        let mut buffer = [9; 2];
        assert_eq!(memory.read(0x1002, &mut buffer), Ok(()));
        assert_eq!(buffer, [3, 4]);
        for address in [0xfff, 0x1003, 0, u64::MAX] {
            assert_eq!(memory.read(address, &mut buffer), Err(Unmapped));
        }
    }

    #[test]
    fn a_sum_goes_over_chunks_and_wraps() {
        let mut bytes = [0_u8; 3000];
        bytes[0] = 2;
        bytes[2996..].fill(0xff);
        assert_eq!(sum_of_dwords(&(8, bytes.as_slice()), 8, 3000), Ok(1));
        assert_eq!(
            sum_of_dwords(&(8, bytes.as_slice()), 8, 3004),
            Err(Unmapped)
        );
        let end = u64::MAX - 7;
        assert_eq!(
            sum_of_dwords(&(end, bytes.as_slice()), end, 3000),
            Err(Unmapped)
        );
    }

    #[test]
    fn canonical_addresses_are_the_two_ends() {
        assert!(is_canonical(0x7fff_ffff_ffff));
        assert!(is_canonical(0xffff_8000_0000_0000));
        assert!(!is_canonical(0x8000_0000_0000));
        assert!(!is_canonical(0xdead_beef_dead_beef));
    }
}
