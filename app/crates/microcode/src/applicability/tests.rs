use super::*;
use crate::Verdict::{self, *};
use crate::profile::{FINAL_LEVELS, LINUX, XEN};
use crate::{scan_as, synth};

const NO_FORCE: Policy<'_> = Policy {
    force: false,
    minimum: None,
    digests: None,
    profile: &SDM,
};
const FORCE: Policy<'_> = Policy {
    force: true,
    ..NO_FORCE
};

fn intel(revision: u32) -> CpuKind {
    CpuKind {
        platform_id: 1,
        revision,
        ..CpuKind::new(Vendor::Intel, 0x0005_06e3)
    }
}

fn amd(signature: u32, revision: u32) -> CpuKind {
    CpuKind {
        revision,
        ..CpuKind::new(Vendor::Amd, signature)
    }
}

fn judged(bytes: &[u8], cpu: CpuKind, policy: Policy<'_>) -> Vec<Verdict> {
    let scan = scan_as(bytes, policy.profile);
    let reasons = judge(&scan, &cpu, &policy);
    reasons.iter().map(Reason::verdict).collect()
}

/// The first candidate's verdict under `sdm`, `xen` and `linux`.
fn by_profile(bytes: &[u8], cpu: CpuKind) -> [Verdict; 3] {
    Profile::ALL.map(|profile| {
        let policy = Policy {
            profile,
            ..NO_FORCE
        };
        judged(bytes, cpu, policy)[0]
    })
}

/// Updates of these revisions for the CPU that [`intel`] is.
fn updates(revisions: &[u32]) -> Vec<u8> {
    let build = |&revision| synth::intel(0x0005_06e3, 0x36, revision).build();
    revisions.iter().flat_map(build).collect()
}

#[test]
fn the_highest_revision_is_chosen_wherever_it_stands() {
    let bytes = updates(&[3, 9, 5, 9, 2]);
    let expected = [Same, Chosen, Superseded, Superseded, Older];
    assert_eq!(judged(&bytes, intel(3), NO_FORCE), expected);
}

#[test]
fn nothing_newer_means_nothing_chosen_unless_forced() {
    let bytes = updates(&[3, 4]);
    assert_eq!(judged(&bytes, intel(4), NO_FORCE), [Older, Same]);
    assert_eq!(judged(&bytes, intel(4), FORCE), [Superseded, Chosen]);
    assert_eq!(judged(&updates(&[3]), intel(4), FORCE), [Chosen]);
}

#[test]
fn negative_intel_revisions_are_older_than_any_release() {
    let bytes = updates(&[0x8000_0001, 1]);
    assert_eq!(judged(&bytes, intel(0), NO_FORCE), [PreProduction, Chosen]);
    assert_eq!(
        judged(&bytes, intel(0x8000_0000), NO_FORCE),
        [Superseded, Chosen]
    );
}

#[test]
fn platforms_match_by_bit_and_no_flags_mean_platform_zero() {
    for (flags, platform_id, verdict) in [
        (0x02, 1, Chosen),
        (0x36, 5, Chosen),
        (0x36, 0, Platform),
        (0x80, 7, Chosen),
        (0x00, 0, Chosen),
        (0x00, 1, Platform),
        (0xff, 9, Platform),
    ] {
        let bytes = synth::intel(0x0005_06e3, flags, 1).build();
        let cpu = CpuKind {
            platform_id,
            ..intel(0)
        };
        assert_eq!(
            judged(&bytes, cpu, NO_FORCE),
            [verdict],
            "{flags:#x}, {platform_id}"
        );
    }
}

#[test]
fn the_extended_table_is_searched_with_its_own_flags() {
    let targets = [
        (0x0004_06e3, 0x36),
        (0x0005_06e3, 0x01),
        (0x0005_06e3, 0x02),
    ];
    let bytes = synth::intel(0x0001, 0xff, 1).extended(&targets).build();
    assert_eq!(judged(&bytes, intel(0), NO_FORCE), [Chosen]);
    let bytes = synth::intel(0x0001, 0xff, 1)
        .extended(&targets[..2])
        .build();
    assert_eq!(judged(&bytes, intel(0), NO_FORCE), [Platform]);
    let bytes = synth::intel(0x0001, 0xff, 1)
        .extended(&targets[..1])
        .build();
    assert_eq!(judged(&bytes, intel(0), NO_FORCE), [Signature]);
}

