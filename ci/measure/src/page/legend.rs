//! The legend beside a plot.

use super::canvas::{Canvas, Failure, GAP, HEAD, PLAIN, UNITS};
use super::colour::Look;

/// An entry's line is so far below the one before, in units.
const LINE: i32 = 22 * UNITS;
/// The length of a sample, in units.
const SAMPLE: i32 = 28 * UNITS;

/// One line of a plot.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) label: String,
    pub(super) look: Look,
    /// Which of a protocol's lines it is: the first is drawn through, others have
    /// gaps.
    pub(super) variant: usize,
}

/// What a legend of these takes beside a frame, in units.
pub(super) fn width(entries: &[Entry]) -> i32 {
    let labels = entries.iter().map(|entry| entry.label.as_str());
    GAP + SAMPLE + 8 * UNITS + PLAIN.longest(labels)
}

/// Draws it.
pub(super) fn draw(canvas: &Canvas<'_>, entries: &[Entry]) -> Result<(), Failure> {
    let left = canvas.beside(width(entries));
    let mut y = HEAD + LINE / 2;
    for entry in entries {
        let colour = entry.look.colour;
        let sample = vec![(left, y), (left + SAMPLE, y)];
        canvas.stroke(sample, colour, 4, entry.variant)?;
        canvas.mark((left + SAMPLE / 2, y), entry.look, 9)?;
        canvas.text((left + SAMPLE + 8 * UNITS, y), &entry.label, PLAIN)?;
        y += LINE;
    }
    Ok(())
}
