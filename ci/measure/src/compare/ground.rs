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
use super::matched::Matched;
use crate::metrics::{ClockKind, Dimensions, Metric, Stage};
use crate::native::transfer::have_moved;
use crate::summary::median;

/// Time stamps of a span.
const NR_STAMPS: f64 = 2.0;

/// What is measured together.
type Place = (Stage, Option<String>);

/// The ground that both sides were measured on.
#[derive(Debug, Default)]
pub(super) struct Ground {
    /// What the stamps of a span cost, in ns: on the side where they cost more.
    stamps_ns: BTreeMap<Place, f64>,
    /// Where the CPUs have moved.
    moved: BTreeSet<Place>,
}

fn place(dimensions: &Dimensions) -> Place {
    (dimensions.stage, dimensions.machine.clone())
}

impl Ground {
    pub(super) fn new(matched: &Matched) -> Self {
        let mut ground = Self::default();
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
                Metric::Transfer
                    if have_moved(
                        [a, b].map(|side| median(&side.values()).unwrap_or_default()),
                    ) =>
                {
                    ground.moved.insert(place);
                }
                _ => {}
            }
        }
        ground
    }

    /// Why a difference of so many ns is not one of what was measured.
    pub(super) fn doubt(&self, dimensions: &Dimensions, difference_ns: f64) -> Option<Reason> {
        if dimensions.clock != ClockKind::Tsc {
            return None;
        }
        let place = place(dimensions);
        if self.moved.contains(&place) {
            return Some(Reason::Moved);
        }
        let stamps_ns = self.stamps_ns.get(&place)?;
        (difference_ns.abs() <= *stamps_ns).then_some(Reason::Stamps)
    }
}
