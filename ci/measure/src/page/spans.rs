//! A span per protocol: over the number of CPUs, or, where only one number was
//! measured, as a row each.

use std::collections::BTreeMap;

use crate::metrics::Metric;
use crate::summary::Summary;

use super::axis::{Axis, index};
use super::canvas::{self, Canvas, Failure, GAP, HEAD, Hand, PLAIN, Point, UNITS, WIDTH, rounded};
use super::colour::{Palette, SOFT};
use super::legend::{self, Entry};
use super::row::Row;
use super::scene::{Scene, Setup};
use super::units::{cpus, grouped, real, time};
use super::{Plot, file_name};

/// Height of a row, in pixels.
const ROW: i32 = 34;

/// The plot of a metric of all CPUs together; none where it has no values.
pub(super) fn plot(
    scene: &Scene,
    setup: &Setup,
    metric: Metric,
    palette: &Palette,
) -> Result<Option<Plot>, Failure> {
    let counts = setup.counts(metric);
    match counts.len() {
        0 => Ok(None),
        1 => rows(scene, setup, metric, palette).map(Some),
        _ => lines(scene, setup, metric, palette).map(Some),
    }
}

/// What a metric of all CPUs is, in words.
pub(super) fn words(metric: Metric) -> &'static str {
    match metric {
        Metric::Stall => "stall (first call-in to last CPU out)",
        Metric::Gate => "gate (last call-in to first CPU let go)",
        _ => metric.name(),
    }
}

fn spread(row: &Row, metric: Metric) -> Option<Summary> {
    Summary::new(row.values(metric))
}

fn bounds<'a>(spreads: impl Iterator<Item = &'a Summary> + Clone) -> (u64, u64) {
    let least = spreads.clone().map(|spread| spread.p10).min();
    let most = spreads.map(|spread| spread.p90).max();
    (least.unwrap_or(1), most.unwrap_or(1))
}

/// The lines of these rows, in the rows' order.
pub(super) fn entries<'a>(rows: impl Iterator<Item = &'a Row>, palette: &Palette) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for row in rows {
        if entries.iter().any(|entry| entry.label == row.label) {
            continue;
        }
        entries.push(Entry {
            label: row.label.clone(),
            look: palette.look(&row.protocol),
            variant: seen.iter().filter(|name| **name == row.protocol).count(),
        });
        seen.push(&row.protocol);
    }
    entries
}

fn lines(scene: &Scene, setup: &Setup, metric: Metric, palette: &Palette) -> Result<Plot, Failure> {
    let mut by_label: BTreeMap<&str, Vec<(u32, Summary)>> = BTreeMap::new();
    for row in setup.with(metric) {
        if let Some(spread) = spread(row, metric) {
            by_label
                .entry(&row.label)
                .or_default()
                .push((row.cpus, spread));
        }
    }
    let all = by_label.values().flatten().map(|(_, spread)| spread);
    let (least, most) = bounds(all);
    let mut entries = entries(setup.with(metric), palette);
    // From top to bottom as the lines end at the right.
    let end = |entry: &Entry| by_label[entry.label.as_str()].last().map(|(_, s)| s.p50);
    entries.sort_by_key(|entry| std::cmp::Reverse(end(entry)));

    let title = format!("{} over the number of CPUs", capital(metric.name()));
    let below = format!("{} · {}", scene.name, setup.detail);
    let svg = canvas::svg((WIDTH, 480), &title, &below, |canvas| {
        let x = Axis::log_cpus(&setup.counts(metric));
        let y = Axis::log_time(&format!("{metric}, time (log scale)"), least, most);
        let frame = canvas.frame(x, y, legend::width(&entries))?;
        let place = |cpus: u32, ns: u64| {
            let (x, y) = (frame.x.at(f64::from(cpus)), frame.y.at_whole(ns));
            frame.place(x, y)
        };
        for entry in &entries {
            let points = &by_label[entry.label.as_str()];
            let upper = points.iter().map(|(cpus, spread)| place(*cpus, spread.p90));
            let lower = points.iter().map(|(cpus, spread)| place(*cpus, spread.p10));
            canvas.haze(upper.chain(lower.rev()).collect(), entry.look.colour)?;
        }
        for entry in entries.iter().rev() {
            let points = &by_label[entry.label.as_str()];
            let medians: Vec<_> = points.iter().map(|(cpus, s)| place(*cpus, s.p50)).collect();
            stroke(canvas, entry, medians.clone())?;
            for at in medians {
                canvas.mark(at, entry.look, 8)?;
            }
        }
        legend::draw(canvas, &entries)
    })?;
    Ok(Plot {
        file: file_name(&[metric.name(), &scene.slug, &setup.slug]),
        caption: format!(
            "{}, per protocol, {}. Lines are medians; the haze around a line reaches from its \
             10th to its 90th percentile. Both scales are logarithmic: equal \
             steps are equal factors, and the slope shows how the time grows with the CPUs. \
             Lower is better.",
            capital(words(metric)),
            scene.name
        ),
        title,
        svg,
    })
}

