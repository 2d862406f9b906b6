//! The guest's memory: from address 0 on, and nothing else.
//!
//! Everything that the guest names by address goes through here: an address
//! outside of its memory is an error and never the monitor's own.

use std::io;

use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

/// Devices begin here, so memory ends before.
pub const DEVICES: u64 = 0xd000_0000;

/// Image, tables and a heap.
const LEAST_MIB: u64 = 16;
const MOST_MIB: u64 = DEVICES >> 20;

/// Why there is no memory for a guest.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// Too little, or into the devices' addresses.
    #[error("{mib} MiB of memory: give {LEAST_MIB} to {MOST_MIB} MiB")]
    Size {
        /// What was asked for.
        mib: u64,
    },
    /// The host has none to give.
    #[error("the host gives no {mib} MiB of memory ({why}): give less (--memory)")]
    Map {
        /// How much.
        mib: u64,
        /// Why.
        why: io::Error,
    },
}

/// The memory of a guest.
#[derive(Clone, Debug)]
pub struct Memory {
    ram: GuestMemoryMmap,
    nr_bytes: u64,
}

impl Memory {
    /// So many MiB, all clear.
    pub fn new(mib: u64) -> Result<Self, MemoryError> {
        let nr_bytes = mib.checked_mul(1 << 20).filter(|&bytes| bytes <= DEVICES);
        let Some(nr_bytes) = nr_bytes.filter(|_| mib >= LEAST_MIB) else {
            return Err(MemoryError::Size { mib });
        };
        let size = usize::try_from(nr_bytes).map_err(|_| MemoryError::Size { mib })?;
        let ram = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), size)]);
        let ram = ram.map_err(|why| MemoryError::Map {
            mib,
            why: io::Error::other(why),
        })?;
        Ok(Self { ram, nr_bytes })
    }

    /// All of it, for the crates that take it so.
    #[must_use]
    pub const fn ram(&self) -> &GuestMemoryMmap {
        &self.ram
    }

    /// Its size, which is its end as well.
    #[must_use]
    pub const fn nr_bytes(&self) -> u64 {
        self.nr_bytes
    }

    /// Where it lies in the monitor.
    pub(crate) fn host_address(&self) -> u64 {
        let regions = self.ram.iter().map(|region| region.as_ptr().addr() as u64);
        regions.min().unwrap_or_default()
    }

    /// Whether there is memory for so many bytes at that address.
    #[must_use]
    pub fn has(&self, address: u64, nr_bytes: u64) -> bool {
        address
            .checked_add(nr_bytes)
            .is_some_and(|end| end <= self.nr_bytes)
    }

    /// Writes bytes, all or none; whether there is memory for them.
    #[must_use]
    pub fn put(&self, address: u64, bytes: &[u8]) -> bool {
        self.has(address, bytes.len() as u64)
            && self.ram.write_slice(bytes, GuestAddress(address)).is_ok()
    }

    /// Reads bytes; whether there is memory for them.
    #[must_use]
    pub fn get(&self, address: u64, buffer: &mut [u8]) -> bool {
        self.ram.read_slice(buffer, GuestAddress(address)).is_ok()
    }
}
