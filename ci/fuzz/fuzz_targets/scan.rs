//! Any bytes: a scan keeps its promises, whosever rules it goes by.

#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use microcode::Profile;
use muster_fuzz::scanned_as;

fuzz_target!(|bytes: &[u8]| {
    for profile in Profile::ALL {
        let _ = scanned_as(bytes, profile);
    }
});
