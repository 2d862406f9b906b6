mod lost;

use engine::Fault;
use rendezvous::{CallIn, Election, Order};
use report::{Hex32, Outcome, Role, Status};

use super::super::{Plan, RIGS, Rig};
use crate::result::tests::passed;
use crate::result::{CpuResult, MisuseResult, RunResult, TallyResult, TestResult};
use crate::verdict::Verdict;

const INTEL: Rig = RIGS[1];
const AMD: Rig = RIGS[5];

fn plan(rig: Rig, order: Order, faults: &[&str], lever: Option<&str>) -> Plan {
    Plan {
        rig,
        seed: 0,
        call_in: CallIn::Tree,
        election: Election::First,
        order,
        faults: faults.iter().map(|text| fault(text)).collect(),
        lever: lever.map(|text| text.parse().unwrap()),
    }
}

fn fault(text: &str) -> Fault {
    text.parse().unwrap()
}

/// A run of four CPUs, two cores of two threads, `role outcome after runs loads`
/// for each: the role by its letter, the revisions as `new`, `old`, `none` or a
/// number.
fn run(plan: &Plan, cpus: [&str; 4]) -> RunResult {
    let (_, _, before, target) = plan.rig.cpu();
    let revision = |word: &str| match word {
        "new" => Some(target),
        "old" => Some(before),
        "none" => None,
        number => Some(number.parse().unwrap()),
    };
    let mut result = passed();
    let sample = result.cpus[0].clone();
    result.cpus.clear();
    for (id, text) in (0..).zip(cpus) {
        let words: Vec<_> = text.split_whitespace().collect();
        let [role, outcome, after, runs, loads] = words[..] else {
            panic!("{text}");
        };
        result.cpus.push(CpuResult {
            id,
            core: id / 2,
            thread: id % 2,
            role: match role {
                "l" => Role::Leader,
                "f" => Role::Follower,
                _ => Role::None,
            },
            before: Some(Hex32(before)),
            after: revision(after).map(Hex32),
            target: Some(Hex32(target)),
            outcome: Outcome::from_name(outcome).unwrap(),
            gate_ns: Some(1),
            ..sample.clone()
        });
        result.tallies.push(TallyResult {
            cpu: id,
            reads: 1,
            loads: loads.parse().unwrap(),
            misuses: 0,
            revision: Hex32(revision(runs).unwrap()),
        });
    }
    let loaded = result.cpus.iter().all(|cpu| cpu.outcome.is_success());
    let on_target = result.cpus.iter().all(|cpu| cpu.after == cpu.target);
    end(&mut result, "load", loaded);
    end(&mut result, "verify", on_target);
    result
}

fn end(result: &mut RunResult, name: &str, is_good: bool) {
    let status = if is_good { Status::Pass } else { Status::Fail };
    let test = result.tests.iter_mut().find(|test| test.name == name);
    test.unwrap().status = status;
    if !is_good {
        result.verdict = Verdict::Fail;
    }
}

/// The same behind a gate that closed.
fn closed(mut result: RunResult) -> RunResult {
    for cpu in &mut result.cpus {
        cpu.gate_ns = None;
    }
    let set = |test: &mut TestResult| {
        test.status = match test.name.as_str() {
            "rendezvous" => Status::Fail,
            "load" | "verify" => Status::Skip,
            _ => Status::Pass,
        };
    };
    result.tests.iter_mut().for_each(set);
    result.verdict = Verdict::Fail;
    result
}

const UPDATED: [&str; 4] = [
    "l updated new new 1",
    "f followed new new 0",
    "f followed new new 0",
    "l updated new new 1",
];
const UPDATED_AMD: [&str; 4] = [
    "l updated new new 1",
    "f followed new new 1",
    "f followed new new 1",
    "l updated new new 1",
];

fn with(mut cpus: [&'static str; 4], changed: &[(usize, &'static str)]) -> [&'static str; 4] {
    for &(cpu, text) in changed {
        cpus[cpu] = text;
    }
    cpus
}

fn said(plan: &Plan, result: &RunResult) -> Vec<String> {
    plan.unexplained(result)
}

