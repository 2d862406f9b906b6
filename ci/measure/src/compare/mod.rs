//! Two measurements against each other: which series became slower.
//!
//! A false alarm costs more than a difference that is found a run later, and the
//! values of one run depend on each other. So a series is called different only if
//! all of this holds:
//!
//! 1. Cut into batches in the order of time, the batches' levels differ by Mann
//!    and Whitney's test. Batches that depend on each other count for fewer than
//!    they are.
//! 2. The sides differ by more than the runs of one side do, or of one run a side
//!    its passes, by Student's test of their levels, and still do so among all series
//!    of the comparison by Holm's correction. One pass a side is not enough.
//! 3. The whole 95 % interval of the ratio lies beyond the threshold. It is that
//!    of Hodges and Lehmann's shift of the logarithms: the interval of the same
//!    test, with the same batches, so that both never contradict each other.
//!    The ratio of two medians would need a bootstrap, and so numbers by chance.
//! 4. They differ by more than the two time stamps of a span cost, cache lines take the
//!    same time on both sides, and no emulator's times are those of the host.
//! 5. The ratio lies as far beyond what the gates of other crates' barriers differ by,
//!    which were measured beside them, and those do not differ for certain themselves.
//!    Where there are none, one run a side is not enough.
//!
//! Is the whole interval within the threshold, the series is the same; whatever is
//! neither is inconclusive. Counts and virtual time need none of this: they are the
//! same whenever they are measured, so any difference is one of the builds.
//!
//! Runs that took turns are held against each other turn by turn, so that what the
//! machine did meanwhile is no difference: by Wilcoxon's test of signed ranks, the
//! median of the means of pairs, and Student's test of the turns' differences. Turns in
//! which the cache lines took another time are left out.
//!
//! A level says nothing of the rare slow ones: those are in the summaries, and not
//! judged.

mod batches;
mod controls;
mod ground;
mod judge;
mod matched;
mod rank;
mod signed;
#[cfg(test)]
mod tests;

pub use judge::{Method, Reason, Verdict};
pub use matched::{Difference, Key, Unlike, named};

use serde::Serialize;

use crate::metrics::{Metrics, Unit};
use crate::summary::Summary;

/// The version of the layout of a comparison.
pub const SCHEMA_VERSION: u32 = 1;

/// What counts as a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// How much longer the one must take than the other, as a part of the shorter:
    /// 0.1 is 10 %.
    pub threshold: f64,
    /// How often, at most, a comparison of equals may find a significant series.
    pub significance: f64,
    /// Whether A's runs and B's were measured in turns, the first of A with the first of
    /// B and so on.
    pub take_turns: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            threshold: 0.1,
            significance: 0.01,
            take_turns: false,
        }
    }
}

/// Two measurements, compared.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// [`Rules::threshold`].
    pub threshold: f64,
    /// [`Rules::significance`].
    pub significance: f64,
    /// How many runs A was joined of.
    pub runs_a: usize,
    /// How many runs B was joined of.
    pub runs_b: usize,
    /// Whether any series is slower beyond the threshold.
    pub slower: bool,
    /// The series that both have.
    pub series: Vec<Compared>,
    /// Those that only A has.
    pub only_in_a: Vec<Key>,
    /// Those that only B has.
    pub only_in_b: Vec<Key>,
}

/// One series, compared.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// Which it is.
    #[serde(flatten)]
    pub key: Key,
    /// In what its values are.
    pub unit: Unit,
    /// Its values in A, all runs together.
    pub a: Summary,
    /// Its values in B, all runs together.
    pub b: Summary,
    /// How it was compared.
    pub method: Method,
    /// B's level to A's: 1.3 is 30 % slower. A level of 0 counts as half a unit.
    pub ratio: f64,
    /// The 95 % interval of the ratio; null where the values give none.
    pub interval: Option<[f64; 2]>,
    /// Cliff's delta of all values: how much likelier a value of B is the greater
    /// one than the smaller one, from -1 to 1.
    pub cliffs_delta: f64,
    /// The p-value of what was set up anew, among all series; null where nothing was
    /// tested.
    pub p: Option<f64>,
    /// The p-value of the batches' ranks, of this series alone; likewise.
    pub p_of_ranks: Option<f64>,
    /// What is said of it.
    pub verdict: Verdict,
    /// Why nothing can be said of it.
    pub reason: Option<Reason>,
    /// Whether it differs by more than the threshold; without that, only counts and
    /// virtual time are called different.
    pub beyond_threshold: bool,
}

/// Compares two measurements, each of one run or more.
pub fn compare(a: &[Metrics], b: &[Metrics], rules: &Rules) -> Result<Comparison, Unlike> {
    let matched = matched::matched(a, b)?;
    let ground = ground::Ground::new(a.iter().chain(b), &matched, rules.take_turns);
    let both = matched.both.iter();
    let findings: Vec<_> = both
        .map(|(key, a, b)| judge::find(&key.dimensions, a, b, &ground))
        .collect();
    let ps = findings.iter().map(|finding| finding.p_of_set_ups);
    let ps = judge::holm(&ps.collect::<Vec<_>>());
    let threshold = rules.threshold.ln_1p();
    let keys = matched.both.iter().map(|(key, _, _)| key);
    let controls = controls::Controls::new(keys.zip(&findings), threshold);
    // Of several runs a side it is known what runs differ by.
    let without_any = (rules.take_turns || a.len().min(b.len()) > 1).then_some(0.0);
    let series: Vec<_> = matched
        .both
        .iter()
        .zip(findings.iter().zip(ps))
        .filter_map(|((key, a, b), (finding, p))| {
            let of_controls = controls.beside(&key.dimensions).or(without_any);
            let judged = finding.judged(&judge::Bounds {
                threshold,
                is_significant: p.is_some_and(|p| p < rules.significance),
                of_controls,
            });
            Compared::new(key, &a.values(), &b.values(), finding, p, judged)
        })
        .collect();
    Ok(Comparison {
        schema_version: SCHEMA_VERSION,
        threshold: rules.threshold,
        significance: rules.significance,
        runs_a: a.len(),
        runs_b: b.len(),
        slower: series.iter().any(Compared::is_slower_beyond),
        series,
        only_in_a: matched.only_in_a,
        only_in_b: matched.only_in_b,
    })
}

impl Compared {
    fn new(
        key: &Key,
        a: &[u64],
        b: &[u64],
        finding: &judge::Finding,
        p: Option<f64>,
        judged: judge::Judged,
    ) -> Option<Self> {
        let judge::Judged {
            verdict,
            reason,
            beyond_threshold,
        } = judged;
        let logs = |values: &[u64]| values.iter().copied().map(batches::log).collect::<Vec<_>>();
        Some(Self {
            key: key.clone(),
            unit: key.metric.unit(),
            a: Summary::new(a)?,
            b: Summary::new(b)?,
            method: finding.method,
            ratio: finding.shift.exp(),
            interval: finding.interval.map(|interval| interval.map(f64::exp)),
            cliffs_delta: rank::Pairs::new(&logs(a), &logs(b))?.cliffs_delta(),
            p,
            p_of_ranks: finding.p_of_ranks,
            verdict,
            reason,
            beyond_threshold,
        })
    }

    /// Whether it is slower in B by more than the threshold.
    #[must_use]
    pub fn is_slower_beyond(&self) -> bool {
        self.verdict == Verdict::Slower && self.beyond_threshold
    }
}
