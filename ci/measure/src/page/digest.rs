//! The figures that are looked at first, for whoever shows them without a page.

use std::collections::{BTreeMap, BTreeSet};

use crate::metrics::{Metric, Metrics};
use crate::summary::{Summary, median};

use super::row::Row;
use super::scene::{Setup, scenes};

/// What others are held against.
pub(super) const OWN: &str = "muster";

/// The loads that can be held against each other: of one stage and machine, by one
/// clock, and of one modelled time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The stage and machine, in words.
    pub name: String,
    /// The loads and the clock, in words.
    pub detail: String,
    /// By protocol, then by number of CPUs.
    pub lines: Vec<Line>,
    /// How the stall grows; none where only one number of CPUs was measured.
    pub growth: Option<Growth>,
}

/// One protocol on so many CPUs. Times are in ns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The protocol, with the options that tell it from others.
    pub label: String,
    /// How many CPUs.
    pub cpus: u32,
    /// The median of each metric of all CPUs together.
    pub medians: BTreeMap<Metric, u64>,
    /// The stall that 99 of 100 loads do not exceed.
    pub stall_p99: Option<u64>,
}

/// The median stalls over the number of CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The numbers of CPUs.
    pub cpus: Vec<u32>,
    /// A line for each protocol with its options.
    pub lines: Vec<GrowthLine>,
}

/// How one protocol's stall grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrowthLine {
    /// The protocol, with the options that tell it from others.
    pub label: String,
    /// Its median stall in ns by number of CPUs; none where it was not measured.
    pub stalls: Vec<Option<u64>>,
    /// The number of CPUs from which on its stall is always longer than `muster`'s;
    /// none where it is not at the largest, and of `muster` itself.
    pub longer_from: Option<u32>,
}

/// The digests of all loads of a file.
#[must_use]
pub fn digests(metrics: &Metrics) -> Vec<Digest> {
    let scenes = scenes(metrics).into_iter();
    let digests = scenes.flat_map(|scene| {
        let name = scene.name;
        scene.setups.into_iter().map(move |setup| Digest {
            name: name.clone(),
            lines: setup.rows.iter().map(line).collect(),
            growth: growth(&setup),
            detail: setup.detail,
        })
    });
    digests.collect()
}

fn line(row: &Row) -> Line {
    let of_all = [
        Metric::CallInSkew,
        Metric::Gate,
        Metric::GateLast,
        Metric::Stall,
    ];
    let medians = of_all.into_iter();
    let medians = medians.filter_map(|metric| Some((metric, median(row.values(metric))?)));
    Line {
        label: row.label.clone(),
        cpus: row.cpus,
        medians: medians.collect(),
        stall_p99: Summary::new(row.values(Metric::Stall)).map(|summary| summary.p99),
    }
}

/// How the stalls of a setup grow.
pub(super) fn growth(setup: &Setup) -> Option<Growth> {
    let cpus: Vec<u32> = setup.counts(Metric::Stall).into_iter().collect();
    if cpus.len() < 2 {
        return None;
    }
    let mut by_label: Vec<(&Row, BTreeMap<u32, u64>)> = Vec::new();
    for row in setup.with(Metric::Stall) {
        let known = by_label.iter_mut().find(|(one, _)| one.label == row.label);
        let stall = median(row.values(Metric::Stall)).map(|stall| (row.cpus, stall));
        match known {
            Some((_, stalls)) => stalls.extend(stall),
            None => by_label.push((row, stall.into_iter().collect())),
        }
    }
    let own = by_label.iter().find(|(row, _)| row.protocol == OWN);
    let own = own.map(|(row, stalls)| (row.label.clone(), stalls.clone()));
    let lines = by_label.iter().map(|(row, stalls)| {
        let other = own.as_ref().filter(|(label, _)| *label != row.label);
        GrowthLine {
            label: row.label.clone(),
            stalls: cpus.iter().map(|nr| stalls.get(nr).copied()).collect(),
            longer_from: other.and_then(|(_, own)| longer_from(stalls, own)),
        }
    });
    Some(Growth {
        lines: lines.collect(),
        cpus,
    })
}

/// The number of CPUs from which on all stalls that both have are longer than one's own.
fn longer_from(stalls: &BTreeMap<u32, u64>, own: &BTreeMap<u32, u64>) -> Option<u32> {
    let both: BTreeSet<u32> = stalls
        .keys()
        .filter(|nr| own.contains_key(nr))
        .copied()
        .collect();
    let longer = both.into_iter().rev().take_while(|nr| stalls[nr] > own[nr]);
    longer.last()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::metrics::{ClockKind, Dimensions, Series, Stage};

    fn stall(protocol: &str, cpus: u32, ns: u64) -> Series {
        let dimensions = Dimensions {
            protocol: Some(protocol.to_owned()),
            ..Dimensions::new(Stage::Simulated, ClockKind::Virtual, cpus, 1, 1)
        };
        Series::new(Metric::Stall, dimensions, vec![ns; 3])
    }

    #[test]
    fn the_number_is_told_from_which_on_a_protocol_is_longer_and_stays_so() {
        let series = [
            ("muster", [50, 60, 70, 80]),
            ("linux", [60, 55, 71, 900]),
            ("batches", [60, 70, 80, 79]),
        ];
        let series = series.into_iter().flat_map(|(protocol, stalls)| {
            let stalls = [2, 4, 8, 16].into_iter().zip(stalls);
            stalls.map(move |(cpus, ns)| stall(protocol, cpus, ns))
        });
        let digests = digests(&Metrics::new(Value::Null, series.collect()));
        let growth = digests[0].growth.as_ref().unwrap();
        let lines = growth.lines.iter();
        let found: Vec<_> = lines
            .map(|one| (one.label.as_str(), one.longer_from))
            .collect();
        let expected = [("muster", None), ("linux", Some(8)), ("batches", None)];
        assert_eq!(found, expected);
        assert_eq!(
            growth.lines[1].stalls,
            [Some(60), Some(55), Some(71), Some(900)]
        );
    }

    #[test]
    fn one_number_of_cpus_shows_no_growth() {
        let metrics = Metrics::new(
            Value::Null,
            vec![stall("muster", 2, 5), stall("linux", 2, 9)],
        );
        let digest = &digests(&metrics)[0];
        assert_eq!(digest.growth, None);
        assert_eq!(digest.lines[1].medians[&Metric::Stall], 9);
        assert_eq!(digest.lines[1].stall_p99, Some(9));
    }
}
