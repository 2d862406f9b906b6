//! Which updates are taken.

use microcode::synth::{ContainerDefect, Defect};
use microcode::{CpuKind, Policy, Reason};
use proptest::prelude::*;

use super::*;

/// Levels before and after, for each family with patches in the wild.
const FAMILIES: [(u32, u32, u32); 6] = [
    (0x0010_0f23, 0x0100_0065, 0x0100_0095),
    (0x0060_0f12, 0x0600_0626, 0x0600_063e),
    (0x0070_0f01, 0x0700_0106, 0x0700_010f),
    (0x0080_0f12, 0x0800_1200, 0x0800_126e),
    (0x00a0_0f11, 0x0a00_1100, 0x0a00_11d5),
    (0x00b4_0f40, 0x0b40_4000, 0x0b40_4023),
];

fn taken_by_intel(update: &[u8]) -> Result<u32, Refusal> {
    engine(intel(1)).load_all(0, update)
}

#[test]
fn every_family_takes_its_own_patch_and_no_other_familys() {
    for (signature, before, after) in FAMILIES {
        for (other, _, revision) in FAMILIES {
            let engine = engine(Config {
                revision: before,
                ..Config::new(Vendor::Amd, signature, 1)
            });
            let expected = if other == signature {
                Ok(after)
            } else {
                Err(Refusal::Signature)
            };
            let found = engine.load_all(0, &amd_patch(other, revision));
            assert_eq!(found, expected, "{signature:#x} {other:#x}");
        }
    }
}

#[test]
fn below_family_17h_the_ids_of_the_vendors_table_count() {
    let config = Config {
        revision: 1,
        equivalence_ids: std::vec![0x1022],
        ..Config::new(Vendor::Amd, 0x0010_0f2a, 1)
    };
    let of_the_table = amd_patch(0x0010_0f22, 0x0100_0095);
    let folded = amd_patch(0x0010_0f2a, 0x0100_0095);
    assert_eq!(
        engine(config.clone()).load_all(0, &of_the_table),
        Ok(0x0100_0095)
    );
    assert_eq!(engine(config).load_all(0, &folded), Err(Refusal::Signature));
}

#[test]
fn an_update_for_another_cpu_is_refused_by_what_differs() {
    let update = |signature, flags| synth::intel(signature, flags, 9).build();
    assert_eq!(taken_by_intel(&update(INTEL, 0x01)), Ok(9));
    assert_eq!(taken_by_intel(&update(INTEL, 0)), Ok(9));
    assert_eq!(taken_by_intel(&update(INTEL, 0x02)), Err(Refusal::Platform));
    assert_eq!(
        taken_by_intel(&update(0x306c3, 0x01)),
        Err(Refusal::Signature)
    );
}

#[test]
fn the_extended_table_counts() {
    let update = |flags| {
        synth::intel(0x306c3, 1, 9)
            .extended(&[(0x306c4, 1), (INTEL, flags)])
            .build()
    };
    assert_eq!(taken_by_intel(&update(0x01)), Ok(9));
    assert_eq!(taken_by_intel(&update(0x40)), Err(Refusal::Platform));
}

#[test]
fn revisions_are_signed_on_intel_and_the_same_is_taken_again() {
    let config = |revision| Config {
        revision,
        ..intel(1)
    };
    let load = |before, revision| engine(config(before)).load_all(0, &intel_update(revision));
    assert_eq!(load(9, 9), Ok(9));
    assert_eq!(load(9, 8), Err(Refusal::Older));
    assert_eq!(load(1, 0x8000_0002), Err(Refusal::Older));
    assert_eq!(load(0x8000_0002, 1), Ok(1));
    let downgradable = engine(Config {
        older: Downgrade::Taken,
        ..config(9)
    });
    assert_eq!(downgradable.load_all(0, &intel_update(8)), Ok(8));
}

#[test]
fn intel_writes_a_core_and_amd_a_thread() {
    let intel = engine(intel(2));
    assert_eq!(intel.load_all(0, &intel_update(9)), Ok(9));
    let revisions = |engine: &Engine| (0..4).map(|t| engine.read_revision(t)).collect::<Vec<_>>();
    assert_eq!(revisions(&intel), [9, 9, OLD, OLD]);

    let amd = engine(amd(2));
    let patch = amd_patch(AMD, 0x0800_126e);
    assert_eq!(amd.load_all(1, &patch), Ok(0x0800_126e));
    assert_eq!(
        amd.revision(0),
        0x0800_1200,
        "the sibling has nothing of it"
    );
    assert_eq!(amd.load_all(0, &patch), Ok(0x0800_126e));
    assert_eq!(amd.revision(0), amd.revision(1));
}

#[test]
fn a_seal_lets_only_the_sealed_bytes_pass() {
    let patch = amd_patch(AMD, 0x0800_126e);
    let sealed = engine(Config {
        seal: std::vec![crate::Seal::of(0x0800_126e, &patch)],
        ..amd(1)
    });
    let mut broken = patch.clone();
    broken[100] ^= 1;
    assert_eq!(sealed.load_all(0, &broken), Err(Refusal::Seal));
    assert_eq!(
        sealed.load_all(0, &amd_patch(AMD, 0x0800_126f)),
        Err(Refusal::Seal)
    );
    assert_eq!(sealed.load_all(0, &patch), Ok(0x0800_126e));
}

