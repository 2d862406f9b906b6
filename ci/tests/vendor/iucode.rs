//! Intel's set as `iucode_tool` lists it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;

use muster::blob::list::{Row, list};
use muster::blob::{Flags, Hex, Sources};
use muster::setup;

use super::sets::{self, Outcome, Stop, failed};

/// An update as both list it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    file: String,
    /// The main signature and flags, then the extended table's.
    signatures: Vec<(Hex, Flags)>,
    revision: Hex,
    date: String,
    size: usize,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            revision,
            date,
            size,
            ..
        } = self;
        write!(f, "{file}: revision {revision}, {date}, {size} bytes, for")?;
        self.signatures
            .iter()
            .try_for_each(|(signature, flags)| write!(f, " {signature}:{flags}"))
    }
}

impl From<Row> for Listed {
    fn from(row: Row) -> Self {
        let flags = |flags: Option<Flags>| flags.unwrap_or(Flags(0));
        let signatures = row.signatures.iter().map(|s| (s.signature, flags(s.flags)));
        Self {
            signatures: signatures.collect(),
            file: row.file,
            revision: row.revision,
            date: row.date,
            size: row.size,
        }
    }
}

pub(super) fn listed_alike() -> Outcome {
    let set = sets::intel()?;
    let program = setup::iucode_tool()
        .map_err(|missing| Stop::Skipped(missing.to_string().replace('\n', "; ")))?;
    let output = Command::new(&program)
        .args(["-tb", "-L"])
        .arg(&set.folder)
        .env("LC_ALL", "C")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let (program, folder) = (program.display(), set.folder.display());
        let status = output.status;
        return Err(failed(format!(
            "{program} -tb -L {folder}: {status}: {said}"
        )));
    }
    let theirs = parse(&String::from_utf8(output.stdout)?)?;
    let rows = list(&Sources::new(vec![set.folder.clone()]))?.rows;
    let ours: Vec<_> = rows.into_iter().map(Listed::from).collect();

    // How often each is in ours, less how often it is in theirs.
    let mut balance = BTreeMap::<_, isize>::new();
    for one in &ours {
        *balance.entry(one).or_default() += 1;
    }
    for one in &theirs {
        *balance.entry(one).or_default() -= 1;
    }
    let lines = balance
        .iter()
        .filter_map(|(one, difference)| match difference {
            1.. => Some(format!("only muster:      {one}")),
            0 => None,
            ..0 => Some(format!("only iucode_tool: {one}")),
        });
    sets::none_of(&lines.collect::<Vec<_>>())?;
    let nr_signatures: usize = theirs.iter().map(|one| one.signatures.len()).sum();
    Ok(format!(
        "the same {} updates with {nr_signatures} signature entries",
        theirs.len()
    ))
}

/// Reads a listing: a line for each file, below it one for each update, below
/// that one for each entry of its extended table.
///
/// ```text
/// microcode bundle 7: /lib/firmware/intel-ucode/06-8f-08
///   007/001: sig 0x000806f8, pf_mask 0x87, 2025-08-25, rev 0x2b000661, size 595968
///            sig 0x000806f7, pf_mask 0x87, 2025-08-25, rev 0x2b000661
/// ```
fn parse(text: &str) -> Result<Vec<Listed>, Stop> {
    let mut all: Vec<Listed> = Vec::new();
    let mut file = String::new();
    for line in text.lines() {
        let not_understood = || failed(format!("a line that is not understood: {line}"));
        if let Some(path) = line.strip_prefix("microcode bundle ") {
            let (_, path) = path.split_once(": ").ok_or_else(not_understood)?;
            let name = Path::new(path).file_name().ok_or_else(not_understood)?;
            file = name.display().to_string();
            continue;
        }
        let (place, fields) = line.split_once("sig ").ok_or_else(not_understood)?;
        let fields: Vec<_> = fields.split(", ").collect();
        let entry = entry(&fields).ok_or_else(not_understood)?;
        match (place.trim(), &fields[4..], all.last_mut()) {
            ("", [], Some(above)) => {
                // An entry is of its update, so it has its date and revision.
                if (above.revision, above.date.as_str()) != (entry.revision, &entry.date) {
                    return Err(not_understood());
                }
                above.signatures.extend(entry.signatures);
            }
            (_, [size], _) => {
                let size = size.strip_prefix("size ").ok_or_else(not_understood)?;
                all.push(Listed {
                    file: file.clone(),
                    size: size.parse()?,
                    ..entry
                });
            }
            _ => return Err(not_understood()),
        }
    }
    Ok(all)
}

/// The four fields that every update and every entry has.
fn entry(fields: &[&str]) -> Option<Listed> {
    let [signature, flags, date, revision, ..] = fields else {
        return None;
    };
    let number = |text: &str| u32::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    Some(Listed {
        file: String::new(),
        signatures: vec![(
            Hex(number(signature)?),
            Flags(number(flags.strip_prefix("pf_mask ")?)?),
        )],
        revision: Hex(number(revision.strip_prefix("rev ")?)?),
        date: (*date).to_owned(),
        size: 0,
    })
}
