//! Readers: one that can be looked into before it is read, one that counts,
//! and one that knows its end.

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, ErrorKind, Read};

use super::{OUTPUT_LIMIT, ProblemKind};

/// How far a source can be looked into, in bytes: beyond the magic of tar, and
/// beyond the padding that boot tools put in front of an archive.
pub(super) const PEEK: usize = 8 << 10;

/// A reader that can be looked into.
pub(super) struct Source<'r> {
    reader: &'r mut dyn Read,
    room: Vec<u8>,
    start: usize,
    end: usize,
    /// Comes when what is held was read.
    error: Option<io::Error>,
}

impl<'r> Source<'r> {
    pub(super) fn new(reader: &'r mut dyn Read) -> Self {
        Self {
            reader,
            room: vec![0; PEEK],
            start: 0,
            end: 0,
            error: None,
        }
    }

    fn held(&self) -> &[u8] {
        self.room.get(self.start..self.end).unwrap_or_default()
    }

    /// The next `size` bytes, at most [`PEEK`]; fewer at the end or
    /// before an error.
    pub(super) fn peek(&mut self, size: usize) -> io::Result<&[u8]> {
        if self.held().len() < size {
            self.room.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            while self.end < size
                && self.error.is_none()
                && let Some(free) = self.room.get_mut(self.end..)
                && !free.is_empty()
            {
                match read_on(self.reader, free) {
                    Ok(0) => break,
                    Ok(nr_read) => self.end += nr_read,
                    Err(error) => self.error = Some(error),
                }
            }
            if self.end == 0
                && size > 0
                && let Some(error) = self.error.take()
            {
                return Err(error);
            }
        }
        let held = self.held();
        Ok(held.get(..size).unwrap_or(held))
    }

    /// Passes by `size` bytes; an error if there are fewer.
    pub(super) fn skip(&mut self, mut size: u64) -> io::Result<()> {
        while size > 0 {
            let nr_held = self.fill_buf()?.len();
            if nr_held == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let nr_passed = usize::try_from(size).map_or(nr_held, |size| size.min(nr_held));
            self.consume(nr_passed);
            size -= nr_passed as u64;
        }
        Ok(())
    }

    /// Passes by zero bytes.
    pub(super) fn skip_zeros(&mut self) -> io::Result<()> {
        loop {
            let held = self.fill_buf()?;
            let nr_zeros = held.iter().take_while(|&&byte| byte == 0).count();
            if nr_zeros < held.len() || nr_zeros == 0 {
                self.consume(nr_zeros);
                return Ok(());
            }
            self.consume(nr_zeros);
        }
    }

    /// Reads to the end, for the errors that may come until then.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        loop {
            let nr_held = self.fill_buf()?.len();
            if nr_held == 0 {
                return Ok(());
            }
            self.consume(nr_held);
        }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end && self.error.is_none() && to.len() >= PEEK {
            return read_on(self.reader, to);
        }
        let nr_read = self.fill_buf()?.read(to)?;
        self.consume(nr_read);
        Ok(nr_read)
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)?;
        Ok(self.held())
    }

    fn consume(&mut self, size: usize) {
        self.start = self.end.min(self.start + size);
    }
}

/// One read that signals do not end: not every decoder can be asked again.
pub(super) fn read_on(reader: &mut dyn Read, to: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(to) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// What one file may still cost, and what went wrong deep down. Archive
/// readers wrap the errors of what they read from, so the first is kept here.
pub(super) struct Meter {
    left: Cell<u64>,
    fault: RefCell<Option<ProblemKind>>,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            left: Cell::new(OUTPUT_LIMIT),
            fault: RefCell::new(None),
        }
    }
}

impl Meter {
    /// Begins a file.
    pub(super) fn reset(&self) {
        self.left.set(OUTPUT_LIMIT);
        self.fault.replace(None);
    }

    /// What went wrong first; `None` if it is the archive itself.
    pub(super) fn take_fault(&self) -> Option<ProblemKind> {
        self.fault.take()
    }

    pub(super) fn fault(&self, kind: ProblemKind) {
        self.fault.borrow_mut().get_or_insert(kind);
    }

    /// Counts what is read from `reader`.
    pub(super) fn count<R: Read>(&self, reader: R) -> Metered<'_, R> {
        Metered {
            meter: self,
            reader,
        }
    }
}

/// See [`Meter::count`].
pub(super) struct Metered<'m, R> {
    meter: &'m Meter,
    reader: R,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let left = self.meter.left.get();
        if left == 0 {
            self.meter.fault(ProblemKind::TooMuch);
            return Err(io::Error::other(ProblemKind::TooMuch));
        }
        let size = usize::try_from(left).map_or(to.len(), |left| left.min(to.len()));
        let to = to.get_mut(..size).unwrap_or_default();
        let nr_read = self.reader.read(to).inspect_err(|error| {
            // The disk's fault, not the archive's.
            if let Some(code) = error.raw_os_error() {
                let error = io::Error::from_raw_os_error(code);
                self.meter.fault(ProblemKind::Unreadable(error));
            }
        })?;
        self.meter.left.set(left.saturating_sub(nr_read as u64));
        Ok(nr_read)
    }
}

/// A member of an archive: it ends where it should or with an error.
pub(super) struct Exact<R> {
    pub(super) reader: R,
    /// How many bytes are still to come.
    pub(super) left: u64,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let size = usize::try_from(self.left).map_or(to.len(), |left| left.min(to.len()));
        let nr_read = self.reader.read(to.get_mut(..size).unwrap_or_default())?;
        if nr_read == 0 && size > 0 {
            let text = format!("{} bytes of a member are missing", self.left);
            return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
        }
        self.left = self.left.saturating_sub(nr_read as u64);
        Ok(nr_read)
    }
}
