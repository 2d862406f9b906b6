//! The Multiboot2 information (Multiboot2 specification 2.0, 3.6): a size and
//! a list of tags, each `{type u32, size u32}` and aligned to 8 bytes.

use core::ffi::CStr;
use core::{ptr, slice};

use crate::handover::Handover;
use crate::memory::Memory;

const TAG_END: u32 = 0;
const TAG_COMMAND_LINE: u32 = 1;
const TAG_MODULE: u32 = 3;
const TAG_MEMORY_MAP: u32 = 6;
const TAG_RSDP_1: u32 = 14;
const TAG_RSDP_2: u32 = 15;

/// E820's type of usable RAM.
const RAM: u32 = 1;

const MALFORMED: &str = "the loader's Multiboot2 information contradicts itself";

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let field = bytes.get(offset..offset + 4)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let field = bytes.get(offset..offset + 8)?;
    Some(u64::from_le_bytes(field.try_into().ok()?))
}

/// Reads the information at `info`.
pub(crate) fn read(info: usize) -> Result<Handover, &'static str> {
    // SAFETY: the specification promises the information's size at the
    // address in ebx, below 4 GiB, where the stub's identity map reaches.
    let size = unsafe { ptr::read(ptr::with_exposed_provenance::<u32>(info)) };
    // SAFETY: the specification promises that many bytes.
    let bytes: &'static [u8] =
        unsafe { slice::from_raw_parts(ptr::with_exposed_provenance(info), size as usize) };
    let mut handover = parse(bytes).ok_or(MALFORMED)?;
    // The root pointer's copy and the command line stay in use.
    let info = info as u64;
    handover.memory.remove(&(info..info + u64::from(size)));
    Ok(handover)
}

fn parse(bytes: &'static [u8]) -> Option<Handover> {
    let mut handover = Handover {
        memory: Memory::new(),
        command_line: "",
        module: None,
        rsdp: 0,
    };
    let mut offset = 8;
    loop {
        let kind = u32_at(bytes, offset)?;
        let size = u32_at(bytes, offset + 4)? as usize;
        let body = bytes.get(offset + 8..offset.checked_add(size)?)?;
        match kind {
            TAG_END => return Some(handover),
            TAG_COMMAND_LINE => {
                handover.command_line = CStr::from_bytes_until_nul(body).ok()?.to_str().ok()?;
            }
            TAG_MODULE if handover.module.is_none() => {
                let start = u32_at(body, 0)? as usize;
                let end = u32_at(body, 4)? as usize;
                let len = end.checked_sub(start)?;
                // SAFETY: the loader put the module there; `publish` keeps
                // the kernel from using that memory.
                let module =
                    unsafe { slice::from_raw_parts(ptr::with_exposed_provenance(start), len) };
                handover.module = Some(module);
            }
            TAG_MEMORY_MAP => {
                let entry_size = u32_at(body, 0)? as usize;
                for entry in body.get(8..)?.chunks_exact(entry_size.max(24)) {
                    if u32_at(entry, 16)? == RAM {
                        handover.memory.add(u64_at(entry, 0)?, u64_at(entry, 8)?);
                    }
                }
            }
            // The tag holds a copy of the root pointer itself. The newer one
            // comes second and wins.
            TAG_RSDP_1 | TAG_RSDP_2 => handover.rsdp = body.as_ptr().addr() as u64,
            _ => {}
        }
        offset = (offset + size).next_multiple_of(8);
    }
}
