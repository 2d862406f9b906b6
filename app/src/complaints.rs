//! What there is to say against a load: each test's complaint, or none.

use alloc::format;
use alloc::string::{String, ToString};

use hermit::ring0;
use microcode::{Scan, Severity};
use rendezvous::{Record, Topology};
use report::record::Guard;
use report::{CandidateVerdict, Hex32, Outcome, Status};

use crate::plan::Plan;
use crate::request::Request;
use crate::tests::{Stop, Tests};
use crate::verdicts::reported_outcome;

/// Test `initrd`: there is microcode, and none of it is damaged.
pub(crate) fn judge_initrd(
    tests: &mut Tests,
    scan: &Scan<'_>,
    nr_bytes: usize,
) -> Result<(), Stop> {
    if nr_bytes == 0 {
        let reason = "the initrd is empty: give one at boot or build one into the image";
        return Err(Stop(Status::Error, reason.into()));
    }
    let damage = scan
        .findings
        .iter()
        .find(|finding| finding.kind.severity() == Severity::Error)
        .map(ToString::to_string);
    if scan.candidates.is_empty() {
        let reason = format!(
            "no microcode in {nr_bytes} bytes of format {}",
            scan.format.name()
        );
        return Err(Stop(Status::Fail, damage.unwrap_or(reason)));
    }
    tests.check(damage);
    Ok(())
}

/// Test `cache`: there is an update for the CPUs of this machine.
pub(crate) fn judge_plan(tests: &mut Tests, plan: &Plan) -> Result<(), Stop> {
    if let Some(damage) = plan.damaged {
        let reason = format!("an update for this CPU is there, but cannot be used: {damage}");
        return Err(Stop(Status::Fail, reason));
    }
    if plan.shares().all(|share| share.target.is_none()) {
        let reasons = plan.shares().next().map(|share| {
            let signature = Hex32(share.kind.signature);
            match share.reason {
                None | Some(CandidateVerdict::Signature) => {
                    format!("no update is for signature {signature}")
                }
                Some(CandidateVerdict::Parked) => {
                    "a thread of every core is soft-offline, and is not to be called".to_string()
                }
                Some(CandidateVerdict::Platform) => format!(
                    "no update for signature {signature} is for platform id {}",
                    share.kind.platform_id
                ),
                Some(closest) => format!(
                    "no update for signature {signature} may be loaded: the closest is refused as \
                     '{closest}'"
                ),
            }
        });
        return Err(Stop(Status::Skip, reasons.unwrap_or_default()));
    }
    tests.end(Status::Pass, "");
    Ok(())
}

/// Counts CPUs for a sentence.
fn count(records: &[Record], what: impl Fn(&Record) -> bool) -> usize {
    records.iter().filter(|record| what(record)).count()
}

/// Test `rendezvous`: all came, the gate opened, and the window was quiet.
pub(crate) fn of_rendezvous(request: &Request, seen: &Guard, records: &[Record]) -> Option<String> {
    let nr_absent = ring0::absent_cpus().len();
    if let Some(nr_cpus) = request.nr_unanswered() {
        return Some(format!(
            "{nr_cpus} soft-offline CPUs did not answer the NMI in time: nobody was stopped"
        ));
    }
    if !request.rendezvous.opened() {
        let nr_late = count(records, |r| r.outcome == rendezvous::Outcome::Late);
        return Some(format!(
            "{nr_late} of {} CPUs did not call in in time",
            records.len()
        ));
    }
    if seen.nr_allocations > 0 || seen.nr_writes > 0 {
        return Some(format!(
            "{} allocations and {} console writes while CPUs were stopped",
            seen.nr_allocations, seen.nr_writes
        ));
    }
    if let Some(nr_masked @ 1..) = seen.nr_masked {
        return Some(format!("{nr_masked} CPUs came out with interrupts off"));
    }
    (nr_absent > 0).then(|| format!("{nr_absent} of the CPUs that firmware lists did not come up"))
}

/// The CPUs that did not do what they set out to do, by their numbers.
pub(crate) fn failures<'a>(
    plan: &Plan,
    records: &'a [Record],
) -> impl Iterator<Item = (u32, &'a Record)> {
    (0..)
        .zip(plan.shares().zip(records))
        .filter(|(_, (share, record))| {
            share.loads() && !reported_outcome(record.outcome, share.otherwise).is_success()
        })
        .map(|(cpu, (_, record))| (cpu, record))
}

/// Test `load`: what each CPU set out to do, it did.
pub(crate) fn of_load(plan: &Plan, records: &[Record]) -> Option<String> {
    let mut failures = failures(plan, records);
    let (_, first) = failures.next()?;
    let nr_failed = 1 + failures.count();
    Some(format!(
        "{nr_failed} of {} CPUs failed, the first as {}",
        records.len(),
        reported_outcome(first.outcome, Outcome::Refused)
    ))
}

/// Test `verify`: every CPU with a target shows it, read once more, and so do the
/// threads of a core.
pub(crate) fn of_revisions(plan: &Plan, request: &Request, topology: &Topology) -> Option<String> {
    let (mut nr_targeted, mut nr_off) = (0, 0);
    for (cpu, share) in (0..).zip(plan.shares()) {
        if let Some(target) = share.target {
            nr_targeted += 1;
            nr_off += u32::from(request.revisions.of(cpu) != Some(target));
        }
    }
    if nr_off > 0 {
        return Some(format!(
            "{nr_off} of {nr_targeted} CPUs are not on their target revision"
        ));
    }
    // Of the threads that took part.
    let shown = |cpu: &u32| request.takes_part(*cpu).then(|| request.revisions.of(*cpu));
    (0..topology.nr_cores()).find_map(|core| {
        let first = topology.threads_of(core).find(|cpu| shown(cpu).is_some())?;
        let is_other = |cpu: &u32| shown(cpu).is_some_and(|own| Some(own) != shown(&first));
        let other = topology.threads_of(core).find(is_other)?;
        Some(format!(
            "CPUs {first} and {other} share a core and show different revisions"
        ))
    })
}