/// Plans with a run that each explains.
fn explained() -> Vec<(Plan, RunResult)> {
    let parallel = |rig, faults: &[&str]| plan(rig, Order::Parallel, faults, None);
    let cases = [
        (parallel(INTEL, &[]), UPDATED),
        (parallel(AMD, &[]), UPDATED_AMD),
        // Neither meets the only load of a leader.
        (parallel(INTEL, &["hang,load=2", "gp-fault,cpu=1"]), UPDATED),
        (
            parallel(INTEL, &["hang,core=1"]),
            with(
                UPDATED,
                &[(2, "f aborted none old 0"), (3, "l hung none old 1")],
            ),
        ),
        (
            parallel(INTEL, &["hang,core=1", "gp-fault,cpu=3"]),
            with(
                UPDATED,
                &[(2, "f aborted none old 0"), (3, "l hung none old 1")],
            ),
        ),
        (
            parallel(INTEL, &["mismatch,revision=9", "not-taken,cpu=3", "hang"]),
            [
                "f aborted none old 0",
                "l hung none old 1",
                "f not-taken old old 0",
                "l not-taken old old 1",
            ],
        ),
        (
            parallel(AMD, &["hang,cpu=2"]),
            with(
                UPDATED_AMD,
                &[(2, "f hung none old 1"), (3, "l updated none new 1")],
            ),
        ),
        (
            parallel(INTEL, &["gp-fault,cpu=0"]),
            with(
                UPDATED,
                &[(0, "l gp-fault old old 1"), (1, "f not-taken old old 0")],
            ),
        ),
        (
            parallel(AMD, &["not-taken,cpu=1", "mismatch,cpu=2,revision=9"]),
            with(
                UPDATED_AMD,
                &[(1, "f not-taken old old 1"), (2, "f mismatch 9 9 1")],
            ),
        ),
        (
            parallel(INTEL, &["slow,core=1,us=400000"]),
            with(UPDATED, &[(2, "f aborted none new 0")]),
        ),
        (
            plan(INTEL, Order::Canary, &["not-taken,core=0"], None),
            [
                "l not-taken old old 1",
                "f not-taken old old 0",
                "- aborted old old 0",
                "- aborted old old 0",
            ],
        ),
        (
            plan(INTEL, Order::Serial, &["hang,cpu=1"], None),
            [
                "f aborted none old 0",
                "l hung none old 1",
                "- aborted old old 0",
                "- aborted old old 0",
            ],
        ),
        (
            plan(AMD, Order::Serial, &["gp-fault,core=0"], None),
            with(
                UPDATED_AMD,
                &[(0, "l gp-fault old old 1"), (1, "f gp-fault old old 1")],
            ),
        ),
        (
            plan(INTEL, Order::Parallel, &[], Some("gp-fault:3")),
            with(
                UPDATED,
                &[(2, "f not-taken old old 0"), (3, "l gp-fault old old 0")],
            ),
        ),
    ];
    let mut cases: Vec<_> = cases
        .into_iter()
        .map(|(plan, cpus)| {
            let result = run(&plan, cpus);
            (plan, result)
        })
        .collect();
    let absent = plan(AMD, Order::Serial, &["gp-fault"], Some("never-arrives:2"));
    let at_the_gate = "- aborted old old 0";
    let nobody = [at_the_gate, at_the_gate, "- late none old 0", at_the_gate];
    let result = closed(run(&absent, nobody));
    cases.push((absent, result));
    cases
}

#[test]
fn what_a_plan_causes_is_explained() {
    for (plan, result) in explained() {
        assert_eq!(said(&plan, &result), Vec::<String>::new(), "{plan}");
    }
}

#[test]
fn every_other_outcome_of_every_cpu_is_refused() {
    for (plan, result) in explained() {
        let may_be_late = plan.faults.iter().any(|fault| fault.kind.name() == "slow");
        for cpu in 0..result.cpus.len() {
            for &outcome in Outcome::ALL {
                if outcome == result.cpus[cpu].outcome || (may_be_late && cpu / 2 == 1) {
                    continue;
                }
                let mut other = result.clone();
                other.cpus[cpu].outcome = outcome;
                let said = said(&plan, &other);
                let name = format!("CPU {cpu} is {outcome}");
                assert!(
                    said.iter().any(|sentence| sentence.starts_with(&name)),
                    "{plan}: {name}: {said:?}"
                );
            }
        }
    }
}

#[test]
fn every_other_revision_number_of_loads_and_role_is_refused() {
    for (plan, result) in explained() {
        for cpu in 0..result.cpus.len() {
            let refuses = |change: &dyn Fn(&mut RunResult)| {
                let mut other = result.clone();
                change(&mut other);
                let said = said(&plan, &other);
                assert!(!said.is_empty(), "{plan}: CPU {cpu}");
            };
            refuses(&|other| other.cpus[cpu].after = Some(Hex32(0x77)));
            refuses(&|other| other.cpus[cpu].before = None);
            refuses(&|other| other.cpus[cpu].target = None);
            refuses(&|other| other.tallies[cpu].revision = Hex32(0x77));
            refuses(&|other| other.tallies[cpu].loads += 1);
            refuses(&|other| other.tallies[cpu].misuses = 1);
            refuses(&|other| {
                other.tallies.remove(cpu);
            });
            refuses(&|other| {
                other.cpus.remove(cpu);
            });
            for role in [Role::None, Role::Leader, Role::Follower] {
                if role != result.cpus[cpu].role {
                    refuses(&|other| other.cpus[cpu].role = role);
                }
            }
        }
    }
}

