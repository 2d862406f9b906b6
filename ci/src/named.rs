//! Reads the closed lists of the report and of the rendezvous by their names, in
//! scenario files.

use std::fmt;

use rendezvous::{CallIn, Election, Nmi, OnHang, Order, Parked};
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
    (of $list:path: $($ty:ty),+) => { $(
        impl Name for $ty {
            const ALL: &'static [Self] = <$ty as $list>::ALL;

            fn name(self) -> &'static str {
                <$ty as $list>::name(self)
            }
        }
    )+ };
}

names!(CandidateVerdict, InitrdSource, Outcome, Register);
names!(of rendezvous::Named: rendezvous::Name, CallIn, Election, Nmi, OnHang, Order, Parked);

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
        member(deserializer).map(Self)
    }
}

/// Reads a member by its name.
pub fn member<'de, D: Deserializer<'de>, T: Name>(deserializer: D) -> Result<T, D::Error> {
    of_name(&String::deserialize(deserializer)?)
}

/// The member of that name.
fn of_name<T: Name, E: Error>(text: &str) -> Result<T, E> {
    let known = T::ALL.iter().find(|member| member.name() == text);
    known.copied().ok_or_else(|| {
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
        let members = text.split('|').map(|name| of_name(name).map(Named));
        members.collect::<Result<_, _>>().map(Self)
    }
}

impl<'de, T: Name> Deserialize<'de> for AnyOf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(deserializer)?)
    }
}
