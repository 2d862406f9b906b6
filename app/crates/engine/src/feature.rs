//! CPUID bits that come and go with a revision.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use microcode::Vendor;

/// A word of CPUID that revisions show with other bits.
///
/// In a file: `{ leaf = 7, register = "edx", set = 0x400, clear = 0x800, from =
/// 0x02007006 }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Words", into = "Words"))]
pub struct Feature {
    /// EAX of the CPUID.
    pub leaf: u32,
    /// ECX of the CPUID, 0 where the leaf takes none.
    pub subleaf: u32,
    /// Which register of the answer.
    pub register: CpuidRegister,
    /// Bits that appear.
    pub set: u32,
    /// Bits that vanish.
    pub clear: u32,
    /// The first revision that shows it so, by the vendor's comparison; without
    /// it, each that is loaded after the start.
    pub from: Option<u32>,
}

/// A register of CPUID's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuidRegister {
    /// EAX.
    Eax,
    /// EBX.
    Ebx,
    /// ECX.
    Ecx,
    /// EDX.
    Edx,
}

impl CpuidRegister {
    const NAMES: [(&'static str, Self); 4] = [
        ("eax", Self::Eax),
        ("ebx", Self::Ebx),
        ("ecx", Self::Ecx),
        ("edx", Self::Edx),
    ];

    /// The name in a file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }

    fn from_name(name: &str) -> Option<Self> {
        let mut known = Self::NAMES.iter();
        known.find(|known| known.0 == name).map(|known| known.1)
    }
}

/// What becomes of an answer of CPUID: for each register, EAX to EDX, the bits
/// that are set and those that are cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuidChange {
    /// Bits that appear.
    pub set: [u32; 4],
    /// Bits that vanish; none of them appears.
    pub clear: [u32; 4],
}

impl CpuidChange {
    /// Whether it leaves every answer as it is.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The answer, changed.
    #[must_use]
    pub fn apply(&self, answer: [u32; 4]) -> [u32; 4] {
        core::array::from_fn(|place| answer[place] & !self.clear[place] | self.set[place])
    }

    fn add(&mut self, feature: &Feature) {
        let place = feature.register as usize;
        // The later entry of two wins.
        self.set[place] = self.set[place] & !feature.clear | feature.set;
        self.clear[place] = self.clear[place] & !feature.set | feature.clear;
    }
}

/// Why there can be no such change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureError {
    /// No such register.
    Register,
    /// A word that is none of a feature's.
    Word,
    /// The same bits appear and vanish.
    Overlap(u32),
    /// No bit appears or vanishes.
    Nothing,
    /// A subleaf of a leaf that has none.
    Subleaf(u32),
    /// The signature, by which a CPU is known.
    Signature,
}

impl fmt::Display for FeatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register => f.write_str("there is no such register: give eax, ebx, ecx or edx"),
            Self::Word => f.write_str(
                "give leaf=, register= and set= or clear=, perhaps subleaf= and from=, each but \
                 the register a number",
            ),
            Self::Overlap(bits) => {
                write!(
                    f,
                    "set and clear have the bits {bits:#x} in common: give each to one"
                )
            }
            Self::Nothing => f.write_str("it changes nothing: give set or clear"),
            Self::Subleaf(leaf) => {
                write!(f, "leaf {leaf:#x} takes no subleaf: leave it out")
            }
            Self::Signature => f.write_str(
                "leaf 1 eax is the CPU's signature, which no update changes: give another word",
            ),
        }
    }
}

impl core::error::Error for FeatureError {}

/// Whether a leaf looks at ECX (Intel SDM volume 2A, "CPUID", and AMD APM
/// volume 3, appendix E).
const fn takes_subleaf(leaf: u32) -> bool {
    matches!(
        leaf,
        0x4 | 0x7
            | 0xb
            | 0xd
            | 0xf
            | 0x10
            | 0x12
            | 0x14
            | 0x17
            | 0x18
            | 0x1b
            | 0x1d
            | 0x1e
            | 0x1f
            | 0x20
            | 0x23
            | 0x24
            | 0x8000_001d
            | 0x8000_0020
            | 0x8000_0026
    )
}

