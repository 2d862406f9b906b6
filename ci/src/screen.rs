//! What a person sees of a run: what was run, a table of its CPUs, one line
//! of verdict.
//!
//! The text carries colours; the terminal's end decides whether they are
//! shown (`anstream`: not in a pipe, not with `NO_COLOR`). Tables fit 100
//! columns for every number that a machine can have.

mod notes;

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, Color, Table, TableStyle};
use report::{InitrdSource, Outcome};

use crate::result::{CpuResult, RunResult};
use crate::setup::Finding;
use crate::verdict::Verdict;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// All of a result, several lines.
#[must_use]
pub fn result(result: &RunResult) -> String {
    let mut text = heading(result);
    if !result.cpus.is_empty() {
        // Writing to a string cannot fail.
        let is_planned = result
            .cpus
            .iter()
            .any(|cpu| cpu.outcome == Outcome::Planned);
        let table = cpus(&result.cpus, result.timing.modelled_load, is_planned);
        let _ = write!(text, "\n{table}\n\n");
    }
    text += &notes::all(result);
    text += &verdict(result);
    for advice in &result.advice {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {advice}");
    }
    text
}

/// What was run with which microcode.
fn heading(result: &RunResult) -> String {
    let context = &result.context;
    let mut text = format!("{BOLD}{}{BOLD:#}", context.scenario);
    if let (Some(machine), Some(accel)) = (context.machine, &context.accel) {
        let flavour = context.provenance.kvm.as_deref();
        let names: Vec<_> = match flavour {
            Some(flavour) if accel == machine.name() => vec![flavour],
            _ => [accel.as_str()].into_iter().chain(flavour).collect(),
        };
        // Writing to a string cannot fail.
        let _ = write!(text, " on {machine} ({})", names.join(", "));
    }
    if result.timing.modelled_load {
        text += ", CPUs modelled in the guest: modelled load";
    }
    text.push('\n');
    if let Some(firmware) = &context.firmware {
        let digest = firmware.sha256.get(..16).unwrap_or(&firmware.sha256);
        let _ = writeln!(
            text,
            "microcode: {}: {} {DIM}(sha256 {digest}…){DIM:#}",
            firmware.source, firmware.file
        );
    }
    if let (Some(kernel), Some(toolchain)) =
        (&context.provenance.kernel, &context.provenance.toolchain)
    {
        let initrd = result.initrd_source.map_or("not read", InitrdSource::name);
        let _ = writeln!(
            text,
            "image: {kernel}, initrd {initrd}; ran {:.2} s",
            context.seconds
        );
        let _ = writeln!(text, "{DIM}built by {toolchain}{DIM:#}");
    }
    text
}

/// The line of verdict: `SWALLOWED, as expected: …`, and what deviates.
#[must_use]
pub fn verdict(result: &RunResult) -> String {
    let style = verdict_style(result);
    // Nobody needs to be told that a pass is what was hoped for.
    let hoped_for = matches!(result.verdict, Verdict::Pass | Verdict::Done);
    let expected = if result.as_expected && !hoped_for {
        ", as expected"
    } else {
        ""
    };
    let mut text = format!(
        "{style}{}{expected}{style:#}: {}",
        result.verdict, result.reason
    );
    for deviation in deviations(result) {
        let _ = write!(text, "\n  {deviation}");
    }
    text
}

/// What is not as declared. That a run was skipped says it all.
pub(crate) fn deviations(result: &RunResult) -> &[String] {
    match result.verdict {
        Verdict::Skip => &[],
        _ => &result.deviations,
    }
}

/// The colour of a verdict: green for what is as declared.
pub(crate) fn verdict_style(result: &RunResult) -> Style {
    let color = match result.verdict {
        _ if result.as_expected => AnsiColor::Green,
        Verdict::Skip => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    color.on_default().bold()
}

/// The table of CPUs. Where the guest modelled its CPUs, the time of a load is a
/// modelled one, and says so. Of a plan that was not carried out, it shows what
/// each CPU would get.
fn cpus(cpus: &[CpuResult], is_modelled: bool, is_planned: bool) -> Table {
    let titles = [
        "CPU",
        "place",
        "role",
        "before",
        if is_planned { "would get" } else { "after" },
        "outcome",
        "called in",
        "gate",
        if is_modelled {
            "modelled\nload"
        } else {
            "load"
        },
        "left",
    ];
    let mut table = plain_table();
    table.set_header(titles);
    for cpu in cpus {
        let color = if cpu.outcome.is_success() {
            Color::Green
        } else {
            Color::Red
        };
        let revision =
            |revision: Option<report::Hex32>| revision.map_or("-".into(), |r| r.to_string());
        let load = cpu
            .load_start_ns
            .zip(cpu.load_end_ns)
            .and_then(|(start, end)| end.checked_sub(start));
        let place = format!("{}/{}/{}", cpu.package, cpu.core, cpu.thread);
        let time = |ns| Cell::new(time(ns)).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(cpu.id).set_alignment(CellAlignment::Right),
            Cell::new(place),
            Cell::new(cpu.role),
            Cell::new(revision(cpu.before)),
            Cell::new(revision(if is_planned { cpu.target } else { cpu.after })),
            Cell::new(cpu.outcome).fg(color),
            time(cpu.called_in_ns),
            time(cpu.gate_ns),
            time(load),
            time(cpu.left_ns),
        ]);
    }
    // The outer columns need no space outside.
    let last = titles.len() - 1;
    for (index, padding) in [(0, (0, 1)), (last, (1, 0))] {
        if let Some(column) = table.column_mut(index) {
            column.set_padding(padding);
        }
    }
    table
}

