//! What a loader hands over, in one form, and what the kernel is given.

use core::cell::UnsafeCell;
use core::num::{NonZeroU16, NonZeroU64};
use core::ops::Range;
use core::{ptr, slice};

use hermit::ring0::{self, BootInfo, HardwareInfo, LoadInfo, PlatformInfo, TlsInfo};

use crate::fdt;
use crate::memory::Memory;

/// COM1, which every PC has at this port.
const COM1: NonZeroU16 = NonZeroU16::new(0x3f8).unwrap();

/// What a loader says, whatever its protocol.
pub(crate) struct Handover {
    /// Usable RAM.
    pub(crate) memory: Memory,
    /// Command line; it lives in the loader's memory and is copied at once.
    pub(crate) command_line: &'static str,
    /// The first module's bytes.
    pub(crate) module: Option<&'static [u8]>,
    /// Address of the ACPI root pointer, 0 if the loader names none.
    pub(crate) rsdp: u64,
}

/// A value that the stub writes once before there is a second CPU.
struct BootCell<T>(UnsafeCell<T>);

// SAFETY: written by the boot CPU before any other CPU or task exists
// (`publish`), only read afterwards.
unsafe impl<T> Sync for BootCell<T> {}

static MODULE: BootCell<Option<&'static [u8]>> = BootCell(UnsafeCell::new(None));
static DEVICE_TREE: BootCell<fdt::Buffer> = BootCell(UnsafeCell::new(fdt::Buffer::new()));

/// The boot module, if the loader gave one.
#[must_use]
pub fn module() -> Option<&'static [u8]> {
    // SAFETY: `publish` wrote it before this program's first task started.
    unsafe { *MODULE.0.get() }
}

/// The initrd that was linked into the image; empty if none was.
#[must_use]
pub fn embedded() -> &'static [u8] {
    unsafe extern "C" {
        static initrd_start: u8;
        static initrd_end: u8;
    }
    let start = &raw const initrd_start;
    let len = (&raw const initrd_end).addr() - start.addr();
    // SAFETY: the linker script puts both symbols around read-only data.
    unsafe { slice::from_raw_parts(start, len) }
}

/// A module in the first MiB is moved behind the image: there the kernel puts
/// the code that the other CPUs start with, and GRUB on UEFI puts a small
/// module right there.
fn out_of_the_way(
    module: &'static [u8],
    memory: &Memory,
    image_end: u64,
) -> Result<&'static [u8], &'static str> {
    const LOW: usize = 1 << 20;
    const MAPPED: u64 = 4 << 30;
    if module.as_ptr().addr() >= LOW {
        return Ok(module);
    }
    let place = memory
        .find(module.len() as u64, &(image_end..MAPPED))
        .ok_or("there is no room for the module")?;
    let copy = ptr::with_exposed_provenance_mut::<u8>(place as usize);
    // SAFETY: usable RAM behind the image, identity-mapped, and nobody's yet.
    unsafe { ptr::copy_nonoverlapping(module.as_ptr(), copy, module.len()) };
    // SAFETY: just written; `publish` keeps the kernel from using it.
    Ok(unsafe { slice::from_raw_parts(copy, module.len()) })
}

/// Stores everything where the kernel and the application find it.
pub(crate) fn publish(mut handover: Handover) -> Result<(), &'static str> {
    let image = image();
    if let Some(module) = handover.module {
        let module = out_of_the_way(module, &handover.memory, image.end)?;
        let range = module.as_ptr_range();
        handover
            .memory
            .remove(&(range.start.addr() as u64..range.end.addr() as u64));
        handover.module = Some(module);
    }
    // SAFETY: single-threaded, see `BootCell`; no other reference exists.
    let tree = unsafe { &mut *DEVICE_TREE.0.get() };
    let device_tree = fdt::build(tree, handover.command_line, &handover.memory, handover.rsdp)?;
    // SAFETY: as above.
    unsafe { *MODULE.0.get() = handover.module };

    ring0::set_boot_info(BootInfo {
        hardware_info: HardwareInfo {
            // The kernel counts its own size from here.
            phys_addr_range: image.start..handover.memory.end(),
            serial_port_base: Some(COM1),
            device_tree: NonZeroU64::new(device_tree.addr() as u64),
        },
        load_info: LoadInfo {
            tls_info: tls(image.start),
            kernel_image_addr_range: image,
        },
        platform_info: PlatformInfo::Fdt,
    });
    Ok(())
}

/// The addresses that the linker script gave the image.
fn image() -> Range<u64> {
    unsafe extern "C" {
        static image_start: u8;
        static image_end: u8;
    }
    (&raw const image_start).addr() as u64..(&raw const image_end).addr() as u64
}

/// The thread-local template, found through the image's own program headers
/// (ELF-64 Object File Format, version 1.5, sections 3 and 8), which the
/// linker script loads with it: section symbols would lose its alignment.
fn tls(elf: u64) -> Option<TlsInfo> {
    const PT_TLS: u32 = 7;
    let read = |address: u64| {
        // SAFETY: the addresses below lie in the loaded file and program
        // headers, which are 8-byte aligned words of plain data.
        unsafe { ptr::read(ptr::with_exposed_provenance::<u64>(address as usize)) }
    };
    let table = elf + read(elf + 32);
    let sizes = read(elf + 48); // flags u32, ehsize u16, phentsize u16
    let entry_size = sizes >> 48;
    let nr_entries = read(elf + 56) & 0xffff;
    (0..nr_entries)
        .map(|n| table + n * entry_size)
        .find(|&header| read(header) as u32 == PT_TLS)
        .map(|header| TlsInfo {
            start: read(header + 16),
            filesz: read(header + 32),
            memsz: read(header + 40),
            align: read(header + 48),
        })
        .filter(|tls| tls.memsz > 0)
}
