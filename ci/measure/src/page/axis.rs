//! Axes: from a value to a coordinate, and where the ticks are.

use std::collections::BTreeSet;
use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::canvas::rounded;
use super::units::{real, tick};

/// One axis of a plot. A logarithmic one has decades as its coordinates, so that all
/// plots share one kind of chart.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// What it shows, with its unit.
    pub(super) title: String,
    /// The coordinates at its two ends.
    pub(super) ends: (f64, f64),
    /// The coordinates of the ticks and their texts.
    pub(super) ticks: Vec<(f64, String)>,
    log: bool,
}

/// How close two ticks of a logarithmic axis may be, as a part of its length.
const CLOSEST: f64 = 0.035;

impl Axis {
    /// Of times in ns that reach from `least` to `most`, logarithmic. It ends at
    /// round values.
    pub(super) fn log_time(title: &str, least: u64, most: u64) -> Self {
        let (least, most) = (real(least.max(1)), real(most.max(1)));
        let decades = (most / least).log10();
        let steps: &[f64] = if decades > 3.3 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        // A little air, so that no line runs along the frame.
        let from = round_down(least / 1.05, &[1.0, 2.0, 5.0]);
        let to = round_up(most * 1.05, &[1.0, 2.0, 5.0]);
        let ticks = (0..=12)
            .flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)))
            .filter(|value| (from..=to).contains(value))
            .map(|value| (value.log10(), tick(value, value)))
            .collect();
        Self {
            title: title.to_owned(),
            ends: (from.log10(), to.log10()),
            ticks,
            log: true,
        }
    }

    /// Of numbers of CPUs, logarithmic, with ticks at the numbers themselves, as far
    /// as there is room for their texts.
    pub(super) fn log_cpus(counts: &BTreeSet<u32>) -> Self {
        let at = |count: u32| f64::from(count.max(1)).log10();
        let first = counts.first().map_or(0.0, |&count| at(count));
        let last = counts.last().map_or(first, |&count| at(count));
        let air = ((last - first) * 0.02).max(0.01);
        let ends = (first - air, last + air);
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for &count in counts.iter().rev() {
            let near = |(other, _): &(f64, String)| other - at(count);
            if ticks
                .last()
                .is_none_or(|next| near(next) > CLOSEST * (ends.1 - ends.0))
            {
                ticks.push((at(count), count.to_string()));
            }
        }
        Self {
            title: "CPUs (log scale)".to_owned(),
            ends,
            ticks,
            log: true,
        }
    }

    /// Of percentiles, as the logarithm of one in how many values is larger: each
    /// decade is a nine. `one_in` is how far it reaches.
    pub(super) fn tail(one_in: f64) -> Self {
        let shown = [
            (1.0, "0 %"),
            (2.0, "50 %"),
            (4.0, "75 %"),
            (10.0, "90 %"),
            (100.0, "99 %"),
            (1e3, "99.9 %"),
            (1e4, "99.99 %"),
            (1e5, "99.999 %"),
            (1e6, "99.9999 %"),
        ];
        let one_in = one_in.max(2.0);
        Self {
            title: "percentile (log scale towards 100 %)".to_owned(),
            ends: (0.0, one_in.log10()),
            ticks: shown
                .into_iter()
                .filter(|(at, _)| *at <= one_in)
                .map(|(at, text)| (at.log10(), text.to_owned()))
                .collect(),
            log: true,
        }
    }

    /// Of times from 0 to `most` ns, linear.
    pub(super) fn linear_time(title: &str, most: u64) -> Self {
        let most = real(most.max(1)) * 1.02;
        let step = round_up(most / 8.0, &[1.0, 2.0, 5.0]).max(1.0);
        let ticks = std::iter::successors(Some(0.0), |at| Some(at + step))
            .take_while(|at| *at <= most)
            .map(|at| (at, tick(at, most / 4.0)))
            .collect();
        Self {
            title: title.to_owned(),
            ends: (0.0, most),
            ticks,
            log: false,
        }
    }

    /// Of rows with these names, the first at the top (or at the right, of columns).
    pub(super) fn rows(title: &str, names: &[String]) -> Self {
        let count = names.len().max(1);
        let ticks = names.iter().enumerate();
        Self {
            title: title.to_owned(),
            ends: (0.0, index(count)),
            ticks: ticks
                .map(|(row, name)| (index(count - row) - 0.5, name.clone()))
                .collect(),
            log: false,
        }
    }

    /// The same from its other end.
    pub(super) fn reversed(mut self) -> Self {
        let (from, to) = self.ends;
        for (at, _) in &mut self.ticks {
            *at = from + to - *at;
        }
        self
    }

    /// The coordinate of a value; what has none on a logarithmic axis is at its end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let at = if self.log { value.log10() } else { value };
        at.clamp(self.ends.0, self.ends.1)
    }

    /// The coordinate of a count or a time in ns.
    pub(super) fn at_whole(&self, value: u64) -> f64 {
        self.at(real(value))
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, coordinate: &f64, (first, last): (i32, i32)) -> i32 {
        let (from, to) = self.ends;
        let part = (coordinate - from) / (to - from);
        first + rounded(f64::from(last - first) * part)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // There are no lines but those of the ticks.
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.iter().map(|(at, _)| *at).collect()
    }

    fn range(&self) -> Range<f64> {
        self.ends.0..self.ends.1
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, coordinate: &f64) -> String {
        let is_it = |(at, _): &&(f64, String)| (at - coordinate).abs() < 1e-9;
        let found = self.ticks.iter().find(is_it);
        found.map(|(_, text)| text.clone()).unwrap_or_default()
    }
}

