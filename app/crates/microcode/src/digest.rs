//! AMD's list of known patches.
//!
//! CPUs of families 17h, 19h and parts of 1Ah accept patches that somebody
//! else than AMD signed (CVE-2024-56161), until a revision that mends it. Xen
//! and Linux therefore compare each patch with a list of SHA-256 digests. The
//! list is data, kept in a file of lines:
//!
//! ```text
//! # a comment
//! 0x0a0011d5 5c2d1be2…            a patch id and the digest of the patch, header included
//! cutoff 0x0a0011da               after this level the CPU checks better signatures
//! ```
//!
//! A CPU at or below its cutoff is given listed patches alone, and none that
//! is beyond it; a CPU beyond it is given only such, and needs no digest
//! (Linux `need_sha_check` and `verify_patch`). A CPU without a cutoff line
//! counts as below.

use crate::{CpuKind, Reason, amd};
use alloc::vec::Vec;
use core::fmt;

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// The list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DigestList {
    /// Patch ids in order, each with its digest.
    digests: Vec<(u32, Digest)>,
    /// One level for each CPU.
    cutoffs: Vec<u32>,
}

/// A line that is none of a list's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, problem } = self;
        write!(
            f,
            "line {line}: {problem}; a line is a patch id and 64 hexadecimal digits, or `cutoff` \
             and a level"
        )
    }
}

impl core::error::Error for DigestError {}

impl DigestList {
    /// Reads a list.
    ///
    /// # Errors
    /// The first line that is neither empty nor as the module describes, or
    /// that contradicts one before it.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let mut list = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line_text = line.split('#').next().unwrap_or_default();
            list.read(line_text).map_err(|problem| DigestError {
                line: index + 1,
                problem,
            })?;
        }
        Ok(list)
    }

    fn read(&mut self, line: &str) -> Result<(), &'static str> {
        let mut words = line.split_whitespace();
        let (Some(first), second) = (words.next(), words.next()) else {
            return Ok(());
        };
        let second = second.ok_or("only one word")?;
        if words.next().is_some() {
            return Err("more than two words");
        }
        if first == "cutoff" {
            let level = number(second).ok_or("the level is no hexadecimal number")?;
            if self.cutoff(level).is_some_and(|known| known != level) {
                return Err("a second cutoff for the same CPU");
            }
            self.cutoffs.push(level);
            return Ok(());
        }
        let id = number(first).ok_or("the patch id is no hexadecimal number")?;
        let digest = digest(second).ok_or("the digest is not 64 hexadecimal digits")?;
        match self.digests.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(place) if self.digests[place].1 != digest => Err("a second digest for this patch"),
            Ok(_) => Ok(()),
            Err(place) => {
                self.digests.insert(place, (id, digest));
                Ok(())
            }
        }
    }

    /// The digest of a patch.
    #[must_use]
    pub fn digest(&self, patch_id: u32) -> Option<&Digest> {
        let place = self
            .digests
            .binary_search_by_key(&patch_id, |(id, _)| *id)
            .ok()?;
        Some(&self.digests[place].1)
    }

    /// The cutoff of the CPU that shows `level`: all but the last byte of a
    /// level name the CPU.
    #[must_use]
    pub fn cutoff(&self, level: u32) -> Option<u32> {
        let of_this_cpu = |cutoff: &&u32| **cutoff >> 8 == level >> 8;
        self.cutoffs.iter().find(of_this_cpu).copied()
    }
}

fn number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| is_plain)
}

fn digest(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(digest)
}

/// A list and the means to compare a patch with it. This library brings no
/// SHA-256: who wants the check has one.
#[derive(Clone, Copy, Debug)]
pub struct DigestCheck<'a> {
    /// The list.
    pub list: &'a DigestList,
    /// SHA-256.
    pub sha256: fn(&[u8]) -> Digest,
}

impl DigestCheck<'_> {
    /// Why the patch is refused on `cpu`, if it is.
    pub(crate) fn refusal(&self, patch: &amd::Patch<'_>, cpu: &CpuKind) -> Option<Reason> {
        if !takes_forged_patches(cpu.signature) {
            return None;
        }
        let patch_id = patch.header().patch_id.get();
        if let Some(cutoff) = self.list.cutoff(cpu.revision) {
            if (cpu.revision > cutoff) != (patch_id > cutoff) {
                return Some(Reason::DigestCutoff { cutoff });
            }
            if cpu.revision > cutoff {
                return None;
            }
        }
        match self.list.digest(patch_id) {
            None => Some(Reason::DigestUnknown),
            Some(known) if *known == (self.sha256)(patch.bytes()) => None,
            Some(_) => Some(Reason::DigestDiffers),
        }
    }
}

