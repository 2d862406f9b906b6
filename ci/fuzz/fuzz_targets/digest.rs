//! Any text as a list of digests: what was read is found again, and a text
//! that is none is refused with a line that it has.

#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use microcode::DigestList;

fuzz_target!(|text: &str| {
    match DigestList::parse(text) {
        Err(error) => {
            assert!((1..=text.lines().count()).contains(&error.line));
            assert!(!error.to_string().is_empty());
        }
        Ok(list) => {
            for line in text.lines() {
                let line = line.split('#').next().unwrap_or_default();
                let mut words = line.split_whitespace();
                let (Some(first), Some(second)) = (words.next(), words.next()) else {
                    continue;
                };
                let number = |word: &str| {
                    let digits = word.strip_prefix("0x").unwrap_or(word);
                    u32::from_str_radix(digits, 16).expect("it was read as one")
                };
                if first == "cutoff" {
                    assert_eq!(list.cutoff(number(second)), Some(number(second)));
                } else {
                    let digest = list.digest(number(first)).expect("it was read");
                    let digits = digest.map(|byte| format!("{byte:02x}")).concat();
                    assert_eq!(digits, second.to_ascii_lowercase());
                }
            }
        }
    }
});
