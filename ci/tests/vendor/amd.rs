//! AMD's files.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use microcode::profile::SDM;
use microcode::{
    Candidate, CpuKind, Fit, Format, Profile, Scan, Update, Vendor, amd, scan, scan_as,
};

use super::reader::{self, Patch, dword};
use super::sets::{self, File, Findings, Known, Outcome, Stop, failed, none_of};

/// Sets whose numbers of patches are known, in the order of the files' names:
/// up to family 14h, then of 15h, 16h, 17h, 19h and 1ah.
const KNOWN: [Known<&[usize]>; 2] = [
    Known {
        sha256: "fbf3ec696d6bbc9d50c4c3c295876a4c72817931ffde6b59012d863cd8492ca6",
        name: "Debian's amd64-microcode 3.20250311.1",
        counts: &[12, 3, 1, 7, 18],
    },
    Known {
        sha256: "c18249c6140b175d6247ecfd1849be550cfd4755729c2287191138876f73c533",
        name: "Debian's amd64-microcode 3.20251202.1",
        counts: &[12, 3, 1, 7, 23, 9],
    },
];

/// The candidates of a file, all of which must be AMD's.
fn patches<'a>(file: &str, scan: &Scan<'a>) -> Result<Vec<amd::Patch<'a>>, Stop> {
    let patch = |candidate: &Candidate<'a>| match candidate.update {
        Update::Amd(patch) => Ok(patch),
        Update::Intel(_) => Err(failed(format!("{file} holds an update of Intel's"))),
    };
    scan.candidates.iter().map(patch).collect()
}

pub(super) fn sound() -> Outcome {
    let set = sets::amd()?;
    let mut findings = Findings::default();
    let mut lines = Vec::new();
    for File { name, bytes } in &set.files {
        let scan = scan(bytes);
        findings.add(name, &scan);
        if scan.format != Format::Amd {
            lines.push(format!("{name}: read as {}", scan.format.name()));
        }
        if patches(name, &scan)?.is_empty() {
            lines.push(format!("{name}: no patch"));
        }
    }
    none_of(&[findings.errors.as_slice(), &lines].concat())?;
    Ok(findings.warnings())
}

pub(super) fn mapped() -> Outcome {
    let set = sets::amd()?;
    let (mut notes, mut lines) = (Vec::new(), Vec::new());
    for File { name, bytes } in &set.files {
        for patch in patches(name, &scan(bytes))? {
            let id = patch.header().patch_id.get();
            let of_table: BTreeSet<_> = patch.mapped().collect();
            let of_patch: BTreeSet<_> = patch.signatures().collect();
            // What the id encodes is one CPU of those that the table names.
            let agree = match amd::signature_of_patch_id(id) {
                Some(encoded) => of_table.contains(&encoded) && of_patch.contains(&encoded),
                None => of_table == of_patch && !of_table.is_empty(),
            };
            if !agree {
                lines.push(format!(
                    "{name}, {id:#010x}: {of_table:x?}, by its id {of_patch:x?}"
                ));
            } else if of_table != of_patch {
                notes.push(format!("{name}, {id:#010x}: {of_table:x?} in the table"));
            }
        }
    }
    none_of(&lines)?;
    notes.insert(0, format!("{} files", set.files.len()));
    Ok(notes.join("\n"))
}

pub(super) fn listed_alike() -> Outcome {
    let set = sets::amd()?;
    let (mut counts, mut lines) = (BTreeMap::new(), Vec::new());
    for File { name, bytes } in &set.files {
        let scan = scan(bytes);
        let ours: Vec<_> = patches(name, &scan)?
            .iter()
            .zip(&scan.candidates)
            .map(|(patch, candidate)| Patch {
                offset: candidate.offset,
                level: candidate.update.revision(),
                equivalence_id: patch.header().processor_revision_id.get().into(),
                size: candidate.update.size(),
                date: candidate.update.date().to_string(),
                mapped: patch.mapped().collect(),
            })
            .collect();
        let theirs = reader::amd(bytes)
            .ok_or_else(|| failed(format!("{name}: the second reader does not come through")))?;
        let only = |who: &str, these: &[Patch], those: &[Patch]| -> Vec<_> {
            let others = these.iter().filter(|patch| !those.contains(patch));
            others
                .map(|patch| format!("{name}, only the {who}: {patch:x?}"))
                .collect()
        };
        lines.extend(only("first reader", &ours, &theirs));
        lines.extend(only("second reader", &theirs, &ours));
        if ours.len() != theirs.len() {
            let (ours, theirs) = (ours.len(), theirs.len());
            lines.push(format!(
                "{name}: {ours} patches, by the second reader {theirs}"
            ));
        }
        counts.insert(name, ours.len());
    }
    none_of(&lines)?;
    let known = set.known(&KNOWN);
    let found: Vec<_> = counts.values().copied().collect();
    if let Some(known) = known
        && known.counts != found
    {
        let (name, expected) = (known.name, known.counts);
        return Err(failed(format!(
            "{name}: {found:?} patches and not {expected:?}"
        )));
    }
    let counts = counts
        .iter()
        .map(|(name, nr)| format!("\n{name}: {nr} patches"));
    Ok(set.describe(known) + &counts.collect::<String>())
}

