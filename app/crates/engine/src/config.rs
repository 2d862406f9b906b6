//! What the CPU is: the same words in a scenario, in the file that the machine
//! reads, and in code.

use alloc::vec::Vec;
use core::fmt;

use microcode::Vendor;

use crate::fault::{Fault, FaultError};
use crate::feature::{Feature, FeatureError};
use crate::seal::Seal;

/// The most threads that a model can have.
pub(crate) const MAX_CPUS: u32 = 4096;

/// A machine's CPUs. Threads are numbered through cores: thread `n` belongs to
/// core `n / threads`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Config {
    /// Whose CPU it is.
    #[cfg_attr(feature = "serde", serde(with = "vendor_name"))]
    pub vendor: Vendor,
    /// CPUID leaf 1 EAX.
    pub signature: u32,
    /// Bits 52:50 of Intel's IA32_PLATFORM_ID, 0 to 7; 0 for AMD.
    #[cfg_attr(feature = "serde", serde(default))]
    pub platform_id: u8,
    /// The revision that every CPU starts with.
    #[cfg_attr(feature = "serde", serde(default = "first_revision"))]
    pub revision: u32,
    /// Number of CPUs, all threads counted.
    pub cpus: u32,
    /// Threads a core.
    #[cfg_attr(feature = "serde", serde(default = "one"))]
    pub threads: u32,
    /// Who shares a revision; the vendor's way without it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub revisions: Option<Domain>,
    /// What becomes of an update that is older than what the CPU runs.
    #[cfg_attr(feature = "serde", serde(default))]
    pub older: Downgrade,
    /// Whether updates can be switched off, or are.
    #[cfg_attr(feature = "serde", serde(default))]
    pub late_load: LateLoad,
    /// The ids by which AMD's patches below family 17h name this CPU. Without
    /// any, the one that its signature folds into.
    #[cfg_attr(feature = "serde", serde(default))]
    pub equivalence_ids: Vec<u16>,
    /// What accesses and loads cost.
    #[cfg_attr(feature = "serde", serde(default))]
    pub cost: Cost,
    /// Updates as their maker sealed them: if there are any, no others are
    /// taken, and none of these with another byte in it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub seal: Vec<Seal>,
    /// CPUID bits that come and go with a revision. Of two entries for a bit
    /// the later counts.
    #[cfg_attr(feature = "serde", serde(default))]
    pub feature: Vec<Feature>,
    /// Cores that differ from the rest.
    #[cfg_attr(feature = "serde", serde(default))]
    pub core: Vec<CoreConfig>,
    /// What goes wrong.
    #[cfg_attr(feature = "serde", serde(default))]
    pub fault: Vec<Fault>,
}

#[cfg(feature = "serde")]
const fn one() -> u32 {
    1
}

/// What a CPU shows whose firmware has no update for it.
#[cfg(feature = "serde")]
const fn first_revision() -> u32 {
    1
}

#[cfg(feature = "serde")]
mod vendor_name {
    use alloc::string::String;

    use microcode::Vendor;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde calls")]
    pub(super) fn serialize<S: Serializer>(vendor: &Vendor, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(vendor.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vendor, D::Error> {
        let name = String::deserialize(d)?;
        [Vendor::Intel, Vendor::Amd]
            .into_iter()
            .find(|vendor| vendor.name() == name)
            .ok_or_else(|| D::Error::unknown_variant(&name, &["intel", "amd"]))
    }
}

/// Who shares one revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Domain {
    /// All threads of a core: Intel's way.
    Core,
    /// Nobody: AMD's way, every thread is written.
    Thread,
}

/// What becomes of an older update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Downgrade {
    /// The CPU keeps what it has.
    #[default]
    Refused,
    /// The CPU takes it.
    Taken,
}

/// Whether IA32_MCU_CONTROL is there, and what it says at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum LateLoad {
    /// There is no such register, and updates are always taken.
    #[default]
    Always,
    /// There is one, and it allows updates.
    Enabled,
    /// There is one, and it says that updates are ignored.
    Disabled,
}

/// What things cost, in virtual hardware's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
pub struct Cost {
    /// A load, in µs.
    pub load_us: u32,
    /// What each KiB of the update adds, in ns.
    pub load_ns_per_kib: u32,
    /// Any other access of a register that the model answers, in ns.
    pub access_ns: u32,
}

/// What a core has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct CoreConfig {
    /// Which core, from 0.
    pub id: u32,
    /// Its CPUID leaf 1 EAX, if another.
    #[cfg_attr(feature = "serde", serde(default))]
    pub signature: Option<u32>,
    /// Its platform id, if another.
    #[cfg_attr(feature = "serde", serde(default))]
    pub platform_id: Option<u8>,
    /// The revision that it starts with, if another.
    #[cfg_attr(feature = "serde", serde(default))]
    pub revision: Option<u32>,
}

