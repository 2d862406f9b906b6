//! What a series looks like: its percentiles, and the curve through all of them.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Digits that the histogram keeps of a value: values below 200,000 are kept as
/// they are, and greater ones within 0.001 %.
const NR_DIGITS: u8 = 5;

/// Points of a curve between a percentile and the next that is half as far from
/// 100: 50, 75, 87.5, …
const NR_POINTS_PER_HALF: u32 = 5;

/// The percentiles of a series, in its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many values there are.
    pub count: u64,
    /// The least.
    pub min: u64,
    /// The 10th percentile.
    pub p10: u64,
    /// The median.
    pub p50: u64,
    /// The 90th percentile.
    pub p90: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The 99.9th percentile.
    pub p99_9: u64,
    /// The greatest.
    pub max: u64,
}

/// A point of the percentile curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// So many of a hundred values …
    pub percentile: f64,
    /// … are at most this, in the series' unit.
    pub value: u64,
}

/// The values by their size; none of no values.
struct Ordered {
    histogram: Histogram<u64>,
    min: u64,
    max: u64,
}

impl Ordered {
    fn new(values: &[u64]) -> Option<Self> {
        let (min, max) = (*values.iter().min()?, *values.iter().max()?);
        // The least bound that the histogram takes is 2.
        let mut histogram = Histogram::new_with_max(max.max(2), NR_DIGITS).ok()?;
        for &value in values {
            histogram.saturating_record(value);
        }
        Some(Self {
            histogram,
            min,
            max,
        })
    }

    /// The histogram says the upper end of the value's bucket, which may be more
    /// than any value was.
    fn real(&self, value: u64) -> u64 {
        value.clamp(self.min, self.max)
    }

    fn quantile(&self, quantile: f64) -> u64 {
        self.real(self.histogram.value_at_quantile(quantile))
    }
}

impl Summary {
    /// None of no values.
    #[must_use]
    pub fn new(values: &[u64]) -> Option<Self> {
        let ordered = Ordered::new(values)?;
        Some(Self {
            count: ordered.histogram.len(),
            min: ordered.min,
            p10: ordered.quantile(0.1),
            p50: ordered.quantile(0.5),
            p90: ordered.quantile(0.9),
            p99: ordered.quantile(0.99),
            p99_9: ordered.quantile(0.999),
            max: ordered.max,
        })
    }
}

/// The middle one of the values by size, the lower one of two; none of no values.
#[must_use]
pub fn median(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let middle = sorted.len().checked_sub(1)? / 2;
    sorted.get(middle).copied()
}

/// The percentile curve, denser towards 100, for a plot; empty of no values.
#[must_use]
pub fn curve(values: &[u64]) -> Vec<Point> {
    let Some(ordered) = Ordered::new(values) else {
        return Vec::new();
    };
    let points = ordered.histogram.iter_quantiles(NR_POINTS_PER_HALF);
    points
        .map(|point| Point {
            percentile: point.quantile_iterated_to() * 100.0,
            value: ordered.real(point.value_iterated_to()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_there() {
        let values: Vec<u64> = (1..=10_000).rev().collect();
        let summary = Summary {
            count: 10_000,
            min: 1,
            p10: 1_000,
            p50: 5_000,
            p90: 9_000,
            p99: 9_900,
            p99_9: 9_990,
            max: 10_000,
        };
        assert_eq!(Summary::new(&values), Some(summary));
        assert_eq!(Summary::new(&[]), None);
    }

    #[test]
    fn one_value_is_all_of_its_percentiles_however_large_or_small() {
        for value in [0, 1, 24_870, 123_456_789_012, u64::MAX / 4] {
            let summary = Summary::new(&[value]).unwrap();
            assert_eq!(
                [summary.min, summary.p50, summary.p99_9, summary.max],
                [value; 4]
            );
        }
    }

    #[test]
    fn a_median_is_the_middle_one_by_size() {
        assert_eq!(median(&[9, 1, 5]), Some(5));
        assert_eq!(median(&[4, 3, 2, 1]), Some(2));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn the_curve_rises_from_the_least_to_the_greatest() {
        let values: Vec<u64> = (0..1_000).map(|n| n * n).collect();
        let points = curve(&values);
        assert!(points.len() > 20, "{points:?}");
        assert_eq!(points[0].value, 0);
        let last = points[points.len() - 1];
        assert_eq!((last.percentile.round(), last.value), (100.0, 999 * 999));
        assert!(points.is_sorted_by(|a, b| a.value <= b.value && a.percentile <= b.percentile));
        assert!(curve(&[]).is_empty());
    }
}
