//! What came of the cases: the values behind the table, the JSON and the
//! `JUnit` file.

use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;

use super::case::{Case, Prediction};
use super::{Observation, Outcome, Peer, Release, Request};
use crate::verdict::Verdict;

/// The version of the layout of the JSON.
pub const SCHEMA_VERSION: u32 = 1;

/// A case in a list.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Entry<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it shows.
    pub summary: &'a str,
}

impl<'a> Entry<'a> {
    /// What a list has of a case.
    #[must_use]
    pub fn new(case: &'a Case) -> Self {
        Self {
            name: &case.name,
            summary: &case.summary,
        }
    }
}

/// All cases of a peer.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Which peer.
    pub peer: Peer,
    /// Of which release of Debian.
    pub release: Release,
    /// The package and its version; `None` when it could not be had.
    pub program: Option<String>,
    /// The worst of the cases'.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// The cases in their order.
    pub cases: Vec<CaseResult>,
}

/// A case, compared.
#[derive(Clone, Debug, Serialize)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub summary: String,
    /// PASS if both did as predicted.
    pub verdict: Verdict,
    /// Why not, a sentence each.
    pub reasons: Vec<String>,
    /// Why the peer differs from its profile, where that is known.
    pub unlike: Option<String>,
    /// The peer's boot.
    pub peer: Option<Side>,
    /// What the peer said.
    pub words: String,
    /// Muster's run.
    pub muster: Option<Side>,
    /// How long the peer ran, in seconds.
    pub seconds: f64,
}

/// One of the two loaders.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// The verdict on the candidate by its profile.
    pub predicted: &'static str,
    /// What it should do.
    pub expected: Outcome,
    /// What it did.
    pub outcome: Outcome,
    /// The revision of all CPUs at the end, if they have one.
    pub revision: Option<String>,
    /// Writes of the load register.
    pub nr_writes: usize,
    /// Why the CPU did not take a write.
    pub refusals: Vec<String>,
    /// What a loader must not do.
    pub misuses: Vec<String>,
    /// The folder of its files.
    pub directory: String,
}

impl Side {
    /// What was predicted and what the machine saw.
    #[must_use]
    pub fn new(prediction: &Prediction, seen: &Observation, directory: String) -> Self {
        Self {
            predicted: prediction.verdict,
            expected: prediction.outcome,
            outcome: seen.outcome,
            revision: seen.revision().map(|revision| format!("{revision:#010x}")),
            nr_writes: seen.nr_writes,
            refusals: seen.refusals.clone(),
            misuses: seen.misuses.clone(),
            directory,
        }
    }
}

impl CaseResult {
    /// A case that ended before there was something to compare.
    #[must_use]
    pub fn without(case: &Case, verdict: Verdict, reason: String) -> Self {
        Self {
            name: case.name.clone(),
            summary: case.summary.clone(),
            verdict,
            reasons: vec![reason],
            unlike: None,
            peer: None,
            words: String::new(),
            muster: None,
            seconds: 0.0,
        }
    }
}

impl Report {
    /// Sums the cases up.
    #[must_use]
    pub fn new(request: &Request, program: String, cases: Vec<CaseResult>) -> Self {
        let verdicts = cases.iter().map(|case| case.verdict);
        let verdict = verdicts
            .max_by_key(|verdict| verdict.severity())
            .unwrap_or(Verdict::Skip);
        let mut report = Self {
            schema_version: SCHEMA_VERSION,
            peer: request.peer,
            release: request.release,
            program: Some(program),
            verdict,
            reason: String::new(),
            cases,
        };
        report.reason = report.summary();
        report
    }

    /// Nothing ran.
    #[must_use]
    pub fn skipped(request: &Request, reason: String) -> Self {
        Self {
            program: None,
            verdict: Verdict::Skip,
            reason,
            ..Self::new(request, String::new(), Vec::new())
        }
    }

