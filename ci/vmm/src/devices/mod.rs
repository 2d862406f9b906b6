//! Everything that is no CPU: which device a port or an address belongs to.

mod capped;
mod clock;
mod console;
mod mmio;

pub use capped::Capped;
pub use console::Console;
pub use mmio::Transport;

use std::convert::Infallible;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};

use crate::memory::{DEVICES, Memory};

/// The size of the console's registers in bytes.
pub const CONSOLE_BYTES: u64 = 0x1000;
/// The line of the interrupt controller that it is on.
pub const CONSOLE_IRQ: u32 = 5;

const COM1: u16 = 0x3f8;
const COM1_END: u16 = COM1 + 7;
const CLOCK_INDEX: u16 = 0x70;
const CLOCK_DATA: u16 = 0x71;
const KEYBOARD: u16 = 0x64;
/// The keyboard controller pulses the line that resets the CPU.
const RESET_PULSE: u8 = 0xfe;
const RESET: u16 = 0xcf9;
/// In the reset register: reset the CPU now.
const RESET_CPU: u8 = 1 << 2;

/// How a device ends the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The guest wrote that to the exit port.
    Wrote(u8),
    /// The guest reset the machine.
    Reset,
}

/// The serial port's interrupts go nowhere: a guest that waits for one polls.
#[derive(Debug)]
struct Unconnected;

impl Trigger for Unconnected {
    type E = Infallible;

    fn trigger(&self) -> Result<(), Self::E> {
        Ok(())
    }
}

/// The devices of a machine. Each has its own lock, held for one access.
pub struct Devices<W: Write> {
    serial: Mutex<Serial<Unconnected, NoEvents, W>>,
    clock: Mutex<clock::Clock>,
    console: Mutex<Transport<Console<W>>>,
}

impl<W: Write> Devices<W> {
    /// Devices that write to these two.
    pub fn new(serial: W, console: W) -> Self {
        Self {
            serial: Mutex::new(Serial::new(Unconnected, serial)),
            clock: Mutex::default(),
            console: Mutex::new(Transport::new(Console::new(console))),
        }
    }

    /// The guest reads a port. What nobody answers reads as ones.
    pub fn read_port(&self, port: u16, data: &mut [u8]) {
        data.fill(0xff);
        let Some(first) = data.first_mut() else {
            return;
        };
        match port {
            COM1..=COM1_END => {
                #[expect(clippy::cast_possible_truncation, reason = "0 to 7")]
                let offset = (port - COM1) as u8;
                *first = locked(&self.serial).read(offset);
            }
            CLOCK_DATA => *first = locked(&self.clock).read(),
            // No key was pressed, and there is room for a command.
            KEYBOARD => *first = 0,
            _ => {}
        }
    }

    /// The guest writes a port; whether that was the end.
    pub fn write_port(&self, port: u16, data: &[u8]) -> Option<Ended> {
        let &first = data.first()?;
        match port {
            COM1..=COM1_END => {
                #[expect(clippy::cast_possible_truncation, reason = "0 to 7")]
                let offset = (port - COM1) as u8;
                // Where the log cannot take it there is nobody to tell.
                let _ = locked(&self.serial).write(offset, first);
                None
            }
            CLOCK_INDEX => {
                locked(&self.clock).select(first);
                None
            }
            report::exit::PORT => Some(Ended::Wrote(first)),
            KEYBOARD if first == RESET_PULSE => Some(Ended::Reset),
            RESET if first & RESET_CPU != 0 => Some(Ended::Reset),
            _ => None,
        }
    }

    /// The guest reads at an address without memory. Nothing is there but the
    /// console.
    pub fn read_address(&self, address: u64, data: &mut [u8]) {
        data.fill(0xff);
        if let Some(offset) = console_offset(address) {
            locked(&self.console).read(offset, data);
        }
    }

    /// The guest writes there; whether the console's interrupt is now on or off,
    /// if that changed.
    pub fn write_address(&self, address: u64, data: &[u8], memory: &Memory) -> Option<bool> {
        let offset = console_offset(address)?;
        let mut console = locked(&self.console);
        let before = console.interrupts();
        console.write(offset, data, memory);
        let now = console.interrupts();
        (before != now).then_some(now)
    }
}

fn console_offset(address: u64) -> Option<u64> {
    let offset = address.checked_sub(DEVICES)?;
    (offset < CONSOLE_BYTES).then_some(offset)
}

/// A device whose other user panicked is as good as before: its registers are
/// plain numbers.
fn locked<T>(device: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    device.lock().unwrap_or_else(PoisonError::into_inner)
}
