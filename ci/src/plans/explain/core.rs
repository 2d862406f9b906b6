//! One core behind an open gate.

use microcode::Vendor;
use rendezvous::Election;
use report::{Outcome, Role};

use super::super::write::{End as WriteEnd, Write};
use super::super::{Plan, UPDATE_US};
use super::{Allowed, hold};
use crate::result::{CpuResult, RunResult};

/// How long the guest waits for a CPU that is not back before it reports, in µs
/// (`DEPARTURE_TIMEOUT_NS` in `app/src/request.rs`).
const DEPARTURE_US: u32 = 1_000_000;

/// Whether a core gets to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Comes,
    /// A load before it may have taken too long.
    MayCome,
    /// Why it does not.
    Never(String),
}

/// What a core's load is to those that come after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Done {
        is_success: bool,
    },
    Never,
    /// It may have taken too long, or is itself unexplained.
    Unsure,
}

/// A core whose leader is known.
struct Led<'a> {
    plan: &'a Plan,
    leader: &'a CpuResult,
    /// The threads that took part.
    present: Vec<&'a CpuResult>,
    /// Whether their time may have run out before they began.
    is_late: bool,
}

/// Holds the CPUs of a core against the plan.
pub(super) fn in_core(
    plan: &Plan,
    number: u32,
    turn: &Turn,
    result: &RunResult,
    said: &mut Vec<String>,
) -> End {
    let cpus = || result.cpus.iter().filter(|cpu| cpu.core == number);
    let (held, present): (Vec<_>, Vec<_>) = cpus().partition(|cpu| cpu.role == Role::None);
    for cpu in &present {
        if let Turn::Never(why) = turn {
            let id = cpu.id;
            said.push(format!(
                "CPU {id} took part in the load of core {number}, and {why}"
            ));
        }
    }
    if *turn == Turn::Comes {
        said.extend(held.iter().map(|cpu| {
            format!(
                "CPU {} took no part in the load of core {number}, and nothing in the plan keeps \
                 it from that",
                cpu.id
            )
        }));
    }
    let leaders: Vec<_> = present.iter().filter(|c| c.role == Role::Leader).collect();
    let led = match leaders[..] {
        [&leader] => Some(Led {
            plan,
            leader,
            present: present.clone(),
            is_late: *turn == Turn::MayCome,
        }),
        // Who might have led it was kept out.
        [] if present.is_empty() || *turn == Turn::MayCome => None,
        _ => {
            said.push(format!(
                "core {number} has {} leaders, not 1",
                leaders.len()
            ));
            return End::Unsure;
        }
    };
    if let Some(led) = &led
        && plan.election == Election::Lowest
        && cpus().any(|cpu| cpu.thread < led.leader.thread)
    {
        said.push(format!(
            "CPU {} leads core {number}, and is not the lowest of its threads",
            led.leader.id
        ));
    }
    let is_hung = cpus().any(|cpu| cpu.outcome == Outcome::Hung);
    for cpu in cpus() {
        let allowed = Led::allowed(led.as_ref(), plan, turn, cpu, is_hung);
        hold(cpu, &allowed, result, said);
    }
    match led {
        Some(led) if held.is_empty() => led.end(),
        Some(_) => End::Unsure,
        None if matches!(turn, Turn::Comes) => End::Unsure,
        None => End::Never,
    }
}

