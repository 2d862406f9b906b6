//! What the CPUs of a guest may do to the registers that the model answers.

use engine::{Access, Config, LateLoad, msr};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use microcode::Vendor;

use crate::repair;

/// Where the memory lies.
pub const START: u64 = 0x1_0000;
/// How many CPUs there are, two threads a core.
pub const NR_CPUS: u32 = 4;
/// The signature of Intel's.
pub const INTEL: u32 = 0x0005_06e3;
const AMD: u32 = 0x0080_0f12;
const REGISTERS: [u32; 7] = [
    msr::PLATFORM_ID,
    msr::BIOS_UPDT_TRIG,
    msr::BIOS_SIGN_ID,
    msr::ARCH_CAPABILITIES,
    msr::MCU_CONTROL,
    msr::PATCH_LOADER,
    0x1b,
];

/// A guest.
#[derive(Arbitrary, Debug)]
pub struct Input<'a> {
    /// Whether the sums are made right first.
    repair: bool,
    is_amd: bool,
    platform_id: u8,
    /// What its CPUs do, one after another.
    pub steps: Vec<Step>,
    memory: &'a [u8],
}

/// What one CPU does.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Step {
    /// It executes CPUID.
    Cpuid {
        /// Which CPU, of as many as there are.
        cpu: u8,
    },
    /// It reads a register.
    Read {
        /// Which CPU.
        cpu: u8,
        /// Which of the registers here.
        register: u8,
    },
    /// It writes one.
    Write {
        /// Which CPU.
        cpu: u8,
        /// Which of the registers here.
        register: u8,
        /// What.
        value: u64,
    },
    /// It writes the load register, with an address within the memory or near.
    Load {
        /// Which CPU.
        cpu: u8,
        /// From the memory's start, in bytes.
        offset: u16,
    },
    /// The oldest load that is not finished is.
    Finish,
}

impl Input<'_> {
    /// What lies in its memory.
    #[must_use]
    pub fn memory(&self) -> Vec<u8> {
        let mut memory = self.memory.to_vec();
        if self.repair {
            repair(&mut memory);
        }
        memory
    }

    /// Whose CPUs they are.
    #[must_use]
    pub const fn vendor(&self) -> Vendor {
        if self.is_amd {
            Vendor::Amd
        } else {
            Vendor::Intel
        }
    }

    /// What they are.
    #[must_use]
    pub fn config(&self) -> Config {
        let (signature, platform_id, late_load) = match self.vendor() {
            Vendor::Amd => (AMD, 0, LateLoad::Always),
            Vendor::Intel => (INTEL, self.platform_id % 8, LateLoad::Enabled),
        };
        Config {
            threads: 2,
            platform_id,
            late_load,
            ..Config::new(self.vendor(), signature, NR_CPUS)
        }
    }
}

impl Step {
    /// The CPU and its access; none for the end of a load.
    #[must_use]
    pub fn access(&self, vendor: Vendor) -> Option<(u32, Access)> {
        let load_register = match vendor {
            Vendor::Amd => msr::PATCH_LOADER,
            Vendor::Intel => msr::BIOS_UPDT_TRIG,
        };
        let (cpu, access) = match *self {
            Self::Cpuid { cpu } => (cpu, Access::Cpuid),
            Self::Read { cpu, register } => (cpu, Access::Read(number(register))),
            Self::Write {
                cpu,
                register,
                value,
            } => (cpu, Access::Write(number(register), value)),
            Self::Load { cpu, offset } => {
                let address = START + u64::from(offset);
                (cpu, Access::Write(load_register, address))
            }
            Self::Finish => return None,
        };
        Some((u32::from(cpu) % NR_CPUS, access))
    }
}

fn number(register: u8) -> u32 {
    REGISTERS[usize::from(register) % REGISTERS.len()]
}
