//! Any candidates, any CPU and any policy: one reason for each, at most one is
//! chosen, it is sound and fits, and nothing better is left.

#![no_main]
#![forbid(unsafe_code)]

use std::cmp::Ordering;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use microcode::profile::{MinimumRule, PreProduction};
use microcode::{Candidate, CpuKind, Fit, Policy, Profile, Reason, Vendor, judge};
use muster_fuzz::{repair, scanned_as};

/// A CPU is told by how it differs from one that a candidate is for: any other
/// would hardly ever fit.
#[derive(Arbitrary, Debug)]
struct Input<'a> {
    candidate: u8,
    signature: u32,
    platform_id: u8,
    revision: i8,
    loading_disabled: bool,
    llc_per_core: Option<u32>,
    force: bool,
    profile: u8,
    minimum: u8,
    file: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let mut file = input.file.to_vec();
    repair(&mut file);
    let policy = Policy {
        force: input.force,
        minimum: match input.minimum % 4 {
            0 => None,
            1 => Some(MinimumRule::Ignored),
            2 => Some(MinimumRule::Kept),
            _ => Some(MinimumRule::Required),
        },
        profile: Profile::ALL[usize::from(input.profile) % Profile::ALL.len()],
        ..Policy::default()
    };
    let scan = scanned_as(&file, policy.profile);
    let candidates = &scan.candidates;
    let like = candidates.get(usize::from(input.candidate) % candidates.len().max(1));
    let update = like.map(|candidate| candidate.update);
    let cpu = CpuKind {
        vendor: update.map_or(Vendor::Intel, |update| update.vendor()),
        signature: update.and_then(|update| update.signature()).unwrap_or(0) ^ input.signature,
        platform_id: input.platform_id,
        revision: update
            .map_or(0, |update| update.revision())
            .wrapping_add_signed(input.revision.into()),
        loading_disabled: input.loading_disabled,
        llc_per_core: input.llc_per_core,
    };
    let reasons = judge(&scan, &cpu, &policy);
    assert_eq!(reasons.len(), candidates.len());
    let judged: Vec<_> = candidates.iter().zip(reasons).collect();
    check(&cpu, &policy, &judged);
});

fn check(cpu: &CpuKind, policy: &Policy<'_>, judged: &[(&Candidate<'_>, Reason)]) {
    let profile = policy.profile;
    let compare = |candidate: &Candidate<'_>, revision| {
        profile.compare(cpu.vendor, candidate.update.revision(), revision)
    };
    let mut chosen = judged.iter().filter(|(_, r)| *r == Reason::Chosen);
    let best = chosen.next();
    assert!(chosen.next().is_none(), "two are chosen");
    for &(candidate, reason) in judged {
        assert!(!reason.to_string().is_empty());
        let sound = candidate.damage().is_none();
        let fits = candidate.update.fit(cpu, profile) == Fit::Fits;
        let progress = policy.force || compare(candidate, cpu.revision) == Ordering::Greater;
        match reason {
            Reason::Chosen | Reason::Superseded { .. } => {
                assert!(sound && fits && progress);
                let (best, _) = best.expect("one that applies is chosen");
                // Of pre-production updates Xen takes any other for newer.
                if profile.pre_production != PreProduction::AlwaysNewer {
                    let order = compare(candidate, best.update.revision());
                    assert_ne!(order, Ordering::Greater);
                }
            }
            Reason::Damaged(_) => assert!(!sound),
            Reason::Vendor | Reason::Signature(_) | Reason::Platform { .. } => assert!(!fits),
            Reason::Same { .. } | Reason::Older { .. } => assert!(!progress),
            _ => assert!(sound),
        }
    }
}
