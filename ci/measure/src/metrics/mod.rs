//! `metrics.json`: series of raw values with all their dimensions.

mod dimensions;
mod file;
mod metric;

pub use dimensions::{ClockKind, Dimensions, Stage};
pub use file::MetricsError;
pub use metric::{Metric, Unit};

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the layout.
pub const SCHEMA_VERSION: u32 = 1;

/// All that was measured in one go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What made it: commit, host CPU and the like.
    pub provenance: Value,
    /// The clock that the times were read from; none for virtual time and counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Value>,
    /// Machines whose times are an emulator's: they say what else the host did.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub emulated: BTreeSet<String>,
    /// What could not be measured, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_measured: Vec<String>,
    /// The series.
    pub series: Vec<Series>,
}

/// One metric under one set of circumstances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// What was measured.
    pub metric: Metric,
    /// In what.
    pub unit: Unit,
    /// Under what circumstances.
    pub dimensions: Dimensions,
    /// Each value, in the order that they were measured.
    pub values: Vec<u64>,
    /// How many of the values each pass gave, in their order: what was made anew for
    /// each, threads or a machine, is the same within one. Of one pass it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passes: Vec<usize>,
}

impl Metrics {
    /// Series, made by `provenance`.
    #[must_use]
    pub const fn new(provenance: Value, series: Vec<Series>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            provenance,
            clock: None,
            emulated: BTreeSet::new(),
            not_measured: Vec::new(),
            series,
        }
    }
}

impl Series {
    /// A series of one pass, in the metric's own unit.
    #[must_use]
    pub const fn new(metric: Metric, dimensions: Dimensions, values: Vec<u64>) -> Self {
        Self {
            metric,
            unit: metric.unit(),
            dimensions,
            values,
            passes: Vec::new(),
        }
    }

    /// A series of several passes. One without values is left out.
    #[must_use]
    pub fn of_passes(metric: Metric, dimensions: Dimensions, passes: &[Vec<u64>]) -> Self {
        let lengths = passes.iter().map(Vec::len).filter(|&nr| nr > 0);
        let lengths: Vec<_> = lengths.collect();
        Self {
            passes: if lengths.len() > 1 {
                lengths
            } else {
                Vec::new()
            },
            ..Self::new(metric, dimensions, passes.concat())
        }
    }

    /// The values of each pass.
    pub fn by_pass(&self) -> impl Iterator<Item = &[u64]> {
        let all = [self.values.len()];
        let lengths = if self.passes.is_empty() {
            all.to_vec()
        } else {
            self.passes.clone()
        };
        let mut rest = self.values.as_slice();
        lengths.into_iter().map(move |nr_values| {
            let (pass, others) = rest.split_at(nr_values.min(rest.len()));
            rest = others;
            pass
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_apart_by_the_passes_that_they_came_in() {
        let dimensions = Dimensions::new(Stage::Native, ClockKind::Tsc, 2, 1, 1);
        let of = |passes: &[Vec<u64>]| Series::of_passes(Metric::Gate, dimensions.clone(), passes);
        let several = of(&[vec![1, 2], vec![], vec![3]]);
        assert_eq!(
            (&several.values[..], &several.passes[..]),
            (&[1, 2, 3][..], &[2, 1][..])
        );
        assert_eq!(several.by_pass().collect::<Vec<_>>(), [&[1, 2][..], &[3]]);
        let one = of(&[vec![7]]);
        assert!(one.passes.is_empty());
        assert_eq!(one.by_pass().collect::<Vec<_>>(), [[7]]);
    }
}
