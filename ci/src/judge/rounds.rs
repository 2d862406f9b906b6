//! The loads after the first, and the CPUs that went on in place of others.

use report::{REPEAT, Status};

use super::{Charges, Stream, counted};
use crate::verdict::Verdict;

/// Holds what is said of many loads against each of them.
pub(super) fn judge(stream: &Stream<'_>, charges: &mut Charges) {
    for handover in &stream.handovers {
        let reason = format!(
            "the control CPU {} did not come back, and CPU {} went on in its place",
            handover.from, handover.to
        );
        charges.bring(Verdict::Fail, reason);
    }
    let passed = stream
        .test(REPEAT)
        .is_some_and(|test| test.status == Status::Pass);
    if !passed {
        return;
    }
    // A pass is believed only with the records that prove it.
    let nr_rounds = stream.header.and_then(|header| header.nr_rounds);
    let numbers = stream.rounds.iter().map(|round| round.number);
    if !numbers.eq(1..=nr_rounds.unwrap_or_default()) {
        let reason = format!(
            "{REPEAT} passed, but the report has {} of {}",
            stream.rounds.len(),
            counted(nr_rounds.unwrap_or_default().into(), "load")
        );
        charges.bring(Verdict::Error, reason);
    }
    if stream.finals.len() != stream.cpus.len() {
        let reason = format!("{REPEAT} passed without a last word on each CPU");
        charges.bring(Verdict::Error, reason);
    }
    let later = || stream.rounds.iter().skip(1);
    if let Some(round) = later().find(|round| round.nr_failed > 0) {
        let reason = format!(
            "{REPEAT} passed, but load {} failed on {}",
            round.number,
            counted(round.nr_failed.into(), "CPU")
        );
        charges.bring(Verdict::Fail, reason);
    }
    // Who is lost keeps what it reads.
    let is_nobody_lost = stream.finals.iter().all(|end| end.revision.is_some());
    if let Some((first, last)) = stream.good_rounds()
        && is_nobody_lost
        && (last.nr_blocks > first.nr_blocks || last.nr_bytes > first.nr_bytes)
    {
        let reason = format!(
            "{REPEAT} passed, but the heap grew from {} of {} to {} of {}",
            counted(first.nr_blocks, "block"),
            counted(first.nr_bytes, "byte"),
            counted(last.nr_blocks, "block"),
            counted(last.nr_bytes, "byte")
        );
        charges.bring(Verdict::Fail, reason);
    }
}

/// What a pass has to say of the loads after the first.
pub(super) fn addition(stream: &Stream<'_>) -> String {
    match stream.rounds.len() as u64 {
        0 | 1 => String::new(),
        nr_rounds => format!(", and so they did in {}", further(nr_rounds - 1)),
    }
}

fn further(nr_loads: u64) -> String {
    counted(nr_loads, "further load")
}

#[cfg(test)]
mod tests {
    use crate::judge::tests::{done, expect, passed_with, tally};
    use crate::verdict::Verdict;

    /// A report of two loads, with other words for some of its own.
    fn repeated(changes: &[(&str, &str)]) -> String {
        let round = |n: u32| {
            format!(
                "# round n={n} rev=0x000000f0 cpus=2 failed=0 request_ns=9 stall_ns=5 blocks=7 \
                 bytes=80\n"
            )
        };
        let end = |cpu: u32| format!("# final cpu={cpu} rev=0x000000f0 loads=2\n");
        let rounds = [round(1), round(2), end(0), end(1)].concat();
        let announced = ("entry_us=200000", "entry_us=200000 rounds=2");
        passed_with("repeat", &rounds, &[&[announced], changes].concat())
    }

    #[test]
    fn loads_that_all_went_well_are_a_pass_that_counts_them() {
        let reason = "and so they did in 1 further load";
        expect(&done(&repeated(&[])), Verdict::Pass, reason);
    }

    #[test]
    fn a_pass_that_its_records_contradict_is_none() {
        let cases = [
            (
                "# round n=2",
                "# rond n=2",
                Verdict::Error,
                "has 1 of 2 loads",
            ),
            ("# final cpu=1", "# finl cpu=1", Verdict::Error, "last word"),
            (
                "n=2 rev=0x000000f0 cpus=2 failed=0",
                "n=2 rev=0x000000f0 cpus=2 failed=1",
                Verdict::Fail,
                "load 2 failed on 1 CPU",
            ),
            (
                "n=1 rev=0x000000f0 cpus=2 failed=0 request_ns=9 stall_ns=5 blocks=7",
                "n=1 rev=0x000000f0 cpus=2 failed=0 request_ns=9 stall_ns=5 blocks=6",
                Verdict::Fail,
                "the heap grew from 6 blocks",
            ),
        ];
        for (from, to, verdict, reason) in cases {
            expect(&done(&repeated(&[(from, to)])), verdict, reason);
        }
    }

    #[test]
    fn a_control_cpu_that_was_replaced_is_a_failure() {
        let with = ("# guard", "# handover from=0 to=1\n# guard");
        let reason = "CPU 1 went on in its place";
        expect(&done(&repeated(&[with])), Verdict::Fail, reason);
    }

    #[test]
    fn a_machine_that_counts_otherwise_is_believed() {
        let with = |lines: String| {
            let tallies = format!("{lines}ok 6 repeat");
            repeated(&[("ok 6 repeat", &tallies)]).replace("hw=msr", "hw=engine")
        };
        let good = || tally(0, "0x000000f0", 2);
        expect(
            &done(&with(good() + &tally(1, "0x000000f0", 2))),
            Verdict::Pass,
            "",
        );
        let reason = "wrote the load register 1 time and reports 2";
        expect(
            &done(&with(good() + &tally(1, "0x000000f0", 1))),
            Verdict::Fail,
            reason,
        );
        let reason = "after all loads and runs 0x000000ef";
        expect(
            &done(&with(good() + &tally(1, "0x000000ef", 2))),
            Verdict::Fail,
            reason,
        );
    }
}
