//! Where implementations differ, as data.
//!
//! The vendors' manuals leave gaps, and loaders fill them in different ways,
//! so one file can be loaded here and refused there. A [`Profile`] holds every
//! such point that is known; the parsers and [`judge`](crate::judge) ask it
//! and contain no rule that only one implementation has. The same file judged
//! under each profile shows what the implementations disagree on.
//!
//! [`SDM`] is what Muster does: the manuals' rules, and the careful side where
//! they are silent. [`XEN`] and [`LINUX`] were read from Xen's
//! `xen/arch/x86/cpu/microcode/` (2026-08) and from Linux 7.3.4
//! `arch/x86/kernel/cpu/microcode/`, late load.
//!
//! | point | `sdm` | `xen` | `linux` |
//! | --- | --- | --- | --- |
//! | the oldest Intel form is told by | data size 0 | total size 0 | data size 0 |
//! | Intel sizes in steps of 4 and 1024 | yes | yes | not checked |
//! | Intel processor flags 0 match | platform 0 | nobody | everybody |
//! | a damaged update costs | itself | what follows | the whole file |
//! | pre-production updates | for pre-production CPUs | always newer | compared unsigned |
//! | minimum revision, where declared | kept | AMD's kept | not asked |
//! | errata | both | none | both |
//! | loading disabled (MSR 0x1406) | seen | seen | not asked |
//! | AMD sizes | any | a limit a family | limits up to family 14h |
//! | Zen patches are matched by | patch id | equivalence table | patch id |
//! | AMD patches for a chipset | refused | not asked | spoil the file |
//! | AMD's checksum and contradicting ids | damage | not asked | not asked |
//! | a level that a sibling shows already | written again | not written | written again |

use crate::Vendor;
use core::cmp::Ordering;

/// One implementation's rules; see the module's table.
#[derive(Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a point of its own, read by its name"
)]
pub struct Profile {
    /// Its name on the command line and in reports.
    pub name: &'static str,
    /// What tells Intel's oldest form.
    pub legacy_key: LegacyKey,
    /// Whether Intel's data size must be a multiple of 4 and its total size
    /// one of 1024.
    pub checks_size_steps: bool,
    /// Whom an Intel update without processor flags is for.
    pub no_flags: NoFlags,
    /// What a damaged update costs.
    pub damage: DamageReach,
    /// How Intel's negative revisions are treated.
    pub pre_production: PreProduction,
    /// What a minimum revision means, for Intel's updates.
    pub minimum_intel: MinimumRule,
    /// What a minimum revision means, for AMD's patches.
    pub minimum_amd: MinimumRule,
    /// The errata that are minded.
    pub errata: &'static [Erratum],
    /// Whether a CPU that says that loading is disabled is left alone.
    pub minds_disabled: bool,
    /// AMD patch levels that take nothing newer.
    pub final_levels: &'static [u32],
    /// The largest patch of AMD's families in bytes.
    pub amd_sizes: AmdSizes,
    /// What says which CPU a patch of family 17h or later is for.
    pub zen_key: ZenKey,
    /// What becomes of an AMD patch that is bound to a chipset.
    pub chipset: Chipset,
    /// Whether AMD's checksum is verified where there is one, and a patch is
    /// damaged whose ids contradict its container's table.
    pub checks_amd_ids: bool,
    /// Whether a level that one thread of a core shows is written again on
    /// its siblings.
    pub reloads_siblings: bool,
}

/// What tells Intel's oldest form, which has 2000 bytes of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegacyKey {
    /// A data size of 0; the total size does not count then (SDM, Linux,
    /// EDK2).
    DataSize,
    /// Each size of 0 stands for its own default (Xen, FreeBSD, coreboot,
    /// iPXE).
    TotalSize,
}

/// Whom an Intel update without processor flags is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFlags {
    /// CPUs with platform id 0.
    PlatformZero,
    /// All CPUs of the signature: the Pentium II knew no flags.
    Everybody,
    /// None: no 64-bit CPU has such an update.
    Nobody,
}

/// What a damaged update costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageReach {
    /// Itself.
    Itself,
    /// All that follows in its file.
    WhatFollows,
    /// Every update of its file.
    WholeFile,
}

/// How Intel's negative revisions are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreProduction {
    /// They are older than all others and are refused on a CPU that runs a
    /// revision of production.
    OnlyAmongThemselves,
    /// They are newer than anything: who has one knows what he does (Xen).
    AlwaysNewer,
    /// Revisions are compared unsigned, so they are newer than all others.
    Unsigned,
}

/// What a declared minimum revision means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinimumRule {
    /// Nothing.
    Ignored,
    /// Below it the update is refused.
    Kept,
    /// Likewise, and an update that declares none is refused too (Linux'
    /// option `microcode=force_minrev`).
    Required,
}

/// An erratum that forbids some late loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Erratum {
    /// Broadwell-EX and -EP (06-4f-01) with more than 2.5 MiB of last-level
    /// cache a core may hang when a revision below 0x0b000021 is replaced
    /// late (Intel document 334165, BDX90).
    Bdx90,
    /// Granite Rapids stepping 1 on the platforms 0x95 may raise machine
    /// checks when revision 0x01000405 is jumped over (Linux
    /// `revision_is_safe`, GNR98).
    Gnr98,
}

/// The largest patch of AMD's families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmdSizes {
    /// Family and size in bytes.
    pub families: &'static [(u32, u32)],
    /// All families that are not named; `None` means no limit.
    pub others: Option<u32>,
}

