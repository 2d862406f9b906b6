//! `junit.xml`: the guests' tests for tools that read `JUnit` files.
//!
//! A failing test of a run that ends as declared is no failure to such a
//! tool: it is shown as passed, and says why. The last case, `verdict`,
//! stands for the run as a whole, so that a guest that died before its plan
//! cannot look like a suite without tests.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use report::Status;

use super::RunResult;

/// The report of runs, a suite of tests for each.
#[must_use]
pub fn junit<'a>(results: impl IntoIterator<Item = &'a RunResult>) -> Report {
    let mut report = Report::new("muster");
    let mut time = Duration::ZERO;
    for result in results {
        time = time.saturating_add(seconds(result));
        report.add_test_suite(suite(result));
    }
    report.set_time(time);
    report
}

fn suite(result: &RunResult) -> TestSuite {
    let scenario = &result.context.scenario;
    let mut suite = TestSuite::new(scenario.as_str());
    suite.set_time(seconds(result));
    let class = format!("muster.{}.{scenario}", result.machine_name());
    for test in &result.tests {
        let kind = match test.status {
            Status::Fail => Some(NonSuccessKind::Failure),
            Status::Error => Some(NonSuccessKind::Error),
            Status::Pass | Status::Skip => None,
        };
        let status = match (test.status, kind) {
            (Status::Skip, _) => with_message(TestCaseStatus::skipped(), &test.reason),
            (_, Some(kind)) if !result.as_expected => {
                with_message(TestCaseStatus::non_success(kind), &test.reason)
            }
            _ => TestCaseStatus::success(),
        };
        let mut case = TestCase::new(test.name.as_str(), status);
        case.set_classname(class.as_str());
        if kind.is_some() && result.as_expected {
            case.set_system_out(format!("not ok, as declared: {}", test.reason));
        }
        suite.add_test_case(case);
    }
    suite.add_test_case(verdict(result, &class));
    suite
}

fn verdict(result: &RunResult, class: &str) -> TestCase {
    let sentence = format!("{}: {}", result.verdict, result.reason);
    let status = match result.verdict {
        _ if result.as_expected => TestCaseStatus::success(),
        crate::verdict::Verdict::Skip => with_message(TestCaseStatus::skipped(), &result.reason),
        crate::verdict::Verdict::Error => with_message(
            TestCaseStatus::non_success(NonSuccessKind::Error),
            &sentence,
        ),
        _ => {
            let deviations = result.deviations.join("; ");
            let message = format!("{sentence} ({deviations})");
            with_message(
                TestCaseStatus::non_success(NonSuccessKind::Failure),
                &message,
            )
        }
    };
    let mut case = TestCase::new("verdict", status);
    case.set_classname(class);
    case.set_time(seconds(result));
    case.set_system_out(sentence);
    case
}

fn with_message(mut status: TestCaseStatus, message: &str) -> TestCaseStatus {
    status.set_message(message);
    status
}

fn seconds(result: &RunResult) -> Duration {
    // A damaged file that is judged again may hold any number.
    Duration::try_from_secs_f64(result.context.seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::tests::swallowed;

    #[test]
    fn a_failure_that_is_declared_is_none_to_junit() {
        let mut result = swallowed();
        result.as_expected = true;
        let report = junit([&result]);
        assert_eq!(report.test_suites[0].failures, 0);
        assert_eq!(report.tests, result.tests.len() + 1);
        assert!(report.to_string().unwrap().contains("as declared"));
    }

    #[test]
    fn an_undeclared_failure_fails_its_test_and_the_verdict() {
        let mut result = swallowed();
        result.as_expected = false;
        result.deviations = vec!["PASS was declared".to_owned()];
        let report = junit([&result]);
        assert_eq!(report.test_suites[0].failures, 3);
        assert!(report.to_string().unwrap().contains("PASS was declared"));
    }

    #[test]
    fn a_run_without_tests_still_has_a_case() {
        let mut result = swallowed();
        result.tests.clear();
        assert_eq!(junit([&result]).tests, 1);
    }
}
