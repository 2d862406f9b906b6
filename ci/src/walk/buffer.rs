//! Memory that holds one piece of bytes after another.

use std::io::{self, Read};

use memmap2::{Advice, MmapMut};

use super::source::read_on;

/// The first room in bytes. Room that nobody touched is not memory yet, so it
/// costs nothing to have enough at once for all but the largest files.
const FIRST_ROOM: usize = 32 << 20;

/// Bytes that were read, and room for more.
///
/// The room is mapped and asks for large pages: with small ones half of the
/// time of a walk went into the first touch of each.
#[derive(Default)]
pub(super) struct Buffer {
    room: Option<MmapMut>,
    len: usize,
}

impl Buffer {
    /// What was read.
    pub(super) fn bytes(&self) -> &[u8] {
        let room = self.room.as_deref();
        room.and_then(|room| room.get(..self.len))
            .unwrap_or_default()
    }

    /// Forgets what was read and keeps the room.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes room for `size` bytes in all.
    pub(super) fn reserve(&mut self, size: usize) -> io::Result<()> {
        let nr_bytes = self.room.as_ref().map_or(0, |room| room.len());
        if nr_bytes < size {
            let size = size.max(nr_bytes.saturating_mul(2)).max(FIRST_ROOM);
            let mut room = MmapMut::map_anon(size)?;
            // Without large pages it works all the same.
            let _ = room.advise(Advice::HugePage);
            let old = self.bytes();
            if let Some(new) = room.get_mut(..old.len()) {
                new.copy_from_slice(old);
            }
            self.room = Some(room);
        }
        Ok(())
    }

    /// Reads on until there are `size` bytes in all; whether there are.
    pub(super) fn fill(&mut self, reader: &mut dyn Read, size: usize) -> io::Result<bool> {
        self.reserve(size)?;
        while let Some(room) = &mut self.room
            && let Some(free) = room.get_mut(self.len..size)
            && !free.is_empty()
        {
            match read_on(reader, free)? {
                0 => return Ok(false),
                nr_read => self.len += nr_read,
            }
        }
        Ok(true)
    }
}
