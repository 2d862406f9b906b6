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

/// What a CPU, and all CPUs like it, is to do.
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
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Those that differ; each is some CPU's.
    shares: Vec<Share>,
    /// By CPU: its share's place among them.
    share_of: Vec<usize>,
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
    /// An empty plan with room for so many CPUs.
    pub(crate) fn with_capacity(nr_cpus: usize) -> Self {
        Self {
            // Most machines have one kind.
            shares: Vec::with_capacity(1),
            share_of: Vec::with_capacity(nr_cpus),
            ..Self::default()
        }
    }

    /// Judges every candidate for every kind of CPU present and fills the
    /// cache with what was chosen.
    pub(crate) fn make(
        &mut self,
        probes: &[Probe],
        scan: &Scan<'_>,
        policy: &Policy<'_>,
        cache: &mut Cache,
    ) -> Result<(), String> {
        self.verdicts = vec![Verdict::Signature; scan.candidates.len()];
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
            let known = self.shares.iter().position(|share| share.kind == kind);
            let place = if let Some(place) = known {
                place
            } else {
                let share = self.first_of(kind, scan, policy, cache)?;
                self.shares.push(share);
                self.shares.len() - 1
            };
            self.share_of.push(place);
        }
        Ok(())
    }

    /// The share of the first CPU of a kind.
    fn first_of(
        &mut self,
        kind: CpuKind,
        scan: &Scan<'_>,
        policy: &Policy<'_>,
        cache: &mut Cache,
    ) -> Result<Share, String> {
        let started = Native.read_tsc();
        let reasons = microcode::judge(scan, &kind, policy);
        self.judge_ticks += Native.read_tsc().wrapping_sub(started);
        let verdicts = || reasons.iter().map(Reason::verdict);
        let judged = || scan.candidates.iter().zip(verdicts());
        for (best, verdict) in self.verdicts.iter_mut().zip(verdicts()) {
            if distance(verdict) < distance(*best) {
                *best = verdict;
            }
        }
        let chosen = judged().find(|(_, verdict)| *verdict == Verdict::Chosen);
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

        let damaged = judged()
            .filter(|(candidate, _)| candidate.damage().is_some())
            .find(|(candidate, _)| candidate.update.fit(&kind, policy.profile) == Fit::Fits);
        let closest = closest(verdicts());
        let already = closest == Some(Verdict::Same);
        if !already {
            self.damaged = self.damaged.or(damaged.map(|(_, verdict)| verdict));
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
                if self.share(sibling).loads() {
                    let share = self.own_share(sibling);
                    share.target = None;
                    share.reason = Some(CandidateVerdict::Parked);
                }
            }
        }
        for &cpu in offline {
            let share = self.own_share(cpu);
            share.target = None;
            share.otherwise = Outcome::Parked;
        }
    }

    /// Asks nothing of a CPU that is missing.
    pub(crate) fn exclude(&mut self, cpu: u32) {
        self.own_share(cpu).target = None;
    }

    /// A CPU's share, which becomes its own alone.
    fn own_share(&mut self, cpu: u32) -> &mut Share {
        let Self {
            shares, share_of, ..
        } = self;
        let place = share_of[cpu as usize];
        let nr_cpus = share_of.iter().filter(|&&other| other == place).count();
        if nr_cpus > 1 {
            share_of[cpu as usize] = shares.len();
            shares.push(shares[place].clone());
        }
        &mut shares[share_of[cpu as usize]]
    }

    /// What a CPU is to do.
    pub(crate) fn share(&self, cpu: u32) -> &Share {
        &self.shares[self.share_of[cpu as usize]]
    }

    /// The same of all CPUs, in their order.
    pub(crate) fn shares(&self) -> impl Iterator<Item = &Share> {
        self.share_of.iter().map(|&place| &self.shares[place])
    }

    /// Each share once.
    pub(crate) fn distinct_shares(&self) -> &[Share] {
        &self.shares
    }

    /// How many CPUs there are.
    pub(crate) fn nr_cpus(&self) -> u32 {
        self.share_of.len() as u32
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
                .zip(self.shares())
                .filter(|(_, other)| other.loads() && share.kind.takes_updates_of(&other.kind));
            (share, of_kind.map(|(cpu, _)| cpu))
        })
    }
}