/// What `doctor` found: a line each, with the fix under what is missing.
#[must_use]
pub fn findings(findings: &[Finding]) -> String {
    let green = AnsiColor::Green.on_default();
    let mut text = String::new();
    for finding in findings {
        let name = finding.piece.name;
        let _ = match &finding.state {
            Ok(found) => writeln!(text, "{green}ok     {green:#} {name}: {found}"),
            Err(problem) => {
                let (word, color) = if finding.optional {
                    ("absent ", AnsiColor::Yellow)
                } else {
                    ("missing", AnsiColor::Red)
                };
                let (style, why, fix) =
                    (color.on_default(), finding.piece.why, finding.piece.fix());
                let fix = if fix.is_empty() {
                    fix
                } else {
                    format!("\n          {fix}")
                };
                writeln!(
                    text,
                    "{style}{word}{style:#} {name} ({why}): {problem}{fix}"
                )
            }
        };
    }
    text
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).enforce_styling();
    table
}

/// A time with the unit that makes it short: `950 ns`, `12.3 µs`, `4.5 ms`.
pub(crate) fn time(ns: Option<u64>) -> String {
    let Some(ns) = ns else {
        return "-".to_owned();
    };
    let (unit, name) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    format!("{}.{} {name}", ns / unit, ns % unit / (unit / 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::tests::{passed, swallowed};

    /// The text as it is seen without colours.
    fn seen(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_time_has_at_most_three_digits_before_its_point() {
        let shown = |ns| time(Some(ns));
        assert_eq!(shown(0), "0 ns");
        assert_eq!(shown(999), "999 ns");
        assert_eq!(shown(1_000), "1.0 µs");
        assert_eq!(shown(999_999), "999.9 µs");
        assert_eq!(shown(1_050_000), "1.0 ms");
        assert_eq!(shown(12_345_678_900), "12.3 s");
        assert_eq!(time(None), "-");
    }

    #[test]
    fn the_table_of_the_widest_cpus_fits_100_columns() {
        let mut result = passed();
        let cpu = &mut result.cpus[0];
        (cpu.id, cpu.package, cpu.core, cpu.thread) = (254, 127, 254, 0);
        let late = Some(999_999_999);
        (cpu.called_in_ns, cpu.gate_ns, cpu.left_ns) = (late, late, late);
        (cpu.load_start_ns, cpu.load_end_ns) = (Some(0), late);
        result.cpus[1].outcome = Outcome::NotTaken;
        for is_modelled in [false, true] {
            let text = seen(&cpus(&result.cpus, is_modelled, false).to_string());
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= 100, "{widest}\n{text}");
        }
    }

    #[test]
    fn a_modelled_load_is_called_so_wherever_its_time_is_shown() {
        let mut result = passed();
        assert!(!seen(&super::result(&result)).contains("modelled"));
        result.timing.modelled_load = true;
        let text = seen(&super::result(&result));
        assert_eq!(text.matches("modelled").count(), 3, "{text}");
    }

    #[test]
    fn the_verdict_line_says_whether_it_was_expected() {
        let mut result = swallowed();
        result.as_expected = true;
        let line = seen(&verdict(&result));
        assert!(
            line.starts_with("SWALLOWED, as expected: the write"),
            "{line}"
        );
        result.as_expected = false;
        result.deviations = vec!["CPU 1 is late".to_owned()];
        let line = seen(&verdict(&result));
        assert!(line.starts_with("SWALLOWED: the write"), "{line}");
        assert!(line.ends_with("\n  CPU 1 is late"), "{line}");
    }

    #[test]
    fn every_cpu_and_every_test_is_shown_and_no_sentence_twice() {
        let mut result = swallowed();
        result.tests[4].reason = result.tests[3].reason.clone();
        let text = seen(&super::result(&result));
        assert!(text.contains("0/0/1"), "{text}");
        assert!(text.contains("initrd PASS · cache PASS"), "{text}");
        assert_eq!(text.matches("no effect").count(), 1, "{text}");
        result.reason = "load failed: no effect".to_owned();
        let text = seen(&super::result(&result));
        assert_eq!(text.matches("no effect").count(), 1, "{text}");
    }
}
