//! What the machine saw, against what the guest says: a guest that reports a
//! load that never was, or keeps quiet about one, is found out.
//!
//! A machine that takes updates writes a log of its own; a guest that models
//! the CPU itself reports the model's counts in its stream. Only the loads of
//! the main job can be told from the guest's records; other jobs do what they
//! do.

use rendezvous::{Name, Named};
use report::record::{Arrival, Cpu, Final, Header, Tally};
use report::{DRY_RUN, Outcome, Role, Vendor};

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
    for cpu in &stream.cpus {
        let number = if modelled {
            Some(cpu.id)
        } else {
            number_of(cpu.apic_id, stream)
        };
        let tally = tallies.iter().find(|tally| Some(tally.cpu) == number);
        match tally {
            Some(tally) => one(cpu, tally, stream, charges),
            None => charges.bring(Verdict::Error, no_last_word(cpu.id)),
        }
    }
    for arrival in &stream.arrivals {
        let number = number_of(arrival.apic_id, stream);
        match tallies.iter().find(|tally| Some(tally.cpu) == number) {
            Some(tally) => arrived(arrival, tally, charges),
            None => charges.bring(Verdict::Error, no_last_word(arrival.id)),
        }
    }
}

fn no_last_word(cpu: u32) -> String {
    format!("the machine's log has no last word on CPU {cpu}")
}

/// A CPU that came online later.
fn arrived(arrival: &Arrival, tally: &Tally, charges: &mut Charges) {
    let Arrival {
        id,
        after,
        nr_loads,
        ..
    } = arrival;
    if let Some(after) = after
        && *after != tally.revision
    {
        let reason = format!(
            "CPU {id} came with revision {after} and runs {}",
            tally.revision
        );
        charges.bring(Verdict::Fail, reason);
    }
    if *nr_loads != tally.nr_loads {
        let reason = format!(
            "CPU {id} came online, wrote the load register {} and reports {nr_loads}",
            counted(tally.nr_loads.into(), "time")
        );
        charges.bring(Verdict::Fail, reason);
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

fn one(cpu: &Cpu, tally: &Tally, stream: &Stream<'_>, charges: &mut Charges) {
    if let Some(end) = stream.finals.iter().find(|end| end.cpu == cpu.id) {
        return at_last(end, tally, cpu, charges);
    }
    if let Some(after) = cpu.after
        && after != tally.revision
    {
        let reason = format!(
            "CPU {} reports revision {after} and runs {}",
            cpu.id, tally.revision
        );
        charges.bring(Verdict::Fail, reason);
    }
    if !nr_loads(cpu, stream.header).contains(&tally.nr_loads) {
        let reason = format!(
            "CPU {} wrote the load register {}, as a {} that ended as {}",
            cpu.id,
            counted(tally.nr_loads.into(), "time"),
            cpu.role,
            cpu.outcome
        );
        charges.bring(Verdict::Fail, reason);
    }
}

/// The same after many loads, of which the guest counts its own.
fn at_last(end: &Final, tally: &Tally, cpu: &Cpu, charges: &mut Charges) {
    if let Some(revision) = end.revision
        && revision != tally.revision
    {
        let reason = format!(
            "CPU {} reports revision {revision} after all loads and runs {}",
            end.cpu, tally.revision
        );
        charges.bring(Verdict::Fail, reason);
    }
    // A write that faults by a test lever goes to another register.
    let nr_elsewhere = u32::from(cpu.outcome == Outcome::GpFault);
    let expected = end.nr_loads.saturating_sub(nr_elsewhere)..=end.nr_loads;
    if !expected.contains(&tally.nr_loads) {
        let reason = format!(
            "CPU {} wrote the load register {} and reports {}",
            end.cpu,
            counted(tally.nr_loads.into(), "time"),
            end.nr_loads
        );
        charges.bring(Verdict::Fail, reason);
    }
}

/// How often a CPU must have written the load register.
fn nr_loads(cpu: &Cpu, header: Option<Header<'_>>) -> std::ops::RangeInclusive<u32> {
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
