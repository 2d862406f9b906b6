//! The image: an ELF with two notes, read without trust.
//!
//! One note is PVH's, with the address to begin at. The other is the image's own
//! and names its table of CPUIDs: KVM tells nobody when a guest executes one, but
//! a loader reads its revision through it. Both instructions have two bytes, so
//! each CPUID of the table becomes an OUT, which is an exit.

use std::fs;
use std::path::{Path, PathBuf};

use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{LittleEndian, U32, U64};
use vm_memory::{Bytes, GuestAddress};

use crate::memory::Memory;

/// XEN_ELFNOTE_PHYS32_ENTRY (Xen, `public/elfnote.h`).
const PVH_ENTRY: u32 = 18;
/// The image's note with the table's first address and its end.
const CPUID_TABLE: u32 = 1;

const CPUID: [u8; 2] = [0x0f, 0xa2];
/// The port of the OUT that a CPUID becomes; nothing else on a PC answers there.
pub const CPUID_PORT: u8 = 0xce;
/// `out CPUID_PORT, al`
const OUT: [u8; 2] = [0xe6, CPUID_PORT];

/// Why an image cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is none, or a damaged one.
    #[error("{}: it is no ELF of 64 bits: {why}; give a Muster image (target/guest/…/muster.elf)", path.display())]
    NoElf {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: object::read::Error,
    },
    /// It was not made for this.
    #[error(
        "{}: it has no note of {whose}, so it is none of Muster's images, or one of another \
         version: build it from this tree",
        path.display()
    )]
    NotOurs {
        /// Which.
        path: PathBuf,
        /// Whose note is missing.
        whose: &'static str,
    },
    /// A segment lies outside of the machine's memory.
    #[error(
        "{}: a segment of {nr_bytes} bytes at {address:#x} lies outside of the machine's memory of \
         {memory_mib} MiB: give more (--memory)",
        path.display()
    )]
    Memory {
        /// Which image.
        path: PathBuf,
        /// Where it should lie.
        address: u64,
        /// How long it is.
        nr_bytes: u64,
        /// What there is.
        memory_mib: u64,
    },
    /// Its table of CPUIDs is wrong.
    #[error(
        "{}: its table of CPUIDs names {address:#x}, where there is none: build it anew",
        path.display()
    )]
    Table {
        /// Which image.
        path: PathBuf,
        /// Where none is.
        address: u64,
    },
}

/// An image in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Where the boot CPU begins.
    pub entry: u32,
    /// The end of the image, bytes that it wants cleared included.
    pub end: u64,
}

/// Puts an image into memory.
pub fn load(path: &Path, memory: &Memory) -> Result<Loaded, ImageError> {
    let bytes = fs::read(path).map_err(|error| ImageError::Read {
        path: path.to_owned(),
        error,
    })?;
    place(path, &bytes, memory)
}

/// The same of the bytes of the file at `path`.
pub fn place(path: &Path, bytes: &[u8], memory: &Memory) -> Result<Loaded, ImageError> {
    let own = || path.to_owned();
    let no_elf = |why| ImageError::NoElf { path: own(), why };
    let header = FileHeader64::<LittleEndian>::parse(bytes).map_err(no_elf)?;
    let endian = header.endian().map_err(no_elf)?;
    let mut notes = Notes::default();
    let mut end = 0;
    for segment in header.program_headers(endian, bytes).map_err(no_elf)? {
        if let Some(found) = segment.notes(endian, bytes).map_err(no_elf)? {
            notes.read(found, endian).map_err(no_elf)?;
        }
        if segment.p_type(endian) != PT_LOAD {
            continue;
        }
        let (address, nr_bytes) = (segment.p_paddr(endian), segment.p_memsz(endian));
        let outside = ImageError::Memory {
            path: own(),
            address,
            nr_bytes,
            memory_mib: memory.nr_bytes() >> 20,
        };
        let data = segment.data(endian, bytes).unwrap_or_default();
        let last = address.checked_add(nr_bytes.max(data.len() as u64));
        // Fresh memory is clear.
        match last {
            Some(last) if memory.put(address, data) && memory.has(address, nr_bytes) => {
                end = end.max(last);
            }
            _ => return Err(outside),
        }
    }
    let missing = |whose| ImageError::NotOurs { path: own(), whose };
    let entry = notes.pvh_entry.ok_or_else(|| missing("PVH"))?;
    let (first, table_end) = notes.cpuid_table.ok_or_else(|| missing("Muster"))?;
    divert(memory, first, table_end).map_err(|address| ImageError::Table {
        path: own(),
        address,
    })?;
    Ok(Loaded { entry, end })
}

