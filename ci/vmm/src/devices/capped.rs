//! A log that a guest cannot fill the disk with.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// More than any guest has to say, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// A file that takes so much and no more.
#[derive(Debug)]
pub struct Capped {
    file: File,
    left: u64,
}

impl Capped {
    /// A new file.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::create(path)?,
            left: MAX_BYTES,
        })
    }
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX);
        let taken = self.file.write(&bytes[..bytes.len().min(room)])?;
        self.left -= taken as u64;
        // What is over the limit is dropped.
        Ok(if self.left == 0 { bytes.len() } else { taken })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_limit_is_dropped_without_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Capped::create(&path).unwrap();
        log.left = 5;
        log.write_all(b"123").unwrap();
        log.write_all(b"4567").unwrap();
        log.write_all(b"8").unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"12345");
    }
}
