//! Why a candidate is loaded or not, with the numbers that decided.
//!
//! A [`Reason`] is what [`judge`](crate::judge) finds; its [`Verdict`] is the
//! name of the reason in reports, from a closed list, and its text says it in
//! words.

use crate::profile::{Erratum, Profile};
use crate::{Damage, FindingKind};
use core::fmt;

/// What becomes of one candidate for one CPU kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is the one to load.
    Chosen,
    /// It applies, but a better candidate does too.
    Superseded,
    /// It applies, but is older than what the CPU runs.
    Older,
    /// It applies, and the CPU runs it already.
    Same,
    /// It is for another CPU signature.
    Signature,
    /// It is for another platform id.
    Platform,
    /// The CPU's revision is below the update's minimum.
    MinRevision,
    /// The CPU's revision is one of those that take nothing newer.
    FinalLevel,
    /// A known erratum forbids the load.
    Erratum,
    /// Loading is disabled on this CPU.
    Disabled,
    /// Its sizes are not allowed.
    Size,
    /// A checksum is wrong.
    Checksum,
    /// It is cut short, or its structure contradicts itself.
    Malformed,
    /// Its digest is not on the list of known patches.
    Digest,
    /// It is a pre-production update, and the policy refuses those.
    PreProduction,
}

impl Verdict {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Superseded => "superseded",
            Self::Older => "older",
            Self::Same => "same",
            Self::Signature => "signature",
            Self::Platform => "platform",
            Self::MinRevision => "min-revision",
            Self::FinalLevel => "final-level",
            Self::Erratum => "erratum",
            Self::Disabled => "disabled",
            Self::Size => "size",
            Self::Checksum => "checksum",
            Self::Malformed => "malformed",
            Self::Digest => "digest",
            Self::PreProduction => "pre-production",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<Damage> for Verdict {
    fn from(damage: Damage) -> Self {
        match damage {
            Damage::Checksum => Self::Checksum,
            Damage::Malformed => Self::Malformed,
            Damage::Size => Self::Size,
        }
    }
}

/// A verdict with what led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is the one to load.
    Chosen,
    /// It applies, and another candidate is better.
    Superseded {
        /// The other's revision.
        revision: u32,
    },
    /// It is damaged.
    Damaged(FindingKind),
    /// Damage elsewhere in its file costs it too.
    Spoiled {
        /// Where the damage is, in bytes from the start of what was scanned.
        offset: usize,
        /// Whose rule that is.
        profile: &'static Profile,
    },
    /// It is the other vendor's.
    Vendor,
    /// It is for other signatures, this one being its main one, if it has any.
    Signature(Option<u32>),
    /// It is for other platforms.
    Platform {
        /// Its processor flags for the signature.
        flags: u32,
        /// The CPU's platform id.
        platform_id: u8,
    },
    /// It is bound to a chipset.
    Chipset,
    /// It is larger than the profile allows.
    SizeLimit {
        /// Its size in bytes.
        size: usize,
        /// The family that it is for.
        family: u32,
        /// That family's limit in bytes.
        limit: u32,
        /// Whose limit it is.
        profile: &'static Profile,
    },
    /// The CPU's level takes nothing newer.
    FinalLevel {
        /// That level.
        current: u32,
    },
    /// It is pre-production, and the CPU is not.
    PreProduction,
    /// The CPU runs it already.
    Same {
        /// Whether the profile writes it again on siblings that show it.
        rewritten: bool,
    },
    /// The CPU runs a newer revision.
    Older {
        /// That revision.
        current: u32,
    },
    /// The CPU takes no updates.
    Disabled,
    /// An erratum forbids it.
    Erratum(Erratum),
    /// The CPU's revision is too old for it.
    BelowMinimum {
        /// The lowest revision that is not.
        minimum: u32,
        /// The CPU's revision.
        current: u32,
    },
    /// It declares no minimum, and the policy asks for one.
    NoMinimum,
    /// Its patch id is not on the list of digests.
    DigestUnknown,
    /// Its digest is another than the list's.
    DigestDiffers,
    /// It is on the other side of a level at which signatures changed.
    DigestCutoff {
        /// That level.
        cutoff: u32,
    },
}

