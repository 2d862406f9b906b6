//! The gate against what no gate can be below: a cache line's way from one CPU to
//! another.

use crate::metrics::Metric;
use crate::summary::median;

use super::axis::{Axis, index};
use super::canvas::{self, Failure, GAP, HEAD, Hand, PLAIN, UNITS, WIDTH};
use super::colour::{INK, Palette, SOFT};
use super::row::Row;
use super::scene::{Scene, Setup};
use super::units::{cpus, real, three_digits, time};
use super::{Plot, file_name};

/// Height of a row, in pixels.
const ROW: i32 = 34;

/// The bars; none where no transfer or no gate was measured.
pub(super) fn plot(
    scene: &Scene,
    setup: &Setup,
    palette: &Palette,
) -> Result<Option<Plot>, Failure> {
    let floor = scene.usual_transfer().filter(|&floor| floor > 0);
    let (Some(floor), Some(count)) = (floor, setup.shared_count(Metric::Gate)) else {
        return Ok(None);
    };
    let gates: Vec<(&Row, u64)> = setup
        .with(Metric::Gate)
        .filter(|row| row.cpus == count)
        .filter_map(|row| Some((row, median(row.values(Metric::Gate))?)))
        .collect();
    let medians = || gates.iter().map(|(_, gate)| *gate);
    let least = medians().min().unwrap_or(floor).min(floor);
    let most = medians().max().unwrap_or(floor).max(floor);
    let labels: Vec<_> = gates.iter().map(|(row, _)| row.label.clone()).collect();
    let texts: Vec<_> = medians()
        .map(|gate| {
            let ratio = three_digits(real(gate) / real(floor));
            (time(real(gate)), format!("{ratio} ×"))
        })
        .collect();
    let ratio_at = PLAIN
        .longest(texts.iter().map(|(gate, _)| gate.as_str()))
        .max(PLAIN.length("median"))
        + GAP;
    let right = GAP * 2
        + ratio_at
        + PLAIN
            .longest(texts.iter().map(|(_, ratio)| ratio.as_str()))
            .max(PLAIN.length("floors"));
    let title = format!(
        "Gate of {} against a cache line's one-way transfer",
        cpus(count)
    );
    let floor_text = time(real(floor));
    let below = format!(
        "{} · one transfer: {floor_text} · {}",
        scene.name, setup.detail
    );
    let nr = i32::try_from(gates.len()).unwrap_or(i32::MAX / ROW);
    let svg = canvas::svg((WIDTH, 116 + nr * ROW), &title, &below, |canvas| {
        let x = Axis::log_time("gate, time (log scale)", least, most);
        let frame = canvas.frame(x, Axis::rows("", &labels), right)?;
        let left = canvas.beside(right);
        let head = Hand {
            colour: SOFT,
            size: 12,
            ..PLAIN
        };
        canvas.text((left, HEAD - 8 * UNITS), "median", head)?;
        canvas.text((left + ratio_at, HEAD - 8 * UNITS), "floors", head)?;
        let floor_at = frame.x.at_whole(floor);
        for (number, ((row, gate), (time, ratio))) in gates.iter().zip(&texts).enumerate() {
            let y = index(gates.len() - number) - 0.5;
            let (start, end) = (
                frame.place(floor_at, y + 0.3),
                frame.place(frame.x.at_whole(*gate), y - 0.3),
            );
            let (from, to) = (start.0.min(end.0), start.0.max(end.0));
            let look = palette.look(&row.protocol);
            canvas.bar((from, start.1), (to, end.1), look.colour)?;
            let middle = frame.place(floor_at, y).1;
            canvas.text((left, middle), time, PLAIN)?;
            canvas.text((left + ratio_at, middle), ratio, PLAIN)?;
        }
        let (low, high) = (
            frame.place(floor_at, 0.0),
            frame.place(floor_at, index(gates.len())),
        );
        canvas.stroke(vec![low, high], INK, 3, 1)
    })?;
    Ok(Some(Plot {
        file: file_name(&["gate-floor", &scene.slug, &setup.slug]),
        caption: format!(
            "Median gate of {} per protocol, {}. The dashed line is the floor: {floor_text}, the \
             median over all pairs of {} CPUs of a cache line's way from one to the other. A bar \
             reaches from there to the protocol's gate; the last column says how many floors that \
             is. Shorter is better.",
            cpus(count),
            scene.name,
            scene.matrix_cpus().len(),
        ),
        title,
        svg,
    }))
}
