//! The words that CPUs agree by: atomics of the machine, of a model checker or
//! of a simulator. One type parameter chooses, so that the code which is checked
//! is the code that ships.

use core::fmt::Debug;
use core::sync::atomic::{AtomicU32, Ordering};

/// An atomic of 32 bits.
pub trait Word: Debug + Send + Sync {
    /// A word of that value.
    fn new(value: u32) -> Self;
    /// Reads it.
    fn load(&self, order: Ordering) -> u32;
    /// Writes it.
    fn store(&self, value: u32, order: Ordering);
    /// Adds, wrapping around; the value before.
    fn fetch_add(&self, value: u32, order: Ordering) -> u32;
    /// Sets bits; the value before.
    fn fetch_or(&self, bits: u32, order: Ordering) -> u32;
    /// Replaces `current` by `new`; the value before, as an error if it was
    /// another.
    fn compare_exchange(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32>;
}

impl Word for AtomicU32 {
    #[inline]
    fn new(value: u32) -> Self {
        Self::new(value)
    }

    #[inline]
    fn load(&self, order: Ordering) -> u32 {
        self.load(order)
    }

    #[inline]
    fn store(&self, value: u32, order: Ordering) {
        self.store(value, order);
    }

    #[inline]
    fn fetch_add(&self, value: u32, order: Ordering) -> u32 {
        self.fetch_add(value, order)
    }

    #[inline]
    fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
        self.fetch_or(bits, order)
    }

    #[inline]
    fn compare_exchange(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        self.compare_exchange(current, new, success, failure)
    }
}