impl Reason {
    /// Its name in reports.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Chosen => Verdict::Chosen,
            Self::Superseded { .. } => Verdict::Superseded,
            Self::Damaged(kind) => kind.damage().map_or(Verdict::Malformed, Verdict::from),
            Self::Spoiled { .. } => Verdict::Malformed,
            Self::Vendor | Self::Signature(_) | Self::Chipset => Verdict::Signature,
            Self::Platform { .. } => Verdict::Platform,
            Self::SizeLimit { .. } => Verdict::Size,
            Self::FinalLevel { .. } => Verdict::FinalLevel,
            Self::PreProduction => Verdict::PreProduction,
            Self::Same { .. } => Verdict::Same,
            Self::Older { .. } => Verdict::Older,
            Self::Disabled => Verdict::Disabled,
            Self::Erratum(_) => Verdict::Erratum,
            Self::BelowMinimum { .. } | Self::NoMinimum => Verdict::MinRevision,
            Self::DigestUnknown | Self::DigestDiffers | Self::DigestCutoff { .. } => {
                Verdict::Digest
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen => f.write_str("the newest that applies to this CPU"),
            Self::Superseded { revision } => {
                write!(
                    f,
                    "applies, but {revision:#010x} does too and is loaded instead"
                )
            }
            Self::Damaged(kind) => kind.fmt(f),
            Self::Spoiled { offset, profile } => {
                let Profile { name, .. } = profile;
                write!(
                    f,
                    "sound, but {name} does not get to it because of the damage at offset \
                     {offset:#x} of its file"
                )
            }
            Self::Vendor => f.write_str("for another vendor's CPUs"),
            Self::Signature(Some(signature)) => write!(f, "for signature {signature:#010x}"),
            Self::Signature(None) => f.write_str("for no CPU that its container names"),
            Self::Platform { flags, platform_id } => {
                let flag = 1u32.checked_shl((*platform_id).into()).unwrap_or(0);
                write!(
                    f,
                    "for this signature on platforms {flags:#04x}, and this CPU's is {flag:#04x} \
                     (id {platform_id})"
                )
            }
            Self::Chipset => f.write_str("bound to a chipset, which a CPU cannot tell"),
            Self::SizeLimit {
                size,
                family,
                limit,
                profile,
            } => write!(
                f,
                "{size} bytes, and {name} allows family {family:x}h {limit}",
                name = profile.name
            ),
            Self::FinalLevel { current } => write!(
                f,
                "this CPU's level {current:#010x} takes nothing newer: loading over it can hang"
            ),
            Self::PreProduction => f.write_str(
                "a pre-production update, and this CPU runs a revision of production; force it if \
                 you mean it",
            ),
            Self::Same { rewritten: false } => f.write_str("this CPU runs it already"),
            Self::Same { rewritten: true } => f.write_str(
                "this CPU runs it already; beside a sibling that does not it is written again",
            ),
            Self::Older { current } => {
                write!(f, "older than {current:#010x}, which this CPU runs")
            }
            Self::Disabled => f.write_str(
                "newer, but this CPU takes no updates until it is reset (DIS_MCU_LOAD is set)",
            ),
            Self::Erratum(erratum) => write!(
                f,
                "newer, but erratum {} forbids this load on a running machine; load it at boot",
                erratum.name()
            ),
            Self::BelowMinimum { minimum, current } => write!(
                f,
                "newer, but may only replace {minimum:#010x} or later on a running machine, and \
                 this CPU runs {current:#010x}; load it at boot"
            ),
            Self::NoMinimum => f.write_str(
                "newer, but does not say from which revision a running machine may be updated",
            ),
            Self::DigestUnknown => f.write_str("newer, but not on the list of digests"),
            Self::DigestDiffers => {
                f.write_str("newer, but its digest is not the one on the list: it was altered")
            }
            Self::DigestCutoff { cutoff } => write!(
                f,
                "newer, but signatures changed after level {cutoff:#010x}, and this CPU checks the \
                 other kind"
            ),
        }
    }
}
