//! Two samples against each other by the order of their values alone.
//!
//! All of it goes back to one count: over all pairs of a value of A and one of B,
//! in how many B's is the greater (a tie is half a pair). That is Mann and
//! Whitney's U of B; Cliff's delta is the same on a scale from -1 to 1; and the
//! interval of the shift is where the test would no longer say that the samples
//! differ.
//!
//! `statrs` has the test as well, but gives no more than its p-value, and the
//! exact one, which it takes by itself of few values, is that of the wrong side
//! where the first sample is not the larger one. What is here is held against
//! its approximation.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// What the pairs of two samples say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pairs {
    /// Pairs of which B's value is the greater; a tie counts as a half.
    u: f64,
    /// The variance of `u` if both were samples of the same, ties considered.
    variance: f64,
    /// How many there are.
    number: f64,
    /// How many values they are made of.
    nr_values: f64,
}

/// A number of values as one that is reckoned with.
#[expect(
    clippy::cast_precision_loss,
    reason = "nobody measures 2 to the 53rd values"
)]
pub(super) const fn number(nr: usize) -> f64 {
    nr as f64
}

impl Pairs {
    /// None where a sample is empty.
    pub(super) fn new(a: &[f64], b: &[f64]) -> Option<Self> {
        if a.is_empty() || b.is_empty() {
            return None;
        }
        let all = a.iter().map(|&value| (value, false));
        let mut all: Vec<_> = all.chain(b.iter().map(|&value| (value, true))).collect();
        all.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
        let (mut sum_of_ranks, mut ties) = (0.0, 0.0);
        let mut nr_before = 0;
        for equal in all.chunk_by(|x, y| x.0.total_cmp(&y.0).is_eq()) {
            let nr_equal = number(equal.len());
            // Ranks count from 1, and equal values share theirs.
            let rank = number(nr_before) + f64::midpoint(nr_equal, 1.0);
            let nr_of_b = equal.iter().filter(|(_, is_of_b)| *is_of_b).count();
            sum_of_ranks += rank * number(nr_of_b);
            ties += nr_equal * (nr_equal * nr_equal - 1.0);
            nr_before += equal.len();
        }
        let (nr_a, nr_b) = (number(a.len()), number(b.len()));
        let nr = nr_a + nr_b;
        let nr_pairs = nr_a * nr_b;
        Some(Self {
            u: sum_of_ranks - nr_b * (nr_b + 1.0) / 2.0,
            variance: nr_pairs / 12.0 * (nr + 1.0 - ties / (nr * (nr - 1.0))),
            number: nr_pairs,
            nr_values: nr,
        })
    }

    /// Cliff's delta: how much likelier B's value is the greater one than the
    /// smaller one, from -1 (never) to 1 (always).
    pub(super) fn cliffs_delta(&self) -> f64 {
        2.0 * self.u / self.number - 1.0
    }

    /// The two-sided p-value of the hypothesis that both are samples of the same, if
    /// only `nr_independent` of the values count as independent: that of Mann and
    /// Whitney's test, or where that is greater, of Student's with so many ranks.
    ///
    /// The first knows how many ways there are to draw so few values, the second how
    /// little a deviation says that was itself taken from few.
    pub(super) fn p(&self, nr_independent: f64) -> f64 {
        self.p_of_ranks().max(self.p_of_student(nr_independent))
    }

    fn distance(&self) -> f64 {
        (self.u - self.number / 2.0).abs()
    }

    /// Mann and Whitney's, by the normal distribution and with half a pair less.
    fn p_of_ranks(&self) -> f64 {
        if self.variance <= 0.0 {
            return 1.0;
        }
        let z = (self.distance() - 0.5) / self.variance.sqrt();
        (2.0 * Normal::standard().sf(z)).min(1.0)
    }

    /// The p-value of Student's test of the ranks, which is a function of U.
    fn p_of_student(&self, nr_independent: f64) -> f64 {
        let Ok(student) = StudentsT::new(0.0, 1.0, nr_independent - 2.0) else {
            return 1.0;
        };
        if self.variance <= 0.0 {
            return 1.0;
        }
        let square = self.distance().powi(2) / self.variance;
        // Both samples apart, and each of equal values: nothing varies within.
        let within = (self.nr_values - 1.0 - square).max(f64::MIN_POSITIVE);
        let t = (square * (nr_independent - 2.0) / within).sqrt();
        2.0 * student.sf(t)
    }
}

/// Hodges' and Lehmann's shift from A to B, the median of all differences, with
/// the interval in which it lies with the given confidence, if only
/// `nr_independent` of the values count as independent. Without an interval where
/// they are too few to give one.
pub(super) fn shift(
    a: &[f64],
    b: &[f64],
    nr_independent: f64,
    confidence: f64,
) -> Option<(f64, Option<[f64; 2]>)> {
    let mut shifts: Vec<f64> = b
        .iter()
        .flat_map(|b| a.iter().map(move |a| b - a))
        .collect();
    shifts.sort_unstable_by(f64::total_cmp);
    let middle = median_of_sorted(&shifts)?;
    let nr = number(a.len() + b.len());
    let variance = number(shifts.len()) / 12.0 * (nr + 1.0) * nr / nr_independent;
    let interval = interval(&shifts, variance, nr_independent - 2.0, confidence);
    Some((middle, interval))
}

