//! The report's road to the host: virtio-console, or the serial port where
//! there is none.
//!
//! One line is one write, so a line is never torn by another writer. The
//! kernel's own messages and the last words of a panic always go to the serial
//! port: that road needs no driver state.

mod mmio;
mod pci;
mod virtio;

use core::fmt;

use hermit::watch;
use spinning_top::Spinlock;

/// The console, once [`open`] has found one.
static CONSOLE: Spinlock<Option<virtio::Console>> = Spinlock::new(None);

/// A line being put together.
struct Line {
    bytes: [u8; report::MAX_LINE],
    len: usize,
}

impl fmt::Write for Line {
    /// What does not fit is cut off: a torn line costs itself, and the last
    /// byte is kept for the line feed.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.len() - 1 - self.len;
        let bytes = &text.as_bytes()[..text.len().min(room)];
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(())
    }
}

/// Looks for a virtio console and uses it from now on.
pub(crate) fn open() {
    *CONSOLE.lock() = virtio::find();
}

/// Writes one line of the report.
pub(crate) fn emit(record: &impl fmt::Display) {
    let mut line = Line {
        bytes: [0; report::MAX_LINE],
        len: 0,
    };
    // A `Line` takes everything.
    let _ = fmt::write(&mut line, format_args!("{record}"));
    line.bytes[line.len] = b'\n';
    let bytes = &line.bytes[..=line.len];

    let mut console = CONSOLE.lock();
    if let Some(virtio) = console.as_mut() {
        watch::note_write();
        if virtio.write(bytes).is_ok() {
            return;
        }
        log::warn!("virtio-console refused a line; the report goes on here");
        *console = None;
    }
    let text = core::str::from_utf8(&bytes[..line.len]).unwrap_or("# torn");
    hermit::console::_print(format_args!("{text}\n"));
}
