//! Colours: one and the same for a protocol in all plots.
//!
//! Those of protocols and phases are of Okabe and Ito's set, which people with any
//! colour vision tell apart; its yellow is left out, since it fades on white. Each
//! protocol has a mark of its own as well, for paper without colours.

use plotters::style::RGBColor;

use super::phases::Phase;

/// Text.
pub(super) const INK: RGBColor = RGBColor(0x1a, 0x1a, 0x1a);
/// Text beside it.
pub(super) const SOFT: RGBColor = RGBColor(0x55, 0x55, 0x55);
/// The lines of a grid.
pub(super) const GRID: RGBColor = RGBColor(0xe2, 0xe2, 0xe2);
/// What is behind it all.
pub(super) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);

/// The shape that stands for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Circle,
    Square,
    Triangle,
    Diamond,
    Down,
    Plus,
    Cross,
}

/// How a protocol is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) colour: RGBColor,
    pub(super) mark: Mark,
}

const fn look(red: u8, green: u8, blue: u8, mark: Mark) -> Look {
    Look {
        colour: RGBColor(red, green, blue),
        mark,
    }
}

/// The protocols that are known, in the order of legends and tables.
const KNOWN: [(&str, Look); 7] = [
    ("muster", look(0x00, 0x72, 0xb2, Mark::Circle)),
    ("xen-v5", look(0xd5, 0x5e, 0x00, Mark::Square)),
    ("xen", look(0xe6, 0x9f, 0x00, Mark::Triangle)),
    ("linux", look(0x00, 0x9e, 0x73, Mark::Diamond)),
    ("serial-chain", look(0xcc, 0x79, 0xa7, Mark::Down)),
    ("batches", look(0x56, 0xb4, 0xe9, Mark::Plus)),
    ("std-barrier", look(0x00, 0x00, 0x00, Mark::Cross)),
];

/// What others get in turn.
const OTHERS: [Look; 3] = [
    look(0x88, 0x22, 0x55, Mark::Diamond),
    look(0x99, 0x77, 0x00, Mark::Cross),
    look(0x77, 0x77, 0x77, Mark::Circle),
];

/// Where a protocol stands in legends and tables: those that are known first.
pub(super) fn rank(protocol: &str) -> usize {
    let known = KNOWN.iter().position(|(name, _)| *name == protocol);
    known.unwrap_or(KNOWN.len())
}

/// How all protocols of a page are drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Palette {
    others: Vec<String>,
}

impl Palette {
    /// For these protocols and those that are known.
    pub(super) fn new<'a>(protocols: impl Iterator<Item = &'a str>) -> Self {
        let unknown = protocols.filter(|name| rank(name) == KNOWN.len());
        let mut others: Vec<_> = unknown.map(str::to_owned).collect();
        others.sort_unstable();
        others.dedup();
        Self { others }
    }

    /// How a protocol is drawn.
    pub(super) fn look(&self, protocol: &str) -> Look {
        if let Some((_, look)) = KNOWN.get(rank(protocol)) {
            return *look;
        }
        let turn = self.others.iter().position(|name| name == protocol);
        OTHERS[turn.unwrap_or_default() % OTHERS.len()]
    }
}

/// The colour of a part of a load.
pub(super) const fn of_phase(phase: Phase) -> RGBColor {
    match phase {
        Phase::Wait => RGBColor(0xbd, 0xbd, 0xbd),
        Phase::Gate => RGBColor(0xd5, 0x5e, 0x00),
        Phase::Load => RGBColor(0x00, 0x72, 0xb2),
        Phase::Follow => RGBColor(0x56, 0xb4, 0xe9),
        Phase::Leave => RGBColor(0xe6, 0x9f, 0x00),
    }
}

/// A step from light to dark blue, for `part` from 0 to 1. One hue alone, so that
/// lightness carries the value.
pub(super) fn shade(part: f64) -> RGBColor {
    const STOPS: [[f64; 3]; 4] = [
        [239.0, 246.0, 252.0],
        [158.0, 202.0, 225.0],
        [49.0, 130.0, 189.0],
        [8.0, 48.0, 107.0],
    ];
    let part = part.clamp(0.0, 1.0);
    let pair = STOPS
        .windows(2)
        .zip([(0.0, 1.0 / 3.0), (1.0 / 3.0, 2.0 / 3.0), (2.0 / 3.0, 1.0)]);
    for (stops, (from, to)) in pair {
        if part <= to {
            let within = (part - from) / (to - from);
            let channel = |at: usize| byte(stops[0][at] + within * (stops[1][at] - stops[0][at]));
            return RGBColor(channel(0), channel(1), channel(2));
        }
    }
    let [red, green, blue] = STOPS[3].map(byte);
    RGBColor(red, green, blue)
}

/// Black or white, whichever is read better on it.
pub(super) fn ink_on(ground: RGBColor) -> RGBColor {
    let RGBColor(red, green, blue) = ground;
    let light = 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue);
    if light > 140.0 { INK } else { PAPER }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a channel is between 0 and 255"
)]
fn byte(channel: f64) -> u8 {
    channel.round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_looks_the_same_whatever_else_is_plotted_and_no_two_known_ones_alike() {
        let alone = Palette::new(["muster"].into_iter());
        let among = Palette::new(["zebra", "muster", "ant"].into_iter());
        for (at, (name, look)) in KNOWN.iter().enumerate() {
            assert_eq!(alone.look(name), *look);
            assert_eq!(among.look(name), *look);
            assert!(
                KNOWN[..at]
                    .iter()
                    .all(|(_, other)| other.colour != look.colour && other.mark != look.mark)
            );
        }
        assert_ne!(among.look("zebra"), among.look("ant"));
    }

    #[test]
    fn shades_darken_with_the_value() {
        let light = |part| {
            let RGBColor(red, green, blue) = shade(part);
            u32::from(red) + u32::from(green) + u32::from(blue)
        };
        let steps: Vec<_> = (0..=10).map(|step| light(f64::from(step) / 10.0)).collect();
        assert!(steps.windows(2).all(|pair| pair[0] > pair[1]), "{steps:?}");
        assert_eq!(ink_on(shade(0.0)), INK);
        assert_eq!(ink_on(shade(1.0)), PAPER);
    }
}
