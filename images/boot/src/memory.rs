//! The RAM that the kernel may have: a small sorted list of page-aligned
//! ranges, out of which the module is cut.

use core::ops::Range;

/// The kernel maps with 4 KiB pages.
const PAGE: u64 = 4096;

/// Ranges beyond this number are left unused; firmware lists about 20.
const MAX_RANGES: usize = 32;

/// Usable RAM.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    ranges: [(u64, u64); MAX_RANGES],
    len: usize,
}

impl Memory {
    pub(crate) const fn new() -> Self {
        Self {
            ranges: [(0, 0); MAX_RANGES],
            len: 0,
        }
    }

    /// Adds a range, cut to whole pages.
    pub(crate) fn add(&mut self, start: u64, size: u64) {
        let start = start.next_multiple_of(PAGE);
        let end = start.max(start.saturating_add(size) / PAGE * PAGE);
        if start < end && self.len < MAX_RANGES {
            self.ranges[self.len] = (start, end);
            self.len += 1;
        }
    }

    /// Takes a range out, with the pages that it touches.
    pub(crate) fn remove(&mut self, hole: &Range<u64>) {
        let hole = hole.start / PAGE * PAGE..hole.end.next_multiple_of(PAGE);
        let before = *self;
        self.len = 0;
        for range in before.iter() {
            if range.end <= hole.start || hole.end <= range.start {
                self.add(range.start, range.end - range.start);
                continue;
            }
            self.add(range.start, hole.start.saturating_sub(range.start));
            self.add(hole.end, range.end.saturating_sub(hole.end));
        }
    }

    /// The first page-aligned place for `size` bytes between two addresses.
    pub(crate) fn find(&self, size: u64, within: &Range<u64>) -> Option<u64> {
        self.iter()
            .map(|range| {
                range.start.max(within.start).next_multiple_of(PAGE)..range.end.min(within.end)
            })
            .find(|place| place.end.saturating_sub(place.start) >= size)
            .map(|place| place.start)
    }

    /// The end of the highest range.
    pub(crate) fn end(&self) -> u64 {
        self.iter().map(|range| range.end).max().unwrap_or(0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ranges[..self.len]
            .iter()
            .map(|&(start, end)| start..end)
    }
}
