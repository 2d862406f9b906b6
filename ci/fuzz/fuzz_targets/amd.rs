//! Any bytes where an initrd has AMD's containers: every patch has its header
//! and names CPUs as its id and its table allow.

#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use microcode::amd::{HEADER_SIZE, signature_of_patch_id};
use microcode::{Candidate, Update, Vendor};
use muster_fuzz::scan_file;

fuzz_target!(|file: &[u8]| scan_file(Vendor::Amd, file, look));

fn look(candidate: &Candidate<'_>) {
    let Update::Amd(patch) = candidate.update else {
        panic!("{candidate:?} is not AMD's");
    };
    assert!(patch.bytes().len() >= HEADER_SIZE);
    assert!(patch.size() >= patch.bytes().len());
    match signature_of_patch_id(patch.header().patch_id.get()) {
        Some(signature) => assert!(patch.signatures().eq([signature])),
        None => assert!(patch.signatures().count() <= patch.table().len()),
    }
}
