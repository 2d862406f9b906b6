//! The CPUs' coroutines: made once, and used for one run after another.

use generator::{Generator, Gn};

use crate::world;

/// Enough for the protocols, which call nothing deep.
const STACK_WORDS: usize = 0x1000;

/// A coroutine for each CPU.
pub(crate) struct Coroutines(Vec<Generator<'static, (), ()>>);

impl Coroutines {
    pub(crate) fn new(nr_cpus: u32) -> Self {
        let life = |cpu| {
            Gn::new_opt(STACK_WORDS, move || {
                loop {
                    world::run_cpu(cpu);
                    pause();
                }
            })
        };
        Self((0..nr_cpus).map(life).collect())
    }

    /// Lets a CPU make the step that it is about to make, up to the next one.
    pub(crate) fn resume(&mut self, cpu: u32) {
        self.0[cpu as usize].resume();
    }
}

/// Goes back to whoever resumed this CPU, until it is resumed once more.
#[expect(
    deprecated,
    reason = "what replaces it is a value that the coroutine's body is given, and an atomic has no \
              way to it"
)]
pub(crate) fn pause() {
    generator::yield_with(());
}
