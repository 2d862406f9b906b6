//! How many instructions of the guest one request takes.
//!
//! QEMU counts instructions as time (`-icount shift=0`): the virtual machine's
//! nanosecond is an instruction, of whichever CPU, since one host thread runs them
//! in turns. The count is the same in every run of one image.

use comfy_table::Cell;
use indicatif::ProgressBar;
use measure::metrics::{ClockKind, Metric, Series};
use measure::summary::median;
use rendezvous::{Name, Named};

use super::{Error, run_well};
use crate::machine::Machine;
use crate::result::RunResult;
use crate::result::metrics::dimensions;
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
    pub series: Vec<Series>,
    rows: Vec<Row>,
    firmware: String,
}

/// The medians of one machine.
#[derive(Clone, Copy, Debug)]
struct Row {
    protocol: Name,
    nr_cpus: u32,
    request: u64,
    stopped: u64,
}

/// Loads the default scenario's microcode again and again on machines of
/// [`CPUS`], or of `cpus`, by each of the protocols; `overrides` say with which firmware.
pub fn count(
    tree: &Tree,
    cpus: &[u32],
    protocols: &[Name],
    overrides: &Overrides,
    progress: &ProgressBar,
) -> Result<Counts, Error> {
    let runner = Runner::new(tree.clone());
    let mut counts = Counts::none();
    let machines = protocols
        .iter()
        .flat_map(|&protocol| cpus.iter().map(move |&nr| (protocol, nr)));
    for (protocol, nr_cpus) in machines {
        let mut scenario = Scenario::load(&tree.scenarios(), scenario::DEFAULT)?;
        let overrides = Overrides {
            machine: Some(Machine::Model),
            protocol: Some(protocol),
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
        counts.add(protocol, nr_cpus, &result);
    }
    Ok(counts)
}

impl Counts {
    const fn none() -> Self {
        Self {
            series: Vec::new(),
            rows: Vec::new(),
            firmware: String::new(),
        }
    }

    fn add(&mut self, protocol: Name, nr_cpus: u32, result: &RunResult) {
        let known = |of: fn(&report::record::Round) -> Option<u64>| -> Vec<u64> {
            let rounds = result.repeat.iter().flat_map(|repeat| &repeat.rounds);
            rounds.skip(1).filter_map(of).collect()
        };
        let request = known(|round| Some(round.request_ns));
        let stopped = known(|round| round.stall_ns);
        self.rows.push(Row {
            protocol,
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
            self.series.push(series);
        }
        let firmware = result.context.firmware.as_ref();
        self.firmware = firmware.map_or_else(String::new, |firmware| {
            format!("{}: {}", firmware.source, firmware.file)
        });
    }

    /// The table for a person.
    #[must_use]
    pub fn shown(&self) -> String {
        let titles = ["protocol", "CPUs", "request", "stopped", "more per CPU"];
        let mut before: Option<&Row> = None;
        let rows = self.rows.iter().map(|row| {
            let before_it = before.filter(|before| before.protocol == row.protocol);
            let more = before_it.map_or("-".to_owned(), |before| {
                let nr_more = u64::from(row.nr_cpus.abs_diff(before.nr_cpus)).max(1);
                (row.request.abs_diff(before.request) / nr_more).to_string()
            });
            before = Some(row);
            [
                row.protocol.name().to_owned(),
                row.nr_cpus.to_string(),
                row.request.to_string(),
                row.stopped.to_string(),
                more,
            ]
            .map(Cell::new)
            .to_vec()
        });
        let table = table(&titles, &titles[1..], rows.collect());
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
        let row = |protocol, nr_cpus, request| Row {
            protocol,
            nr_cpus,
            request,
            stopped: 1,
        };
        let counts = Counts {
            rows: vec![
                row(Name::Linux, 2, 900),
                row(Name::Muster, 2, 100),
                row(Name::Muster, 4, 160),
            ],
            firmware: "a file".to_owned(),
            ..Counts::none()
        };
        let text = counts.shown();
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let lines: Vec<_> = text.lines().rev().take(2).map(words).collect();
        assert_eq!(lines[0], ["muster", "4", "160", "1", "30"]);
        assert_eq!(lines[1], ["muster", "2", "100", "1", "-"]);
    }
}
