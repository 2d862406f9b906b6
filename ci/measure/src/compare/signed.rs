//! One sample against 0 by the signs and the order of its values: Wilcoxon's test of
//! signed ranks, and the middle that belongs to it, the median of the means of all
//! pairs, with its interval.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::rank::{median_of_sorted, number};

/// The two-sided p-value of the hypothesis that the values are spread evenly around 0,
/// if only `nr_independent` of them count as independent: that of Wilcoxon's test, or
/// where that is greater, of Student's with so many signed ranks.
pub(super) fn p(values: &[f64], nr_independent: f64) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|one| *one != 0.0).collect();
    sorted.sort_unstable_by(|x, y| x.abs().total_cmp(&y.abs()));
    let (mut sum, mut squares) = (0.0, 0.0);
    let mut nr_before = 0;
    for equal in sorted.chunk_by(|x, y| x.abs().total_cmp(&y.abs()).is_eq()) {
        // Ranks count from 1, and equal values share theirs.
        let rank = number(nr_before) + f64::midpoint(number(equal.len()), 1.0);
        sum += equal.iter().map(|one| rank.copysign(*one)).sum::<f64>();
        squares += number(equal.len()) * rank * rank;
        nr_before += equal.len();
    }
    if squares <= 0.0 {
        return 1.0;
    }
    // The sum of signed ranks moves in steps of two: half a step less.
    let z = (sum.abs() - 1.0).max(0.0) / squares.sqrt();
    let of_ranks = (2.0 * Normal::standard().sf(z)).min(1.0);
    let Ok(student) = StudentsT::new(0.0, 1.0, nr_independent - 1.0) else {
        return 1.0;
    };
    let share = sum * sum / squares / number(sorted.len());
    let t = (share * (nr_independent - 1.0) / (1.0 - share).max(f64::MIN_POSITIVE)).sqrt();
    of_ranks.max(2.0 * student.sf(t))
}

/// The middle of the values, with the interval in which it lies with the given
/// confidence, if only `nr_independent` of them count as independent. Without an
/// interval where they are too few to give one.
pub(super) fn middle(
    values: &[f64],
    nr_independent: f64,
    confidence: f64,
) -> Option<(f64, Option<[f64; 2]>)> {
    let with_later = values.iter().enumerate().flat_map(|(nr, one)| {
        let later = values[nr..].iter();
        later.map(move |other| f64::midpoint(*one, *other))
    });
    let mut means: Vec<f64> = with_later.collect();
    means.sort_unstable_by(f64::total_cmp);
    let middle = median_of_sorted(&means)?;
    let nr = number(values.len());
    let variance = nr * (nr + 1.0) * (2.0 * nr + 1.0) / 24.0;
    let interval = super::rank::interval(
        &means,
        variance * nr / nr_independent,
        nr_independent - 1.0,
        confidence,
    );
    Some((middle, interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_is_the_one_of_the_books() {
        // Wilcoxon's own example of 1945; SciPy's, by the normal distribution and with
        // half a step less.
        let heights = [
            6.0, 8.0, 14.0, 16.0, 23.0, 24.0, 28.0, 29.0, 41.0, -48.0, 49.0, 56.0, 60.0, -67.0,
            75.0,
        ];
        let many = 1e9;
        assert!(
            (p(&heights, many) - 0.043_772).abs() < 1e-6,
            "{}",
            p(&heights, many)
        );
        assert!(p(&heights, 5.0) > 0.1);
        assert!((p(&[0.0; 9], 9.0) - 1.0).abs() < 1e-12);
        assert!((p(&[], 0.0) - 1.0).abs() < 1e-12);
        assert!(p(&[0.5; 40], 40.0) < 1e-6);
    }

    #[test]
    fn the_interval_covers_the_middle_as_often_as_it_says() {
        let mut random = oorandom::Rand64::new(3);
        let mut is_covered = || {
            let values: Vec<f64> = (0..24).map(|_| 0.3 + random.rand_float()).collect();
            let (_, interval) = middle(&values, 24.0, 0.95).unwrap();
            let [least, most] = interval.unwrap();
            (least..=most).contains(&0.8)
        };
        let nr_covered = (0..1_000).filter(|_| is_covered()).count();
        assert!((940..=980).contains(&nr_covered), "{nr_covered}");
        assert_eq!(middle(&[1.0, 2.0], 2.0, 0.95), Some((1.5, None)));
        assert_eq!(middle(&[], 9.0, 0.95), None);
    }
}
