//! Who comes when, and what becomes of the others.

use std::vec;

use proptest::prelude::*;

use super::run::{Run, outcomes};
use crate::{CallIn, Outcome, Record};

#[test]
fn moments_come_in_order() {
    let (_, records) = Run::new(2, 1).go();
    let last_call_in = records.iter().filter_map(|r| r.moments.called_in_ns).max();
    for record in &records {
        let m = record.moments;
        assert!(m.called_in_ns <= m.gate_ns);
        assert!(
            last_call_in <= m.gate_ns,
            "the gate opened before all had come"
        );
        assert!(m.gate_ns <= m.load_start_ns);
        assert!(m.load_start_ns <= m.load_end_ns);
        assert!(m.load_end_ns <= m.left_ns && m.left_ns.is_some());
    }
}

#[test]
fn a_cpu_that_never_comes_is_late_and_nobody_loads() {
    let mut run = Run::new(2, 2);
    run.timeouts.call_in_us = 20_000;
    run.delays_ms = vec![Some(0), Some(0), None, Some(0)];
    let (rendezvous, records) = run.go();
    assert!(!rendezvous.opened());
    assert_eq!(
        outcomes(&records),
        [
            Outcome::Aborted,
            Outcome::Aborted,
            Outcome::Late,
            Outcome::Aborted
        ]
    );
    assert!(records.iter().all(|r| r.moments.load_start_ns.is_none()));
}

#[test]
fn a_cpu_that_comes_after_the_gate_closed_leaves_at_once_without_loading() {
    let mut run = Run::new(2, 1);
    run.timeouts.call_in_us = 10_000;
    run.delays_ms = vec![Some(0), Some(300)];
    let (_, records) = run.go();
    assert_eq!(outcomes(&records), [Outcome::Aborted, Outcome::Late]);
    assert_eq!(records[1].moments.load_start_ns, None);
    assert!(records[1].moments.left_ns.is_some());
}

/// They are too many to look at the count that they all arrive at.
#[test]
fn a_crowd_at_one_word_is_let_through_or_turned_away_together() {
    let mut run = Run::new(10, 1);
    run.options.call_in = CallIn::Flat;
    let (rendezvous, records) = run.go();
    assert!(rendezvous.opened());
    assert!(records.iter().all(|r| r.outcome == Outcome::Updated));
    run.timeouts.call_in_us = 20_000;
    run.delays_ms = vec![Some(0), None];
    let (rendezvous, records) = run.go();
    assert!(!rendezvous.opened());
    assert_eq!(records[1].outcome, Outcome::Late);
    let turned_away = |r: &Record| matches!(r.outcome, Outcome::Aborted | Outcome::Late);
    assert!(records.iter().all(turned_away));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_arrival_order_ends_in_all_or_none(
        delays_ms in prop::collection::vec(prop::option::weighted(0.9, 0_u64..8), 4),
        call_in_ms in 1_u64..8,
        followers_load: bool,
    ) {
        let mut run = Run::new(2, 2);
        run.followers_load = followers_load;
        run.timeouts.call_in_us = call_in_ms * 1000;
        run.delays_ms = delays_ms;
        let (rendezvous, records) = run.go();
        for record in &records {
            let loaded = matches!(record.outcome, Outcome::Updated | Outcome::Followed);
            prop_assert_eq!(loaded, rendezvous.opened());
        }
    }
}
