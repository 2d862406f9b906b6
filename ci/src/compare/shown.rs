//! What a person sees: a table of the series, what differs first, and one line of
//! verdict.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::AnsiColor;
use comfy_table::{Cell, Color};
use measure::compare::{Compared, Comparison, Key, Method, Verdict, named};
use measure::metrics::Unit;

use crate::screen;
use crate::table::{count_of, table};

/// How wide a line may be.
const WIDTH: usize = 100;
/// The columns; those of numbers stand to the right.
const TITLES: [&str; 8] = [
    "metric",
    "where",
    "A",
    "B",
    "ratio",
    "95 % interval",
    "delta",
    "verdict",
];
const RIGHT: [&str; 5] = ["A", "B", "ratio", "95 % interval", "delta"];

/// All of a comparison, several lines.
#[must_use]
pub fn comparison(comparison: &Comparison) -> String {
    let varying = Varying::new(comparison);
    let mut series: Vec<_> = comparison.series.iter().collect();
    series.retain(|series| is_shown(series));
    series.sort_by_key(|series| rank(series.verdict));
    let rows = series.iter().map(|series| row(series, &varying)).collect();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{}\nmedians; runs: {} of A, {} of B\n\n{}\n",
        varying.same,
        comparison.runs_a,
        comparison.runs_b,
        table(&TITLES, &RIGHT, rows)
    );
    text += &notes(comparison, &varying);
    text + &verdict(comparison)
}

/// The line of verdict: `SLOWER: …`.
#[must_use]
pub fn verdict(comparison: &Comparison) -> String {
    let all = &comparison.series;
    let nr_of = |verdict| {
        all.iter()
            .filter(|series| series.verdict == verdict)
            .count()
    };
    let nr_slower = all
        .iter()
        .filter(|series| series.is_slower_beyond())
        .count();
    let percent = number(comparison.threshold * 100.0);
    let (word, color, reason) = if comparison.slower {
        let series = count_of(nr_slower, "series is", "series are");
        (
            "SLOWER",
            AnsiColor::Red,
            format!("{series} slower in B by more than {percent} %"),
        )
    } else {
        let reason = format!("no series is slower in B by more than {percent} %");
        ("NOT SLOWER", AnsiColor::Green, reason)
    };
    let each = [
        Verdict::Slower,
        Verdict::Faster,
        Verdict::Same,
        Verdict::Inconclusive,
    ]
    .into_iter()
    .filter(|verdict| nr_of(*verdict) > 0)
    .map(|verdict| format!("{} {}", nr_of(verdict), verdict.name()));
    let each = each.collect::<Vec<_>>();
    let style = color.on_default().bold();
    format!("{style}{word}{style:#}: {reason} ({})", each.join(", "))
}

/// Phrases with commas between them, on lines of the table's width.
fn wrapped(phrases: &[String]) -> String {
    let mut lines = vec![String::new()];
    for phrase in phrases {
        let line = lines
            .last_mut()
            .filter(|line| line.len() + phrase.len() + 3 <= WIDTH);
        match line {
            Some(line) if line.is_empty() => line.clone_from(phrase),
            Some(line) => {
                line.push_str(", ");
                line.push_str(phrase);
            }
            None => lines.push(phrase.clone()),
        }
    }
    lines.join(",\n")
}

/// One CPU's series are as many as there are CPUs, and those of two CPUs as their pairs:
/// whichever do not differ are left out.
const fn is_shown(series: &Compared) -> bool {
    let differs = matches!(series.verdict, Verdict::Slower | Verdict::Faster);
    let dimensions = &series.key.dimensions;
    differs || dimensions.cpu.is_none() && dimensions.from.is_none()
}

/// What differs comes first.
const fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Slower => 0,
        Verdict::Faster => 1,
        Verdict::Inconclusive => 2,
        Verdict::Same => 3,
    }
}

/// Which dimensions are not the same in all series.
struct Varying {
    names: Vec<&'static str>,
    /// The others, with their values.
    same: String,
}