/// What says which CPU a patch of family 17h or later is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZenKey {
    /// The patch id, which encodes it.
    PatchId,
    /// The equivalence table, as for older families.
    Table,
}

/// What becomes of an AMD patch with the PCI id of a chipset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chipset {
    /// It is refused, since a CPU cannot tell its chipset.
    Refused,
    /// It counts as damage.
    Damage,
    /// Nobody looks.
    Ignored,
}

/// Levels of family 10h over which loading hangs or resets (Linux and Xen
/// `final_levels`).
pub const FINAL_LEVELS: [u32; 3] = [0x0100_0098, 0x0100_009f, 0x0100_00af];

/// The manuals, and the careful side where they are silent: Muster's own.
pub const SDM: Profile = Profile {
    name: "sdm",
    legacy_key: LegacyKey::DataSize,
    checks_size_steps: true,
    no_flags: NoFlags::PlatformZero,
    damage: DamageReach::Itself,
    pre_production: PreProduction::OnlyAmongThemselves,
    minimum_intel: MinimumRule::Kept,
    minimum_amd: MinimumRule::Kept,
    errata: &[Erratum::Bdx90, Erratum::Gnr98],
    minds_disabled: true,
    final_levels: &FINAL_LEVELS,
    amd_sizes: AmdSizes {
        families: &[],
        others: None,
    },
    zen_key: ZenKey::PatchId,
    chipset: Chipset::Refused,
    checks_amd_ids: true,
    reloads_siblings: true,
};

/// Xen, 2026-08.
pub const XEN: Profile = Profile {
    name: "xen",
    legacy_key: LegacyKey::TotalSize,
    checks_size_steps: true,
    no_flags: NoFlags::Nobody,
    damage: DamageReach::WhatFollows,
    pre_production: PreProduction::AlwaysNewer,
    minimum_intel: MinimumRule::Ignored,
    minimum_amd: MinimumRule::Kept,
    errata: &[],
    minds_disabled: true,
    final_levels: &FINAL_LEVELS,
    amd_sizes: AmdSizes {
        families: &[
            (0x14, 1824),
            (0x15, 4096),
            (0x16, 3458),
            (0x17, 3200),
            (0x19, 5568),
            (0x1a, 15296),
        ],
        others: Some(2048),
    },
    zen_key: ZenKey::Table,
    chipset: Chipset::Ignored,
    checks_amd_ids: false,
    reloads_siblings: false,
};

/// Linux 7.3.4, late load without `force_minrev`.
pub const LINUX: Profile = Profile {
    name: "linux",
    legacy_key: LegacyKey::DataSize,
    checks_size_steps: false,
    no_flags: NoFlags::Everybody,
    damage: DamageReach::WholeFile,
    pre_production: PreProduction::Unsigned,
    minimum_intel: MinimumRule::Ignored,
    minimum_amd: MinimumRule::Ignored,
    errata: &[Erratum::Bdx90, Erratum::Gnr98],
    minds_disabled: false,
    final_levels: &FINAL_LEVELS,
    amd_sizes: AmdSizes {
        families: &[(0x10, 2048), (0x11, 2048), (0x12, 2048), (0x14, 1824)],
        others: None,
    },
    zen_key: ZenKey::PatchId,
    chipset: Chipset::Damage,
    checks_amd_ids: false,
    reloads_siblings: true,
};

impl Profile {
    /// All profiles.
    pub const ALL: [&'static Self; 3] = [&SDM, &XEN, &LINUX];

    /// Whether a CPU that runs `current` takes `new` for newer: `Greater`, the
    /// same or older. It also orders two updates that a CPU could have.
    #[must_use]
    pub fn compare(&self, vendor: Vendor, new: u32, current: u32) -> Ordering {
        match self.pre_production {
            PreProduction::AlwaysNewer if vendor.is_pre_production(new) => Ordering::Greater,
            PreProduction::Unsigned => new.cmp(&current),
            _ => vendor.compare_revisions(new, current),
        }
    }

    /// What a minimum revision means in this vendor's updates.
    #[must_use]
    pub const fn minimum(&self, vendor: Vendor) -> MinimumRule {
        match vendor {
            Vendor::Intel => self.minimum_intel,
            Vendor::Amd => self.minimum_amd,
        }
    }
}

impl AmdSizes {
    /// The limit of a family in bytes.
    #[must_use]
    pub fn limit(&self, family: u32) -> Option<u32> {
        self.families
            .iter()
            .find(|&&(of_family, _)| of_family == family)
            .map(|&(_, size)| size)
            .or(self.others)
    }
}

impl Erratum {
    /// The vendor's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bdx90 => "BDX90",
            Self::Gnr98 => "GNR98",
        }
    }

    /// Whether it forbids a late load of `new` on this CPU. A cache whose
    /// size is not known counts as large.
    #[must_use]
    pub fn forbids(self, cpu: &crate::CpuKind, new: u32) -> bool {
        match self {
            Self::Bdx90 => {
                const LLC_PER_CORE: u32 = 2_621_440;
                cpu.signature == 0x0004_06f1
                    && cpu.llc_per_core.is_none_or(|size| size > LLC_PER_CORE)
                    && cpu.revision < 0x0b00_0021
            }
            Self::Gnr98 => {
                const REVISION: u32 = 0x0100_0405;
                cpu.signature == 0x000a_06d1
                    && cpu.platform_flag() & 0x95 != 0
                    && cpu.revision < REVISION
                    && new > REVISION
            }
        }
    }
}

#[cfg(test)]
mod tests;