/// How a configuration contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// No CPU, or more than the model can have.
    Cpus(u32),
    /// The threads of a core do not divide the CPUs.
    Threads {
        /// All CPUs.
        cpus: u32,
        /// Threads a core.
        threads: u32,
    },
    /// A platform id that the register cannot hold, or that AMD has not.
    PlatformId(u8),
    /// AMD's CPUs have no IA32_MCU_CONTROL.
    LateLoad,
    /// A core that the machine has not.
    NoCore {
        /// Its number.
        id: u32,
        /// The last core's.
        last: u32,
    },
    /// Two entries for one core.
    CoreTwice(u32),
    /// A change of CPUID that no CPU can have.
    Feature {
        /// Its place in the list, from 0.
        index: usize,
        /// Why.
        error: FeatureError,
    },
    /// A fault that the machine cannot have.
    Fault {
        /// Its place in the list, from 0.
        index: usize,
        /// Why.
        error: FaultError,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpus(cpus) => write!(f, "cpus = {cpus}: give 1 to {MAX_CPUS}"),
            Self::Threads { cpus, threads } => write!(
                f,
                "threads = {threads} does not divide cpus = {cpus}: give a divisor"
            ),
            Self::PlatformId(id) => write!(
                f,
                "platform_id = {id}: Intel's are 0 to 7, and AMD's CPUs have none, which is 0"
            ),
            Self::LateLoad => f.write_str("late_load is Intel's: leave it out for AMD"),
            Self::NoCore { id, last } => {
                write!(f, "[[core]] names core {id}: there are 0 to {last}")
            }
            Self::CoreTwice(id) => write!(f, "two [[core]] have the id {id}: give each its own"),
            Self::Feature { index, error } => {
                write!(f, "[[feature]] number {}: {error}", index + 1)
            }
            Self::Fault { index, error } => write!(f, "[[fault]] number {}: {error}", index + 1),
        }
    }
}

impl core::error::Error for ConfigError {}

impl Config {
    /// CPUs that are all alike, one thread a core.
    #[must_use]
    pub const fn new(vendor: Vendor, signature: u32, cpus: u32) -> Self {
        Self {
            vendor,
            signature,
            platform_id: 0,
            revision: 1,
            cpus,
            threads: 1,
            revisions: None,
            older: Downgrade::Refused,
            late_load: LateLoad::Always,
            equivalence_ids: Vec::new(),
            cost: Cost {
                load_us: 0,
                load_ns_per_kib: 0,
                access_ns: 0,
            },
            seal: Vec::new(),
            feature: Vec::new(),
            core: Vec::new(),
            fault: Vec::new(),
        }
    }

    /// Physical cores; only of a configuration that [`check`](Self::check)
    /// passed.
    #[must_use]
    pub const fn nr_cores(&self) -> u32 {
        self.cpus / self.threads
    }

    /// Who shares a revision.
    #[must_use]
    pub const fn domain(&self) -> Domain {
        match (self.revisions, self.vendor) {
            (Some(domain), _) => domain,
            (None, Vendor::Intel) => Domain::Core,
            (None, Vendor::Amd) => Domain::Thread,
        }
    }

    /// Whether there can be such CPUs.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(1..=MAX_CPUS).contains(&self.cpus) {
            return Err(ConfigError::Cpus(self.cpus));
        }
        if self.threads == 0 || !self.cpus.is_multiple_of(self.threads) {
            return Err(ConfigError::Threads {
                cpus: self.cpus,
                threads: self.threads,
            });
        }
        let highest = match self.vendor {
            Vendor::Intel => 7,
            Vendor::Amd => 0,
        };
        let own = self.core.iter().filter_map(|core| core.platform_id);
        let ids = core::iter::once(self.platform_id).chain(own);
        if let Some(id) = ids.into_iter().find(|&id| id > highest) {
            return Err(ConfigError::PlatformId(id));
        }
        if self.vendor == Vendor::Amd && self.late_load != LateLoad::Always {
            return Err(ConfigError::LateLoad);
        }
        let last = self.nr_cores() - 1;
        for (place, core) in self.core.iter().enumerate() {
            let id = core.id;
            if id > last {
                return Err(ConfigError::NoCore { id, last });
            }
            if self.core[..place].iter().any(|other| other.id == id) {
                return Err(ConfigError::CoreTwice(id));
            }
        }
        for (index, feature) in self.feature.iter().enumerate() {
            feature
                .check()
                .map_err(|error| ConfigError::Feature { index, error })?;
        }
        for (index, fault) in self.fault.iter().enumerate() {
            fault
                .check(self.cpus, self.nr_cores())
                .map_err(|error| ConfigError::Fault { index, error })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
