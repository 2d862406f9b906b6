//! One reason for every candidate.
//!
//! For one CPU kind, each candidate gets the first verdict that holds:
//! 1. It is damaged: `checksum`, `malformed` or `size`. What the header says
//!    beyond that cannot be trusted, not even for whom it is.
//! 2. It is for another CPU: `signature`, or `platform` where the signature
//!    matches and Intel's processor flags do not.
//! 3. The CPU runs one of AMD's final levels: `final-level`, even by force.
//! 4. It is no progress: `same` or `older`, unless forced.
//! 5. What is left applies. The highest revision is `chosen`, of equals the
//!    first; the others are `superseded`.
//!
//! FreeBSD takes the first match instead of the highest; the order of a file
//! should not decide. The rest of [`Verdict`] needs more than a candidate and
//! a CPU kind (errata, policies, digest lists) and is named here because the
//! list is closed.

use crate::update::Fit;
use crate::{Candidate, CpuKind, Damage, Vendor, amd};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

/// What becomes of one candidate for one CPU kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is the one to load.
    Chosen,
    /// It applies, but a better candidate does too.
    Superseded,
    /// It applies, but is older than what the CPU runs.
    Older,
    /// It applies, and the CPU runs it already.
    Same,
    /// It is for another CPU signature.
    Signature,
    /// It is for another platform id.
    Platform,
    /// The CPU's revision is below the update's minimum.
    MinRevision,
    /// The CPU's revision is one of those that take nothing newer.
    FinalLevel,
    /// A known erratum forbids the load.
    Erratum,
    /// Loading is disabled on this CPU.
    Disabled,
    /// Its sizes are not allowed.
    Size,
    /// A checksum is wrong.
    Checksum,
    /// It is cut short, or its structure contradicts itself.
    Malformed,
    /// Its digest is not on the list of known patches.
    Digest,
    /// It is a pre-production update, and the policy refuses those.
    PreProduction,
}

impl Verdict {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Superseded => "superseded",
            Self::Older => "older",
            Self::Same => "same",
            Self::Signature => "signature",
            Self::Platform => "platform",
            Self::MinRevision => "min-revision",
            Self::FinalLevel => "final-level",
            Self::Erratum => "erratum",
            Self::Disabled => "disabled",
            Self::Size => "size",
            Self::Checksum => "checksum",
            Self::Malformed => "malformed",
            Self::Digest => "digest",
            Self::PreProduction => "pre-production",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<Damage> for Verdict {
    fn from(damage: Damage) -> Self {
        match damage {
            Damage::Checksum => Self::Checksum,
            Damage::Malformed => Self::Malformed,
            Damage::Size => Self::Size,
        }
    }
}

/// What the operator decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Load the same or an older revision too.
    pub force: bool,
}

/// The verdict on each candidate for `cpu`, in their order: exactly one
/// [`Chosen`](Verdict::Chosen) if anything applies, else none.
#[must_use]
pub fn judge(candidates: &[Candidate<'_>], cpu: &CpuKind, policy: Policy) -> Vec<Verdict> {
    let mut verdicts: Vec<_> = candidates
        .iter()
        .map(|candidate| refuse(candidate, cpu, policy).unwrap_or(Verdict::Superseded))
        .collect();
    let best = candidates
        .iter()
        .zip(&mut verdicts)
        .filter(|(_, verdict)| **verdict == Verdict::Superseded)
        .reduce(|best, next| {
            let [old, new] = [&best, &next].map(|(candidate, _)| candidate.update.revision());
            match cpu.vendor.compare_revisions(new, old) {
                Ordering::Greater => next,
                Ordering::Equal | Ordering::Less => best,
            }
        });
    if let Some((_, verdict)) = best {
        *verdict = Verdict::Chosen;
    }
    verdicts
}

/// Rules 1 to 4: why the candidate does not apply; `None` if it does.
fn refuse(candidate: &Candidate<'_>, cpu: &CpuKind, policy: Policy) -> Option<Verdict> {
    if let Some(damage) = candidate.damage {
        return Some(damage.into());
    }
    match candidate.update.fit(cpu) {
        Fit::OtherSignature => return Some(Verdict::Signature),
        Fit::OtherPlatform => return Some(Verdict::Platform),
        Fit::Fits => {}
    }
    if cpu.vendor == Vendor::Amd && amd::FINAL_LEVELS.contains(&cpu.revision) {
        return Some(Verdict::FinalLevel);
    }
    let revision = candidate.update.revision();
    match cpu.vendor.compare_revisions(revision, cpu.revision) {
        Ordering::Greater => None,
        _ if policy.force => None,
        Ordering::Equal => Some(Verdict::Same),
        Ordering::Less => Some(Verdict::Older),
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::*;
    use super::*;
    use crate::{scan, synth};

    const NO_FORCE: Policy = Policy { force: false };
    const FORCE: Policy = Policy { force: true };

    fn intel(revision: u32) -> CpuKind {
        CpuKind {
            vendor: Vendor::Intel,
            signature: 0x0005_06e3,
            platform_id: 1,
            revision,
        }
    }

    fn amd(signature: u32, revision: u32) -> CpuKind {
        CpuKind {
            vendor: Vendor::Amd,
            signature,
            platform_id: 0,
            revision,
        }
    }

    fn judged(bytes: &[u8], cpu: CpuKind, policy: Policy) -> Vec<Verdict> {
        judge(&scan(bytes).candidates, &cpu, policy)
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
        assert_eq!(judged(&bytes, intel(0), NO_FORCE), [Older, Chosen]);
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
        for level in amd::FINAL_LEVELS {
            let cpu = amd(0x0010_0f62, level);
            assert_eq!(judged(&bytes, cpu, FORCE), [FinalLevel]);
        }
        // The same number is nothing special on Intel.
        let bytes = updates(&[0x0200_0000]);
        assert_eq!(
            judged(&bytes, intel(amd::FINAL_LEVELS[0]), NO_FORCE),
            [Chosen]
        );
    }

    #[test]
    fn of_two_patches_for_one_cpu_the_higher_level_is_chosen() {
        let bytes = synth::amd(0x00a1_0f12, 0x0a10_1248)
            .patch(0x00a1_0f12, 0x0a10_1250)
            .build();
        let verdicts = judged(&bytes, amd(0x00a1_0f12, 0x0a10_1201), NO_FORCE);
        assert_eq!(verdicts, [Superseded, Chosen]);
    }
}