impl Varying {
    fn new(comparison: &Comparison) -> Self {
        let mut values: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
        let keys = comparison.series.iter().map(|series| &series.key);
        let keys = keys
            .chain(&comparison.only_in_a)
            .chain(&comparison.only_in_b);
        let mut names = Vec::new();
        for key in keys {
            for (name, value) in named(&key.dimensions) {
                let known = values.entry(name).or_default();
                if !known.contains(&value) {
                    known.push(value);
                }
                if known.len() > 1 && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        let first = comparison.series.first();
        let same = first.map_or_else(Vec::new, |series| {
            let all = named(&series.key.dimensions).into_iter();
            let same = all.filter(|(name, _)| !names.contains(name));
            same.filter_map(|(name, value)| Some(format!("{name} {}", value?)))
                .collect()
        });
        Self {
            names,
            same: wrapped(&same),
        }
    }

    /// What tells a series from the others.
    fn shown(&self, key: &Key) -> String {
        let all = named(&key.dimensions).into_iter();
        let shown = all
            .filter(|(name, _)| self.names.contains(name))
            .filter_map(|(name, value)| Some(format!("{name} {}", value?)));
        shown.collect::<Vec<_>>().join(", ")
    }
}

fn row(series: &Compared, varying: &Varying) -> Vec<Cell> {
    let interval = match (series.method, series.interval) {
        (Method::Exact, _) => "exact".to_owned(),
        (_, Some([low, high])) => format!("{} – {}", number(low), number(high)),
        (_, None) => "-".to_owned(),
    };
    let cell = Cell::new(series.verdict.name());
    let verdict = match series.verdict {
        Verdict::Slower if series.beyond_threshold => cell.fg(Color::Red),
        Verdict::Faster => cell.fg(Color::Green),
        Verdict::Slower | Verdict::Inconclusive => cell.fg(Color::Yellow),
        Verdict::Same => cell,
    };
    vec![
        Cell::new(series.key.metric),
        Cell::new(varying.shown(&series.key)),
        Cell::new(value(series.unit, series.a.p50)),
        Cell::new(value(series.unit, series.b.p50)),
        Cell::new(number(series.ratio)),
        Cell::new(interval),
        Cell::new(format!("{:+.2}", series.cliffs_delta)),
        verdict,
    ]
}

/// Why series are inconclusive, which only one side has, and what one run a side
/// cannot show.
fn notes(comparison: &Comparison, varying: &Varying) -> String {
    let mut text = String::new();
    let all = comparison.series.iter();
    let nr_left_out = all.filter(|series| !is_shown(series)).count();
    if nr_left_out > 0 {
        let series = count_of(
            nr_left_out,
            "series of a CPU or pair",
            "series of single CPUs and pairs",
        );
        let _ = writeln!(
            text,
            "{series} not shown, since no difference was found: --json"
        );
    }
    let mut reasons = BTreeMap::new();
    for reason in comparison.series.iter().filter_map(|series| series.reason) {
        *reasons.entry(reason).or_insert(0) += 1;
    }
    for (reason, nr) in reasons {
        let _ = writeln!(text, "{nr} inconclusive: {}", reason.words());
    }
    for (side, keys) in [("A", &comparison.only_in_a), ("B", &comparison.only_in_b)] {
        for key in keys {
            let _ = writeln!(
                text,
                "only in {side}: {} {}",
                key.metric,
                varying.shown(key)
            );
        }
    }
    let is_timed = |series: &Compared| series.method == Method::Ranks;
    let is_one_run = comparison.runs_a.min(comparison.runs_b) == 1;
    if is_one_run && comparison.series.iter().any(is_timed) {
        text +=
            "One run a side shows little: give several, or compare revisions, which take turns.\n";
    }
    text
}

fn value(unit: Unit, value: u64) -> String {
    match unit {
        Unit::Ns => screen::time(Some(value)),
        Unit::Instructions => value.to_string(),
    }
}

/// Three digits behind the point, of a large one fewer.
fn number(number: f64) -> String {
    match number {
        ..100.0 => {
            let text = format!("{number:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        100.0..1e6 => format!("{number:.0}"),
        _ => format!("{number:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use measure::compare::{Rules, compare};
    use measure::metrics::{ClockKind, Dimensions, Metric, Metrics, Series, Stage};

    use super::*;

    fn metrics(level: u64) -> Metrics {
        let dimensions = Dimensions {
            machine: Some("kvm-qemu".to_owned()),
            protocol: Some("serial-chain".to_owned()),
            call_in: Some("tree".to_owned()),
            election: Some("lowest".to_owned()),
            load_us: Some(100_000),
            hardware: Some("engine".to_owned()),
            ..Dimensions::new(Stage::Guest, ClockKind::Tsc, 255, 2, 2)
        };
        let other = Dimensions {
            machine: Some("tcg".to_owned()),
            protocol: Some("linux".to_owned()),
            ..dimensions.clone()
        };
        let of = |metric, dimensions: &Dimensions, cpu| {
            Series::of_passes(
                metric,
                dimensions.of_cpu(cpu),
                &[vec![level; 30], vec![level; 30]],
            )
        };
        let series = vec![
            of(Metric::RequestInstructions, &dimensions, 254),
            of(Metric::Stall, &other, 1),
        ];
        Metrics::new(serde_json::Value::Null, series)
    }

    #[test]
    fn the_table_of_the_widest_series_fits_100_columns_and_says_what_varies() {
        let sides = [123_456_789, 234_567_891].map(|level| vec![metrics(level); 2]);
        let shown = |nr_runs: usize| {
            let [a, b] = [&sides[0][..nr_runs], &sides[1][..nr_runs]];
            let compared = compare(a, b, &Rules::default()).unwrap();
            anstream::adapter::strip_str(&comparison(&compared)).to_string()
        };
        let text = shown(2);
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 100, "{widest}\n{text}");
        let first = text.lines().next().unwrap();
        assert!(
            first.contains("cpus 255") && !first.contains("protocol"),
            "{text}"
        );
        assert!(text.contains("linux"), "{text}");
        assert!(!text.contains("One run a side"), "{text}");
        assert!(
            text.contains("SLOWER: 2 series are slower in B by more than 10 %"),
            "{text}"
        );
        let one = shown(1);
        assert!(one.contains("One run a side"), "{one}");
        assert!(one.contains("NOT SLOWER"), "{one}");
    }

    #[test]
    fn a_number_has_as_many_digits_as_it_is_read_with() {
        let shown = [1.0, 1.3, 0.0466, 99.99, 1234.5, 1e9].map(number);
        assert_eq!(shown, ["1", "1.3", "0.047", "99.99", "1234", "1.0e9"]);
    }
}
