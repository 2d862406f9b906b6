//! What is said of one series.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::batches::{Batches, Turns, log_level, nr_independent};
use super::ground::Ground;
use super::matched::{Runs, Turn};
use super::rank::{Pairs, number, shift};
use super::signed;
use crate::metrics::{ClockKind, Dimensions};

/// How often, at most, a series' batches may come to stand so by chance.
const MOST_BY_CHANCE: f64 = 0.05;
/// Logarithms that are no further apart are equal: means of the same are rounded.
const ROUNDED: f64 = 1e-12;
/// How sure the interval is.
const CONFIDENCE: f64 = 0.95;

/// How a series was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By the levels alone: counts and virtual time, the same for the same build.
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
    /// The batches may have come to stand so by chance.
    Chance,
    /// What runs or passes differ by among themselves may do as much, among so many
    /// series.
    SetUps,
    /// A side has one pass, which says nothing of how passes differ.
    OnePass,
    /// They differ by less than the two time stamps of a span cost.
    Stamps,
    /// A cache line takes another time from one CPU to another: they have moved.
    Moved,
    /// The CPUs are emulated, and the runs did not take turns.
    Emulated,
    /// A side has one run, and nothing was measured beside it that no build changes.
    OneRun,
    /// What no build changes differs as much.
    Controls,
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
            Self::Chance => "the batches may have come to stand so by chance",
            Self::SetUps => "runs or passes differ among themselves too much for so many series",
            Self::OnePass => "one pass a side says nothing of how passes differ: measure several",
            Self::Stamps => "they differ by less than the two time stamps of a span cost",
            Self::Moved => "cache lines take another time between the CPUs: they have moved",
            Self::Emulated => "an emulator's times are the host's: compare runs that took turns",
            Self::OneRun => "one run a side says nothing of how runs differ: measure several",
            Self::Controls => "barriers, which no build changes, differ as much",
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
    /// By the ranks of batches: the p-value of this series alone.
    pub(super) p_of_ranks: Option<f64>,
    /// By the levels of what was set up anew, likewise.
    pub(super) p_of_set_ups: Option<f64>,
    /// Why a difference would not be believed even if it were.
    doubt: Option<Reason>,
}

/// What a difference has to be beyond.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    /// The logarithm of the ratio that is asked for.
    pub(super) threshold: f64,
    /// Whether it is significant among all series by what was set up anew.
    pub(super) is_significant: bool,
    /// The logarithm of the ratio that the controls differ by, without a bound if they do
    /// for certain; 0 where runs need none.
    pub(super) of_controls: Option<f64>,
}

/// What is said of one series, given all others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) reason: Option<Reason>,
    pub(super) beyond_threshold: bool,
}

/// Compares the runs of one series, measured on that ground.
pub(super) fn find(dimensions: &Dimensions, a: &Runs, b: &Runs, ground: &Ground) -> Finding {
    let [level_a, level_b] = [a, b].map(|side| log_level(&side.values()).unwrap_or(0.0));
    if dimensions.clock != ClockKind::Tsc {
        let shift = level_b - level_a;
        let shift = if shift.abs() < ROUNDED { 0.0 } else { shift };
        return Finding {
            method: Method::Exact,
            shift,
            interval: Some([shift; 2]),
            p_of_ranks: None,
            p_of_set_ups: None,
            doubt: None,
        };
    }
    let (found, doubt) = if ground.take_turns {
        let mut turns = a.turns(b);
        let nr_all = turns.len();
        turns.retain(|turn| !ground.has_moved(dimensions, turn.number));
        let have_moved = turns.len() < nr_all.min(2);
        (by_turns(&turns), have_moved.then_some(Reason::Moved))
    } else {
        let doubt = if ground.has_moved(dimensions, 0) {
            Some(Reason::Moved)
        } else {
            ground.is_emulated(dimensions).then_some(Reason::Emulated)
        };
        (by_ranks(a, b), doubt)
    };
    let mut finding = found.unwrap_or(Finding {
        method: Method::None,
        shift: level_b - level_a,
        interval: None,
        p_of_ranks: None,
        p_of_set_ups: None,
        doubt: None,
    });
    // One turn says nothing of how turns differ, however many passes it has.
    let is_one_turn = ground.take_turns && finding.p_of_set_ups.is_none();
    let doubt = doubt.or(is_one_turn.then_some(Reason::OneRun));
    let of_level = || ground.doubt(dimensions, level_a.exp() * finding.shift.exp_m1());
    finding.doubt = doubt.or_else(of_level);
    finding
}

fn by_ranks(a: &Runs, b: &Runs) -> Option<Finding> {
    let (a, b) = (Batches::new(a)?, Batches::new(b)?);
    let nr = nr_independent(&[&a.levels, &b.levels]);
    let (shift, interval) = shift(&a.levels, &b.levels, nr, CONFIDENCE)?;
    Some(Finding {
        method: Method::Ranks,
        shift,
        interval,
        p_of_ranks: Some(Pairs::new(&a.levels, &b.levels)?.p(nr)),
        p_of_set_ups: p_of_set_ups(&[&a.set_up_anew, &b.set_up_anew]),
        doubt: None,
    })
}

/// The same for runs that took turns. What a turn's time did to both sides is none of
/// the difference, and what is left of it does not depend on other turns.
fn by_turns(turns: &[Turn]) -> Option<Finding> {
    let Turns { batches, turns } = Turns::new(turns)?;
    let nr = nr_independent(&[&batches]).max(number(turns.len()));
    let (shift, interval) = signed::middle(&batches, nr, CONFIDENCE)?;
    Some(Finding {
        method: Method::Ranks,
        shift,
        interval,
        p_of_ranks: Some(signed::p(&batches, nr)),
        p_of_set_ups: p_of_set_ups(&[&turns]),
        doubt: None,
    })
}

