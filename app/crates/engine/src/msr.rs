//! The registers that the model answers, by number.

/// Those that any model may answer; which it does depends on the vendor and on
/// whether updates can be switched off. All others it passes over.
pub const ANSWERED: [u32; 6] = [
    PLATFORM_ID,
    BIOS_UPDT_TRIG,
    BIOS_SIGN_ID,
    ARCH_CAPABILITIES,
    MCU_CONTROL,
    PATCH_LOADER,
];

/// IA32_PLATFORM_ID: bits 52:50 are Intel's platform id (SDM volume 4).
pub const PLATFORM_ID: u32 = 0x17;
/// IA32_BIOS_UPDT_TRIG: a write loads an Intel update (SDM volume 3, "Microcode
/// Update Loader").
pub const BIOS_UPDT_TRIG: u32 = 0x79;
/// IA32_BIOS_SIGN_ID, on AMD PATCH_LEVEL: the revision.
pub const BIOS_SIGN_ID: u32 = 0x8b;
/// IA32_ARCH_CAPABILITIES: bit 9 says that there is an IA32_MCU_CONTROL.
pub const ARCH_CAPABILITIES: u32 = 0x10a;
/// IA32_MCU_CONTROL: whether updates are still taken (SDM volume 4).
pub const MCU_CONTROL: u32 = 0x1406;
/// PATCH_LOADER: a write loads an AMD patch (AMD BKDG, MSRC001_0020).
pub const PATCH_LOADER: u32 = 0xc001_0020;

/// In IA32_ARCH_CAPABILITIES: there is an IA32_MCU_CONTROL.
pub(crate) const HAS_MCU_CONTROL: u64 = 1 << 9;
/// In IA32_MCU_CONTROL: the register takes no write any more.
pub(crate) const MCU_LOCK: u64 = 1 << 0;
/// In IA32_MCU_CONTROL: updates are ignored.
pub(crate) const DIS_MCU_LOAD: u64 = 1 << 1;
/// In IA32_MCU_CONTROL: whether the lock holds in system management mode.
pub(crate) const EN_SMM_BYPASS: u64 = 1 << 2;
/// Where the platform id lies in IA32_PLATFORM_ID.
pub(crate) const PLATFORM_ID_SHIFT: u32 = 50;
