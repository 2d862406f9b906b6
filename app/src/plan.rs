//! What each CPU is to load, decided before anybody is stopped.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use microcode::{Cache, Candidate, CpuKind, Fit, Policy, Verdict};
use rendezvous::Task;
use report::Outcome;

use crate::verdicts::microcode_vendor;
use crate::worker::Probe;

/// One CPU's share of the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) kind: CpuKind,
    /// The revision that it should end on.
    pub(crate) target: Option<u32>,
    /// Its outcome if it loads nothing.
    pub(crate) otherwise: Outcome,
    /// Why it loads nothing: the verdict that came closest to a load.
    pub(crate) reason: Option<Verdict>,
}

impl Share {
    /// Its part in the rendezvous.
    pub(crate) fn task(&self) -> Task {
        match self.target {
            Some(target) if self.loads() => Task::Load {
                before: self.kind.revision,
                target,
            },
            _ => Task::Attend,
        }
    }

    /// Whether there is anything to load.
    pub(crate) fn loads(&self) -> bool {
        self.reason.is_none() && self.target.is_some()
    }
}

/// The whole plan.
#[derive(Debug)]
pub(crate) struct Plan {
    /// In the order of the CPUs.
    pub(crate) shares: Vec<Share>,
    /// In the order of the candidates: the best for any CPU.
    pub(crate) verdicts: Vec<Verdict>,
    /// A damaged candidate that would have been for one of the CPUs that
    /// load nothing.
    pub(crate) damaged: Option<Verdict>,
}

/// How close a verdict comes to a load; the closest explains a CPU.
fn distance(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Chosen => 0,
        Verdict::Superseded => 1,
        Verdict::Same => 2,
        Verdict::Older => 3,
        Verdict::FinalLevel
        | Verdict::Erratum
        | Verdict::Disabled
        | Verdict::MinRevision
        | Verdict::PreProduction => 4,
        Verdict::Size | Verdict::Checksum | Verdict::Malformed | Verdict::Digest => 5,
        Verdict::Platform => 6,
        Verdict::Signature => 7,
    }
}

fn closest(verdicts: impl IntoIterator<Item = Verdict>) -> Option<Verdict> {
    verdicts
        .into_iter()
        .min_by_key(|&verdict| distance(verdict))
}

impl Plan {
    /// Judges every candidate for every kind of CPU present and fills the
    /// cache with what was chosen.
    pub(crate) fn make(
        probes: &[Probe],
        candidates: &[Candidate<'_>],
        policy: Policy,
        cache: &mut Cache,
    ) -> Result<Self, String> {
        let mut plan = Self {
            shares: Vec::with_capacity(probes.len()),
            verdicts: vec![Verdict::Signature; candidates.len()],
            damaged: None,
        };
        let mut known: Vec<Share> = Vec::new();
        for probe in probes {
            let kind = CpuKind {
                vendor: microcode_vendor(probe.identity.vendor),
                signature: probe.identity.signature,
                platform_id: probe.identity.platform_id,
                revision: probe.revision,
            };
            let share = if let Some(share) = known.iter().find(|share| share.kind == kind) {
                *share
            } else {
                let share = plan.share(kind, candidates, policy, cache)?;
                known.push(share);
                share
            };
            plan.shares.push(share);
        }
        Ok(plan)
    }

    /// The share of the first CPU of a kind.
    fn share(
        &mut self,
        kind: CpuKind,
        candidates: &[Candidate<'_>],
        policy: Policy,
        cache: &mut Cache,
    ) -> Result<Share, String> {
        let verdicts = microcode::judge(candidates, &kind, policy);
        for (best, &verdict) in self.verdicts.iter_mut().zip(&verdicts) {
            if distance(verdict) < distance(*best) {
                *best = verdict;
            }
        }
        let chosen = candidates
            .iter()
            .zip(&verdicts)
            .find(|(_, verdict)| **verdict == Verdict::Chosen);
        if let Some((candidate, _)) = chosen {
            cache
                .insert(&kind, &candidate.update)
                .map_err(|error| error.to_string())?;
            return Ok(Share {
                kind,
                target: Some(candidate.update.revision()),
                otherwise: Outcome::Refused,
                reason: None,
            });
        }

        let damaged = candidates
            .iter()
            .zip(&verdicts)
            .filter(|(candidate, _)| candidate.damage.is_some())
            .find(|(candidate, _)| candidate.update.fit(&kind) == Fit::Fits);
        let closest = closest(verdicts.iter().copied());
        let already = closest == Some(Verdict::Same);
        if !already {
            self.damaged = self.damaged.or(damaged.map(|(_, verdict)| *verdict));
        }
        Ok(Share {
            kind,
            target: already.then_some(kind.revision),
            otherwise: if already {
                Outcome::Already
            } else {
                Outcome::Refused
            },
            // Without any candidate, none fits the signature.
            reason: Some(closest.unwrap_or(Verdict::Signature)),
        })
    }

    /// Whether any CPU has something to load.
    pub(crate) fn loads(&self) -> bool {
        self.shares.iter().any(Share::loads)
    }
}
