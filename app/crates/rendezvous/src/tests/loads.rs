//! Who of a core writes, and what a write can come to.

use std::sync::atomic::AtomicU32;
use std::vec;
use std::vec::Vec;

use super::machine::{TARGET, Write};
use super::run::{Run, outcomes};
use crate::{Outcome, Role};

#[test]
fn one_thread_of_each_core_leads_and_the_others_follow() {
    let (rendezvous, records) = Run::new(3, 2).go();
    assert!(rendezvous.opened());
    for core in records.chunks(2) {
        let nr_leaders = core.iter().filter(|r| r.role == Role::Leader).count();
        assert_eq!(nr_leaders, 1);
        for record in core {
            let expected = match record.role {
                Role::Leader => Outcome::Updated,
                _ => Outcome::Followed,
            };
            assert_eq!(record.outcome, expected);
            assert_eq!(record.after, Some(TARGET));
        }
    }
}

#[test]
fn where_every_thread_writes_they_write_one_after_another() {
    let mut run = Run::new(2, 4);
    run.followers_load = true;
    run.writes = vec![Write::Slow(2); 8];
    let (_, records) = run.go();
    for core in records.chunks(4) {
        let mut spans: Vec<_> = core
            .iter()
            .map(|r| {
                (
                    r.moments.load_start_ns.unwrap(),
                    r.moments.load_end_ns.unwrap(),
                )
            })
            .collect();
        spans.sort_unstable();
        assert!(
            spans.windows(2).all(|pair| pair[0].1 <= pair[1].0),
            "{spans:?}"
        );
        assert!(core.iter().all(|r| r.after == Some(TARGET)));
    }
}

#[test]
fn each_way_that_a_write_can_go_wrong_has_its_outcome() {
    let mut run = Run::new(4, 1);
    run.writes = vec![Write::Takes, Write::Faults, Write::Ignored, Write::Garbles];
    let (_, records) = run.go();
    assert_eq!(
        outcomes(&records),
        [
            Outcome::Updated,
            Outcome::GpFault,
            Outcome::NotTaken,
            Outcome::Mismatch
        ]
    );
    assert_eq!(records[3].after, Some(0xbad));
}

#[test]
fn a_hung_leader_is_left_behind_by_all_others() {
    let mut run = Run::new(2, 1);
    run.timeouts.update_us = 30_000;
    run.writes = vec![Write::Slow(600), Write::Takes];
    let (_, records) = run.go();
    let left = |cpu: usize| records[cpu].moments.left_ns.unwrap();
    assert!(left(1) + 300_000_000 < left(0), "{records:?}");
    assert_eq!(records[1].outcome, Outcome::Updated);
}

#[test]
fn the_sibling_of_a_hung_leader_leaves_without_touching_the_core() {
    let mut run = Run::new(1, 2);
    run.timeouts.update_us = 30_000;
    run.writes = vec![Write::Slow(600); 2];
    let (_, records) = run.go();
    let mut outcomes = outcomes(&records);
    outcomes.sort_by_key(|outcome| *outcome as u32);
    assert_eq!(outcomes, [Outcome::Updated, Outcome::Aborted]);
}

#[test]
fn the_notes_of_a_leader_inside_its_load_say_hung() {
    let slot = crate::slot::Slot::<AtomicU32>::default();
    assert_eq!(slot.outcome(), Outcome::Late);
    slot.enter_load();
    assert_eq!(slot.outcome(), Outcome::Hung);
    slot.conclude(Outcome::Updated, Some(TARGET));
    assert_eq!(slot.outcome(), Outcome::Updated);
}

#[test]
fn a_core_that_was_given_up_is_never_begun_on() {
    let turn = crate::core_turn::CoreTurn::<AtomicU32>::default();
    turn.give_up();
    assert!(turn.is_given_up());
    let run = Run::new(1, 1);
    let cores = run.cores();
    assert!(
        turn.begin(
            turn.take_ticket(),
            &cores.cpu(0, Write::Takes),
            u64::MAX,
            || {}
        )
        .is_err()
    );
}
