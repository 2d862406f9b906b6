//! A virtio console (virtio 1.2, 5.3) that takes what the guest sends and says
//! nothing.

use std::io::Write;

use virtio_bindings::virtio_ids::VIRTIO_ID_CONSOLE;
use virtio_queue::{Queue, QueueT};
use vm_memory::{Bytes, GuestAddress};

use super::mmio::Device;
use crate::memory::Memory;

const TRANSMIT: usize = 1;
/// So much of one buffer is taken, in bytes. A line has 256.
const MAX_BUFFER: usize = 0x1_0000;

/// The console and where its bytes go.
#[derive(Debug)]
pub struct Console<W> {
    out: W,
}

impl<W: Write> Console<W> {
    /// One that writes there.
    pub const fn new(out: W) -> Self {
        Self { out }
    }

    /// Copies one buffer of the guest's. Where there is no memory, or no room on
    /// the disk, the bytes are lost and the guest goes on.
    fn take(&mut self, memory: &Memory, address: GuestAddress, nr_bytes: u32) {
        let nr_bytes = (nr_bytes as usize).min(MAX_BUFFER);
        let mut bytes = vec![0; nr_bytes];
        if memory.ram().read_slice(&mut bytes, address).is_ok() {
            let _ = self.out.write_all(&bytes);
        }
    }
}

impl<W: Write> Device for Console<W> {
    const ID: u32 = VIRTIO_ID_CONSOLE;
    /// Receive and transmit.
    const NR_QUEUES: usize = 2;

    fn notify(&mut self, number: usize, queue: &mut Queue, memory: &Memory) -> bool {
        if number != TRANSMIT {
            return false;
        }
        let mut is_used = false;
        // Those that are there now: a guest that adds while they are taken
        // notifies again.
        for _ in 0..queue.size() {
            let Some(chain) = queue.pop_descriptor_chain(memory.ram()) else {
                break;
            };
            let head = chain.head_index();
            for descriptor in chain.readable() {
                self.take(memory, descriptor.addr(), descriptor.len());
            }
            if queue.add_used(memory.ram(), head, 0).is_err() {
                break;
            }
            is_used = true;
        }
        is_used && queue.needs_notification(memory.ram()).unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use virtio_bindings::virtio_mmio as register;

    use super::super::Transport;
    use super::*;

    const TABLE: u64 = 0x1000;
    const AVAILABLE: u64 = 0x2000;
    const USED: u64 = 0x3000;
    const TEXT: u64 = 0x4000;
    /// ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK.
    const READY: u32 = 1 | 2 | 8 | 4;

    /// A console whose driver offers these buffers, `address, bytes` each, in a
    /// chain.
    fn offered(buffers: &[(u64, u32)]) -> (Transport<Console<Vec<u8>>>, Memory) {
        let memory = Memory::new(16).unwrap();
        assert!(memory.put(TEXT, b"KTAP version 1\n"));
        let mut table = Vec::new();
        for (next, &(address, nr_bytes)) in (1_u16..).zip(buffers) {
            let goes_on = u16::from(usize::from(next) < buffers.len());
            table.extend(address.to_le_bytes());
            table.extend(nr_bytes.to_le_bytes());
            table.extend(goes_on.to_le_bytes());
            table.extend(next.to_le_bytes());
        }
        // Flags, index, the first chain's head.
        let available = [0, 0, 1, 0, 0, 0];
        assert!(memory.put(TABLE, &table) && memory.put(AVAILABLE, &available));
        let mut transport = Transport::new(Console::new(Vec::new()));
        let low = |address: u64| u32::try_from(address).unwrap();
        for (offset, word) in [
            (register::VIRTIO_MMIO_QUEUE_SEL, 1),
            (register::VIRTIO_MMIO_QUEUE_NUM, 4),
            (register::VIRTIO_MMIO_QUEUE_DESC_LOW, low(TABLE)),
            (register::VIRTIO_MMIO_QUEUE_AVAIL_LOW, low(AVAILABLE)),
            (register::VIRTIO_MMIO_QUEUE_USED_LOW, low(USED)),
            (register::VIRTIO_MMIO_QUEUE_READY, 1),
            (register::VIRTIO_MMIO_STATUS, READY),
        ] {
            transport.write(offset.into(), &u32::to_le_bytes(word), &memory);
        }
        (transport, memory)
    }

    fn notify(transport: &mut Transport<Console<Vec<u8>>>, memory: &Memory) {
        let offset = register::VIRTIO_MMIO_QUEUE_NOTIFY.into();
        transport.write(offset, &u32::to_le_bytes(1), memory);
    }

    fn nr_used(memory: &Memory) -> u8 {
        let mut used = [0; 4];
        assert!(memory.get(USED, &mut used));
        used[2]
    }

    #[test]
    fn what_the_guest_sends_comes_out_once_and_its_buffers_come_back() {
        let (mut transport, memory) = offered(&[(TEXT, 5), (TEXT + 5, 10)]);
        notify(&mut transport, &memory);
        notify(&mut transport, &memory);
        assert_eq!(transport.device().out, b"KTAP version 1\n");
        assert_eq!(nr_used(&memory), 1);
        assert!(transport.interrupts());
        let acknowledge = register::VIRTIO_MMIO_INTERRUPT_ACK.into();
        transport.write(acknowledge, &1_u32.to_le_bytes(), &memory);
        assert!(!transport.interrupts());
    }

    #[test]
    fn a_buffer_without_memory_costs_itself_and_a_huge_one_is_cut() {
        let beyond = memory_end() - 2;
        let (mut transport, memory) = offered(&[(beyond, 3), (u64::MAX, 9), (TEXT, 4)]);
        notify(&mut transport, &memory);
        assert_eq!(transport.device().out, b"KTAP");
        let (mut transport, memory) = offered(&[(TEXT, u32::MAX)]);
        notify(&mut transport, &memory);
        assert_eq!(transport.device().out.len(), MAX_BUFFER);
        assert_eq!(nr_used(&memory), 1);
    }

    fn memory_end() -> u64 {
        16 << 20
    }

    #[test]
    fn nothing_is_taken_before_the_driver_is_ready_nor_after_a_reset() {
        for status in [0, 3, READY & !8] {
            let (mut transport, memory) = offered(&[(TEXT, 4)]);
            let offset = register::VIRTIO_MMIO_STATUS.into();
            transport.write(offset, &u32::to_le_bytes(status), &memory);
            notify(&mut transport, &memory);
            assert_eq!(transport.device().out, b"", "{status}");
            assert_eq!(nr_used(&memory), 0);
        }
    }

    #[test]
    fn it_says_what_it_is() {
        let (mut transport, _) = offered(&[]);
        let mut word = |offset: u32| {
            let mut data = [0; 4];
            transport.read(offset.into(), &mut data);
            u32::from_le_bytes(data)
        };
        assert_eq!(
            word(register::VIRTIO_MMIO_MAGIC_VALUE).to_le_bytes(),
            *b"virt"
        );
        assert_eq!(word(register::VIRTIO_MMIO_DEVICE_ID), 3);
        assert_eq!(word(register::VIRTIO_MMIO_VERSION), 2);
    }
}
