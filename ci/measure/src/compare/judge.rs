//! What is said of one series.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::batches::{Batches, log, log_level, nr_independent};
use super::ground::Ground;
use super::matched::Runs;
use super::rank::{Pairs, number, shift};
use crate::metrics::{ClockKind, Dimensions};

/// How sure the interval is.
pub const CONFIDENCE: f64 = 0.95;

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
    /// The runs or passes of one side differ among themselves as much.
    SetUps,
    /// A side has one pass, which says nothing of how passes differ.
    OnePass,
    /// They differ by less than the two time stamps of a span cost.
    Stamps,
    /// A cache line takes another time from one CPU to another: they have moved.
    Moved,
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
            Self::SetUps => "runs or passes of one side differ among themselves as much",
            Self::OnePass => "one pass a side says nothing of how passes differ: measure several",
            Self::Stamps => "they differ by less than the two time stamps of a span cost",
            Self::Moved => "cache lines take another time between the CPUs: they have moved",
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
    /// Why a difference that is not significant is not.
    chance: Reason,
    /// Why a difference would not be believed even if it were.
    doubt: Option<Reason>,
}

/// Compares the runs of one series, measured on that ground.
pub(super) fn find(dimensions: &Dimensions, a: &Runs, b: &Runs, ground: &Ground) -> Finding {
    let is_counted = matches!(dimensions.clock, ClockKind::Icount | ClockKind::Virtual);
    if is_counted && let Some(shift) = exact(a, b) {
        return Finding {
            method: Method::Exact,
            shift,
            interval: Some([shift; 2]),
            p: None,
            chance: Reason::Chance,
            doubt: None,
        };
    }
    let [level_a, level_b] = [a, b].map(|side| log_level(&side.values()).unwrap_or(0.0));
    let mut finding = by_ranks(a, b).unwrap_or(Finding {
        method: Method::None,
        shift: level_b - level_a,
        interval: None,
        p: None,
        chance: Reason::TooFew,
        doubt: None,
    });
    finding.doubt = ground.doubt(dimensions, level_b.exp() - level_a.exp());
    finding
}

/// The shift between values that do not vary, or are the same one by one.
fn exact(a: &Runs, b: &Runs) -> Option<f64> {
    if a == b {
        return Some(0.0);
    }
    let constant = |runs: &Runs| {
        let mut values = runs.values().into_iter();
        let first = values.next()?;
        values.all(|value| value == first).then_some(first)
    };
    Some(log(constant(b)?) - log(constant(a)?))
}

fn by_ranks(a: &Runs, b: &Runs) -> Option<Finding> {
    let (a, b) = (Batches::new(a)?, Batches::new(b)?);
    let nr = nr_independent(&a, &b);
    let p_of_batches = Pairs::new(&a.levels, &b.levels)?.p(nr);
    let p_of_set_ups = p_of_set_ups(&a.set_up_anew, &b.set_up_anew);
    let (shift, interval) = shift(&a.levels, &b.levels, nr, CONFIDENCE)?;
    Some(Finding {
        method: Method::Ranks,
        shift,
        interval,
        p: Some(p_of_batches.max(p_of_set_ups.unwrap_or(1.0))),
        chance: match p_of_set_ups {
            None => Reason::OnePass,
            Some(p) if p > p_of_batches => Reason::SetUps,
            Some(_) => Reason::Chance,
        },
        doubt: None,
    })
}

/// The p-value of Student's test of the levels of what was set up anew: whether the
/// sides differ by more than either does among itself. None where one was set up once.
fn p_of_set_ups(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len().min(b.len()) < 2 {
        return None;
    }
    let nr_free = number(a.len() + b.len()) - 2.0;
    let mean = |side: &[f64]| side.iter().sum::<f64>() / number(side.len());
    let squares = |side: &[f64]| {
        let mean = mean(side);
        side.iter().map(|one| (one - mean).powi(2)).sum::<f64>()
    };
    let student = StudentsT::new(0.0, 1.0, nr_free).ok()?;
    let variance = (squares(a) + squares(b)) / nr_free;
    let error = (variance * (1.0 / number(a.len()) + 1.0 / number(b.len()))).sqrt();
    let difference = (mean(b) - mean(a)).abs();
    // Sides that are equal differ by none of no error.
    Some(if difference > 0.0 {
        2.0 * student.sf(difference / error.max(f64::MIN_POSITIVE))
    } else {
        1.0
    })
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
        match self.doubt {
            Some(reason) => inconclusive(reason),
            None if !is_significant => inconclusive(self.chance),
            None => (verdict, None),
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
    fn what_differs_among_itself_as_much_is_likely_chance() {
        // As SciPy's ttest_ind has it.
        let p = |a: &[f64], b: &[f64]| p_of_set_ups(a, b).unwrap();
        let wide = p(&[0.0, 0.2, 0.1], &[0.3, 0.2, 0.4]);
        assert!((wide - 0.070_484).abs() < 1e-6, "{wide}");
        assert!(p(&[0.0, 0.01, 0.02], &[0.3, 0.31, 0.32]) < 1e-5);
        assert!((p(&[0.0; 3], &[0.0; 3]) - 1.0).abs() < 1e-12);
        assert!(p(&[0.0; 3], &[0.1; 3]) < 1e-12);
        assert_eq!(p_of_set_ups(&[0.0], &[0.1, 0.2]), None);
    }
}
