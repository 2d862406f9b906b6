//! The words that the CPUs agree by: places in the world's memory.

use std::sync::atomic::Ordering;

use rendezvous::Word;

use crate::world::{self, Touch, touch};

/// A place in the memory of this thread's world.
#[derive(Debug)]
pub(crate) struct SimWord(usize);

impl Word for SimWord {
    fn new(value: u32) -> Self {
        Self(world::with(|world| world.add_word(value)))
    }

    fn load(&self, _: Ordering) -> u32 {
        touch(Touch::Word(self.0), |world| world.read(self.0, "reads"))
    }

    fn store(&self, value: u32, _: Ordering) {
        touch(Touch::Word(self.0), |world| {
            world.write(self.0, value, "stores");
        });
    }

    fn fetch_add(&self, value: u32, _: Ordering) -> u32 {
        touch(Touch::Word(self.0), |world| {
            let before = world.read(self.0, "takes");
            world.write(self.0, before.wrapping_add(value), "adds to");
            before
        })
    }

    fn fetch_or(&self, bits: u32, _: Ordering) -> u32 {
        touch(Touch::Word(self.0), |world| {
            let before = world.read(self.0, "takes");
            world.write(self.0, before | bits, "sets bits of");
            before
        })
    }

    fn compare_exchange(
        &self,
        current: u32,
        new: u32,
        _: Ordering,
        _: Ordering,
    ) -> Result<u32, u32> {
        touch(Touch::Word(self.0), |world| {
            let before = world.read(self.0, "compares");
            if before != current {
                return Err(before);
            }
            world.write(self.0, new, "exchanges");
            Ok(before)
        })
    }
}
