//! What a scenario declares, and how a result is held against it.

use std::collections::BTreeMap;
use std::fmt::Display;

use report::{CandidateVerdict, InitrdSource, Outcome, REPEAT, Status};
use serde::{Deserialize, Deserializer};

use super::features::{self, ExpectedFeature};
use super::{Outcomes, Scenario};
use crate::guest::{Hardware, Job};
use crate::named::{AnyOf, Name, Named};
use crate::plans::Plan;
use crate::result::{RunResult, status_word};
use crate::verdict::Verdict;

/// The guest's tests that look at what an update brought about.
const EFFECT: [&str; 3] = ["load", "verify", REPEAT];

/// A scenario's table `expect`. All of it must hold; what is left out is not
/// looked at.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The verdicts that count as passed. A file declares one; a machine that
    /// ignores updates may add others.
    #[serde(rename = "verdict", deserialize_with = "one")]
    pub verdicts: Vec<Verdict>,
    /// A part of the reason.
    pub reason: Option<String>,
    /// Where the guest found the microcode.
    pub initrd: Option<Named<InitrdSource>>,
    /// How each CPU ended, in the order of their numbers, or all of them alike;
    /// `updated|followed` where it is for the machine to choose.
    pub outcomes: Option<Outcomes>,
    /// How each CPU ended that came online later, likewise.
    pub arrivals: Option<Outcomes>,
    /// What became of each candidate, in the order of the initrd.
    pub candidates: Option<Vec<Named<CandidateVerdict>>>,
    /// Which feature words changed, in any order; no other does.
    pub features: Option<Vec<ExpectedFeature>>,
    /// What the machine saw that a loader must not do, by kind, each as often as
    /// it was seen.
    pub misuses: Option<Vec<String>>,
    /// Parts of the advice, in its order, all of it.
    pub advice: Option<Vec<String>>,
    /// The CPUs that NMIs arrived on during the request.
    pub nmis: Option<Vec<u32>>,
    /// How tests ended, by name.
    #[serde(default)]
    pub tests: BTreeMap<String, Named<Status>>,
    /// The fault plan by chance that has to explain how each CPU ended.
    #[serde(skip)]
    pub plan: Option<Plan>,
}

impl Scenario {
    /// The verdicts that count as passed.
    #[must_use]
    pub fn expected(&self) -> Vec<Verdict> {
        match &self.expect {
            Some(expectation) => expectation.verdicts.clone(),
            None if self.guest.hardware == Hardware::Engine => vec![Verdict::Pass],
            None if self.guest.job == Job::DryRun => vec![Verdict::Done],
            None => self.machine.kind.best_verdicts().to_vec(),
        }
    }

    /// Holds a result against what this scenario declares: the verdict, and
    /// if that is as declared, the rest.
    pub fn review(&self, result: &mut RunResult) {
        review(result);
        let Some(expectation) = &self.expect else {
            return;
        };
        if result.as_expected {
            result.deviations = expectation.deviations(result);
            result.as_expected = result.deviations.is_empty();
        }
        if let Some(plan) = &expectation.plan
            && !result.as_expected
        {
            result.deviations.push(plan.again(self.machine.kind));
        }
    }
}

/// Makes a skip that nothing declares an ERROR, as `--deny-skips` asks for.
pub fn deny_skip(result: &mut RunResult) {
    if result.verdict == Verdict::Skip && !result.context.expected.contains(&Verdict::Skip) {
        result.verdict = Verdict::Error;
        result.reason = format!("skipped, and --deny-skips forbids it: {}", result.reason);
    }
}

/// Holds a result's verdict against the verdicts that its context expects.
pub fn review(result: &mut RunResult) {
    let expected = &result.context.expected;
    result.deviations.clear();
    if !expected.contains(&result.verdict) {
        let deviation = format!(
            "the verdict is {}, not {}",
            result.verdict,
            any_of(expected)
        );
        result.deviations.push(deviation);
    }
    result.as_expected = result.deviations.is_empty();
}

/// Verdicts in words: `PASS or SWALLOWED`.
#[must_use]
pub fn any_of(verdicts: &[Verdict]) -> String {
    let names: Vec<_> = verdicts.iter().map(|verdict| verdict.name()).collect();
    names.join(" or ")
}

fn one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Verdict>, D::Error> {
    Verdict::deserialize(deserializer).map(|verdict| vec![verdict])
}

impl Expectation {
    /// That the plan explains how each CPU ended.
    #[must_use]
    pub fn of_plan(plan: Plan) -> Self {
        Self {
            verdicts: plan.verdicts(),
            reason: None,
            initrd: None,
            outcomes: None,
            arrivals: None,
            candidates: None,
            features: Some(Vec::new()),
            misuses: None,
            advice: None,
            nmis: None,
            tests: BTreeMap::new(),
            plan: Some(plan),
        }
    }

