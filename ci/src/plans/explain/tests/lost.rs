//! Machines of which nobody comes back.

use super::*;
use crate::result::LoadResult;

/// A run of four cores that all hang; the machine saw these loads.
fn lost(loads: &[(u32, &str)]) -> RunResult {
    let mut result = passed();
    result.verdict = Verdict::Timeout;
    result.cpus.clear();
    result.tests.truncate(2);
    let load = |&(cpu, outcome): &(u32, &str)| LoadResult {
        at_ns: 1,
        cpu,
        msr: Hex32(0x79),
        outcome: outcome.to_owned(),
        before: Hex32(1),
        after: Hex32(1),
        bytes: 2048,
        took_ns: 1,
    };
    result.loads = loads.iter().map(load).collect();
    result
}

#[test]
fn a_machine_of_which_every_cpu_hangs_says_no_more_and_its_log_shows_each_of_them() {
    let plan = |rig, order, lever| plan(rig, order, &["hang"], lever);
    let all = plan(RIGS[2], Order::Parallel, None);
    assert_eq!(all.verdicts(), [Verdict::Timeout]);
    let seen = [(2, "hung"), (0, "hung"), (3, "hung"), (1, "hung")];
    let explained = lost(&seen);
    assert_eq!(said(&all, &explained), Vec::<String>::new());
    for loads in [&seen[..3], &[seen[0], seen[1], seen[2], (1, "taken")]] {
        assert_eq!(said(&all, &lost(loads)).len(), 1);
    }
    let mut goes_on = explained;
    goes_on.tests = passed().tests;
    assert_eq!(said(&all, &goes_on).len(), 1);
    for somebody_is_left in [
        plan(RIGS[1], Order::Parallel, None),
        plan(RIGS[2], Order::Serial, None),
        plan(RIGS[2], Order::Parallel, Some("never-arrives:1")),
        plan(RIGS[2], Order::Parallel, Some("gp-fault:1")),
    ] {
        let verdicts = somebody_is_left.verdicts();
        assert_eq!(
            verdicts,
            [Verdict::Pass, Verdict::Fail],
            "{somebody_is_left}"
        );
    }
}