impl Feature {
    /// Whether a CPU can have it.
    pub fn check(&self) -> Result<(), FeatureError> {
        match (self.leaf, self.register) {
            _ if self.set & self.clear != 0 => Err(FeatureError::Overlap(self.set & self.clear)),
            _ if self.set | self.clear == 0 => Err(FeatureError::Nothing),
            (leaf, _) if self.subleaf != 0 && !takes_subleaf(leaf) => {
                Err(FeatureError::Subleaf(leaf))
            }
            (1, CpuidRegister::Eax) => Err(FeatureError::Signature),
            _ => Ok(()),
        }
    }

    /// Whether a CPU shows it that runs this revision.
    fn is_shown(&self, vendor: Vendor, revision: u32, is_loaded: bool) -> bool {
        self.from.map_or(is_loaded, |from| {
            vendor.compare_revisions(revision, from).is_ge()
        })
    }

    fn is_of(&self, leaf: u32, subleaf: u32) -> bool {
        self.leaf == leaf && (self.subleaf == subleaf || !takes_subleaf(leaf))
    }
}

/// What all of them make of an answer of that leaf, on a CPU that runs that
/// revision.
pub(crate) fn change(
    features: &[Feature],
    vendor: Vendor,
    (revision, is_loaded): (u32, bool),
    (leaf, subleaf): (u32, u32),
) -> CpuidChange {
    let mut change = CpuidChange::default();
    for feature in features {
        if feature.is_of(leaf, subleaf) && feature.is_shown(vendor, revision, is_loaded) {
            change.add(feature);
        }
    }
    change
}

/// A feature as a file and a command line have it.
#[derive(Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
struct Words {
    leaf: u32,
    #[cfg_attr(feature = "serde", serde(default))]
    subleaf: u32,
    register: String,
    #[cfg_attr(feature = "serde", serde(default))]
    set: u32,
    #[cfg_attr(feature = "serde", serde(default))]
    clear: u32,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    from: Option<u32>,
}

impl TryFrom<Words> for Feature {
    type Error = FeatureError;

    fn try_from(words: Words) -> Result<Self, FeatureError> {
        Ok(Self {
            leaf: words.leaf,
            subleaf: words.subleaf,
            register: CpuidRegister::from_name(&words.register).ok_or(FeatureError::Register)?,
            set: words.set,
            clear: words.clear,
            from: words.from,
        })
    }
}

impl From<Feature> for Words {
    fn from(feature: Feature) -> Self {
        Self {
            leaf: feature.leaf,
            subleaf: feature.subleaf,
            register: feature.register.name().into(),
            set: feature.set,
            clear: feature.clear,
            from: feature.from,
        }
    }
}

/// `leaf=0x7,register=edx,set=0x400,from=0x2007006`, in any order; the last of
/// two of a name counts.
impl FromStr for Feature {
    type Err = FeatureError;

    fn from_str(text: &str) -> Result<Self, FeatureError> {
        let mut words = Words::default();
        let mut has_leaf = false;
        for part in text.split(',') {
            let (name, value) = part.split_once('=').ok_or(FeatureError::Word)?;
            let number = || hexadecimal(value).ok_or(FeatureError::Word);
            match name {
                "leaf" => {
                    words.leaf = number()?;
                    has_leaf = true;
                }
                "subleaf" => words.subleaf = number()?,
                "register" => words.register = value.into(),
                "set" => words.set = number()?,
                "clear" => words.clear = number()?,
                "from" => words.from = Some(number()?),
                _ => return Err(FeatureError::Word),
            }
        }
        if !has_leaf {
            return Err(FeatureError::Word);
        }
        words.try_into()
    }
}

fn hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leaf={:#x},register={}", self.leaf, self.register.name())?;
        for (name, number) in [
            ("subleaf", self.subleaf),
            ("set", self.set),
            ("clear", self.clear),
        ] {
            if number != 0 {
                write!(f, ",{name}={number:#x}")?;
            }
        }
        self.from
            .map_or(Ok(()), |from| write!(f, ",from={from:#x}"))
    }
}

#[cfg(test)]
mod tests;