#[test]
fn tests_and_a_verdict_that_do_not_follow_are_refused() {
    for (plan, result) in explained() {
        for name in ["rendezvous", "load", "verify"] {
            let mut other = result.clone();
            let test = other.tests.iter_mut().find(|test| test.name == name);
            let status = &mut test.unwrap().status;
            *status = match *status {
                Status::Pass => Status::Fail,
                _ => Status::Pass,
            };
            let said = said(&plan, &other);
            assert_eq!(said.len(), 1, "{plan}: {said:?}");
            assert!(said[0].contains(name), "{said:?}");
        }
        for &verdict in Verdict::ALL.iter().filter(|&&v| v != result.verdict) {
            let mut other = result.clone();
            other.verdict = verdict;
            let said = said(&plan, &other);
            assert!(said[0].starts_with("the verdict is"), "{said:?}");
        }
    }
}

#[test]
fn what_is_not_explained_is_said_in_words() {
    let calm = plan(INTEL, Order::Parallel, &["gp-fault,core=0"], None);
    let cpus = [
        "l gp-fault old old 1",
        "f not-taken old old 0",
        "f aborted none old 0",
        "l hung none old 1",
    ];
    let said_of = said(&calm, &run(&calm, cpus));
    assert_eq!(
        said_of,
        [
            "CPU 2 is aborted, and not followed: nothing in the plan meets core 1",
            "CPU 3 is hung, and not updated: nothing in the plan meets core 1",
        ]
    );
    let mut result = closed(run(&calm, ["- aborted old old 0"; 4]));
    result.misuses.push(MisuseResult {
        cpu: 1,
        kind: "two-threads".to_owned(),
        msr: None,
    });
    assert_eq!(
        said(&calm, &result)[..2],
        [
            "CPU 1 misused the hardware (two-threads), and no plan makes it",
            "the gate closed, and nothing in the plan keeps a CPU away",
        ]
    );
}

#[test]
fn nobody_loads_behind_a_closed_gate_or_after_a_canary_that_failed() {
    let absent = plan(INTEL, Order::Parallel, &[], Some("never-arrives:2"));
    let opened = run(&absent, with(UPDATED, &[(2, "- late none new 0")]));
    let said_of = said(&absent, &opened).join("\n");
    for cpu in [0, 1, 3] {
        let sentence = format!("CPU {cpu} passed the gate, and CPU 2 never arrives");
        assert!(said_of.contains(&sentence), "{said_of}");
    }
    let failing = plan(INTEL, Order::Canary, &["gp-fault,core=0"], None);
    let went_on = with(
        UPDATED,
        &[(0, "l gp-fault old old 1"), (1, "f not-taken old old 0")],
    );
    let said_of = said(&failing, &run(&failing, went_on));
    assert_eq!(
        said_of,
        [
            "CPU 2 took part in the load of core 1, and core 0 fails",
            "CPU 3 took part in the load of core 1, and core 0 fails",
        ]
    );
    // In any other order they go on.
    let parallel = plan(INTEL, Order::Serial, &["gp-fault,core=0"], None);
    let said_of = said(&parallel, &run(&parallel, went_on));
    assert_eq!(said_of, Vec::<String>::new());
}

#[test]
fn the_lowest_thread_leads_where_that_is_chosen() {
    let mut lowest = plan(INTEL, Order::Parallel, &[], None);
    lowest.election = Election::Lowest;
    assert_eq!(
        said(&lowest, &run(&lowest, UPDATED)),
        ["CPU 3 leads core 1, and is not the lowest of its threads"]
    );
}

#[test]
fn a_slow_load_explains_what_its_own_core_and_the_next_miss_and_nothing_else() {
    let held = "- aborted old old 0";
    let slow = |order, us: u32| plan(INTEL, order, &[&format!("slow,core=0,us={us}")], None);
    let next_held = with(UPDATED, &[(2, held), (3, held)]);
    let nr_said = |plan: &Plan| said(plan, &run(plan, next_held)).len();
    assert_eq!(nr_said(&slow(Order::Serial, 400_000)), 0);
    assert_eq!(nr_said(&slow(Order::Canary, 400_000)), 0);
    assert!(nr_said(&slow(Order::Serial, 2000)) > 0);
    assert!(nr_said(&slow(Order::Parallel, 400_000)) > 0);
    // One that is back long before the report is not hung.
    let hung = with(
        UPDATED,
        &[(0, "l hung none new 1"), (1, "f aborted none new 0")],
    );
    let nr_said = |us| {
        let plan = slow(Order::Parallel, us);
        said(&plan, &run(&plan, hung)).len()
    };
    assert_eq!(nr_said(900_000), 0);
    assert!(nr_said(400_000) > 0);
}
