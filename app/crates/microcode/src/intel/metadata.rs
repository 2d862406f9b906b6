//! The metadata area at the end of an update's data: blocks of a type and a
//! size (Linux `drivers/platform/x86/intel/ifs/load.c`, `find_meta_data`).
//!
//! Type 0 ends the row and type 1 describes an image for the in-field scan.
//! Updates for servers of 2021 and later carry blocks of a type 3 with one
//! dword, which Intel does not describe; it rises from release to release.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The type of the block that ends the row.
pub(crate) const TYPE_END: u32 = 0;

/// What every block begins with.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct BlockHeader {
    pub(crate) block_type: U32,
    /// Size of the block, this header included, in bytes.
    pub(crate) size: U32,
}

/// One block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataBlock<'a> {
    /// What it is.
    pub block_type: u32,
    /// What follows its header.
    pub data: &'a [u8],
}

/// The blocks of an update, the one that ends them left out.
#[derive(Clone, Debug)]
pub struct Metadata<'a> {
    rest: &'a [u8],
    is_sound: bool,
}

impl<'a> Metadata<'a> {
    /// The last `size` bytes of `data`.
    pub(crate) fn of(data: &'a [u8], size: u32) -> Self {
        let start = data.len().checked_sub(size as usize);
        Self {
            rest: start.map(|start| &data[start..]).unwrap_or_default(),
            is_sound: start.is_some(),
        }
    }

    /// Whether the area lies within the data and is a row of blocks.
    pub(crate) fn is_sound(&self) -> bool {
        let mut blocks = self.clone();
        blocks.by_ref().for_each(drop);
        blocks.is_sound
    }
}

impl<'a> Iterator for Metadata<'a> {
    type Item = MetadataBlock<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = core::mem::take(&mut self.rest);
        if rest.is_empty() {
            return None;
        }
        let block = BlockHeader::ref_from_prefix(rest)
            .ok()
            .and_then(|(header, _)| {
                let (block, rest) = rest.split_at_checked(header.size.get() as usize)?;
                let data = block.get(size_of::<BlockHeader>()..)?;
                Some((header.block_type.get(), data, rest))
            });
        match block {
            Some((TYPE_END, ..)) => None,
            Some((block_type, data, rest)) => {
                self.rest = rest;
                Some(MetadataBlock { block_type, data })
            }
            None => {
                self.is_sound = false;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn blocks(dwords: &[u32], size: u32) -> (Vec<(u32, usize)>, bool) {
        let bytes: Vec<u8> = dwords.iter().flat_map(|d| d.to_le_bytes()).collect();
        let metadata = Metadata::of(&bytes, size);
        let found = metadata
            .clone()
            .map(|block| (block.block_type, block.data.len()));
        (found.collect(), metadata.is_sound())
    }

    #[test]
    fn blocks_are_read_up_to_the_one_that_ends_them() {
        let area = [7, 7, 3, 12, 0x10, 1, 16, 1, 2, 0, 8];
        assert_eq!(blocks(&area, 36), (alloc::vec![(3, 4), (1, 8)], true));
        assert_eq!(blocks(&area, 0), (alloc::vec![], true));
    }

    #[test]
    fn what_is_no_row_of_blocks_is_read_as_far_as_it_goes_and_unsound() {
        for (area, size) in [
            (&[3, 12, 1, 3, 4][..], 20),
            (&[3, 12, 1, 3, u32::MAX], 20),
            (&[3, 12, 1, 3], 16),
        ] {
            assert_eq!(blocks(area, size), (alloc::vec![(3, 4)], false));
        }
        assert_eq!(blocks(&[0, 8], 9), (alloc::vec![], false));
    }
}
