//! Whether a plan explains how each CPU ended: a pure function of both.
//!
//! For each core, in the order in which they load: whether its turn comes; who
//! led it, by the guest's word; then what the plan makes of the leader's write
//! and, by the vendor's rule, of its followers. That leaves one outcome for most
//! CPUs, and more than one only where a load is slow enough to outlast a
//! deadline.

mod core;

use report::record::Load;
use report::{Outcome, Role, Status};

use self::core::{End, Turn, in_core};
use super::Plan;
use crate::guest;
use crate::result::{CpuResult, RunResult, TallyResult};
use crate::verdict::Verdict;
use rendezvous::Order;

/// What a CPU may end as.
#[derive(Clone, Debug)]
struct Allowed {
    outcomes: Vec<Outcome>,
    /// The revision that the guest reads when all is over.
    after: Vec<Option<u32>>,
    /// The revision that the machine says it runs.
    runs: Vec<u32>,
    /// How often it wrote the load register.
    nr_loads: u32,
    /// What of the plan this follows from.
    why: String,
}

/// What of a result its plan does not explain, a sentence each.
pub(super) fn unexplained(plan: &Plan, result: &RunResult) -> Vec<String> {
    let mut said = Vec::new();
    if plan.leaves_nobody() {
        lost(plan, result, &mut said);
        return said;
    }
    if let Some(sentence) = misshapen(plan, result) {
        said.push(sentence);
        return said;
    }
    misused(result, &mut said);
    let absent = match plan.lever {
        Some(guest::Fault::NeverArrives(cpu)) => Some(cpu),
        _ => None,
    };
    let nobody_passed = result.cpus.iter().all(|cpu| cpu.gate_ns.is_none());
    match absent {
        Some(absent) => closed(plan, absent, result, &mut said),
        None if nobody_passed => {
            said.push("the gate closed, and nothing in the plan keeps a CPU away".to_owned());
        }
        None => open(plan, result, &mut said),
    }
    tested(absent.is_none(), result, &mut said);
    said
}

/// A machine of which nobody comes back: the report ends where the CPUs are
/// called, and each wrote once.
fn lost(plan: &Plan, result: &RunResult, said: &mut Vec<String>) {
    misused(result, said);
    for cpu in 0..plan.rig.nr_cpus() {
        let mut loads = result.loads.iter().filter(|load| load.cpu == cpu);
        let is_hung = loads.next().is_some_and(|load| load.outcome == Load::HUNG);
        if !is_hung || loads.next().is_some() {
            said.push(format!(
                "CPU {cpu} did not write the load register once and hang, and each does by plan"
            ));
        }
    }
    let ends = result
        .tests
        .iter()
        .map(|test| (test.name.as_str(), test.status));
    if !ends.eq([("initrd", Status::Pass), ("cache", Status::Pass)]) {
        said.push("the report does not end where the CPUs are called".to_owned());
    }
}

/// Whether the report has the plan's CPUs, each in its place, with something to
/// load.
fn misshapen(plan: &Plan, result: &RunResult) -> Option<String> {
    let nr_cpus = plan.rig.nr_cpus();
    if result.cpus.len() != nr_cpus as usize {
        return Some(format!(
            "the report has {} of {nr_cpus} CPUs",
            result.cpus.len()
        ));
    }
    let (_, _, before, target) = plan.rig.cpu();
    let is_sound = |(id, cpu): (u32, &CpuResult)| {
        let nr_threads = plan.rig.nr_threads;
        cpu.id == id
            && (cpu.core, cpu.thread) == (id / nr_threads, id % nr_threads)
            && cpu.before.map(|hex| hex.0) == Some(before)
            && cpu.target.map(|hex| hex.0) == Some(target)
    };
    let numbered = || (0..).zip(&result.cpus);
    let (id, _) = numbered().find(|&one| !is_sound(one))?;
    Some(format!(
        "CPU {id} is not where the plan has it, or not on its way from {before:#010x} to \
         {target:#010x}"
    ))
}

/// No plan makes the guest misuse the hardware.
fn misused(result: &RunResult, said: &mut Vec<String>) {
    let misuses = result.misuses.iter();
    said.extend(misuses.map(|misuse| {
        format!(
            "CPU {} misused the hardware ({}), and no plan makes it",
            misuse.cpu, misuse.kind
        )
    }));
    // The log holds the first ones, the tallies count all.
    let nr_misuses: u32 = result.tallies.iter().map(|tally| tally.misuses).sum();
    if nr_misuses as usize > result.misuses.len() {
        said.push(format!(
            "the hardware was misused {nr_misuses} times in all"
        ));
    }
}

