//! How many instructions of the guest one request takes.
//!
//! QEMU counts instructions as time (`-icount shift=0`): the virtual machine's
//! nanosecond is an instruction, of whichever CPU, since one host thread runs them
//! in turns. The count is the same in every run of one image.

use comfy_table::Cell;
use indicatif::ProgressBar;
use measure::metrics::{ClockKind, Metric, Metrics, Series};
use measure::summary::median;

use super::{Error, run_well};
use crate::machine::Machine;
use crate::result::RunResult;
use crate::result::metrics::{dimensions, provenance};
use crate::run::Runner;
use crate::scenario::{self, Overrides, Scenario};
use crate::table::table;
use crate::tree::Tree;
use crate::verdict::Verdict;

/// Numbers of CPUs that are tried.
pub const CPUS: [u32; 4] = [2, 4, 8, 16];

/// How often each machine loads; the first load, which reports, is left out.
const NR_LOADS: u32 = 51;

/// All CPUs on one thread of the host, and instructions for a clock.
const ACCEL: &str = "tcg,thread=single";
const ICOUNT: [&str; 2] = ["-icount", "shift=0,sleep=off"];

/// What was counted.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Series by metric and number of CPUs.
    pub metrics: Metrics,
    rows: Vec<Row>,
    firmware: String,
}

/// The medians of one machine.
#[derive(Clone, Copy, Debug)]
struct Row {
    nr_cpus: u32,
    request: u64,
    stopped: u64,
}

/// Loads the default scenario's microcode again and again on machines of
/// [`CPUS`], or of `cpus`; `overrides` say with which firmware and protocol.
pub fn count(
    tree: &Tree,
    cpus: &[u32],
    overrides: &Overrides,
    progress: &ProgressBar,
) -> Result<Counts, Error> {
    let runner = Runner::new(tree.clone());
    let mut counts = Counts::none();
    for &nr_cpus in cpus {
        let mut scenario = Scenario::load(&tree.scenarios(), scenario::DEFAULT)?;
        let overrides = Overrides {
            machine: Some(Machine::Model),
            cpus: Some(nr_cpus),
            threads: Some(1),
            packages: Some(1),
            accel: Some(ACCEL.to_owned()),
            repeat: Some(NR_LOADS),
            force: true,
            qemu_args: ICOUNT.map(str::to_owned).to_vec(),
            ..overrides.clone()
        };
        overrides.apply(&mut scenario);
        scenario.check()?;
        let result = run_well(&runner, &scenario, &[Verdict::Pass], progress)?;
        counts.add(nr_cpus, &result);
    }
    Ok(counts)
}

impl Counts {
    const fn none() -> Self {
        Self {
            metrics: Metrics::new(serde_json::Value::Null, Vec::new()),
            rows: Vec::new(),
            firmware: String::new(),
        }
    }

    fn add(&mut self, nr_cpus: u32, result: &RunResult) {
        let known = |of: fn(&report::record::Round) -> Option<u64>| -> Vec<u64> {
            let rounds = result.repeat.iter().flat_map(|repeat| &repeat.rounds);
            rounds.skip(1).filter_map(of).collect()
        };
        let request = known(|round| Some(round.request_ns));
        let stopped = known(|round| round.stall_ns);
        self.rows.push(Row {
            nr_cpus,
            request: median(&request).unwrap_or_default(),
            stopped: median(&stopped).unwrap_or_default(),
        });
        let dimensions = dimensions(result, ClockKind::Icount, nr_cpus, 1, 1);
        for (metric, values) in [
            (Metric::RequestInstructions, request),
            (Metric::StoppedInstructions, stopped),
        ] {
            let series = Series::new(metric, dimensions.clone(), values);
            self.metrics.series.push(series);
        }
        self.metrics.provenance = provenance(result);
        let firmware = result.context.firmware.as_ref();
        self.firmware = firmware.map_or_else(String::new, |firmware| {
            format!("{}: {}", firmware.source, firmware.file)
        });
    }

    /// The table for a person.
    #[must_use]
    pub fn shown(&self) -> String {
        let titles = ["CPUs", "request", "stopped", "more per CPU"];
        let mut before: Option<&Row> = None;
        let rows = self.rows.iter().map(|row| {
            let more = before.map_or("-".to_owned(), |before| {
                let nr_more = u64::from(row.nr_cpus.abs_diff(before.nr_cpus)).max(1);
                (row.request.abs_diff(before.request) / nr_more).to_string()
            });
            before = Some(row);
            [
                row.nr_cpus.to_string(),
                row.request.to_string(),
                row.stopped.to_string(),
                more,
            ]
            .map(Cell::new)
            .to_vec()
        });
        let table = table(&titles, &titles, rows.collect());
        format!(
            "Guest instructions of one request, medians of {} loads in one boot\n{}\n\n{table}",
            NR_LOADS - 1,
            self.firmware
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_each_further_cpu_costs() {
        let row = |nr_cpus, request| Row {
            nr_cpus,
            request,
            stopped: 1,
        };
        let counts = Counts {
            rows: vec![row(2, 100), row(4, 160)],
            firmware: "a file".to_owned(),
            ..Counts::none()
        };
        let text = counts.shown();
        let last = text.lines().last().unwrap();
        assert_eq!(
            last.split_whitespace().collect::<Vec<_>>(),
            ["4", "160", "1", "30"]
        );
    }
}
