//! What each CPU is to load, decided before anybody is stopped.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use cpu::{Identity, Native, Registers};
use microcode::{Cache, Cached, CpuKind, Fit, Inserted, Policy, Reason, Scan, Verdict};
use rendezvous::{Parked, Task, Topology};
use report::{CandidateVerdict, Outcome};

use crate::verdicts::{microcode_vendor, reported_verdict};
use crate::worker::Probe;

/// One CPU's share of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) kind: CpuKind,
    /// The revision that it should end on.
    pub(crate) target: Option<u32>,
    /// The update, as the cache has it.
    pub(crate) update: Option<Arc<Cached>>,
    /// What the cache made of it.
    pub(crate) inserted: Option<Inserted>,
    /// Its outcome if it loads nothing.
    pub(crate) otherwise: Outcome,
    /// Why it loads nothing: the verdict that came closest to a load.
    pub(crate) reason: Option<CandidateVerdict>,
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
    /// How long the candidates took to be judged, in ticks of the TSC.
    pub(crate) judge_ticks: u64,
    /// How long what was chosen took to be cached, in ticks of the TSC.
    pub(crate) cache_ticks: u64,
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

/// The number of cores that are up in a package.
fn nr_cores(package: u32, probes: &[Probe]) -> u32 {
    let is_core = |probe: &&Probe| probe.place.package == package && probe.place.thread == 0;
    probes.iter().filter(is_core).count() as u32
}

/// The kind of a CPU, of whose cache nothing is said.
pub(crate) fn kind(identity: &Identity, revision: u32) -> CpuKind {
    CpuKind {
        vendor: microcode_vendor(identity.vendor),
        signature: identity.signature,
        platform_id: identity.platform_id,
        revision,
        loading_disabled: identity.loading_disabled,
        llc_per_core: None,
    }
}

impl Plan {
    /// Judges every candidate for every kind of CPU present and fills the
    /// cache with what was chosen.
    pub(crate) fn make(
        probes: &[Probe],
        scan: &Scan<'_>,
        policy: &Policy<'_>,
        cache: &mut Cache,
    ) -> Result<Self, String> {
        let mut plan = Self {
            shares: Vec::with_capacity(probes.len()),
            verdicts: vec![Verdict::Signature; scan.candidates.len()],
            judge_ticks: 0,
            cache_ticks: 0,
            damaged: None,
        };
        let mut known: Vec<Share> = Vec::new();
        // CPUs of one package follow each other.
        let (mut package, mut cores) = (0, nr_cores(0, probes));
        for probe in probes {
            if probe.place.package != package {
                package = probe.place.package;
                cores = nr_cores(package, probes);
            }
            let kind = CpuKind {
                // In bytes.
                llc_per_core: probe.identity.llc.and_then(|llc| llc.checked_div(cores)),
                ..kind(&probe.identity, probe.revision)
            };
            let share = if let Some(share) = known.iter().find(|share| share.kind == kind) {
                share.clone()
            } else {
                let share = plan.share(kind, scan, policy, cache)?;
                known.push(share.clone());
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
        scan: &Scan<'_>,
        policy: &Policy<'_>,
        cache: &mut Cache,
    ) -> Result<Share, String> {
        let started = Native.read_tsc();
        let reasons = microcode::judge(scan, &kind, policy);
        self.judge_ticks += Native.read_tsc().wrapping_sub(started);
        let verdicts: Vec<_> = reasons.iter().map(Reason::verdict).collect();
        let candidates = &scan.candidates;
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
            let started = Native.read_tsc();
            let inserted = cache
                .insert(&kind, &candidate.update, policy.force)
                .map_err(|error| error.to_string())?;
            self.cache_ticks += Native.read_tsc().wrapping_sub(started);
            return Ok(Share {
                kind,
                target: Some(candidate.update.revision()),
                update: cache.lookup(&kind).cloned(),
                inserted: Some(inserted),
                otherwise: Outcome::Refused,
                reason: None,
            });
        }

        let damaged = candidates
            .iter()
            .zip(&verdicts)
            .filter(|(candidate, _)| candidate.damage().is_some())
            .find(|(candidate, _)| candidate.update.fit(&kind, policy.profile) == Fit::Fits);
        let closest = closest(verdicts.iter().copied());
        let already = closest == Some(Verdict::Same);
        if !already {
            self.damaged = self.damaged.or(damaged.map(|(_, verdict)| *verdict));
        }
        Ok(Share {
            kind,
            target: already.then_some(kind.revision),
            update: None,
            inserted: None,
            otherwise: if already {
                Outcome::Already
            } else {
                Outcome::Refused
            },
            // Without any candidate, none fits the signature.
            reason: Some(reported_verdict(closest.unwrap_or(Verdict::Signature))),
        })
    }

    /// Asks nothing of the CPUs that are soft-offline; nor, if these are not to be
    /// called, of their siblings.
    pub(crate) fn park(&mut self, offline: &[u32], parked: Parked, topology: &Topology) {
        for &cpu in offline {
            let siblings = topology.threads_of(topology.core_of(cpu));
            for sibling in siblings.filter(|_| parked == Parked::Refuse) {
                let share = &mut self.shares[sibling as usize];
                if share.loads() {
                    share.target = None;
                    share.reason = Some(CandidateVerdict::Parked);
                }
            }
        }
        for &cpu in offline {
            let share = &mut self.shares[cpu as usize];
            share.target = None;
            share.otherwise = Outcome::Parked;
        }
    }

    /// Asks nothing of a CPU that is missing.
    pub(crate) fn exclude(&mut self, cpu: u32) {
        self.shares[cpu as usize].target = None;
    }

    /// Whether any CPU has something to load.
    pub(crate) fn loads(&self) -> bool {
        self.shares.iter().any(Share::loads)
    }
}

impl Plan {
    /// One share for each kind of CPU that loads, with the CPUs that take the
    /// same update, whatever they ran before.
    pub(crate) fn loading_kinds(
        &self,
    ) -> impl Iterator<Item = (&Share, impl Iterator<Item = u32>)> {
        let is_first = |&(place, share): &(usize, &Share)| {
            let is_alike =
                |other: &Share| other.loads() && share.kind.takes_updates_of(&other.kind);
            share.loads() && !self.shares[..place].iter().any(is_alike)
        };
        let kinds = self.shares.iter().enumerate().filter(is_first);
        kinds.map(|(_, share)| {
            let of_kind = (0..)
                .zip(&self.shares)
                .filter(|(_, other)| other.loads() && share.kind.takes_updates_of(&other.kind));
            (share, of_kind.map(|(cpu, _)| cpu))
        })
    }
}
