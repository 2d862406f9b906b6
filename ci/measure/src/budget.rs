//! How long a machine may stand still in a load: what its protocol allows at the
//! worst, what is to be expected, and what is patient for so long.

mod limit;
#[cfg(test)]
mod tests;
mod worst;

use std::fmt;

use rendezvous::{Name, Named, OnHang, Outcome};
use serde::{Serialize, Serializer};

pub use limit::{Limit, LimitError, Us};

use crate::simulated::{Setting, SimulatedError, iteration, records};

/// The widest line of a budget's text, in columns.
const WIDTH: usize = 100;
/// Why nothing is expected.
const TOO_SHORT: &str = "Nothing is expected: in simulated loads, where nothing goes wrong, a \
                         time-out is too short for the calls or for such a write.";
/// Where the sentences begin.
const INDENT: usize = 14;

/// The time that a load on one machine may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// The protocol.
    #[serde(serialize_with = "by_name")]
    pub protocol: Name,
    /// The machine, in words.
    pub machine: String,
    /// The longest way of a CPU through the protocol, in the order of its parts.
    pub parts: Vec<Part>,
    /// Their sum, from a CPU's call-in to its leaving, if its own write ends in time.
    /// What it does between its waits, some µs, comes on top; where that alone is more,
    /// as much as is expected.
    #[serde(rename = "worst_us")]
    pub worst: Us,
    /// For how long of that it stands still, with interrupts off.
    #[serde(rename = "stopped_us")]
    pub stopped: Us,
    /// What becomes of a CPU that is not back in time.
    pub on_time_out: &'static str,
    /// What is to be expected where nothing goes wrong: the median of the simulated
    /// loads' stalls, rounded up. None if even so a CPU's time was over too early.
    #[serde(rename = "expected_us")]
    pub expected: Option<Us>,
    /// Each limit, and whether it is kept.
    pub limits: Vec<Kept>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn by_name<S: Serializer>(name: &Name, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.name())
}

/// A part of the longest way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// How long it may take.
    #[serde(rename = "at_most_us")]
    pub at_most: Us,
    /// Why, as sentences.
    pub why: String,
}

/// A limit held against a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The limit.
    pub limit: Limit,
    /// Whether no CPU stands still for longer than that at the worst.
    pub at_worst: bool,
    /// Whether the expected stall is within it; of a protocol that does not stop the
    /// CPUs that wait, one write. None if nothing is to be expected.
    pub as_expected: Option<bool>,
}

impl Budget {
    /// The budget of a setting. What is to be expected is simulated as often as
    /// `nr_loads` says, at least once.
    pub fn new(setting: &Setting, limits: &[Limit], nr_loads: u32) -> Result<Self, SimulatedError> {
        let expected = expected(setting, nr_loads.max(1))?;
        let worst::Worst { parts, stopped } = worst::worst(setting);
        // For how long a CPU then stands still.
        let still = if worst::stops_all(setting) {
            expected
        } else {
            expected.and(Some(stopped))
        };
        let stopped = stopped.max(still.unwrap_or_default());
        let kept = |limit: &Limit| Kept {
            at_worst: stopped <= limit.at_most,
            as_expected: still.map(|still| still <= limit.at_most),
            limit: limit.clone(),
        };
        Ok(Self {
            protocol: setting.protocol,
            machine: machine(setting),
            worst: worst::total(&parts).max(expected.unwrap_or_default()),
            stopped,
            parts,
            on_time_out: worst::on_time_out(setting),
            expected,
            limits: limits.iter().map(kept).collect(),
        })
    }
}

/// The median stall of so many loads, if no CPU's time is over in any of them.
fn expected(setting: &Setting, nr_loads: u32) -> Result<Option<Us>, SimulatedError> {
    // So it is said where a CPU is missed.
    let mut setting = setting.clone();
    setting.options.on_hang = OnHang::Panic;
    let loads = match records(&setting, nr_loads) {
        Err(SimulatedError::Panicked { .. }) => return Ok(None),
        loads => loads?,
    };
    let is_over = |outcome| matches!(outcome, Outcome::Late | Outcome::Aborted | Outcome::Hung);
    if loads.iter().flatten().any(|cpu| is_over(cpu.outcome)) {
        return Ok(None);
    }
    let stall = |load: &Vec<_>| iteration(&setting, load).stall();
    let mut stalls: Vec<_> = loads.iter().filter_map(stall).collect();
    stalls.sort_unstable();
    let median_ns = stalls.get(stalls.len() / 2);
    Ok(median_ns.map(|ns| Us(ns.div_ceil(1000))))
}

fn machine(setting: &Setting) -> String {
    let several = |number: u32, what: &str| match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    };
    format!(
        "{}: {} of {} of {}; a write takes {}",
        several(setting.nr_cpus(), "CPU"),
        several(setting.nr_packages, "package"),
        several(setting.nr_cores, "core"),
        several(setting.nr_threads, "thread"),
        Us(setting.load_us)
    )
}

impl Kept {
    fn words(&self, budget: &Budget) -> String {
        let Self {
            limit,
            at_worst,
            as_expected,
        } = self;
        let at_most = limit.at_most;
        let apart = Us(at_most.0.abs_diff(budget.stopped.0));
        let words = match (at_worst, as_expected) {
            (true, _) => format!("is kept even at the worst, with {apart} to spare."),
            (false, Some(true)) => {
                format!("is kept as expected, and broken by {apart} at the worst.")
            }
            (false, Some(false)) => "is broken even where nothing goes wrong.".to_owned(),
            (false, None) => format!("is broken by {apart} at the worst."),
        };
        format!("{}'s limit of {at_most} {words}", limit.name)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = format!("{} on {}", self.protocol.name(), self.machine);
        line(f, 0, "", &title)?;
        match self.expected {
            Some(expected) => line(f, INDENT, &expected.to_string(), "expected, simulated")?,
            None => line(f, INDENT, "", TOO_SHORT)?,
        }
        let why = "at the worst, by its time-outs: others come late or write for too long";
        line(f, INDENT, &self.worst.to_string(), why)?;
        for part in &self.parts {
            line(f, INDENT, &format!("  {}", part.at_most), &part.why)?;
        }
        if self.stopped < self.worst {
            let why = "of that a CPU stands still; one that only waits runs on";
            line(f, INDENT, &self.stopped.to_string(), why)?;
        }
        line(f, INDENT, "", self.on_time_out)?;
        for kept in &self.limits {
            let is_kept = if kept.at_worst { "kept" } else { "BROKEN" };
            line(f, INDENT, is_kept, &kept.words(self))?;
        }
        Ok(())
    }
}

/// Writes a label and a text behind it, broken into lines that all begin at
/// `indent`.
fn line(f: &mut fmt::Formatter<'_>, indent: usize, label: &str, text: &str) -> fmt::Result {
    let mut row = format!("{label:indent$}");
    let mut is_first = true;
    for word in text.split_whitespace() {
        let width = row.chars().count() + 1 + word.chars().count();
        if !is_first && width > WIDTH {
            writeln!(f, "{row}")?;
            row = " ".repeat(indent);
            is_first = true;
        }
        if !is_first {
            row.push(' ');
        }
        row.push_str(word);
        is_first = false;
    }
    writeln!(f, "{}", row.trim_end())
}
