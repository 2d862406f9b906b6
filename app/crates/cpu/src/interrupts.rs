//! The interrupt flag.

use core::marker::PhantomData;

use x86::bits64::rflags::{self, RFlags};
use x86::irq;

/// Interrupts are off on this CPU while this lives; then they are again as
/// they were, on whatever path the scope is left.
#[derive(Debug)]
#[must_use = "interrupts are on again as soon as this is dropped"]
pub struct InterruptsOff {
    were_on: bool,
    /// It belongs to the CPU that made it.
    not_send: PhantomData<*const ()>,
}

/// Whether interrupts are on, on this CPU.
#[must_use]
#[inline]
pub fn are_on() -> bool {
    rflags::read().contains(RFlags::FLAGS_IF)
}

impl InterruptsOff {
    /// Turns interrupts off (ring 0).
    #[inline]
    pub fn new() -> Self {
        let were_on = are_on();
        // SAFETY: an interrupt that waits is delivered when this is dropped.
        unsafe { irq::disable() };
        Self {
            were_on,
            not_send: PhantomData,
        }
    }
}

impl Default for InterruptsOff {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for InterruptsOff {
    #[inline]
    fn drop(&mut self) {
        if self.were_on {
            // SAFETY: they were on before, so their handlers are in place.
            unsafe { irq::enable() };
        }
    }
}

/// Waits with interrupts on until one has come and `is_over` says so. Whoever
/// makes it so has to interrupt this CPU afterwards.
pub fn wait_until(is_over: impl Fn() -> bool) {
    loop {
        // SAFETY: an interrupt that waits is delivered below.
        unsafe { irq::disable() };
        if is_over() {
            // SAFETY: the kernel's handlers are in place once there are tasks.
            unsafe { irq::enable() };
            return;
        }
        // In one piece: STI lets no interrupt in before the next instruction
        // has begun, so none can come between the look and the wait.
        // SAFETY: the kernel's handlers are in place, and an interrupt ends it.
        unsafe { core::arch::asm!("sti", "hlt", options(nomem, nostack)) };
    }
}

/// Waits for an interrupt with interrupts on.
pub fn wait() {
    // SAFETY: the kernel's handlers are in place once there are tasks.
    unsafe { irq::enable() };
    // SAFETY: an interrupt ends it.
    unsafe { x86::halt() };
}
