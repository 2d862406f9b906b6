//! Where the fuzzers start: a sound file of every form and one with each
//! defect, as each target takes its input.
//!
//! A target's numbers come first, least significant byte first, and a file
//! after them; this is how the `Arbitrary` of its input reads bytes. A seed
//! that no longer fits its target's input is still some input.

use microcode::{initrd, synth};

use crate::guest::{TABLE, image, notes};

/// The seeds of one target; none for a target that is not known.
#[must_use]
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let before = |numbers: &[u8], files: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
        let seed = |file: Vec<u8>| [numbers, &file].concat();
        files.into_iter().map(seed).collect()
    };
    match target {
        "scan" => files(),
        "intel" => before(&[1], intel()),
        "amd" => amd(),
        "cpio" => before(&[0; 4], archives()),
        // A CPU of the first candidate's kind, on platform id 1, that is one
        // revision behind; nothing else is known of it, and the policy is the
        // usual one.
        "judge" => before(&[0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0, 0, 0], files()),
        "digest" => vec![DIGESTS.as_bytes().to_vec()],
        "access" | "engine" => engine(),
        "report" => LINES.iter().map(|line| line.as_bytes().to_vec()).collect(),
        "image" => images(),
        // Their inputs are small: one long enough for every field will do.
        "cache" | "linear" | "synth" | "virtio" => vec![vec![1; 64], (0..=255).collect()],
        _ => Vec::new(),
    }
}

/// A sound image, and some that lack a note or have a wrong table.
fn images() -> Vec<Vec<u8>> {
    let sound = notes(TABLE);
    let [pvh, own] = sound.clone();
    let elsewhere = TABLE.map(|address| address + 4);
    [&sound[..], &[pvh], &[own], &notes(elsewhere)]
        .map(|notes| image(notes, &[]))
        .to_vec()
}

/// One load by CPU 0 and its end, on every file: of Intel's, whose data lie
/// behind a header, on platform id 1; of AMD's, where the first patch is.
fn engine() -> Vec<Vec<u8>> {
    const LOAD: [u8; 4] = [0, 0, 0, 0xb0];
    const FINISH: [u8; 4] = [0, 0, 0, 0xf0];
    let seed = |is_amd: bool, offset: u16, memory: &[u8]| {
        let start = [0, u8::from(is_amd), u8::from(!is_amd), 1];
        let offset = offset.to_le_bytes();
        [
            &start,
            &LOAD[..],
            &[0],
            &offset,
            &[1],
            &FINISH,
            &[0],
            memory,
        ]
        .concat()
    };
    let updates = intel().into_iter().map(|file| seed(false, 48, &file));
    let patches = amd().into_iter().filter_map(|file| {
        let scan = microcode::scan(&file);
        let offset = scan.candidates.first()?.offset;
        Some(seed(true, u16::try_from(offset).ok()?, &file))
    });
    updates.chain(patches).collect()
}

fn files() -> Vec<Vec<u8>> {
    [intel(), amd(), archives()].concat()
}

fn intel() -> Vec<Vec<u8>> {
    let update = synth::intel(0x0005_06e3, 0x36, 0xf0).data_size(1);
    let extended = update
        .clone()
        .extended(&[(0x0005_06e3, 0x36), (0x0004_06e3, 0xc0)]);
    let row = [
        update.clone().minimum_revision(0x80).build(),
        synth::intel(0x0005_06e3, 0x36, 0x8000_0001)
            .data_size(1)
            .build(),
        extended.build(),
    ];
    let sound = [
        update.build(),
        update.clone().legacy().build(),
        update.clone().metadata(3, &[0x10, 0, 0, 0]).build(),
        update.in_field_scan().build(),
        extended.build(),
        row.concat(),
    ];
    let damaged = synth::Defect::ALL.map(|defect| extended.clone().defect(defect).build());
    [sound.to_vec(), damaged.to_vec()].concat()
}

fn amd() -> Vec<Vec<u8>> {
    let old = synth::amd(0x0010_0f62, 0x0100_00c7)
        .equivalent(0x0010_0f63)
        .patch_size(96);
    let container = synth::amd(0x0080_0f12, 0x0800_126f)
        .patch(0x0080_0f12, 0x0800_1270)
        .patch_size(96);
    let sound = [
        old.build(),
        container.build(),
        [old.clone().without_sentinel().build(), container.build()].concat(),
    ];
    let damaged = synth::ContainerDefect::ALL.map(|defect| {
        let suits = defect.suits(0x0080_0f12);
        let container = if suits { &container } else { &old };
        container.clone().defect(defect).build()
    });
    [sound.to_vec(), damaged.to_vec()].concat()
}

