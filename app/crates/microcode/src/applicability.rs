//! One reason for every candidate.
//!
//! For one CPU kind, each candidate gets the first reason that holds. Whose
//! rules count is the [profile](crate::profile)'s to say.
//! 1. It is damaged. What the header says beyond that cannot be trusted, not
//!    even for whom it is.
//! 2. Damage before it, or anywhere in its file, costs it (`xen`, `linux`).
//! 3. It is for another CPU, another platform, or a chipset.
//! 4. It is larger than a limit of its family.
//! 5. The CPU runs one of AMD's final levels: nothing, even by force.
//! 6. It is pre-production and the CPU is not, unless forced.
//! 7. It is no progress, being the same or older, unless forced.
//! 8. The CPU says that it takes no updates.
//! 9. An erratum forbids the load.
//! 10. The CPU's revision is below the update's minimum.
//! 11. Its digest is not the listed one, where a list was given.
//! 12. What is left applies. The highest revision is chosen, of equals the
//!     first; the others are superseded.
//!
//! FreeBSD takes the first match instead of the highest; the order of a file
//! should not decide.

use crate::digest::DigestCheck;
use crate::profile::{DamageReach, MinimumRule, PreProduction, Profile, SDM};
use crate::update::Fit;
use crate::{Candidate, CpuKind, Reason, Scan, Update, Vendor, amd};
use alloc::vec::Vec;
use core::cmp::Ordering;

/// What the operator decides.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Load the same, an older or a pre-production revision too.
    pub force: bool,
    /// What a minimum revision means, instead of what the profile says.
    pub minimum: Option<MinimumRule>,
    /// The list of AMD's digests, if patches are to be checked against one.
    pub digests: Option<DigestCheck<'a>>,
    /// Whose rules count.
    pub profile: &'static Profile,
}

impl Default for Policy<'_> {
    fn default() -> Self {
        Self {
            force: false,
            minimum: None,
            digests: None,
            profile: &SDM,
        }
    }
}

/// The reason for each candidate of a scan for `cpu`, in their order: exactly
/// one [`Chosen`](Reason::Chosen) if anything applies, else none. The scan
/// should have been made under the policy's profile.
#[must_use]
pub fn judge(scan: &Scan<'_>, cpu: &CpuKind, policy: &Policy<'_>) -> Vec<Reason> {
    let candidates = &scan.candidates;
    // Whatever applies is chosen until the best of all is known.
    let reason = |candidate| refusal(scan, candidate, cpu, policy).unwrap_or(Reason::Chosen);
    let mut reasons: Vec<_> = candidates.iter().map(reason).collect();
    let applying = candidates.iter().zip(&reasons).enumerate();
    let applying = applying
        .filter(|(_, (_, reason))| **reason == Reason::Chosen)
        .map(|(index, (candidate, _))| (index, candidate.update.revision()));
    if let Some((chosen, revision)) = best(applying, cpu.vendor, policy.profile) {
        let others = reasons.iter_mut().enumerate();
        others
            .filter(|(index, reason)| *index != chosen && **reason == Reason::Chosen)
            .for_each(|(_, reason)| *reason = Reason::Superseded { revision });
    }
    reasons
}

/// Of candidates that apply, each with its revision, the one to load.
pub fn best<T: Copy>(
    applying: impl IntoIterator<Item = (T, u32)>,
    vendor: Vendor,
    profile: &Profile,
) -> Option<(T, u32)> {
    applying
        .into_iter()
        .reduce(|best, next| match profile.compare(vendor, next.1, best.1) {
            Ordering::Greater => next,
            Ordering::Equal | Ordering::Less => best,
        })
}

/// Rules 1 to 11: why the candidate does not apply; `None` if it does.
#[must_use]
pub fn refusal(
    scan: &Scan<'_>,
    candidate: &Candidate<'_>,
    cpu: &CpuKind,
    policy: &Policy<'_>,
) -> Option<Reason> {
    if let Some(defect) = candidate.defect {
        return Some(Reason::Damaged(defect));
    }
    spoiled(scan, candidate, policy.profile)
        .or_else(|| wrong_cpu(candidate, cpu, policy.profile))
        .or_else(|| no_progress(candidate, cpu, policy))
        .or_else(|| unsafe_load(candidate, cpu, policy))
        .or_else(|| {
            let Update::Amd(patch) = &candidate.update else {
                return None;
            };
            policy.digests?.refusal(patch, cpu)
        })
}

