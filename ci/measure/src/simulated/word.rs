//! The words that the CPUs agree by: as large as those of a machine, so that they
//! share their lines as they do there.

use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use rendezvous::Word;

use super::coroutines::pause;
use super::line::Access;
use super::world::{self, Turn, pass, with};

/// A word. Only one CPU runs at a time, so the orderings say nothing here.
#[derive(Debug)]
pub(super) struct SimWord(AtomicU32);

impl SimWord {
    fn access<R>(&self, access: Access, act: impl FnOnce(&AtomicU32) -> R) -> R {
        let address = ptr::from_ref(&self.0).addr();
        let cost_ns = match world::access(address, access) {
            Turn::Free => return act(&self.0),
            Turn::Now(cost_ns) => cost_ns,
            Turn::Queued(line) => {
                pause();
                with(|world| world.serve_next(line, access))
            }
        };
        let answer = act(&self.0);
        pass(cost_ns);
        answer
    }
}

impl Word for SimWord {
    fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }

    fn load(&self, _: Ordering) -> u32 {
        self.access(Access::Read, |word| word.load(Ordering::Relaxed))
    }

    fn store(&self, value: u32, _: Ordering) {
        self.access(Access::Write, |word| word.store(value, Ordering::Relaxed));
    }

    fn fetch_add(&self, value: u32, _: Ordering) -> u32 {
        self.access(Access::Atomic, |word| {
            word.fetch_add(value, Ordering::Relaxed)
        })
    }

    fn fetch_or(&self, bits: u32, _: Ordering) -> u32 {
        self.access(Access::Atomic, |word| {
            word.fetch_or(bits, Ordering::Relaxed)
        })
    }

    fn compare_exchange(
        &self,
        current: u32,
        new: u32,
        _: Ordering,
        _: Ordering,
    ) -> Result<u32, u32> {
        self.access(Access::Atomic, |word| {
            word.compare_exchange(current, new, Ordering::Relaxed, Ordering::Relaxed)
        })
    }
}
