//! How CPUs shall end, as a scenario says it.

use std::fmt;

use report::Outcome;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::named::AnyOf;

/// How CPUs shall end.
#[derive(Clone, Debug)]
pub enum Outcomes {
    /// All of them, however many there are.
    All(AnyOf<Outcome>),
    /// Each, in the order of their numbers.
    Each(Vec<AnyOf<Outcome>>),
}

impl<'de> Deserialize<'de> for Outcomes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Words)
    }
}

/// Reads either form, so that a wrong name is answered with the right ones.
struct Words;

impl<'de> Visitor<'de> for Words {
    type Value = Outcomes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an outcome for all CPUs, or a list with one for each")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Outcomes, E> {
        AnyOf::read(text).map(Outcomes::All)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Outcomes, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Outcomes::Each)
    }
}

impl Outcomes {
    /// Whether it names no CPU by its number.
    pub(super) const fn is_of_all(&self) -> bool {
        matches!(self, Self::All(_))
    }

    /// Whether it leaves open for a CPU if it takes the update.
    pub(super) fn leave_success_open(&self) -> bool {
        let is_open = |any: &AnyOf<Outcome>| {
            let has = |success| any.0.iter().any(|one| one.0.is_success() == success);
            has(true) && has(false)
        };
        match self {
            Self::All(outcome) => is_open(outcome),
            Self::Each(outcomes) => outcomes.iter().any(is_open),
        }
    }

    /// For that many CPUs.
    pub(super) fn of(&self, nr_cpus: usize) -> Vec<AnyOf<Outcome>> {
        match self {
            Self::All(outcome) => vec![outcome.clone(); nr_cpus],
            Self::Each(outcomes) => outcomes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::Expectation;

    #[test]
    fn a_wrong_outcome_is_answered_with_the_right_ones() {
        let error = |outcomes: &str| {
            let text = format!("verdict = \"PASS\"\noutcomes = {outcomes}");
            let error = toml::from_str::<Expectation>(&text).unwrap_err();
            error.to_string()
        };
        for outcomes in ["\"updatd\"", "[\"updated|updatd\"]"] {
            let error = error(outcomes);
            assert!(error.contains("\"updatd\"; there are: updated,"), "{error}");
        }
        assert!(error("7").contains("an outcome for all CPUs"));
    }
}
