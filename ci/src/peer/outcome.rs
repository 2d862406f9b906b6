//! What a loader did, by the log of the machine that it ran on.

use std::fmt;

use report::record::Load;
use serde::{Deserialize, Serialize};

use crate::judge::Stream;

/// What became of the CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing was written.
    Left,
    /// Every CPU ended on what was written.
    Loaded,
    /// It was written, and no CPU took it.
    Refused,
    /// Some CPUs took it.
    Partly,
}

impl Outcome {
    /// The word on the screen and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Loaded => "loaded",
            Self::Refused => "refused",
            Self::Partly => "partly",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What the machine saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// In one word.
    pub outcome: Outcome,
    /// The revision of every CPU at the end.
    pub revisions: Vec<u32>,
    /// How often the load register was written.
    pub nr_writes: usize,
    /// Why the CPU did not take a write, each reason once.
    pub refusals: Vec<String>,
    /// What a loader must not do, each kind once.
    pub misuses: Vec<String>,
}

impl Observation {
    /// Reads a machine's log; `None` if it has no end.
    #[must_use]
    pub fn read(log: &str) -> Option<Self> {
        let stream = Stream::read(log);
        if stream.tallies.is_empty() {
            return None;
        }
        let revisions: Vec<_> = stream
            .tallies
            .iter()
            .map(|tally| tally.revision.0)
            .collect();
        let loads = &stream.loads;
        let is_taken = |load: &&Load<'_>| load.outcome == Load::TAKEN;
        let refused = loads.iter().filter(|load| !is_taken(load));
        let outcome = match loads.iter().rfind(is_taken) {
            None if loads.is_empty() => Outcome::Left,
            None => Outcome::Refused,
            Some(last) if revisions.iter().all(|&revision| revision == last.after.0) => {
                Outcome::Loaded
            }
            Some(_) => Outcome::Partly,
        };
        Some(Self {
            outcome,
            revisions,
            nr_writes: loads.len(),
            refusals: once(refused.map(|load| load.outcome)),
            misuses: once(stream.misuses.iter().map(|misuse| misuse.kind)),
        })
    }

    /// The revision that all CPUs have, if they have one.
    #[must_use]
    pub fn revision(&self) -> Option<u32> {
        let first = *self.revisions.first()?;
        let mut rest = self.revisions.iter();
        rest.all(|&revision| revision == first).then_some(first)
    }
}

fn once<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in words {
        if !found.iter().any(|known| known == word) {
            found.push(word.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log with these writes, each a CPU, an outcome and the revision after,
    /// and these revisions at the end.
    fn observed(writes: &[(u32, &str, u32)], revisions: &[u32]) -> Observation {
        let loads = writes.iter().map(|(cpu, outcome, after)| {
            format!(
                "# load at_ns=1 cpu={cpu} msr=0x00000079 value=0x1000 outcome={outcome} \
                 before=0x00000001 after={after:#010x} bytes=2048 took_ns=1\n"
            )
        });
        let tallies = revisions.iter().enumerate().map(|(cpu, revision)| {
            format!("# tally cpu={cpu} reads=1 loads=1 misuses=0 rev={revision:#010x}\n")
        });
        let log: String = loads.chain(tallies).collect();
        Observation::read(&log).unwrap()
    }

    #[test]
    fn a_load_counts_only_if_every_cpu_ended_on_it() {
        assert_eq!(observed(&[], &[1, 1]).outcome, Outcome::Left);
        // One thread of a core writes for both.
        let loaded = observed(&[(0, "taken", 5)], &[5, 5]);
        assert_eq!(loaded.outcome, Outcome::Loaded);
        assert_eq!(loaded.revision(), Some(5));
        let partly = observed(&[(0, "taken", 5)], &[5, 1]);
        assert_eq!(partly.outcome, Outcome::Partly);
        assert_eq!(partly.revision(), None);
        // The same revision, written again.
        assert_eq!(observed(&[(0, "taken", 1)], &[1]).outcome, Outcome::Loaded);
    }

    #[test]
    fn a_refusal_is_told_once() {
        let refused = [(0, "misaligned", 1), (1, "misaligned", 1)];
        let observation = observed(&refused, &[1, 1]);
        assert_eq!(observation.outcome, Outcome::Refused);
        assert_eq!(observation.refusals, ["misaligned"]);
        assert_eq!(observation.nr_writes, 2);
    }

    #[test]
    fn a_log_without_an_end_says_nothing() {
        assert_eq!(Observation::read(""), None);
    }
}
