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
