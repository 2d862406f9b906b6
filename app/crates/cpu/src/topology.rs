//! Where the CPU sits: package, core and thread, as CPUID tells it.
//!
//! Sources in the order in which they are asked; the first that answers wins:
//!
//! 1. leaf 0x1F, then 0xB (Intel SDM vol. 3A, 10.9; AMD APM vol. 3, E.3): the
//!    APIC id and how many of its bits number the thread and the core;
//! 2. AMD leaf 0x8000_001E (APM vol. 3, E.4.16): threads per core, with the
//!    number of core bits in leaf 0x8000_0008 ECX;
//! 3. the legacy leaves (SDM vol. 3A, 10.9.3): logical CPUs per package in
//!    leaf 1 and cores per package in leaf 4. An AMD CPU that gets here is
//!    older than SMT.

use crate::identity::Vendor;
use crate::registers::{CpuIdResult, Registers};

/// The level type that numbers threads.
const LEVEL_SMT: u32 = 1;
/// Leaf 0x1F has six level types; a CPU that lists more is not believed.
const MAX_LEVELS: u32 = 8;

/// Where a CPU sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// (x2)APIC id.
    pub apic_id: u32,
    /// Package.
    pub package: u32,
    /// Core within the package.
    pub core: u32,
    /// Thread within the core.
    pub thread: u32,
}

impl Place {
    /// Splits an APIC id whose lowest bits number the thread, and those up to
    /// `package_shift` the core.
    fn split(apic_id: u32, smt_shift: u32, package_shift: u32) -> Self {
        let low = |bits: u32| (1_u32 << bits.min(31)) - 1;
        let package_shift = package_shift.max(smt_shift);
        Self {
            apic_id,
            package: apic_id.checked_shr(package_shift).unwrap_or(0),
            core: (apic_id & low(package_shift)) >> smt_shift.min(31),
            thread: apic_id & low(smt_shift),
        }
    }
}

/// The number of bits that number `count` things.
fn bits(count: u32) -> u32 {
    count.next_power_of_two().trailing_zeros()
}

/// Asks the CPU where it sits.
pub fn place(registers: &impl Registers, vendor: Vendor) -> Place {
    let highest = registers.cpuid2(0, 0).eax;
    let highest_extended = registers.cpuid2(0x8000_0000, 0).eax;
    let levels = |leaf| {
        (highest >= leaf)
            .then(|| by_levels(registers, leaf))
            .flatten()
    };
    let amd = || {
        (vendor == Vendor::Amd && highest_extended >= 0x8000_001e)
            .then(|| by_amd_leaf(registers))?
    };
    levels(0x1f)
        .or_else(|| levels(0xb))
        .or_else(amd)
        .unwrap_or_else(|| by_legacy_leaves(registers, vendor, highest, highest_extended))
}

fn by_levels(registers: &impl Registers, leaf: u32) -> Option<Place> {
    let level = |n| -> (u32, CpuIdResult) {
        let level = registers.cpuid2(leaf, n);
        (level.ecx >> 8 & 0xff, level)
    };
    // A leaf without logical CPUs on its first level is not implemented.
    let (_, first) = level(0);
    if first.ebx & 0xffff == 0 {
        return None;
    }
    let mut smt_shift = 0;
    let mut package_shift = 0;
    for (kind, level) in (0..MAX_LEVELS)
        .map(level)
        .take_while(|(kind, _)| *kind != 0)
    {
        let shift = level.eax & 0x1f;
        if kind == LEVEL_SMT {
            smt_shift = shift;
        }
        package_shift = shift;
    }
    Some(Place::split(first.edx, smt_shift, package_shift))
}

fn by_amd_leaf(registers: &impl Registers) -> Option<Place> {
    let leaf = registers.cpuid2(0x8000_001e, 0);
    if leaf.eax == 0 && leaf.ebx == 0 && leaf.ecx == 0 && legacy_apic_id(registers) != 0 {
        return None;
    }
    let threads_per_core = (leaf.ebx >> 8 & 0xff) + 1;
    Some(Place::split(
        leaf.eax,
        bits(threads_per_core),
        amd_package_shift(registers),
    ))
}

/// ApicIdSize, or the number of cores where that is 0 (APM vol. 3, E.4.7).
fn amd_package_shift(registers: &impl Registers) -> u32 {
    let sizes = registers.cpuid2(0x8000_0008, 0).ecx;
    match sizes >> 12 & 0xf {
        0 => bits((sizes & 0xff) + 1),
        size => size,
    }
}

fn legacy_apic_id(registers: &impl Registers) -> u32 {
    registers.cpuid2(1, 0).ebx >> 24
}

