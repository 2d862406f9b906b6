//! A CPU's registers, for whoever looks for the reason of its end.

use std::fmt::Write;

use engine::Memory;
use kvm_ioctls::VcpuFd;

/// The longest instruction in bytes.
const LONGEST: usize = 15;

/// Where it is and what it holds, in lines.
pub(crate) fn of(fd: &VcpuFd, memory: &impl Memory) -> String {
    let (Ok(general), Ok(system)) = (fd.get_regs(), fd.get_sregs()) else {
        return ", and its registers cannot be read".to_owned();
    };
    let mut text = format!(" at {:#x}", general.rip);
    let address = system.cs.base.wrapping_add(general.rip);
    let bytes: Vec<_> = (0..LONGEST as u64)
        .map_while(|offset| {
            let mut byte = [0];
            memory.read(address.checked_add(offset)?, &mut byte).ok()?;
            Some(format!("{:02x}", byte[0]))
        })
        .collect();
    // Writing to a string cannot fail, here and below.
    let _ = if bytes.is_empty() {
        write!(text, ", where no memory is")
    } else {
        write!(text, ", where the bytes are {}", bytes.join(" "))
    };
    for line in [
        [
            ("rax", general.rax),
            ("rbx", general.rbx),
            ("rcx", general.rcx),
            ("rdx", general.rdx),
        ],
        [
            ("rsi", general.rsi),
            ("rdi", general.rdi),
            ("rbp", general.rbp),
            ("rsp", general.rsp),
        ],
        [
            ("r8", general.r8),
            ("r9", general.r9),
            ("r10", general.r10),
            ("r11", general.r11),
        ],
        [
            ("r12", general.r12),
            ("r13", general.r13),
            ("r14", general.r14),
            ("r15", general.r15),
        ],
        [
            ("rflags", general.rflags),
            ("cr0", system.cr0),
            ("cr3", system.cr3),
            ("cr4", system.cr4),
        ],
        [
            ("cr2", system.cr2),
            ("efer", system.efer),
            ("cs", system.cs.selector.into()),
            ("apic", system.apic_base),
        ],
    ] {
        text.push_str("\n  ");
        for (name, value) in line {
            let _ = write!(text, " {name:>6} {value:#018x}");
        }
    }
    text
}
