//! NMIs while a core loads: another thread stands for a CPU's handler.

use std::thread;
use std::vec;

use super::machine::{Cores, Cpu, Write};
use super::run::Run;
use crate::{Election, Nmi, Rendezvous};

/// The thread that loads.
const LEADER: u32 = 0;
/// The other thread of its core.
const SIBLING: u32 = 1;

/// What a handler on a CPU answers, and after how many rounds.
fn contain(rendezvous: &Rendezvous, cores: &Cores, cpu: u32) -> (bool, u32) {
    let handler = cores.cpu(cpu, Write::Takes);
    (rendezvous.contain(cpu, &handler), handler.nr_rounds())
}

fn has_left(rendezvous: &Rendezvous, cpu: u32) -> bool {
    let record = rendezvous.records()[cpu as usize];
    record.moments.left_ns.is_some()
}

/// A core whose leader stays in its load until it is told to end it.
fn while_a_core_loads(nmi: Nmi, update_us: u64, beside: impl FnOnce(&Rendezvous, &Cores)) {
    let mut run = Run::new(1, 2);
    run.options.nmi = nmi;
    run.options.election = Election::Lowest;
    run.timeouts.update_us = update_us;
    run.writes = vec![Write::Awaited];
    run.go_beside(|rendezvous, cores| {
        while !rendezvous.core_loads(LEADER) {
            assert!(!has_left(rendezvous, LEADER), "it had no time to begin");
            thread::yield_now();
        }
        beside(rendezvous, cores);
        cores.end_loads();
    });
}

#[test]
fn a_handler_on_a_sibling_waits_until_its_core_has_loaded() {
    while_a_core_loads(Nmi::Hold, 2_000_000, |rendezvous, cores| {
        let handler: Cpu<'_> = cores.cpu(SIBLING, Write::Takes);
        thread::scope(|scope| {
            let answer = scope.spawn(|| rendezvous.contain(SIBLING, &handler));
            while handler.nr_rounds() == 0 && !answer.is_finished() {
                thread::yield_now();
            }
            assert!(!answer.is_finished(), "it did not wait");
            cores.end_loads();
        });
        assert!(
            !rendezvous.core_loads(SIBLING),
            "it did not wait to the end"
        );
    });
}

#[test]
fn a_handler_on_the_cpu_that_loads_returns_at_once_and_does_nothing() {
    while_a_core_loads(Nmi::Hold, 2_000_000, |rendezvous, cores| {
        assert_eq!(contain(rendezvous, cores, LEADER), (true, 0));
    });
}

#[test]
fn a_handler_does_nothing_on_a_cpu_that_left_while_its_core_still_loads() {
    while_a_core_loads(Nmi::Hold, 200_000, |rendezvous, cores| {
        while !has_left(rendezvous, SIBLING) {
            thread::yield_now();
        }
        let (is_contained, nr_rounds) = contain(rendezvous, cores, SIBLING);
        assert!(is_contained);
        assert!(nr_rounds > 0, "it did not wait");
    });
}

#[test]
fn where_nmis_are_not_held_no_handler_waits() {
    while_a_core_loads(Nmi::Off, 2_000_000, |rendezvous, cores| {
        for cpu in [LEADER, SIBLING] {
            assert_eq!(contain(rendezvous, cores, cpu), (false, 0));
        }
    });
}