/// The interval around the middle of values in rising order of which so many lie below
/// it as a test's count does, which has this variance and so many degrees of freedom.
pub(super) fn interval(
    sorted: &[f64],
    variance: f64,
    nr_free: f64,
    confidence: f64,
) -> Option<[f64; 2]> {
    // As in the test: of few independent values not even the deviation is known.
    let student = StudentsT::new(0.0, 1.0, nr_free).ok()?;
    let times = student.inverse_cdf(f64::midpoint(1.0, confidence));
    let nr_beyond = number(sorted.len()) / 2.0 - times * variance.sqrt() - 0.5;
    (nr_beyond >= 0.0).then(|| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is positive and less than half of the values"
        )]
        let nr_beyond = nr_beyond as usize;
        [sorted[nr_beyond], sorted[sorted.len() - 1 - nr_beyond]]
    })
}

/// None of no values.
pub(super) fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    Some(if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[half - 1], upper)
    } else {
        upper
    })
}

#[cfg(test)]
mod tests {
    use statrs::stats_tests::Alternative;
    use statrs::stats_tests::mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu};

    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn the_test_is_the_one_of_the_books_with_and_without_ties() {
        // The example of SciPy's manual, and what SciPy says.
        let males = [19.0, 22.0, 16.0, 29.0, 24.0];
        let females = [20.0, 11.0, 17.0, 12.0];
        let pairs = Pairs::new(&females, &males).unwrap();
        assert!(close(pairs.u, 17.0), "{pairs:?}");
        assert!(
            close(pairs.p_of_ranks(), 0.111_346_886_533_140_41),
            "{pairs:?}"
        );
        let mut random = oorandom::Rand64::new(1);
        for nr_values in [3, 8, 30] {
            for nr_different in [4, 20, 1_000_000] {
                let mut draw = || -> Vec<f64> {
                    let values = 0..nr_values + random.rand_range(0..4);
                    values
                        .map(|_| {
                            f64::from(u32::try_from(random.rand_range(0..nr_different)).unwrap())
                        })
                        .collect()
                };
                let (a, b) = (draw(), draw());
                let method = MannWhitneyUMethod::AsymptoticInclContinuityCorrection;
                let (u, p) = mannwhitneyu(&b, &a, method, Alternative::TwoSided).unwrap();
                let pairs = Pairs::new(&a, &b).unwrap();
                assert!(close(pairs.u, u), "{a:?} {b:?}");
                assert!(close(pairs.p_of_ranks(), p), "{a:?} {b:?}: {p}");
            }
        }
    }

    #[test]
    fn the_delta_is_a_share_of_pairs() {
        let delta = |a: &[f64], b: &[f64]| Pairs::new(a, b).unwrap().cliffs_delta();
        assert!(close(delta(&[1.0, 2.0], &[3.0, 4.0]), 1.0));
        assert!(close(delta(&[3.0, 4.0], &[1.0, 2.0]), -1.0));
        assert!(close(delta(&[1.0, 2.0], &[1.0, 2.0]), 0.0));
        assert!(close(delta(&[1.0, 3.0], &[2.0, 4.0]), 0.5));
        assert_eq!(Pairs::new(&[], &[1.0]), None);
    }

    #[test]
    fn equal_values_are_no_difference_and_less_independence_is_less_certainty() {
        let same = Pairs::new(&[7.0; 9], &[7.0; 9]).unwrap();
        assert!(close(same.p(18.0), 1.0) && close(same.cliffs_delta(), 0.0));
        let low: Vec<f64> = (0..20).map(f64::from).collect();
        let high: Vec<f64> = (20..40).map(f64::from).collect();
        let apart = Pairs::new(&low, &high).unwrap();
        assert!(apart.p(40.0) < 1e-6);
        assert!(apart.p(4.0) > 0.05);
    }

    #[test]
    fn the_middle_has_the_interval_of_the_tables_and_covers_the_truth_as_often() {
        let low: Vec<f64> = (0..10).map(f64::from).collect();
        let high: Vec<f64> = (5..15).map(f64::from).collect();
        let (middle, interval) = shift(&low, &high, 20.0, 0.95).unwrap();
        assert!(close(middle, 5.0));
        let [least, most] = interval.unwrap();
        assert!(close(least + most, 10.0), "{interval:?}");
        // The tables' critical value for 10 and 10 is 23, the 24th of 100 shifts, and
        // Student's quantile takes two more.
        let mut all: Vec<_> = high
            .iter()
            .flat_map(|b| low.iter().map(move |a| b - a))
            .collect();
        all.sort_unstable_by(f64::total_cmp);
        assert!(close(least, all[21]), "{least}");
        assert_eq!(shift(&low[..2], &high[..2], 4.0, 0.95).unwrap().1, None);
        assert_eq!(shift(&[], &high, 10.0, 0.95), None);

        let mut random = oorandom::Rand64::new(2);
        let mut draw =
            |middle: f64| -> Vec<f64> { (0..12).map(|_| middle + random.rand_float()).collect() };
        let nr_covered = (0..1_000)
            .filter(|_| {
                let (a, b) = (draw(0.0), draw(0.3));
                let [least, most] = shift(&a, &b, 24.0, 0.95).unwrap().1.unwrap();
                (least..=most).contains(&0.3)
            })
            .count();
        assert!((940..=990).contains(&nr_covered), "{nr_covered}");
    }
}
