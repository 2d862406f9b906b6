//! Reads the closed lists of the report by their names, in scenario files.

use std::fmt;

use report::{CandidateVerdict, InitrdSource, Outcome, Register, Status};
use serde::de::{Deserialize, Deserializer, Error};

use crate::result::status_word;

/// A closed list with a name for each member.
pub trait Name: Copy + 'static {
    /// All members.
    const ALL: &'static [Self];

    /// The member's name in files and on the wire.
    fn name(self) -> &'static str;
}

macro_rules! names {
    ($($ty:ty),+) => { $(
        impl Name for $ty {
            const ALL: &'static [Self] = <$ty>::ALL;

            fn name(self) -> &'static str {
                <$ty>::name(self)
            }
        }
    )+ };
}

names!(CandidateVerdict, InitrdSource, Outcome, Register);

impl Name for Status {
    const ALL: &'static [Self] = &[Self::Pass, Self::Fail, Self::Skip, Self::Error];

    fn name(self) -> &'static str {
        status_word(self)
    }
}

/// A member of a closed list, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<T>(pub T);

impl<T: Name> fmt::Display for Named<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.name())
    }
}

impl<'de, T: Name> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        member(&String::deserialize(deserializer)?)
    }
}

/// The member of that name.
fn member<T: Name, E: Error>(text: &str) -> Result<Named<T>, E> {
    let known = T::ALL.iter().find(|member| member.name() == text);
    known.map(|&member| Named(member)).ok_or_else(|| {
        let names: Vec<_> = T::ALL.iter().map(|member| member.name()).collect();
        E::custom(format!(
            "there is no {text:?}; there are: {}",
            names.join(", ")
        ))
    })
}

/// One of several members of a closed list: `updated|followed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyOf<T>(pub Vec<Named<T>>);

impl<T: Name + PartialEq> AnyOf<T> {
    /// Whether it is one of them.
    #[must_use]
    pub fn has(&self, member: T) -> bool {
        self.0.iter().any(|named| named.0 == member)
    }
}

impl<T: Name> fmt::Display for AnyOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|named| named.0.name()).collect();
        f.pad(&names.join("|"))
    }
}

impl<T: Name> AnyOf<T> {
    /// Reads `updated|followed`.
    pub fn read<E: Error>(text: &str) -> Result<Self, E> {
        let members = text.split('|').map(member);
        members.collect::<Result<_, _>>().map(Self)
    }
}

impl<'de, T: Name> Deserialize<'de> for AnyOf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(deserializer)?)
    }
}
