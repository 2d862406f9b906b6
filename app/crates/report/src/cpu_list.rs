//! CPUs by their numbers, short enough for a line: `all`, `0-3,8,10-12`.

use core::fmt::{self, Display};
use core::ops::RangeInclusive;

use crate::logfmt::Value;

/// Which CPUs a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuList<'a> {
    /// All that are up.
    All,
    /// These.
    Some(CpuRanges<'a>),
}

/// Ranges of CPUs, as they stand in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuRanges<'a>(&'a str);

/// The most ranges in one line; more CPUs take another line.
pub const MAX_RANGES: usize = 12;

const ALL: &str = "all";

impl<'a> CpuRanges<'a> {
    /// Reads ranges; `None` unless they rise and do not touch.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let mut free_from = 0;
        for range in text.split(',') {
            let range = range_of(range)?;
            if u64::from(*range.start()) < free_from || range.is_empty() {
                return None;
            }
            free_from = u64::from(*range.end()) + 2;
        }
        Some(Self(text))
    }

    /// The ranges, in their order.
    pub fn ranges(self) -> impl Iterator<Item = RangeInclusive<u32>> + 'a {
        self.0.split(',').filter_map(range_of)
    }
}

fn range_of(text: &str) -> Option<RangeInclusive<u32>> {
    // A sign would be a number as well.
    let is_plain = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text| Some(text).filter(is_plain)?.parse::<u32>().ok();
    match text.split_once('-') {
        Some((first, last)) => Some(number(first)?..=number(last)?),
        None => number(text).map(|only| only..=only),
    }
}

impl CpuList<'_> {
    /// Whether the CPU of that number is one of them.
    #[must_use]
    pub fn has(self, cpu: u32) -> bool {
        match self {
            Self::All => true,
            Self::Some(ranges) => ranges.ranges().any(|range| range.contains(&cpu)),
        }
    }
}

impl<'a> Value<'a> for CpuList<'a> {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => ALL,
            Self::Some(ranges) => ranges.0,
        })
    }

    fn read(text: &'a str) -> Option<Self> {
        match text {
            ALL => Some(Self::All),
            _ => CpuRanges::read(text).map(Self::Some),
        }
    }
}

/// The ranges of numbers that rise.
pub fn ranges(cpus: impl IntoIterator<Item = u32>) -> impl Iterator<Item = RangeInclusive<u32>> {
    let mut cpus = cpus.into_iter().peekable();
    core::iter::from_fn(move || {
        let first = cpus.next()?;
        let mut last = first;
        while let Some(next) = cpus.next_if(|&next| last.checked_add(1) == Some(next)) {
            last = next;
        }
        Some(first..=last)
    })
}

/// Ranges as a line has them.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a [RangeInclusive<u32>]);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, range) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let (first, last) = (range.start(), range.end());
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::BTreeSet;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_that_are_none_are_no_list() {
        for text in [
            "",
            ",",
            "1,",
            "a",
            "1-",
            "-1",
            "3-2",
            "1,1",
            "1,2",
            "2,1",
            "0-3,4",
            "+1",
            "0-+1",
            "4294967296",
            "1-2-3",
            "ALL",
        ] {
            assert_eq!(CpuList::read(text), None, "{text:?}");
        }
        assert_eq!(CpuList::read("all"), Some(CpuList::All));
        assert!(CpuList::read("0-4294967295").is_some_and(|list| list.has(9)));
    }

    proptest! {
        #[test]
        fn cpus_are_read_as_they_are_written(
            cpus in proptest::collection::btree_set(0..200_u32, 1..60)
        ) {
            let all: Vec<_> = ranges(cpus.iter().copied()).collect();
            let text = Shown(&all).to_string();
            let list = CpuList::read(&text).unwrap();
            let read: BTreeSet<u32> = (0..300).filter(|&cpu| list.has(cpu)).collect();
            prop_assert_eq!(read, cpus);
            prop_assert!(CpuRanges(&text).ranges().eq(all));
        }

        #[test]
        fn no_text_makes_the_reader_fail(text in any::<String>()) {
            let _ = CpuList::read(&text).map(|list| list.has(7));
        }
    }
}
