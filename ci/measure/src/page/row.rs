//! What one protocol took on so many CPUs, and how it is told from others.

use std::collections::BTreeMap;

use rendezvous::{CallIn, Election, Named};

use crate::metrics::{Dimensions, Metric, Series};

use super::colour::rank;
use super::units::cpus;

/// One protocol with its options on so many CPUs.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) protocol: String,
    /// The protocol, with the options that tell it from others of the setup.
    pub(super) label: String,
    pub(super) cpus: u32,
    pub(super) threads: u32,
    pub(super) packages: u32,
    /// The values in ns, in rising order.
    pub(super) spans: BTreeMap<Metric, Vec<u64>>,
}

impl Row {
    /// The values of a metric in rising order.
    pub(super) fn values(&self, metric: Metric) -> &[u64] {
        self.spans.get(&metric).map_or(&[], Vec::as_slice)
    }
}

/// What must agree for two series to be of one row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RowKey {
    rank: usize,
    protocol: String,
    /// Options that are not the usual ones come after those.
    call_in: (bool, Option<String>),
    election: (bool, Option<String>),
    cpus: u32,
    threads: u32,
    packages: u32,
}

impl RowKey {
    fn new(dimensions: &Dimensions) -> Self {
        let protocol = dimensions.protocol.clone().unwrap_or_default();
        let option = |option: &Option<String>, usual: &str| {
            let other = option.as_ref().is_some_and(|option| option != usual);
            (other, option.clone())
        };
        Self {
            rank: rank(&protocol),
            protocol,
            call_in: option(&dimensions.call_in, CallIn::default().name()),
            election: option(&dimensions.election, Election::default().name()),
            cpus: dimensions.cpus,
            threads: dimensions.threads,
            packages: dimensions.packages,
        }
    }
}

/// The rows of series of one setup: protocols in the order of legends, the usual
/// options first, then by number of CPUs.
pub(super) fn rows(series: &[&Series]) -> Vec<Row> {
    let mut by_key: BTreeMap<RowKey, BTreeMap<Metric, Vec<u64>>> = BTreeMap::new();
    for series in series {
        let spans = by_key.entry(RowKey::new(&series.dimensions)).or_default();
        spans
            .entry(series.metric)
            .or_default()
            .extend(&series.values);
    }
    let keys: Vec<_> = by_key.keys().cloned().collect();
    let row = |(key, mut spans): (RowKey, BTreeMap<Metric, Vec<u64>>)| {
        for values in spans.values_mut() {
            values.sort_unstable();
        }
        Row {
            label: label(&key, &keys),
            protocol: key.protocol,
            cpus: key.cpus,
            threads: key.threads,
            packages: key.packages,
            spans,
        }
    };
    let mut rows: Vec<_> = by_key.into_iter().map(row).collect();
    // Keys have them by protocol and options, then by size; topologies of one size
    // that have a label each are pulled apart here.
    let labels: Vec<String> = rows.iter().map(|row| row.label.clone()).collect();
    rows.sort_by_key(|row| labels.iter().position(|label| *label == row.label));
    rows
}

/// The protocol, with what tells this row from others of the same protocol: options
/// that are used in more than one way, and the topology where a number of CPUs has
/// several.
fn label(key: &RowKey, all: &[RowKey]) -> String {
    let same = || all.iter().filter(|other| other.protocol == key.protocol);
    let options = [
        (
            &key.call_in,
            same().any(|other| other.call_in != key.call_in),
        ),
        (
            &key.election,
            same().any(|other| other.election != key.election),
        ),
    ];
    let options = options.into_iter().filter(|(_, differs)| *differs);
    let mut marks: Vec<_> = options
        .filter_map(|((_, option), _)| option.clone())
        .collect();
    let same_size = || {
        same().filter(|other| {
            let options = (&other.call_in, &other.election, other.cpus);
            options == (&key.call_in, &key.election, key.cpus)
        })
    };
    if same_size().any(|other| other.threads != key.threads) {
        let plural = if key.threads == 1 { "" } else { "s" };
        marks.push(format!("{} thread{plural} a core", key.threads));
    }
    if same_size().any(|other| other.packages != key.packages) {
        let plural = if key.packages == 1 { "" } else { "s" };
        marks.push(format!("{} package{plural}", key.packages));
    }
    if marks.is_empty() {
        key.protocol.clone()
    } else {
        format!("{} ({})", key.protocol, marks.join(", "))
    }
}

/// How many CPUs of what kind, in words.
pub(super) fn topology(row: &Row) -> String {
    let Row {
        threads, packages, ..
    } = row;
    let packages = match packages {
        1 => String::new(),
        count => format!(", {count} packages"),
    };
    format!("{}, {threads} a core{packages}", cpus(row.cpus))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{ClockKind, Stage};

    fn dimensions(protocol: &str, cpus: u32) -> Dimensions {
        Dimensions {
            protocol: Some(protocol.to_owned()),
            ..Dimensions::new(Stage::Native, ClockKind::Tsc, cpus, 1, 1)
        }
    }

    fn labels(all: Vec<Dimensions>) -> Vec<String> {
        let stall = |dimensions| Series::new(Metric::Stall, dimensions, vec![3, 1, 2]);
        let series: Vec<_> = all.into_iter().map(stall).collect();
        let rows = rows(&series.iter().collect::<Vec<_>>());
        rows.into_iter()
            .map(|row| format!("{} {}", row.label, row.cpus))
            .collect()
    }

    #[test]
    fn a_label_has_the_options_that_differ_and_no_others() {
        let mut flat = dimensions("muster", 2);
        flat.call_in = Some("flat".to_owned());
        flat.election = Some("first".to_owned());
        let mut tree = dimensions("muster", 4);
        tree.call_in = Some("tree".to_owned());
        tree.election = Some("first".to_owned());
        let all = vec![flat, tree, dimensions("linux", 2)];
        assert_eq!(
            labels(all),
            ["muster (tree) 4", "muster (flat) 2", "linux 2"]
        );
    }

    #[test]
    fn topologies_are_told_apart_only_where_a_size_has_several() {
        let mut wide = dimensions("xen", 2);
        wide.threads = 2;
        let mut large = dimensions("linux", 256);
        large.packages = 2;
        let all = vec![dimensions("linux", 2), large, wide, dimensions("xen", 2)];
        assert_eq!(
            labels(all),
            [
                "xen (1 thread a core) 2",
                "xen (2 threads a core) 2",
                "linux 2",
                "linux 256"
            ]
        );
    }
}
