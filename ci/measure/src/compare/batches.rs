//! A series cut into batches in the order of time.
//!
//! The values of a run depend on each other: the machine is busy for a while, its
//! clock rate drifts, a page is or is not in the cache. A test that takes each of
//! a thousand values for a witness of its own finds a difference between any two
//! runs. The levels of long batches depend on each other far less, and what is
//! left of it can be seen in them: then they count for fewer than they are.
//!
//! A level is the mean of the middle half. It minds an outlier as little as the
//! median does, and where a clock counts in steps it does not jump by one.

use super::matched::{Runs, Turn};
use super::rank::number;

/// Most batches of a side.
const MOST: usize = 20;
/// Most pairs of batches of runs that took turns: of 20 pairs even the clearest
/// difference is chance among as many series as a benchmark has.
const MOST_PAIRS: usize = 40;
/// Fewest batches of a side that say anything: of 6 and 6, two in 924 ways to
/// draw them have all of A below all of B.
const FEWEST: usize = 6;
/// Fewest values of a batch: the middle one of three is no outlier.
const FEWEST_VALUES: usize = 3;
/// What stands for a value of 0, which has no logarithm: half a unit.
const HALF: f64 = 0.5;
/// The square of a deviation of logarithms that is none.
const ROUNDED: f64 = 1e-24;
/// The strongest dependence that is reckoned with.
const MOST_DEPENDENT: f64 = 0.99;

/// One side of a comparison, by the logarithms of levels.
pub(super) struct Batches {
    /// Of each batch, in the order of time.
    pub(super) levels: Vec<f64>,
    /// Of whatever was set up anew each time.
    pub(super) set_up_anew: Vec<f64>,
}

/// The logarithm of the level of some values; none of none. On this scale a ratio is
/// a difference, whatever the unit.
pub(super) fn log_level(values: &[u64]) -> Option<f64> {
    let mut values: Vec<f64> = values.iter().map(|&value| log(value)).collect();
    values.sort_unstable_by(f64::total_cmp);
    let nr_beyond = values
        .len()
        .div_ceil(4)
        .min(values.len().checked_sub(1)? / 2);
    let middle = &values[nr_beyond..values.len() - nr_beyond];
    Some(middle.iter().sum::<f64>() / number(middle.len()))
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
    pub(super) fn new(runs: &Runs) -> Option<Self> {
        let passes: Vec<_> = runs.passes().map(Vec::as_slice).collect();
        // Of very many passes several are one batch.
        let nr_joined = passes.len().div_ceil(MOST).max(1);
        let most = (MOST / passes.len().max(1)).max(1);
        let mut levels = Vec::new();
        for values in passes.chunks(nr_joined).map(<[&[u64]]>::concat) {
            levels.extend(of_batches(&values, most.min(values.len() / FEWEST_VALUES)));
        }
        let set_up_anew = runs.set_up_anew();
        let set_up_anew = set_up_anew.iter().filter_map(|values| log_level(values));
        (levels.len() >= FEWEST).then(|| Self {
            levels,
            set_up_anew: set_up_anew.collect(),
        })
    }
}

/// The levels of so many batches of these values.
fn of_batches(values: &[u64], nr_batches: usize) -> impl Iterator<Item = f64> {
    let start = move |batch: usize| batch * values.len() / nr_batches;
    let batches = (0..nr_batches).map(move |batch| &values[start(batch)..start(batch + 1)]);
    batches.filter_map(log_level)
}

/// What runs that took turns differ by, as logarithms: a run of B from A's of the same
/// turn.
pub(super) struct Turns {
    /// Batch by batch, in the order of time.
    pub(super) batches: Vec<f64>,
    /// Turn by turn.
    pub(super) turns: Vec<f64>,
}

impl Turns {
    /// None where there are too few values.
    pub(super) fn new(turns: &[Turn]) -> Option<Self> {
        let most = (MOST_PAIRS / turns.len().max(1)).max(1);
        let (mut batches, mut by_turn) = (Vec::new(), Vec::new());
        for Turn { a, b, .. } in turns {
            let nr_batches = most.min(a.len().min(b.len()) / FEWEST_VALUES);
            let pairs = of_batches(a, nr_batches).zip(of_batches(b, nr_batches));
            batches.extend(pairs.map(|(a, b)| b - a));
            by_turn.push(log_level(b)? - log_level(a)?);
        }
        (batches.len() >= FEWEST).then_some(Self {
            batches,
            turns: by_turn,
        })
    }
}

