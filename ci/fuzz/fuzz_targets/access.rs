//! Any accesses of the model's registers by a guest under the monitor, on its
//! memory: each comes back with an answer, and the guest's memory stays as it was.

#![no_main]
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::OnceLock;

use engine::{Access, Engine, msr};
use libfuzzer_sys::fuzz_target;
use muster_fuzz::accesses::{Input, NR_CPUS, START};
use stand_in::{Effect, StandIn};
use vmm::linear::Linear;
use vmm::memory::Memory;

/// As much of an input as is put into memory.
const MAX_BYTES: usize = 0x8000;
/// Pages from there on lie at the place of those before.
const AGAIN: u64 = START + 0x2000;

fuzz_target!(|input: Input<'_>| {
    static MEMORY: OnceLock<Memory> = OnceLock::new();
    let memory = MEMORY.get_or_init(|| Memory::new(16).expect("the host has so much"));
    let mut bytes = input.memory();
    bytes.resize(MAX_BYTES, 0);
    assert!(memory.put(START, &bytes));
    let engine = Engine::new(input.config()).expect("the configuration is sound");
    let cpus = StandIn::create(engine, Path::new("/dev/null"), "fuzzer").expect("it is there");
    let vendor = input.vendor();
    let linear = Linear::new(memory, |address| {
        (address >= START).then(|| address - if address >= AGAIN { AGAIN - START } else { 0 })
    });
    for step in &input.steps {
        let Some((cpu, access)) = step.access(vendor) else {
            continue;
        };
        let before: Vec<_> = (0..NR_CPUS).map(|n| cpus.engine().revision(n)).collect();
        let effect = cpus.access(cpu, access, &linear);
        let is_load = matches!(
            access,
            Access::Write(msr::BIOS_UPDT_TRIG | msr::PATCH_LOADER, _)
        );
        let after = (0..NR_CPUS).map(|n| cpus.engine().revision(n));
        assert!(
            is_load && effect == Effect::Done || after.eq(before),
            "{access:?}"
        );
        assert_ne!(effect, Effect::Hung, "no fault is planned");
    }
    let mut now = vec![0; MAX_BYTES];
    assert!(memory.get(START, &mut now) && now == bytes);
});
