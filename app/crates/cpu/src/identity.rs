//! Who the CPU is.

use core::fmt;

use crate::registers::{CpuId, Msr, Registers};

/// IA32_PLATFORM_ID (Intel SDM vol. 4, table 2-2).
const IA32_PLATFORM_ID: Msr = Msr(0x17);
/// Bits 52:50 of it.
const PLATFORM_ID_SHIFT: u32 = 50;

/// A vendor whose microcode can be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// GenuineIntel.
    Intel,
    /// AuthenticAMD.
    Amd,
}

/// What decides which update fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whose.
    pub vendor: Vendor,
    /// CPUID leaf 1 EAX.
    pub signature: u32,
    /// 0 to 7; 0 on AMD, and on an Intel CPU without the register.
    pub platform_id: u8,
    /// Whether an Intel CPU says that it takes no updates any more.
    pub loading_disabled: bool,
    /// The last-level cache in bytes, where an Intel CPU describes it.
    pub llc: Option<u32>,
}

/// A CPU of another vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownVendor;

/// Asks the CPU who it is.
pub fn identity(registers: &impl Registers) -> Result<Identity, UnknownVendor> {
    let signature = registers.cpuid2(1, 0).eax;
    let name = CpuId::with_cpuid_reader(registers.clone()).get_vendor_info();
    let vendor = match name.as_ref().map(raw_cpuid::VendorInfo::as_str) {
        Some("GenuineIntel") => Vendor::Intel,
        Some("AuthenticAMD") => Vendor::Amd,
        _ => return Err(UnknownVendor),
    };
    let amd = Identity {
        vendor,
        signature,
        platform_id: 0,
        loading_disabled: false,
        llc: None,
    };
    Ok(match vendor {
        Vendor::Amd => amd,
        Vendor::Intel => Identity {
            platform_id: registers
                .read_msr(IA32_PLATFORM_ID)
                .map_or(0, |value| (value >> PLATFORM_ID_SHIFT & 7) as u8),
            loading_disabled: loading_disabled(registers),
            llc: last_level_cache(registers),
            ..amd
        },
    })
}

/// Whether updates are locked out until the next reset. Each register is read
/// only where the one before it says that it is there (Intel SDM vol. 4,
/// IA32_ARCH_CAPABILITIES and IA32_MCU_CONTROL).
fn loading_disabled(registers: &impl Registers) -> bool {
    const HAS_ARCH_CAPABILITIES: u32 = 1 << 29;
    const IA32_ARCH_CAPABILITIES: Msr = Msr(0x10a);
    const HAS_MCU_CONTROL: u64 = 1 << 9;
    const IA32_MCU_CONTROL: Msr = Msr(0x1406);
    const DIS_MCU_LOAD: u64 = 1 << 1;
    let is_set = |msr, bit| registers.read_msr(msr).is_ok_and(|value| value & bit != 0);
    registers.cpuid2(0, 0).eax >= 7
        && registers.cpuid2(7, 0).edx & HAS_ARCH_CAPABILITIES != 0
        && is_set(IA32_ARCH_CAPABILITIES, HAS_MCU_CONTROL)
        && is_set(IA32_MCU_CONTROL, DIS_MCU_LOAD)
}

/// The largest of the caches that CPUID leaf 4 describes, in bytes.
fn last_level_cache(registers: &impl Registers) -> Option<u32> {
    CpuId::with_cpuid_reader(registers.clone())
        .get_cache_parameters()?
        .map(|cache| {
            let ways = cache.associativity() * cache.physical_line_partitions();
            ways * cache.coherency_line_size() * cache.sets()
        })
        .max()
        .and_then(|size| u32::try_from(size).ok())
}

/// The twelve characters by which a hypervisor names itself in leaf
/// 0x4000_0000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HypervisorName([u8; 12]);

impl fmt::Display for HypervisorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        self.0
            .iter()
            .take_while(|&&byte| byte != 0)
            .try_for_each(|&byte| {
                f.write_char(if byte.is_ascii_graphic() {
                    byte.into()
                } else {
                    '?'
                })
            })
    }
}

/// The hypervisor, if CPUID leaf 1 ECX bit 31 says that there is one.
pub fn hypervisor(registers: &impl Registers) -> Option<HypervisorName> {
    const PRESENT: u32 = 1 << 31;
    if registers.cpuid2(1, 0).ecx & PRESENT == 0 {
        return None;
    }
    let leaf = registers.cpuid2(0x4000_0000, 0);
    let mut name = [0; 12];
    for (bytes, word) in name.chunks_exact_mut(4).zip([leaf.ebx, leaf.ecx, leaf.edx]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    Some(HypervisorName(name))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;
    use crate::fake::Fake;

    #[test]
    fn an_intel_cpu_has_its_platform_id_from_the_register() {
        let fake = Fake::intel(0x0005_0654).with_msr(0x17, 0b101 << 50 | 0xffff);
        assert_eq!(
            identity(&fake),
            Ok(Identity {
                vendor: Vendor::Intel,
                signature: 0x0005_0654,
                platform_id: 5,
                loading_disabled: false,
                llc: None,
            })
        );
    }

    #[test]
    fn a_platform_register_that_faults_means_platform_0() {
        assert_eq!(identity(&Fake::intel(0x306c3)).unwrap().platform_id, 0);
    }

    #[test]
    fn an_amd_cpu_is_not_asked_for_a_platform_id() {
        let fake = Fake::amd(0x0080_0f12).with_msr(0x17, u64::MAX);
        let identity = identity(&fake).unwrap();
        assert_eq!((identity.vendor, identity.platform_id), (Vendor::Amd, 0));
    }

    #[test]
    fn loading_is_disabled_where_every_register_on_the_way_says_so() {
        let disabled = |edx, capabilities, control| {
            let fake = Fake::intel(0x0009_06a3)
                .with_leaf(7, 0, [0, 0, 0, edx])
                .with_msr(0x10a, capabilities)
                .with_msr(0x1406, control);
            identity(&fake).unwrap().loading_disabled
        };
        assert!(disabled(1 << 29, 1 << 9, 1 << 1));
        assert!(!disabled(0, 1 << 9, 1 << 1));
        assert!(!disabled(1 << 29, 0, 1 << 1));
        assert!(!disabled(1 << 29, 1 << 9, 1));
    }

    #[test]
    fn the_largest_cache_of_leaf_4_counts() {
        // 20 ways of 64 bytes, 45056 sets: 55 MiB; before it 1 MiB.
        let fake = Fake::intel(0x0004_06f1)
            .with_leaf(4, 0, [0x143, 0x03c0_003f, 1023, 0])
            .with_leaf(4, 1, [0x163, 0x04c0_003f, 45055, 0]);
        assert_eq!(identity(&fake).unwrap().llc, Some(20 * 64 * 45056));
    }

    #[test]
    fn another_vendor_is_an_error() {
        let fake = Fake::intel(0x600).with_leaf(0, 0, [1, 0x746e_6543, 0x736c_7561, 0x4872_7561]);
        assert_eq!(identity(&fake), Err(UnknownVendor));
    }

    #[test]
    fn the_hypervisor_is_named_only_where_there_is_one() {
        let fake = Fake::intel(0x306c3);
        assert_eq!(hypervisor(&fake), None);
        let name = [0, 0x5447_4354, 0x5447_4354, 0x0000_0a43];
        let fake = fake
            .with_leaf(1, 0, [0x306c3, 0, 1 << 31, 0])
            .with_leaf(0x4000_0000, 0, name);
        assert_eq!(hypervisor(&fake).unwrap().to_string(), "TCGTTCGTC?");
    }
}
