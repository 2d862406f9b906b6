//! The transfer matrix as a heat map.

use plotters::style::text_anchor::HPos;

use super::axis::{Axis, index};
use super::canvas::{self, Canvas, Failure, GAP, HEAD, Hand, PLAIN, UNITS};
use super::colour::{PAPER, SOFT, ink_on, shade};
use super::scene::Scene;
use super::units::{real, time, unit_of};
use super::{Plot, file_name};
use crate::summary;

/// More CPUs than these are put together in blocks.
const MOST: usize = 64;

/// The width of the scale beside it, in units.
const SCALE: i32 = 18 * UNITS;

/// The heat map; none where no transfer was measured.
pub(super) fn plot(scene: &Scene) -> Result<Option<Plot>, Failure> {
    let cpus: Vec<u32> = scene.matrix_cpus().into_iter().collect();
    let blocks: Vec<&[u32]> = cpus.chunks(cpus.len().div_ceil(MOST).max(1)).collect();
    let mut cells = Vec::new();
    for (row, from) in blocks.iter().enumerate() {
        for (column, to) in blocks.iter().enumerate() {
            if let Some(ns) = median(scene, from, to) {
                cells.push((row, column, ns));
            }
        }
    }
    let times = || cells.iter().map(|(_, _, ns)| *ns);
    let (Some(least), Some(longest)) = (times().min(), times().max()) else {
        return Ok(None);
    };
    // Shades span a factor of two at least, so that equal times look alike.
    let most = longest.max(least.max(1).saturating_mul(2));
    let title = "A cache line's way from one CPU to another".to_owned();
    let below = format!("{} · median one-way time", scene.name);
    let nr = i32::try_from(blocks.len()).unwrap_or(1);
    let cell = (640 / nr).clamp(9, 64);
    let right = GAP + SCALE + 8 * UNITS + PLAIN.longest(["9.99 µs"]) + GAP;
    let size = (cell * nr + 110 + right / UNITS, cell * nr + 120);
    let size = (size.0.max(520), size.1.max(280));
    let svg = canvas::svg(size, &title, &below, |canvas| {
        let names = names(&blocks, cell);
        let x = Axis::rows("to CPU", &names).reversed();
        let y = Axis::rows("from CPU", &names);
        // What is left of a small one's width is beside the scale.
        let spare = size.0 * UNITS - (cell * nr * UNITS + 110 * UNITS + right);
        let frame = canvas.frame(sparse(x), sparse(y), right + spare)?;
        let nr = index(blocks.len());
        let unit = unit_of(real(longest));
        // No grid shows where a way was not measured, as from a CPU to itself.
        canvas.bar(frame.place(0.0, nr), frame.place(nr, 0.0), PAPER)?;
        for &(row, column, ns) in &cells {
            let (x, y) = (index(column), index(blocks.len() - row));
            let (from, to) = (frame.place(x, y), frame.place(x + 1.0, y - 1.0));
            let colour = shade(part(ns, least, most));
            canvas.bar(from, to, colour)?;
            let hand = Hand {
                size: 12,
                colour: ink_on(colour),
                anchor: HPos::Center,
                ..PLAIN
            };
            let text = number(ns, unit.1);
            if hand.length(&text) + 6 * UNITS < to.0 - from.0 {
                let middle = (i32::midpoint(from.0, to.0), i32::midpoint(from.1, to.1));
                canvas.text(middle, &text, hand)?;
            }
        }
        scale(canvas, (least, most), canvas.beside(right + spare))
    })?;
    let note = if blocks.len() < cpus.len() {
        format!(
            " {} CPUs are put together in blocks of {}, each shown by its median.",
            cpus.len(),
            blocks[0].len()
        )
    } else {
        String::new()
    };
    Ok(Some(Plot {
        file: file_name(&["transfer", &scene.slug]),
        caption: format!(
            "The median time in {} that a cache line takes from the CPU of a row to that of a \
             column, {}. Darker is longer, on a logarithmic scale.{note}",
            unit_of(real(longest)).0,
            scene.name
        ),
        title,
        svg,
    }))
}

/// The median of all ways between two blocks of CPUs, in ns.
fn median(scene: &Scene, from: &[u32], to: &[u32]) -> Option<u64> {
    let ways = from
        .iter()
        .flat_map(|&from| to.iter().map(move |&to| (from, to)));
    let known = ways.filter_map(|way| scene.transfers.get(&way));
    summary::median(&known.copied().collect::<Vec<_>>())
}

/// Where a time is between the two ends, on a logarithmic scale.
fn part(ns: u64, least: u64, most: u64) -> f64 {
    let at = |ns: u64| real(ns.max(1)).ln();
    let length = at(most.max(2)) - at(least);
    (at(ns) - at(least)) / length
}

fn number(ns: u64, unit: f64) -> String {
    let decimals = usize::from(unit > 1.0);
    format!("{:.decimals$}", real(ns) / unit)
}

fn names(blocks: &[&[u32]], cell: i32) -> Vec<String> {
    // So that texts of neighbours do not touch.
    let every = if cell >= 22 { 1 } else { 4 };
    let name = |(number, block): (usize, &&[u32])| match block {
        [first, ..] if number.is_multiple_of(every) => first.to_string(),
        _ => String::new(),
    };
    blocks.iter().enumerate().map(name).collect()
}

/// Without the ticks that have no text.
fn sparse(mut axis: Axis) -> Axis {
    axis.ticks.retain(|(_, text)| !text.is_empty());
    axis
}

/// What the shades stand for.
fn scale(canvas: &Canvas<'_>, (least, most): (u64, u64), left: i32) -> Result<(), Failure> {
    const STEPS: i32 = 40;
    let hand = Hand {
        colour: SOFT,
        ..PLAIN
    };
    let text_at = left + SCALE + 8 * UNITS;
    let height = 140 * UNITS;
    let step = height / STEPS;
    for number in 0..STEPS {
        let shade = shade(1.0 - f64::from(number) / f64::from(STEPS - 1));
        let top = HEAD + number * step;
        canvas.bar((left, top), (left + SCALE, top + step), shade)?;
    }
    let middle = (real(least.max(1)) * real(most)).sqrt().round();
    let texts = [(0, real(most)), (height / 2, middle), (height, real(least))];
    for (down, ns) in texts {
        // The outer texts are within the scale's ends.
        let at = (HEAD + down).clamp(HEAD + 6 * UNITS, HEAD + height - 6 * UNITS);
        canvas.text((text_at, at), &time(ns), hand)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shade_is_by_the_order_of_magnitude_and_any_times_have_one() {
        assert!((part(100, 10, 1000) - 0.5).abs() < 1e-9);
        assert!(part(0, 0, 0).is_finite() && part(5, 5, 10).abs() < 1e-9);
        assert!((part(0, 0, 50) - 0.0).abs() < 1e-9);
    }

    #[test]
    fn numbers_have_a_decimal_only_above_ns() {
        assert_eq!(number(57, 1.0), "57");
        assert_eq!(number(1260, 1000.0), "1.3");
    }
}
