//! From a boot loader into the kernel.
//!
//! The image is one ELF with two entries, and whoever can load an ELF finds
//! one of them:
//!
//! ```text
//! QEMU -kernel, Xen, cloud-hypervisor, …        GRUB on BIOS or UEFI
//!   PVH note ─▶ muster_pvh_entry                  Multiboot2 header ─▶ muster_multiboot2_entry
//!                     └──────── 32-bit, no paging ─────────┘
//!                start.s: identity map, long mode
//!                enter(): what the loader said ─▶ Handover
//!                device tree + RawBootInfo ─▶ _start of the kernel
//! ```
//!
//! Both loaders say the same four things in different words: the memory map,
//! the command line, one module (the initrd) and where ACPI begins. Each has
//! a reader ([`pvh`], [`multiboot2`]) that fills a [`Handover`]; everything
//! behind it is written once. The kernel takes memory and arguments only from
//! a flattened device tree, so one is built in place ([`fdt`]).
//!
//! This runs before any allocator, on one CPU, with no exception handlers: a
//! loader's word that makes no sense ends in [`halt`], with a message on the
//! serial port.

#![no_std]
#![expect(
    clippy::cast_possible_truncation,
    reason = "an address is 64 bits wide here, and the tree is small"
)]

mod fdt;
mod handover;
mod memory;
mod multiboot2;
mod pvh;
mod start;

pub use handover::{embedded, module};
pub use start::entry_tsc;

use core::arch::asm;

/// Says why on COM1 and stops: nothing is up that could do more.
fn halt(why: &str) -> ! {
    for byte in "muster: cannot boot: "
        .bytes()
        .chain(why.bytes())
        .chain(*b"\r\n")
    {
        // SAFETY: a write to COM1's data register has no effect on memory.
        unsafe {
            asm!("out dx, al", in("dx") 0x3f8_u16, in("al") byte, options(nomem, nostack));
        }
    }
    loop {
        // SAFETY: halting with interrupts off only stops this CPU.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}
