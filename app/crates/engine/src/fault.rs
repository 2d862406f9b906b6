//! Fault plans: what goes wrong with which load, as data.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use oorandom::Rand32;

/// One thing that goes wrong.
///
/// In a file: `{ cpu = 3, kind = "gp-fault" }`, `{ core = 1, kind = "slow",
/// us = 500, load = 2 }`, `{ kind = "not-taken" }` for every CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Words", into = "Words"))]
pub struct Fault {
    /// Whose loads.
    pub at: Where,
    /// What happens to them.
    pub kind: FaultKind,
    /// Which load of a thread that it meets, from 1; without it, each.
    pub load: Option<u32>,
}

/// Whose loads a fault meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// Everybody's.
    Everywhere,
    /// Those of any thread of a core.
    Core(u32),
    /// Those of one thread.
    Cpu(u32),
}

/// What happens to a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The write raises #GP.
    GpFault,
    /// The write passes and the revision stays.
    NotTaken,
    /// The revision becomes this one, whatever the update says.
    Mismatch {
        /// The wrong revision.
        revision: u32,
    },
    /// The load takes so much longer.
    Slow {
        /// How much, in µs.
        us: u32,
    },
    /// The load never ends.
    Hang,
}

impl FaultKind {
    /// The name in a file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GpFault => "gp-fault",
            Self::NotTaken => "not-taken",
            Self::Mismatch { .. } => "mismatch",
            Self::Slow { .. } => "slow",
            Self::Hang => "hang",
        }
    }
}

/// Why there can be no such fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// No such kind.
    Kind,
    /// A word that is none of a fault's.
    Word,
    /// A CPU and a core at once.
    TwoPlaces,
    /// A number that the kind needs and that is not there.
    Missing(&'static str),
    /// A number that the kind has no use for.
    Useless(&'static str),
    /// Loads are counted from 1.
    LoadZero,
    /// The machine has no such CPU or core.
    Beyond {
        /// `cpu` or `core`.
        what: &'static str,
        /// The number given.
        id: u32,
        /// The last that there is.
        last: u32,
    },
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind => f.write_str(
                "there is no such kind: give gp-fault, not-taken, mismatch, slow or hang",
            ),
            Self::Word => f.write_str(
                "what follows the kind is cpu=, core=, load=, us= or revision= and a number",
            ),
            Self::TwoPlaces => f.write_str("cpu and core cannot be had together: give one"),
            Self::Missing(what) => write!(f, "this kind needs {what} = NUMBER"),
            Self::Useless(what) => write!(f, "{what} says nothing about this kind: leave it out"),
            Self::LoadZero => f.write_str("load = 0: loads are counted from 1"),
            Self::Beyond { what, id, last } => {
                write!(f, "{what} = {id}: the machine has 0 to {last}")
            }
        }
    }
}

impl core::error::Error for FaultError {}

impl Fault {
    /// Whether a machine of that size can have this fault.
    pub fn check(&self, nr_cpus: u32, nr_cores: u32) -> Result<(), FaultError> {
        let within = |what, id, nr: u32| match nr.checked_sub(1) {
            Some(last) if id > last => Err(FaultError::Beyond { what, id, last }),
            _ => Ok(()),
        };
        if self.load == Some(0) {
            return Err(FaultError::LoadZero);
        }
        match self.at {
            Where::Everywhere => Ok(()),
            Where::Core(core) => within("core", core, nr_cores),
            Where::Cpu(cpu) => within("cpu", cpu, nr_cpus),
        }
    }

    /// Whether it meets the `load`th load of that thread.
    pub(crate) fn meets(&self, thread: u32, core: u32, load: u32) -> bool {
        let here = match self.at {
            Where::Everywhere => true,
            Where::Core(id) => id == core,
            Where::Cpu(id) => id == thread,
        };
        here && self.load.is_none_or(|which| which == load)
    }
}

/// A plan of `nr_faults` faults for a machine of that size: the same from the
/// same seed, for ever (`oorandom` promises its sequence).
#[must_use]
pub fn random_faults(seed: u64, nr_faults: u32, nr_cpus: u32, nr_cores: u32) -> Vec<Fault> {
    let mut random = Rand32::new(seed);
    let mut below = |end: u32| random.rand_range(0..end.max(1));
    (0..nr_faults)
        .map(|_| Fault {
            at: match below(8) {
                0 => Where::Everywhere,
                1..4 => Where::Core(below(nr_cores)),
                _ => Where::Cpu(below(nr_cpus)),
            },
            kind: match below(8) {
                0..2 => FaultKind::GpFault,
                2..4 => FaultKind::NotTaken,
                4 => FaultKind::Mismatch {
                    revision: 1 + below(0x7fff_fffe),
                },
                5..7 => FaultKind::Slow { us: below(2000) },
                _ => FaultKind::Hang,
            },
            load: match below(3) {
                0 => None,
                nth => Some(nth),
            },
        })
        .collect()
}

/// A fault as a file and a command line have it: flat, with a field for
/// everything.
#[derive(Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
struct Words {
    kind: String,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    cpu: Option<u32>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    core: Option<u32>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    load: Option<u32>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    us: Option<u32>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    revision: Option<u32>,
}

