//! Intel's files.

use std::collections::BTreeSet;
use std::fmt;

use microcode::{Candidate, Format, Profile, Scan, Update, intel, scan, scan_as};

use super::reader;
use super::sets::{self, File, Findings, Known, Outcome, Stop, failed, none_of};

/// How much of what a set holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    files: usize,
    updates: usize,
    /// Signature entries: each update's own, and those of its extended table.
    entries: usize,
    unique_signatures: usize,
    tables: usize,
    minimum_revisions: usize,
    /// Updates with a metadata area.
    metadata: usize,
    bad_checksums: usize,
}

/// Sets whose counts are known.
const KNOWN: [Known<Counts>; 3] = [
    Known {
        sha256: "4eec97f40f8577c2e121fbe513d92ad5f77a03f75149a0f4565f4ba9a60b8150",
        name: "Debian's intel-microcode 3.20251111.1",
        counts: Counts {
            metadata: 21,
            ..COUNTS_OF_20260227
        },
    },
    Known {
        sha256: "fcd4d1bbd5c518501e43a7bee6243e588c16bea4bc7e3355c999b58738dddb39",
        name: "Debian's intel-microcode 3.20260227.1",
        counts: COUNTS_OF_20260227,
    },
    Known {
        sha256: "08674bc77612256bfe41a854c254b513ec81376746ca1b7206691d8b830bf2c2",
        name: "Debian's intel-microcode 3.20260925.1",
        counts: Counts {
            files: 133,
            updates: 173,
            entries: 310,
            unique_signatures: 134,
            tables: 34,
            minimum_revisions: 62,
            metadata: 23,
            bad_checksums: 0,
        },
    },
];

const COUNTS_OF_20260227: Counts = Counts {
    files: 126,
    updates: 166,
    entries: 278,
    unique_signatures: 127,
    tables: 27,
    minimum_revisions: 57,
    metadata: 22,
    bad_checksums: 0,
};

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            files,
            updates,
            entries,
            unique_signatures,
            tables,
            minimum_revisions,
            metadata,
            bad_checksums,
        } = self;
        write!(
            f,
            "{files} files, {updates} updates, {entries} signature entries ({unique_signatures} \
             unique), {tables} extended tables, {minimum_revisions} minimum revisions, {metadata} \
             with metadata, {bad_checksums} bad checksums"
        )
    }
}

/// The candidates of a file, all of which must be Intel's.
fn updates<'a>(file: &str, scan: &Scan<'a>) -> Result<Vec<intel::Update<'a>>, Stop> {
    let update = |candidate: &Candidate<'a>| match candidate.update {
        Update::Intel(update) => Ok(update),
        Update::Amd(_) => Err(failed(format!("{file} holds a patch of AMD's"))),
    };
    scan.candidates.iter().map(update).collect()
}

pub(super) fn sound() -> Outcome {
    let set = sets::intel()?;
    let mut findings = Findings::default();
    let mut lines = Vec::new();
    for File { name, bytes } in &set.files {
        let scan = scan(bytes);
        findings.add(name, &scan);
        if scan.format != Format::Intel {
            lines.push(format!("{name}: read as {}", scan.format.name()));
        }
        let size: usize = scan.candidates.iter().map(|c| c.update.size()).sum();
        if size != bytes.len() {
            let all = bytes.len();
            lines.push(format!(
                "{name}: updates of {size} bytes in a file of {all}"
            ));
        }
    }
    none_of(&[findings.errors.as_slice(), &lines].concat())?;
    Ok(findings.warnings())
}

pub(super) fn named() -> Outcome {
    let set = sets::intel()?;
    let mut lines = Vec::new();
    for File { name, bytes } in &set.files {
        // Distributions mark files, and compress them.
        let stem = name.split('.').next().unwrap_or_default();
        for update in updates(name, &scan(bytes))? {
            let names: BTreeSet<_> = update.targets().map(|t| file_name(t.signature)).collect();
            if !names.contains(stem) {
                lines.push(format!("{name}: an update for {names:?}"));
            }
        }
    }
    none_of(&lines)?;
    Ok(format!("{} files", set.files.len()))
}

