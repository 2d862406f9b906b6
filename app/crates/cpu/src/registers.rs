//! The instructions: CPUID, RDMSR, WRMSR, RDTSC.

use core::arch::asm;

pub use raw_cpuid::{CpuId, CpuIdReader, CpuIdResult};

/// An access that raised #GP: the register does not exist, or does not take
/// the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpFault;

/// A model-specific register's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Msr(pub u32);

/// The registers of the CPU that calls.
pub trait Registers: CpuIdReader {
    /// Reads a model-specific register.
    fn read_msr(&self, msr: Msr) -> Result<u64, GpFault>;

    /// Writes a model-specific register.
    ///
    /// # Safety
    ///
    /// Some registers change what memory is or does; the caller knows what
    /// this one does.
    unsafe fn write_msr(&self, msr: Msr, value: u64) -> Result<(), GpFault>;

    /// Reads the time-stamp counter, after all earlier loads.
    fn read_tsc(&self) -> u64;
}

/// The real CPU. It needs ring 0 for the model-specific registers, and a
/// kernel that honours the section `fixup_table` (see `access!`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

impl CpuIdReader for Native {
    /// The instruction's address stands in the section `cpuid_table`, 4 bytes as
    /// the distance from there: a monitor that cannot see the instruction makes
    /// another of it, which it sees.
    #[inline]
    fn cpuid2(&self, leaf: u32, subleaf: u32) -> CpuIdResult {
        let (eax, ebx, ecx, edx): (u32, u32, u32, u32);
        // SAFETY: every 64-bit CPU has the instruction, which changes no memory.
        // RBX belongs to the compiler and is what it was afterwards.
        unsafe {
            asm!(
                "mov {rbx:r}, rbx",
                "2:",
                "cpuid",
                "xchg {rbx:r}, rbx",
                ".pushsection cpuid_table, \"a\"",
                ".balign 4",
                ".long 2b - .",
                ".popsection",
                rbx = out(reg) ebx,
                inout("eax") leaf => eax,
                inout("ecx") subleaf => ecx,
                out("edx") edx,
                options(nostack, preserves_flags)
            );
        }
        CpuIdResult { eax, ebx, ecx, edx }
    }
}

/// One RDMSR or WRMSR that may fault.
///
/// The instruction's address and the address to go on from after a #GP stand
/// in the section `fixup_table`, 8 bytes each, where the kernel's handler
/// looks them up. `$fault` is 1 afterwards if it faulted.
macro_rules! access {
    ($instruction:literal, $fault:ident, $($operands:tt)*) => {
        asm!(
            "xor {fault:e}, {fault:e}",
            "2:",
            $instruction,
            "jmp 4f",
            "3:",
            "mov {fault:e}, 1",
            "4:",
            ".pushsection fixup_table, \"a\"",
            ".balign 8",
            ".quad 2b, 3b",
            ".popsection",
            fault = out(reg) $fault,
            $($operands)*
        )
    };
}

/// The value, unless the access faulted.
#[inline]
fn checked<T>(fault: u32, value: T) -> Result<T, GpFault> {
    match fault {
        0 => Ok(value),
        _ => Err(GpFault),
    }
}

impl Registers for Native {
    #[inline]
    fn read_msr(&self, msr: Msr) -> Result<u64, GpFault> {
        let (low, high): (u32, u32);
        let fault: u32;
        // SAFETY: reading a register changes no memory; a #GP is caught.
        unsafe {
            access!("rdmsr", fault, in("ecx") msr.0, out("eax") low, out("edx") high,
                options(nostack));
        }
        checked(fault, u64::from(high) << 32 | u64::from(low))
    }

    #[inline]
    unsafe fn write_msr(&self, msr: Msr, value: u64) -> Result<(), GpFault> {
        let fault: u32;
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        let [low, high] = [value as u32, (value >> 32) as u32];
        // SAFETY: the caller knows the register; a #GP is caught. The
        // compiler must assume that memory is read, as it is by a load.
        unsafe {
            access!("wrmsr", fault, in("ecx") msr.0, in("eax") low, in("edx") high,
                options(nostack));
        }
        checked(fault, ())
    }

    #[inline]
    fn read_tsc(&self) -> u64 {
        // LFENCE: RDTSC does not wait for earlier instructions by itself
        // (Intel SDM vol. 2B, RDTSC).
        let (low, high): (u32, u32);
        // SAFETY: both instructions exist on every 64-bit CPU. The compiler must
        // assume that memory is read, as it is before the LFENCE.
        unsafe {
            asm!("lfence", "rdtsc", out("eax") low, out("edx") high,
                options(nostack, preserves_flags));
        }
        u64::from(high) << 32 | u64::from(low)
    }
}
