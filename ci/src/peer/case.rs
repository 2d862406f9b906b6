//! What the peers are asked: a blob and a machine each, as data in
//! `cases.toml`, and what is predicted of them.

use std::path::Path;

use indicatif::ProgressBar;
use microcode::{CpuKind, DigestCheck, DigestList, Policy, Reason, Vendor, judge, scan_as};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::outcome::Outcome;
use super::{MACHINE, Peer, Release};
use crate::debian::DebianError;
use crate::firmware::{self, Firmware, Spec};
use crate::guest::Guest;
use crate::scenario::{MachineTable, Scenario};

const CASES: &str = include_str!("cases.toml");

/// A blob for a machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name, the vendor first.
    pub name: String,
    /// What it shows, in a sentence.
    pub summary: String,
    /// The machine, the peer's and Muster's own.
    pub machine: MachineTable,
    /// The microcode; the vendor's own file without it.
    #[serde(default)]
    firmware: Option<Spec>,
    /// Zeros in front of the initrd.
    #[serde(default)]
    shift_bytes: usize,
    /// Whether the peer compares AMD's patches with its list of digests. A
    /// patch that is nobody's is on none.
    #[serde(default)]
    pub checks_digests: bool,
    /// Where a peer does otherwise than its profile says.
    #[serde(default)]
    unlike: Vec<Unlike>,
}

/// A known difference between a peer and its profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unlike {
    /// Which peer.
    peer: Peer,
    /// In which releases.
    releases: Vec<Release>,
    /// What it does.
    outcome: Outcome,
    /// Why.
    reason: String,
}

/// What is expected of a loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// What it does.
    pub outcome: Outcome,
    /// The verdict on the candidate that decides, by its name.
    pub verdict: &'static str,
    /// Why it is not what the profile says.
    pub unlike: Option<String>,
}

