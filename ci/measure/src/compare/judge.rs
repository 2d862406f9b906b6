//! What is said of one series.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::batches::{Batches, log, log_median, nr_independent};
use super::matched::Runs;
use super::rank::{Pairs, number, shift};
use crate::metrics::{ClockKind, Dimensions};

/// How sure the interval is.
pub const CONFIDENCE: f64 = 0.95;
/// How sure it must be that A's runs differ from B's by more than runs of one side
/// differ among themselves.
const CONFIDENCE_OF_RUNS: f64 = 0.999;

/// How a series was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Value by value: counts and virtual time that do not vary.
    Exact,
    /// By the ranks of batches.
    Ranks,
    /// Not at all: too few values.
    None,
}

/// What is said of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval lies within the threshold, or all values are equal.
    Same,
    /// B is faster.
    Faster,
    /// B is slower.
    Slower,
    /// Neither can be said.
    Inconclusive,
}

/// Why nothing can be said of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// There are too few values.
    TooFew,
    /// The interval reaches across the threshold.
    Wide,
    /// Among so many series one like this may be chance.
    Chance,
    /// The runs of one side differ among themselves as much.
    Runs,
}

impl Verdict {
    /// The name in files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl Reason {
    /// In words, after "inconclusive:".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::TooFew => "too few values",
            Self::Wide => "the interval reaches across the threshold",
            Self::Chance => "among so many series one like this may be chance",
            Self::Runs => "the runs of one side differ among themselves as much",
        }
    }
}

/// What was found of one series, before the others are considered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) method: Method,
    /// The logarithm of B's level to A's.
    pub(super) shift: f64,
    /// In which it lies, likewise.
    pub(super) interval: Option<[f64; 2]>,
    /// The p-value of this series alone.
    pub(super) p: Option<f64>,
    /// Whether the runs differ between the sides more than within.
    are_runs_apart: bool,
}

/// Compares the runs of one series.
pub(super) fn find(dimensions: &Dimensions, a: &Runs, b: &Runs) -> Finding {
    let is_counted = matches!(dimensions.clock, ClockKind::Icount | ClockKind::Virtual);
    if is_counted && let Some(shift) = exact(a, b) {
        return Finding {
            method: Method::Exact,
            shift,
            interval: Some([shift; 2]),
            p: None,
            are_runs_apart: true,
        };
    }
    by_ranks(a, b).unwrap_or_else(|| Finding {
        method: Method::None,
        shift: log_median(&b.concat()).unwrap_or(0.0) - log_median(&a.concat()).unwrap_or(0.0),
        interval: None,
        p: None,
        are_runs_apart: false,
    })
}

/// The shift between values that do not vary, or are the same one by one.
fn exact(a: &Runs, b: &Runs) -> Option<f64> {
    if a == b {
        return Some(0.0);
    }
    let constant = |runs: &Runs| {
        let mut values = runs.iter().flatten();
        let first = values.next()?;
        values.all(|value| value == first).then_some(*first)
    };
    Some(log(constant(b)?) - log(constant(a)?))
}

fn by_ranks(a: &Runs, b: &Runs) -> Option<Finding> {
    let (a, b) = (Batches::new(a)?, Batches::new(b)?);
    let nr = nr_independent(&a, &b);
    let pairs = Pairs::new(&a.medians, &b.medians)?;
    let (shift, interval) = shift(&a.medians, &b.medians, nr, CONFIDENCE)?;
    Some(Finding {
        method: Method::Ranks,
        shift,
        interval,
        p: Some(pairs.p(nr)),
        are_runs_apart: are_runs_apart(&a.runs, &b.runs),
    })
}

/// Whether the runs' medians differ between the sides more than within, by
/// Student's test. One run a side says nothing about it, and is taken as it is.
fn are_runs_apart(a: &[f64], b: &[f64]) -> bool {
    let nr_free = number(a.len() + b.len()) - 2.0;
    let mean = |runs: &[f64]| runs.iter().sum::<f64>() / number(runs.len());
    let squares = |runs: &[f64]| {
        let mean = mean(runs);
        runs.iter().map(|run| (run - mean).powi(2)).sum::<f64>()
    };
    let Ok(student) = StudentsT::new(0.0, 1.0, nr_free) else {
        return true;
    };
    let variance = (squares(a) + squares(b)) / nr_free;
    let error = (variance * (1.0 / number(a.len()) + 1.0 / number(b.len()))).sqrt();
    let most = student.inverse_cdf(f64::midpoint(1.0, CONFIDENCE_OF_RUNS)) * error;
    (mean(b) - mean(a)).abs() > most
}

impl Finding {
    /// The verdict, given the threshold as the logarithm of a ratio, and whether
    /// the difference is significant among all series.
    pub(super) fn verdict(
        &self,
        threshold: f64,
        is_significant: bool,
    ) -> (Verdict, Option<Reason>) {
        let inconclusive = |reason| (Verdict::Inconclusive, Some(reason));
        let [low, high] = match (self.method, self.interval) {
            (Method::None, _) => return inconclusive(Reason::TooFew),
            (Method::Ranks, None) => return inconclusive(Reason::Wide),
            (Method::Ranks, Some(interval)) => interval,
            (Method::Exact, _) if self.shift > 0.0 => return (Verdict::Slower, None),
            (Method::Exact, _) if self.shift < 0.0 => return (Verdict::Faster, None),
            (Method::Exact, _) => return (Verdict::Same, None),
        };
        let verdict = if low > threshold {
            Verdict::Slower
        } else if high < -threshold {
            Verdict::Faster
        } else if -threshold <= low && high <= threshold {
            return (Verdict::Same, None);
        } else {
            return inconclusive(Reason::Wide);
        };
        if !is_significant {
            inconclusive(Reason::Chance)
        } else if !self.are_runs_apart {
            inconclusive(Reason::Runs)
        } else {
            (verdict, None)
        }
    }
}

/// Holm's correction: the p-values as they are among each other, so that one below
/// a bound is as unlikely to be there by chance as that of a single series.
pub(super) fn holm(ps: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> = ps
        .iter()
        .enumerate()
        .filter_map(|(index, p)| Some((index, (*p)?)))
        .collect();
    order.sort_unstable_by(|x, y| x.1.total_cmp(&y.1));
    let mut corrected = vec![None; ps.len()];
    let mut least: f64 = 0.0;
    for (nr_before, (index, p)) in order.iter().enumerate() {
        least = least.max((p * number(order.len() - nr_before)).min(1.0));
        corrected[*index] = Some(least);
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_s_correction_is_that_of_the_books() {
        let corrected = holm(&[Some(0.01), None, Some(0.04), Some(0.03), Some(0.005)]);
        let expected = [Some(0.03), None, Some(0.06), Some(0.06), Some(0.02)];
        for (found, expected) in corrected.into_iter().zip(expected) {
            match (found, expected) {
                (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-12),
                (found, expected) => assert_eq!(found, expected),
            }
        }
        assert_eq!(holm(&[Some(0.9), Some(0.8)]), [Some(1.0), Some(1.0)]);
    }

    #[test]
    fn runs_that_differ_among_themselves_are_not_apart() {
        assert!(are_runs_apart(&[0.0], &[0.1]));
        assert!(are_runs_apart(&[0.0, 0.01, 0.02], &[0.3, 0.31, 0.32]));
        assert!(!are_runs_apart(&[0.0, 0.2, 0.1], &[0.3, 0.2, 0.4]));
        assert!(!are_runs_apart(&[0.0; 3], &[0.0; 3]));
    }
}
