//! What both vendors' formats have in common.

use crate::profile::{NoFlags, Profile, ZenKey};
use crate::{CpuKind, Date, FindingKind, Target, Vendor, amd, intel};

/// An update (Intel) or a patch (AMD), as a view of the scanned bytes.
#[derive(Clone, Copy, Debug)]
pub enum Update<'a> {
    /// Intel's format.
    Intel(intel::Update<'a>),
    /// AMD's format.
    Amd(amd::Patch<'a>),
}

/// How an update relates to a CPU, its revision aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fit {
    /// It is for this CPU.
    Fits,
    /// It is for this signature on other platforms.
    OtherPlatform {
        /// All processor flags that it has for the signature.
        flags: u32,
    },
    /// It is for another signature.
    OtherSignature,
}

impl<'a> Update<'a> {
    /// Whose update it is.
    #[must_use]
    pub const fn vendor(&self) -> Vendor {
        match self {
            Self::Intel(_) => Vendor::Intel,
            Self::Amd(_) => Vendor::Amd,
        }
    }

    /// Every CPU that the update names, the main one first, as often as it
    /// names it (Intel's extended tables repeat the main signature).
    pub fn targets(&self) -> impl Iterator<Item = Target> + use<'a> {
        let (intel, amd) = match *self {
            Self::Intel(update) => (Some(update), None),
            Self::Amd(patch) => (None, Some(patch)),
        };
        let intel = intel.into_iter().flat_map(|update| update.targets());
        let amd = amd.into_iter().flat_map(|patch| patch.signatures());
        intel.chain(amd.map(|signature| Target {
            signature,
            flags: None,
        }))
    }

    /// The main signature; `None` for an AMD patch that no entry of its
    /// equivalence table names.
    #[must_use]
    pub fn signature(&self) -> Option<u32> {
        self.targets().next().map(|target| target.signature)
    }

    /// The main processor flags; `None` for AMD.
    #[must_use]
    pub fn flags(&self) -> Option<u32> {
        self.targets().next().and_then(|target| target.flags)
    }

    /// The revision that a CPU shows once it took the update.
    #[must_use]
    pub fn revision(&self) -> u32 {
        match self {
            Self::Intel(update) => update.header().revision.get(),
            Self::Amd(patch) => patch.header().patch_id.get(),
        }
    }

    /// The lowest revision from which the update may be loaded on a running
    /// machine, where it declares one.
    #[must_use]
    pub fn minimum_revision(&self) -> Option<u32> {
        match self {
            Self::Intel(update) => update.minimum_revision(),
            Self::Amd(patch) => patch.minimum_revision(),
        }
    }

    /// When it was released.
    #[must_use]
    pub fn date(&self) -> Date {
        Date::from_bcd(match self {
            Self::Intel(update) => update.header().date.get(),
            Self::Amd(patch) => patch.header().date.get(),
        })
    }

    /// The size that the file declares, header included, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Intel(update) => update.size(),
            Self::Amd(patch) => patch.size(),
        }
    }

    /// The update from its header on. As long as [`size`](Self::size) unless
    /// the candidate is damaged.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Intel(update) => update.bytes(),
            Self::Amd(patch) => patch.bytes(),
        }
    }

    /// Whether the declared sizes are allowed and all of the update is there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Intel(update) => update.is_whole(),
            Self::Amd(patch) => patch.bytes().len() == patch.size(),
        }
    }

    /// Whether the update is for this CPU, whatever their revisions, as this
    /// profile reads it.
    #[must_use]
    pub fn fit(&self, cpu: &CpuKind, profile: &Profile) -> Fit {
        match self {
            _ if self.vendor() != cpu.vendor => Fit::OtherSignature,
            Self::Intel(update) => fit_intel(update, cpu, profile.no_flags),
            Self::Amd(patch) => fit_amd(patch, cpu, profile.zen_key),
        }
    }
}

/// A platform matches when its bit is among the processor flags (SDM volume 3,
/// "Microcode Update Loader").
fn fit_intel(update: &intel::Update<'_>, cpu: &CpuKind, no_flags: NoFlags) -> Fit {
    let fits = |flags| match (flags, no_flags) {
        (0, NoFlags::PlatformZero) => cpu.platform_id == 0,
        (0, NoFlags::Everybody) => true,
        (flags, _) => flags & cpu.platform_flag() != 0,
    };
    let mut all_flags = None;
    for target in update.targets() {
        let flags = target.flags.unwrap_or_default();
        if target.signature != cpu.signature {
            continue;
        }
        if fits(flags) {
            return Fit::Fits;
        }
        all_flags = Some(all_flags.unwrap_or(0) | flags);
    }
    all_flags.map_or(Fit::OtherSignature, |flags| Fit::OtherPlatform { flags })
}

fn fit_amd(patch: &amd::Patch<'_>, cpu: &CpuKind, zen_key: ZenKey) -> Fit {
    let fits = match zen_key {
        ZenKey::PatchId => patch.signatures().any(|found| found == cpu.signature),
        ZenKey::Table => patch.mapped().any(|found| found == cpu.signature),
    };
    if fits { Fit::Fits } else { Fit::OtherSignature }
}

/// Why a candidate that was recognised may not be used, whatever the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Damage {
    /// A checksum is wrong.
    Checksum,
    /// It is cut short, or its structure contradicts itself.
    Malformed,
    /// Its header declares sizes that the format does not allow.
    Size,
}

/// What a scan found where an update should be.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its place among the candidates of the scan, from 0.
    pub index: u32,
    /// Which microcode file of the scanned bytes it is from, from 0: an initrd
    /// can hold several, anything else is one.
    pub file: u32,
    /// Where its header lies, in bytes from the start of what was scanned.
    pub offset: usize,
    /// The update itself.
    pub update: Update<'a>,
    /// What damages it, if anything. It is among the scan's
    /// [findings](crate::Finding) too.
    pub defect: Option<FindingKind>,
}

impl Candidate<'_> {
    /// Why it may not be used.
    #[must_use]
    pub fn damage(&self) -> Option<Damage> {
        self.defect.and_then(FindingKind::damage)
    }

    /// Whether its checksums hold; `None` where it has none that is in use.
    #[must_use]
    pub fn checksum_ok(&self) -> Option<bool> {
        match (self.damage(), &self.update) {
            (Some(Damage::Checksum), _) => Some(false),
            (_, Update::Intel(update)) => Some(update.sum() == Some(0)),
            (_, Update::Amd(patch)) => patch.checksum().map(|expected| patch.sum() == expected),
        }
    }
}
