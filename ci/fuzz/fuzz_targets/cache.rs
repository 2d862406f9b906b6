//! Any updates offered, proven and rejected in any order: each kind of CPU
//! finds what the rules leave it, whole and aligned.

#![no_main]
#![forbid(unsafe_code)]

use std::cmp::Ordering;
use std::collections::BTreeMap;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use microcode::amd::patch_id;
use microcode::profile::SDM;
use microcode::{Cache, CacheError, CpuKind, Fit, Inserted, Update, Vendor, synth};
use muster_fuzz::scanned;

/// An update and the CPU that it is offered for. They are few, so that they
/// meet.
#[derive(Arbitrary, Debug)]
struct Offer {
    amd: bool,
    steppings: [bool; 2],
    platform_id: u8,
    flags: u8,
    revision: i8,
    cut: bool,
    force: bool,
    /// Whether a CPU took it, where that is known.
    taken: Option<bool>,
}

/// What a kind of CPU should find.
#[derive(Default)]
struct Entry {
    on_trial: Option<Vec<u8>>,
    proven: Option<Vec<u8>>,
}

fuzz_target!(|offers: Vec<Offer>| {
    let mut cache = Cache::default();
    let mut entries: BTreeMap<_, Entry> = BTreeMap::new();
    for offer in offers.iter().take(6) {
        let (cpu, file) = offer.build();
        let scan = scanned(&file);
        let update = &scan.candidates.first().expect("one was built").update;
        let platform_id = if offer.amd { 0 } else { cpu.platform_id };
        let key = (cpu.vendor, cpu.signature, platform_id);
        let order = cache.lookup(&cpu).map(|cached| {
            cpu.vendor
                .compare_revisions(update.revision(), cached.revision())
        });
        let expected = expected(update, &cpu, offer, order);
        assert_eq!(cache.insert(&cpu, update, offer.force), expected);
        let entry = entries.entry(key).or_default();
        if matches!(expected, Ok(Inserted::Stored | Inserted::Replaced)) {
            entry.on_trial = Some(update.bytes().to_vec());
        }
        match offer.taken {
            Some(true) => {
                assert_eq!(cache.prove(&cpu), entry.on_trial.is_some());
                entry.proven = entry.on_trial.take().or(entry.proven.take());
            }
            Some(false) => {
                assert_eq!(cache.reject(&cpu), entry.on_trial.is_some());
                entry.on_trial = None;
            }
            None => {}
        }
        let cached = cache.lookup(&cpu).map(|cached| cached.bytes());
        let next = entry.on_trial.as_ref().or(entry.proven.as_ref());
        assert_eq!(cached, next.map(Vec::as_slice));
        assert!(cached.is_none_or(|bytes| bytes.as_ptr().addr().is_multiple_of(16)));
        let proven = cache.proven(&cpu).map(|cached| cached.bytes());
        assert_eq!(proven, entry.proven.as_deref());
    }
    let has_any = |entry: &&Entry| entry.on_trial.is_some() || entry.proven.is_some();
    assert_eq!(cache.len(), entries.values().filter(has_any).count());
});

fn expected(
    update: &Update<'_>,
    cpu: &CpuKind,
    offer: &Offer,
    order: Option<Ordering>,
) -> Result<Inserted, CacheError> {
    match (update.fit(cpu, &SDM), order) {
        (Fit::OtherSignature | Fit::OtherPlatform { .. }, _) => Err(CacheError::Mismatch),
        (Fit::Fits, _) if offer.cut => Err(CacheError::Incomplete),
        (Fit::Fits, None) => Ok(Inserted::Stored),
        (Fit::Fits, Some(_)) if offer.force => Ok(Inserted::Replaced),
        (Fit::Fits, Some(Ordering::Greater)) => Ok(Inserted::Replaced),
        (Fit::Fits, Some(Ordering::Equal)) => Ok(Inserted::DroppedSame),
        (Fit::Fits, Some(Ordering::Less)) => Ok(Inserted::DroppedOlder),
    }
}

impl Offer {
    fn build(&self) -> (CpuKind, Vec<u8>) {
        let [signature, update] = self.steppings.map(|odd| 0x0080_0f10 | u32::from(odd));
        let (vendor, file) = if self.amd {
            let level = patch_id(update, self.revision.cast_unsigned());
            let mut container = synth::amd(update, level).patch_size(80);
            if self.cut {
                container = container.defect(synth::ContainerDefect::Cut);
            }
            (Vendor::Amd, container.build())
        } else {
            let revision = i32::from(self.revision).cast_unsigned();
            let mut intel = synth::intel(update, self.flags.into(), revision).data_size(1);
            if self.cut {
                intel = intel.defect(synth::Defect::Cut);
            }
            (Vendor::Intel, intel.build())
        };
        let cpu = CpuKind {
            platform_id: self.platform_id,
            ..CpuKind::new(vendor, signature)
        };
        (cpu, file)
    }
}
