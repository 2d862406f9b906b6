//! Reading the microcode revision and loading an update.

use crate::identity::Vendor;
use crate::registers::{GpFault, Msr, Registers};

/// IA32_BIOS_UPDT_TRIG: a write of the linear address of an update's data
/// loads it (Intel SDM vol. 3A, 11.11.6).
const IA32_BIOS_UPDT_TRIG: Msr = Msr(0x79);
/// IA32_BIOS_SIGN_ID, on AMD the patch level: the revision.
const IA32_BIOS_SIGN_ID: Msr = Msr(0x8b);
/// PATCH_LOADER: a write of the linear address of a patch's header loads it
/// (AMD BKDG, MSRC001_0020).
const PATCH_LOADER: Msr = Msr(0xc001_0020);

/// What precedes the data of an Intel update.
const INTEL_HEADER_SIZE: usize = 48;
/// The total size of an update whose header says 0 (SDM vol. 3A, 11.11.1).
const INTEL_LEGACY_SIZE: usize = 2048;
/// The alignment that Intel asks of the data; an AMD patch gets it too.
const ALIGNMENT: usize = 16;

/// A buffer that cannot be given to the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadBuffer {
    /// Its address is not a multiple of 16.
    Misaligned,
    /// It is shorter than its header says.
    Short,
}

/// A whole update or patch, header first, that the CPU may read: it lies
/// within memory that stays mapped while this lives.
#[derive(Clone, Copy, Debug)]
pub struct Loadable<'a> {
    vendor: Vendor,
    bytes: &'a [u8],
}

impl<'a> Loadable<'a> {
    /// Checks that the CPU will stay within `bytes`.
    pub fn new(vendor: Vendor, bytes: &'a [u8]) -> Result<Self, BadBuffer> {
        if !bytes.as_ptr().addr().is_multiple_of(ALIGNMENT) {
            return Err(BadBuffer::Misaligned);
        }
        let header: &[u8; INTEL_HEADER_SIZE] = bytes.first_chunk().ok_or(BadBuffer::Short)?;
        if vendor == Vendor::Intel {
            let total = [header[32], header[33], header[34], header[35]];
            let total = match u32::from_le_bytes(total) as usize {
                0 => INTEL_LEGACY_SIZE,
                total => total,
            };
            if total > bytes.len() {
                return Err(BadBuffer::Short);
            }
        }
        Ok(Self { vendor, bytes })
    }

    /// All of it, from its header on.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The linear address that the CPU is given.
    #[inline]
    fn address(&self) -> u64 {
        let offset = match self.vendor {
            Vendor::Intel => INTEL_HEADER_SIZE,
            Vendor::Amd => 0,
        };
        self.bytes[offset..].as_ptr().expose_provenance() as u64
    }
}

/// Loads an update on this CPU: one write, and the time that it takes.
pub fn load(registers: &impl Registers, update: &Loadable<'_>) -> Result<(), GpFault> {
    let msr = match update.vendor {
        Vendor::Intel => IA32_BIOS_UPDT_TRIG,
        Vendor::Amd => PATCH_LOADER,
    };
    // SAFETY: `Loadable` vouches for the memory that the CPU reads. What the
    // update does to the CPU is the vendor's word, which the CPU authenticates.
    unsafe { registers.write_msr(msr, update.address()) }
}

/// Writes that raise #GP instead of a load, for tests of what comes then.
///
/// VM_HSAVE_PA takes page-aligned addresses only (AMD APM vol. 2, 15.30.4),
/// which QEMU's own CPU minds; a hypervisor that does not mind it minds a
/// register that no CPU has.
pub fn provoke_fault(registers: &impl Registers) -> Result<(), GpFault> {
    const VM_HSAVE_PA: Msr = Msr(0xc001_0117);
    const NONE: Msr = Msr(0x0bad_c0de);
    // SAFETY: the write is refused, or sets an address that only VMRUN uses.
    unsafe { registers.write_msr(VM_HSAVE_PA, 1) }?;
    // SAFETY: there is no such register.
    unsafe { registers.write_msr(NONE, 0) }
}

