//! What a person sees: a table of the cases, what deviates, one line of
//! verdict.

use std::fmt::Write;

use anstyle::AnsiColor;
use comfy_table::{Cell, Color};

use super::report::{CaseResult, Entry, Report, Side};
use crate::table::table;
use crate::verdict::Verdict;

/// The cases and what each shows.
#[must_use]
pub fn list(entries: &[Entry<'_>]) -> String {
    let rows = entries
        .iter()
        .map(|entry| [entry.name, entry.summary].map(Cell::new).into());
    table(&["case", "summary"], &[], rows.collect())
}

/// All of a report, several lines. A star stands where the peer is known to do
/// otherwise than its profile predicts.
#[must_use]
pub fn report(report: &Report) -> String {
    let peer = report.peer;
    let mut text = String::new();
    // Writing to a string cannot fail.
    if let Some(program) = &report.program {
        let _ = writeln!(text, "{peer}: Debian's {program}\n");
    }
    if !report.cases.is_empty() {
        let titles = [
            "case",
            "predicted",
            peer.name(),
            "revision",
            "Muster",
            "verdict",
            "in its own words",
        ];
        let rows = report.cases.iter().map(row).collect();
        let _ = writeln!(text, "{}\n", table(&titles, &[], rows));
    }
    for case in &report.cases {
        for reason in &case.reasons {
            let _ = writeln!(text, "{}: {reason}", case.name);
        }
        if let Some(unlike) = &case.unlike {
            let _ = writeln!(text, "* {}: {unlike}", case.name);
        }
    }
    text + &verdict(report)
}

/// The line of verdict.
#[must_use]
pub fn verdict(report: &Report) -> String {
    let Report {
        verdict, reason, ..
    } = report;
    let style = style(*verdict).on_default().bold();
    format!("{style}{verdict}{style:#}: {reason}")
}

fn row(case: &CaseResult) -> Vec<Cell> {
    let peer = case.peer.as_ref();
    let revision = peer.map_or("-", |side| side.revision.as_deref().unwrap_or("various"));
    let (verdict, color) = match case.verdict {
        Verdict::Pass => (case.verdict, Color::Green),
        Verdict::Skip => (case.verdict, Color::Yellow),
        _ => (case.verdict, Color::Red),
    };
    let predicted = peer.map_or("-", |side| side.predicted);
    let star = if case.unlike.is_some() { " *" } else { "" };
    vec![
        Cell::new(&case.name),
        Cell::new(format!("{predicted}{star}")),
        outcome(peer),
        Cell::new(revision),
        outcome(case.muster.as_ref()),
        Cell::new(verdict).fg(color),
        Cell::new(&case.words),
    ]
}

/// What a loader did, in red where it was not predicted.
fn outcome(side: Option<&Side>) -> Cell {
    let Some(side) = side else {
        return Cell::new("-");
    };
    let cell = Cell::new(side.outcome);
    if side.outcome == side.expected {
        cell
    } else {
        cell.fg(Color::Red)
    }
}

const fn style(verdict: Verdict) -> AnsiColor {
    match verdict {
        Verdict::Pass => AnsiColor::Green,
        Verdict::Skip => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::report::tests::request;
    use crate::peer::{Outcome, cases};

    /// A report of all cases with the widest words.
    fn widest() -> Report {
        let side = || Side {
            predicted: "min-revision",
            expected: Outcome::Loaded,
            outcome: Outcome::Refused,
            revision: Some("0x08001280".to_owned()),
            nr_writes: 4,
            refusals: Vec::new(),
            misuses: Vec::new(),
            directory: String::new(),
        };
        let cases = cases(&[]).unwrap();
        let results = cases.iter().map(|case| CaseResult {
            words: "CPU0 updated from revision 0x8001200 to 0x8001280, date = 2026-01-01"
                .to_owned(),
            unlike: case.unlike().next().map(str::to_owned),
            peer: Some(side()),
            muster: Some(side()),
            ..CaseResult::without(case, Verdict::Fail, "as it is".to_owned())
        });
        Report::new(&request(), "linux".to_owned(), results.collect())
    }

    #[test]
    fn the_widest_table_and_the_list_fit_100_columns() {
        let cases = cases(&[]).unwrap();
        let list = list(&cases.iter().map(Entry::new).collect::<Vec<_>>());
        for text in [report(&widest()), list] {
            let text = anstream::adapter::strip_str(&text).to_string();
            for line in text.lines() {
                assert!(line.chars().count() <= 100, "{line}");
            }
        }
    }

    #[test]
    fn a_deviation_is_told_with_its_case() {
        let text = report(&widest());
        assert!(text.contains("\nintel-good: as it is\n"), "{text}");
        assert!(text.ends_with(": 0 of 27 cases as predicted"), "{text}");
    }
}