impl Words {
    /// The numbers by their names.
    const fn numbers(&self) -> [(&'static str, Option<u32>); 5] {
        [
            ("cpu", self.cpu),
            ("core", self.core),
            ("load", self.load),
            ("us", self.us),
            ("revision", self.revision),
        ]
    }
}

/// `slow,cpu=3,us=500,load=2`: the kind, then its numbers.
impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut parts = text.split(',');
        let mut words = Words {
            kind: parts.next().unwrap_or_default().into(),
            ..Words::default()
        };
        for part in parts {
            let (name, number) = part.split_once('=').ok_or(FaultError::Word)?;
            let field = match name {
                "cpu" => &mut words.cpu,
                "core" => &mut words.core,
                "load" => &mut words.load,
                "us" => &mut words.us,
                "revision" => &mut words.revision,
                _ => return Err(FaultError::Word),
            };
            *field = Some(number.parse().map_err(|_| FaultError::Word)?);
        }
        words.try_into()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Words::from(*self);
        f.write_str(&words.kind)?;
        for (name, number) in words.numbers() {
            if let Some(number) = number {
                write!(f, ",{name}={number}")?;
            }
        }
        Ok(())
    }
}

impl TryFrom<Words> for Fault {
    type Error = FaultError;

    fn try_from(words: Words) -> Result<Self, FaultError> {
        let at = match (words.cpu, words.core) {
            (None, None) => Where::Everywhere,
            (Some(cpu), None) => Where::Cpu(cpu),
            (None, Some(core)) => Where::Core(core),
            (Some(_), Some(_)) => return Err(FaultError::TwoPlaces),
        };
        let (mut us, mut revision) = (words.us, words.revision);
        let kind = match words.kind.as_str() {
            "gp-fault" => FaultKind::GpFault,
            "not-taken" => FaultKind::NotTaken,
            "mismatch" => FaultKind::Mismatch {
                revision: revision.take().ok_or(FaultError::Missing("revision"))?,
            },
            "slow" => FaultKind::Slow {
                us: us.take().ok_or(FaultError::Missing("us"))?,
            },
            "hang" => FaultKind::Hang,
            _ => return Err(FaultError::Kind),
        };
        if us.is_some() {
            return Err(FaultError::Useless("us"));
        }
        if revision.is_some() {
            return Err(FaultError::Useless("revision"));
        }
        let load = words.load;
        Ok(Self { at, kind, load })
    }
}

impl From<Fault> for Words {
    fn from(fault: Fault) -> Self {
        let (us, revision) = match fault.kind {
            FaultKind::Slow { us } => (Some(us), None),
            FaultKind::Mismatch { revision } => (None, Some(revision)),
            FaultKind::GpFault | FaultKind::NotTaken | FaultKind::Hang => (None, None),
        };
        let (cpu, core) = match fault.at {
            Where::Everywhere => (None, None),
            Where::Core(core) => (None, Some(core)),
            Where::Cpu(cpu) => (Some(cpu), None),
        };
        Self {
            kind: fault.kind.name().into(),
            cpu,
            core,
            load: fault.load,
            us,
            revision,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_fault_meets_its_cpu_its_core_and_its_load_alone() {
        let fault = |at, load| Fault {
            at,
            kind: FaultKind::Hang,
            load,
        };
        assert!(fault(Where::Everywhere, None).meets(7, 3, 9));
        assert!(fault(Where::Core(3), None).meets(7, 3, 9));
        assert!(!fault(Where::Core(2), None).meets(7, 3, 9));
        assert!(fault(Where::Cpu(7), Some(9)).meets(7, 3, 9));
        assert!(!fault(Where::Cpu(7), Some(8)).meets(7, 3, 9));
        assert!(!fault(Where::Cpu(6), None).meets(7, 3, 9));
    }

    #[test]
    fn a_seed_gives_the_same_sound_plan_each_time() {
        for seed in 0..500 {
            let plan = random_faults(seed, 5, 8, 4);
            assert_eq!(plan, random_faults(seed, 5, 8, 4));
            assert_eq!(plan.len(), 5);
            for fault in &plan {
                assert_eq!(fault.check(8, 4), Ok(()));
            }
        }
        assert_ne!(random_faults(1, 5, 8, 4), random_faults(2, 5, 8, 4));
        assert!(random_faults(1, 0, 8, 4).is_empty());
    }

    #[test]
    fn a_place_that_the_machine_has_not_is_refused() {
        let fault = |at| Fault {
            at,
            kind: FaultKind::Hang,
            load: None,
        };
        let beyond = |what, id, last| Err(FaultError::Beyond { what, id, last });
        assert_eq!(fault(Where::Cpu(8)).check(8, 4), beyond("cpu", 8, 7));
        assert_eq!(fault(Where::Core(4)).check(8, 4), beyond("core", 4, 3));
        assert_eq!(fault(Where::Core(3)).check(8, 4), Ok(()));
    }

    #[test]
    fn a_command_line_has_the_same_faults() {
        for seed in 0..50 {
            for fault in random_faults(seed, 5, 8, 4) {
                assert_eq!(fault.to_string().parse(), Ok(fault));
            }
        }
        let error = |text: &str| text.parse::<Fault>().unwrap_err();
        assert_eq!(error("fire"), FaultError::Kind);
        assert_eq!(error("slow"), FaultError::Missing("us"));
        assert_eq!(error("slow,us=x"), FaultError::Word);
        assert_eq!(error("hang,cpu"), FaultError::Word);
        assert_eq!(error("hang,who=1"), FaultError::Word);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_file_says_what_a_kind_needs_and_nothing_else() {
        let read = |text: &str| toml::from_str::<Fault>(text).map_err(|error| error.to_string());
        assert!(read("kind = \"hang\"").is_ok());
        assert!(read("kind = \"slow\"\nus = 3\ncpu = 1").is_ok());
        for (text, word) in [
            ("kind = \"fire\"", "no such kind"),
            ("kind = \"slow\"", "us = NUMBER"),
            ("kind = \"mismatch\"", "revision = NUMBER"),
            ("kind = \"hang\"\nus = 1", "leave it out"),
            ("kind = \"hang\"\ncpu = 1\ncore = 1", "together"),
            ("kind = \"hang\"\nwhat = 1", "unknown field"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
