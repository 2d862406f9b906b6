//! Who is measured.

use rendezvous::{CallIn, Election, Name, Named, Options};

use super::barrier::Barrier;
use crate::metrics::Dimensions;

/// A protocol with what was chosen of it, or a barrier that it is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// A protocol of the rendezvous.
    Protocol {
        /// Which.
        name: Name,
        /// How CPUs announce themselves; `muster` alone has the choice.
        call_in: CallIn,
        /// Which thread of a core leads; `muster` alone has the choice.
        election: Election,
    },
    /// A barrier.
    Barrier(Barrier),
}

impl Contender {
    /// A protocol as it is by default.
    #[must_use]
    pub fn protocol(name: Name) -> Self {
        Self::Protocol {
            name,
            call_in: CallIn::default(),
            election: Election::default(),
        }
    }

    /// This project's own, with a choice.
    #[must_use]
    pub const fn muster(call_in: CallIn, election: Election) -> Self {
        Self::Protocol {
            name: Name::Muster,
            call_in,
            election,
        }
    }

    /// All that there are, this project's own first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let own = [
            (CallIn::Tree, Election::First),
            (CallIn::Flat, Election::First),
            (CallIn::Tree, Election::Lowest),
        ];
        let own = own.map(|(call_in, election)| Self::muster(call_in, election));
        let peers = [
            Name::XenV5,
            Name::Xen,
            Name::Linux,
            Name::SerialChain,
            Name::Batches,
        ];
        own.into_iter()
            .chain(peers.map(Self::protocol))
            .chain(Barrier::ALL.map(Self::Barrier))
            .collect()
    }

    /// The name in `metrics.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Protocol { name, .. } => name.name(),
            Self::Barrier(barrier) => barrier.name(),
        }
    }

    /// What was chosen for the rendezvous, where it is one.
    #[must_use]
    pub fn options(self) -> Option<Options> {
        match self {
            Self::Protocol {
                call_in, election, ..
            } => Some(Options {
                call_in,
                election,
                ..Options::default()
            }),
            Self::Barrier(_) => None,
        }
    }

    /// The name with whatever was chosen.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::Protocol {
                name: Name::Muster,
                call_in,
                election,
            } => format!("muster {} {}", call_in.name(), election.name()),
            _ => self.name().to_owned(),
        }
    }

    /// The dimensions of its series. A barrier loads nothing, so it has no time for it.
    pub(super) fn dimensions(self, common: &Dimensions, load_us: u64) -> Dimensions {
        let mut dimensions = common.clone();
        dimensions.protocol = Some(self.name().to_owned());
        if let Self::Protocol {
            name,
            call_in,
            election,
        } = self
        {
            dimensions.load_us = Some(load_us);
            if name == Name::Muster {
                dimensions.call_in = Some(call_in.name().to_owned());
                dimensions.election = Some(election.name().to_owned());
            }
        }
        dimensions
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::metrics::{ClockKind, Stage};

    #[test]
    fn no_two_contenders_share_a_label_or_their_dimensions() {
        let common = Dimensions::new(Stage::Native, ClockKind::Tsc, 2, 1, 1);
        let all = Contender::all();
        let labels: HashSet<_> = all.iter().map(|one| one.label()).collect();
        let dimensions: HashSet<_> = all.iter().map(|one| one.dimensions(&common, 0)).collect();
        assert_eq!((labels.len(), dimensions.len()), (all.len(), all.len()));
    }

    #[test]
    fn every_protocol_takes_part() {
        let names: HashSet<_> = Contender::all().iter().map(|one| one.name()).collect();
        for name in Name::ALL {
            assert!(names.contains(name.name()), "{}", name.name());
        }
    }
}
