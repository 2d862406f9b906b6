//! All that one `bench` measured, its folder, and the short table.

use std::io;
use std::path::{Path, PathBuf};

use comfy_table::Cell;
use jiff::Timestamp;
use measure::iteration::{self, Iteration};
use measure::metrics::{Dimensions, Metric, Metrics, MetricsError};
use measure::page::{self, Digest, Growth, Line, PageError, Timeline};
use serde_json::Value;

use crate::guest::Hardware;
use crate::machine::Machine;
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

impl Report {
    /// Of nothing yet, measured by `provenance`.
    #[must_use]
    pub fn new(provenance: &Provenance) -> Self {
        Self {
            metrics: Metrics::new(
                serde_json::to_value(provenance).unwrap_or(Value::Null),
                Vec::new(),
            ),
            timelines: Vec::new(),
        }
    }

    /// Says once what was not measured.
    pub fn note(&mut self, sentence: String) {
        if !self.metrics.not_measured.contains(&sentence) {
            self.metrics.not_measured.push(sentence);
        }
    }

    /// What made the guests' figures, and how far they can be believed.
    pub fn made_by(&mut self, machine: Machine, hardware: Hardware, provenance: &Provenance) {
        self.metrics.provenance = serde_json::to_value(provenance).unwrap_or(Value::Null);
        let why = provenance.why_no_time_counts();
        let why = why.or_else(|| {
            let emulates = !machine.is_kvm();
            emulates.then(|| "QEMU emulates the CPUs".to_owned())
        });
        if why.is_some() {
            self.metrics.emulated.insert(machine.name().to_owned());
        }
        let sentence = why.map(|why| format!("hardware's times by guests on {machine}: {why}"));
        let ignores = hardware == Hardware::Msr && !machine.takes_updates();
        let ignores = ignores.then(|| {
            format!("updates on {machine}: it ignores them, and a load is a write without effect")
        });
        for sentence in sentence.into_iter().chain(ignores) {
            self.note(sentence);
        }
    }

    /// Adds the series of many loads under the same circumstances, in passes;
    /// `is_shown` shows the one whose stall is the median, CPU by CPU.
    pub fn add(&mut self, passes: &[Vec<Iteration>], dimensions: &Dimensions, is_shown: bool) {
        let series = iteration::series(passes, dimensions);
        self.metrics.series.extend(series);
        if is_shown {
            self.show(passes, dimensions);
        }
    }

    /// Shows the load whose stall is the median, of a protocol as it usually is.
    pub fn show(&mut self, passes: &[Vec<Iteration>], dimensions: &Dimensions) {
        self.timelines.extend(timeline(passes, dimensions));
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
        let digests = page::digests(&self.metrics);
        let texts = digests.iter().map(shown);
        let not_measured = self.metrics.not_measured.iter();
        let not_measured: Vec<_> = not_measured
            .map(|sentence| format!("not measured: {sentence}"))
            .collect();
        let all: Vec<_> = texts
            .chain((!not_measured.is_empty()).then(|| not_measured.join("\n")))
            .collect();
        (!all.is_empty()).then(|| all.join("\n\n"))
    }
}

/// As many numbers of CPUs as fit beside each other.
const MOST_COLUMNS: usize = 6;

/// A table of the loads that can be held against each other: of a few numbers of CPUs
/// the spans of each, of many the stalls over the number of CPUs.
fn shown(digest: &Digest) -> String {
    let growth = digest.growth.as_ref();
    let table = match growth.filter(|growth| growth.cpus.len() > 2) {
        Some(growth) => stalls(growth),
        None => spans(&digest.lines),
    };
    format!("{}, {}\n{table}", digest.name, digest.detail)
}

fn spans(lines: &[Line]) -> String {
    let titles = [
        "CPUs",
        "protocol",
        "skew",
        "gate",
        "for all",
        "stall",
        "p99 of stall",
    ];
    let rows = lines.iter().map(|line| {
        let median = |metric| time(line.medians.get(&metric).copied());
        [
            line.cpus.to_string(),
            line.label.clone(),
            median(Metric::CallInSkew),
            median(Metric::Gate),
            median(Metric::GateLast),
            median(Metric::Stall),
            time(line.stall_p99),
        ]
        .map(Cell::new)
        .to_vec()
    });
    let right: Vec<_> = titles
        .into_iter()
        .filter(|&one| one != "protocol")
        .collect();
    table(&titles, &right, rows.collect())
}