/// The p-value of Student's test of the levels of what was set up anew: whether two
/// sides differ by more than either does among itself, or whether the differences of
/// turns differ from 0. None where a side was set up once.
fn p_of_set_ups(sides: &[&[f64]]) -> Option<f64> {
    if sides.iter().any(|side| side.len() < 2) {
        return None;
    }
    let mean = |side: &[f64]| side.iter().sum::<f64>() / number(side.len());
    let squares = |side: &[f64]| {
        let mean = mean(side);
        side.iter().map(|one| (one - mean).powi(2)).sum::<f64>()
    };
    let nr_free = number(sides.iter().map(|side| side.len() - 1).sum());
    let student = StudentsT::new(0.0, 1.0, nr_free).ok()?;
    let variance = sides.iter().map(|side| squares(side)).sum::<f64>() / nr_free;
    let shares = sides.iter().map(|side| 1.0 / number(side.len()));
    let error = (variance * shares.sum::<f64>()).sqrt();
    let difference = sides.iter().fold(0.0, |before, side| mean(side) - before);
    // What is equal differs by none of no error.
    Some(if difference == 0.0 {
        1.0
    } else {
        2.0 * student.sf(difference.abs() / error.max(f64::MIN_POSITIVE))
    })
}

impl Finding {
    /// Whether the whole interval lies beyond the logarithm of a ratio.
    fn is_beyond(&self, threshold: f64) -> bool {
        let beyond = |[low, high]: [f64; 2]| low > threshold || high < -threshold;
        self.interval.is_some_and(beyond)
    }

    /// Whether, by itself, it is different beyond the threshold.
    pub(super) fn is_certain(&self, threshold: f64) -> bool {
        let by_chance = self.p_of_set_ups.is_none_or(|p| p >= MOST_BY_CHANCE);
        self.is_beyond(threshold) && self.doubt.is_none() && !by_chance
    }

    /// What is said of it.
    pub(super) fn judged(&self, bounds: &Bounds) -> Judged {
        let (verdict, reason) = self.verdict(bounds);
        let differs = matches!(verdict, Verdict::Faster | Verdict::Slower);
        Judged {
            verdict,
            reason,
            beyond_threshold: differs && self.shift.abs() > bounds.threshold,
        }
    }

    fn verdict(&self, bounds: &Bounds) -> (Verdict, Option<Reason>) {
        let inconclusive = |reason| (Verdict::Inconclusive, Some(reason));
        let [low, high] = match (self.method, self.interval) {
            (Method::None, _) => return inconclusive(self.doubt.unwrap_or(Reason::TooFew)),
            (Method::Ranks, None) => return inconclusive(Reason::Wide),
            (Method::Ranks, Some(interval)) => interval,
            (Method::Exact, _) if self.shift > 0.0 => return (Verdict::Slower, None),
            (Method::Exact, _) if self.shift < 0.0 => return (Verdict::Faster, None),
            (Method::Exact, _) => return (Verdict::Same, None),
        };
        // On two machines nothing is the same.
        if let Some(reason @ (Reason::Moved | Reason::Emulated)) = self.doubt {
            return inconclusive(reason);
        }
        if bounds.of_controls == Some(f64::INFINITY) {
            return inconclusive(Reason::Controls);
        }
        let threshold = bounds.threshold;
        if -threshold <= low && high <= threshold {
            return (Verdict::Same, None);
        }
        if !self.is_beyond(threshold) {
            return inconclusive(Reason::Wide);
        }
        let (verdict, least) = if low > 0.0 {
            (Verdict::Slower, low)
        } else {
            (Verdict::Faster, -high)
        };
        match (self.doubt, bounds.of_controls) {
            (Some(reason), _) => inconclusive(reason),
            _ if self.p_of_set_ups.is_none() => inconclusive(Reason::OnePass),
            (_, None) => inconclusive(Reason::OneRun),
            _ if !bounds.is_significant => inconclusive(Reason::SetUps),
            _ if self.p_of_ranks.is_none_or(|p| p >= MOST_BY_CHANCE) => {
                inconclusive(Reason::Chance)
            }
            (_, Some(of_controls)) if least <= threshold + of_controls => {
                inconclusive(Reason::Controls)
            }
            _ => (verdict, None),
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
        let p = |a: &[f64], b: &[f64]| p_of_set_ups(&[a, b]).unwrap();
        let wide = p(&[0.0, 0.2, 0.1], &[0.3, 0.2, 0.4]);
        assert!((wide - 0.070_484).abs() < 1e-6, "{wide}");
        assert!(p(&[0.0, 0.01, 0.02], &[0.3, 0.31, 0.32]) < 1e-5);
        assert!((p(&[0.0; 3], &[0.0; 3]) - 1.0).abs() < 1e-12);
        assert!(p(&[0.0; 3], &[0.1; 3]) < 1e-12);
        assert_eq!(p_of_set_ups(&[&[0.0], &[0.1, 0.2]]), None);
        // As its ttest_1samp has it.
        let turns = p_of_set_ups(&[&[0.1, 0.2, 0.3, 0.1]]).unwrap();
        assert!((turns - 0.035_353).abs() < 1e-6, "{turns}");
    }
}
