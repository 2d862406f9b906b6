//! What every scan promises, as a check that property tests and fuzzers hold
//! against any bytes. The guest has no use for it.

use crate::{Candidate, Finding, Scan};
use alloc::string::ToString;
use core::fmt;

/// A promise that a scan did not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The promise.
    pub promise: &'static str,
    /// Where it was broken, in bytes from the start of what was scanned.
    pub offset: usize,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "offset {:#x}: it is not so that {}",
            self.offset, self.promise
        )
    }
}

impl core::error::Error for Broken {}

/// Whether a scan of `bytes` keeps what [`Scan`] and [`Candidate`] promise.
///
/// # Errors
/// The first promise that is broken.
pub fn check(bytes: &[u8], scan: &Scan<'_>) -> Result<(), Broken> {
    let mut end = 0;
    for (index, candidate) in (0..).zip(&scan.candidates) {
        let offset = candidate.offset;
        let hold = |kept, promise| hold(kept, promise, offset);
        hold(candidate.index == index, "candidates are numbered in order")?;
        hold(offset >= end, "candidates do not overlap")?;
        let update = candidate.update.bytes();
        end = offset.saturating_add(update.len());
        hold(
            bytes.get(offset..end) == Some(update),
            "a candidate is a view of the bytes at its offset",
        )?;
        hold(
            damage_found(candidate, &scan.findings) == candidate.damage(),
            "damage and a finding come together",
        )?;
        hold(
            candidate.damage().is_some() || candidate.update.is_whole(),
            "what is sound is whole",
        )?;
    }
    for finding in &scan.findings {
        let offset = finding.offset;
        hold(
            offset <= bytes.len(),
            "a finding is within the bytes",
            offset,
        )?;
        hold(
            !finding.to_string().is_empty(),
            "a finding says something",
            offset,
        )?;
    }
    Ok(())
}

fn hold(kept: bool, promise: &'static str, offset: usize) -> Result<(), Broken> {
    if kept {
        Ok(())
    } else {
        Err(Broken { promise, offset })
    }
}

/// The damage that the findings at a candidate's offset come to.
fn damage_found(candidate: &Candidate<'_>, findings: &[Finding]) -> Option<crate::Damage> {
    findings
        .iter()
        .filter(|finding| finding.offset == candidate.offset)
        .filter_map(|finding| finding.kind.damage())
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FindingKind, scan, synth};
    use alloc::vec::Vec;

    fn files() -> Vec<u8> {
        let cut = synth::intel(1, 1, 2).defect(synth::Defect::Cut);
        [synth::intel(1, 1, 1).build(), cut.build()].concat()
    }

    fn broken(spoil: impl FnOnce(&mut Scan<'_>)) -> &'static str {
        let bytes = files();
        let mut scan = scan(&bytes);
        spoil(&mut scan);
        check(&bytes, &scan).map_or_else(|broken| broken.promise, |()| "kept")
    }

    #[test]
    fn each_broken_promise_is_noticed() {
        assert_eq!(broken(|_| ()), "kept");
        for (promise, told) in [
            ("numbered", broken(|scan| scan.candidates[1].index = 0)),
            ("overlap", broken(|scan| scan.candidates[1].offset = 2047)),
            ("a view", broken(|scan| scan.candidates[1].offset += 1)),
            ("come together", broken(|scan| scan.findings.clear())),
            (
                "come together",
                broken(|scan| scan.candidates[0].defect = Some(FindingKind::Checksum { sum: 1 })),
            ),
            (
                "whole",
                broken(|scan| {
                    scan.candidates[1].defect = None;
                    scan.findings.clear();
                }),
            ),
            (
                "within",
                broken(|scan| {
                    let beyond = Finding {
                        offset: 9999,
                        ..scan.findings[0]
                    };
                    scan.findings.push(beyond);
                }),
            ),
        ] {
            assert!(told.contains(promise), "{promise}: {told}");
        }
    }
}
