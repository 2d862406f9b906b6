use super::*;
use crate::{scan, synth};
use alloc::string::ToString;
use alloc::vec::Vec;

const CPU: CpuKind = CpuKind {
    platform_id: 1,
    ..CpuKind::new(Vendor::Intel, 0x0005_06e3)
};

fn intel(revision: u32) -> Vec<u8> {
    synth::intel(CPU.signature, 0x36, revision).build()
}

fn insert(cache: &mut Cache, cpu: &CpuKind, bytes: &[u8]) -> Result<Inserted, CacheError> {
    cache.insert(cpu, &scan(bytes).candidates[0].update, false)
}

#[test]
fn a_newer_update_replaces_and_anything_else_is_dropped() {
    let mut cache = Cache::default();
    assert!(cache.is_empty());
    for (revision, inserted, cached) in [
        (5, Inserted::Stored, 5),
        (4, Inserted::DroppedOlder, 5),
        (5, Inserted::DroppedSame, 5),
        (0x8000_0009, Inserted::DroppedOlder, 5),
        (6, Inserted::Replaced, 6),
    ] {
        assert_eq!(insert(&mut cache, &CPU, &intel(revision)), Ok(inserted));
        let entry = cache.lookup(&CPU).expect("something is cached");
        assert_eq!(entry.revision(), cached);
        assert_eq!(entry.bytes(), intel(cached));
        assert_eq!(cache.len(), 1);
    }
}

#[test]
fn mixed_steppings_and_platforms_have_an_entry_each() {
    let other_stepping = CpuKind {
        signature: 0x0005_06e4,
        ..CPU
    };
    let other_platform = CpuKind {
        platform_id: 2,
        ..CPU
    };
    let mut cache = Cache::default();
    let stepping = synth::intel(other_stepping.signature, 0x36, 7).build();
    assert_eq!(insert(&mut cache, &CPU, &intel(5)), Ok(Inserted::Stored));
    assert_eq!(
        insert(&mut cache, &other_stepping, &stepping),
        Ok(Inserted::Stored)
    );
    assert_eq!(
        insert(&mut cache, &other_platform, &intel(6)),
        Ok(Inserted::Stored)
    );
    let cached = |cpu| cache.lookup(cpu).map(|cached| cached.revision());
    assert_eq!(
        [&CPU, &other_stepping, &other_platform].map(cached),
        [Some(5), Some(7), Some(6)]
    );
}

#[test]
fn cpus_of_one_kind_share_an_entry_whatever_they_run() {
    let mut cache = Cache::default();
    assert_eq!(insert(&mut cache, &CPU, &intel(5)), Ok(Inserted::Stored));
    let later = CpuKind { revision: 5, ..CPU };
    assert_eq!(
        cache.lookup(&later).map(|cached| cached.revision()),
        Some(5)
    );

    // AMD has no platform id, so none can part its CPUs.
    let amd = |platform_id| CpuKind {
        platform_id,
        ..CpuKind::new(Vendor::Amd, 0x0080_0f12)
    };
    let patch = synth::amd(0x0080_0f12, 0x0800_126f).build();
    assert_eq!(insert(&mut cache, &amd(0), &patch), Ok(Inserted::Stored));
    assert!(cache.lookup(&amd(3)).is_some());
}

#[test]
fn what_does_not_fit_or_is_not_whole_is_refused() {
    let mut cache = Cache::default();
    let other = synth::intel(1, 0x36, 5).build();
    assert_eq!(insert(&mut cache, &CPU, &other), Err(CacheError::Mismatch));
    for defect in [
        synth::Defect::Cut,
        synth::Defect::DataSize,
        synth::Defect::TotalSize,
    ] {
        let bad = synth::intel(CPU.signature, 0x36, 5).defect(defect).build();
        assert_eq!(insert(&mut cache, &CPU, &bad), Err(CacheError::Incomplete));
    }
    assert!(cache.is_empty());
}

#[test]
fn a_copy_is_aligned_and_as_long_as_the_update() {
    let amd_cpu = CpuKind::new(Vendor::Amd, 0x0070_0f01);
    let mut cache = Cache::default();
    // 3458 bytes, which no multiple of 16 is.
    let amd = synth::amd(amd_cpu.signature, 0x0700_010f).build();
    assert_eq!(insert(&mut cache, &CPU, &intel(5)), Ok(Inserted::Stored));
    assert_eq!(insert(&mut cache, &amd_cpu, &amd), Ok(Inserted::Stored));
    for cpu in [CPU, amd_cpu] {
        let cached = cache.lookup(&cpu).expect("it was stored");
        assert_eq!(cached.vendor(), cpu.vendor);
        assert_eq!(cached.bytes().as_ptr().addr() % 16, 0);
    }
    assert_eq!(
        cache.lookup(&amd_cpu).map(|cached| cached.bytes().len()),
        Some(3458)
    );
}

fn revision(cached: Option<&Arc<Cached>>) -> Option<u32> {
    cached.map(|cached| cached.revision())
}

