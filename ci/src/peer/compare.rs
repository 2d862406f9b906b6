//! Holds what the two loaders did against what was predicted. Pure.

use super::boot::Boot;
use super::case::{Case, Prediction};
use super::report::{CaseResult, Side};
use super::{Observation, Peer};
use crate::verdict::Verdict;

/// What is known of one loader.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// What the machine saw; TIMEOUT, CRASH or ERROR if its log has no end.
    pub(super) observation: Result<Observation, Verdict>,
    /// The folder of the files.
    pub(super) directory: String,
}

/// Compares one case.
pub(super) fn compare(
    peer: Peer,
    case: &Case,
    [of_peer, of_muster]: [&Prediction; 2],
    boot: Boot,
    muster: Seen,
) -> CaseResult {
    let Boot { seen, words, .. } = boot;
    let mut result = CaseResult::without(case, Verdict::Pass, String::new());
    result.reasons = Vec::new();
    result.seconds = boot.seconds;
    result.unlike.clone_from(&of_peer.unlike);
    for (name, seen) in [(peer.name(), &seen), ("Muster", &muster)] {
        if let Err(verdict) = seen.observation {
            let reason = format!("{name}: {verdict}: see {}", seen.directory);
            result.reasons.push(reason);
            result.verdict = result.verdict.worse(verdict);
        }
    }
    let (Ok(by_peer), Ok(by_muster)) = (&seen.observation, &muster.observation) else {
        return result;
    };
    let mut reasons = deviations(peer.name(), of_peer, by_peer);
    let first = by_peer.revisions.first().copied();
    if words.revision.is_some() && words.revision != first {
        let [said, found] = [words.revision, first].map(Option::unwrap_or_default);
        reasons.push(format!(
            "{peer} says that CPU 0 has {said:#010x}, and the machine that it has {found:#010x}"
        ));
    }
    reasons.extend(deviations("Muster", of_muster, by_muster));
    if !reasons.is_empty() {
        result.verdict = Verdict::Fail;
    }
    result.reasons = reasons;
    result.words = words.text;
    result.peer = Some(Side::new(of_peer, by_peer, seen.directory));
    result.muster = Some(Side::new(of_muster, by_muster, muster.directory));
    result
}

fn deviations(name: &str, predicted: &Prediction, seen: &Observation) -> Vec<String> {
    let mut found = Vec::new();
    let Prediction {
        outcome, verdict, ..
    } = predicted;
    if seen.outcome != *outcome {
        let why = match seen.refusals.join(", ") {
            why if why.is_empty() => why,
            why => format!(" ({why})"),
        };
        found.push(format!(
            "{name}: {}{why}, and {outcome} was predicted ({verdict})",
            seen.outcome
        ));
    }
    // A write that is misuse and is refused for it was told above.
    let misuses = seen.misuses.iter();
    for misuse in misuses.filter(|misuse| !seen.refusals.contains(misuse)) {
        found.push(format!("{name} misuses the CPU: {misuse}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{Outcome, Words, cases};

    fn predicted(outcome: Outcome) -> Prediction {
        Prediction {
            outcome,
            verdict: "chosen",
            unlike: None,
        }
    }

    fn seen(outcome: Outcome) -> Seen {
        Seen {
            observation: Ok(Observation {
                outcome,
                revisions: vec![5, 5],
                nr_writes: 2,
                refusals: Vec::new(),
                misuses: Vec::new(),
            }),
            directory: "run".to_owned(),
        }
    }

    fn compared(by_peer: Seen, revision: Option<u32>, by_muster: Seen) -> CaseResult {
        let boot = Boot {
            seen: by_peer,
            words: Words {
                revision,
                ..Words::default()
            },
            seconds: 1.0,
        };
        let prediction = predicted(Outcome::Loaded);
        let case = &cases(&[]).unwrap()[0];
        compare(
            Peer::Linux,
            case,
            [&prediction, &prediction],
            boot,
            by_muster,
        )
    }

    #[test]
    fn both_as_predicted_is_a_pass() {
        let loaded = || seen(Outcome::Loaded);
        let result = compared(loaded(), Some(5), loaded());
        assert_eq!(result.verdict, Verdict::Pass, "{:?}", result.reasons);
        // Not every peer says what it runs.
        let result = compared(loaded(), None, loaded());
        assert_eq!(result.verdict, Verdict::Pass);
    }

    #[test]
    fn either_of_them_otherwise_than_predicted_is_a_fail_that_names_it() {
        let (loaded, left) = (|| seen(Outcome::Loaded), || seen(Outcome::Left));
        let result = compared(left(), None, loaded());
        assert_eq!(result.verdict, Verdict::Fail);
        let reason = "Linux: left, and loaded was predicted (chosen)";
        assert_eq!(result.reasons, [reason]);
        let result = compared(loaded(), None, left());
        assert!(result.reasons[0].starts_with("Muster: left"));
    }

    #[test]
    fn a_peer_that_believes_another_revision_is_a_fail() {
        let result = compared(seen(Outcome::Loaded), Some(4), seen(Outcome::Loaded));
        assert_eq!(result.verdict, Verdict::Fail);
        assert!(result.reasons[0].contains("0x00000004"));
    }

    #[test]
    fn misuse_of_a_cpu_that_took_the_update_is_a_fail() {
        let mut misusing = seen(Outcome::Loaded);
        let observation = misusing.observation.as_mut().unwrap();
        observation.misuses = vec!["two-threads".to_owned()];
        let result = compared(misusing, None, seen(Outcome::Loaded));
        assert_eq!(result.reasons, ["Linux misuses the CPU: two-threads"]);
    }

    #[test]
    fn a_loader_that_did_not_end_is_told_with_where_to_look() {
        let mut dead = seen(Outcome::Loaded);
        dead.observation = Err(Verdict::Timeout);
        let result = compared(dead, None, seen(Outcome::Loaded));
        assert_eq!(result.verdict, Verdict::Timeout);
        assert_eq!(result.reasons, ["Linux: TIMEOUT: see run"]);
    }
}