/// Why there is no blob.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The vendor's own file cannot be had here.
    #[error("there is no file of the vendor's at hand: {0}")]
    Vendor(#[from] DebianError),
    /// It cannot be read or made.
    #[error(transparent)]
    Firmware(#[from] firmware::Error),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    case: Vec<Case>,
}

/// All cases, in their order.
pub(super) fn all() -> Result<Vec<Case>, toml::de::Error> {
    toml::from_str(CASES).map(|list: List| list.case)
}

impl Case {
    /// The microcode; vendors' packages are fetched below `cache`.
    pub(super) fn blob(&self, cache: &Path, progress: &ProgressBar) -> Result<Firmware, BlobError> {
        let cpu = &self.machine.cpu;
        let spec = match &self.firmware {
            Some(spec) => spec.clone(),
            None => Spec {
                path: firmware::folders(&self.vendors(), cache, progress)?.pop(),
                ..Spec::default()
            },
        };
        let mut firmware = firmware::resolve(&spec, cpu, cache, progress)?;
        firmware.initrd = [vec![0; self.shift_bytes], firmware.initrd].concat();
        Ok(firmware)
    }

    /// The same for Muster's own guest.
    pub(super) fn scenario(&self, blob: &[u8]) -> Scenario {
        Scenario {
            name: format!("peer-{}", self.name),
            summary: self.summary.clone(),
            groups: Vec::new(),
            machine: MachineTable {
                kind: MACHINE,
                ..self.machine.clone()
            },
            firmware: Spec {
                bytes: Some(blob.to_vec()),
                ..Spec::default()
            },
            guest: Guest::default(),
            expect: None,
            is_misplaced: false,
        }
    }

    /// Why peers differ from their profiles.
    #[cfg(test)]
    pub(super) fn unlike(&self) -> impl Iterator<Item = &str> {
        self.unlike.iter().map(|unlike| unlike.reason.as_str())
    }

    fn vendors(&self) -> Vec<Vendor> {
        let target = self.machine.cpu.target();
        target.into_iter().map(|(vendor, _)| vendor).collect()
    }

    /// What a peer should make of the blob.
    pub(super) fn of_peer(&self, peer: Peer, release: Release, firmware: &Firmware) -> Prediction {
        let none_listed = DigestList::default();
        // The vendor's patches are on the lists, and no others are.
        let is_unlisted = self.checks_digests && self.firmware.is_some();
        let policy = Policy {
            profile: peer.profile(),
            digests: is_unlisted.then_some(DigestCheck {
                list: &none_listed,
                sha256: |bytes| Sha256::digest(bytes).into(),
            }),
            ..Policy::default()
        };
        let by_profile = self.prediction(firmware, &policy, |reason| {
            matches!(reason, Reason::Chosen | Reason::Same { rewritten: true })
        });
        let mut unlike = self.unlike.iter();
        let unlike = unlike.find(|u| u.peer == peer && u.releases.contains(&release));
        unlike.map_or(by_profile.clone(), |unlike| Prediction {
            outcome: unlike.outcome,
            unlike: Some(unlike.reason.clone()),
            ..by_profile
        })
    }

    /// What Muster's guest should make of it. It has no list of digests, and
    /// knows before it begins that all CPUs run a revision already; a loader
    /// that goes from CPU to CPU does not.
    pub(super) fn of_muster(&self, firmware: &Firmware) -> Prediction {
        self.prediction(firmware, &Policy::default(), |reason| {
            *reason == Reason::Chosen
        })
    }

    fn prediction(
        &self,
        firmware: &Firmware,
        policy: &Policy<'_>,
        is_written: fn(&Reason) -> bool,
    ) -> Prediction {
        let MachineTable {
            cpu,
            revision,
            model,
            ..
        } = &self.machine;
        let scan = scan_as(&firmware.initrd, policy.profile);
        let reasons = firmware.kind(cpu, *revision, model).map(|kind| {
            let cpu = CpuKind {
                platform_id: kind.platform_id,
                revision: kind.revision,
                ..CpuKind::new(kind.vendor, kind.signature)
            };
            judge(&scan, &cpu, policy)
        });
        let reasons = reasons.unwrap_or_default();
        let decides = reasons
            .iter()
            .find(|reason| is_written(reason))
            .or_else(|| reasons.last());
        Prediction {
            outcome: match decides {
                Some(reason) if is_written(reason) => Outcome::Loaded,
                _ => Outcome::Left,
            },
            verdict: decides.map_or("none", |reason| reason.verdict().name()),
            unlike: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The prediction for a case of that name; only for those that need no
    /// vendor's file.
    fn predicted(name: &str, peer: Peer, release: Release) -> Prediction {
        let cases = all().unwrap();
        let case = cases.iter().find(|case| case.name == name).unwrap();
        let blob = blob(case);
        case.of_peer(peer, release, &blob)
    }

    fn blob(case: &Case) -> Firmware {
        let nowhere = Path::new("/nonexistent");
        case.blob(nowhere, &ProgressBar::hidden()).unwrap()
    }

    #[test]
    fn the_list_is_sound_and_no_name_stands_twice() {
        let cases = all().unwrap();
        let mut names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), cases.len());
        for case in &cases {
            let (vendor, _) = case.machine.cpu.target().expect("a signature is known");
            assert!(case.name.starts_with(vendor.name()), "{}", case.name);
            case.scenario(&[]).check().unwrap();
        }
    }

    #[test]
    fn muster_takes_what_is_called_good_and_nothing_that_is_damaged() {
        let cases = all().unwrap();
        for (name, outcome) in [
            ("intel-good", Outcome::Loaded),
            ("intel-misaligned", Outcome::Loaded),
            ("intel-checksum", Outcome::Left),
            ("amd-good", Outcome::Loaded),
            ("amd-cut", Outcome::Left),
        ] {
            let case = cases.iter().find(|case| case.name == name).unwrap();
            assert_eq!(case.of_muster(&blob(case)).outcome, outcome, "{name}");
        }
    }

    #[test]
    fn a_peer_with_a_list_of_digests_refuses_what_is_not_on_it() {
        let predicted = |name| predicted(name, Peer::Xen, Release::Trixie);
        assert_eq!(predicted("amd-unlisted").verdict, "digest");
        assert_eq!(predicted("amd-good").outcome, Outcome::Loaded);
    }

    #[test]
    fn a_known_difference_is_one() {
        for case in all().unwrap() {
            let known = case.unlike.clone();
            let by_profile = Case {
                unlike: Vec::new(),
                ..case
            };
            for unlike in known {
                let blob = blob(&by_profile);
                for release in unlike.releases {
                    let predicted = by_profile.of_peer(unlike.peer, release, &blob);
                    assert_ne!(predicted.outcome, unlike.outcome, "{}", by_profile.name);
                }
            }
        }
    }

    #[test]
    fn rules_of_a_profile_decide() {
        let outcome = |name, peer| predicted(name, peer, Release::Trixie).outcome;
        assert_eq!(outcome("intel-trailing", Peer::Xen), Outcome::Loaded);
        assert_eq!(outcome("intel-trailing", Peer::Linux), Outcome::Left);
        assert_eq!(outcome("amd-large", Peer::Xen), Outcome::Left);
        assert_eq!(outcome("amd-large", Peer::Linux), Outcome::Loaded);
    }
}
