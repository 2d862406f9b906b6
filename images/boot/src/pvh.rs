//! The PVH boot protocol: Xen's `hvm_start_info`, version 1
//! (Xen, `public/arch-x86/hvm/start_info.h`).

use core::ffi::CStr;
use core::{ptr, slice};

use crate::handover::Handover;
use crate::memory::Memory;

const MAGIC: u32 = 0x336e_c578;
/// E820's type of usable RAM.
const RAM: u32 = 1;

#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    nr_modules: u32,
    module_list: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    nr_memory_entries: u32,
    reserved: u32,
}

#[repr(C)]
struct Module {
    address: u64,
    size: u64,
    command_line: u64,
    reserved: u64,
}

#[repr(C)]
struct MemoryEntry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

fn at<T>(address: u64) -> *const T {
    ptr::with_exposed_provenance(address as usize)
}

/// Reads the structure at `info`.
pub(crate) fn read(info: usize) -> Result<Handover, &'static str> {
    // SAFETY: the protocol promises the structure at the address in ebx,
    // below 4 GiB, where the stub's identity map reaches.
    let info: &StartInfo = unsafe { &*at(info as u64) };
    if info.magic != MAGIC || info.version < 1 {
        return Err("the loader's PVH information lacks a memory map (version 1)");
    }

    let mut memory = Memory::new();
    // SAFETY: the protocol promises that many entries there.
    let entries: &[MemoryEntry] =
        unsafe { slice::from_raw_parts(at(info.memory_map), info.nr_memory_entries as usize) };
    for entry in entries.iter().filter(|e| e.kind == RAM) {
        memory.add(entry.address, entry.size);
    }

    let module = (info.nr_modules > 0).then(|| {
        // SAFETY: the protocol promises at least one entry there.
        let module: &Module = unsafe { &*at(info.module_list) };
        // SAFETY: the loader put the module there; `publish` keeps the
        // kernel from using that memory.
        unsafe { slice::from_raw_parts(at(module.address), module.size as usize) }
    });

    let command_line = match info.command_line {
        0 => c"",
        // SAFETY: the protocol promises a terminated string there.
        address => unsafe { CStr::from_ptr(at(address)) },
    };
    Ok(Handover {
        memory,
        command_line: command_line
            .to_str()
            .map_err(|_| "the command line is not UTF-8")?,
        module,
        rsdp: info.rsdp,
    })
}