#[test]
fn damage_comes_before_everything_and_never_wins() {
    let bad = |defect| synth::intel(0x0005_06e3, 0x36, 9).defect(defect).build();
    let bytes = [
        bad(synth::Defect::Checksum),
        bad(synth::Defect::LoaderVersion),
        bad(synth::Defect::TotalSize),
        updates(&[2]),
    ]
    .concat();
    let expected = [Checksum, Malformed, Size, Chosen];
    assert_eq!(judged(&bytes, intel(1), FORCE), expected);
}

#[test]
fn vendors_do_not_mix() {
    // A signature that both name.
    let bytes = synth::intel(0x0080_0f12, 1, 9).build();
    assert_eq!(judged(&bytes, amd(0x0080_0f12, 0), NO_FORCE), [Signature]);
}

#[test]
fn amd_matches_zen_by_patch_id_and_older_families_by_table() {
    let zen = synth::amd(0x0080_0f12, 0x0800_126f)
        .equivalent(0x0080_0f82)
        .build();
    assert_eq!(judged(&zen, amd(0x0080_0f12, 0), NO_FORCE), [Chosen]);
    assert_eq!(judged(&zen, amd(0x0080_0f82, 0), NO_FORCE), [Signature]);
    let old = synth::amd(0x0010_0f62, 0x0100_00c7)
        .equivalent(0x0010_0f63)
        .build();
    assert_eq!(judged(&old, amd(0x0010_0f63, 0), NO_FORCE), [Chosen]);
    assert_eq!(judged(&old, amd(0x0010_0f80, 0), NO_FORCE), [Signature]);
}

#[test]
fn final_levels_take_nothing_even_by_force() {
    let bytes = synth::amd(0x0010_0f62, 0x0100_00c7).build();
    for level in FINAL_LEVELS {
        let cpu = amd(0x0010_0f62, level);
        assert_eq!(judged(&bytes, cpu, FORCE), [FinalLevel]);
    }
    // The same number is nothing special on Intel.
    let bytes = updates(&[0x0200_0000]);
    assert_eq!(judged(&bytes, intel(FINAL_LEVELS[0]), NO_FORCE), [Chosen]);
}

#[test]
fn of_two_patches_for_one_cpu_the_higher_level_is_chosen() {
    let bytes = synth::amd(0x00a1_0f12, 0x0a10_1248)
        .patch(0x00a1_0f12, 0x0a10_1250)
        .build();
    let verdicts = judged(&bytes, amd(0x00a1_0f12, 0x0a10_1201), NO_FORCE);
    assert_eq!(verdicts, [Superseded, Chosen]);
}

#[test]
fn pre_production_is_for_pre_production_newest_of_all_or_a_large_number() {
    let bytes = updates(&[0x8000_0005]);
    assert_eq!(
        by_profile(&bytes, intel(1)),
        [PreProduction, Chosen, Chosen]
    );
    assert_eq!(
        by_profile(&bytes, intel(0x8000_0006)),
        [Older, Chosen, Older]
    );
    assert_eq!(judged(&bytes, intel(1), FORCE), [Chosen]);
}

#[test]
fn no_flags_mean_platform_zero_nobody_or_everybody() {
    let bytes = synth::intel(0x0005_06e3, 0, 1).build();
    let on = |platform_id| CpuKind {
        platform_id,
        ..intel(0)
    };
    assert_eq!(by_profile(&bytes, on(0)), [Chosen, Platform, Chosen]);
    assert_eq!(by_profile(&bytes, on(1)), [Platform, Platform, Chosen]);
}