/// What the notes say.
#[derive(Debug, Default)]
struct Notes {
    pvh_entry: Option<u32>,
    cpuid_table: Option<(u64, u64)>,
}

impl Notes {
    fn read(
        &mut self,
        mut notes: object::read::elf::NoteIterator<'_, FileHeader64<LittleEndian>>,
        endian: LittleEndian,
    ) -> object::read::Result<()> {
        while let Some(note) = notes.next()? {
            let desc = note.desc();
            match (note.name(), note.n_type(endian).0) {
                (b"Xen", PVH_ENTRY) => {
                    let word = object::pod::from_bytes::<U32<LittleEndian>>(desc);
                    self.pvh_entry = word.ok().map(|(word, _)| word.get(endian));
                }
                (b"Muster", CPUID_TABLE) => {
                    let words = object::pod::slice_from_bytes::<U64<LittleEndian>>(desc, 2);
                    self.cpuid_table = words
                        .ok()
                        .map(|(words, _)| (words[0].get(endian), words[1].get(endian)));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Turns each CPUID of the table into an exit; the address where there is none,
/// if any.
fn divert(memory: &Memory, first: u64, end: u64) -> Result<(), u64> {
    let mut entry = first;
    while entry < end {
        let ram = memory.ram();
        let distance: i32 = ram.read_obj(GuestAddress(entry)).map_err(|_| entry)?;
        let site = entry.wrapping_add_signed(distance.into());
        let found: [u8; 2] = ram.read_obj(GuestAddress(site)).map_err(|_| site)?;
        // Two entries of one place are as good as one.
        if found != CPUID && found != OUT {
            return Err(site);
        }
        memory.put(site, &OUT).then_some(()).ok_or(site)?;
        entry = entry.checked_add(4).ok_or(entry)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "../tests/guest/mod.rs"]
mod guest;

#[cfg(test)]
mod tests {
    use super::guest::{AT, CODE, TABLE, image, notes};
    use super::*;

    const NOP: u8 = 0x90;

    fn placed(image: &[u8]) -> Result<(Loaded, Memory), ImageError> {
        let memory = Memory::new(16).unwrap();
        place(Path::new("i"), image, &memory).map(|loaded| (loaded, memory))
    }

    #[test]
    fn an_image_lies_where_it_says_and_its_cpuids_are_exits() {
        let (loaded, memory) = placed(&image(&notes(TABLE), &[NOP])).unwrap();
        assert_eq!((loaded.entry, loaded.end), (0x20_0204, AT + 0x300));
        let mut code = [0; 5];
        assert!(memory.get(AT + CODE as u64, &mut code));
        assert_eq!(code, [OUT[0], OUT[1], OUT[0], OUT[1], NOP]);
    }

    #[test]
    fn what_is_no_image_of_ours_is_refused_with_what_is_missing() {
        let said = |image: &[u8]| placed(image).unwrap_err().to_string();
        let image = |notes: &[Vec<u8>]| image(notes, &[]);
        assert!(said(b"MZ").contains("no ELF"));
        let [pvh, own] = notes(TABLE);
        assert!(said(&image(std::slice::from_ref(&own))).contains("no note of PVH"));
        assert!(said(&image(std::slice::from_ref(&pvh))).contains("no note of Muster"));
        // A table that names what is no CPUID, or lies nowhere.
        let wrong = notes([AT + 0x274, AT + 0x27c]);
        assert!(said(&image(&wrong)).contains("table of CPUIDs names"));
        let nowhere = notes([u64::MAX - 3, u64::MAX]);
        assert!(said(&image(&nowhere)).contains("0xfffffffffffffffc"));
        let mut far = image(&notes(TABLE));
        far[64 + 24..][..8].copy_from_slice(&0x7000_0000_u64.to_le_bytes());
        assert!(said(&far).contains("at 0x70000000 lies outside"));
    }
}