/// Rule 2.
fn spoiled(
    scan: &Scan<'_>,
    candidate: &Candidate<'_>,
    profile: &'static Profile,
) -> Option<Reason> {
    let offset = scan.break_in(candidate.file)?;
    let is_reached = match profile.damage {
        DamageReach::Itself => false,
        DamageReach::WhatFollows => offset < candidate.offset,
        DamageReach::WholeFile => true,
    };
    is_reached.then_some(Reason::Spoiled { offset, profile })
}

/// Rules 3 and 4.
fn wrong_cpu(
    candidate: &Candidate<'_>,
    cpu: &CpuKind,
    profile: &'static Profile,
) -> Option<Reason> {
    let update = &candidate.update;
    if update.vendor() != cpu.vendor {
        return Some(Reason::Vendor);
    }
    match update.fit(cpu, profile) {
        Fit::OtherSignature => return Some(Reason::Signature(update.signature())),
        Fit::OtherPlatform { flags } => {
            let platform_id = cpu.platform_id;
            return Some(Reason::Platform { flags, platform_id });
        }
        Fit::Fits => {}
    }
    let Update::Amd(patch) = update else {
        return None;
    };
    if patch.chipset().is_some() && profile.chipset != crate::profile::Chipset::Ignored {
        return Some(Reason::Chipset);
    }
    let family = amd::family(cpu.signature);
    let size = patch.size();
    profile
        .amd_sizes
        .limit(family)
        .filter(|&limit| size > limit as usize)
        .map(|limit| Reason::SizeLimit {
            size,
            family,
            limit,
            profile,
        })
}

/// Rules 5 to 7.
fn no_progress(candidate: &Candidate<'_>, cpu: &CpuKind, policy: &Policy<'_>) -> Option<Reason> {
    let profile = policy.profile;
    let (revision, current) = (candidate.update.revision(), cpu.revision);
    if cpu.vendor == Vendor::Amd && profile.final_levels.contains(&current) {
        return Some(Reason::FinalLevel { current });
    }
    if policy.force {
        return None;
    }
    if profile.pre_production == PreProduction::OnlyAmongThemselves
        && cpu.vendor.is_pre_production(revision)
        && !cpu.vendor.is_pre_production(current)
    {
        return Some(Reason::PreProduction);
    }
    match profile.compare(cpu.vendor, revision, current) {
        Ordering::Greater => None,
        Ordering::Equal => Some(Reason::Same {
            rewritten: cpu.vendor == Vendor::Amd && profile.reloads_siblings,
        }),
        Ordering::Less => Some(Reason::Older { current }),
    }
}

/// Rules 8 to 10.
fn unsafe_load(candidate: &Candidate<'_>, cpu: &CpuKind, policy: &Policy<'_>) -> Option<Reason> {
    let Policy { profile, .. } = policy;
    if profile.minds_disabled && cpu.loading_disabled {
        return Some(Reason::Disabled);
    }
    let (revision, current) = (candidate.update.revision(), cpu.revision);
    let erratum = profile
        .errata
        .iter()
        .find(|erratum| cpu.vendor == Vendor::Intel && erratum.forbids(cpu, revision));
    if let Some(&erratum) = erratum {
        return Some(Reason::Erratum(erratum));
    }
    let rule = policy.minimum.unwrap_or(profile.minimum(cpu.vendor));
    match (rule, candidate.update.minimum_revision()) {
        (MinimumRule::Ignored, _) | (MinimumRule::Kept, None) => None,
        (MinimumRule::Required, None) => Some(Reason::NoMinimum),
        (MinimumRule::Kept | MinimumRule::Required, Some(minimum)) => {
            let is_below = cpu.vendor.compare_revisions(current, minimum) == Ordering::Less;
            is_below.then_some(Reason::BelowMinimum { minimum, current })
        }
    }
}

#[cfg(test)]
mod tests;