fn stalls(growth: &Growth) -> String {
    let shown = columns(growth.cpus.len());
    let cpus = shown.iter().map(|&place| growth.cpus[place].to_string());
    let cpus: Vec<_> = cpus.collect();
    let titles: Vec<_> = ["stall of CPUs"]
        .into_iter()
        .chain(cpus.iter().map(String::as_str))
        .chain(["longer than muster's from"])
        .collect();
    let rows = growth.lines.iter().map(|line| {
        let stalls = shown.iter().map(|&place| time(line.stalls[place]));
        let longer_from = line.longer_from;
        let longer_from = longer_from.map_or("-".to_owned(), |nr| format!("{nr} CPUs"));
        let texts = [line.label.clone()].into_iter().chain(stalls);
        texts.chain([longer_from]).map(Cell::new).collect()
    });
    table(&titles, &titles[1..], rows.collect())
}

/// Places among so many columns that are shown, the first and the last among them.
fn columns(nr: usize) -> Vec<usize> {
    let nr_shown = nr.min(MOST_COLUMNS);
    let last = nr_shown.saturating_sub(1).max(1);
    (0..nr_shown).map(|place| place * (nr - 1) / last).collect()
}

/// The load whose stall is the median, of a protocol as it usually is.
fn timeline(passes: &[Vec<Iteration>], dimensions: &Dimensions) -> Option<Timeline> {
    let protocol = dimensions.protocol.as_ref()?;
    let loads = |one: &&Iteration| one.cpus.iter().any(|cpu| cpu.load_end_ns.is_some());
    let mut by_stall: Vec<_> = passes.iter().flatten().filter(loads).collect();
    by_stall.sort_by_key(|one| one.stall());
    let median = *by_stall
        .get(by_stall.len() / 2)
        .filter(|_| dimensions.has_usual_options())?;
    let machine = dimensions.machine.as_ref();
    let machine = machine.map_or(String::new(), |machine| format!(" on {machine}"));
    Some(Timeline {
        title: format!("{protocol}, {} CPUs{machine}", dimensions.cpus),
        stage: dimensions.stage,
        iteration: median.clone(),
    })
}

#[cfg(test)]
mod tests {
    use measure::metrics::{ClockKind, Series, Stage};

    use super::*;

    fn series(protocol: &str, cpus: u32, metric: Metric, values: &[u64]) -> Series {
        let dimensions = Dimensions {
            protocol: Some(protocol.to_owned()),
            ..Dimensions::new(Stage::Native, ClockKind::Tsc, cpus, 1, 1)
        };
        Series::new(metric, dimensions, values.to_vec())
    }

    fn shown(series: Vec<Series>) -> String {
        let mut report = Report::new(&Provenance::default());
        report.metrics.series = series;
        report.metrics.not_measured.push("the rest".to_owned());
        let text = report.shown().unwrap();
        assert!(text.ends_with("\n\nnot measured: the rest"), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
        text
    }

    #[test]
    fn of_one_number_of_cpus_a_line_has_the_medians_of_each_span() {
        let text = shown(vec![
            series("xen", 2, Metric::Gate, &[100, 120, 9_000]),
            series("xen", 2, Metric::Stall, &[2_000; 3]),
        ]);
        assert!(text.starts_with("native: "), "{text}");
        let words: Vec<_> = text.lines().nth(2).unwrap().split_whitespace().collect();
        let expected = ["2", "xen", "-", "120", "ns", "-", "2.0", "µs", "2.0", "µs"];
        assert_eq!(words, expected);
    }

    #[test]
    fn of_many_numbers_of_cpus_the_stalls_stand_beside_each_other() {
        let of = |protocol, ns: u64| {
            let sizes = (1..=12).map(|power| 1 << power);
            sizes.map(move |cpus| series(protocol, cpus, Metric::Stall, &[ns * u64::from(cpus)]))
        };
        let text = shown(
            of("muster", 99_999)
                .chain(of("serial-chain", 999_999))
                .collect(),
        );
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert!(
            lines[1].contains(" 2 ") && lines[1].contains(" 4096 "),
            "{text}"
        );
        assert!(lines[3].starts_with("serial-chain") && lines[3].ends_with("2 CPUs"));
        assert_eq!(columns(3), [0, 1, 2]);
        assert_eq!(columns(10), [0, 1, 3, 5, 7, 9]);
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
