//! How often the comparison is wrong, on series that are made by chance, the same
//! ones each time: two runs of the same are never called different, and a shift of
//! 30 % is found.

use measure::compare::{Compared, Rules, Verdict, compare};
use measure::metrics::{ClockKind, Dimensions, Metric, Metrics, Series, Stage};
use oorandom::Rand64;
use serde_json::Value;

/// Comparisons of two series each: 20 tries, 20 times over.
const NR_COMPARISONS: u32 = 20 * 20;
/// What no build changes, beside it.
const BARRIER: &str = "std-barrier";
/// In ns.
const LEVEL: f64 = 10_000.0;
/// Passes of each run.
const NR_PASSES: usize = 10;

/// What a series looks like.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Independent values, 10 % around their middle.
    Noise,
    /// Values that forget the last one at this rate, 10 % around their middle.
    Drift(f64),
    /// A few values far greater than all others, without a mean.
    HeavyTail,
    /// One in 20 is 50 times as large.
    Spikes,
    /// Either 1 or 2, by chance.
    Bimodal,
    /// Either 1 or 2, for 200 values on average.
    Moody,
    /// For a fifth of the time, 100 values on average, all takes twice as long.
    Busy,
    /// Noise in steps of a tenth.
    Steps,
    /// Mostly the same value.
    Ties,
    /// Always the same value.
    Constant,
    /// Upwards from the first to the last by a fifth.
    Ramp,
}

/// What changes within a run of 400 values.
const QUICK: [Shape; 10] = [
    Shape::Noise,
    Shape::Drift(0.9),
    Shape::Drift(0.99),
    Shape::HeavyTail,
    Shape::Spikes,
    Shape::Bimodal,
    Shape::Steps,
    Shape::Ties,
    Shape::Constant,
    Shape::Ramp,
];

/// What may stay as it is for all of such a run, with runs a side and their values.
/// No method tells one such run a side from a difference: longer runs show what
/// varies, or several do.
const SLOW: [(Shape, u32, u32); 4] = [
    (Shape::Drift(0.999), 3, 400),
    (Shape::Moody, 1, 4_000),
    (Shape::Busy, 1, 4_000),
    (Shape::Busy, 3, 400),
];

/// Where a run has to be called different that takes 30 % longer.
const CLEAR: [Shape; 6] = [
    Shape::Noise,
    Shape::HeavyTail,
    Shape::Spikes,
    Shape::Steps,
    Shape::Ties,
    Shape::Constant,
];

/// A value by chance around 0 with a deviation of 1.
fn normal(random: &mut Rand64) -> f64 {
    (0..12).map(|_| random.rand_float()).sum::<f64>() - 6.0
}

/// A run at this level, in ns.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the values are positive and small"
)]
fn run(shape: Shape, nr_values: u32, level: f64, random: &mut Rand64) -> Vec<u64> {
    let mut state = match shape {
        Shape::Moody => f64::from(u8::from(random.rand_float() < 0.5)),
        Shape::Busy => f64::from(u8::from(random.rand_float() < 0.2)),
        _ => normal(random),
    };
    let mut value = |index: u32| -> f64 {
        let noise = normal(random);
        let chance = random.rand_float();
        match shape {
            Shape::Noise => (0.1 * noise).exp(),
            Shape::Drift(memory) => {
                state = memory * state + (1.0 - memory * memory).sqrt() * noise;
                (0.1 * state).exp()
            }
            Shape::HeavyTail => 1.0 + 0.1 * (1.0 - chance).powf(-1.0),
            Shape::Spikes if chance < 0.05 => 50.0,
            Shape::Spikes => (0.05 * noise).exp(),
            Shape::Bimodal if chance < 0.5 => 2.0,
            Shape::Moody => {
                state = if chance < 1.0 / 200.0 {
                    1.0 - state
                } else {
                    state
                };
                (1.0 + state) * (0.02 * noise).exp()
            }
            Shape::Busy => {
                let leaves = if state > 0.5 {
                    1.0 / 100.0
                } else {
                    1.0 / 400.0
                };
                state = if chance < leaves { 1.0 - state } else { state };
                (1.0 + state) * (0.05 * noise).exp()
            }
            Shape::Steps => (10.0 * (0.1 * noise).exp()).round() / 10.0,
            Shape::Ties if chance < 0.3 => 1.1,
            Shape::Bimodal | Shape::Ties | Shape::Constant => 1.0,
            Shape::Ramp => 1.0 + 0.2 * f64::from(index) / f64::from(nr_values) + 0.02 * noise,
        }
    };
    (0..nr_values)
        .map(|index| (level * value(index)) as u64)
        .collect()
}

/// A run of two series, and of a barrier that is never slower.
fn measurement(shape: Shape, nr_values: u32, level: f64, random: &mut Rand64) -> Metrics {
    let dimensions = Dimensions::new(Stage::Native, ClockKind::Tsc, 4, 1, 1);
    let barrier = Dimensions {
        protocol: Some(BARRIER.to_owned()),
        ..dimensions.clone()
    };
    let series = [
        (Metric::Gate, &dimensions, level),
        (Metric::Stall, &dimensions, level),
        (Metric::Gate, &barrier, LEVEL),
    ];
    let series = series.map(|(metric, dimensions, level)| {
        let values = run(shape, nr_values, level, random);
        let passes = values.chunks(values.len().div_ceil(NR_PASSES));
        let passes = passes.map(<[u64]>::to_vec).collect::<Vec<_>>();
        Series::of_passes(metric, dimensions.clone(), &passes)
    });
    Metrics::new(Value::Null, series.to_vec())
}

