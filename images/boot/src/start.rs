//! The assembled entries and the jump into the kernel.

use core::arch::{asm, global_asm};

use crate::handover::{self, Handover};
use crate::{halt, multiboot2, pvh};

/// The stack of the stub, which becomes the kernel's boot stack: the kernel
/// expects 32 KiB (its `KERNEL_STACK_SIZE`).
const STACK_SIZE: usize = 0x8000;

global_asm!(
    include_str!("start.s"),
    enter = sym enter,
    stack_size = const STACK_SIZE,
    options(att_syntax)
);

/// The time-stamp counter at the image's first instructions.
#[must_use]
pub fn entry_tsc() -> u64 {
    unsafe extern "C" {
        static boot_tsc: u64;
    }
    // SAFETY: `start.s` defines it, aligned, and wrote it before any Rust ran.
    unsafe { boot_tsc }
}

/// First Rust code: reads what the loader left and goes on into the kernel.
extern "C" fn enter(info: usize, protocol: u32) -> ! {
    let handover = match protocol {
        0 => pvh::read(info),
        _ => multiboot2::read(info),
    };
    match handover {
        Ok(handover) => jump(handover),
        Err(why) => halt(why),
    }
}

fn jump(handover: Handover) -> ! {
    unsafe extern "C" {
        fn _start(boot_info: *const u8, cpu_id: u32) -> !;
        static boot_stack: u8;
    }

    if let Err(why) = handover::publish(handover) {
        halt(why);
    }
    // SAFETY: the kernel's entry takes the boot information in rdi (it has
    // been set: null), the CPU number in rsi, the *lowest* address of its stack in rsp, and a GS base
    // of 0 (loading a null selector cleared it). `enter` never returns, so
    // its frames on that stack are dead.
    unsafe {
        asm!(
            "mov rsp, {stack}",
            "jmp {start}",
            stack = in(reg) &raw const boot_stack,
            start = sym _start,
            in("rdi") 0,
            in("esi") 0,
            options(noreturn)
        );
    }
}
