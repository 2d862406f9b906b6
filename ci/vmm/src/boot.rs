//! What a guest finds when it begins: PVH's start information (Xen,
//! `public/arch-x86/hvm/start_info.h`), tables, command line, module, and the
//! boot CPU's registers (Xen, `docs/misc/pvh.pandoc`).

use std::fs;
use std::path::{Path, PathBuf};

use kvm_bindings::{kvm_regs, kvm_segment, kvm_sregs};
use linux_loader::configurator::pvh::PvhBootConfigurator;
use linux_loader::configurator::{BootConfigurator, BootParams};
use linux_loader::loader::elf::start_info::{
    hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info,
};
use vm_memory::GuestAddress;

use crate::acpi;
use crate::image::Loaded;
use crate::memory::Memory;
use stand_in::Topology;

const MAGIC: u32 = 0x336e_c578;
const RAM: u32 = 1;
const ACPI: u32 = 3;

const START_INFO: u64 = 0x6000;
const MEMORY_MAP: u64 = 0x7000;
const MODULES: u64 = 0x7800;
const COMMAND_LINE: u64 = 0x2_0000;
/// More than the guest itself can take.
const MAX_COMMAND_LINE: usize = 0x1_0000;
/// Low memory as on a PC: RAM, then what firmware keeps.
const LOW_END: u64 = 0x9_fc00;
const TABLES: u64 = 0xe_0000;
const HIGH: u64 = 0x10_0000;
const PAGE: u64 = 0x1000;
const NR_RANGES: u32 = 3;

/// Why a guest cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The module's file cannot be read.
    #[error("{}: {error}", path.display())]
    Module {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It does not fit.
    #[error(
        "the module of {nr_bytes} bytes does not fit behind the image into memory of {memory_mib} \
         MiB: give more (--memory)"
    )]
    Room {
        /// Its size.
        nr_bytes: usize,
        /// All of memory.
        memory_mib: u64,
    },
    /// The command line is too long.
    #[error("a command line of {0} bytes: give at most {MAX_COMMAND_LINE}")]
    CommandLine(usize),
    /// Memory is too small for all of it.
    #[error("the start information does not fit into memory: {0}")]
    StartInfo(linux_loader::configurator::Error),
}

/// Writes all that the guest is told.
pub fn prepare(
    memory: &Memory,
    image: &Loaded,
    module: Option<&Path>,
    command_line: &str,
    topology: Topology,
) -> Result<(), BootError> {
    if command_line.len() >= MAX_COMMAND_LINE {
        return Err(BootError::CommandLine(command_line.len()));
    }
    let module = module
        .map(|path| place_module(path, memory, image.end))
        .transpose()?;
    let mut line = command_line.as_bytes().to_vec();
    line.push(0);
    let tables = acpi::tables(TABLES, topology);
    // Memory has 16 MiB and more, so both lie in it.
    let _ = memory.put(COMMAND_LINE, &line) && memory.put(TABLES, &tables);
    let range = |start: u64, end: u64, kind| hvm_memmap_table_entry {
        addr: start,
        size: end - start,
        type_: kind,
        reserved: 0,
    };
    let map: [_; NR_RANGES as usize] = [
        range(0, LOW_END, RAM),
        range(TABLES, HIGH, ACPI),
        range(HIGH, memory.nr_bytes(), RAM),
    ];
    let start_info = hvm_start_info {
        magic: MAGIC,
        version: 1,
        nr_modules: u32::from(module.is_some()),
        modlist_paddr: MODULES,
        cmdline_paddr: COMMAND_LINE,
        rsdp_paddr: TABLES,
        memmap_paddr: MEMORY_MAP,
        memmap_entries: NR_RANGES,
        ..hvm_start_info::default()
    };
    let mut parameters = BootParams::new(&start_info, GuestAddress(START_INFO));
    parameters.set_sections(&map, GuestAddress(MEMORY_MAP));
    if let Some(module) = module {
        parameters.set_modules(&[module], GuestAddress(MODULES));
    }
    PvhBootConfigurator::write_bootparams(&parameters, memory.ram()).map_err(BootError::StartInfo)
}

