//! Percentile curves: how rare the long ones are.

use crate::metrics::Metric;
use crate::summary::curve;

use super::axis::{Axis, index};
use super::canvas::{self, Failure, WIDTH};
use super::colour::Palette;
use super::legend::{self, Entry};
use super::row::Row;
use super::scene::{Scene, Setup};
use super::spans::{capital, entries, stroke, words};
use super::units::{cpus, grouped};
use super::{Plot, file_name};

/// Fewer values than these make no curve.
const FEWEST: usize = 10;

/// The curves of a metric at the number of CPUs that the most protocols have; none
/// where nothing has values enough.
pub(super) fn plot(
    scene: &Scene,
    setup: &Setup,
    metric: Metric,
    palette: &Palette,
) -> Result<Option<Plot>, Failure> {
    let Some(count) = setup.shared_count(metric) else {
        return Ok(None);
    };
    let has_enough = |row: &&Row| row.cpus == count && row.values(metric).len() >= FEWEST;
    let rows: Vec<_> = setup.with(metric).filter(has_enough).collect();
    let extremes = |row: &&Row| {
        let values = row.values(metric);
        Some((*values.first()?, *values.last()?))
    };
    let least = rows
        .iter()
        .filter_map(extremes)
        .map(|(least, _)| least)
        .min();
    let most = rows.iter().filter_map(extremes).map(|(_, most)| most).max();
    let (Some(least), Some(most)) = (least, most) else {
        return Ok(None);
    };
    let longest = rows.iter().map(|row| row.values(metric).len()).max();
    let entries = entries(rows.iter().copied(), palette);
    let mut curves: Vec<(&Row, Entry)> = rows.into_iter().zip(entries).collect();
    // From top to bottom as the curves end at the right.
    curves.sort_by_key(|(row, _)| std::cmp::Reverse(row.values(metric).last()));
    let entries: Vec<_> = curves.iter().map(|(_, entry)| entry.clone()).collect();
    let title = format!(
        "{} of {}, by percentile",
        capital(metric.name()),
        cpus(count)
    );
    let below = format!("{} · {}", scene.name, setup.detail);
    let svg = canvas::svg((WIDTH, 440), &title, &below, |canvas| {
        let x = Axis::tail(2.0 * index(longest.unwrap_or(1)));
        let y = Axis::log_time(&format!("{metric}, time (log scale)"), least, most);
        let frame = canvas.frame(x, y, legend::width(&entries))?;
        for (row, entry) in curves.iter().rev() {
            let corners = corners(row.values(metric)).into_iter();
            let place = |(one_in, ns)| frame.place(frame.x.at(one_in), frame.y.at_whole(ns));
            let places: Vec<_> = corners.map(place).collect();
            if let Some(end) = places.last() {
                canvas.mark(*end, entry.look, 8)?;
            }
            stroke(canvas, entry, places)?;
        }
        legend::draw(canvas, &entries)
    })?;
    let file = format!("{}-percentiles", metric.name());
    Ok(Some(Plot {
        file: file_name(&[&file, &scene.slug, &setup.slug]),
        caption: format!(
            "{} of {}, per protocol, {}; up to {} loads each. At 99 % stands the value that 99 of \
             100 loads do not exceed; each further nine is ten times as rare, and a curve ends at \
             its largest value. Flat is predictable, lower is better.",
            capital(words(metric)),
            cpus(count),
            scene.name,
            grouped(u64::try_from(longest.unwrap_or(0)).unwrap_or(u64::MAX)),
        ),
        title,
        svg,
    }))
}

/// A curve through values as steps: in one of how many loads a larger value is met,
/// and the value. It ends beyond the largest.
fn corners(values: &[u64]) -> Vec<(f64, u64)> {
    let end = 2.0 * index(values.len());
    let mut corners = Vec::new();
    let mut reached = 1.0;
    for point in curve(values) {
        // Of 100 %, none is larger.
        let one_in = (100.0 / (100.0 - point.percentile).max(0.0)).min(end);
        corners.push((reached, point.value));
        corners.push((one_in, point.value));
        reached = one_in;
    }
    corners
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Summary;

    #[test]
    fn a_curve_goes_through_the_percentiles_and_ends_at_the_largest_value() {
        let values: Vec<u64> = (1..=100).map(|value| value * value).collect();
        let corners = corners(&values);
        let read = |one_in: f64| corners.iter().find(|(at, _)| *at >= one_in).unwrap().1;
        let summary = Summary::new(&values).unwrap();
        assert_eq!((read(2.0), read(8.0)), (summary.p50, 88 * 88));
        assert_eq!(corners.last(), Some(&(200.0, 10_000)));
        let rises = |pair: &[(f64, u64)]| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1;
        assert!(corners.windows(2).all(rises), "{corners:?}");
    }

    #[test]
    fn a_curve_through_very_many_values_has_few_corners() {
        let values: Vec<u64> = (0..1_000_000).collect();
        let corners = corners(&values);
        assert!(corners.len() < 4000, "{}", corners.len());
        assert!(corners.iter().all(|(at, _)| at.is_finite()));
    }
}
