//! What is said below the table of CPUs: lines on what changed, how the tests
//! ended, and what few runs have.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use measure::metrics::Metric;
use report::Status;

use super::time;
use crate::result::{RunResult, status_word};

/// All of it, as many lines as there is to say.
pub(super) fn all(result: &RunResult) -> String {
    [times, features, tests, nmis, rounds, arrivals]
        .map(|note| note(result))
        .concat()
}

/// That no time means anything, and an empty line, if that is so and one is shown.
fn times(result: &RunResult) -> String {
    let Some(why) = result.context.provenance.why_no_time_counts() else {
        return String::new();
    };
    if result.cpus.iter().all(|cpu| cpu.called_in_ns.is_none()) {
        return String::new();
    }
    let style = AnsiColor::Yellow.on_default();
    format!("{style}no time means anything{style:#}: {why}\n\n")
}

/// A line for each feature word that changed, and one that is empty.
fn features(result: &RunResult) -> String {
    let mut text = String::new();
    for feature in &result.features {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", feature.sentence(result.cpus.len()));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// A line with every test's end, then what was said that the verdict's reason
/// does not say again.
fn tests(result: &RunResult) -> String {
    let mut text = String::new();
    if result.tests.is_empty() {
        return text;
    }
    let ends = result.tests.iter().map(|test| {
        let style = status_style(test.status);
        let status = status_word(test.status);
        format!("{} {style}{status}{style:#}", test.name)
    });
    // The main job's fit one line; a job with many gives each its own.
    let separator = if result.tests.len() > report::TESTS.len() + 2 {
        "\n"
    } else {
        " · "
    };
    text += &ends.collect::<Vec<_>>().join(separator);
    text.push('\n');
    let messages = result.findings.iter().map(|finding| &finding.message);
    let reasons = result.tests.iter().map(|test| &test.reason);
    let mut said = vec![result.reason.as_str()];
    for line in messages.chain(reasons) {
        if !said.iter().any(|before| before.contains(line.as_str())) {
            let _ = writeln!(text, "  {line}");
            said.push(line);
        }
    }
    text
}

fn status_style(status: Status) -> Style {
    match status {
        Status::Pass => AnsiColor::Green.on_default(),
        Status::Skip => AnsiColor::Yellow.on_default(),
        Status::Fail | Status::Error => AnsiColor::Red.on_default(),
    }
}

/// A line on the NMIs that arrived during the request, if any did.
fn nmis(result: &RunResult) -> String {
    let hit = result.cpus.iter().filter(|cpu| cpu.nmis > 0);
    let hit: Vec<_> = hit
        .map(|cpu| format!("CPU {} {}", cpu.id, cpu.nmis))
        .collect();
    if hit.is_empty() {
        return String::new();
    }
    format!("  NMIs: {}\n", hit.join(", "))
}

/// A line on many loads, and one on each control CPU that was replaced.
fn rounds(result: &RunResult) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for handover in &result.handovers {
        let _ = writeln!(
            text,
            "  CPU {} went on in place of the control CPU {}",
            handover.to, handover.from
        );
    }
    let Some(repeat) = &result.repeat else {
        return text;
    };
    let _ = write!(text, "{} loads", repeat.loads);
    for (metric, mut values) in repeat.series() {
        values.sort_unstable();
        if let (Some(first), Some(last)) = (values.first(), values.last())
            && matches!(metric, Metric::Stall | Metric::Request)
        {
            let median = time(Some(values[values.len() / 2]));
            let (first, last) = (time(Some(*first)), time(Some(*last)));
            let _ = write!(text, " · {metric} {median} ({first} to {last})");
        }
    }
    let change = |[first, last]: [u64; 2]| i128::from(last) - i128::from(first);
    if let (Some(blocks), Some(bytes)) = (repeat.heap_blocks, repeat.heap_bytes) {
        let (blocks, bytes) = (change(blocks), change(bytes));
        let _ = write!(text, " · heap {blocks:+} blocks, {bytes:+} bytes");
    }
    text.push('\n');
    for deviation in &repeat.deviations {
        let _ = writeln!(
            text,
            "  load {}: CPU {} {}",
            deviation.load, deviation.cpu, deviation.outcome
        );
    }
    text
}

/// A line on each CPU that came online later.
fn arrivals(result: &RunResult) -> String {
    let mut text = String::new();
    for arrival in &result.arrivals {
        let revision = |revision: Option<report::Hex32>| {
            revision.map_or("none".to_owned(), |revision| revision.to_string())
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  CPU {} ({}/{}/{}) came online later: {} to {}, {}",
            arrival.id,
            arrival.package,
            arrival.core,
            arrival.thread,
            arrival.before,
            revision(arrival.after),
            arrival.outcome
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::tests::{passed, passed_with};

    #[test]
    fn the_times_of_an_interpreted_kvm_are_said_to_mean_nothing() {
        let mut result = passed();
        result.context.provenance.kvm = Some("kvm_pvm".to_owned());
        assert!(!all(&result).contains("no time means anything"));
        result.context.provenance.kvm_interprets = true;
        assert!(all(&result).contains("no time means anything"));
        assert!(all(&result).contains("(kvm_pvm)"));
    }

    #[test]
    fn a_feature_word_that_changed_has_a_line_and_none_that_did_not() {
        let line = "# feature cpus=all leaf=0x00000007 subleaf=0 register=edx \
                    before=0x00000000 after=0x00000400\n";
        let text = all(&passed_with(line));
        assert!(text.starts_with("CPUID 7.0 edx: + bit 10 (MD_CLEAR) on all CPUs\n\n"));
        assert!(!all(&passed()).contains("CPUID"));
    }
}