/// A gate that a CPU never came to: nobody loads.
fn closed(plan: &Plan, absent: u32, result: &RunResult, said: &mut Vec<String>) {
    let (_, _, before, _) = plan.rig.cpu();
    for cpu in &result.cpus {
        if cpu.gate_ns.is_some() || cpu.role != Role::None {
            said.push(format!(
                "CPU {} passed the gate, and CPU {absent} never arrives",
                cpu.id
            ));
        }
        let is_absent = cpu.id == absent;
        let outcome = if is_absent {
            Outcome::Late
        } else {
            Outcome::Aborted
        };
        let allowed = Allowed {
            outcomes: vec![outcome],
            after: vec![(!is_absent).then_some(before)],
            runs: vec![before],
            nr_loads: 0,
            why: format!("CPU {absent} never arrives"),
        };
        hold(cpu, &allowed, result, said);
    }
}

/// A gate that all passed: core after core.
fn open(plan: &Plan, result: &RunResult, said: &mut Vec<String>) {
    let mut next = Turn::Comes;
    for number in 0..plan.rig.nr_cores {
        let turn = match plan.order {
            Order::Parallel => Turn::Comes,
            Order::Canary | Order::Serial => next.clone(),
        };
        let end = in_core(plan, number, &turn, result, said);
        let is_canary = plan.order == Order::Canary;
        if is_canary && number > 0 {
            continue;
        }
        next = match end {
            End::Done { is_success } if is_canary && !is_success => {
                Turn::Never(format!("core {number} fails"))
            }
            // What once had little time left had it for all that follow.
            End::Done { .. } if turn == Turn::MayCome => Turn::MayCome,
            End::Done { .. } => Turn::Comes,
            End::Never => Turn::Never(format!("core {number} never ends its load")),
            End::Unsure => Turn::MayCome,
        };
    }
}

/// Holds a CPU against what it may end as.
fn hold(cpu: &CpuResult, allowed: &Allowed, result: &RunResult, said: &mut Vec<String>) {
    let id = cpu.id;
    let why = &allowed.why;
    if !allowed.outcomes.contains(&cpu.outcome) {
        let names: Vec<_> = allowed.outcomes.iter().map(|one| one.name()).collect();
        said.push(format!(
            "CPU {id} is {}, and not {}: {why}",
            cpu.outcome,
            names.join(" or ")
        ));
        // The rest would only say the same again.
        return;
    }
    let after = cpu.after.map(|hex| hex.0);
    if !allowed.after.contains(&after) {
        said.push(format!(
            "CPU {id} is {} and reads revision {}: {why}",
            cpu.outcome,
            shown(after)
        ));
    }
    let tally = |tally: &&TallyResult| tally.cpu == id;
    let Some(tally) = result.tallies.iter().find(tally) else {
        said.push(format!("the machine has no last word on CPU {id}"));
        return;
    };
    if !allowed.runs.contains(&tally.revision.0) {
        said.push(format!(
            "CPU {id} is {} and runs revision {}: {why}",
            cpu.outcome, tally.revision
        ));
    }
    if tally.loads != allowed.nr_loads {
        said.push(format!(
            "CPU {id} is {} and wrote the load register {} times, not {}: {why}",
            cpu.outcome, tally.loads, allowed.nr_loads
        ));
    }
}

fn shown(revision: Option<u32>) -> String {
    revision.map_or_else(|| "none".to_owned(), |revision| format!("{revision:#010x}"))
}

/// The guest's tests and the verdict follow from how the CPUs ended.
fn tested(opened: bool, result: &RunResult, said: &mut Vec<String>) {
    let status = |is_good: bool| if is_good { Status::Pass } else { Status::Fail };
    let loaded = result.cpus.iter().all(|cpu| cpu.outcome.is_success());
    let on_target = result.cpus.iter().all(|cpu| cpu.after == cpu.target);
    let [load, verify] = if opened {
        [status(loaded), status(on_target)]
    } else {
        [Status::Skip; 2]
    };
    for (name, expected) in [
        ("rendezvous", status(opened)),
        ("load", load),
        ("verify", verify),
    ] {
        let test = result.tests.iter().find(|test| test.name == name);
        if test.is_none_or(|test| test.status != expected) {
            let found = test.map_or("missing", |test| crate::result::status_word(test.status));
            let reason = test.map_or("", |test| test.reason.as_str());
            said.push(format!(
                "the test {name} is {found} where the CPUs' ends make it {}: {reason}",
                crate::result::status_word(expected)
            ));
        }
    }
    let verdict = if opened && loaded && on_target {
        Verdict::Pass
    } else {
        Verdict::Fail
    };
    if result.verdict != verdict {
        said.push(format!(
            "the verdict is {} where the CPUs' ends make it {verdict}: {}",
            result.verdict, result.reason
        ));
    }
}

#[cfg(test)]
mod tests;
