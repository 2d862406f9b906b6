//! Percentiles by nearest rank: each is a value that was measured.

/// The value that `per_mille` of 1000 values do not exceed, of values in rising
/// order; none of no values.
pub(super) fn percentile(sorted: &[u64], per_mille: usize) -> Option<u64> {
    let rank = (sorted.len() * per_mille).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied()
}

/// How values are spread, in their own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    /// How many there are.
    pub(super) count: usize,
    pub(super) p10: u64,
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p99: u64,
    pub(super) max: u64,
}

impl Spread {
    /// Of values in rising order; none of no values.
    pub(super) fn of(sorted: &[u64]) -> Option<Self> {
        Some(Self {
            count: sorted.len(),
            p10: percentile(sorted, 100)?,
            p50: percentile(sorted, 500)?,
            p90: percentile(sorted, 900)?,
            p99: percentile(sorted, 990)?,
            max: *sorted.last()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_value_of_the_nearest_rank() {
        let sorted: Vec<u64> = (1..=10).collect();
        let at = |per_mille| percentile(&sorted, per_mille);
        assert_eq!(at(0), Some(1));
        assert_eq!(at(100), Some(1));
        assert_eq!(at(101), Some(2));
        assert_eq!(at(500), Some(5));
        assert_eq!(at(990), Some(10));
        assert_eq!(at(1000), Some(10));
        assert_eq!(percentile(&[7], 500), Some(7));
        assert_eq!(percentile(&[], 500), None);
        assert_eq!(Spread::of(&[]), None);
    }
}
