//! What all plots are drawn on: an SVG with a head, a frame of axes, and room for a
//! legend beside it, so that none lies upon the data.
//!
//! A unit of the drawing is half a pixel of the page, since the crate that draws
//! knows whole units alone.

use std::io;
use std::iter::once;

use maud::{PreEscaped, html};
use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::{
    Cartesian2d, ChartBuilder, ChartContext, Circle, Color, DrawingArea, DrawingAreaErrorKind,
    FontDesc, FontFamily, FontStyle, IntoDrawingArea, PathElement, Polygon, RGBColor, Rectangle,
    SVGBackend, TextStyle,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::colour::{GRID, INK, Look, Mark, PAPER, SOFT};

/// Why a plot could not be drawn.
pub(super) type Failure = DrawingAreaErrorKind<io::Error>;

/// A place on the canvas: from its left and its top, in units.
pub(super) type Point = (i32, i32);

/// The width of a plot, in pixels of the page.
pub(super) const WIDTH: i32 = 1040;
/// Units of a pixel.
pub(super) const UNITS: i32 = 2;
/// What the head with its two lines takes, in units.
pub(super) const HEAD: i32 = 62 * UNITS;
/// Between a frame and what is beside it, in units.
pub(super) const GAP: i32 = 14 * UNITS;
/// Below a frame, for ticks and title, in units.
const FOOT: i32 = 46 * UNITS;
/// How wide a letter is at most on average, as a part of its height.
const LETTER: f64 = 0.6;

/// How a text is written.
#[derive(Clone, Copy)]
pub(super) struct Hand {
    /// In pixels of the page.
    pub(super) size: i32,
    pub(super) colour: RGBColor,
    pub(super) bold: bool,
    pub(super) anchor: HPos,
}

/// Text of plots.
pub(super) const PLAIN: Hand = Hand {
    size: 13,
    colour: INK,
    bold: false,
    anchor: HPos::Left,
};

impl Hand {
    fn style(self) -> TextStyle<'static> {
        let style = if self.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        // The crate takes a font's size for 1.24 times its em.
        let size = f64::from(self.size * UNITS) * 1.24;
        let font = FontDesc::new(FontFamily::SansSerif, size, style);
        font.color(&self.colour)
            .pos(Pos::new(self.anchor, VPos::Center))
    }

    /// About how long a text is, in units.
    pub(super) fn length(self, text: &str) -> i32 {
        let letters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        rounded(f64::from(self.size * UNITS) * LETTER * f64::from(letters))
    }

    /// What the longest of some texts takes, in units.
    pub(super) fn longest<'a>(self, texts: impl IntoIterator<Item = &'a str>) -> i32 {
        let lengths = texts.into_iter().map(|text| self.length(text));
        lengths.max().unwrap_or_default()
    }
}

/// A place in units.
#[expect(
    clippy::cast_possible_truncation,
    reason = "it saturates, and a canvas is smaller by far"
)]
pub(super) fn rounded(place: f64) -> i32 {
    place.round() as i32
}

/// Draws a plot of so many pixels of the page.
pub(super) fn svg(
    (width, height): (i32, i32),
    title: &str,
    below: &str,
    draw: impl FnOnce(&Canvas<'_>) -> Result<(), Failure>,
) -> Result<String, Failure> {
    let units = (width * UNITS, height * UNITS);
    let mut drawn = String::new();
    {
        let size = (units.0.unsigned_abs(), units.1.unsigned_abs());
        let area = SVGBackend::with_string(&mut drawn, size).into_drawing_area();
        area.fill(&PAPER)?;
        let canvas = Canvas { area, units };
        let head = Hand {
            size: 16,
            bold: true,
            ..PLAIN
        };
        canvas.text((8 * UNITS, 18 * UNITS), title, head)?;
        let soft = Hand {
            colour: SOFT,
            ..PLAIN
        };
        canvas.text((8 * UNITS, 40 * UNITS), below, soft)?;
        draw(&canvas)?;
        canvas.area.present()?;
    }
    // The crate's own first tag gives the size in units.
    let inner = drawn.split_once('>').map_or("", |(_, inner)| inner);
    let inner = inner.rsplit_once("</svg>").map_or("", |(inner, _)| inner);
    let markup = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
            viewBox=(format!("0 0 {} {}", units.0, units.1)) role="img"
            aria-label=(format!("{title}. {below}")) {
            (PreEscaped(inner))
        }
    };
    Ok(markup.into_string())
}

/// What is drawn on.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    units: (i32, i32),
}

impl<'a> Canvas<'a> {
    /// Writes a text whose height's middle is at a place.
    pub(super) fn text(&self, at: Point, text: &str, hand: Hand) -> Result<(), Failure> {
        self.area.draw_text(text, &hand.style(), at)
    }

