//! Any accesses of the console's registers, on any memory: each comes back, and no
//! more is written than the buffers hold.

#![no_main]
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::OnceLock;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use vmm::devices::{Console, Transport};
use vmm::memory::Memory;

/// Queues and buffers lie in the first pages, where a fuzzer finds them.
const REGISTERS: u64 = 0x110;
const QUEUE_NOTIFY: u64 = 0x50;
/// A queue's longest row of buffers, and the most that is taken of one.
const MAX_CHAIN: usize = 16 * 16;
const MAX_BUFFER: usize = 0x1_0000;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    steps: Vec<Step>,
    memory: &'a [u8],
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    Read {
        offset: u16,
        size: u8,
    },
    /// A word in reach of the memory, or any.
    Write {
        register: u8,
        value: u16,
    },
    WriteAny {
        offset: u16,
        value: u32,
    },
}

#[derive(Clone, Default)]
struct Counted(Rc<RefCell<usize>>);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.0.borrow_mut() += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|input: Input<'_>| {
    static MEMORY: OnceLock<Memory> = OnceLock::new();
    let memory = MEMORY.get_or_init(|| Memory::new(16).expect("the host has so much"));
    let bytes = &input.memory[..input.memory.len().min(0x4000)];
    assert!(memory.put(0, &[0; 0x4000]) && memory.put(0, bytes));
    let written = Counted::default();
    let mut console = Transport::new(Console::new(written.clone()));
    let mut most = 0;
    for step in input.steps {
        match step {
            Step::Read { offset, size } => {
                let mut data = [0; 8];
                let size = usize::from(size) % 9;
                console.read(offset.into(), &mut data[..size]);
            }
            Step::Write { register, value } => {
                let offset = u64::from(register) * 4 % REGISTERS;
                if offset == QUEUE_NOTIFY {
                    most += MAX_CHAIN * MAX_BUFFER;
                }
                console.write(offset, &u32::from(value).to_le_bytes(), memory);
            }
            Step::WriteAny { offset, value } => {
                most += MAX_CHAIN * MAX_BUFFER;
                console.write(offset.into(), &value.to_le_bytes(), memory);
            }
        }
    }
    assert!(*written.0.borrow() <= most);
});
