//! A flattened device tree with just what the kernel looks for: `/memory@x`,
//! `/chosen/bootargs`, `/hermit,rsdp@x` and a root with `compatible`.
//!
//! (Devicetree Specification 0.4, chapter 5.) The crates that write one need
//! an allocator, which does not exist yet; these nodes need eighty lines.

use core::ops::Range;

use crate::memory::Memory;

const SIZE: usize = 8192;
const HEADER_SIZE: usize = 40;
const RESERVED_SIZE: usize = 16;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const END: u32 = 9;

/// The property names; a property refers to them by offset.
const STRINGS: &[u8] = b"#address-cells\0#size-cells\0compatible\0bootargs\0reg\0device_type\0";

/// Room for the tree.
#[repr(C, align(8))]
pub(crate) struct Buffer {
    bytes: [u8; SIZE],
}

impl Buffer {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; SIZE] }
    }
}

/// Appends to the buffer and remembers if it did not fit.
struct Writer<'a> {
    bytes: &'a mut [u8],
    len: usize,
    overflown: bool,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        match self.bytes.get_mut(self.len..self.len + bytes.len()) {
            Some(room) => room.copy_from_slice(bytes),
            None => self.overflown = true,
        }
        self.len += bytes.len();
    }

    fn word(&mut self, word: u32) {
        self.put(&word.to_be_bytes());
    }

    fn align(&mut self) {
        while !self.len.is_multiple_of(4) {
            self.put(&[0]);
        }
    }

    /// Opens a node; one with an address is named `name@address`.
    fn begin(&mut self, name: &str, address: Option<u64>) {
        self.word(BEGIN_NODE);
        self.put(name.as_bytes());
        if let Some(address) = address {
            self.put(b"@");
            for digit in (0..16).rev() {
                let nibble = (address >> (4 * digit) & 0xf) as usize;
                self.put(&b"0123456789abcdef"[nibble..=nibble]);
            }
        }
        self.put(&[0]);
        self.align();
    }

    fn end(&mut self) {
        self.word(END_NODE);
    }

    fn prop(&mut self, name: &str, values: &[&[u8]]) {
        let offset = STRINGS
            .windows(name.len() + 1)
            .position(|w| w.strip_suffix(&[0]) == Some(name.as_bytes()));
        self.overflown |= offset.is_none();
        self.word(PROP);
        self.word(values.iter().map(|v| v.len() as u32).sum());
        self.word(offset.unwrap_or(0) as u32);
        for value in values {
            self.put(value);
        }
        self.align();
    }

    fn reg(&mut self, range: &Range<u64>) {
        let size = range.end - range.start;
        self.prop("reg", &[&range.start.to_be_bytes(), &size.to_be_bytes()]);
    }
}

/// Builds the tree in `buffer`; the result is its address. An `rsdp` of 0 is
/// none.
pub(crate) fn build(
    buffer: &'static mut Buffer,
    command_line: &str,
    memory: &Memory,
    rsdp: u64,
) -> Result<*const u8, &'static str> {
    let mut w = Writer {
        bytes: &mut buffer.bytes,
        len: HEADER_SIZE + RESERVED_SIZE,
        overflown: false,
    };
    let structure = w.len;
    w.begin("", None);
    w.prop("#address-cells", &[&2_u32.to_be_bytes()]);
    w.prop("#size-cells", &[&2_u32.to_be_bytes()]);
    w.prop("compatible", &[b"muster,pc\0"]);

    w.begin("chosen", None);
    w.prop("bootargs", &[command_line.as_bytes(), &[0]]);
    w.end();

    for range in memory.iter() {
        w.begin("memory", Some(range.start));
        w.prop("device_type", &[b"memory\0"]);
        w.reg(&range);
        w.end();
    }

    if rsdp != 0 {
        w.begin("hermit,rsdp", Some(rsdp));
        w.reg(&(rsdp..rsdp + 1));
        w.end();
    }
    w.end();
    w.word(END);

    let strings = w.len;
    w.put(STRINGS);
    let total = w.len;
    if w.overflown {
        return Err("the command line is too long");
    }

    w.len = 0;
    for word in [
        0xd00d_feed, // magic
        total,
        structure,
        strings,
        HEADER_SIZE, // memory reservations: only the final, empty one
        17,          // version
        16,          // last compatible version
        0,           // boot CPU
        STRINGS.len(),
        strings - structure,
    ] {
        w.word(word as u32);
    }
    Ok(buffer.bytes.as_ptr())
}