/// The verdicts of many comparisons.
fn verdicts(
    nr_comparisons: u32,
    sides: impl FnMut(&mut Rand64) -> [Vec<Metrics>; 2],
) -> Vec<Verdict> {
    verdicts_by(&Rules::default(), nr_comparisons, sides)
}

fn verdicts_by(
    rules: &Rules,
    nr_comparisons: u32,
    mut sides: impl FnMut(&mut Rand64) -> [Vec<Metrics>; 2],
) -> Vec<Verdict> {
    let mut random = Rand64::new(7);
    let compared = (0..nr_comparisons).flat_map(|_| {
        let [a, b] = sides(&mut random);
        let compared = compare(&a, &b, rules).expect("they are alike");
        compared.series
    });
    let is_barrier = |series: &Compared| series.key.dimensions.protocol.is_some();
    let (barriers, others): (Vec<_>, Vec<_>) = compared.partition(is_barrier);
    assert!(barriers.iter().all(|one| !DIFFERENT.contains(&one.verdict)));
    others.iter().map(|series| series.verdict).collect()
}

fn count(verdicts: &[Verdict], of: &[Verdict]) -> usize {
    verdicts.iter().filter(|found| of.contains(found)).count()
}

const DIFFERENT: [Verdict; 2] = [Verdict::Faster, Verdict::Slower];

#[test]
fn two_runs_of_the_same_are_never_called_different() {
    let quick = QUICK.map(|shape| (shape, 1, 400));
    for (shape, nr_runs, nr_values) in quick.into_iter().chain(SLOW) {
        let verdicts = verdicts(NR_COMPARISONS, |random| {
            [(); 2].map(|()| {
                let runs = 0..nr_runs;
                runs.map(|_| measurement(shape, nr_values, LEVEL, random))
                    .collect()
            })
        });
        let nr_false = count(&verdicts, &DIFFERENT);
        let case = format!("{shape:?}, {nr_runs} of {nr_values}: {nr_false}");
        assert_eq!(nr_false, 0, "{case}");
    }
}

#[test]
fn three_runs_a_side_are_not_called_different_for_levels_of_their_own() {
    for deviation in [0.02, 0.05, 0.1] {
        let verdicts = verdicts(NR_COMPARISONS, |random| {
            [(); 2].map(|()| {
                let mut runs = Vec::new();
                for _ in 0..3 {
                    let level = LEVEL * (deviation * normal(random)).exp();
                    runs.push(measurement(Shape::Noise, 400, level, random));
                }
                runs
            })
        });
        assert_eq!(count(&verdicts, &DIFFERENT), 0, "{deviation}");
    }
}

#[test]
fn a_shift_of_30_percent_is_found_and_its_direction_never_wrong() {
    for shape in CLEAR {
        for (nr_runs, level, verdict) in [
            (1, 13_000.0, Verdict::Slower),
            (1, LEVEL / 1.3, Verdict::Faster),
            (3, 13_000.0, Verdict::Slower),
        ] {
            let verdicts = verdicts(50, |random| {
                [LEVEL, level].map(|level| {
                    let runs = 0..nr_runs;
                    runs.map(|_| measurement(shape, 400, level, random))
                        .collect()
                })
            });
            let nr_found = count(&verdicts, &[verdict]);
            assert!(nr_found >= 95, "{shape:?}: {nr_found} of 100");
            assert_eq!(count(&verdicts, &DIFFERENT), nr_found, "{shape:?}");
        }
    }
}

/// Turns whose levels are far apart, B's `ratio` times A's in each.
fn turns(nr_turns: u32, ratio: f64, random: &mut Rand64) -> [Vec<Metrics>; 2] {
    let mut sides = [Vec::new(), Vec::new()];
    for _ in 0..nr_turns {
        let level = LEVEL * (0.5 * normal(random)).exp();
        for (side, ratio) in sides.iter_mut().zip([1.0, ratio]) {
            side.push(measurement(Shape::Drift(0.9), 400, level * ratio, random));
        }
    }
    sides
}

#[test]
fn what_both_sides_of_a_turn_share_is_no_difference_and_hides_none() {
    let rules = Rules {
        take_turns: true,
        ..Rules::default()
    };
    let of = |nr_comparisons, ratio| {
        verdicts_by(&rules, nr_comparisons, |random| turns(10, ratio, random))
    };
    assert_eq!(count(&of(NR_COMPARISONS, 1.0), &DIFFERENT), 0);
    assert!(count(&of(50, 1.3), &[Verdict::Slower]) >= 95);
    assert!(count(&of(50, 1.0 / 1.3), &[Verdict::Faster]) >= 95);
    // Without the turns nothing could be said.
    let apart = verdicts(50, |random| turns(10, 1.3, random));
    assert_eq!(count(&apart, &DIFFERENT), 0);
}

#[test]
fn runs_of_the_same_that_are_long_enough_are_called_the_same() {
    let verdicts = verdicts(50, |random| {
        [(); 2].map(|()| vec![measurement(Shape::Noise, 400, LEVEL, random)])
    });
    assert!(count(&verdicts, &[Verdict::Same]) >= 95);
}