/// Reads the revision anew.
///
/// Intel latches it into the register's upper half when CPUID is executed;
/// clearing the register first tells a CPU without any update, which leaves
/// it alone (SDM vol. 3A, 11.11.7.1). AMD's patch level is always there, in
/// the lower half.
pub fn revision(registers: &impl Registers, vendor: Vendor) -> Result<u32, GpFault> {
    match vendor {
        Vendor::Intel => {
            // SAFETY: the register holds the revision and nothing else.
            unsafe { registers.write_msr(IA32_BIOS_SIGN_ID, 0)? };
            registers.cpuid2(1, 0);
            Ok((registers.read_msr(IA32_BIOS_SIGN_ID)? >> 32) as u32)
        }
        Vendor::Amd => Ok((registers.read_msr(IA32_BIOS_SIGN_ID)? & 0xffff_ffff) as u32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    #[repr(align(16))]
    struct Aligned([u8; 4096]);

    #[test]
    fn the_intel_revision_is_latched_by_cpuid_after_a_write_of_0() {
        let fake = Fake::intel(0x0005_0654).with_revision(0x0200_7006);
        assert_eq!(revision(&fake, Vendor::Intel), Ok(0x0200_7006));
        assert_eq!(fake.trace(), ["wrmsr 8b = 0", "cpuid 1", "rdmsr 8b"]);
    }

    #[test]
    fn the_amd_level_is_in_the_lower_half() {
        let fake = Fake::amd(0x0080_0f12).with_msr(0x8b, 0xdead_0000_0800_126f);
        assert_eq!(revision(&fake, Vendor::Amd), Ok(0x0800_126f));
    }

    #[test]
    fn a_revision_register_that_faults_is_an_error() {
        assert_eq!(revision(&Fake::amd(0x0080_0f12), Vendor::Amd), Err(GpFault));
    }

    #[test]
    fn intel_is_given_the_data_and_amd_the_header() {
        let buffer = Aligned([0; 4096]);
        let address = buffer.0.as_ptr().addr() as u64;
        let fake = Fake::intel(1).with_msr(0x79, 0);
        load(&fake, &Loadable::new(Vendor::Intel, &buffer.0).unwrap()).unwrap();
        assert_eq!(fake.read_msr(Msr(0x79)), Ok(address + 48));
        let fake = Fake::amd(1).with_msr(0xc001_0020, 0);
        load(&fake, &Loadable::new(Vendor::Amd, &buffer.0).unwrap()).unwrap();
        assert_eq!(fake.read_msr(Msr(0xc001_0020)), Ok(address));
    }

    #[test]
    fn a_write_that_faults_is_an_error() {
        let buffer = Aligned([0; 4096]);
        let update = Loadable::new(Vendor::Intel, &buffer.0).unwrap();
        assert_eq!(load(&Fake::intel(1), &update), Err(GpFault));
    }

    #[test]
    fn a_provoked_fault_is_a_fault_whichever_register_minds() {
        let minds_none = Fake::intel(1)
            .with_msr(0xc001_0117, 0)
            .with_msr(0x0bad_c0de, 0);
        assert_eq!(provoke_fault(&minds_none), Ok(()));
        assert_eq!(
            provoke_fault(&Fake::intel(1).with_msr(0xc001_0117, 0)),
            Err(GpFault)
        );
        assert_eq!(provoke_fault(&Fake::intel(1)), Err(GpFault));
    }

    #[test]
    fn a_buffer_that_the_cpu_would_leave_is_refused() {
        let mut buffer = Aligned([0; 4096]);
        let misaligned = Loadable::new(Vendor::Amd, &buffer.0[8..]);
        assert_eq!(misaligned.err(), Some(BadBuffer::Misaligned));
        let short = Loadable::new(Vendor::Intel, &buffer.0[..2047]);
        assert_eq!(short.err(), Some(BadBuffer::Short));
        buffer.0[32..36].copy_from_slice(&4097_u32.to_le_bytes());
        assert_eq!(
            Loadable::new(Vendor::Intel, &buffer.0).err(),
            Some(BadBuffer::Short)
        );
        let no_header = Loadable::new(Vendor::Amd, &buffer.0[..47]);
        assert_eq!(no_header.err(), Some(BadBuffer::Short));
    }
}
