//! Any bytes where an initrd has Intel's updates: what is called sound obeys
//! the format's rules, counted again.

#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use microcode::intel::{HEADER_SIZE, TOTAL_SIZE_STEP};
use microcode::{Candidate, Update, Vendor};
use muster_fuzz::{repair, scan_file};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// Whether the sums are made right first.
    repair: bool,
    file: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let mut file = input.file.to_vec();
    if input.repair {
        repair(&mut file);
    }
    scan_file(Vendor::Intel, &file, look);
});

fn look(candidate: &Candidate<'_>) {
    let Update::Intel(update) = candidate.update else {
        panic!("{candidate:?} is not Intel's");
    };
    let targets = update.targets().count();
    assert_eq!(targets, update.entries().len() + 1);
    if candidate.damage().is_none() {
        let (summed, table) = update.bytes().split_at(HEADER_SIZE + update.data().len());
        assert_eq!((sum(summed), sum(table)), (0, 0));
        assert!(update.bytes().len().is_multiple_of(TOTAL_SIZE_STEP));
        assert_eq!(update.header().loader_version.get(), 1);
        let nr_metadata: usize = update.metadata().map(|block| 8 + block.data.len()).sum();
        assert!(nr_metadata <= update.data().len());
    }
}

fn sum(bytes: &[u8]) -> u32 {
    let (dwords, _) = bytes.as_chunks();
    dwords
        .iter()
        .fold(0, |sum, &dword| sum.wrapping_add(u32::from_le_bytes(dword)))
}
