//! What the machine saw, against what the guest says: a guest that reports a
//! load that never was, or keeps quiet about one, is found out.
//!
//! A machine that takes updates writes a log of its own; a guest that models
//! the CPU itself reports the model's counts in its stream. Only the loads of
//! the main job can be told from the guest's records; other jobs do what they
//! do.

use std::ops::RangeInclusive;

use rendezvous::{Name, Named};
use report::record::{Arrival, Cpu, Header, Tally};
use report::{DRY_RUN, Hex32, Outcome, Role, Vendor};

use super::{Charges, Stream, counted};
use crate::verdict::Verdict;

/// Holds the two against each other.
pub(super) fn compare(stream: &Stream<'_>, machine: &Stream<'_>, charges: &mut Charges) {
    let is_load = stream
        .header
        .is_some_and(|header| matches!(header.job, None | Some(DRY_RUN)));
    let modelled = !stream.tallies.is_empty();
    if !is_load || !(modelled || machine.machine.is_some()) {
        return;
    }
    let tallies = if modelled {
        &stream.tallies
    } else {
        &machine.tallies
    };
    // The log holds the first ones, the tallies count all.
    let counted_misuses: u64 = tallies.iter().map(|t| u64::from(t.nr_misuses)).sum();
    let nr_misuses = counted_misuses.max(machine.misuses.len() as u64);
    if nr_misuses > 0 {
        let first = machine.misuses.first();
        let first = first.map(|first| format!(", first by CPU {} as {}", first.cpu, first.kind));
        let reason = format!(
            "the hardware was misused {}{}",
            counted(nr_misuses, "time"),
            first.unwrap_or_default()
        );
        charges.bring(Verdict::Fail, reason);
    }
    let of_cpus = stream.cpus.iter().map(|cpu| {
        let number = if modelled {
            Some(cpu.id)
        } else {
            number_of(cpu.apic_id, stream)
        };
        (number, Claim::of_cpu(cpu, stream))
    });
    let of_arrivals = stream.arrivals.iter().map(|arrival| {
        (
            number_of(arrival.apic_id, stream),
            Claim::of_arrival(arrival),
        )
    });
    for (number, claim) in of_cpus.chain(of_arrivals) {
        match tallies.iter().find(|tally| Some(tally.cpu) == number) {
            Some(tally) => claim.hold(tally, charges),
            None => charges.bring(
                Verdict::Error,
                format!("the machine's log has no last word on CPU {}", claim.cpu),
            ),
        }
    }
}

/// What a guest says of a CPU.
struct Claim {
    cpu: u32,
    /// Its revision, where the guest could look, and when that was.
    after: Option<Hex32>,
    when: &'static str,
    /// How often it wrote the load register, and by which word.
    nr_loads: RangeInclusive<u32>,
    word: String,
}

impl Claim {
    /// Of a CPU of the rendezvous; after many loads the guest counts its own.
    fn of_cpu(cpu: &Cpu, stream: &Stream<'_>) -> Self {
        let Some(end) = stream.finals.iter().find(|end| end.cpu == cpu.id) else {
            return Self {
                cpu: cpu.id,
                after: cpu.after,
                when: "",
                nr_loads: nr_loads(cpu, stream.header),
                word: format!(", as a {} that ended as {}", cpu.role, cpu.outcome),
            };
        };
        // A write that faults by a test lever goes to another register.
        let nr_elsewhere = u32::from(cpu.outcome == Outcome::GpFault);
        Self {
            cpu: end.cpu,
            after: end.revision,
            when: " after all loads",
            nr_loads: end.nr_loads.saturating_sub(nr_elsewhere)..=end.nr_loads,
            word: format!(" and reports {}", end.nr_loads),
        }
    }

    /// Of a CPU that came online later.
    fn of_arrival(arrival: &Arrival) -> Self {
        Self {
            cpu: arrival.id,
            after: arrival.after,
            when: " once online",
            nr_loads: arrival.nr_loads..=arrival.nr_loads,
            word: format!(" and reports {}", arrival.nr_loads),
        }
    }

    /// Holds it against the machine's last word on the CPU.
    fn hold(&self, tally: &Tally, charges: &mut Charges) {
        let Self {
            cpu, when, word, ..
        } = self;
        if let Some(after) = self.after
            && after != tally.revision
        {
            let reason = format!(
                "CPU {cpu} reports revision {after}{when} and runs {}",
                tally.revision
            );
            charges.bring(Verdict::Fail, reason);
        }
        if !self.nr_loads.contains(&tally.nr_loads) {
            let times = counted(tally.nr_loads.into(), "time");
            let reason = format!("CPU {cpu} wrote the load register {times}{word}");
            charges.bring(Verdict::Fail, reason);
        }
    }
}

/// The machine's number of a CPU: it counts them in the order of their APIC
/// ids, those included that did not come up.
fn number_of(apic_id: u32, stream: &Stream<'_>) -> Option<u32> {
    let up = stream.cpus.iter().map(|cpu| cpu.apic_id);
    let later = stream.arrivals.iter().map(|arrival| arrival.apic_id);
    let absent = stream.absents.iter().map(|absent| absent.apic_id);
    u32::try_from(
        up.chain(later)
            .chain(absent)
            .filter(|&id| id < apic_id)
            .count(),
    )
    .ok()
}

/// How often a CPU must have written the load register.
fn nr_loads(cpu: &Cpu, header: Option<Header<'_>>) -> RangeInclusive<u32> {
    let writes = match cpu.role {
        Role::Leader => true,
        Role::Follower => header.is_some_and(|header| header.vendor == Vendor::Amd),
        Role::None => false,
    };
    // By other protocols a follower writes only where it finds itself behind.
    let is_own = header.is_some_and(|header| header.protocol == Name::Muster.name());
    if cpu.role == Role::Follower && !is_own {
        return 0..=1;
    }
    match cpu.outcome {
        _ if !writes => 0..=0,
        Outcome::Updated
        | Outcome::Followed
        | Outcome::NotTaken
        | Outcome::Mismatch
        | Outcome::Hung => 1..=1,
        // A write that faults by a test lever goes to another register.
        Outcome::GpFault => 0..=1,
        Outcome::Already
        | Outcome::Planned
        | Outcome::Late
        | Outcome::Aborted
        | Outcome::Refused
        | Outcome::Parked => 0..=0,
    }
}
