//! The virtio console (virtio 1.2, 5.3) on MMIO (4.2), where the command line
//! says so, or on PCI (4.1), by `virtio-drivers`.
//!
//! Device memory comes from a pool inside the image, where virtual addresses
//! are physical ones; the kernel's heap is not mapped that way. Buffers from
//! elsewhere are shared through copies in the pool.
#![expect(unsafe_code, reason = "a device reads and writes memory")]

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use hermit::ring0;
use virtio_drivers::device::console::VirtIOConsole;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::pci::bus::{Command, PciRoot};
use virtio_drivers::transport::pci::{PciTransport, virtio_device_type};
use virtio_drivers::transport::{DeviceType, SomeTransport, Transport};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr, Result};

use super::mmio;
use super::pci::ConfigPorts;

/// Two queues of two pages each, the bounce pages, and some to spare.
const NR_POOL_PAGES: usize = 16;
/// Firmware puts the console on bus 0 of every machine that we know.
const BUS: u8 = 0;

#[repr(C, align(4096))]
struct Pool(UnsafeCell<[u8; NR_POOL_PAGES * PAGE_SIZE]>);

// SAFETY: `take` gives each page away once, and never two parties the same.
unsafe impl Sync for Pool {}

static POOL: Pool = Pool(UnsafeCell::new([0; NR_POOL_PAGES * PAGE_SIZE]));
static NR_TAKEN: AtomicUsize = AtomicUsize::new(0);
/// The pages through which buffers outside the pool are shared. One for each
/// direction is enough: the driver waits until the device has taken a line
/// before it sends the next, and it receives into one buffer alone.
static OUTGOING: AtomicUsize = AtomicUsize::new(0);
static INCOMING: AtomicUsize = AtomicUsize::new(0);

/// Takes pages from the pool for good.
fn take(nr_pages: usize) -> Option<NonNull<u8>> {
    let first = NR_TAKEN.fetch_add(nr_pages, Ordering::Relaxed);
    if first + nr_pages > NR_POOL_PAGES {
        return None;
    }
    NonNull::new(POOL.0.get().cast::<u8>().wrapping_add(first * PAGE_SIZE))
}

fn physical(pointer: NonNull<u8>) -> PhysAddr {
    pointer.as_ptr().expose_provenance() as PhysAddr
}

struct DeviceMemory;

// SAFETY: pages come from the pool, each once, zeroed, aligned and with equal
// virtual and physical addresses; `mmio_phys_to_virt` maps what it is asked.
unsafe impl Hal for DeviceMemory {
    fn dma_alloc(nr_pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        match take(nr_pages) {
            Some(pages) => (physical(pages), pages),
            // Address 0 is how the driver is told.
            None => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        // The console lives as long as the machine.
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, size: usize) -> NonNull<u8> {
        let mapped = ring0::map_device(address, size);
        NonNull::new(mapped).expect("the kernel maps nothing at address 0")
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        let page = bounce(direction);
        assert!(buffer.len() <= PAGE_SIZE, "a line or a page is shared");
        if direction == BufferDirection::DriverToDevice {
            // SAFETY: the buffer is valid for reads (the caller's promise),
            // the page is ours, and the device has taken what was in it.
            unsafe { ptr::copy_nonoverlapping(buffer.cast().as_ptr(), page, buffer.len()) };
        }
        page.addr() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, buffer: NonNull<[u8]>, direction: BufferDirection) {
        if direction == BufferDirection::DeviceToDriver {
            let page = bounce(direction);
            // SAFETY: the buffer is valid for writes (the caller's promise),
            // and the device is done with the page.
            unsafe { ptr::copy_nonoverlapping(page, buffer.cast().as_ptr(), buffer.len()) };
        }
    }
}

fn bounce(direction: BufferDirection) -> *mut u8 {
    let page = match direction {
        BufferDirection::DriverToDevice => &OUTGOING,
        BufferDirection::DeviceToDriver => &INCOMING,
        BufferDirection::Both => unreachable!("the console driver shares no such buffer"),
    };
    ptr::with_exposed_provenance_mut(page.load(Ordering::Relaxed))
}

/// A virtio console that is ready.
pub(super) struct Console(VirtIOConsole<DeviceMemory, SomeTransport<'static>>);

impl Console {
    /// Sends a line and waits until the device has taken it.
    pub(super) fn write(&mut self, line: &[u8]) -> Result {
        self.0.send_bytes(line)
    }
}

/// Looks for a console and starts it.
pub(super) fn find() -> Option<Console> {
    for page in [&OUTGOING, &INCOMING] {
        page.store(take(1)?.as_ptr().expose_provenance(), Ordering::Relaxed);
    }
    let console = on_mmio().or_else(on_pci)?;
    VirtIOConsole::new(console)
        .map_err(|error| log::warn!("virtio-console: {error}"))
        .ok()
        .map(Console)
}

/// The console among the devices that the command line names.
fn on_mmio() -> Option<SomeTransport<'static>> {
    mmio::devices().find_map(|place| {
        let mapped = ring0::map_device(place.address, place.nr_bytes);
        let header = NonNull::new(mapped)?.cast::<VirtIOHeader>();
        // SAFETY: whoever wrote the command line says that such a device is there,
        // its address is that of a word, and the kernel has mapped all of it for good.
        let transport = unsafe { MmioTransport::new(header, place.nr_bytes) };
        transport
            .map_err(|error| log::warn!("{place:?}: {error}"))
            .ok()
            .filter(|transport| transport.device_type() == DeviceType::Console)
            .map(SomeTransport::Mmio)
    })
}

/// The console on the bus.
fn on_pci() -> Option<SomeTransport<'static>> {
    let mut root = PciRoot::new(ConfigPorts);
    let (function, _) = root
        .enumerate_bus(BUS)
        .find(|(_, info)| virtio_device_type(info) == Some(DeviceType::Console))?;
    let (_, command) = root.get_status_command(function);
    root.set_command(
        function,
        command | Command::MEMORY_SPACE | Command::BUS_MASTER,
    );
    PciTransport::new::<DeviceMemory, _>(&mut root, function)
        .map_err(|error| log::warn!("virtio-console: {error}"))
        .ok()
        .map(SomeTransport::Pci)
}
