//! What of a CPU decides whether an update fits.

use core::cmp::Ordering;

/// Whose microcode format and load registers a CPU uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vendor {
    /// `GenuineIntel`.
    Intel,
    /// `AuthenticAMD`.
    Amd,
}

impl Vendor {
    /// The vendor's name in reports: `intel` or `amd`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intel => "intel",
            Self::Amd => "amd",
        }
    }

    /// Orders two revisions: `Greater` means that `left` is the newer one.
    ///
    /// Intel's revisions are signed, and negative ones are pre-production
    /// (SDM volume 3, "Microcode Update Resources"); Xen compared them
    /// unsigned until commit aa1b136ff1. AMD's patch levels are unsigned.
    #[must_use]
    pub fn compare_revisions(self, left: u32, right: u32) -> Ordering {
        match self {
            Self::Intel => left.cast_signed().cmp(&right.cast_signed()),
            Self::Amd => left.cmp(&right),
        }
    }

    /// Whether the revision is one of Intel's pre-production ones.
    #[must_use]
    pub const fn is_pre_production(self, revision: u32) -> bool {
        matches!(self, Self::Intel) && revision.cast_signed() < 0
    }
}

/// One of the distinct CPUs of a machine. Machines with mixed steppings are
/// legal, so every kind present is judged for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CpuKind {
    /// Whose CPU it is.
    pub vendor: Vendor,
    /// EAX of CPUID leaf 1.
    pub signature: u32,
    /// Bits 52:50 of Intel's MSR 0x17, so 0 to 7; 0 on AMD.
    pub platform_id: u8,
    /// The microcode revision that the CPU runs now.
    pub revision: u32,
    /// Whether the CPU takes no update any more: DIS_MCU_LOAD, bit 1 of
    /// Intel's IA32_MCU_CONTROL (MSR 0x1406).
    pub loading_disabled: bool,
    /// The last-level cache divided by the cores that share it, in bytes,
    /// where it is known. An erratum depends on it.
    pub llc_per_core: Option<u32>,
}

impl CpuKind {
    /// A CPU on platform 0 that has no update yet and about which nothing
    /// else is known.
    #[must_use]
    pub const fn new(vendor: Vendor, signature: u32) -> Self {
        Self {
            vendor,
            signature,
            platform_id: 0,
            revision: 0,
            loading_disabled: false,
            llc_per_core: None,
        }
    }

    /// Whether the two take the same updates, whatever revisions they run.
    #[must_use]
    pub fn takes_updates_of(&self, other: &Self) -> bool {
        // AMD has no platform id that could tell them apart.
        let platforms = self.vendor == Vendor::Amd || self.platform_id == other.platform_id;
        self.vendor == other.vendor && self.signature == other.signature && platforms
    }

    /// The platform id as a bit of Intel's processor flags; no bit at all for
    /// an id that the register cannot hold.
    pub(crate) fn platform_flag(&self) -> u32 {
        1u8.checked_shl(u32::from(self.platform_id))
            .map_or(0, u32::from)
    }
}

/// One kind of CPU that an update names as its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// EAX of CPUID leaf 1.
    pub signature: u32,
    /// Intel's processor flags, a bit for each platform id; AMD has none.
    pub flags: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intel_revisions_are_signed_and_amd_levels_are_not() {
        let pre_production = 0x8000_0001;
        assert_eq!(
            Vendor::Intel.compare_revisions(pre_production, 1),
            Ordering::Less
        );
        assert_eq!(
            Vendor::Amd.compare_revisions(pre_production, 1),
            Ordering::Greater
        );
    }

    #[test]
    fn cpus_take_the_same_updates_by_signature_and_intels_platform() {
        let intel = CpuKind::new(Vendor::Intel, 1);
        let amd = CpuKind::new(Vendor::Amd, 1);
        let elsewhere = |cpu| CpuKind {
            platform_id: 3,
            revision: 9,
            ..cpu
        };
        assert!(intel.takes_updates_of(&CpuKind {
            revision: 9,
            ..intel
        }));
        assert!(!intel.takes_updates_of(&elsewhere(intel)));
        assert!(amd.takes_updates_of(&elsewhere(amd)));
        assert!(!intel.takes_updates_of(&amd));
        assert!(!amd.takes_updates_of(&CpuKind::new(Vendor::Amd, 2)));
    }

    #[test]
    fn a_platform_id_beyond_the_register_has_no_flag() {
        let kind = |platform_id| CpuKind {
            platform_id,
            ..CpuKind::new(Vendor::Intel, 0)
        };
        assert_eq!(kind(7).platform_flag(), 0x80);
        assert_eq!(kind(8).platform_flag(), 0);
        assert_eq!(kind(255).platform_flag(), 0);
    }
}
