//! PCI configuration space through the ports 0xCF8 and 0xCFC, which every PC
//! has; the memory-mapped way would need ACPI's word on where it is.
#![expect(unsafe_code, reason = "port I/O")]

use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};
use x86::io::{inl, outl};

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
const ENABLE: u32 = 1 << 31;

/// The pair of ports; one user at a time, the console on CPU 0.
pub(super) struct ConfigPorts;

impl ConfigPorts {
    fn select(function: DeviceFunction, offset: u8) {
        let address = u32::from(function.bus) << 16
            | u32::from(function.device) << 11
            | u32::from(function.function) << 8
            | u32::from(offset & !3);
        // SAFETY: the port only selects what `DATA` shows.
        unsafe { outl(ADDRESS, ENABLE | address) };
    }
}

impl ConfigurationAccess for ConfigPorts {
    fn read_word(&self, function: DeviceFunction, offset: u8) -> u32 {
        Self::select(function, offset);
        // SAFETY: reading configuration space changes no memory.
        unsafe { inl(DATA) }
    }

    fn write_word(&mut self, function: DeviceFunction, offset: u8, word: u32) {
        Self::select(function, offset);
        // SAFETY: only the console's own function is configured here, and
        // its bus mastering reaches the DMA pool alone.
        unsafe { outl(DATA, word) };
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self
    }
}
