//! Every update of a set, a row each.

use std::collections::BTreeSet;

use comfy_table::{Cell, Color};
use microcode::{Candidate, FindingKind, Update};
use serde::Serialize;

use super::{Error, Flags, Hex, Problems, Sources};
use crate::digest::sha256;
use crate::table::{count, count_of, short, table};

/// A CPU that an update names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignatureRow {
    /// CPUID leaf 1 EAX.
    pub signature: Hex,
    /// Intel's processor flags.
    pub flags: Option<Flags>,
}

/// How a patch wants to be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LoadControlRow {
    /// On one core after another.
    pub serialized: bool,
    /// On both threads of a core.
    pub on_both_threads: bool,
}

impl LoadControlRow {
    fn of(update: &Update<'_>) -> Option<Self> {
        let Update::Amd(patch) = update else {
            return None;
        };
        patch.load_control().map(|control| Self {
            serialized: control.serialized,
            on_both_threads: control.on_both_threads,
        })
    }
}

/// An update.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Where it was found; see [`crate::walk::Blob::name`].
    pub file: String,
    /// Where its header lies in that file, in bytes.
    pub offset: usize,
    /// Whose format.
    pub vendor: &'static str,
    /// All CPUs that it names, the main one first, as often as it names them:
    /// Intel's extended tables repeat the main signature.
    pub signatures: Vec<SignatureRow>,
    /// Revision or patch level.
    pub revision: Hex,
    /// Date of the header, `YYYY-MM-DD`.
    pub date: String,
    /// Size in bytes, as declared.
    pub size: usize,
    /// Whether its checksums hold; `null` where it has none that is in use.
    pub checksum_ok: Option<bool>,
    /// The lowest revision that it may replace on a running machine.
    pub minimum_revision: Option<Hex>,
    /// How AMD's patch wants to be loaded, from family 17h on.
    pub load_control: Option<LoadControlRow>,
    /// What damages it, by the finding's name.
    pub damage: Option<&'static str>,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

impl Row {
    pub(super) fn new(file: &str, candidate: &Candidate<'_>) -> Self {
        let update = &candidate.update;
        let signatures = update.targets().map(|target| SignatureRow {
            signature: Hex(target.signature),
            flags: target.flags.map(Flags),
        });
        Self {
            file: file.to_owned(),
            offset: candidate.offset,
            vendor: update.vendor().name(),
            signatures: signatures.collect(),
            revision: Hex(update.revision()),
            date: update.date().to_string(),
            size: update.size(),
            checksum_ok: candidate.checksum_ok(),
            minimum_revision: update.minimum_revision().map(Hex),
            load_control: LoadControlRow::of(update),
            damage: candidate.defect.map(FindingKind::name),
            sha256: sha256(update.bytes()),
        }
    }

    fn cells(&self) -> Vec<Cell> {
        let first = self.signatures.first();
        let signature = first.map_or("-".to_owned(), |first| first.signature.to_string());
        let others: BTreeSet<_> = self.signatures.iter().map(|row| row.signature).collect();
        let more = match others.len() {
            0 | 1 => String::new(),
            nr_signatures => format!(" +{}", nr_signatures - 1),
        };
        let flags = first.and_then(|first| first.flags);
        let state = match (self.damage, self.checksum_ok) {
            (Some(_), _) => Cell::new("bad").fg(Color::Red),
            (None, Some(_)) => Cell::new("ok").fg(Color::Green),
            (None, None) => Cell::new("-"),
        };
        let minimum = self.minimum_revision;
        vec![
            Cell::new(short(&self.file, 25)),
            Cell::new(format!("{:#x}", self.offset)),
            Cell::new(signature + &more),
            Cell::new(flags.map_or("-".to_owned(), |flags| flags.to_string())),
            Cell::new(self.revision),
            Cell::new(&self.date),
            Cell::new(self.size),
            state,
            Cell::new(minimum.map_or("-".to_owned(), |minimum| minimum.to_string())),
        ]
    }
}

/// A set's updates, in the order of files and offsets.
#[derive(Debug)]
pub struct Listing {
    /// The rows.
    pub rows: Vec<Row>,
    /// What could not be read.
    pub problems: Problems,
    nr_files: usize,
}

/// Lists every update.
///
/// # Errors
/// Nothing could be read, or nothing of it is microcode.
pub fn list(sources: &Sources) -> Result<Listing, Error> {
    let mut rows = Vec::new();
    let mut nr_files = 0;
    let problems = sources.visit(&mut |blob| {
        let scan = microcode::scan(blob.bytes);
        nr_files += usize::from(!scan.candidates.is_empty());
        rows.extend(scan.candidates.iter().map(|c| Row::new(blob.name, c)));
    })?;
    if rows.is_empty() {
        return Err(Error::Nothing(sources.describe()));
    }
    Ok(Listing {
        rows,
        problems,
        nr_files,
    })
}

impl Listing {
    /// The table and a line of sums.
    #[must_use]
    pub fn text(&self) -> String {
        let titles = [
            "file",
            "offset",
            "signature",
            "flags",
            "revision",
            "date",
            "size",
            "sum",
            "minimum",
        ];
        let rows = self.rows.iter().map(Row::cells).collect();
        let table = table(&titles, &["offset", "size"], rows);
        let nr_signatures: usize = self.rows.iter().map(|row| row.signatures.len()).sum();
        let size: usize = self.rows.iter().map(|row| row.size).sum();
        format!(
            "{table}\n\n{} in {} for {}, {size} bytes",
            count(self.rows.len(), "update"),
            count(self.nr_files, "file"),
            count_of(nr_signatures, "signature entry", "signature entries"),
        )
    }
}