impl Led<'_> {
    /// Whether this CPU writes when its turn comes.
    fn writes(&self, cpu: &CpuResult) -> bool {
        cpu.role == Role::Leader || (cpu.role != Role::None && self.plan.rig.vendor == Vendor::Amd)
    }

    /// The writes of its other threads, which may keep this one waiting.
    fn others(&self, cpu: &CpuResult) -> impl Iterator<Item = Write> {
        let others = self.present.iter().filter(move |other| other.id != cpu.id);
        let writers = others.filter(|other| self.writes(other));
        writers.map(|other| self.plan.write(other.id))
    }

    /// Whose write sets this CPU's revision, if it took place.
    fn writer_for<'b>(&'b self, cpu: &'b CpuResult) -> Option<&'b CpuResult> {
        let writer = match self.plan.rig.vendor {
            Vendor::Intel => self.leader,
            Vendor::Amd => cpu,
        };
        Some(writer).filter(|writer| self.writes(writer) && writer.outcome != Outcome::Aborted)
    }

    /// What a CPU may end as; without a leader nobody writes.
    fn allowed(
        led: Option<&Self>,
        plan: &Plan,
        turn: &Turn,
        cpu: &CpuResult,
        is_hung: bool,
    ) -> Allowed {
        let (_, _, before, _) = plan.rig.cpu();
        let writer = led.and_then(|led| led.writer_for(cpu));
        let write = writer.map(|writer| plan.write(writer.id));
        let is_inside = writer.is_some_and(|writer| writer.outcome == Outcome::Hung);
        let runs = match write.map(|write| write.end) {
            // It may come out before the machine ends.
            Some(WriteEnd::Becomes(revision)) if is_inside => vec![revision, before],
            Some(WriteEnd::Becomes(revision)) => vec![revision],
            _ => vec![before],
        };
        let may_outlast = write.is_some_and(|write| write.may_last(UPDATE_US))
            || led.is_some_and(|led| led.others(cpu).any(|other| other.may_last(UPDATE_US)));
        let after = match runs[..] {
            // It would disturb the load.
            _ if is_hung => vec![None],
            [revision, ..] if may_outlast => vec![Some(revision), None],
            _ => runs.iter().copied().map(Some).collect(),
        };
        let is_load = led.is_some_and(|led| led.writes(cpu))
            && cpu.outcome != Outcome::Aborted
            && plan.write(cpu.id).is_load;
        Allowed {
            outcomes: match led {
                Some(led) if cpu.role != Role::None => led.outcomes(cpu),
                _ => vec![Outcome::Aborted],
            },
            after,
            runs,
            nr_loads: is_load.into(),
            why: match (led, turn) {
                (Some(led), _) => led.why(cpu),
                (None, Turn::Never(why)) => why.clone(),
                (None, _) => "nobody leads its core".to_owned(),
            },
        }
    }

    fn outcomes(&self, cpu: &CpuResult) -> Vec<Outcome> {
        let is_leader = cpu.id == self.leader.id;
        let first = self.plan.write(self.leader.id);
        if !is_leader && first.end == WriteEnd::Hangs {
            return vec![Outcome::Aborted];
        }
        let own = if self.writes(cpu) {
            let own = self.plan.write(cpu.id);
            let mut outcomes = vec![self.outcome(cpu.role, own.end)];
            if own.may_last(DEPARTURE_US) {
                outcomes.push(Outcome::Hung);
            }
            outcomes
        } else {
            vec![self.outcome(
                cpu.role,
                match first.end {
                    // What it finds is what it had.
                    WriteEnd::GpFault => WriteEnd::NotTaken,
                    end => end,
                },
            )]
        };
        let keeps_waiting =
            |other: Write| other.end == WriteEnd::Hangs || other.may_last(UPDATE_US);
        let may_be_late = self.is_late || (!is_leader && self.others(cpu).any(keeps_waiting));
        own.into_iter()
            .chain(may_be_late.then_some(Outcome::Aborted))
            .collect()
    }

    /// The outcome's name for what a write came to.
    fn outcome(&self, role: Role, end: WriteEnd) -> Outcome {
        let (_, _, before, target) = self.plan.rig.cpu();
        match end {
            WriteEnd::GpFault => Outcome::GpFault,
            WriteEnd::Hangs => Outcome::Hung,
            WriteEnd::Becomes(revision) if revision == target => match role {
                Role::Leader => Outcome::Updated,
                Role::Follower | Role::None => Outcome::Followed,
            },
            WriteEnd::Becomes(revision) if revision != before => Outcome::Mismatch,
            WriteEnd::Becomes(_) | WriteEnd::NotTaken => Outcome::NotTaken,
        }
    }

    /// What meets the writes of its core.
    fn why(&self, cpu: &CpuResult) -> String {
        let writers = self.present.iter().filter(|cpu| self.writes(cpu));
        let mut met: Vec<String> = Vec::new();
        for writer in writers {
            let faults = self.plan.meeting(writer.id).map(ToString::to_string);
            let lever = (!self.plan.write(writer.id).is_load)
                .then(|| self.plan.lever.map(|lever| lever.to_string()))
                .flatten();
            for fault in faults.chain(lever) {
                met.push(format!("{fault} meets CPU {}", writer.id));
            }
        }
        if met.is_empty() {
            format!("nothing in the plan meets core {}", cpu.core)
        } else {
            met.join(", ")
        }
    }

    fn end(&self) -> End {
        let writes = || {
            let writers = self.present.iter().filter(|cpu| self.writes(cpu));
            writers.map(|cpu| self.plan.write(cpu.id))
        };
        let (_, _, _, target) = self.plan.rig.cpu();
        if writes().any(|write| write.end == WriteEnd::Hangs) {
            End::Never
        } else if writes().any(|write| write.may_last(UPDATE_US))
            || self
                .present
                .iter()
                .any(|cpu| cpu.outcome == Outcome::Aborted)
        {
            End::Unsure
        } else {
            End::Done {
                is_success: writes().all(|write| write.end == WriteEnd::Becomes(target)),
            }
        }
    }
}