#[test]
fn an_address_that_cannot_be_read_faults_and_one_off_its_boundary_does_nothing() {
    let engine = engine(intel(1));
    let update = intel_update(9);
    let load = |address: u64, bytes: &[u8]| {
        let write = Access::Write(msr::BIOS_UPDT_TRIG, address);
        let answer = engine.begin(0, write, &(ADDRESS, bytes));
        (answer.reply, answer.misuse)
    };
    let fault = (Reply::GpFault, Some(Misuse::Unmapped));
    for address in [
        0,
        16,
        0x8000_0000_0000,
        0xdead_0000_0000_0000,
        u64::MAX - 15,
    ] {
        assert_eq!(load(address, &update), fault, "{address:#x}");
    }
    assert_eq!(load(ADDRESS + 48, &update[..1000]), fault, "the end");
    assert_eq!(
        load(ADDRESS + 56, &update),
        (Reply::Done, Some(Misuse::Misaligned))
    );
    assert_eq!(engine.read_revision(0), OLD);
    assert_eq!(engine.counters(0).nr_misuses, 7);
}

/// Within a container a patch lies 4 bytes off any larger boundary, and early
/// loaders write it from there.
#[test]
fn amds_patches_may_lie_anywhere() {
    let engine = engine(amd(1));
    let patch = amd_patch(AMD, 0x0800_126e);
    for address in [ADDRESS, ADDRESS + 4, ADDRESS + 1] {
        let write = Access::Write(msr::PATCH_LOADER, address);
        let answer = engine.begin(0, write, &(address, patch.as_slice()));
        assert_eq!(answer.misuse, None, "{address:#x}");
        let load = answer.load.unwrap();
        assert_eq!(load.outcome, Ok(0x0800_126e), "{address:#x}");
        engine.finish(&load);
    }
}

/// A defect costs an update here exactly if it costs it in the loader's own
/// reader, which was written apart from this one. The CPU is one of the
/// extended table: one that the header names never looks at the table.
#[test]
fn the_model_and_the_loaders_parser_agree_on_every_defect() {
    let kind = CpuKind {
        revision: OLD,
        ..CpuKind::new(Vendor::Intel, INTEL)
    };
    for defect in Defect::ALL {
        let update = synth::intel(0x306c3, 1, 9).extended(&[(INTEL, 1)]);
        let bytes = update.defect(defect).build();
        let scan = microcode::scan(&bytes);
        let reasons = microcode::judge(&scan, &kind, &Policy::default());
        // What a CPU reads behind a cut is whatever lies there.
        let mut memory = bytes.clone();
        memory.resize(8192, 0);
        let model = taken_by_intel(&memory);
        assert_eq!(
            model.is_ok(),
            reasons.contains(&Reason::Chosen),
            "{}: {model:?}",
            defect.name()
        );
    }
}

#[test]
fn a_patch_whose_two_ids_contradict_each_other_is_refused() {
    let defect = ContainerDefect::ContradictingIds;
    for (signature, before, after) in FAMILIES {
        let container = synth::amd(signature, after).defect(defect).build();
        let scan = microcode::scan(&container);
        let patch = scan.candidates[0].update.bytes();
        let engine = engine(Config {
            revision: before,
            ..Config::new(Vendor::Amd, signature, 1)
        });
        assert_eq!(engine.load_all(0, patch), Err(Refusal::Signature));
    }
}

proptest! {
    #[test]
    fn no_bytes_and_no_address_make_the_model_fail(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        address in prop_oneof![Just(ADDRESS + 48), Just(ADDRESS), any::<u64>()],
        is_intel in any::<bool>(),
    ) {
        let (config, register) = if is_intel {
            (intel(1), msr::BIOS_UPDT_TRIG)
        } else {
            (amd(1), msr::PATCH_LOADER)
        };
        let engine = engine(config);
        let before = engine.revision(0);
        let answer = engine.begin(0, Access::Write(register, address), &(ADDRESS, bytes.as_slice()));
        // By chance alone nothing of this is for the CPU.
        prop_assert!(!answer.load.unwrap().is_accepted());
        prop_assert_eq!(engine.revision(0), before);
    }

    #[test]
    fn one_flipped_bit_in_header_or_data_is_never_taken(bit in 0_usize..2048 * 8) {
        let mut update = intel_update(9);
        update[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(taken_by_intel(&update).is_err());
    }

    #[test]
    fn a_hostile_header_with_a_right_sum_is_never_read_past_its_memory(
        data_size in any::<u32>(), total_size in any::<u32>(), nr_entries in any::<u32>(),
    ) {
        let mut update = intel_update(9);
        update[28..32].copy_from_slice(&data_size.to_le_bytes());
        update[32..36].copy_from_slice(&total_size.to_le_bytes());
        update.extend_from_slice(&nr_entries.to_le_bytes());
        update.resize(8192, 0);
        let _ = taken_by_intel(&update);
    }
}
