//! A series cut into batches in the order of time.
//!
//! The values of a run depend on each other: the machine is busy for a while, its
//! clock rate drifts, a page is or is not in the cache. A test that takes each of
//! a thousand values for a witness of its own finds a difference between any two
//! runs. The medians of long batches depend on each other far less, and what is
//! left of it can be seen in them: then they count for fewer than they are.

use super::rank::{median_of_sorted, number};

/// Most batches of a side.
const MOST: usize = 20;
/// Fewest batches of a side that say anything: of 6 and 6, two in 924 ways to
/// draw them have all of A below all of B.
const FEWEST: usize = 6;
/// Fewest values of a batch: the median of three does without an outlier.
const FEWEST_VALUES: usize = 3;
/// What stands for a value of 0, which has no logarithm: half a unit.
const HALF: f64 = 0.5;
/// The square of a deviation of logarithms that is none.
const ROUNDED: f64 = 1e-24;
/// The strongest dependence that is reckoned with.
const MOST_DEPENDENT: f64 = 0.99;

/// One side of a comparison: its runs, each with its values in the order of time.
pub(super) struct Batches {
    /// The logarithm of each batch's median, in the order of time.
    pub(super) medians: Vec<f64>,
    /// The logarithm of each run's median.
    pub(super) runs: Vec<f64>,
}

/// The logarithm of the median of some values. On this scale a ratio is a
/// difference, whatever the unit.
pub(super) fn log_median(values: &[u64]) -> Option<f64> {
    let mut values: Vec<f64> = values.iter().map(|&value| log(value)).collect();
    values.sort_unstable_by(f64::total_cmp);
    median_of_sorted(&values)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a value is not known to 53 bits"
)]
pub(super) fn log(value: u64) -> f64 {
    (value as f64).max(HALF).ln()
}

impl Batches {
    /// None where there are too few values.
    pub(super) fn new(runs: &[Vec<u64>]) -> Option<Self> {
        let most = (MOST / runs.len().max(1)).max(1);
        let mut medians = Vec::new();
        for values in runs {
            let nr_batches = most.min(values.len() / FEWEST_VALUES);
            let start = |batch: usize| batch * values.len() / nr_batches;
            let batches = (0..nr_batches).map(|batch| &values[start(batch)..start(batch + 1)]);
            medians.extend(batches.filter_map(log_median));
        }
        let runs = runs.iter().filter_map(|values| log_median(values));
        (medians.len() >= FEWEST).then(|| Self {
            medians,
            runs: runs.collect(),
        })
    }
}

/// How many of the batches of both sides count as independent: `(1 - r) / (1 + r)` of
/// them all for the correlation `r` between a batch and the next,
/// as of a process that forgets at a constant rate.
///
/// The correlation is that around the side's mean, not around each run's. So runs
/// that differ from one another show as dependence, too.
pub(super) fn nr_independent(a: &Batches, b: &Batches) -> f64 {
    let nr_batches = number(a.medians.len() + b.medians.len());
    let (mut products, mut squares) = (0.0, 0.0);
    for side in [a, b] {
        let medians = &side.medians;
        let mean = medians.iter().sum::<f64>() / number(medians.len());
        squares += medians.iter().map(|m| (m - mean).powi(2)).sum::<f64>();
        let pairs = medians.windows(2);
        products += pairs.map(|p| (p[0] - mean) * (p[1] - mean)).sum::<f64>();
    }
    // What is less is no deviation but was rounded.
    if squares <= nr_batches * ROUNDED {
        return nr_batches;
    }
    let found = products / squares;
    // Around a mean that is itself estimated from few batches the correlation comes
    // out too low, by about this much.
    let bias = (1.0 + 4.0 * found.max(0.0)) / (nr_batches / 2.0);
    // It is estimated itself, and taken for one standard error greater: where it
    // came out too low by chance, a drift would pass for a difference.
    let error = 1.0 / nr_batches.sqrt();
    let correlation = (found + bias + error).clamp(0.0, MOST_DEPENDENT);
    nr_batches * (1.0 - correlation) / (1.0 + correlation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_follow_time_and_hold_all_values() {
        let values: Vec<u64> = (1..=100).collect();
        let batches = Batches::new(&[values]).unwrap();
        assert_eq!(batches.medians.len(), 20);
        assert!((batches.medians[0] - 3f64.ln()).abs() < 1e-9);
        assert!((batches.medians[19] - 98f64.ln()).abs() < 1e-9);
    }

    #[test]
    fn no_batch_is_of_two_runs_and_too_few_values_give_none() {
        let (low, high) = (vec![10; 9], vec![1_000; 9]);
        let batches = Batches::new(&[low.clone(), high.clone()]).unwrap();
        let seen: Vec<_> = batches.medians.iter().map(|m| m.exp().round()).collect();
        assert_eq!(seen, [10.0, 10.0, 10.0, 1_000.0, 1_000.0, 1_000.0]);
        assert_eq!(batches.runs.len(), 2);
        assert!(Batches::new(&[low[..8].to_vec(), high]).is_none());
        assert!(Batches::new(&[]).is_none());
        assert!(Batches::new(&[vec![0; 18]]).is_some());
    }

    #[test]
    fn a_drift_leaves_less_independence_than_noise() {
        let of = |medians: Vec<f64>| Batches {
            medians,
            runs: Vec::new(),
        };
        let noise = |n: u32| of((0..20).map(|i| f64::from(i * n % 7)).collect());
        assert!(nr_independent(&noise(3), &noise(5)) > 20.0);
        let drift = || of((0..20).map(f64::from).collect());
        assert!(nr_independent(&drift(), &drift()) < 2.0);
        let constant = || of(vec![1.0; 20]);
        assert!((nr_independent(&constant(), &constant()) - 40.0).abs() < 1e-9);
    }
}