#[test]
fn damage_costs_itself_what_follows_or_the_whole_file() {
    let bad = |defect| synth::intel(0x0005_06e3, 0x36, 9).defect(defect).build();
    let bytes = [
        updates(&[2]),
        bad(synth::Defect::Checksum),
        updates(&[3, 1]),
    ]
    .concat();
    let under = |profile| {
        let policy = Policy {
            profile,
            ..NO_FORCE
        };
        judged(&bytes, intel(1), policy)
    };
    assert_eq!(under(&SDM), [Superseded, Checksum, Chosen, Same]);
    assert_eq!(under(&XEN), [Chosen, Checksum, Malformed, Malformed]);
    assert_eq!(under(&LINUX), [Malformed, Checksum, Malformed, Malformed]);
}

#[test]
fn what_is_no_update_breaks_a_row_for_those_who_expect_none() {
    for middle in [
        synth::intel(1, 1, 1).in_field_scan().build(),
        synth::intel(1, 1, 1)
            .defect(synth::Defect::HeaderVersion)
            .build(),
    ] {
        let bytes = [updates(&[2]), middle, updates(&[3])].concat();
        assert_eq!(
            by_profile(&bytes, intel(1)),
            [Superseded, Chosen, Malformed]
        );
    }
    let padded = synth::intel(0x0005_06e3, 0x36, 2)
        .defect(synth::Defect::Padding)
        .build();
    assert_eq!(by_profile(&padded, intel(1)), [Chosen, Chosen, Malformed]);
}

#[test]
fn damage_in_one_file_of_an_initrd_leaves_the_other_files_alone() {
    let bad = synth::intel(0x0005_06e3, 0x36, 9)
        .defect(synth::Defect::Checksum)
        .build();
    let zen = synth::amd(0x0080_0f12, 0x0800_126f).build();
    let bytes = crate::initrd::pack(&bad, &zen);
    let policy = Policy {
        profile: &LINUX,
        ..NO_FORCE
    };
    let verdicts = judged(&bytes, amd(0x0080_0f12, 0), policy);
    assert_eq!(verdicts, [Checksum, Chosen]);
}

#[test]
fn a_minimum_revision_counts_where_the_profile_or_the_operator_says_so() {
    let bytes = synth::intel(0x0005_06e3, 0x36, 9)
        .minimum_revision(5)
        .build();
    assert_eq!(by_profile(&bytes, intel(5)), [Chosen; 3]);
    assert_eq!(by_profile(&bytes, intel(4)), [MinRevision, Chosen, Chosen]);
    let zen = synth::amd(0x0080_0f12, 0x0800_126f)
        .minimum_revision(0x0800_1250)
        .build();
    assert_eq!(
        by_profile(&zen, amd(0x0080_0f12, 0x0800_124f)),
        [MinRevision, MinRevision, Chosen]
    );
    let with = |minimum, revision| {
        let policy = Policy {
            minimum: Some(minimum),
            ..NO_FORCE
        };
        judged(&bytes, intel(revision), policy)[0]
    };
    assert_eq!(with(MinimumRule::Ignored, 4), Chosen);
    assert_eq!(with(MinimumRule::Required, 5), Chosen);
    let policy = Policy {
        minimum: Some(MinimumRule::Required),
        ..NO_FORCE
    };
    assert_eq!(judged(&updates(&[9]), intel(5), policy), [MinRevision]);
}

#[test]
fn errata_and_disabled_loading_refuse_what_is_newer_and_nothing_else() {
    let broadwell = CpuKind {
        revision: 0x0b00_0010,
        llc_per_core: Some(3 << 20),
        ..CpuKind::new(Vendor::Intel, 0x0004_06f1)
    };
    let bytes = synth::intel(0x0004_06f1, 1, 0x0b00_0040).build();
    assert_eq!(by_profile(&bytes, broadwell), [Erratum, Chosen, Erratum]);
    let disabled = CpuKind {
        loading_disabled: true,
        ..intel(3)
    };
    let bytes = updates(&[4, 3, 2]);
    assert_eq!(judged(&bytes, disabled, NO_FORCE), [Disabled, Same, Older]);
    assert_eq!(by_profile(&bytes, disabled), [Disabled, Disabled, Chosen]);
}

