//! What holds for any bytes, any updates and any CPU.

use microcode::{
    Cache, CpuKind, Date, Inserted, Policy, Reason, Scan, Vendor, Verdict, initrd, judge, promises,
    scan, synth,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Checks what every scan promises.
fn check_promises(bytes: &[u8], scan: &Scan<'_>) -> Result<(), TestCaseError> {
    promises::check(bytes, scan).map_err(|broken| TestCaseError::fail(broken.to_string()))?;
    // Nothing that a reader may ask for panics either.
    for kind in [Vendor::Intel, Vendor::Amd] {
        let cpu = CpuKind::new(kind, 0x0005_06e3);
        let reasons = judge(scan, &cpu, &Policy::default());
        prop_assert_eq!(reasons.len(), scan.candidates.len());
    }
    for candidate in &scan.candidates {
        let update = &candidate.update;
        let _ = (update.date(), update.size(), update.minimum_revision());
        let _ = update.targets().count();
    }
    Ok(())
}

/// A file of some format, so that changes to it reach deep into the parsers.
fn sound_file() -> impl Strategy<Value = Vec<u8>> {
    let revision = 0u32..1 << 31;
    let intel = (vec((0u32..4, 1u32..256), 0..3), 0usize..4000, revision).prop_map(
        |(extended, data_size, revision)| {
            let first = synth::intel(0x0005_06e3, 0x36, revision)
                .data_size(data_size)
                .extended(&extended)
                .metadata(3, &[1; 4])
                .build();
            let second = synth::intel(0x0f29, 1, revision).legacy().build();
            [first, second].concat()
        },
    );
    let amd = (0u32..1 << 24, 0u16..300).prop_map(|(level, size)| {
        let container = synth::amd(0x0010_0f62, 0x0100_0000 | level)
            .patch_size(size)
            .patch(0x0080_0f12, 0x0800_126f)
            .minimum_revision(0x0800_1201)
            .patch_size(size);
        [container.build(), container.without_sentinel().build()].concat()
    });
    (intel, amd, 0..3).prop_map(|(intel, amd, form)| match form {
        0 => intel,
        1 => amd,
        _ => initrd::pack(&intel, &amd),
    })
}

/// What may befall a file: some bytes changed, some inserted, the end cut off.
fn damaged_file() -> impl Strategy<Value = Vec<u8>> {
    let position = any::<prop::sample::Index>;
    (
        sound_file(),
        vec((position(), any::<u8>()), 0..4),
        (position(), vec(any::<u8>(), 0..8)),
        prop::option::of(position()),
    )
        .prop_map(|(mut bytes, changes, (place, inserted), cut)| {
            for (place, value) in changes {
                *place.get_mut(&mut bytes) = value;
            }
            let place = place.index(bytes.len());
            bytes.splice(place..place, inserted);
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            bytes
        })
}

prop_compose! {
    fn cpu()(signature in 1u32..3, platform_id in 0u8..8, revision in -2i32..4) -> CpuKind {
        CpuKind {
            platform_id,
            revision: revision.cast_unsigned(),
            ..CpuKind::new(Vendor::Intel, signature)
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_keep_the_promises(bytes in vec(any::<u8>(), 0..2048)) {
        check_promises(&bytes, &scan(&bytes))?;
    }

    #[test]
    fn any_bytes_behind_a_magic_keep_the_promises(
        magic in prop::sample::select(vec![
            b"070701".to_vec(),
            b"DMA\0\0\0\0\0".to_vec(),
            vec![1, 0, 0, 0],
            vec![2, 0, 0, 0],
        ]),
        bytes in vec(prop_oneof![Just(0), Just(b'0'), any::<u8>()], 0..2048),
    ) {
        let bytes = [magic, bytes].concat();
        check_promises(&bytes, &scan(&bytes))?;
    }

    #[test]
    fn sound_files_have_no_finding(bytes in sound_file()) {
        let scan = scan(&bytes);
        prop_assert_eq!(&scan.findings, &[]);
        prop_assert!(scan.candidates.len() >= 2);
        check_promises(&bytes, &scan)?;
    }

    #[test]
    fn damaged_files_keep_the_promises(bytes in damaged_file()) {
        check_promises(&bytes, &scan(&bytes))?;
    }

    #[test]
    fn what_the_generator_is_told_is_what_a_scan_reads(
        signature: u32,
        flags in 0u32..256,
        revision in 0u32..1 << 31,
        minimum in 1u32..,
        data_size in 0usize..20_000,
        extended in vec((any::<u32>(), 0u32..256), 0..5),
        (year, month, day) in (1990u16..2100, 1u8..=12, 1u8..=31),
    ) {
        let date = Date { year, month, day };
        let bytes = synth::intel(signature, flags, revision)
            .date(date)
            .data_size(data_size)
            .minimum_revision(minimum)
            .extended(&extended)
            .build();
        let scan = scan(&bytes);
        prop_assert_eq!(&scan.findings, &[]);
        prop_assert_eq!(scan.candidates.len(), 1);
        let update = &scan.candidates[0].update;
        prop_assert_eq!(update.revision(), revision);
        prop_assert_eq!(update.minimum_revision(), Some(minimum));
        prop_assert_eq!(update.date(), date);
        prop_assert_eq!(update.bytes(), &bytes);
        let targets: Vec<_> = update.targets().map(|t| (t.signature, t.flags)).collect();
        let expected: Vec<_> = std::iter::once((signature, flags))
            .chain(extended)
            .map(|(signature, flags)| (signature, Some(flags)))
            .collect();
        prop_assert_eq!(targets, expected);
    }

    #[test]
    fn one_bad_update_never_hides_its_neighbours(
        defect in prop::sample::select(synth::Defect::ALL.to_vec())
            .prop_filter("they damage what follows", |defect| !matches!(
                defect,
                synth::Defect::Cut | synth::Defect::Padding | synth::Defect::Trailing
            )),
        sizes in prop::array::uniform3(1usize..6000),
    ) {
        let [before, bad, after] = sizes.map(|size| synth::intel(1, 1, 1).data_size(size));
        let bytes = [before.build(), bad.defect(defect).build(), after.build()].concat();
        let archive = initrd::pack(&bytes, &[]);
        let scan = scan(&archive);
        let ends = [&scan.candidates[0], &scan.candidates[scan.candidates.len() - 1]];
        prop_assert!(ends.iter().all(|candidate| candidate.damage().is_none()));
        prop_assert_eq!(scan.findings.len(), 1);
        prop_assert_eq!(scan.findings[0].kind.name(), defect.name());
    }

    #[test]
    fn one_bad_patch_never_hides_its_neighbours(
        defect in prop::sample::select(synth::ContainerDefect::ALL.to_vec())
            .prop_filter("they damage what follows", |defect| !matches!(
                defect,
                synth::ContainerDefect::Cut | synth::ContainerDefect::Padding
            )),
        sizes in prop::array::uniform3(64u16..3000),
    ) {
        let [before, bad, after] = sizes.map(|size| {
            synth::amd(0x0080_0f12, 0x0800_126f)
                .patch_size(size)
                .patch(0x0083_0f10, 0x0830_107c)
                .patch_size(size)
        });
        let bytes = [before.build(), bad.defect(defect).build(), after.build()].concat();
        let archive = initrd::pack(&[], &bytes);
        let scan = scan(&archive);
        let sound = scan.candidates.iter().filter(|c| c.damage().is_none()).count();
        prop_assert!(sound >= 5, "{} sound, {}", sound, defect.name());
    }

    #[test]
    fn the_profiles_agree_on_what_is_sound_and_unremarkable(
        bytes in sound_file(),
        cpu in cpu(),
    ) {
        let cpu = CpuKind { revision: cpu.revision & 3, ..cpu };
        let verdicts = microcode::Profile::ALL.map(|profile| {
            let scan = microcode::scan_as(&bytes, profile);
            let policy = Policy { profile, ..Policy::default() };
            let reasons = judge(&scan, &cpu, &policy);
            reasons.iter().map(Reason::verdict).collect::<Vec<_>>()
        });
        prop_assert_eq!(&verdicts[0], &verdicts[1]);
        prop_assert_eq!(&verdicts[0], &verdicts[2]);
    }

    #[test]
    fn the_chosen_one_is_the_newest_that_applies(
        updates in vec((1u32..3, 0u32..256, -2i32..4), 0..8),
        cpu in cpu(),
        force: bool,
    ) {
        let build = |&(signature, flags, revision): &(u32, u32, i32)| {
            synth::intel(signature, flags, revision.cast_unsigned()).build()
        };
        let bytes: Vec<u8> = updates.iter().flat_map(build).collect();
        let scan = scan(&bytes);
        let policy = Policy { force, ..Policy::default() };
        let reasons = judge(&scan, &cpu, &policy);
        let verdicts: Vec<_> = reasons.iter().map(Reason::verdict).collect();
        prop_assert_eq!(verdicts.len(), updates.len());

        let current = cpu.revision.cast_signed();
        let applies = |&&(signature, flags, revision): &&(u32, u32, i32)| {
            let on_platform = if flags == 0 { 1 } else { flags } >> cpu.platform_id & 1 == 1;
            let in_production = revision >= 0 || current < 0;
            let is_progress = revision > current && in_production;
            signature == cpu.signature && on_platform && (force || is_progress)
        };
        let newest = updates.iter().filter(applies).map(|update| update.2).max();
        let chosen: Vec<_> = updates
            .iter()
            .zip(&verdicts)
            .filter(|(_, verdict)| **verdict == Verdict::Chosen)
            .map(|(update, _)| update.2)
            .collect();
        prop_assert_eq!(chosen, newest.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn the_cache_holds_the_newest_update_ever_offered(
        revisions in vec(-3i32..4, 1..10),
    ) {
        let cpu = CpuKind::new(Vendor::Intel, 1);
        let mut cache = Cache::default();
        let mut newest = None;
        for revision in revisions {
            let bytes = synth::intel(1, 1, revision.cast_unsigned()).build();
            let inserted = cache.insert(&cpu, &scan(&bytes).candidates[0].update, false);
            let expected = match newest {
                None => Inserted::Stored,
                Some(newest) if revision > newest => Inserted::Replaced,
                Some(newest) if revision == newest => Inserted::DroppedSame,
                Some(_) => Inserted::DroppedOlder,
            };
            prop_assert_eq!(inserted, Ok(expected));
            newest = newest.max(Some(revision));
            let cached = cache.lookup(&cpu).map(|cached| cached.revision().cast_signed());
            prop_assert_eq!(cached, newest);
        }
    }
}