    /// What is left of it on a machine that ignores updates, when it was
    /// declared for one that takes them.
    ///
    /// What ends a run before an update has an effect, or for want of one,
    /// ends it there as well. A pass becomes `best`, the verdicts that the
    /// machine allows. A failure stays one, unless it lay in the effect, which
    /// then is swallowed. How CPUs ended, and the tests that look at their
    /// revisions, say nothing there.
    #[must_use]
    pub fn without_effect(mut self, best: &[Verdict]) -> Self {
        match self.verdicts[..] {
            [Verdict::Skip | Verdict::Error | Verdict::Crash | Verdict::Timeout] => return self,
            [Verdict::Pass | Verdict::Done] => {
                best.clone_into(&mut self.verdicts);
            }
            _ => self.verdicts.push(Verdict::Swallowed),
        }
        self.reason = None;
        self.outcomes = None;
        self.arrivals = None;
        self.features = None;
        self.misuses = None;
        self.advice = None;
        self.tests
            .retain(|name, _| !EFFECT.contains(&name.as_str()));
        self
    }

    /// Whether it leaves open for a CPU if it takes the update, so that the next
    /// run may end otherwise.
    #[must_use]
    pub fn leaves_success_open(&self) -> bool {
        self.outcomes
            .as_ref()
            .is_some_and(Outcomes::leave_success_open)
    }

    /// Forgets what is said of CPUs by their numbers, where there are others.
    pub(super) fn forget_numbers(&mut self) {
        for outcomes in [&mut self.outcomes, &mut self.arrivals] {
            *outcomes = outcomes.take().filter(Outcomes::is_of_all);
        }
        let is_of_all = |features: &Vec<ExpectedFeature>| features.iter().all(|f| f.cpus.is_none());
        self.features = self.features.take().filter(is_of_all);
        self.nmis = None;
        self.advice = None;
    }

    /// What of a result is otherwise than declared, the verdict aside.
    fn deviations(&self, result: &RunResult) -> Vec<String> {
        let mut deviations = Vec::new();
        if let Some(reason) = &self.reason
            && !result.reason.contains(reason)
        {
            deviations.push(format!(
                "the reason is {:?}, without {reason:?}",
                result.reason
            ));
        }
        if let Some(source) = self.initrd
            && result.initrd_source != Some(source.0)
        {
            let found = result.initrd_source.map_or("none", InitrdSource::name);
            deviations.push(format!("the initrd is {found}, not {source}"));
        }
        let outcomes: Vec<_> = result.cpus.iter().map(|cpu| cpu.outcome).collect();
        let is = |found: &Outcome, expected: &AnyOf<Outcome>| expected.has(*found);
        let expected = self.outcomes.as_ref().map(|all| all.of(outcomes.len()));
        deviations.extend(differing("CPU", &outcomes, expected.as_deref(), is));
        let arrivals: Vec<_> = result.arrivals.iter().map(|cpu| cpu.outcome).collect();
        let expected = self.arrivals.as_ref().map(|all| all.of(arrivals.len()));
        deviations.extend(differing("late CPU", &arrivals, expected.as_deref(), is));
        let verdicts: Vec<_> = result.candidates.iter().map(|c| c.verdict).collect();
        deviations.extend(differing(
            "candidate",
            &verdicts,
            self.candidates.as_deref(),
            |found, expected| *found == expected.0,
        ));
        if let Some(expected) = &self.features {
            deviations.extend(features::deviations(expected, result));
        }
        if let Some(misuses) = &self.misuses {
            let found: Vec<_> = result.misuses.iter().map(|misuse| &misuse.kind).collect();
            if found != misuses.iter().collect::<Vec<_>>() {
                deviations.push(format!("the misuses are {found:?}, not {misuses:?}"));
            }
        }
        if let Some(advice) = &self.advice {
            let is_as_declared = advice.len() == result.advice.len()
                && advice
                    .iter()
                    .zip(&result.advice)
                    .all(|(part, all)| all.contains(part));
            if !is_as_declared {
                deviations.push(format!("the advice is {:?}, not {advice:?}", result.advice));
            }
        }
        if let Some(nmis) = &self.nmis {
            let hit = result.cpus.iter().filter(|cpu| cpu.nmis > 0);
            let hit: Vec<_> = hit.map(|cpu| cpu.id).collect();
            if hit != *nmis {
                deviations.push(format!("NMIs arrived on the CPUs {hit:?}, not {nmis:?}"));
            }
        }
        for (name, status) in &self.tests {
            let test = result.tests.iter().find(|test| test.name == *name);
            if test.is_none_or(|test| test.status != status.0) {
                let found = test.map_or("missing", |test| status_word(test.status));
                deviations.push(format!("the test {name} is {found}, not {status}"));
            }
        }
        let plan = self.plan.iter();
        deviations.extend(plan.flat_map(|plan| plan.unexplained(result)));
        deviations
    }
}

