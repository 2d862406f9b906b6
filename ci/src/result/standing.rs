//! What the machine runs after the load, and what follows from it for whoever
//! looks after it.

use report::cpu_list::{Shown, ranges};
use report::{CandidateVerdict, Hex32, Outcome};
use serde::Serialize;

use super::{CpuResult, text_or_null};

/// The CPUs of one kind that run one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RevisionResult {
    /// CPUID leaf 1 EAX.
    #[serde(serialize_with = "text_or_null")]
    pub signature: Option<Hex32>,
    /// What they run; null where nobody could look.
    #[serde(serialize_with = "text_or_null")]
    pub revision: Option<Hex32>,
    /// Kernel's numbers of the CPUs, rising.
    pub cpus: Vec<u32>,
}

impl RevisionResult {
    /// All of a machine, in the order of the CPUs that are first.
    pub(super) fn all(cpus: &[CpuResult]) -> Vec<Self> {
        let mut all = Vec::<Self>::new();
        for cpu in cpus {
            let is_alike =
                |one: &&mut Self| (one.signature, one.revision) == (cpu.signature, cpu.after);
            match all.iter_mut().find(is_alike) {
                Some(known) => known.cpus.push(cpu.id),
                None => all.push(Self {
                    signature: cpu.signature,
                    revision: cpu.after,
                    cpus: vec![cpu.id],
                }),
            }
        }
        all
    }

    /// `CPUs 0-1 run 0x02007006`.
    fn sentence(&self) -> String {
        match self.revision {
            Some(revision) => {
                let verb = if self.cpus.len() == 1 { "runs" } else { "run" };
                format!("{} {verb} {revision}", named(&self.cpus))
            }
            None => format!("nobody could look at {}", named(&self.cpus)),
        }
    }
}

/// `CPU 3`, `CPUs 0-1,4`.
fn named(cpus: &[u32]) -> String {
    let noun = if cpus.len() == 1 { "CPU" } else { "CPUs" };
    let ranges: Vec<_> = ranges(cpus.iter().copied()).collect();
    format!("{noun} {}", Shown(&ranges))
}

/// What should be done about a machine whose CPUs ended so, a sentence each; none
/// where all is well.
pub(super) fn advice(cpus: &[CpuResult], revisions: &[RevisionResult]) -> Vec<String> {
    let mut advice = Vec::new();
    let with = |is: &dyn Fn(&CpuResult) -> bool| -> Option<String> {
        let cpus: Vec<_> = cpus
            .iter()
            .filter(|cpu| is(cpu))
            .map(|cpu| cpu.id)
            .collect();
        (!cpus.is_empty()).then(|| named(&cpus))
    };
    let ended = |outcome| with(&move |cpu: &CpuResult| cpu.outcome == outcome);
    if let Some(split) = split(revisions) {
        advice.push(split);
    }
    if let Some(hung) = ended(Outcome::Hung) {
        advice.push(format!(
            "{hung}: still inside the load, and the siblings must stay away from its core: reset \
             the machine"
        ));
    }
    if let Some(late) = ended(Outcome::Late) {
        advice.push(format!(
            "{late}: find out what kept interrupts off there, and load again; or allow longer for \
             the call-in"
        ));
    }
    let refuses = |cpu: &CpuResult| matches!(cpu.outcome, Outcome::GpFault | Outcome::NotTaken);
    if let Some(refusing) = with(&refuses) {
        let is_alone = cpus.iter().any(|cpu| cpu.outcome.is_success());
        advice.push(if is_alone {
            format!(
                "{refusing}: load again, as others took the same update; until then the machine is \
                 as safe as its oldest CPU"
            )
        } else {
            format!(
                "{refusing}: the update is not for this CPU, or the CPU takes none any more: see \
                 whether the firmware has locked it, and load it at boot"
            )
        });
    }
    if let Some(odd) = ended(Outcome::Mismatch) {
        advice.push(format!(
            "{odd}: a revision that nobody asked for: reset the machine, and do not load \
             this update on it"
        ));
    }
    let is_behind = |cpu: &CpuResult| {
        cpu.outcome == Outcome::Parked && cpu.after.is_none_or(|after| Some(after) == cpu.before)
    };
    if let Some(parked) = with(&is_behind) {
        advice.push(format!(
            "{parked}: soft-offline: load the cached update there before anything else runs"
        ));
    }
    let is_refused = |cpu: &CpuResult| cpu.refused_for == Some(CandidateVerdict::Parked);
    if let Some(refused) = with(&is_refused) {
        advice.push(format!(
            "{refused}: bring the soft-offline siblings online, or let them be called by NMI"
        ));
    }
    advice
}