    /// Fills a rectangle; one without width is a hair wide.
    pub(super) fn bar(&self, from: Point, to: Point, colour: RGBColor) -> Result<(), Failure> {
        let to = (to.0.max(from.0 + 1), to.1.max(from.1 + 1));
        self.area.draw(&Rectangle::new([from, to], colour.filled()))
    }

    /// Fills a shape, so that what is below is seen.
    pub(super) fn haze(&self, points: Vec<Point>, colour: RGBColor) -> Result<(), Failure> {
        self.area.draw(&Polygon::new(points, colour.mix(0.11)))
    }

    /// Draws a line, `width` units wide.
    pub(super) fn line(
        &self,
        points: Vec<Point>,
        colour: RGBColor,
        width: u32,
    ) -> Result<(), Failure> {
        let style = colour.stroke_width(width);
        self.area.draw(&PathElement::new(points, style))
    }

    /// The same with gaps, of a length that only this `variant` has; the first of all
    /// has none.
    pub(super) fn stroke(
        &self,
        points: Vec<Point>,
        colour: RGBColor,
        width: u32,
        variant: usize,
    ) -> Result<(), Failure> {
        const DASHES: [(u32, u32); 3] = [(14, 8), (4, 8), (10, 18)];
        let Some(before) = variant.checked_sub(1) else {
            return self.line(points, colour, width);
        };
        let (dash, gap) = DASHES[before % DASHES.len()];
        let style = colour.stroke_width(width);
        let dashes = DashedPathElement::new(points, dash, gap, style);
        self.area.draw(&dashes)
    }

    /// Draws a protocol's mark, `radius` units large.
    pub(super) fn mark(&self, (x, y): Point, look: Look, radius: i32) -> Result<(), Failure> {
        let fill = look.colour.filled();
        let polygon = |points: &[Point]| {
            let placed = points
                .iter()
                .map(|(dx, dy)| (x + dx, y + dy))
                .collect::<Vec<_>>();
            self.area.draw(&Polygon::new(placed, fill))
        };
        let r = radius;
        match look.mark {
            Mark::Circle => {
                let circle = Circle::new((x, y), r, fill);
                self.area.draw(&circle)
            }
            Mark::Square => polygon(&[(-r, -r), (r, -r), (r, r), (-r, r)]),
            Mark::Diamond => polygon(&[(0, -r - 2), (r + 2, 0), (0, r + 2), (-r - 2, 0)]),
            Mark::Triangle => polygon(&[(0, -r - 1), (r + 1, r), (-r - 1, r)]),
            Mark::Down => polygon(&[(0, r + 1), (r + 1, -r), (-r - 1, -r)]),
            Mark::Plus => once([(x - r - 1, y), (x + r + 1, y)])
                .chain(once([(x, y - r - 1), (x, y + r + 1)]))
                .try_for_each(|stroke| self.line(stroke.to_vec(), look.colour, 5)),
            Mark::Cross => once([(x - r, y - r), (x + r, y + r)])
                .chain(once([(x - r, y + r), (x + r, y - r)]))
                .try_for_each(|stroke| self.line(stroke.to_vec(), look.colour, 4)),
        }
    }

    /// Draws the axes of a plot that leaves `right` units free beside it.
    pub(super) fn frame(&self, x: Axis, y: Axis, right: i32) -> Result<Frame<'a>, Failure> {
        let tick = Hand { size: 12, ..PLAIN };
        let ticks = tick.longest(y.ticks.iter().map(|(_, text)| text.as_str()));
        let title = if y.title.is_empty() { 0 } else { 24 * UNITS };
        let mut builder = ChartBuilder::on(&self.area);
        builder
            .margin_top(HEAD)
            .margin_right(right.max(GAP))
            .margin_left(6 * UNITS)
            .x_label_area_size(FOOT)
            .y_label_area_size(ticks + title + 12 * UNITS);
        let mut chart = builder.build_cartesian_2d(x.clone(), y.clone())?;
        chart
            .configure_mesh()
            .bold_line_style(GRID.stroke_width(1))
            .light_line_style(PAPER.mix(0.0))
            .axis_style(SOFT.stroke_width(2))
            .set_all_tick_mark_size(4 * UNITS)
            .label_style(tick.style())
            .axis_desc_style(PLAIN.style())
            .x_desc(x.title.as_str())
            .y_desc(y.title.as_str())
            .draw()?;
        Ok(Frame { chart, x, y })
    }

    /// Where what stands beside a frame begins, from the left.
    pub(super) const fn beside(&self, right: i32) -> i32 {
        self.units.0 - right + GAP
    }
}

/// Axes with a plot between them.
pub(super) struct Frame<'a> {
    chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<Axis, Axis>>,
    pub(super) x: Axis,
    pub(super) y: Axis,
}

impl Frame<'_> {
    /// The place of two coordinates of the axes.
    pub(super) fn place(&self, x: f64, y: f64) -> Point {
        self.chart.backend_coord(&(x, y))
    }
}