/// How many of the levels of all sides count as independent: `(1 - r) / (1 + r)` of
/// them all for the correlation `r` between one and the next, as of a process that
/// forgets at a constant rate.
///
/// The correlation is that around the side's mean, not around each pass's. So passes
/// that differ from one another show as dependence, too.
pub(super) fn nr_independent(sides: &[&[f64]]) -> f64 {
    let nr_levels = number(sides.iter().map(|side| side.len()).sum());
    let (mut products, mut squares) = (0.0, 0.0);
    for levels in sides {
        let mean = levels.iter().sum::<f64>() / number(levels.len());
        squares += levels.iter().map(|one| (one - mean).powi(2)).sum::<f64>();
        let pairs = levels.windows(2);
        products += pairs.map(|p| (p[0] - mean) * (p[1] - mean)).sum::<f64>();
    }
    // What is less is no deviation but was rounded.
    if squares <= nr_levels * ROUNDED {
        return nr_levels;
    }
    let found = products / squares;
    // Around a mean that is itself estimated from few batches the correlation comes
    // out too low, by about this much.
    let bias = (1.0 + 4.0 * found.max(0.0)) * number(sides.len()) / nr_levels;
    // It is estimated itself, and taken for one standard error greater: where it
    // came out too low by chance, a drift would pass for a difference.
    let error = 1.0 / nr_levels.sqrt();
    let correlation = (found + bias + error).clamp(0.0, MOST_DEPENDENT);
    nr_levels * (1.0 - correlation) / (1.0 + correlation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(runs: &[Vec<u64>]) -> Runs {
        Runs::of(runs.iter().map(|values| vec![values.clone()]).collect())
    }

    #[test]
    fn batches_follow_time_and_hold_all_values() {
        let values: Vec<u64> = (1..=100).collect();
        let batches = Batches::new(&runs(&[values])).unwrap();
        assert_eq!(batches.levels.len(), 20);
        assert!((batches.levels[0] - 3f64.ln()).abs() < 1e-9);
        assert!((batches.levels[19] - 98f64.ln()).abs() < 1e-9);
    }

    #[test]
    fn no_batch_is_of_two_runs_and_too_few_values_give_none() {
        let (low, high) = (vec![10; 9], vec![1_000; 9]);
        let batches = Batches::new(&runs(&[low.clone(), high.clone()])).unwrap();
        let seen: Vec<_> = batches.levels.iter().map(|one| one.exp().round()).collect();
        assert_eq!(seen, [10.0, 10.0, 10.0, 1_000.0, 1_000.0, 1_000.0]);
        assert_eq!(batches.set_up_anew.len(), 2);
        assert!(Batches::new(&runs(&[low[..8].to_vec(), high])).is_none());
        assert!(Batches::new(&runs(&[])).is_none());
        assert!(Batches::new(&runs(&[vec![0; 18]])).is_some());
    }

    #[test]
    fn passes_of_one_run_count_by_themselves_and_those_of_several_do_not() {
        let run = vec![vec![10; 9], vec![11; 9]];
        let nr_of = |runs| Batches::new(&Runs::of(runs)).unwrap().set_up_anew.len();
        assert_eq!(nr_of(vec![run.clone()]), 2);
        assert_eq!(nr_of(vec![run.clone(), run.clone(), run]), 3);
    }

    #[test]
    fn very_many_passes_are_joined_to_a_few_batches() {
        let passes = vec![vec![10; 3]; 1_000];
        assert_eq!(
            Batches::new(&Runs::of(vec![passes])).unwrap().levels.len(),
            20
        );
    }

    #[test]
    fn a_level_is_the_mean_of_the_middle_half() {
        let level = |values: &[u64]| log_level(values).map(|level| level.exp().round());
        assert_eq!(level(&[]), None);
        assert_eq!(level(&[7]), Some(7.0));
        assert_eq!(level(&[9_000, 10, 1]), Some(10.0));
        assert_eq!(level(&[1, 100, 100, 9_000]), Some(100.0));
        // Between the steps of a clock, not on one of them.
        assert_eq!(level(&[100, 100, 100, 144, 144, 144]), Some(120.0));
    }

    #[test]
    fn a_drift_leaves_less_independence_than_noise() {
        let noise = |n: u32| (0..20).map(|i| f64::from(i * n % 7)).collect::<Vec<_>>();
        assert!(nr_independent(&[&noise(3), &noise(5)]) > 20.0);
        let drift: Vec<_> = (0..20).map(f64::from).collect();
        assert!(nr_independent(&[&drift, &drift]) < 2.0);
        let constant = nr_independent(&[&[1.0; 20], &[1.0; 20]]);
        assert!((constant - 40.0).abs() < 1e-9);
    }

    #[test]
    fn what_a_turn_did_to_both_sides_is_no_difference() {
        let run = |level: u64| (0..40).map(|n| level + n % 3).collect::<Vec<_>>();
        let turn = |number, a, b| Turn { number, a, b };
        let turns = [1_000, 4_000].map(|level| turn(0, run(level), run(level * 2)));
        let turns = Turns::new(&turns).unwrap();
        assert_eq!((turns.batches.len(), turns.turns.len()), (26, 2));
        let is_twice = |one: &f64| (one.exp() - 2.0).abs() < 0.01;
        assert!(turns.batches.iter().chain(&turns.turns).all(is_twice));
        assert!(Turns::new(&[turn(0, vec![1; 2], vec![1; 90])]).is_none());
    }
}
