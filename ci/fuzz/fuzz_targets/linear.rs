//! Any address that a guest gives for an update, through any pages: what is read is
//! what lies there byte for byte, and nothing of anybody else.

#![no_main]
#![forbid(unsafe_code)]

use std::sync::OnceLock;

use engine::Memory as _;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use vmm::linear::Linear;
use vmm::memory::Memory;

#[derive(Arbitrary, Debug)]
struct Input {
    address: u64,
    size: u16,
    /// Where each of the next pages lies, if anywhere.
    pages: [Option<u64>; 4],
}

fuzz_target!(|input: Input| {
    static MEMORY: OnceLock<Memory> = OnceLock::new();
    let memory = MEMORY.get_or_init(|| {
        let memory = Memory::new(16).expect("the host has so much");
        let bytes: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
        assert!(memory.put(0, &bytes));
        memory
    });
    let first = input.address >> 12;
    let physical = |address: u64| {
        let page = usize::try_from((address >> 12).checked_sub(first)?).ok()?;
        let place = (*input.pages.get(page)?)?;
        Some(place & !0xfff | address & 0xfff)
    };
    let linear = Linear::new(memory, physical);
    let mut whole = vec![0; usize::from(input.size) % 0x3000];
    if linear.read(input.address, &mut whole).is_ok() {
        for (offset, byte) in (0..).zip(&whole) {
            let mut one = [0];
            let address = input.address + offset;
            assert!(memory.get(physical(address).expect("it was read"), &mut one));
            assert_eq!(one[0], *byte);
        }
    }
});
