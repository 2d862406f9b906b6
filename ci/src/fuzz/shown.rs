//! What a person sees of the fuzzers.

use std::fmt::Write;
use std::time::Duration;

use anstyle::AnsiColor;

use super::Outcome;
use crate::tree::Tree;

/// What a fuzz target did: a line, and what it found under it.
#[must_use]
pub fn outcome(outcome: &Outcome) -> String {
    let stats = &outcome.stats;
    let mut text = format!(
        "{:8} {:>11} runs {:>9} a second {:>6} inputs kept {:>6} features",
        outcome.target,
        grouped(stats.nr_runs),
        grouped(stats.runs_a_second),
        grouped(stats.nr_kept),
        grouped(stats.nr_features)
    );
    if let Some(found) = &outcome.found {
        let red = AnsiColor::Red.on_default();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n  {red}found{red:#} {}\n  input: {}\n  log:   {}\n  again: {}",
            found.message,
            Tree::shown(&found.input),
            Tree::shown(&found.log),
            found.again
        );
    }
    text
}

/// The sum over all fuzz targets.
#[must_use]
pub fn total(outcomes: &[Outcome], time: Duration) -> String {
    let nr_runs = outcomes.iter().map(|outcome| outcome.stats.nr_runs).sum();
    let broken: Vec<_> = outcomes
        .iter()
        .filter(|outcome| outcome.found.is_some())
        .map(|outcome| outcome.target.as_str())
        .collect();
    let (style, end) = if broken.is_empty() {
        (AnsiColor::Green, "nothing found".to_owned())
    } else {
        (AnsiColor::Red, format!("found by {}", broken.join(", ")))
    };
    let style = style.on_default().bold();
    format!(
        "{} runs of {} in {:.1} s: {style}{end}{style:#}",
        grouped(nr_runs),
        counted(outcomes.len(), "target"),
        time.as_secs_f64()
    )
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// A number with a comma before every third digit from its end.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place != 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::{Found, Stats};

    /// The text as it is seen without colours.
    fn seen(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn what_a_fuzzer_found_is_shown_with_its_input_and_the_way_to_see_it_again() {
        let stats = Stats {
            nr_runs: 12_345_678,
            runs_a_second: 999,
            ..Default::default()
        };
        let mut outcome = Outcome {
            target: "scan".to_owned(),
            stats,
            found: None,
        };
        let all = seen(&total(&[outcome.clone(), outcome.clone()], Duration::ZERO));
        assert_eq!(all, "24,691,356 runs of 2 targets in 0.0 s: nothing found");
        assert_eq!(seen(&super::outcome(&outcome)).lines().count(), 1);
        outcome.found = Some(Found {
            message: "lib.rs:1:1: no".to_owned(),
            input: "crash-1".into(),
            again: "cargo fuzz run".to_owned(),
            log: "scan.log".into(),
        });
        let text = seen(&super::outcome(&outcome));
        for word in [
            "12,345,678",
            "lib.rs:1:1: no",
            "crash-1",
            "scan.log",
            "cargo fuzz run",
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
        let all = seen(&total(&[outcome], Duration::ZERO));
        assert!(all.ends_with("1 target in 0.0 s: found by scan"), "{all}");
    }
}