/// Draws a line as its entry says.
pub(super) fn stroke(
    canvas: &Canvas<'_>,
    entry: &Entry,
    points: Vec<Point>,
) -> Result<(), Failure> {
    let width = if entry.look.mark == super::colour::Mark::Circle {
        5
    } else {
        4
    };
    canvas.stroke(points, entry.look.colour, width, entry.variant)
}

fn rows(scene: &Scene, setup: &Setup, metric: Metric, palette: &Palette) -> Result<Plot, Failure> {
    let rows: Vec<_> = setup
        .with(metric)
        .filter_map(|row| Some((row, spread(row, metric)?)))
        .collect();
    let (least, most) = bounds(rows.iter().map(|(_, spread)| spread));
    let labels: Vec<_> = rows.iter().map(|(row, _)| row.label.clone()).collect();
    let count = rows.first().map_or(0, |(row, _)| row.cpus);
    let title = format!("{} of {}", capital(metric.name()), cpus(count));
    let below = format!("{} · {}", scene.name, setup.detail);
    let texts: Vec<_> = rows
        .iter()
        .map(|(_, spread)| time(real(spread.p50)))
        .collect();
    let right = GAP * 2 + PLAIN.longest(texts.iter().map(String::as_str));
    let nr = i32::try_from(rows.len()).unwrap_or(i32::MAX / ROW);
    let svg = canvas::svg((WIDTH, 116 + nr * ROW), &title, &below, |canvas| {
        let x = Axis::log_time(&format!("{metric}, time (log scale)"), least, most);
        let frame = canvas.frame(x, Axis::rows("", &labels), right)?;
        let head = Hand {
            colour: SOFT,
            size: 12,
            ..PLAIN
        };
        canvas.text((canvas.beside(right), HEAD - 8 * UNITS), "median", head)?;
        for (number, ((row, spread), text)) in rows.iter().zip(&texts).enumerate() {
            let look = palette.look(&row.protocol);
            let y = index(rows.len() - number) - 0.5;
            let place = |ns: u64| frame.place(frame.x.at_whole(ns), y);
            let (from, median, to) = (place(spread.p10), place(spread.p50), place(spread.p90));
            let half = rounded(f64::from(ROW * UNITS) * 0.2);
            canvas.haze(
                vec![
                    (from.0, from.1 - half),
                    (to.0.max(from.0 + 2), from.1 - half),
                    (to.0.max(from.0 + 2), from.1 + half),
                    (from.0, from.1 + half),
                ],
                look.colour,
            )?;
            canvas.line(vec![from, to], look.colour, 4)?;
            canvas.mark(median, look, 11)?;
            canvas.text((canvas.beside(right), median.1), text, PLAIN)?;
        }
        Ok(())
    })?;
    let values = rows.iter().map(|(_, spread)| spread.count).max();
    Ok(Plot {
        file: file_name(&[metric.name(), &scene.slug, &setup.slug]),
        caption: format!(
            "{}, per protocol, {}. The mark is the median of up to {} loads, the bar reaches from \
             the 10th to the 90th percentile. Further left is better.",
            capital(words(metric)),
            scene.name,
            grouped(values.unwrap_or_default()),
        ),
        title,
        svg,
    })
}

/// With a capital first letter.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>());
    first.unwrap_or_default() + letters.as_str()
}
