//! The vectors' files.

use alloc::vec::Vec;
use core::fmt;

use microcode::Vendor;

use crate::{Access, Reply, msr};

const INTEL: &str = include_str!("intel.txt");
const AMD: &str = include_str!("amd.txt");

/// What one vector shows, and its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vector {
    /// What it shows.
    pub name: &'static str,
    /// In their order.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Line of the file, from 1.
    pub line: usize,
    /// The line itself.
    pub text: &'static str,
    /// Which CPU.
    pub cpu: u32,
    /// What it does; for a load, the address is not known yet.
    pub access: Access,
    /// Which update it loads, if it does.
    pub update: Option<&'static str>,
    /// What it sees.
    pub expected: Reply,
}

/// A line that is none of the grammar's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// The line itself.
    pub text: &'static str,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is no step: {}", self.line, self.text)
    }
}

impl core::error::Error for BadLine {}

/// A vendor's vectors.
pub fn vectors(vendor: Vendor) -> Result<Vec<Vector>, BadLine> {
    parse(match vendor {
        Vendor::Intel => INTEL,
        Vendor::Amd => AMD,
    })
}

fn parse(text: &'static str) -> Result<Vec<Vector>, BadLine> {
    let mut vectors: Vec<Vector> = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let bad = BadLine { line, text };
        if let Some(name) = text.strip_prefix("vector ") {
            let steps = Vec::new();
            vectors.push(Vector { name, steps });
            continue;
        }
        let steps = vectors.last_mut().map(|vector| &mut vector.steps);
        steps.ok_or(bad)?.push(step(line, text).ok_or(bad)?);
    }
    Ok(vectors)
}

fn step(line: usize, text: &'static str) -> Option<Step> {
    let (action, expected) = text.split_once(" => ").unwrap_or((text, "done"));
    let expected = match expected {
        "done" => Reply::Done,
        "gp" => Reply::GpFault,
        value => Reply::Value(number(value)?),
    };
    let mut words = action.strip_prefix("cpu ")?.split(' ');
    let cpu = words.next()?.parse().ok()?;
    let verb = words.next()?;
    let mut update = None;
    let access = match verb {
        "cpuid" => Access::Cpuid,
        "read" => Access::Read(register(words.next()?)?),
        "write" => Access::Write(register(words.next()?)?, number(words.next()?)?),
        "load" => {
            update = Some(words.next()?);
            Access::Write(msr::BIOS_UPDT_TRIG, 0)
        }
        _ => return None,
    };
    words.next().is_none().then_some(Step {
        line,
        text,
        cpu,
        access,
        update,
        expected,
    })
}

fn number(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

fn register(digits: &str) -> Option<u32> {
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_as_they_are_meant() {
        let vectors =
            parse("# x\n\nvector a name\ncpu 3 read 8b => 1f\ncpu 0 load newer => gp\n").unwrap();
        assert_eq!(vectors.len(), 1);
        assert_eq!(vectors[0].name, "a name");
        let [read, load] = vectors[0].steps[..] else {
            panic!("{vectors:?}");
        };
        assert_eq!((read.line, read.cpu), (4, 3));
        assert_eq!(read.access, Access::Read(0x8b));
        assert_eq!(read.expected, Reply::Value(0x1f));
        assert_eq!(
            (load.update, load.expected),
            (Some("newer"), Reply::GpFault)
        );
    }

    #[test]
    fn a_line_of_no_sense_is_named() {
        for text in [
            "cpu 0 cpuid",
            "vector a\ncpu x cpuid",
            "vector a\ncpu 0 jump",
            "vector a\ncpu 0 read",
            "vector a\ncpu 0 read 8b => red",
            "vector a\ncpu 0 cpuid 1",
        ] {
            let bad = parse(text).unwrap_err();
            assert_eq!(bad.line, text.lines().count(), "{text}");
        }
    }
}
