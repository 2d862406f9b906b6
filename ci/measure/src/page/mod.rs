//! What a person sees of a benchmark: plots, a page and a trace.
//!
//! ```text
//!  Metrics ──▶ scenes ──▶ stall, percentiles, floor, matrix ─┐
//!                                                            ├─▶ *.svg, report.html
//!  Timelines ─▶ phases ─▶ tracks ────────────────────────────┘
//!                     └─▶ trace.json
//! ```
//!
//! Figures of different stages are never on one plot, and each plot names its own.
//! The page needs nothing from elsewhere: no script, no font, no picture.

mod axis;
mod canvas;
mod colour;
mod curves;
mod digest;
mod figures;
mod floor;
mod glance;
mod html;
mod legend;
mod matrix;
mod phases;
mod row;
mod scene;
mod spans;
mod tables;
mod timeline;
pub mod trace;
mod units;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::iteration::Iteration;
use crate::metrics::{Metrics, Stage};

pub use digest::{Digest, Growth, GrowthLine, Line, digests};
use trace::trace;

/// One load that is shown CPU by CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// What load it is, such as its protocol and number of CPUs.
    pub title: String,
    /// Where it was loaded.
    pub stage: Stage,
    /// What its CPUs noted, in ns.
    pub iteration: Iteration,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A file cannot be written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A plot cannot be drawn.
    #[error("a plot cannot be drawn: {reason}")]
    Plot {
        /// Why.
        reason: String,
    },
}

/// A drawing and what is said about it.
#[derive(Clone, Debug)]
struct Plot {
    /// The name of its file.
    file: String,
    title: String,
    caption: String,
    svg: String,
}

/// The name of a plot's file, of the parts that are not empty.
fn file_name(parts: &[&str]) -> String {
    let parts: Vec<_> = parts.iter().filter(|part| !part.is_empty()).collect();
    let names = parts.into_iter().copied().collect::<Vec<_>>();
    names.join("-") + ".svg"
}

/// Writes `report.html`, `trace.json` (where there are timelines) and a file for
/// every plot. The page links to `metrics.json`, which the caller writes beside them.
/// Returns the files, the page first.
pub fn write(
    dir: &Path,
    metrics: &Metrics,
    timelines: &[Timeline],
) -> Result<Vec<PathBuf>, PageError> {
    let figures = figures::Figures::new(metrics, timelines).map_err(|failure| PageError::Plot {
        reason: failure.to_string(),
    })?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| PageError::Io { path, error }
    };
    fs::create_dir_all(dir).map_err(io(dir))?;
    let mut files = vec![(
        "report.html".to_owned(),
        html::page(metrics, &figures, !timelines.is_empty()),
    )];
    if !timelines.is_empty() {
        files.push(("trace.json".to_owned(), format!("{}\n", trace(timelines))));
    }
    files.extend(
        figures
            .plots()
            .map(|plot| (plot.file.clone(), plot.svg.clone())),
    );
    let written = files.into_iter().map(|(name, text)| {
        let path = dir.join(name);
        fs::write(&path, text).map_err(io(&path))?;
        Ok(path)
    });
    written.collect()
}