/// Family, model and stepping as in the names of Intel's files, `06-8e-09`.
fn file_name(signature: u32) -> String {
    let family = match signature >> 8 & 0xf {
        0xf => 0xf + (signature >> 20 & 0xff),
        family => family,
    };
    let model = signature >> 4 & 0xf | signature >> 12 & 0xf0;
    format!("{family:02x}-{model:02x}-{:02x}", signature & 0xf)
}

pub(super) fn counted() -> Outcome {
    let set = sets::intel()?;
    let (mut ours, mut theirs) = (Counts::default(), Counts::default());
    let (mut our_signatures, mut their_signatures) = (BTreeSet::new(), BTreeSet::new());
    for File { name, bytes } in &set.files {
        let scan = scan(bytes);
        ours.files += 1;
        for (update, candidate) in updates(name, &scan)?.iter().zip(&scan.candidates) {
            ours.updates += 1;
            ours.entries += update.targets().count();
            our_signatures.extend(update.targets().map(|target| target.signature));
            ours.tables += usize::from(!update.entries().is_empty());
            ours.minimum_revisions += usize::from(update.minimum_revision().is_some());
            ours.metadata += usize::from(update.header().metadata_size.get() != 0);
            ours.bad_checksums += usize::from(candidate.checksum_ok() != Some(true));
        }
        theirs.files += 1;
        let second = reader::intel(bytes)
            .ok_or_else(|| failed(format!("{name}: the second reader does not come through")))?;
        for update in second {
            theirs.updates += 1;
            theirs.entries += update.signatures.len();
            their_signatures.extend(update.signatures.iter().map(|&(signature, _)| signature));
            theirs.tables += usize::from(update.has_table);
            theirs.minimum_revisions += usize::from(update.minimum_revision != 0);
            theirs.metadata += usize::from(update.metadata_size != 0);
            theirs.bad_checksums += usize::from(update.sum != 0);
        }
    }
    ours.unique_signatures = our_signatures.len();
    theirs.unique_signatures = their_signatures.len();
    let known = set.known(&KNOWN);
    let expected = known.map_or(theirs, |known| known.counts);
    if our_signatures != their_signatures || ours != theirs || ours != expected {
        return Err(failed(format!(
            "{}\nfirst reader:  {ours}\nsecond reader: {theirs}\nexpected:      {expected}",
            set.describe(known)
        )));
    }
    Ok(format!("{}\n{ours}", set.describe(known)))
}

/// How many of the smallest updates are damaged, a size once.
const NR_DAMAGED: usize = 4;

pub(super) fn damaged() -> Outcome {
    let set = sets::intel()?;
    let mut all = Vec::new();
    for File { name, bytes } in &set.files {
        let updates = updates(name, &scan(bytes))?;
        all.extend(updates.into_iter().map(|update| (name, update)));
    }
    all.sort_by_key(|(_, update)| update.size());
    all.dedup_by_key(|(_, update)| update.size());
    let extended = all.iter().find(|(_, u)| !u.entries().is_empty());
    let chosen = all.iter().take(NR_DAMAGED).chain(extended);

    let (mut notes, mut lines) = (Vec::new(), Vec::new());
    for (name, update) in chosen {
        let mut bytes = update.bytes().to_vec();
        for bit in 0..intel::HEADER_SIZE * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            for profile in Profile::ALL {
                let scan = scan_as(&bytes, profile);
                if scan.candidates.iter().any(|c| c.defect.is_none()) {
                    let profile = profile.name;
                    lines.push(format!(
                        "{name}, bit {bit} of its header: sound for {profile}"
                    ));
                }
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        // The last flip was undone, so that what was found is the flips' doing.
        if scan(&bytes)
            .findings
            .iter()
            .any(|f| f.kind.damage().is_some())
        {
            lines.push(format!("{name}: damaged without a flip"));
        }
        let nr_entries = update.entries().len();
        notes.push(format!(
            "{name}: {} bytes, {nr_entries} entries",
            bytes.len()
        ));
    }
    none_of(&lines)?;
    Ok(notes.join("\n"))
}