/// What differs between two lists: their lengths, or members by number.
fn differing<T: Name, E: Display>(
    what: &str,
    found: &[T],
    expected: Option<&[E]>,
    is: impl Fn(&T, &E) -> bool,
) -> Vec<String> {
    let Some(expected) = expected else {
        return Vec::new();
    };
    if found.len() != expected.len() {
        return vec![format!(
            "the report has {} of {} {what}s",
            found.len(),
            expected.len()
        )];
    }
    found
        .iter()
        .zip(expected)
        .enumerate()
        .filter(|(_, (found, expected))| !is(found, expected))
        .map(|(number, (found, expected))| {
            format!("{what} {number} is {}, not {expected}", found.name())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::tests::passed;

    fn deviations(expect: &str) -> Vec<String> {
        let text = format!("summary = \"\"\n[expect]\n{expect}");
        let scenario: Scenario = toml::from_str(&text).unwrap();
        let mut result = passed();
        result.context.expected = scenario.expected();
        scenario.review(&mut result);
        assert_eq!(result.as_expected, result.deviations.is_empty());
        result.deviations
    }

    #[test]
    fn a_result_as_declared_in_every_point_has_no_deviation() {
        let all = "verdict = \"PASS\"\nreason = \"2 CPUs\"\ninitrd = \"embedded\"\n\
                   outcomes = [\"updated\", \"late|followed\"]\ncandidates = [\"chosen\"]\n\
                   features = []\ntests = { load = \"PASS\" }";
        assert_eq!(deviations(all), Vec::<String>::new());
    }

    #[test]
    fn each_point_is_looked_at() {
        for point in [
            "reason = \"3 CPUs\"",
            "initrd = \"module\"",
            "outcomes = [\"updated\", \"late\"]",
            "outcomes = [\"updated\"]",
            "outcomes = \"updated\"",
            "arrivals = [\"updated\"]",
            "features = [{ leaf = 7, register = \"edx\", set = 1 }]",
            "candidates = []",
            "nmis = [1]",
            "advice = [\"reset\"]",
            "candidates = [\"older\"]",
            "tests = { load = \"FAIL\" }",
            "tests = { other = \"PASS\" }",
        ] {
            let deviations = deviations(&format!("verdict = \"PASS\"\n{point}"));
            assert_eq!(deviations.len(), 1, "{point}");
        }
        assert_eq!(
            deviations("verdict = \"FAIL\""),
            ["the verdict is PASS, not FAIL"]
        );
    }

    #[test]
    fn where_updates_are_ignored_only_what_is_said_about_their_effect_is_void() {
        let best = [Verdict::Pass, Verdict::Swallowed];
        let left = |verdict: &str| {
            let text = format!(
                "verdict = \"{verdict}\"\nreason = \"on revision\"\noutcomes = [\"updated\"]\n\
                 candidates = [\"chosen\"]\n[tests]\nrendezvous = \"PASS\"\nload = \"PASS\"\n\
                 verify = \"PASS\""
            );
            let expectation: Expectation = toml::from_str(&text).unwrap();
            let left = expectation.without_effect(&best);
            assert!(left.candidates.is_some());
            assert!(left.tests.contains_key("rendezvous"));
            assert_eq!(left.outcomes.is_some(), left.tests.len() == 3);
            (
                any_of(&left.verdicts),
                left.reason.is_some(),
                left.tests.len(),
            )
        };
        assert_eq!(left("PASS"), ("PASS or SWALLOWED".to_owned(), false, 1));
        assert_eq!(left("FAIL"), ("FAIL or SWALLOWED".to_owned(), false, 1));
        for verdict in ["SKIP", "ERROR", "CRASH", "TIMEOUT"] {
            assert_eq!(left(verdict), (verdict.to_owned(), true, 3));
        }
    }

    #[test]
    fn a_declared_skip_is_not_denied() {
        let mut result = passed();
        result.verdict = Verdict::Skip;
        result.context.expected = vec![Verdict::Skip];
        deny_skip(&mut result);
        assert_eq!(result.verdict, Verdict::Skip);
        result.context.expected = vec![Verdict::Pass];
        deny_skip(&mut result);
        assert_eq!(result.verdict, Verdict::Error);
    }

    #[test]
    fn without_a_declaration_the_best_that_the_machine_allows_is_expected() {
        let expected = |table: &str| {
            let text = format!("summary = \"\"\n{table}");
            toml::from_str::<Scenario>(&text).unwrap().expected()
        };
        assert_eq!(expected(""), [Verdict::Pass]);
        let tcg = "machine.kind = \"tcg\"\n";
        assert_eq!(expected(tcg), [Verdict::Pass, Verdict::Swallowed]);
        let modelled = format!("{tcg}guest.hardware = \"engine\"");
        assert_eq!(expected(&modelled), [Verdict::Pass]);
    }
}
