//! CPUID's answers, changed as the model says.
//!
//! QEMU executes CPUID by itself and calls nobody after an instruction. So what
//! is to change is decided before the CPUID and kept for its CPU, and the
//! registers are written at the first moment after it at which QEMU calls:
//!
//! * The CPUID has a successor in its block: before that instruction. QEMU takes
//!   interrupts between blocks alone, so nothing comes between the two.
//! * It is its block's last: before the first instruction of the CPU's next
//!   block, so every block calls at its first one.
//! * An interrupt, an NMI or an exception (a page fault on the next
//!   instruction's fetch) is taken between the two: QEMU calls for that as well,
//!   before the handler's first instruction. Delivery leaves RAX to RDX alone,
//!   so they still hold the answer, and the handler keeps and restores the
//!   changed one. Nothing is left to do when it returns, on whatever CPU.
//!
//! The last two are told from all others by where the CPU was to go on: behind
//! the CPUID. A next block elsewhere without such a call means that the CPUID
//! did not complete (it left a nested guest) or that the CPU was reset; then
//! the change is dropped. One gap remains: a system-management interrupt behind a
//! CPUID that ends its block saves the answer before it can be changed. A
//! machine of this kind raises one only for an OUT, which ends a block itself.
//!
//! None of this is called unless the configuration changes features.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use engine::CpuidChange;

use crate::state::{Registers, State};

/// A change that waits for its CPUID to be over. Used by its CPU's thread alone,
/// so all of it is Relaxed.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    is_set: AtomicBool,
    /// The instruction behind the CPUID.
    next: AtomicU64,
    set: [AtomicU32; 4],
    clear: [AtomicU32; 4],
}

impl Pending {
    /// Whether there was no other, which was never taken.
    fn put(&self, next: u64, change: &CpuidChange) -> bool {
        self.next.store(next, Ordering::Relaxed);
        for place in 0..4 {
            self.set[place].store(change.set[place], Ordering::Relaxed);
            self.clear[place].store(change.clear[place], Ordering::Relaxed);
        }
        !self.is_set.swap(true, Ordering::Relaxed)
    }

    /// Takes the change, and where its CPU was to go on.
    fn take(&self) -> Option<(u64, CpuidChange)> {
        let load = |words: &[AtomicU32; 4]| {
            std::array::from_fn(|place| words[place].load(Ordering::Relaxed))
        };
        self.is_set.swap(false, Ordering::Relaxed).then(|| {
            let change = CpuidChange {
                set: load(&self.set),
                clear: load(&self.clear),
            };
            (self.next.load(Ordering::Relaxed), change)
        })
    }
}

/// A CPUID is about to be executed, and the instruction at `next` follows it.
pub(crate) fn before_cpuid(state: &State, registers: Registers, vcpu: u32, next: u64) {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the registers' lower halves"
    )]
    let [leaf, subleaf] =
        [registers.rax, registers.rcx].map(|register| state.api.read(register) as u32);
    let change = state.engine().cpuid_change(vcpu, leaf, subleaf);
    if !change.is_none() && state.vcpus[vcpu as usize].pending.put(next, &change) {
        state.nr_pending.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether any CPU has a change to come. A CPU's own thread sees its own.
pub(crate) fn is_any_pending(state: &State) -> bool {
    state.nr_pending.load(Ordering::Relaxed) > 0
}

/// A CPU is about to go on at that address, or was about to when it was
/// interrupted: a change that waits for it is made now or never.
pub(crate) fn after_cpuid(state: &State, registers: Registers, vcpu: u32, address: u64) {
    let Some((next, change)) = state.vcpus[vcpu as usize].pending.take() else {
        return;
    };
    state.nr_pending.fetch_sub(1, Ordering::Relaxed);
    if next != address {
        return;
    }
    let all = [registers.rax, registers.rbx, registers.rcx, registers.rdx];
    #[expect(clippy::cast_possible_truncation, reason = "an answer has 32 bits")]
    let answer = all.map(|register| state.api.read(register) as u32);
    for ((register, old), new) in all.into_iter().zip(answer).zip(change.apply(answer)) {
        if old != new {
            state.api.write(register, new.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_taken_once() {
        let pending = Pending::default();
        assert_eq!(pending.take(), None);
        let change = CpuidChange {
            set: [1, 2, 3, 4],
            clear: [8, 8, 8, 8],
        };
        assert!(pending.put(0x2000, &CpuidChange::default()));
        assert!(
            !pending.put(0x1000, &change),
            "it is there in the other's place"
        );
        assert_eq!(pending.take(), Some((0x1000, change)));
        assert_eq!(pending.take(), None);
    }
}