#[test]
fn an_update_is_on_trial_until_the_first_cpu_took_it() {
    let mut cache = Cache::default();
    assert!(!cache.prove(&CPU) && !cache.reject(&CPU));
    insert(&mut cache, &CPU, &intel(5)).expect("there is memory");
    assert_eq!(revision(cache.lookup(&CPU)), Some(5));
    assert_eq!(revision(cache.proven(&CPU)), None);
    assert!(cache.prove(&CPU));
    assert_eq!(revision(cache.proven(&CPU)), Some(5));
    assert!(!cache.prove(&CPU), "it was proven already");
    assert_eq!(revision(cache.proven(&CPU)), Some(5));
}

#[test]
fn what_no_cpu_took_is_forgotten_and_what_was_proven_before_is_back() {
    let mut cache = Cache::default();
    insert(&mut cache, &CPU, &intel(5)).expect("there is memory");
    assert!(cache.reject(&CPU));
    assert!(cache.is_empty());

    insert(&mut cache, &CPU, &intel(5)).expect("there is memory");
    assert!(cache.prove(&CPU));
    assert_eq!(insert(&mut cache, &CPU, &intel(6)), Ok(Inserted::Replaced));
    assert_eq!(revision(cache.lookup(&CPU)), Some(6));
    assert_eq!(revision(cache.proven(&CPU)), Some(5));
    assert!(cache.reject(&CPU));
    assert_eq!(revision(cache.lookup(&CPU)), Some(5));
    assert_eq!(insert(&mut cache, &CPU, &intel(6)), Ok(Inserted::Replaced));
    assert!(cache.prove(&CPU));
    assert_eq!(revision(cache.proven(&CPU)), Some(6));
}

#[test]
fn a_cpu_that_comes_later_is_served_what_the_others_took() {
    let mut cache = Cache::default();
    insert(&mut cache, &CPU, &intel(5)).expect("there is memory");
    assert!(cache.prove(&CPU));
    let newcomer = CpuKind { revision: 1, ..CPU };
    assert_eq!(revision(cache.proven(&newcomer)), Some(5));
    let stranger = CpuKind {
        platform_id: 3,
        ..CPU
    };
    assert_eq!(revision(cache.proven(&stranger)), None);
}

#[test]
fn by_force_an_older_update_takes_the_place_of_a_newer() {
    let mut cache = Cache::default();
    insert(&mut cache, &CPU, &intel(5)).expect("there is memory");
    let bytes = intel(4);
    let inserted = cache.insert(&CPU, &scan(&bytes).candidates[0].update, true);
    assert_eq!(inserted, Ok(Inserted::Replaced));
    assert_eq!(revision(cache.lookup(&CPU)), Some(4));
    // The same again is a load again.
    let inserted = cache.insert(&CPU, &scan(&bytes).candidates[0].update, true);
    assert_eq!(inserted, Ok(Inserted::Replaced));
}

#[test]
fn the_number_of_kinds_is_known() {
    let mut cache = Cache::default();
    assert_eq!((cache.len(), cache.is_empty()), (0, true));
    insert(&mut cache, &CPU, &intel(5)).expect("there is memory");
    assert_eq!((cache.len(), cache.is_empty()), (1, false));
    let other = CpuKind {
        platform_id: 2,
        ..CPU
    };
    insert(&mut cache, &other, &intel(5)).expect("there is memory");
    assert_eq!((cache.len(), cache.is_empty()), (2, false));
}

#[test]
fn what_became_of_an_update_and_why_has_a_name_each() {
    let names = [
        Inserted::Stored,
        Inserted::Replaced,
        Inserted::DroppedOlder,
        Inserted::DroppedSame,
    ];
    let names = names.map(Inserted::name);
    assert_eq!(
        names,
        ["stored", "replaced", "dropped-older", "dropped-same"]
    );
    for (error, word) in [
        (CacheError::Mismatch, "another kind"),
        (CacheError::Incomplete, "not whole"),
        (CacheError::OutOfMemory, "memory"),
    ] {
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_copy_stays_where_it_is_while_somebody_holds_it() {
    let mut cache = Cache::default();
    insert(&mut cache, &CPU, &intel(5)).expect("there is memory");
    let held = Arc::clone(cache.lookup(&CPU).expect("something is cached"));
    let address = held.bytes().as_ptr();
    insert(&mut cache, &CPU, &intel(6)).expect("there is memory");
    drop(cache);
    assert_eq!(held.bytes(), intel(5));
    assert_eq!(held.bytes().as_ptr(), address);
}

#[test]
fn a_cpu_that_comes_later_is_due_the_proven_update_and_nothing_else() {
    let mut cache = Cache::default();
    let running = |revision| CpuKind { revision, ..CPU };
    let due = |cache: &Cache, cpu| cache.due(&cpu).map(|cached| cached.revision());
    insert(&mut cache, &CPU, &intel(5)).unwrap();
    assert_eq!(due(&cache, running(1)), None, "it is on trial");
    cache.prove(&CPU);
    assert_eq!(due(&cache, running(1)), Some(5));
    assert_eq!(due(&cache, running(5)), None);
    assert_eq!(due(&cache, running(6)), None);
    // Negative revisions are pre-production: older than any other.
    assert_eq!(due(&cache, running(0x8000_0006)), Some(5));
    let locked = CpuKind {
        loading_disabled: true,
        ..running(1)
    };
    assert_eq!(due(&cache, locked), None);
    insert(&mut cache, &CPU, &intel(6)).unwrap();
    cache.reject(&CPU);
    assert_eq!(
        due(&cache, running(1)),
        Some(5),
        "the newer one was refused"
    );
}