/// CPUs of one kind on more than one revision.
fn split(revisions: &[RevisionResult]) -> Option<String> {
    let signatures = revisions.iter().map(|one| one.signature);
    let split = signatures
        .map(|signature| {
            revisions
                .iter()
                .filter(move |one| one.signature == signature)
        })
        .find(|alike| alike.clone().count() > 1)?;
    let sentences: Vec<_> = split.map(RevisionResult::sentence).collect();
    Some(format!("not all CPUs are alike: {}", sentences.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::tests::passed;

    fn cpus(ends: &[(Outcome, Option<u32>)]) -> Vec<CpuResult> {
        let one = passed().cpus.remove(0);
        let cpu = |(id, &(outcome, after)): (u32, &(Outcome, Option<u32>))| CpuResult {
            id,
            outcome,
            before: Some(Hex32(1)),
            after: after.map(Hex32),
            ..one.clone()
        };
        (0..).zip(ends).map(cpu).collect()
    }

    fn advice_for(ends: &[(Outcome, Option<u32>)]) -> Vec<String> {
        let cpus = cpus(ends);
        advice(&cpus, &RevisionResult::all(&cpus))
    }

    #[test]
    fn a_machine_whose_cpus_all_took_it_needs_nothing() {
        let ends = [(Outcome::Updated, Some(2)), (Outcome::Followed, Some(2))];
        assert_eq!(advice_for(&ends), Vec::<String>::new());
        let cpus = cpus(&ends);
        let revisions = RevisionResult::all(&cpus);
        assert_eq!(revisions.len(), 1);
        assert_eq!(revisions[0].cpus, [0, 1]);
    }

    #[test]
    fn the_exact_partial_set_is_named_with_what_to_do() {
        let ends = [
            (Outcome::Updated, Some(2)),
            (Outcome::NotTaken, Some(1)),
            (Outcome::NotTaken, Some(1)),
            (Outcome::Updated, Some(2)),
        ];
        let advice = advice_for(&ends);
        assert_eq!(
            advice[0],
            "not all CPUs are alike: CPUs 0,3 run 0x00000002; CPUs 1-2 run 0x00000001"
        );
        assert!(advice[1].starts_with("CPUs 1-2: load again"), "{advice:?}");
        assert_eq!(advice.len(), 2);
    }

    #[test]
    fn each_way_to_end_badly_has_its_own_advice() {
        for (outcome, after, word) in [
            (Outcome::Hung, None, "reset the machine"),
            (Outcome::Late, None, "longer for the call-in"),
            (Outcome::Mismatch, Some(3), "do not load this update"),
            (Outcome::GpFault, Some(1), "load it at boot"),
            (Outcome::Parked, Some(1), "before anything else runs"),
        ] {
            let advice = advice_for(&[(outcome, after)]);
            assert_eq!(advice.len(), 1, "{advice:?}");
            assert!(advice[0].contains(word), "{advice:?}");
        }
    }

    #[test]
    fn cpus_of_two_kinds_may_run_two_revisions() {
        let mut cpus = cpus(&[(Outcome::Updated, Some(2)), (Outcome::Updated, Some(3))]);
        cpus[1].signature = Some(Hex32(9));
        let revisions = RevisionResult::all(&cpus);
        assert_eq!(revisions.len(), 2);
        assert_eq!(advice(&cpus, &revisions), Vec::<String>::new());
    }
}
