//! The closed lists of the report, each with its names on the wire.

use core::fmt;

/// Declares an enum whose variants have one fixed name on the wire.
macro_rules! names {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// All variants, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name on the wire and in `result.json`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The variant of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

names! {
    /// Whose microcode format and MSRs a CPU uses.
    pub enum Vendor {
        /// GenuineIntel: updates through MSR 0x79.
        Intel = "intel",
        /// AuthenticAMD: patches through MSR 0xC0010020.
        Amd = "amd",
    }
}

names! {
    /// What took the write.
    pub enum HardwareKind {
        /// The CPU's own microcode MSRs (or whatever stands behind them).
        Msr = "msr",
        /// The model inside the guest: every time is a modelled one.
        Engine = "engine",
    }
}

names! {
    /// A register in which CPUID or RDMSR answers.
    pub enum Register {
        /// EAX.
        Eax = "eax",
        /// EBX.
        Ebx = "ebx",
        /// ECX.
        Ecx = "ecx",
        /// EDX.
        Edx = "edx",
    }
}

names! {
    /// Where the initrd came from.
    pub enum InitrdSource {
        /// Linked into the image.
        Embedded = "embedded",
        /// Given by the boot loader; it overrides the embedded one.
        Module = "module",
    }
}

names! {
    /// A CPU's part in the load of its core.
    pub enum Role {
        /// Writes the update for its core.
        Leader = "leader",
        /// An SMT sibling of the leader.
        Follower = "follower",
        /// Neither: it never took part in an open gate.
        None = "none",
    }
}

names! {
    /// What happened to one CPU.
    pub enum Outcome {
        /// The leader wrote, and the CPU shows the update's revision.
        Updated = "updated",
        /// The CPU had the update's revision before.
        Already = "already",
        /// A follower that shows the revision of its core's update.
        Followed = "followed",
        /// The CPU called in after the gate was closed, or never.
        Late = "late",
        /// The CPU was there, but the gate closed or its core's leader hung.
        Aborted = "aborted",
        /// The plan refused the CPU before anybody was stopped.
        Refused = "refused",
        /// The write raised #GP.
        GpFault = "gp-fault",
        /// The write passed without an effect: the revision is unchanged.
        NotTaken = "not-taken",
        /// The revision changed, but not to the update's.
        Mismatch = "mismatch",
        /// The CPU was still inside the load at the update deadline.
        Hung = "hung",
        /// The CPU is soft-offline: it loaded nothing itself.
        Parked = "parked",
        /// A dry run: it would have got the update.
        Planned = "planned",
    }
}

impl Outcome {
    /// Whether the CPU ended as it should.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(
            self,
            Self::Updated | Self::Already | Self::Followed | Self::Planned
        )
    }

    /// The error code that the implementations this project re-creates return
    /// for the same event (Xen `xen/arch/x86/cpu/microcode/core.c`).
    #[must_use]
    pub const fn errno(self) -> Option<&'static str> {
        match self {
            Self::Updated | Self::Followed | Self::Planned => None,
            Self::Already => Some("EEXIST"),
            Self::Late | Self::Aborted => Some("EBUSY"),
            Self::Refused => Some("ENXIO"),
            Self::GpFault | Self::NotTaken | Self::Mismatch => Some("EIO"),
            Self::Hung => Some("ETIMEDOUT"),
            Self::Parked => Some("EPERM"),
        }
    }

    /// The same for a CPU that was refused for that reason.
    #[must_use]
    pub fn errno_for(self, reason: Option<CandidateVerdict>) -> Option<&'static str> {
        match (self, reason) {
            (Self::Refused, Some(CandidateVerdict::Parked)) => Self::Parked.errno(),
            _ => self.errno(),
        }
    }
}

names! {
    /// What became of one candidate of the initrd.
    pub enum CandidateVerdict {
        /// It will be loaded on at least one CPU kind.
        Chosen = "chosen",
        /// It applies, but a better candidate does too.
        Superseded = "superseded",
        /// It applies, but is older than what the CPU runs.
        Older = "older",
        /// It applies, and the CPU runs it already.
        Same = "same",
        /// It is for another CPU signature.
        Signature = "signature",
        /// It is for another platform id.
        Platform = "platform",
        /// The CPU's revision is below the update's minimum.
        MinRevision = "min-revision",
        /// The CPU's revision is a final level.
        FinalLevel = "final-level",
        /// A known erratum forbids the load.
        Erratum = "erratum",
        /// Loading is disabled on this CPU.
        Disabled = "disabled",
        /// Its sizes are not allowed, by the format or for the CPU's family.
        Size = "size",
        /// A checksum is wrong.
        Checksum = "checksum",
        /// Its structure contradicts itself or the file.
        Malformed = "malformed",
        /// Its digest is not on the list of known patches.
        Digest = "digest",
        /// It is a pre-production update and the policy refuses those.
        PreProduction = "pre-production",
        /// A sibling of the CPU is soft-offline, and the policy is not to call it.
        Parked = "parked",
    }
}

impl CandidateVerdict {
    /// Whether the candidate itself is damaged, as opposed to not fitting.
    #[must_use]
    pub const fn is_damage(self) -> bool {
        matches!(
            self,
            Self::Size | Self::Checksum | Self::Malformed | Self::Digest
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_variant() {
        for &o in Outcome::ALL {
            assert_eq!(Outcome::from_name(o.name()), Some(o));
        }
        for &v in CandidateVerdict::ALL {
            assert_eq!(CandidateVerdict::from_name(v.name()), Some(v));
        }
        assert_eq!(Outcome::from_name("Updated"), None);
    }

    #[test]
    fn success_and_error_code_exclude_each_other_but_for_already_current() {
        for &o in Outcome::ALL {
            let both = o.is_success() && o.errno().is_some();
            assert_eq!(both, o == Outcome::Already, "{o}");
        }
    }

    #[test]
    fn a_refused_cpu_has_the_error_of_a_parked_one_only_where_a_sibling_is_parked() {
        for &reason in CandidateVerdict::ALL {
            let errno = match reason {
                CandidateVerdict::Parked => "EPERM",
                _ => "ENXIO",
            };
            assert_eq!(Outcome::Refused.errno_for(Some(reason)), Some(errno));
            // A reason changes nothing for who was not refused.
            assert_eq!(Outcome::Late.errno_for(Some(reason)), Some("EBUSY"));
            assert_eq!(Outcome::Updated.errno_for(Some(reason)), None);
        }
        assert_eq!(Outcome::Refused.errno_for(None), Some("ENXIO"));
    }
}
