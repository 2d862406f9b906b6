//! What the protocols need of a machine.

/// A write that raised #GP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpFault;

/// How often a CPU that waits looks before it looks at the clock, which costs it
/// more. As many pauses take a few microseconds at most.
pub const LOOKS_PER_CLOCK: u32 = 16;

/// One CPU of the machine: each method acts on the CPU that calls it.
pub trait Machine {
    /// Time in ns from any origin; it must be the same clock on all CPUs.
    fn now_ns(&self) -> u64;

    /// The same for the report alone: nothing depends on it.
    fn stamp_ns(&self) -> u64 {
        self.now_ns()
    }

    /// Called in every round of a wait.
    fn relax(&self);

    /// Waits until `look` finds something, until `deadline_ns` at the longest.
    /// Every wait of a protocol is this one. `look` has no effect, so whoever
    /// watches may leave out rounds that find nothing.
    fn wait<T>(&self, deadline_ns: u64, look: impl Fn() -> Option<T>) -> Option<T> {
        loop {
            for _ in 0..LOOKS_PER_CLOCK {
                if let Some(found) = look() {
                    return Some(found);
                }
                self.relax();
            }
            if self.now_ns() > deadline_ns {
                return None;
            }
        }
    }

    /// Interrupts off, and NMIs contained.
    fn stop(&self);

    /// As before [`stop`](Self::stop).
    fn go(&self);

    /// Looks the update up in the blob once more, as loaders did on each CPU
    /// before they had a cache.
    fn parse(&self);

    /// Writes the update that the plan chose for this CPU.
    fn load(&self) -> Result<(), GpFault>;

    /// Reads this CPU's revision anew.
    fn revision(&self) -> u32;

    /// Sends an NMI to another CPU.
    fn send_nmi(&self, cpu: u32);

    /// What historical loaders did when a CPU was not back in time. A machine
    /// that does not end here lets the caller leave.
    fn panic(&self, message: &'static str);
}

/// A CPU that is stopped runs again when this is dropped, on every path.
#[derive(Debug)]
pub(crate) struct Stopped<'a, M: Machine>(&'a M);

impl<'a, M: Machine> Stopped<'a, M> {
    pub(crate) fn new(machine: &'a M) -> Self {
        machine.stop();
        Self(machine)
    }
}

impl<M: Machine> Drop for Stopped<'_, M> {
    fn drop(&mut self) {
        self.0.go();
    }
}
