//! What two sets of microcode differ in.
//!
//! An update is known by the CPU that it is for first of all: its vendor, its
//! main signature and its processor flags. What it is called and in which file
//! it lies does not matter, as every distribution packs anew.

use std::collections::BTreeMap;
use std::fmt::Write;

use comfy_table::{Cell, Color};
use serde::Serialize;

use super::list::{Row, list};
use super::{Error, Flags, Hex, Problems, Sources};
use crate::table::{count, table};

/// For whom an update is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    vendor: &'static str,
    signature: Option<Hex>,
    flags: Option<Flags>,
}

/// The side of an update in a difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Side {
    /// Its revision.
    pub revision: Hex,
    /// Its date.
    pub date: String,
    /// Its size in bytes.
    pub size: usize,
    /// Its digest.
    pub sha256: String,
    /// Where it was found.
    pub file: String,
}

/// What one CPU gets in each set.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The CPU's vendor.
    pub vendor: &'static str,
    /// The CPU's signature.
    pub signature: Option<Hex>,
    /// The processor flags.
    pub flags: Option<Flags>,
    /// `added`, `removed`, `newer`, `older` or `altered` (the same revision
    /// with other bytes).
    pub change: &'static str,
    /// In the first set.
    pub a: Option<Side>,
    /// In the second set.
    pub b: Option<Side>,
}

/// The differences of two sets.
#[derive(Debug, Serialize)]
pub struct Diff {
    /// In the order of vendors and signatures.
    pub differences: Vec<Difference>,
    /// How many updates are the same in both.
    pub same: usize,
    /// What could not be read.
    #[serde(skip)]
    pub problems: Problems,
}

/// Compares two sets.
///
/// # Errors
/// One of them could not be read or holds no microcode.
pub fn diff(a: &Sources, b: &Sources) -> Result<Diff, Error> {
    let (a, b) = (list(a)?, list(b)?);
    let [left, right] = [&a.rows, &b.rows].map(|rows| by_cpu(rows));
    let mut result = Diff {
        differences: Vec::new(),
        same: 0,
        problems: a.problems.into_iter().chain(b.problems).collect(),
    };
    let keys: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
    for key in keys {
        let none = BTreeMap::new();
        result.compare(
            key,
            left.get(key).unwrap_or(&none),
            right.get(key).unwrap_or(&none),
        );
    }
    Ok(result)
}

/// The updates for each CPU, by digest: the same update may lie in many files.
fn by_cpu(rows: &[Row]) -> BTreeMap<Key, BTreeMap<String, Side>> {
    let mut by_cpu: BTreeMap<Key, BTreeMap<String, Side>> = BTreeMap::new();
    for row in rows {
        let first = row.signatures.first();
        let key = Key {
            vendor: row.vendor,
            signature: first.map(|first| first.signature),
            flags: first.and_then(|first| first.flags),
        };
        let side = Side {
            revision: row.revision,
            date: row.date.clone(),
            size: row.size,
            sha256: row.sha256.clone(),
            file: row.file.clone(),
        };
        let updates = by_cpu.entry(key).or_default();
        updates.entry(row.sha256.clone()).or_insert(side);
    }
    by_cpu
}

impl Diff {
    /// What is in both is the same; of the rest, updates are paired from the
    /// highest revision down.
    fn compare(&mut self, key: &Key, a: &BTreeMap<String, Side>, b: &BTreeMap<String, Side>) {
        self.same += a.keys().filter(|digest| b.contains_key(*digest)).count();
        let only = |here: &BTreeMap<String, Side>, there: &BTreeMap<String, Side>| {
            let only = here
                .iter()
                .filter(|(digest, _)| !there.contains_key(*digest));
            let mut sides: Vec<Side> = only.map(|(_, side)| side.clone()).collect();
            sides.sort();
            sides
        };
        let (mut a, mut b) = (only(a, b), only(b, a));
        while !a.is_empty() || !b.is_empty() {
            let (a, b) = (a.pop(), b.pop());
            let change = match (&a, &b) {
                (None, _) => "added",
                (_, None) => "removed",
                (Some(a), Some(b)) if a.revision == b.revision => "altered",
                (Some(a), Some(b)) if a.revision < b.revision => "newer",
                _ => "older",
            };
            self.differences.push(Difference {
                vendor: key.vendor,
                signature: key.signature,
                flags: key.flags,
                change,
                a,
                b,
            });
        }
    }

    /// The table and a line of sums.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if !self.differences.is_empty() {
            let titles = [
                "signature",
                "flags",
                "change",
                "A",
                "dated",
                "B",
                "dated",
                "file",
            ];
            let rows = self.differences.iter().map(Difference::cells).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}\n", table(&titles, &[], rows));
        }
        let changes = ["added", "removed", "newer", "older", "altered"].map(|change| {
            let with = self.differences.iter().filter(|d| d.change == change);
            (with.count(), change)
        });
        let changes: Vec<_> = changes
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, change)| format!("{number} {change}"))
            .collect();
        let same = count(self.same, "update");
        let _ = if changes.is_empty() {
            write!(text, "no difference: {same} in both")
        } else {
            write!(text, "{}; {same} the same in both", changes.join(", "))
        };
        text
    }
}

impl Difference {
    fn cells(&self) -> Vec<Cell> {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let color = match self.change {
            "added" | "newer" => Color::Green,
            _ => Color::Red,
        };
        let side = |side: &Option<Side>| {
            let revision = side.as_ref().map(|side| side.revision.to_string());
            let date = side.as_ref().map(|side| side.date.clone());
            [Cell::new(or_dash(revision)), Cell::new(or_dash(date))]
        };
        let file = self.b.as_ref().or(self.a.as_ref());
        // Archives make names long; the JSON has them whole.
        let file = file.and_then(|side| side.file.rsplit(['!', '/']).next());
        let mut cells = vec![
            Cell::new(or_dash(self.signature.map(|s| s.to_string()))),
            Cell::new(or_dash(self.flags.map(|flags| flags.to_string()))),
            Cell::new(self.change).fg(color),
        ];
        cells.extend(side(&self.a));
        cells.extend(side(&self.b));
        cells.push(Cell::new(file.unwrap_or("-")));
        cells
    }
}
