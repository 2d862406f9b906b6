//! Virtio over MMIO (virtio 1.2, 4.2.2): the registers of a device and its
//! queues.

use virtio_bindings::virtio_config::{
    VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_F_VERSION_1,
};
use virtio_bindings::virtio_mmio as register;
use virtio_queue::{Queue, QueueT};

use crate::memory::Memory;

/// "virt", as the guest reads it.
const MAGIC: u32 = 0x7472_6976;
const VERSION: u32 = 2;
/// "MUST", as the guest reads it.
const VENDOR: u32 = 0x5453_554d;
const MAX_QUEUE_SIZE: u16 = 16;

/// What is behind the registers.
pub trait Device {
    /// Virtio's number of its kind.
    const ID: u32;
    /// Its queues.
    const NR_QUEUES: usize;

    /// The guest says that a queue has something; whether it wants to be told
    /// that it was used.
    fn notify(&mut self, number: usize, queue: &mut Queue, memory: &Memory) -> bool;
}

/// A device's registers.
#[derive(Debug)]
pub struct Transport<D> {
    device: D,
    queues: Vec<Queue>,
    selected: u32,
    feature_word: u32,
    interrupt_status: u32,
    status: u32,
}

impl<D: Device> Transport<D> {
    /// The device after a reset.
    pub fn new(device: D) -> Self {
        let queues = (0..D::NR_QUEUES).filter_map(|_| Queue::new(MAX_QUEUE_SIZE).ok());
        Self {
            device,
            queues: queues.collect(),
            selected: 0,
            feature_word: 0,
            interrupt_status: 0,
            status: 0,
        }
    }

    #[cfg(test)]
    pub(super) const fn device(&self) -> &D {
        &self.device
    }

    /// Whether its interrupt is on.
    pub const fn interrupts(&self) -> bool {
        self.interrupt_status != 0
    }

    fn queue(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(self.selected as usize)
    }

    /// The guest reads; only whole words are anything.
    pub fn read(&mut self, offset: u64, data: &mut [u8]) {
        let Ok(offset) = u32::try_from(offset) else {
            return;
        };
        let word = match offset {
            register::VIRTIO_MMIO_MAGIC_VALUE => MAGIC,
            register::VIRTIO_MMIO_VERSION => VERSION,
            register::VIRTIO_MMIO_DEVICE_ID => D::ID,
            register::VIRTIO_MMIO_VENDOR_ID => VENDOR,
            register::VIRTIO_MMIO_DEVICE_FEATURES => match self.feature_word {
                1 => 1 << (VIRTIO_F_VERSION_1 - u32::BITS),
                _ => 0,
            },
            register::VIRTIO_MMIO_QUEUE_NUM_MAX => {
                self.queue().map_or(0, |queue| queue.max_size().into())
            }
            register::VIRTIO_MMIO_QUEUE_READY => {
                self.queue().map_or(0, |queue| queue.ready().into())
            }
            register::VIRTIO_MMIO_INTERRUPT_STATUS => self.interrupt_status,
            register::VIRTIO_MMIO_STATUS => self.status,
            _ => 0,
        };
        data.fill(0);
        for (byte, of_word) in data.iter_mut().zip(word.to_le_bytes()) {
            *byte = of_word;
        }
    }

    /// The guest writes; only whole words are anything.
    pub fn write(&mut self, offset: u64, data: &[u8], memory: &Memory) {
        let (Ok(offset), Ok(word)) = (u32::try_from(offset), <[u8; 4]>::try_from(data)) else {
            return;
        };
        let word = u32::from_le_bytes(word);
        match offset {
            register::VIRTIO_MMIO_DEVICE_FEATURES_SEL => self.feature_word = word,
            register::VIRTIO_MMIO_QUEUE_SEL => self.selected = word,
            register::VIRTIO_MMIO_QUEUE_NOTIFY => self.notify(word, memory),
            register::VIRTIO_MMIO_INTERRUPT_ACK => self.interrupt_status &= !word,
            // A driver may set any state; only a reset does anything here.
            register::VIRTIO_MMIO_STATUS if word == 0 => self.reset(),
            register::VIRTIO_MMIO_STATUS => self.status = word,
            _ => self.set_up(offset, word),
        }
    }

    /// The registers of the selected queue, which its driver sets before it is
    /// ready.
    fn set_up(&mut self, offset: u32, word: u32) {
        let Some(queue) = self.queue() else { return };
        match offset {
            register::VIRTIO_MMIO_QUEUE_READY => queue.set_ready(word == 1),
            _ if queue.ready() => {}
            register::VIRTIO_MMIO_QUEUE_NUM => {
                queue.set_size(u16::try_from(word).unwrap_or(0));
            }
            register::VIRTIO_MMIO_QUEUE_DESC_LOW => queue.set_desc_table_address(Some(word), None),
            register::VIRTIO_MMIO_QUEUE_DESC_HIGH => queue.set_desc_table_address(None, Some(word)),
            register::VIRTIO_MMIO_QUEUE_AVAIL_LOW => queue.set_avail_ring_address(Some(word), None),
            register::VIRTIO_MMIO_QUEUE_AVAIL_HIGH => {
                queue.set_avail_ring_address(None, Some(word));
            }
            register::VIRTIO_MMIO_QUEUE_USED_LOW => queue.set_used_ring_address(Some(word), None),
            register::VIRTIO_MMIO_QUEUE_USED_HIGH => queue.set_used_ring_address(None, Some(word)),
            _ => {}
        }
    }

    fn notify(&mut self, number: u32, memory: &Memory) {
        const READY: u32 = VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FEATURES_OK;
        let Self { device, queues, .. } = self;
        let number = number as usize;
        let Some(queue) = queues.get_mut(number) else {
            return;
        };
        if self.status & READY == READY
            && queue.is_valid(memory.ram())
            && device.notify(number, queue, memory)
        {
            self.interrupt_status |= register::VIRTIO_MMIO_INT_VRING;
        }
    }

    fn reset(&mut self) {
        self.queues.iter_mut().for_each(Queue::reset);
        (self.selected, self.feature_word) = (0, 0);
        (self.interrupt_status, self.status) = (0, 0);
    }
}
