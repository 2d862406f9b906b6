//! What no build of the project changes, and what it differs by all the same.
//!
//! Beside the protocols a run measures barriers of other crates. If they are slower in
//! B, it is the machine that was: its clock rate, where its CPUs are, who else it works
//! for. So whatever else differs has to differ by more; and where a control is different
//! for certain, all else is that of another machine.

use std::collections::BTreeMap;

use super::ground::{Place, place};
use super::judge::Finding;
use super::matched::Key;
use crate::metrics::{Dimensions, Metric};
use crate::native::Barrier;

/// The largest difference of a control, by what was measured together; without a bound
/// where one is certain.
#[derive(Debug, Default)]
pub(super) struct Controls(BTreeMap<Place, f64>);

/// The gates of barriers. How far apart threads come to one is not the barrier's.
fn is_control(key: &Key) -> bool {
    let protocol = key.dimensions.protocol.as_deref();
    let is_barrier = |barrier: &Barrier| protocol == Some(barrier.name());
    matches!(key.metric, Metric::Gate | Metric::GateLast) && Barrier::ALL.iter().any(is_barrier)
}

impl Controls {
    /// Of all series. The threshold is the logarithm of a ratio.
    pub(super) fn new<'a>(
        series: impl Iterator<Item = (&'a Key, &'a Finding)>,
        threshold: f64,
    ) -> Self {
        let mut controls = Self::default();
        for (key, finding) in series.filter(|(key, _)| is_control(key)) {
            let largest = controls.0.entry(place(&key.dimensions)).or_default();
            *largest = largest.max(if finding.is_certain(threshold) {
                f64::INFINITY
            } else {
                finding.shift.abs()
            });
        }
        controls
    }

    /// The logarithm of the ratio that the controls beside a series differ by, none if
    /// it has none beside it.
    pub(super) fn beside(&self, dimensions: &Dimensions) -> Option<f64> {
        self.0.get(&place(dimensions)).copied()
    }
}