/// Whether CPUs with this signature were sold that take forged patches (Linux
/// `cpu_has_entrysign`).
#[must_use]
pub fn takes_forged_patches(signature: u32) -> bool {
    let model = signature >> 4 & 0xf | signature >> 12 & 0xf0;
    match amd::family(signature) {
        0x17 | 0x19 => true,
        0x1a => matches!(model, 0..=0x2f | 0x40..=0x4f | 0x60..=0x7f),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Policy, Vendor, judge, scan, synth};
    use alloc::format;
    use alloc::string::ToString;

    const ZEN3: u32 = 0x00a0_0f11;

    /// Stands in for SHA-256: what matters is that it is the list's.
    fn fake_sha256(bytes: &[u8]) -> Digest {
        let sum = bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
        [sum; 32]
    }

    fn judged(list: &str, level: u32, current: u32) -> Reason {
        let list = DigestList::parse(list).expect("it is a list");
        let bytes = synth::amd(ZEN3, 0x0a00_1100 + level).build();
        let cpu = CpuKind {
            revision: 0x0a00_1100 + current,
            ..CpuKind::new(Vendor::Amd, ZEN3)
        };
        let policy = Policy {
            digests: Some(DigestCheck {
                list: &list,
                sha256: fake_sha256,
            }),
            ..Policy::default()
        };
        judge(&scan(&bytes), &cpu, &policy)[0]
    }

    fn line(level: u32) -> alloc::string::String {
        let bytes = synth::amd(ZEN3, 0x0a00_1100 + level).build();
        let scan = scan(&bytes);
        let digest = fake_sha256(scan.candidates[0].update.bytes());
        let digits = digest.map(|byte| format!("{byte:02x}")).concat();
        format!("{:#010x} {digits} # known\n", 0x0a00_1100 + level)
    }

    #[test]
    fn only_listed_patches_are_given_to_a_cpu_that_takes_forged_ones() {
        assert_eq!(judged(&line(0xd5), 0xd5, 1), Reason::Chosen);
        assert_eq!(judged(&line(0xd5), 0xd6, 1), Reason::DigestUnknown);
        let forged = line(0xd5).replace("0x0a0011d5", "0x0a0011d6");
        assert_eq!(judged(&forged, 0xd6, 1), Reason::DigestDiffers);
    }

    #[test]
    fn a_cutoff_parts_two_worlds_of_signatures() {
        let cutoff = 0x0a00_11da;
        let list = line(0xd5) + "cutoff 0x0a0011da\n";
        assert_eq!(judged(&list, 0xd5, 1), Reason::Chosen);
        assert_eq!(judged(&list, 0xde, 1), Reason::DigestCutoff { cutoff });
        assert_eq!(judged(&list, 0xde, 0xdb), Reason::Chosen);
        // Another CPU's cutoff does not count.
        let other = line(0xd5) + "cutoff 0x0a0012da\n";
        assert_eq!(judged(&other, 0xde, 1), Reason::DigestUnknown);
    }

    #[test]
    fn the_cutoff_itself_belongs_to_the_older_world() {
        let cutoff = 0x0a00_11da;
        let list = line(0xda) + "cutoff 0x0a0011da\n";
        assert_eq!(judged(&list, 0xda, 1), Reason::Chosen);
        assert_eq!(judged(&list, 0xdb, 0xda), Reason::DigestCutoff { cutoff });
        // Beyond it no digest is asked for, not even of the first level.
        assert_eq!(judged(&list, 0xdc, 0xdb), Reason::Chosen);
        let policy_of_the_cutoff = judged(&(line(0xd5) + "cutoff 0x0a0011d4\n"), 0xd5, 0xd4);
        assert_eq!(
            policy_of_the_cutoff,
            Reason::DigestCutoff {
                cutoff: 0x0a00_11d4
            }
        );
    }

    #[test]
    fn every_digit_of_a_digest_is_read() {
        let text = "00112233445566778899aabbccddeeff0123456789abcdef02468ace13579bdf";
        let list = DigestList::parse(&format!("5 {text}")).expect("it is a list");
        let read = list.digest(5).expect("it is there");
        assert_eq!(read.map(|byte| format!("{byte:02x}")).concat(), text);
        for length in [62, 63, 65, 66] {
            let digits = "a".repeat(length);
            assert!(
                DigestList::parse(&format!("5 {digits}")).is_err(),
                "{length}"
            );
        }
    }

    #[test]
    fn cpus_that_take_no_forged_patches_need_no_list() {
        for (signature, takes) in [
            (0x0080_0f12, true),
            (0x00b0_0f21, true),
            (0x00b3_0f00, false),
            (0x00b6_0f00, true),
            (0x0060_0f12, false),
        ] {
            assert_eq!(takes_forged_patches(signature), takes, "{signature:#x}");
        }
    }

    #[test]
    fn a_line_that_is_none_is_refused_with_its_number() {
        let digest = "ab".repeat(32);
        for (text, problem) in [
            ("0x1", "one word"),
            ("cutoff 5 6", "two words"),
            ("cutoff +5", "level"),
            ("xyz abc", "patch id"),
            ("0x1 abc", "64"),
            ("cutoff 0x0a001101\ncutoff 0x0a001102", "second cutoff"),
        ] {
            let text = format!("\n# fine\n0x2 {digest}\n{text}\n");
            let error = DigestList::parse(&text).unwrap_err();
            assert!(error.line >= 4, "{text}");
            assert!(error.to_string().contains(problem), "{error}");
        }
        let twice = format!("2 {digest}\n2 {digest}\n2 {}", "cd".repeat(32));
        assert_eq!(DigestList::parse(&twice).unwrap_err().line, 3);
    }
}