fn archives() -> Vec<Vec<u8>> {
    let update = synth::intel(0x0005_06e3, 0x36, 0xf0).data_size(1).build();
    let container = synth::amd(0x0080_0f12, 0x0800_126f).patch_size(96).build();
    let both = initrd::pack(&update, &container);
    let cut = both[..both.len() / 2].to_vec();
    let only = initrd::pack(&[], &container);
    let row = [&[0; 8], &only[..], &only].concat();
    vec![both, cut, only, row]
}

/// A list of digests with a line of every kind.
const DIGESTS: &str = "# known patches\n\n\
    0x0a0011d5 00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF # one\n\
    cutoff 0x0a0011da\n";

/// One line of every kind.
const LINES: [&str; 19] = [
    "# machine kind=qemu-plugin version=0.1.0 started_ms=1 vendor=intel sig=0x000506e3 cpus=4 threads=2",
    "# load at_ns=5 cpu=1 msr=0x00000079 value=0x1030 outcome=taken before=0x00000001 \
     after=0x000000f0 bytes=2048 took_ns=9",
    "# misuse at_ns=5 cpu=1 kind=sibling-activity msr=0x0000008b",
    "# tally cpu=0 reads=3 loads=1 misuses=0 rev=0x000000f0",
    "KTAP version 1",
    "1..5",
    "ok 1 initrd",
    "not ok 3 rendezvous # 2 of 4 CPUs were late",
    "ok 5 verify # SKIP nothing applies",
    "# muster version=0.1.0 schema=1 protocol=muster hw=msr vendor=amd sig=0x00800f12 platform=0 \
     cpus=1 cores=1 tsc_khz=1000000 tsc_source=pit hypervisor=\"a b\" entry_us=1",
    "# initrd source=embedded bytes=4096 candidates=2 findings=1",
    "# finding offset=1024 kind=checksum message=\"the sum is wrong\"",
    "# candidate idx=0 vendor=intel sig=0x000506e3 flags=0x36 rev=0x000000f0 date=2021-11-12 \
     bytes=2048 verdict=chosen",
    "# prepare scan_ns=12742 judge_ns=1720 cache_ns=7071",
    "# cached vendor=intel sig=0x000506e3 platform=1 rev=0x000000f0 inserted=stored state=proven",
    "# cpu id=0 apic=0 package=0 core=0 thread=0 role=leader before=0x08001200 after=0x0800126e \
     target=0x0800126e outcome=updated",
    "# time id=0 called_in_ns=1 gate_ns=2 load_start_ns=3 load_end_ns=4 left_ns=5",
    "# guard allocations=0 writes=0 nmis=0",
    "# Totals: pass:5 fail:0 xfail:0 xpass:0 skip:0 error:0",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use microcode::{FindingKind, scan};
    use report::Line;

    use super::*;

    #[test]
    fn the_seeds_show_every_defect_and_sound_files_of_both_vendors() {
        let mut found = BTreeSet::new();
        let mut sound = BTreeSet::new();
        let packed = intel().into_iter().map(|file| initrd::pack(&file, &[]));
        let packed = packed.chain(amd().into_iter().map(|file| initrd::pack(&[], &file)));
        for file in packed.chain(archives()) {
            let scan = scan(&file);
            found.extend(scan.findings.iter().map(|finding| finding.kind.name()));
            if scan.findings.is_empty() {
                sound.extend(scan.candidates.iter().map(|c| c.update.vendor()));
            }
        }
        let defects = synth::Defect::ALL.iter().map(|defect| defect.name());
        let of_containers = synth::ContainerDefect::ALL
            .iter()
            .map(|defect| defect.name());
        for name in defects
            .chain(of_containers)
            .chain([FindingKind::ArchiveCut { missing: 1 }.name()])
        {
            assert!(found.contains(name), "{name} is not among {found:?}");
        }
        assert_eq!(sound.len(), 2);
    }

    #[test]
    fn every_line_is_recognised() {
        for line in LINES {
            assert!(!matches!(Line::parse(line), Line::Other(_)), "{line}");
        }
    }

    #[test]
    fn every_target_stands_in_the_manifest_and_has_seeds() {
        let manifest = include_str!("../Cargo.toml");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz_targets");
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let target = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
            assert!(manifest.contains(&target), "{name}");
            assert!(!of(name).is_empty(), "{name}");
        }
    }
}
