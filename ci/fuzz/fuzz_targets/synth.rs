//! Any builder's calls: a scan reads back what was asked for, and with a
//! defect it finds exactly that.

#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use microcode::{Date, Finding, Update, amd, initrd, synth};
use muster_fuzz::scanned;

#[derive(Arbitrary, Debug)]
enum Input {
    Intel(Intel),
    Amd(Amd),
}

#[derive(Arbitrary, Debug)]
struct Intel {
    defect: Option<u8>,
    legacy: bool,
    signature: u32,
    flags: u32,
    revision: u32,
    minimum: u32,
    date: (u16, u8, u8),
    data_size: u16,
    extended: Vec<(u32, u32)>,
    metadata: Vec<(u32, u32)>,
}

#[derive(Arbitrary, Debug)]
struct Amd {
    defect: Option<u8>,
    sentinel: bool,
    date: (u16, u8, u8),
    patch_size: u16,
    /// Signatures and levels; a level that is no patch id stands for a family
    /// that has none.
    patches: Vec<(u32, u8)>,
}

fuzz_target!(|input: Input| match input {
    Input::Intel(asked) => intel(asked),
    Input::Amd(asked) => container(&asked),
});

fn intel(mut asked: Intel) {
    asked.extended.truncate(8);
    asked.metadata.truncate(4);
    // Others are sound, but there is something to say about them.
    asked.flags &= 0xff;
    asked.revision &= 0x7fff_ffff;
    let mut update = synth::intel(asked.signature, asked.flags, asked.revision)
        .date(date(asked.date))
        .minimum_revision(asked.minimum)
        .data_size(usize::from(asked.data_size % 4096))
        .extended(&asked.extended);
    for (block_type, dword) in &asked.metadata {
        update = update.metadata(block_type | 1, &dword.to_le_bytes());
    }
    if asked.legacy {
        update = update.legacy();
        asked.extended.clear();
        asked.metadata.clear();
    }
    let defect = asked.defect.map(|index| pick(&synth::Defect::ALL, index));
    if let Some(defect) = defect {
        update = update.defect(defect);
    }
    let file = update.build();
    let archive = initrd::pack(&file, &[]);
    let scan = scanned(&archive);
    if let Some(defect) = defect {
        return assert_eq!(names(&scan.findings), [defect.name()]);
    }
    assert_eq!(scan.findings, []);
    let [candidate] = &scan.candidates[..] else {
        panic!("not one candidate: {scan:?}");
    };
    let update = &candidate.update;
    assert_eq!(update.bytes(), file);
    assert_eq!(update.revision(), asked.revision);
    assert_eq!(update.minimum_revision().unwrap_or(0), asked.minimum);
    assert_eq!(update.date(), date(asked.date));
    let targets = update
        .targets()
        .map(|t| (t.signature, t.flags.unwrap_or(0)));
    let main = (asked.signature, asked.flags);
    assert!(targets.eq([main].into_iter().chain(asked.extended)));
    let Update::Intel(update) = update else {
        panic!("it is Intel's");
    };
    let found: Vec<_> = update.metadata().collect();
    assert_eq!(found.len(), asked.metadata.len());
    for (found, (block_type, dword)) in found.iter().zip(&asked.metadata) {
        assert_eq!(found.block_type, block_type | 1);
        assert_eq!(found.data, dword.to_le_bytes());
    }
}

fn container(asked: &Amd) {
    let mut patches = asked.patches.iter().take(4).map(|&(signature, level)| {
        let signature = cpu_of_amd(signature);
        (signature, amd::patch_id(signature, level))
    });
    let Some((signature, id)) = patches.next() else {
        return;
    };
    let mut container = synth::amd(signature, id)
        .date(date(asked.date))
        .patch_size(asked.patch_size % 2048);
    for (signature, id) in patches.clone() {
        container = container.patch(signature, id);
    }
    if !asked.sentinel {
        container = container.without_sentinel();
    }
    let defect = asked
        .defect
        .map(|index| pick(&synth::ContainerDefect::ALL, index));
    if let Some(defect) = defect {
        container = container.defect(defect);
    }
    let archive = initrd::pack(&[], &container.build());
    let scan = scanned(&archive);
    if let Some(defect) = defect.filter(|defect| defect.suits(signature)) {
        return assert_eq!(names(&scan.findings), [defect.name()]);
    }
    assert_eq!(scan.findings, []);
    let asked_ids = [(signature, id)].into_iter().chain(patches);
    assert_eq!(scan.candidates.len(), asked_ids.clone().count());
    for (candidate, (signature, id)) in scan.candidates.iter().zip(asked_ids) {
        let update = &candidate.update;
        assert_eq!(update.revision(), id);
        assert_eq!(update.date(), date(asked.date));
        // The id stands for the CPU, or the table does.
        let is_for = amd::signature_of_patch_id(id).unwrap_or(signature);
        let nobody = signature == 0
            || amd::family(is_for) >= 0x17 && amd::signature_of_patch_id(id).is_none();
        assert!(nobody || update.targets().any(|target| target.signature == is_for));
    }
}

/// A signature of one of AMD's families from 10h on: nothing else has patches.
fn cpu_of_amd(signature: u32) -> u32 {
    let extended_family = (signature >> 20 & 0xff).max(1);
    extended_family << 20 | signature & 0x000f_00ff | 0xf00
}

fn date((year, month, day): (u16, u8, u8)) -> Date {
    Date {
        year: year % 10_000,
        month: month % 12 + 1,
        day: day % 31 + 1,
    }
}

fn pick<T: Copy, const N: usize>(all: &[T; N], index: u8) -> T {
    all[usize::from(index) % N]
}

fn names(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.kind.name()).collect()
}
