//! The records of CPUs and of the guard over them, held against what the tests
//! say.

use report::record::{Arrival, Cpu};
use report::{ONLINE, Role, Status};

use super::{Charges, DECISIVE_TEST, Stream, counted};
use crate::verdict::Verdict;

/// CPUs that did not come up: before the tests, as the record says more than
/// the test that counts them.
pub(super) fn absents(stream: &Stream<'_>, charges: &mut Charges) {
    // The firmware lists it, so it was targeted and cannot have the update.
    for absent in &stream.absents {
        let reason = format!(
            "the CPU with APIC id {} did not come up: {}",
            absent.apic_id, absent.reason
        );
        charges.bring(Verdict::Fail, reason);
    }
}

/// What the records say, whatever the tests made of them.
pub(super) fn judge(stream: &Stream<'_>, charges: &mut Charges) {
    if let Some(guard) = stream.guard
        && (guard.nr_allocations > 0 || guard.nr_writes > 0)
    {
        let reason = format!(
            "{} and {} inside the measured window",
            counted(guard.nr_allocations, "allocation"),
            counted(guard.nr_writes, "console write")
        );
        charges.bring(Verdict::Fail, reason);
    }
    if let Some(nr_masked @ 1..) = stream.guard.and_then(|guard| guard.nr_masked) {
        let reason = format!(
            "{} came out with interrupts off",
            counted(nr_masked.into(), "CPU")
        );
        charges.bring(Verdict::Fail, reason);
    }
    for leader in stream.cpus.iter().filter(|cpu| cpu.role == Role::Leader) {
        let of_core = |cpu: &&Cpu| {
            (cpu.package, cpu.core) == (leader.package, leader.core)
                && cpu.role == Role::Leader
                && cpu.id < leader.id
        };
        if let Some(other) = stream.cpus.iter().find(of_core) {
            let reason = format!(
                "CPUs {} and {} both lead core {} of package {}",
                other.id, leader.id, leader.core, leader.package
            );
            charges.bring(Verdict::Fail, reason);
        }
    }
    let passed = |name| {
        stream
            .test(name)
            .is_some_and(|test| test.status == Status::Pass)
    };
    if passed("rendezvous") && stream.guard.is_none() {
        let reason = "the rendezvous passed without a guard record to prove it";
        charges.bring(Verdict::Error, reason);
    }
    if !passed(DECISIVE_TEST) {
        return;
    }
    // A pass is believed only with the records that prove it.
    let nr_cpus = stream.header.map_or(0, |header| header.nr_cpus);
    if u32::try_from(stream.cpus.len()) != Ok(nr_cpus) {
        let reason = format!("{} of {nr_cpus} CPUs are in the report", stream.cpus.len());
        charges.bring(Verdict::Error, reason);
    }
    let off_target = |cpu: &&Cpu| cpu.target.is_some() && cpu.after != cpu.target;
    if let Some(cpu) = stream.cpus.iter().find(off_target) {
        let reason = format!(
            "{DECISIVE_TEST} passed, but CPU {} is not on its target revision",
            cpu.id
        );
        charges.bring(Verdict::Fail, reason);
    }
}

/// A pass of the test about CPUs that came later is believed only with the
/// records that prove it.
pub(super) fn arrivals(stream: &Stream<'_>, charges: &mut Charges) {
    let passed = stream
        .test(ONLINE)
        .is_some_and(|test| test.status == Status::Pass);
    if !passed {
        return;
    }
    if stream.arrivals.is_empty() {
        let reason = format!("{ONLINE} passed, and nobody came");
        charges.bring(Verdict::Error, reason);
    }
    let is_behind =
        |arrival: &&Arrival| arrival.target.is_some() && arrival.after != arrival.target;
    if let Some(arrival) = stream.arrivals.iter().find(is_behind) {
        let reason = format!(
            "{ONLINE} passed, but CPU {} is not on the others' revision",
            arrival.id
        );
        charges.bring(Verdict::Fail, reason);
    }
}

#[cfg(test)]
mod tests {
    use crate::judge::tests::{done, expect, passed_with, tally};
    use crate::verdict::Verdict;

    const ARRIVAL: &str = "# arrival id=2 apic=2 package=0 core=2 thread=0 before=0x00000001 \
                           after=0x000000f0 target=0x000000f0 outcome=updated loads=1\n";

    /// A report of two CPUs and of one that came later, with other words for some
    /// of its own.
    fn with_arrival(changes: &[(&str, &str)]) -> String {
        passed_with("online", ARRIVAL, changes)
    }

    #[test]
    fn a_cpu_that_came_later_with_the_others_revision_is_counted_in_a_pass() {
        let reason = "1 CPU more came online with it";
        expect(&done(&with_arrival(&[])), Verdict::Pass, reason);
    }

    #[test]
    fn a_pass_of_those_who_came_later_needs_them_and_their_revision() {
        let nobody = with_arrival(&[("# arrival", "# arival")]);
        expect(&done(&nobody), Verdict::Error, "nobody came");
        let behind = with_arrival(&[(
            "after=0x000000f0 target=0x000000f0 outcome=updated loads",
            "after=0x00000001 target=0x000000f0 outcome=updated loads",
        )]);
        expect(
            &done(&behind),
            Verdict::Fail,
            "CPU 2 is not on the others' revision",
        );
    }

    #[test]
    fn the_machine_has_a_word_on_those_who_came_later() {
        let with_tally = |revision: &str, nr_loads: u32| {
            let good = |cpu| tally(cpu, "0x000000f0", 1);
            let tallies = [good(0), good(1), tally(2, revision, nr_loads)].concat();
            with_arrival(&[
                ("ok 6 online", &format!("{tallies}ok 6 online")),
                ("hw=msr", "hw=engine"),
            ])
        };
        expect(&done(&with_tally("0x000000f0", 1)), Verdict::Pass, "");
        let reason = "CPU 2 wrote the load register 0 times and reports 1";
        expect(&done(&with_tally("0x000000f0", 0)), Verdict::Fail, reason);
        let reason = "CPU 2 reports revision 0x000000f0 once online and runs 0x000000ef";
        expect(&done(&with_tally("0x000000ef", 1)), Verdict::Fail, reason);
    }
}
