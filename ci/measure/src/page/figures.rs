//! All plots of a page, by where they stand on it.

use std::collections::BTreeMap;

use crate::metrics::{Metric, Metrics};

use super::canvas::Failure;
use super::colour::Palette;
use super::scene::{Scene, Setup, scenes};
use super::{Plot, Timeline, curves, floor, matrix, spans, timeline};

/// What is on a page.
#[derive(Debug)]
pub(super) struct Figures {
    /// Each stage and machine with its plots.
    pub(super) parts: Vec<Part>,
    /// Single loads.
    pub(super) timelines: Vec<Plot>,
}

/// A stage and machine with its plots.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) scene: Scene,
    /// Those of each setup, in the order of the scene's.
    pub(super) of_setups: Vec<Vec<Plot>>,
    /// The transfer matrix, if any.
    pub(super) matrix: Option<Plot>,
}

impl Figures {
    /// Draws everything.
    pub(super) fn new(metrics: &Metrics, timelines: &[Timeline]) -> Result<Self, Failure> {
        let protocols = metrics
            .series
            .iter()
            .filter_map(|s| s.dimensions.protocol.as_deref());
        let palette = Palette::new(protocols);
        let parts = scenes(metrics).into_iter().map(|scene| {
            let of_setups = scene
                .setups
                .iter()
                .map(|setup| of_setup(&scene, setup, &palette));
            Ok(Part {
                of_setups: of_setups.collect::<Result<_, _>>()?,
                matrix: matrix::plot(&scene)?,
                scene,
            })
        });
        let drawn = (1..)
            .zip(timelines)
            .map(|(number, one)| timeline::plot(number, one));
        let drawn: Vec<_> = drawn.collect::<Result<_, _>>()?;
        let mut figures = Self {
            parts: parts.collect::<Result<_, Failure>>()?,
            timelines: drawn.into_iter().flatten().collect(),
        };
        figures.name_apart();
        Ok(figures)
    }

    /// Numbers files whose names are the same, as those of machines that differ in
    /// signs alone.
    fn name_apart(&mut self) {
        let of_parts = self
            .parts
            .iter_mut()
            .flat_map(|part| part.of_setups.iter_mut().flatten().chain(&mut part.matrix));
        let mut uses: BTreeMap<String, u32> = BTreeMap::new();
        for plot in of_parts.chain(&mut self.timelines) {
            let count = uses.entry(plot.file.clone()).or_default();
            *count += 1;
            if *count > 1 {
                plot.file = plot.file.replace(".svg", &format!("--{count}.svg"));
            }
        }
    }

    /// All plots, in the order of the page.
    pub(super) fn plots(&self) -> impl Iterator<Item = &Plot> {
        let of_parts = self
            .parts
            .iter()
            .flat_map(|part| part.of_setups.iter().flatten().chain(&part.matrix));
        of_parts.chain(&self.timelines)
    }
}

fn of_setup(scene: &Scene, setup: &Setup, palette: &Palette) -> Result<Vec<Plot>, Failure> {
    // A gate at one number of CPUs is in its curves and against the floor.
    let gates = setup.counts(Metric::Gate).len() > 1;
    let gate = if gates {
        spans::plot(scene, setup, Metric::Gate, palette)?
    } else {
        None
    };
    let plots = [
        spans::plot(scene, setup, Metric::Stall, palette)?,
        curves::plot(scene, setup, Metric::Stall, palette)?,
        gate,
        curves::plot(scene, setup, Metric::Gate, palette)?,
        floor::plot(scene, setup, palette)?,
    ];
    Ok(plots.into_iter().flatten().collect())
}
