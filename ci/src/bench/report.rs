//! All that one `bench` measured, its folder, and the short table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use comfy_table::Cell;
use jiff::Timestamp;
use measure::iteration::{self, Iteration};
use measure::metrics::{Dimensions, Metric, Metrics, MetricsError, SCHEMA_VERSION, Series, Stage};
use measure::page::{self, PageError, Timeline};
use measure::summary::Summary;
use serde_json::Value;

use crate::result::{Provenance, folder};
use crate::screen::time;
use crate::table::table;

/// What was measured so far.
#[derive(Clone, Debug)]
pub struct Report {
    /// The series, and what could not be measured.
    pub metrics: Metrics,
    /// Loads that are shown CPU by CPU.
    pub timelines: Vec<Timeline>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No folder can be made.
    #[error("{}: {error}", path.display())]
    Folder {
        /// Among which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The page or a file of it.
    #[error(transparent)]
    Page(#[from] PageError),
}

/// What a row of the table is about.
type Subject = (Stage, Option<String>, Option<u64>, u32, String);

impl Report {
    /// Of nothing yet, measured by `provenance`.
    #[must_use]
    pub fn new(provenance: &Provenance) -> Self {
        Self {
            metrics: Metrics {
                schema_version: SCHEMA_VERSION,
                provenance: serde_json::to_value(provenance).unwrap_or(Value::Null),
                clock: None,
                not_measured: Vec::new(),
                series: Vec::new(),
            },
            timelines: Vec::new(),
        }
    }

    /// Adds the series of many loads under the same circumstances; `is_shown` shows
    /// the one whose stall is the median, CPU by CPU.
    pub fn add(&mut self, iterations: &[Iteration], dimensions: &Dimensions, is_shown: bool) {
        let series = iteration::series(iterations, dimensions);
        self.metrics.series.extend(series);
        if is_shown {
            self.show(iterations, dimensions);
        }
    }

    /// Shows the load whose stall is the median, of a protocol as it usually is.
    pub fn show(&mut self, iterations: &[Iteration], dimensions: &Dimensions) {
        self.timelines.extend(timeline(iterations, dimensions));
    }

    /// Writes everything into a new folder among the `runs`, and returns it.
    pub fn write(&self, runs: &Path) -> Result<PathBuf, ReportError> {
        let dir = folder(runs, "bench", Timestamp::now()).map_err(|error| ReportError::Folder {
            path: runs.to_owned(),
            error,
        })?;
        self.metrics.write(&dir.join("metrics.json"))?;
        page::write(&dir, &self.metrics, &self.timelines)?;
        Ok(dir)
    }

    /// The medians by stage, number of CPUs and protocol; none without any.
    #[must_use]
    pub fn shown(&self) -> Option<String> {
        let mut rows = BTreeMap::<Subject, BTreeMap<Metric, Summary>>::new();
        let of_all = self.metrics.series.iter();
        for series in of_all.filter(|series| series.dimensions.cpu.is_none()) {
            if let Some((subject, summary)) = subject(series).zip(Summary::new(&series.values)) {
                rows.entry(subject)
                    .or_default()
                    .insert(series.metric, summary);
            }
        }
        if rows.is_empty() && self.metrics.not_measured.is_empty() {
            return None;
        }
        let titles = [
            "stage",
            "CPUs",
            "protocol",
            "skew",
            "gate",
            "stall",
            "p99 of stall",
        ];
        let rows = rows
            .iter()
            .map(|((stage, machine, _, cpus, protocol), spans)| {
                let median = |metric| spans.get(&metric).map(|summary| summary.p50);
                let stage = match machine {
                    Some(machine) => format!("{stage} ({machine})"),
                    None => stage.to_string(),
                };
                [
                    stage,
                    cpus.to_string(),
                    protocol.clone(),
                    time(median(Metric::CallInSkew)),
                    time(median(Metric::Gate)),
                    time(median(Metric::Stall)),
                    time(spans.get(&Metric::Stall).map(|summary| summary.p99)),
                ]
                .map(Cell::new)
                .to_vec()
            });
        let right = ["CPUs", "skew", "gate", "stall", "p99 of stall"];
        let mut text = table(&titles, &right, rows.collect());
        for sentence in &self.metrics.not_measured {
            // Writing to a string cannot fail.
            let _ = write!(text, "\nnot measured: {sentence}");
        }
        Some(text)
    }
}

/// The load whose stall is the median, of a protocol as it usually is.
fn timeline(iterations: &[Iteration], dimensions: &Dimensions) -> Option<Timeline> {
    let label = label(dimensions)?;
    let is_usual = Some(&label) == dimensions.protocol.as_ref();
    let loads = |one: &&Iteration| one.cpus.iter().any(|cpu| cpu.load_end_ns.is_some());
    let mut by_stall: Vec<_> = iterations.iter().filter(loads).collect();
    by_stall.sort_by_key(|one| one.stall());
    let median = *by_stall.get(by_stall.len() / 2).filter(|_| is_usual)?;
    let machine = dimensions.machine.as_ref();
    let machine = machine.map_or(String::new(), |machine| format!(" on {machine}"));
    Some(Timeline {
        title: format!("{label}, {} CPUs{machine}", dimensions.cpus),
        stage: dimensions.stage,
        iteration: median.clone(),
    })
}

/// What a row with that series is about; none for what is of no protocol.
fn subject(series: &Series) -> Option<Subject> {
    let spans = [Metric::CallInSkew, Metric::Gate, Metric::Stall];
    if !spans.contains(&series.metric) {
        return None;
    }
    let dimensions = &series.dimensions;
    Some((
        dimensions.stage,
        dimensions.machine.clone(),
        dimensions.load_us,
        dimensions.cpus,
        label(dimensions)?,
    ))
}

/// A protocol with what is chosen of it, where that is not the usual.
fn label(dimensions: &Dimensions) -> Option<String> {
    let protocol = dimensions.protocol.clone()?;
    let choices = [
        dimensions.call_in.as_deref().filter(|&one| one != "tree"),
        dimensions.election.as_deref().filter(|&one| one != "first"),
    ];
    let chosen: Vec<_> = choices.into_iter().flatten().collect();
    Some(if chosen.is_empty() {
        protocol
    } else {
        format!("{protocol}, {}", chosen.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use measure::metrics::ClockKind;

    use super::*;

    #[test]
    fn a_row_has_the_medians_of_one_protocol_and_says_its_stage() {
        let mut report = Report::new(&Provenance::default());
        let dimensions = Dimensions {
            protocol: Some("muster".to_owned()),
            call_in: Some("flat".to_owned()),
            ..Dimensions::new(Stage::Native, ClockKind::Tsc, 2, 1, 1)
        };
        let series = [
            Series::new(Metric::Gate, dimensions.clone(), vec![100, 120, 9_000]),
            Series::new(Metric::Stall, dimensions.clone(), vec![2_000; 3]),
            Series::new(Metric::Stall, dimensions.of_cpu(1), vec![7]),
        ];
        report.metrics.series.extend(series);
        report.metrics.not_measured.push("the rest".to_owned());
        let text = report.shown().unwrap();
        let row = text.lines().nth(1).unwrap();
        let words: Vec<_> = row.split_whitespace().collect();
        let expected = [
            "native", "2", "muster,", "flat", "-", "120", "ns", "2.0", "µs", "2.0", "µs",
        ];
        assert_eq!(words, expected);
        assert!(text.ends_with("\nnot measured: the rest"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100));
    }

    #[test]
    fn the_folder_has_what_can_be_read_again() {
        let runs = tempfile::tempdir().unwrap();
        let report = Report::new(&Provenance::default());
        let dir = report.write(runs.path()).unwrap();
        let metrics = Metrics::read(&dir.join("metrics.json")).unwrap();
        assert_eq!(metrics, report.metrics);
    }
}
