//! What a person sees of a suite: a line for each scenario as it ends, and a
//! sum; or what there is to run.

use std::fmt::Write;

use anstyle::AnsiColor;
use comfy_table::Cell;

use super::{Ended, Entry, Outcome};
use crate::scenario::Scenario;
use crate::screen;
use crate::table::table;
use crate::tree::Tree;
use crate::verdict::Verdict;

/// How a scenario ended: a line, and where it is not as declared, why and what
/// differs. `width` is that of the longest name.
#[must_use]
pub fn line(ended: &Ended, width: usize) -> String {
    let result = &ended.result;
    let style = screen::verdict_style(result);
    let mut text = format!(
        "{style}{:10}{style:#} {:width$} {:>7.2} s",
        result.verdict, ended.scenario.name, result.context.seconds
    );
    if result.as_expected {
        return text;
    }
    let files = ended.dir.as_deref();
    let files = files.map(|dir| format!("files: {}", Tree::shown(dir)));
    let said = [&result.reason]
        .into_iter()
        .chain(screen::deviations(result));
    for line in said.chain(&files).flat_map(|sentence| sentence.lines()) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {line}");
    }
    text
}

/// The width of the longest name.
#[must_use]
pub fn width(scenarios: &[Scenario]) -> usize {
    let widths = scenarios
        .iter()
        .map(|scenario| scenario.name.chars().count());
    widths.max().unwrap_or(0)
}

/// More scenarios than that are not named where they did not run: each has its line.
const MOST_NAMED: usize = 8;

/// `3 of 4 as expected in 2.0 s: 1 CRASH, 2 PASS; not: NAME (CRASH); skipped: NAME`.
#[must_use]
pub fn total(outcome: &Outcome) -> String {
    let (as_expected, rest): (Vec<_>, Vec<_>) = outcome
        .ended
        .iter()
        .partition(|ended| ended.result.as_expected);
    let (skipped, others): (Vec<_>, Vec<_>) = rest
        .into_iter()
        .partition(|ended| ended.result.verdict == Verdict::Skip);
    let color = match (others.as_slice(), as_expected.as_slice()) {
        ([], []) => AnsiColor::Yellow,
        ([], _) => AnsiColor::Green,
        _ => AnsiColor::Red,
    };
    let style = color.on_default().bold();
    let counts = Verdict::ALL.iter().filter_map(|&verdict| {
        let of_verdict = as_expected.iter().filter(|e| e.result.verdict == verdict);
        match of_verdict.count() {
            0 => None,
            count => Some(format!("{count} {verdict}")),
        }
    });
    let counts: Vec<_> = counts.collect();
    let others_named = others
        .iter()
        .map(|ended| format!("{} ({})", ended.scenario.name, ended.result.verdict));
    let others_named: Vec<_> = others_named.collect();
    let mut text = format!(
        "{style}{} of {} as expected{style:#} in {:.1} s",
        as_expected.len(),
        as_expected.len() + others.len(),
        outcome.time.as_secs_f64()
    );
    // Writing to a string cannot fail.
    if !counts.is_empty() {
        let _ = write!(text, ": {}", counts.join(", "));
    }
    if !others.is_empty() {
        let _ = write!(text, "; not: {}", others_named.join(", "));
    }
    let skipped: Vec<_> = skipped.iter().map(|e| e.scenario.name.as_str()).collect();
    let _ = match skipped.len() {
        0 => Ok(()),
        1..=MOST_NAMED => write!(text, "; skipped: {}", skipped.join(", ")),
        count => write!(text, "; {count} skipped"),
    };
    text
}

/// The table of `--list`.
#[must_use]
pub fn list(entries: &[Entry]) -> String {
    let rows = entries.iter().map(|entry| {
        let groups = entry.group.join(" ");
        [
            &entry.name,
            &groups,
            entry.machine.name(),
            &entry.expected,
            &entry.summary,
        ]
        .map(Cell::new)
        .into()
    });
    let titles = ["name", "groups", "machine", "expected", "summary"];
    table(&titles, &[], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::select;
    use crate::suite::tests::outcome;

    /// The text as it is seen without colours.
    fn seen(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn what_is_as_declared_takes_a_line_and_the_rest_says_why() {
        let lines: Vec<_> = outcome()
            .ended
            .iter()
            .map(|ended| seen(&line(ended, 11)))
            .collect();
        assert_eq!(lines[0], "SWALLOWED  as-declared    0.25 s");
        assert!(
            lines[1].starts_with("SWALLOWED  other          0.25 s\n  the write"),
            "{}",
            lines[1]
        );
        assert_eq!(
            lines[2],
            "ERROR      not-run        0.25 s\n  no compiler:\n  none\n  it could not be run"
        );
    }

    #[test]
    fn the_sum_names_what_is_not_as_declared() {
        let mut outcome = outcome();
        assert_eq!(
            seen(&total(&outcome)),
            "1 of 3 as expected in 1.2 s: 1 SWALLOWED; not: other (SWALLOWED), not-run (ERROR)"
        );
        outcome.ended.truncate(1);
        assert_eq!(
            seen(&total(&outcome)),
            "1 of 1 as expected in 1.2 s: 1 SWALLOWED"
        );
        let mut skipped = outcome.ended.remove(0);
        assert_eq!(seen(&total(&outcome)), "0 of 0 as expected in 1.2 s");
        skipped.result.verdict = Verdict::Skip;
        skipped.result.as_expected = false;
        outcome.ended.push(skipped.clone());
        assert_eq!(
            seen(&total(&outcome)),
            "0 of 0 as expected in 1.2 s; skipped: as-declared"
        );
        outcome.ended = vec![skipped; 9];
        assert_eq!(
            seen(&total(&outcome)),
            "0 of 0 as expected in 1.2 s; 9 skipped"
        );
    }

    #[test]
    fn the_list_of_the_checkout_fits_100_columns() {
        let scenarios = select(&Tree::find().unwrap().scenarios(), &[], &[]).unwrap();
        let entries: Vec<_> = scenarios.iter().map(Entry::new).collect();
        let text = list(&entries);
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        for entry in entries {
            assert!(text.contains(&entry.name), "{text}");
        }
    }
}