/// A row's number as a coordinate.
#[expect(clippy::cast_precision_loss, reason = "there are few rows")]
pub(super) const fn index(row: usize) -> f64 {
    row as f64
}

/// The largest of `steps` times a power of ten that is not above `value`.
fn round_down(value: f64, steps: &[f64]) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let fits = |step: &&f64| **step * decade <= value;
    steps.iter().rev().find(fits).map_or(decade, |s| s * decade)
}

/// The smallest of `steps` times a power of ten that is not below `value`.
fn round_up(value: f64, steps: &[f64]) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let fits = |step: &&f64| **step * decade >= value;
    steps
        .iter()
        .find(fits)
        .map_or(10.0 * decade, |s| s * decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn a_wide_axis_has_decades_and_a_narrow_one_steps_between_them() {
        let wide = Axis::log_time("stall", 100, 20_000_000);
        assert_eq!(
            texts(&wide),
            ["100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms"]
        );
        let narrow = Axis::log_time("stall", 700, 900);
        assert_eq!(texts(&narrow), ["500 ns", "1 µs"]);
        let same = Axis::log_time("stall", 0, 0);
        assert!(same.ends.0 < same.ends.1 && same.ticks.len() >= 2);
    }

    #[test]
    fn ticks_of_cpus_are_the_numbers_measured_without_those_that_would_overlap() {
        let counts = BTreeSet::from([2, 4, 8, 1000, 1024]);
        assert_eq!(texts(&Axis::log_cpus(&counts)), ["1024", "8", "4", "2"]);
    }

    #[test]
    fn a_linear_axis_begins_at_zero_and_every_value_lies_within_its_ends() {
        let axis = Axis::linear_time("time", 2_300_000);
        assert_eq!(texts(&axis).first(), Some(&"0"));
        assert!((4..=10).contains(&axis.ticks.len()));
        assert!(axis.at_whole(2_300_000) < axis.ends.1);
        assert!(axis.at(f64::MAX) <= axis.ends.1);
    }

    #[test]
    fn the_first_row_is_at_the_top_and_the_first_column_at_the_left() {
        let names = ["a".to_owned(), "b".to_owned()];
        let rows = Axis::rows("", &names);
        assert_eq!(rows.format_ext(&1.5), "a");
        assert_eq!(rows.reversed().format_ext(&0.5), "a");
    }
}
