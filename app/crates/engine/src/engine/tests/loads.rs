//! Loads that take time, that fail on demand, and that are disturbed.

use std::vec;

use super::*;
use crate::{Cost, Where};

#[test]
fn the_old_revision_shows_until_the_load_is_finished() {
    let engine = engine(intel(2));
    let load = engine.begin_load(0, &intel_update(9)).load.unwrap();
    assert_eq!((load.before, load.outcome), (OLD, Ok(9)));
    assert_eq!(engine.revision(1), OLD);
    engine.finish(&load);
    assert_eq!(engine.revision(1), 9);
}

#[test]
fn a_load_costs_what_it_costs_and_what_its_size_adds() {
    let engine = engine(Config {
        cost: Cost {
            load_us: 700,
            load_ns_per_kib: 50,
            access_ns: 3,
        },
        ..intel(1)
    });
    let load = engine.begin_load(0, &intel_update(9)).load.unwrap();
    assert_eq!(load.nr_bytes, 2048);
    assert_eq!(load.duration_ns, 700_000 + 2 * 50);
    let read = engine.access(1, Access::Read(msr::BIOS_SIGN_ID));
    assert_eq!(read.cost_ns, 3);
    assert_eq!(engine.access(1, Access::Read(0x1b)).cost_ns, 0);
}

#[test]
fn a_sibling_inside_a_load_makes_every_access_a_misuse_and_a_load_a_failure() {
    let engine = engine(intel(2));
    let load = engine.begin_load(0, &intel_update(9)).load.unwrap();
    for access in [
        Access::Cpuid,
        Access::Read(0x10),
        Access::Write(msr::BIOS_SIGN_ID, 0),
    ] {
        let answer = engine.access(1, access);
        assert_eq!(answer.misuse, Some(Misuse::SiblingActivity));
        assert_eq!(engine.access(2, access).misuse, None, "another core");
        assert_eq!(engine.access(0, access).misuse, None, "the loader itself");
    }
    let second = engine.begin_load(1, &intel_update(9));
    assert_eq!(second.misuse, Some(Misuse::TwoThreads));
    assert_eq!(second.load.unwrap().outcome, Err(Refusal::Busy));
    assert_eq!(second.reply, Reply::Done);

    engine.finish(&load);
    assert_eq!(engine.access(1, Access::Cpuid).misuse, None);
    assert_eq!(engine.counters(1).nr_misuses, 4);
    assert_eq!(engine.counters(1).nr_loads, 1);
}

#[test]
fn what_was_refused_leaves_the_core_free() {
    let engine = engine(intel(2));
    assert_eq!(engine.load_all(0, &[]), Err(Refusal::Unmapped));
    assert_eq!(engine.access(1, Access::Cpuid).misuse, None);
    assert_eq!(engine.load_all(1, &intel_update(9)), Ok(9));
}

#[test]
fn each_fault_shows_as_it_would_on_silicon() {
    let with = |kind| {
        let engine = engine(Config {
            fault: vec![Fault {
                at: Where::Core(1),
                kind,
                load: None,
            }],
            ..intel(1)
        });
        let answer = engine.begin_load(1, &intel_update(9));
        let load = answer.load.unwrap();
        assert_eq!(engine.load_all(0, &intel_update(9)), Ok(9), "another core");
        (answer.reply, load.outcome, load.duration_ns)
    };
    assert_eq!(
        with(FaultKind::GpFault),
        (Reply::GpFault, Err(Refusal::GpFault), 0)
    );
    assert_eq!(
        with(FaultKind::NotTaken),
        (Reply::Done, Err(Refusal::NotTaken), 0)
    );
    assert_eq!(
        with(FaultKind::Mismatch { revision: 5 }),
        (Reply::Done, Ok(5), 0)
    );
    assert_eq!(
        with(FaultKind::Slow { us: 40 }),
        (Reply::Done, Ok(9), 40_000)
    );
    assert_eq!(with(FaultKind::Hang), (Reply::Done, Ok(9), Load::FOREVER));
}

#[test]
fn of_several_faults_the_first_that_ends_the_load_decides() {
    let with = |kinds: &[FaultKind]| {
        let fault = |&kind: &FaultKind| Fault {
            at: Where::Everywhere,
            kind,
            load: None,
        };
        let engine = engine(Config {
            fault: kinds.iter().map(fault).collect(),
            ..intel(1)
        });
        let load = engine.begin_load(0, &intel_update(9)).load.unwrap();
        (load.outcome, load.duration_ns)
    };
    let slow = FaultKind::Slow { us: 40 };
    let hung = (Ok(9), Load::FOREVER);
    assert_eq!(with(&[FaultKind::Hang, FaultKind::GpFault]), hung);
    assert_eq!(with(&[slow, FaultKind::Hang, FaultKind::NotTaken]), hung);
    assert_eq!(
        with(&[slow, FaultKind::GpFault, FaultKind::Hang]),
        (Err(Refusal::GpFault), 40_000)
    );
    assert_eq!(
        with(&[slow, slow, FaultKind::NotTaken, FaultKind::GpFault]),
        (Err(Refusal::NotTaken), 80_000)
    );
}

#[test]
fn a_fault_can_meet_one_load_of_a_thread_and_leave_the_next_alone() {
    let engine = engine(Config {
        fault: vec![Fault {
            at: Where::Everywhere,
            kind: FaultKind::NotTaken,
            load: Some(2),
        }],
        ..intel(1)
    });
    assert_eq!(engine.load_all(0, &intel_update(7)), Ok(7));
    assert_eq!(engine.load_all(0, &intel_update(9)), Err(Refusal::NotTaken));
    assert_eq!(engine.load_all(0, &intel_update(9)), Ok(9));
}

#[test]
fn threads_at_once_never_see_a_revision_that_never_was() {
    let engine = engine(intel(2));
    let updates = [intel_update(8), intel_update(9)];
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 2..4 {
            let (engine, is_over) = (&engine, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    assert!([1, 8, 9].contains(&engine.read_revision(thread)));
                }
            });
        }
        for _ in 0..2000 {
            for update in &updates {
                let _ = engine.load_all(2, update);
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(engine.revision(3), 9);
    assert_eq!(engine.counters(2).nr_loads, 4000);
}
