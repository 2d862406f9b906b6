//! Everything in one initrd: each CPU that the second reader finds named is
//! given one update, the newest for it.

use std::collections::BTreeSet;

use microcode::{
    Cache, CpuKind, Fit, Inserted, Policy, Profile, Reason, Severity, Vendor, judge, scan, scan_as,
};
use muster::blob::{Sources, pack};

use super::reader;
use super::sets::{self, File, Outcome, Set, Stop, failed, none_of};

pub(super) fn serves_every_cpu() -> Outcome {
    let sets = [sets::intel()?, sets::amd()?];
    let folders = sets.map(|set| set.folder.clone()).to_vec();
    let packed = pack::pack(&Sources::new(folders), false)?;
    let problems = packed.problems.iter().filter(|problem| problem.is_error());
    let problems = problems.map(|problem| format!("{} {}", problem.name, problem.kind));
    none_of(&problems.collect::<Vec<_>>())?;

    let files = sets.iter().flat_map(|set| &set.files);
    let nr_updates: usize = files.map(|file| scan(&file.bytes).candidates.len()).sum();
    let [intel, amd] = sets;
    let cpus = BTreeSet::from_iter([named(intel)?, named(amd)?].concat());
    let mut notes = vec![format!(
        "{nr_updates} updates in {} bytes",
        packed.bytes.len()
    )];
    for profile in Profile::ALL {
        let nr_cpus = serves(&packed.bytes, nr_updates, &cpus, profile)?;
        notes.push(format!("{}: {nr_cpus} kinds of CPU", profile.name));
    }
    Ok(notes.join("\n"))
}

/// How many kinds of CPU get their update under a profile.
fn serves(
    initrd: &[u8],
    nr_updates: usize,
    cpus: &BTreeSet<Kind>,
    profile: &'static Profile,
) -> Result<usize, Stop> {
    let scan = scan_as(initrd, profile);
    let errors = scan
        .findings
        .iter()
        .filter(|f| f.kind.severity() == Severity::Error);
    none_of(&errors.map(ToString::to_string).collect::<Vec<_>>())?;
    if scan.candidates.len() != nr_updates {
        let found = scan.candidates.len();
        return Err(failed(format!("{found} updates came out of {nr_updates}")));
    }

    let updates: Vec<_> = scan.candidates.iter().map(|c| c.update).collect();
    let policy = Policy {
        profile,
        ..Policy::default()
    };
    let mut cache = Cache::new(profile);
    let mut lines = Vec::new();
    for &(vendor, signature, platform_id) in cpus {
        let mut cpu = CpuKind {
            platform_id,
            // The erratum that forbids late loads is for larger caches.
            llc_per_core: Some(0),
            ..CpuKind::new(vendor, signature)
        };
        let fitting = updates.iter().filter(|u| u.fit(&cpu, profile) == Fit::Fits);
        let Some(newest) = fitting.max_by_key(|update| update.revision()) else {
            lines.push(format!("{}: nothing is for {cpu:x?}", profile.name));
            continue;
        };
        // As each profile takes the minimum: where it begins, all agree.
        cpu.revision = newest.minimum_revision().unwrap_or(0);
        let reasons = judge(&scan, &cpu, &policy);
        let chosen: Vec<_> = reasons
            .iter()
            .zip(&updates)
            .filter(|(reason, _)| **reason == Reason::Chosen)
            .map(|(_, update)| update)
            .collect();
        let [update] = chosen.as_slice() else {
            let why = reasons
                .iter()
                .zip(&updates)
                .filter(|(_, u)| u.fit(&cpu, profile) == Fit::Fits);
            let why: Vec<_> = why.map(|(reason, _)| reason.to_string()).collect();
            lines.push(format!(
                "{}: {} chosen for {cpu:x?}: {why:?}",
                profile.name,
                chosen.len()
            ));
            continue;
        };
        let inserted = cache.insert(&cpu, update, false);
        let cached = cache.lookup(&cpu).map(|cached| cached.bytes());
        if update.revision() != newest.revision()
            || inserted != Ok(Inserted::Stored)
            || cached != Some(update.bytes())
        {
            let revision = update.revision();
            lines.push(format!(
                "{}: {revision:#x} for {cpu:x?}: {inserted:?}",
                profile.name
            ));
        }
    }
    none_of(&lines)?;
    Ok(cache.len())
}

/// A kind of CPU: vendor, signature, platform id.
type Kind = (Vendor, u32, u8);

/// The kinds of CPU that the files of a set name, by the second reader.
fn named(set: &Set) -> Result<Vec<Kind>, Stop> {
    let mut kinds = Vec::new();
    for File { name, bytes } in &set.files {
        let unread = || failed(format!("{name}: the second reader does not come through"));
        match set.vendor {
            Vendor::Intel => {
                let updates = reader::intel(bytes).ok_or_else(unread)?;
                for (signature, flags) in updates.into_iter().flat_map(|u| u.signatures) {
                    let platform_ids = (0..8).filter(|id| flags & 1 << id != 0);
                    kinds.extend(platform_ids.map(|id| (Vendor::Intel, signature, id)));
                }
            }
            Vendor::Amd => {
                let patches = reader::amd(bytes).ok_or_else(unread)?;
                let mapped = patches.into_iter().flat_map(|patch| patch.mapped);
                kinds.extend(mapped.map(|signature| (Vendor::Amd, signature, 0)));
            }
        }
    }
    Ok(kinds)
}