    /// Makes every skip an ERROR, as `--deny-skips` asks for.
    pub fn deny_skips(&mut self) {
        const DENIED: &str = "skipped, and --deny-skips forbids it";
        let cases = self.cases.iter_mut();
        for case in cases.filter(|case| case.verdict == Verdict::Skip) {
            case.verdict = Verdict::Error;
            case.reasons.insert(0, DENIED.to_owned());
            self.verdict = self.verdict.worse(Verdict::Error);
        }
        if self.verdict == Verdict::Skip {
            self.verdict = Verdict::Error;
            self.reason = format!("{DENIED}: {}", self.reason);
        } else {
            self.reason = self.summary();
        }
    }

    fn summary(&self) -> String {
        let of = |verdict| self.cases.iter().filter(|c| c.verdict == verdict).count();
        let (nr_passed, nr_skipped) = (of(Verdict::Pass), of(Verdict::Skip));
        let skipped = match nr_skipped {
            0 => String::new(),
            _ => format!(", {nr_skipped} skipped"),
        };
        format!(
            "{nr_passed} of {} cases as predicted{skipped}",
            self.cases.len()
        )
    }

    /// The report for tools that read `JUnit` files: a test for each case, or
    /// one for all that could not run.
    #[must_use]
    pub fn junit(&self) -> quick_junit::Report {
        let name = format!("peer-{}-{}", self.peer, self.release.codename()).to_lowercase();
        let mut suite = TestSuite::new(name.as_str());
        let tests = self.cases.iter().map(|case| {
            let mut test = test(&case.name, case.verdict, &case.reasons.join("; "));
            // A damaged clock may say anything.
            test.set_time(Duration::try_from_secs_f64(case.seconds).unwrap_or_default());
            test
        });
        suite.add_test_cases(tests);
        if self.cases.is_empty() {
            suite.add_test_case(test("all", self.verdict, &self.reason));
        }
        let mut report = quick_junit::Report::new("muster");
        report.add_test_suite(suite);
        report
    }
}

fn test(name: &str, verdict: Verdict, reason: &str) -> TestCase {
    let mut status = match verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Skip => TestCaseStatus::skipped(),
        Verdict::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
        _ => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    if verdict != Verdict::Pass {
        status.set_message(reason);
    }
    TestCase::new(name, status)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn request() -> Request {
        Request {
            peer: Peer::Linux,
            release: Release::Trixie,
            cases: Vec::new(),
            nr_jobs: 1,
            deny_skips: false,
        }
    }

    fn report(verdicts: &[Verdict]) -> Report {
        let case = &super::super::cases(&[]).unwrap()[0];
        let cases = verdicts
            .iter()
            .map(|&verdict| CaseResult::without(case, verdict, "a reason".to_owned()));
        Report::new(&request(), "linux".to_owned(), cases.collect())
    }

    #[test]
    fn the_worst_case_is_the_verdict_of_all() {
        use Verdict::{Error, Fail, Pass, Skip};
        assert_eq!(report(&[Pass, Skip]).verdict, Pass);
        assert_eq!(report(&[Pass, Fail, Error]).verdict, Fail);
        assert_eq!(report(&[]).verdict, Skip);
        let reason = report(&[Pass, Skip, Fail]).reason;
        assert_eq!(reason, "1 of 3 cases as predicted, 1 skipped");
    }

    #[test]
    fn a_denied_skip_is_an_error_of_its_case_and_of_all() {
        let mut denied = report(&[Verdict::Pass, Verdict::Skip]);
        denied.deny_skips();
        assert_eq!(denied.verdict, Verdict::Error);
        assert_eq!(denied.cases[1].verdict, Verdict::Error);
        let mut denied = Report::skipped(&request(), "no mirror".to_owned());
        denied.deny_skips();
        assert_eq!(denied.verdict, Verdict::Error);
        assert!(denied.reason.ends_with(": no mirror"), "{}", denied.reason);
    }

    #[test]
    fn junit_has_a_test_for_each_case_and_one_where_there_is_none() {
        let junit = report(&[Verdict::Pass, Verdict::Fail, Verdict::Skip]).junit();
        assert_eq!((junit.tests, junit.failures), (3, 1));
        let skipped = Report::skipped(&request(), "no mirror".to_owned()).junit();
        assert_eq!(skipped.tests, 1);
        assert!(skipped.to_string().unwrap().contains("no mirror"));
    }
}