/// Puts the module at the end of memory.
fn place_module(
    path: &Path,
    memory: &Memory,
    image_end: u64,
) -> Result<hvm_modlist_entry, BootError> {
    let bytes = fs::read(path).map_err(|error| BootError::Module {
        path: path.to_owned(),
        error,
    })?;
    let nr_bytes = bytes.len();
    let room = || {
        let start = memory.nr_bytes().checked_sub(nr_bytes as u64)? / PAGE * PAGE;
        (start >= image_end && memory.put(start, &bytes)).then_some(start)
    };
    let paddr = room().ok_or(BootError::Room {
        nr_bytes,
        memory_mib: memory.nr_bytes() >> 20,
    })?;
    Ok(hvm_modlist_entry {
        paddr,
        size: nr_bytes as u64,
        ..hvm_modlist_entry::default()
    })
}

/// The boot CPU's registers: 32-bit protected mode without paging, flat segments,
/// EBX with the start information.
#[must_use]
pub fn registers(before: &kvm_sregs, image: &Loaded) -> (kvm_regs, kvm_sregs) {
    const CODE: u8 = 0xb;
    const DATA: u8 = 0x3;
    const BUSY_TSS: u8 = 0xb;
    let flat = |kind, selector| kvm_segment {
        base: 0,
        limit: 0xffff_ffff,
        selector,
        type_: kind,
        present: 1,
        db: 1,
        s: 1,
        g: 1,
        ..kvm_segment::default()
    };
    let data = flat(DATA, 0x10);
    let system = kvm_sregs {
        cs: flat(CODE, 0x8),
        ds: data,
        es: data,
        fs: data,
        gs: data,
        ss: data,
        tr: kvm_segment {
            limit: 0x67,
            type_: BUSY_TSS,
            present: 1,
            ..kvm_segment::default()
        },
        // PE and ET.
        cr0: 0x11,
        cr4: 0,
        ..*before
    };
    let general = kvm_regs {
        rip: image.entry.into(),
        rbx: START_INFO,
        // Bit 1 is always set.
        rflags: 2,
        ..kvm_regs::default()
    };
    (general, system)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: Loaded = Loaded {
        entry: 0x20_0000,
        end: 0x80_0000,
    };

    fn word(memory: &Memory, address: u64) -> u64 {
        let mut bytes = [0; 8];
        assert!(memory.get(address, &mut bytes));
        u64::from_le_bytes(bytes)
    }

    #[test]
    fn the_guest_finds_its_module_its_words_and_its_tables() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("initrd");
        fs::write(&path, b"microcode").unwrap();
        let memory = Memory::new(16).unwrap();
        let topology = Topology::new(2, 1, 1).unwrap();
        prepare(&memory, &IMAGE, Some(&path), "muster -- x", topology).unwrap();
        assert_eq!(word(&memory, START_INFO) & 0xffff_ffff, u64::from(MAGIC));
        let module = word(&memory, word(&memory, START_INFO + 16));
        assert_eq!(module, memory.nr_bytes() - PAGE);
        assert_eq!(word(&memory, module).to_le_bytes(), *b"microcod");
        let line = word(&memory, START_INFO + 24);
        assert_eq!(word(&memory, line).to_le_bytes(), *b"muster -");
        let root = word(&memory, START_INFO + 32);
        assert_eq!(word(&memory, root).to_le_bytes(), *b"RSD PTR ");
        let high = word(&memory, START_INFO + 40) + 2 * 24;
        assert_eq!(word(&memory, high), HIGH);
        assert_eq!(word(&memory, high + 8), memory.nr_bytes() - HIGH);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("initrd");
        fs::write(&path, vec![0; 9 << 20]).unwrap();
        let memory = Memory::new(16).unwrap();
        let topology = Topology::new(1, 1, 1).unwrap();
        let said = |module: Option<&Path>, line: &str| {
            let error = prepare(&memory, &IMAGE, module, line, topology).unwrap_err();
            error.to_string()
        };
        assert!(said(Some(&path), "").contains("9437184 bytes does not fit"));
        let missing = folder.path().join("none");
        assert!(said(Some(&missing), "").contains("none: "));
        assert!(said(None, &"x".repeat(MAX_COMMAND_LINE)).contains("65536 bytes"));
    }
}
