use super::*;
use crate::CpuKind;

#[test]
fn names_are_unique_and_the_default_comes_first() {
    let names = Profile::ALL.map(|profile| profile.name);
    assert_eq!(names, ["sdm", "xen", "linux"]);
}

#[test]
fn the_three_disagree_on_pre_production_revisions() {
    let pre_production = 0x8000_0001;
    let newer =
        |profile: &Profile| profile.compare(Vendor::Intel, pre_production, 5) == Ordering::Greater;
    assert_eq!(Profile::ALL.map(newer), [false, true, true]);
    // Of two, Linux takes the larger number and Xen the new one.
    let newer = |profile: &Profile| {
        profile.compare(Vendor::Intel, pre_production, 0x8000_0002) == Ordering::Greater
    };
    assert_eq!(Profile::ALL.map(newer), [false, true, false]);
}

#[test]
fn a_family_without_a_line_of_its_own_has_the_general_limit() {
    assert_eq!(XEN.amd_sizes.limit(0x19), Some(5568));
    assert_eq!(XEN.amd_sizes.limit(0x1b), Some(2048));
    assert_eq!(LINUX.amd_sizes.limit(0x15), None);
    assert_eq!(SDM.amd_sizes.limit(0x10), None);
}

#[test]
fn bdx90_needs_the_signature_a_large_cache_and_an_old_revision() {
    let cpu = CpuKind {
        revision: 0x0b00_0020,
        llc_per_core: Some(2_621_441),
        ..CpuKind::new(Vendor::Intel, 0x0004_06f1)
    };
    let forbids = |cpu: CpuKind| Erratum::Bdx90.forbids(&cpu, 0x0b00_0040);
    assert!(forbids(cpu));
    assert!(forbids(CpuKind {
        llc_per_core: None,
        ..cpu
    }));
    assert!(!forbids(CpuKind {
        llc_per_core: Some(2_621_440),
        ..cpu
    }));
    assert!(!forbids(CpuKind {
        revision: 0x0b00_0021,
        ..cpu
    }));
    assert!(!forbids(CpuKind {
        signature: 0x0004_06f0,
        ..cpu
    }));
}

#[test]
fn gnr98_forbids_jumping_over_one_revision_and_not_landing_on_it() {
    let cpu = CpuKind {
        revision: 0x0100_0400,
        ..CpuKind::new(Vendor::Intel, 0x000a_06d1)
    };
    let forbids = |cpu: &CpuKind, new| Erratum::Gnr98.forbids(cpu, new);
    assert!(forbids(&cpu, 0x0100_0406));
    assert!(!forbids(&cpu, 0x0100_0405));
    let later = CpuKind {
        revision: 0x0100_0405,
        ..cpu
    };
    assert!(!forbids(&later, 0x0100_0406));
    let elsewhere = CpuKind {
        platform_id: 1,
        ..cpu
    };
    assert!(!forbids(&elsewhere, 0x0100_0406));
}
