//! Any bytes as an image for the monitor: it is refused with a sentence, or lies in
//! memory with its entry's notes read and nothing but its CPUIDs changed.

#![no_main]
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use vmm::image;
use vmm::memory::Memory;

fuzz_target!(|bytes: &[u8]| {
    static MEMORY: OnceLock<Memory> = OnceLock::new();
    let memory = MEMORY.get_or_init(|| Memory::new(16).expect("the host has so much"));
    match image::place(Path::new("image"), bytes, memory) {
        Ok(loaded) => assert!(loaded.end <= memory.nr_bytes()),
        Err(error) => assert!(error.to_string().starts_with("image: ")),
    }
});
