//! The CPUs' coroutines: made once, and used for one load after another.

use generator::{Generator, Gn};

use super::on_cpu;

/// Enough for the protocols, which call nothing deep.
const STACK_WORDS: usize = 0x1000;

/// A coroutine for each CPU.
pub(super) struct Coroutines(Vec<Generator<'static, (), ()>>);

impl Coroutines {
    pub(super) fn new(nr_cpus: u32) -> Self {
        let life = |cpu| {
            Gn::new_opt(STACK_WORDS, move || {
                while on_cpu::run(cpu) {
                    pause();
                }
            })
        };
        Self((0..nr_cpus).map(life).collect())
    }

    /// Lets a CPU run until it pauses.
    pub(super) fn resume(&mut self, cpu: u32) {
        self.0[cpu as usize].resume();
    }
}

/// Goes back to whoever resumed this CPU, until it is resumed once more.
#[expect(
    deprecated,
    reason = "what replaces it is a value that the coroutine's body is given, and an atomic has no \
              way to it"
)]
pub(super) fn pause() {
    generator::yield_with(());
}
