//! Which series of A belongs to which of B.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::metrics::{ClockKind, Dimensions, Metric, Metrics, Unit};

/// What tells a series from all others of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Key {
    /// What was measured.
    pub metric: Metric,
    /// Under what circumstances.
    pub dimensions: Dimensions,
}

/// The values of a series by runs, which are numbered as they were given, each by its
/// passes, in the order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs(BTreeMap<usize, Vec<Vec<u64>>>);

impl Runs {
    /// Of so many runs, each by its passes.
    #[cfg(test)]
    pub(super) fn of(runs: Vec<Vec<Vec<u64>>>) -> Self {
        Self(runs.into_iter().enumerate().collect())
    }

    /// All values, in the order of time.
    pub(super) fn values(&self) -> Vec<u64> {
        self.passes().flatten().copied().collect()
    }

    /// The values of each pass of all runs.
    pub(super) fn passes(&self) -> impl Iterator<Item = &Vec<u64>> {
        self.0.values().flatten()
    }

    /// The turns that both sides have, with the values of either.
    pub(super) fn turns(&self, other: &Self) -> Vec<Turn> {
        let both = self.0.iter().filter_map(|(&number, a)| {
            let b = other.0.get(&number)?.concat();
            let a = a.concat();
            Some(Turn { number, a, b })
        });
        both.collect()
    }

    /// The values of what was set up anew each time: of each run, or where there is
    /// only one, of each of its passes.
    pub(super) fn set_up_anew(&self) -> Vec<Vec<u64>> {
        let mut runs = self.0.values();
        match (runs.next(), runs.next()) {
            (Some(only), None) => only.clone(),
            _ => self.0.values().map(|passes| passes.concat()).collect(),
        }
    }
}

/// A run of either side, one after the other.
pub(super) struct Turn {
    pub(super) number: usize,
    pub(super) a: Vec<u64>,
    pub(super) b: Vec<u64>,
}

/// The series of one side.
type Side = BTreeMap<Key, Runs>;

/// The series that both sides have, and those of one.
pub(super) struct Matched {
    pub(super) both: Vec<(Key, Runs, Runs)>,
    pub(super) only_in_a: Vec<Key>,
    pub(super) only_in_b: Vec<Key>,
}

/// What two sides differ in, so that no comparison would mean anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The dimension, `metric` or `unit`.
    pub what: String,
    /// What A has; nothing is `none`.
    pub a: BTreeSet<String>,
    /// What B has.
    pub b: BTreeSet<String>,
}

/// Why two sides are not compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unlike {
    /// They were measured under different circumstances.
    #[error(
        "A and B were not measured under the same circumstances ({}): measure both with the same \
         flags", list(.0)
    )]
    Dimensions(Vec<Difference>),
    /// The circumstances are the same one by one, and never together.
    #[error(
        "no series of A has the same dimensions as one of B, though each dimension by itself has \
         the same values: measure both with the same flags"
    )]
    Combinations,
    /// A side has no series at all.
    #[error("{0} has no series: measure anew")]
    Empty(char),
}

fn list(differences: &[Difference]) -> String {
    let each: Vec<_> = differences.iter().map(ToString::to_string).collect();
    each.join("; ")
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = |of: &BTreeSet<String>| of.iter().cloned().collect::<Vec<_>>().join(" and ");
        let (a, b) = (values(&self.a), values(&self.b));
        write!(f, "{}: {a} in A, {b} in B", self.what)
    }
}

