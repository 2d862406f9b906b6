//! What the notes say, held against what happened.

use std::rc::Rc;

use rendezvous::{Outcome, Record};

use super::cpu::{Cpu, Status};
use super::{RENDEZVOUS, World, with};
use crate::setup::{BEFORE, GARBLED, TARGET, Write};
use crate::violation::Violation;

/// Whether a CPU was let through the gate.
pub(super) fn has_passed(cpu: u32) -> bool {
    RENDEZVOUS.with_borrow(|rendezvous| {
        let rendezvous = rendezvous.as_ref();
        rendezvous.is_some_and(|rendezvous| rendezvous.has_passed(cpu))
    })
}

/// What the notes say against what happened, when all is over.
pub(crate) fn check_end() {
    let rendezvous = RENDEZVOUS.with_borrow(Clone::clone);
    let Some(rendezvous) = rendezvous else { return };
    with(|world| world.current = None);
    let records = rendezvous.records();
    with(|world| {
        for (cpu, record) in (0..).zip(&records) {
            world.check_cpu(cpu, record, rendezvous.has_given_up(cpu));
        }
    });
}

impl World {
    fn check_cpu(&mut self, cpu: u32, record: &Record, has_given_up: bool) {
        let outcome = record.outcome;
        let setup = Rc::clone(self.setup.as_ref().expect("the world was reset"));
        let Cpu {
            status, is_stopped, ..
        } = self.cpus[cpu as usize];
        if setup.stops_all() && has_given_up && self.nr_loads > 0 {
            self.violate(Violation::Split { cpu });
        }
        if status != Status::Done {
            return;
        }
        if is_stopped {
            self.violate(Violation::NotRestored { cpu });
        }
        if setup.held.contains(&cpu) {
            return;
        }
        let revision = *self.slot(cpu);
        let is_true = match outcome {
            Outcome::Updated | Outcome::Followed => revision == TARGET,
            // Where each CPU decides for itself, the load may come later.
            Outcome::NotTaken => revision == BEFORE || self.nr_leaps() > 0,
            Outcome::Mismatch => revision == GARBLED,
            Outcome::GpFault => setup.write_of(cpu) == Write::Faults,
            // What came of its own write is worth more than that others are missing.
            Outcome::Late | Outcome::Aborted => !self.have_written[cpu as usize],
            Outcome::Hung | Outcome::Held | Outcome::Attended => false,
        };
        let is_stale = |&after: &u32| after != revision && self.nr_leaps() == 0;
        if !is_true || record.after.as_ref().is_some_and(is_stale) {
            self.violate(Violation::WrongOutcome { cpu });
        }
        let is_success = matches!(outcome, Outcome::Updated | Outcome::Followed);
        let nothing_fails = setup.writes.is_empty() && setup.missing.is_empty();
        if !is_success && nothing_fails && self.nr_leaps() == 0 {
            self.violate(Violation::LeftBehind { cpu });
        }
    }
}