#[test]
fn sizes_are_limited_by_family_where_a_profile_has_limits() {
    let large = synth::amd(0x00a0_0f11, 0x0a00_11de)
        .patch_size(5569)
        .build();
    let cpu = amd(0x00a0_0f11, 0x0a00_1101);
    assert_eq!(by_profile(&large, cpu), [Chosen, Size, Chosen]);
    let old = synth::amd(0x0010_0f62, 0x0100_00c7)
        .patch_size(2049)
        .build();
    assert_eq!(by_profile(&old, amd(0x0010_0f62, 0)), [Chosen, Size, Size]);
}

#[test]
fn zen_patches_go_by_their_id_or_by_the_table() {
    let unmapped = synth::amd(0x0080_0f12, 0x0800_126f)
        .defect(synth::ContainerDefect::NotMapped)
        .build();
    let cpu = amd(0x0080_0f12, 0);
    assert_eq!(by_profile(&unmapped, cpu), [Chosen, Signature, Chosen]);
    let contradicting = synth::amd(0x0080_0f12, 0x0800_126f)
        .defect(synth::ContainerDefect::ContradictingIds)
        .build();
    assert_eq!(
        by_profile(&contradicting, cpu),
        [Malformed, Chosen, Signature]
    );
}

#[test]
fn a_patch_for_a_chipset_is_refused_loaded_or_spoils_its_file() {
    let bytes = synth::amd(0x0080_0f12, 0x0800_126f)
        .defect(synth::ContainerDefect::ChipsetBound)
        .build();
    let cpu = amd(0x0080_0f12, 0);
    assert_eq!(by_profile(&bytes, cpu), [Signature, Chosen, Malformed]);
}

#[test]
fn every_reason_says_something_of_its_own() {
    let profile = &XEN;
    let reasons = [
        Reason::Chosen,
        Reason::Superseded { revision: 9 },
        Reason::Damaged(crate::FindingKind::Checksum { sum: 1 }),
        Reason::Spoiled { offset: 1, profile },
        Reason::Vendor,
        Reason::Signature(Some(1)),
        Reason::Signature(None),
        Reason::Platform {
            flags: 0x36,
            platform_id: 0,
        },
        Reason::Chipset,
        Reason::SizeLimit {
            size: 9,
            family: 0x19,
            limit: 8,
            profile,
        },
        Reason::FinalLevel { current: 9 },
        Reason::PreProduction,
        Reason::Same { rewritten: false },
        Reason::Same { rewritten: true },
        Reason::Older { current: 9 },
        Reason::Disabled,
        Reason::Erratum(crate::profile::Erratum::Bdx90),
        Reason::BelowMinimum {
            minimum: 2,
            current: 1,
        },
        Reason::NoMinimum,
        Reason::DigestUnknown,
        Reason::DigestDiffers,
        Reason::DigestCutoff { cutoff: 9 },
    ];
    let mut texts: Vec<_> = reasons
        .iter()
        .map(alloc::string::ToString::to_string)
        .collect();
    assert!(texts.iter().all(|text| text.len() > 20), "{texts:?}");
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), reasons.len());
}

#[test]
fn a_level_that_a_thread_shows_is_written_again_on_its_core_but_by_xen() {
    let bytes = synth::amd(0x0080_0f12, 0x0800_126f).build();
    let rewritten = |bytes: &[u8], cpu: CpuKind| {
        Profile::ALL.map(|profile| {
            let policy = Policy {
                profile,
                ..NO_FORCE
            };
            judge(&scan_as(bytes, profile), &cpu, &policy)[0]
        })
    };
    let same = |rewritten| Reason::Same { rewritten };
    assert_eq!(
        rewritten(&bytes, amd(0x0080_0f12, 0x0800_126f)),
        [same(true), same(false), same(true)]
    );
    // One write a core is enough for Intel.
    assert_eq!(rewritten(&updates(&[3]), intel(3)), [same(false); 3]);
}