/// Each dimension by its name in the file with its value; none where it has none.
#[must_use]
pub fn named(dimensions: &Dimensions) -> [(&'static str, Option<String>); 14] {
    let of = |number: Option<u32>| number.map(|number| number.to_string());
    let clock = match dimensions.clock {
        ClockKind::Tsc => "tsc",
        ClockKind::Icount => "icount",
        ClockKind::Virtual => "virtual",
    };
    let load_us = dimensions.load_us.map(|load_us| load_us.to_string());
    [
        ("stage", Some(dimensions.stage.name().to_owned())),
        ("machine", dimensions.machine.clone()),
        ("protocol", dimensions.protocol.clone()),
        ("call_in", dimensions.call_in.clone()),
        ("election", dimensions.election.clone()),
        ("cpus", of(Some(dimensions.cpus))),
        ("threads", of(Some(dimensions.threads))),
        ("packages", of(Some(dimensions.packages))),
        ("load_us", load_us),
        ("hardware", dimensions.hardware.clone()),
        ("clock", Some(clock.to_owned())),
        ("cpu", of(dimensions.cpu)),
        ("from", of(dimensions.from)),
        ("to", of(dimensions.to)),
    ]
}

/// The dimensions that say whose series it is, not under which circumstances: which
/// thread of a core leads, and so has a series of loads, may be otherwise each time.
const WHOSE: [&str; 3] = ["cpu", "from", "to"];

/// The units and circumstances of a side, by what they are.
type Circumstances = BTreeMap<&'static str, BTreeSet<String>>;

/// Those of some metrics all together: whether a protocol shows a gate, say, is a
/// result and no circumstance.
fn circumstances(side: &[Metrics], of: &BTreeSet<Metric>) -> Circumstances {
    let mut all = Circumstances::new();
    let series = side.iter().flat_map(|metrics| &metrics.series);
    for series in series.filter(|series| of.contains(&series.metric)) {
        let unit: Unit = series.unit;
        let dimensions = named(&series.dimensions)
            .into_iter()
            .filter(|(name, _)| !WHOSE.contains(name));
        let unit = [("unit", Some(unit.name().to_owned()))];
        for (name, value) in dimensions.chain(unit) {
            let values = all.entry(name).or_default();
            values.insert(value.unwrap_or_else(|| "none".to_owned()));
        }
    }
    all
}

fn metrics_of(side: &[Metrics]) -> BTreeSet<Metric> {
    let series = side.iter().flat_map(|metrics| &metrics.series);
    series.map(|series| series.metric).collect()
}

/// What the metrics that both have differ in. A metric that only one has says
/// nothing, unless there is no other.
fn differences(a: &[Metrics], b: &[Metrics]) -> Vec<Difference> {
    let metrics = [a, b].map(metrics_of);
    let both: BTreeSet<Metric> = metrics[0].intersection(&metrics[1]).copied().collect();
    if both.is_empty() {
        let [a, b] = metrics.map(|of| of.iter().map(ToString::to_string).collect());
        let what = "metric".to_owned();
        return vec![Difference { what, a, b }];
    }
    let mut in_b = circumstances(b, &both);
    let in_a = circumstances(a, &both).into_iter();
    in_a.filter_map(|(what, a)| {
        let b = in_b.remove(what).filter(|b| *b != a)?;
        let what = what.to_owned();
        Some(Difference { what, a, b })
    })
    .collect()
}

/// The series by their keys; what stands in a file twice is joined.
fn by_key(side: &[Metrics]) -> Side {
    let mut all = Side::new();
    for (number, metrics) in side.iter().enumerate() {
        let mut run: BTreeMap<Key, Vec<Vec<u64>>> = BTreeMap::new();
        for series in &metrics.series {
            let key = Key {
                metric: series.metric,
                dimensions: series.dimensions.clone(),
            };
            let passes = series.by_pass().filter(|values| !values.is_empty());
            run.entry(key)
                .or_default()
                .extend(passes.map(<[u64]>::to_vec));
        }
        for (key, passes) in run.into_iter().filter(|(_, passes)| !passes.is_empty()) {
            all.entry(key).or_default().0.insert(number, passes);
        }
    }
    all
}

/// Matches the series by metric and all dimensions.
pub(super) fn matched(a: &[Metrics], b: &[Metrics]) -> Result<Matched, Unlike> {
    let (side_a, mut side_b) = (by_key(a), by_key(b));
    for (name, side) in [('A', &side_a), ('B', &side_b)] {
        if side.is_empty() {
            return Err(Unlike::Empty(name));
        }
    }
    let differences = differences(a, b);
    if !differences.is_empty() {
        return Err(Unlike::Dimensions(differences));
    }
    let (mut both, mut only_in_a) = (Vec::new(), Vec::new());
    for (key, runs_a) in side_a {
        match side_b.remove(&key) {
            Some(runs_b) => both.push((key, runs_a, runs_b)),
            None => only_in_a.push(key),
        }
    }
    if both.is_empty() {
        return Err(Unlike::Combinations);
    }
    Ok(Matched {
        both,
        only_in_a,
        only_in_b: side_b.into_keys().collect(),
    })
}