fn by_legacy_leaves(
    registers: &impl Registers,
    vendor: Vendor,
    highest: u32,
    highest_extended: u32,
) -> Place {
    const SEVERAL_PER_PACKAGE: u32 = 1 << 28;
    let leaf1 = registers.cpuid2(1, 0);
    let apic_id = leaf1.ebx >> 24;
    if leaf1.edx & SEVERAL_PER_PACKAGE == 0 {
        return Place::split(apic_id, 0, 0);
    }
    match vendor {
        Vendor::Amd if highest_extended >= 0x8000_0008 => {
            Place::split(apic_id, 0, amd_package_shift(registers))
        }
        Vendor::Amd => Place::split(apic_id, 0, bits(leaf1.ebx >> 16 & 0xff)),
        Vendor::Intel => {
            let per_package = (leaf1.ebx >> 16 & 0xff).max(1);
            let cores = if highest >= 4 {
                (registers.cpuid2(4, 0).eax >> 26) + 1
            } else {
                1
            };
            let package_shift = bits(per_package);
            let smt_shift = package_shift.saturating_sub(bits(cores));
            Place::split(apic_id, smt_shift, package_shift)
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::unusual_byte_groupings,
    reason = "grouped as package, core, thread"
)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    fn at(apic_id: u32, package: u32, core: u32, thread: u32) -> Place {
        Place {
            apic_id,
            package,
            core,
            thread,
        }
    }

    #[test]
    fn leaf_0b_splits_the_apic_id() {
        let fake = Fake::intel(0x0005_0654)
            .with_leaf(0xb, 0, [1, 2, 1 << 8, 0b1_011_1])
            .with_leaf(0xb, 1, [4, 16, 2 << 8 | 1, 0b1_011_1]);
        assert_eq!(place(&fake, Vendor::Intel), at(0b1_011_1, 1, 3, 1));
    }

    #[test]
    fn leaf_1f_comes_first_and_its_dies_belong_to_the_package() {
        let fake = Fake::intel(0x0008_06f8)
            .with_leaf(0xb, 0, [0, 1, 1 << 8, 99])
            .with_leaf(0x1f, 0, [1, 2, 1 << 8, 0b1_1_010_0])
            .with_leaf(0x1f, 1, [4, 16, 2 << 8 | 1, 0b1_1_010_0])
            .with_leaf(0x1f, 2, [5, 32, 5 << 8 | 2, 0b1_1_010_0]);
        assert_eq!(place(&fake, Vendor::Intel), at(0b1_1_010_0, 1, 0b1010, 0));
    }

    #[test]
    fn an_amd_cpu_without_leaf_0b_is_placed_by_its_own_leaf() {
        let fake = Fake::amd(0x0080_0f12)
            .with_leaf(0x8000_0008, 0, [0, 0, 4 << 12 | 15, 0])
            .with_leaf(0x8000_001e, 0, [0b1_011_1, 1 << 8 | 3, 0, 0]);
        assert_eq!(place(&fake, Vendor::Amd), at(0b1_011_1, 1, 3, 1));
    }

    #[test]
    fn an_amd_cpu_before_smt_has_a_core_per_apic_id() {
        let fake = Fake::amd(0x0010_0f42)
            .with_highest_extended(0x8000_001b)
            .with_leaf(1, 0, [0x0010_0f42, 5 << 24 | 4 << 16, 0, 1 << 28])
            .with_leaf(0x8000_0008, 0, [0, 0, 2 << 12 | 3, 0]);
        assert_eq!(place(&fake, Vendor::Amd), at(5, 1, 1, 0));
    }

    #[test]
    fn the_legacy_leaves_tell_threads_from_cores() {
        let fake = Fake::intel(0x0001_06a5)
            .with_highest(4)
            .with_leaf(1, 0, [0x0001_06a5, 5 << 24 | 8 << 16, 0, 1 << 28])
            .with_leaf(4, 0, [3 << 26, 0, 0, 0]);
        assert_eq!(place(&fake, Vendor::Intel), at(5, 0, 2, 1));
    }

    #[test]
    fn a_lone_cpu_is_a_package_of_its_own() {
        let fake = Fake::intel(0x0001_06a5).with_leaf(1, 0, [0x0001_06a5, 1 << 24, 0, 0]);
        assert_eq!(place(&fake, Vendor::Intel), at(1, 1, 0, 0));
    }

    #[test]
    fn nonsense_in_the_leaves_does_not_overflow() {
        let all = [u32::MAX; 4];
        let fake = Fake::intel(0)
            .with_leaf(0xb, 0, all)
            .with_leaf(0x1f, 0, all);
        let _ = place(&fake, Vendor::Intel);
        let fake = Fake::amd(0)
            .with_leaf(0x8000_001e, 0, all)
            .with_leaf(0x8000_0008, 0, all);
        let _ = place(&fake, Vendor::Amd);
    }
}
