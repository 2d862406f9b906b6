//! What the machine itself allows to be said of a difference.
//!
//! Beside the contenders a run measures what no build of them changes: what a time
//! stamp costs, and how long a cache line takes from one CPU to another. A span is
//! known no better than its two stamps. And where the lines take another time, the
//! hypervisor or somebody else has put the CPUs elsewhere, and every span is that of
//! another machine.

use std::collections::{BTreeMap, BTreeSet};

use super::batches::log_level;
use super::judge::Reason;
use super::matched::{Matched, Runs, Turn};
use crate::metrics::{ClockKind, Dimensions, Metric, Metrics, Stage};
use crate::native::transfer::have_moved;
use crate::summary::median;

/// Time stamps of a span.
const NR_STAMPS: f64 = 2.0;

/// What is measured together.
pub(super) type Place = (Stage, Option<String>);

/// The ground that both sides were measured on.
#[derive(Debug, Default)]
pub(super) struct Ground {
    /// What the stamps of a span cost, in ns: on the side where they cost more.
    stamps_ns: BTreeMap<Place, f64>,
    /// Whether A's runs and B's took turns.
    pub(super) take_turns: bool,
    /// Machines whose times are an emulator's.
    emulated: BTreeSet<String>,
    /// Where and in which turn the CPUs have moved.
    moved: BTreeSet<(Place, usize)>,
}

pub(super) fn place(dimensions: &Dimensions) -> Place {
    (dimensions.stage, dimensions.machine.clone())
}

impl Ground {
    pub(super) fn new<'a>(
        runs: impl Iterator<Item = &'a Metrics>,
        matched: &Matched,
        take_turns: bool,
    ) -> Self {
        let mut ground = Self {
            take_turns,
            emulated: runs.flat_map(|run| &run.emulated).cloned().collect(),
            ..Self::default()
        };
        for (key, a, b) in &matched.both {
            let place = place(&key.dimensions);
            match key.metric {
                Metric::Stamp => {
                    let levels = [a, b]
                        .into_iter()
                        .filter_map(|side| log_level(&side.values()));
                    let stamps_ns = NR_STAMPS * levels.fold(0.0, f64::max).exp();
                    let known = ground.stamps_ns.entry(place).or_default();
                    *known = known.max(stamps_ns);
                }
                Metric::Transfer => ground.look_at(&place, a, b),
                _ => {}
            }
        }
        ground
    }

    /// Holds the transfers against each other, turn by turn where there are any.
    fn look_at(&mut self, place: &Place, a: &Runs, b: &Runs) {
        let have_moved = |a: &[u64], b: &[u64]| {
            have_moved([a, b].map(|values| median(values).unwrap_or_default()))
        };
        if !self.take_turns {
            if have_moved(&a.values(), &b.values()) {
                self.moved.insert((place.clone(), 0));
            }
            return;
        }
        for Turn { number, a, b } in a.turns(b) {
            if have_moved(&a, &b) {
                self.moved.insert((place.clone(), number));
            }
        }
    }

    /// Whether the CPUs have moved between A's and B's runs of a turn, or where there are
    /// no turns, which is turn 0, between all of them.
    pub(super) fn has_moved(&self, dimensions: &Dimensions, turn: usize) -> bool {
        let is_timed = dimensions.clock == ClockKind::Tsc;
        is_timed && self.moved.contains(&(place(dimensions), turn))
    }

    /// Whether times are an emulator's.
    pub(super) fn is_emulated(&self, dimensions: &Dimensions) -> bool {
        let machine = dimensions.machine.as_ref();
        let is_timed = dimensions.clock == ClockKind::Tsc;
        is_timed && machine.is_some_and(|machine| self.emulated.contains(machine))
    }

    /// Why a difference of so many ns is not one of what was measured.
    pub(super) fn doubt(&self, dimensions: &Dimensions, difference_ns: f64) -> Option<Reason> {
        if dimensions.clock != ClockKind::Tsc {
            return None;
        }
        let stamps_ns = self.stamps_ns.get(&place(dimensions))?;
        (difference_ns.abs() <= *stamps_ns).then_some(Reason::Stamps)
    }
}
