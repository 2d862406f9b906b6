//! How an Intel CPU looks at an update (SDM volume 3, "Microcode Update
//! Facilities").
//!
//! This reads the format a second time, beside the crate `microcode`: a model
//! that asked the loader's own parser would agree with its mistakes.

use core::mem::size_of;

use microcode::intel::{Entry, HEADER_SIZE, Header, LEGACY_DATA_SIZE, TOTAL_SIZE_STEP};
use zerocopy::{FromBytes, IntoBytes};

use crate::answer::Refusal;
use crate::engine::{Examined, Kind};
use crate::memory::{Memory, Unmapped, at, sum_of_dwords};

/// The largest update that is read. The largest known one has 1.7 MB.
const MAX_SIZE: usize = 16 << 20;
/// Number of entries, checksum, three reserved dwords.
const TABLE_HEADER_SIZE: usize = 20;
const ENTRY_SIZE: usize = size_of::<Entry>();

impl From<Unmapped> for Refusal {
    fn from(Unmapped: Unmapped) -> Self {
        Self::Unmapped
    }
}

/// Looks at the update whose data, behind its header, lie at `data`.
pub(crate) fn examine(memory: &impl Memory, data: u64, kind: Kind) -> Result<Examined, Refusal> {
    let start = data.checked_sub(HEADER_SIZE as u64).ok_or(Unmapped)?;
    let mut bytes = [0; HEADER_SIZE];
    memory.read(start, &mut bytes)?;
    let header = Header::read_from_bytes(&bytes).map_err(|_| Refusal::Header)?;
    if header.header_version.get() != 1 || header.loader_version.get() != 1 {
        return Err(Refusal::Header);
    }
    let (data_size, total_size) = sizes(&header)?;
    let summed = HEADER_SIZE + data_size;
    if sum_of_dwords(memory, start, summed)? != 0 {
        return Err(Refusal::Checksum);
    }
    let main = Entry {
        signature: header.signature,
        processor_flags: header.processor_flags,
        checksum: header.checksum,
    };
    let table = (at(start, summed)?, total_size - summed);
    match_kind(memory, &main, table, kind)?;
    Ok(Examined {
        revision: header.revision.get(),
        start,
        nr_bytes: u32::try_from(total_size).unwrap_or(u32::MAX),
    })
}

/// Sizes of data and of the whole, in bytes.
fn sizes(header: &Header) -> Result<(usize, usize), Refusal> {
    let (data, total) = match header.data_size.get() as usize {
        0 => (LEGACY_DATA_SIZE, HEADER_SIZE + LEGACY_DATA_SIZE),
        data => (data, header.total_size.get() as usize),
    };
    let room = total.checked_sub(HEADER_SIZE).ok_or(Refusal::Size)?;
    let sound = data.is_multiple_of(4)
        && total.is_multiple_of(TOTAL_SIZE_STEP)
        && total <= MAX_SIZE
        && data <= room;
    sound.then_some((data, total)).ok_or(Refusal::Size)
}

/// How a signature and flags relate to a CPU.
fn fits(entry: &Entry, kind: Kind) -> Result<(), Refusal> {
    let flags = entry.processor_flags.get();
    if entry.signature.get() != kind.signature {
        Err(Refusal::Signature)
    } else if flags & 1 << kind.platform_id != 0 || (flags == 0 && kind.platform_id == 0) {
        Ok(())
    } else {
        Err(Refusal::Platform)
    }
}

/// Looks for the CPU among the main signature and those of the extended table,
/// which lies at an address and has room for so many bytes.
fn match_kind(
    memory: &impl Memory,
    main: &Entry,
    (address, room): (u64, usize),
    kind: Kind,
) -> Result<(), Refusal> {
    let mut closest = match fits(main, kind) {
        Ok(()) => return Ok(()),
        Err(refusal) => refusal,
    };
    if room < TABLE_HEADER_SIZE {
        return Err(closest);
    }
    let mut header = [0; TABLE_HEADER_SIZE];
    memory.read(address, &mut header)?;
    let nr_entries = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let nr_bytes = nr_entries
        .checked_mul(ENTRY_SIZE)
        .and_then(|entries| entries.checked_add(TABLE_HEADER_SIZE))
        .filter(|&nr_bytes| nr_bytes <= room)
        .ok_or(Refusal::Size)?;
    if sum_of_dwords(memory, address, nr_bytes)? != 0 {
        return Err(Refusal::Checksum);
    }
    // An entry's own checksum is the main header's with its two words in place
    // of the header's, so the three of each have one sum.
    let sum = |e: &Entry| {
        [e.signature, e.processor_flags, e.checksum]
            .into_iter()
            .fold(0_u32, |sum, dword| sum.wrapping_add(dword.get()))
    };
    for place in 0..nr_entries {
        let mut entry = Entry {
            signature: 0.into(),
            processor_flags: 0.into(),
            checksum: 0.into(),
        };
        let offset = TABLE_HEADER_SIZE + place * ENTRY_SIZE;
        memory.read(at(address, offset)?, entry.as_mut_bytes())?;
        match fits(&entry, kind) {
            Ok(()) if sum(&entry) != sum(main) => return Err(Refusal::Checksum),
            Ok(()) => return Ok(()),
            Err(Refusal::Platform) => closest = Refusal::Platform,
            Err(_) => {}
        }
    }
    Err(closest)
}
