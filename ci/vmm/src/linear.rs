//! The guest's memory by the linear addresses of one of its CPUs.

use engine::Unmapped;

use crate::memory::Memory;

const PAGE: u64 = 0x1000;

/// What a CPU can read: `physical` says where a linear address lies, if it lies
/// anywhere.
pub struct Linear<'a, F> {
    memory: &'a Memory,
    physical: F,
}

impl<'a, F: Fn(u64) -> Option<u64>> Linear<'a, F> {
    /// Memory as a CPU with these pages sees it.
    pub const fn new(memory: &'a Memory, physical: F) -> Self {
        Self { memory, physical }
    }
}

impl<F: Fn(u64) -> Option<u64>> engine::Memory for Linear<'_, F> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Unmapped> {
        let (mut address, mut rest) = (address, buffer);
        loop {
            let physical = (self.physical)(address).ok_or(Unmapped)?;
            // A page has few bytes.
            let in_page = usize::try_from(PAGE - address % PAGE).unwrap_or(usize::MAX);
            let (chunk, behind) = rest.split_at_mut(in_page.min(rest.len()));
            if !self.memory.get(physical, chunk) {
                return Err(Unmapped);
            }
            if behind.is_empty() {
                return Ok(());
            }
            address = address.checked_add(chunk.len() as u64).ok_or(Unmapped)?;
            rest = behind;
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::Memory as _;

    use super::*;

    #[test]
    fn what_lies_on_two_pages_is_read_from_where_each_lies() {
        let memory = Memory::new(16).unwrap();
        assert!(memory.put(0x5ffe, &[1, 2]) && memory.put(0x9000, &[3, 4]));
        let linear = Linear::new(&memory, |address| match address >> 12 {
            0x40 => Some(0x5000 | address & 0xfff),
            0x41 => Some(0x9000 | address & 0xfff),
            // A page that the guest has put outside of its memory.
            0x42 => Some(0xffff_ffff_ffff_f000),
            _ => None,
        });
        let mut buffer = [0; 4];
        assert_eq!(linear.read(0x4_0ffe, &mut buffer), Ok(()));
        assert_eq!(buffer, [1, 2, 3, 4]);
        for address in [0x4_1ffe, 0x4_2000, 0x3_fffe, u64::MAX] {
            assert_eq!(linear.read(address, &mut buffer), Err(Unmapped));
        }
    }
}
