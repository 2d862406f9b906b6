//! The vendors' own files, where a machine has them: in the folder that
//! `MUSTER_FIRMWARE` names, else in `/lib/firmware`, each with the folders
//! `intel-ucode` and `amd-ucode`. They are never committed, so without them
//! these tests say that they were skipped.
//!
//! Vendors release new sets all the time. What is asserted therefore holds for
//! any set: all of it is sound, and it agrees with the names of the files.
//! The counts are printed (`cargo test -- --nocapture`).

use microcode::{Cache, CpuKind, Inserted, Policy, Update, Vendor, Verdict, initrd, judge, scan};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The microcode files of one vendor's folder with their names, in order;
/// `None`, and a line past the test harness' capture, if there are none.
fn files(folder: &str, is_microcode: fn(&Path) -> bool) -> Option<Vec<(String, Vec<u8>)>> {
    let root = std::env::var_os("MUSTER_FIRMWARE")
        .map_or_else(|| PathBuf::from("/lib/firmware"), PathBuf::from);
    let folder = root.join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| is_microcode(path))
        .collect();
    paths.sort();
    if paths.is_empty() {
        let line = format!(
            "skipped: no microcode in {}; name a folder with intel-ucode and amd-ucode in \
             MUSTER_FIRMWARE\n",
            folder.display()
        );
        io::stderr()
            .write_all(line.as_bytes())
            .expect("stderr can be written");
        return None;
    }
    let read = |path: PathBuf| (name(&path), fs::read(path).expect("the file can be read"));
    Some(paths.into_iter().map(read).collect())
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// `06-8e-09`, or `06-8e-09.initramfs` where a distribution wants it early.
fn intel_files() -> Option<Vec<(String, Vec<u8>)>> {
    files("intel-ucode", |path| {
        let extension = path.extension();
        path.file_stem().is_some_and(|stem| stem.len() == 8)
            && extension.is_none_or(|extension| extension == "initramfs")
    })
}

fn amd_files() -> Option<Vec<(String, Vec<u8>)>> {
    files("amd-ucode", |path| {
        path.extension().is_some_and(|extension| extension == "bin")
    })
}

/// Family, model and stepping as in the names of Intel's files, `06-8e-09`.
fn intel_name(signature: u32) -> String {
    let family = (signature >> 8 & 0xf) + (signature >> 20 & 0xff);
    let model = (signature >> 4 & 0xf) | (signature >> 12 & 0xf0);
    format!("{family:02x}-{model:02x}-{:02x}", signature & 0xf)
}

#[test]
fn intels_files_are_sound_and_for_the_cpus_that_they_are_named_after() {
    let Some(files) = intel_files() else {
        return;
    };
    let (mut nr_updates, mut nr_targets, mut nr_tables) = (0, 0, 0);
    for (name, bytes) in &files {
        let scan = scan(bytes);
        assert_eq!(scan.findings, [], "{name}");
        assert!(!scan.candidates.is_empty(), "{name}");
        let named = name.trim_end_matches(".initramfs");
        for candidate in &scan.candidates {
            let Update::Intel(update) = candidate.update else {
                panic!("{name} is not Intel's");
            };
            let names_its_cpu = |t: microcode::Target| intel_name(t.signature) == named;
            assert!(update.targets().any(names_its_cpu), "{name}");
            nr_updates += 1;
            nr_targets += update.targets().count();
            nr_tables += usize::from(!update.entries().is_empty());
        }
        let size: usize = scan.candidates.iter().map(|c| c.update.size()).sum();
        assert_eq!(size, bytes.len(), "{name}");
    }
    eprintln!(
        "{} files, {nr_updates} updates, {nr_targets} signature entries, {nr_tables} extended tables",
        files.len()
    );
}

#[test]
fn amds_files_are_sound_and_every_patch_is_for_a_cpu_of_its_table() {
    let Some(files) = amd_files() else {
        return;
    };
    for (name, bytes) in &files {
        let scan = scan(bytes);
        assert_eq!(scan.findings, [], "{name}");
        let mut nr_entries = 0;
        for candidate in &scan.candidates {
            let Update::Amd(patch) = candidate.update else {
                panic!("{name} is not AMD's");
            };
            nr_entries = patch
                .table()
                .iter()
                .filter(|e| e.installed_cpu != 0)
                .count();
            let signature = candidate.update.signature();
            let mapped = patch
                .table()
                .iter()
                .find(|entry| entry.equivalence_id == patch.header().processor_revision_id)
                .map(|entry| entry.installed_cpu.get());
            assert!(
                mapped.is_some(),
                "{name}: {:#010x}",
                candidate.update.revision()
            );
            assert_eq!(signature, mapped, "{name}");
        }
        eprintln!(
            "{name}: {} patches, {nr_entries} equivalence entries",
            scan.candidates.len()
        );
    }
}

#[test]
fn every_cpu_of_the_vendors_files_gets_one_update_out_of_one_initrd() {
    let (Some(intel), Some(amd)) = (intel_files(), amd_files()) else {
        return;
    };
    let concat = |files: Vec<(String, Vec<u8>)>| {
        files
            .into_iter()
            .flat_map(|(_, bytes)| bytes)
            .collect::<Vec<u8>>()
    };
    let initrd = initrd::pack(&concat(intel), &concat(amd));
    let scan = scan(&initrd);
    assert_eq!(scan.findings, []);
    let mut cache = Cache::new();
    for candidate in &scan.candidates {
        let target = candidate
            .update
            .targets()
            .next()
            .expect("it is for some CPU");
        let vendor = candidate.update.vendor();
        let cpu = CpuKind {
            vendor,
            signature: target.signature,
            platform_id: target
                .flags
                .map_or(0, |f| u8::try_from(f.trailing_zeros()).expect("few")),
            revision: match vendor {
                Vendor::Intel => i32::MIN.cast_unsigned(),
                Vendor::Amd => 0,
            },
        };
        let verdicts = judge(&scan.candidates, &cpu, Policy::default());
        let chosen: Vec<_> = verdicts.iter().filter(|v| **v == Verdict::Chosen).collect();
        assert_eq!(chosen.len(), 1);
        let best = verdicts
            .iter()
            .position(|v| *v == Verdict::Chosen)
            .expect("one is chosen");
        let inserted = cache.insert(&cpu, &scan.candidates[best].update);
        assert!(matches!(
            inserted,
            Ok(Inserted::Stored | Inserted::DroppedSame)
        ));
    }
    eprintln!(
        "{} candidates, {} kinds of CPU",
        scan.candidates.len(),
        cache.len()
    );
}
