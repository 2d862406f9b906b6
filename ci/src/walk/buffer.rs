//! Memory that holds one piece of bytes after another.

use std::io::{self, Read};

use super::source::read_on;

/// The first room in bytes. Room that nobody touched is not memory yet, so it
/// costs nothing to have enough at once for all but the largest files; growing
/// step by step means the first touch of every page again and again, which took
/// a tenth of the time of a walk.
const FIRST_ROOM: usize = 32 << 20;

/// Bytes that were read, and room for more.
#[derive(Default)]
pub(super) struct Buffer {
    /// All the room. Fresh room comes zeroed from the system without being
    /// touched, and room in use is never zeroed again.
    room: Vec<u8>,
    len: usize,
}

impl Buffer {
    /// What was read.
    pub(super) fn bytes(&self) -> &[u8] {
        self.room.get(..self.len).unwrap_or_default()
    }

    /// Forgets what was read and keeps the room.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes room for `size` bytes in all.
    pub(super) fn reserve(&mut self, size: usize) {
        if self.room.len() < size {
            let size = size.max(self.room.len().saturating_mul(2)).max(FIRST_ROOM);
            let mut room = vec![0; size];
            if let (Some(new), old) = (room.get_mut(..self.len), self.bytes()) {
                new.copy_from_slice(old);
            }
            self.room = room;
        }
    }

    /// Reads on until there are `size` bytes in all; whether there are.
    pub(super) fn fill(&mut self, reader: &mut dyn Read, size: usize) -> io::Result<bool> {
        self.reserve(size);
        while let Some(free) = self.room.get_mut(self.len..size)
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