/// The bits of a header that are the equivalence id.
const EQUIVALENCE_ID: Range<usize> = 24 * 8..26 * 8;

/// In every patch, by Muster's own rules, which compare a patch's ids with the
/// table. How many flips the rules of others let pass is only told.
///
/// Before family 17h one thing cannot be seen: another equivalence id of the
/// table, as patch ids tell no more than the family and the checksum is of the
/// data alone. Then the CPU is at least of the same family.
pub(super) fn damaged() -> Outcome {
    let set = sets::amd()?;
    let mut passed = BTreeMap::new();
    let (mut nr_flips, mut nr_unseen, mut lines) = (0, 0, Vec::new());
    for File { name, bytes } in &set.files {
        let scan = scan(bytes);
        let patches = patches(name, &scan)?;
        let entries = patches.iter().flat_map(amd::Patch::table);
        let cpus: BTreeSet<_> = entries.map(|entry| entry.installed_cpu.get()).collect();
        for (patch, candidate) in patches.iter().zip(&scan.candidates) {
            let original = &candidate.update;
            let id = original.revision();
            let is_zen = amd::signature_of_patch_id(id).is_some();
            let families: BTreeSet<_> = patch.mapped().map(amd::family).collect();
            let (mut alone, header) = container(bytes, candidate)
                .ok_or_else(|| failed(format!("{name}: does not begin with a table")))?;
            for bit in 0..amd::HEADER_SIZE * 8 {
                nr_flips += 1;
                alone[header + bit / 8] ^= 1 << (bit % 8);
                for profile in Profile::ALL {
                    let others = other_cpus(&alone, original, &cpus, profile);
                    *passed.entry(profile.name).or_insert(0) += usize::from(!others.is_empty());
                    if *profile != SDM || others.is_empty() {
                        continue;
                    }
                    let same_family = others
                        .iter()
                        .all(|&cpu| families.contains(&amd::family(cpu)));
                    if !is_zen && EQUIVALENCE_ID.contains(&bit) && same_family {
                        nr_unseen += 1;
                    } else {
                        lines.push(format!("{name}, {id:#010x}, bit {bit}: fits {others:x?}"));
                    }
                }
                alone[header + bit / 8] ^= 1 << (bit % 8);
            }
            // All flips were undone, so that what was found is their doing.
            let undone = microcode::scan(&alone);
            if undone.candidates.len() != 1 || undone.candidates[0].defect.is_some() {
                lines.push(format!("{name}, {id:#010x}: not sound without a flip"));
            }
        }
    }
    none_of(&lines)?;
    Ok(format!(
        "{nr_flips} flips, of which these make a patch fit another CPU: {passed:?}; {nr_unseen} of \
         sdm's are equivalence ids before family 17h"
    ))
}

/// The CPUs that some sound patch of the container fits and `original` does
/// not, of `cpus` and of those that the patch names.
fn other_cpus(
    container: &[u8],
    original: &Update<'_>,
    cpus: &BTreeSet<u32>,
    profile: &'static Profile,
) -> BTreeSet<u32> {
    let fits = |update: &Update<'_>, cpu| {
        update.fit(&CpuKind::new(Vendor::Amd, cpu), profile) == Fit::Fits
    };
    let scan = scan_as(container, profile);
    let sound = scan.candidates.iter().filter(|c| c.defect.is_none());
    let others = sound.flat_map(|candidate| {
        let named = candidate.update.targets().map(|target| target.signature);
        let all = cpus.iter().copied().chain(named);
        all.filter(|&cpu| fits(&candidate.update, cpu) && !fits(original, cpu))
    });
    others.collect()
}

/// A container with the table at the front of a file and one of its patches,
/// and where the patch's header lies in it.
fn container(file: &[u8], patch: &Candidate<'_>) -> Option<(Vec<u8>, usize)> {
    const SECTION_HEADER: usize = 8;
    let table_size = usize::try_from(dword(file, 8)?).ok()?;
    let table = file.get(..12 + table_size)?;
    let start = patch.offset.checked_sub(SECTION_HEADER)?;
    let section = file.get(start..patch.offset + patch.update.size())?;
    Some(([table, section].concat(), table.len() + SECTION_HEADER))
}
