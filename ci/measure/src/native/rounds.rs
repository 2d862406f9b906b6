//! The iterations, as the threads live through them.
//!
//! ```text
//!   CPU 0                              every other CPU
//!   -----                              ---------------
//!   makes the contender anew           waits for it
//!          └──────────── all are ready ───────┘
//!   says when it begins                waits until then
//!          └──── begin at one moment ─────────┘
//!   call in ─ gate ─ load ─ leave      the same
//!          └──────────── all are done ────────┘
//!   reads what they noted
//! ```
//!
//! The contenders take turns, iteration by iteration, each time in another order: who
//! comes after a contender of the same code finds it in the caches, and who comes after
//! one that slept does not. Nothing is allocated from the moment on at which they begin
//! until all are done.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cpu::tsc::Clock;
use crossbeam_utils::CachePadded;
use oorandom::Rand32;
use rendezvous::{Machine, Outcome, Topology};

use super::contender::Contender;
use super::machine::{self, Cpu, Patience, Revision};
use super::prepared::Prepared;
use crate::iteration::Iteration;

/// From the word that says when they begin until then: enough for it to come to
/// everybody.
const LEAD_NS: u64 = 3000;

/// What goes wrong on a CPU is left out, and counted by who, where and how.
pub(super) type Spoilt = BTreeMap<(usize, u32, String), u32>;

/// What all threads share.
pub(super) struct Rounds<'a> {
    contenders: &'a [Contender],
    topology: Arc<Topology>,
    /// By CPU of the topology: the number that it is reported by.
    numbers: Vec<u32>,
    clock: Clock,
    /// Whether all CPUs' counters are one clock.
    is_one_clock: bool,
    patience: Patience,
    load_ns: u64,
    nr_warm_up: u32,
    nr_iterations: u32,
    seed: u64,
    revisions: Box<[Revision]>,
    contender: Mutex<Option<Arc<Prepared>>>,
    /// The round whose contender is there.
    nr_made: CachePadded<AtomicU64>,
    /// CPUs that were ready, of all rounds.
    nr_ready: CachePadded<AtomicU64>,
    /// When the round begins, in ns; later in every round.
    begins_ns: CachePadded<AtomicU64>,
    /// CPUs that were done, of all rounds.
    nr_done: CachePadded<AtomicU64>,
    /// Iterations of all contenders that are over.
    nr_over: CachePadded<AtomicU32>,
}

/// How a run is set up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) clock: Clock,
    pub(super) is_one_clock: bool,
    pub(super) patience: Patience,
    pub(super) load_us: u64,
    pub(super) nr_warm_up: u32,
    pub(super) nr_iterations: u32,
    /// From what the orders are drawn.
    pub(super) seed: u64,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(
        contenders: &'a [Contender],
        topology: Arc<Topology>,
        numbers: Vec<u32>,
        pace: Pace,
    ) -> Self {
        Self {
            contenders,
            numbers,
            clock: pace.clock,
            is_one_clock: pace.is_one_clock,
            patience: pace.patience,
            load_ns: pace.load_us.saturating_mul(1000),
            nr_warm_up: pace.nr_warm_up,
            nr_iterations: pace.nr_iterations,
            seed: pace.seed,
            revisions: (0..topology.nr_cores())
                .map(|_| Revision::default())
                .collect(),
            topology,
            contender: Mutex::new(None),
            nr_made: CachePadded::default(),
            nr_ready: CachePadded::default(),
            begins_ns: CachePadded::default(),
            nr_done: CachePadded::default(),
            nr_over: CachePadded::default(),
        }
    }

    /// How many iterations of all contenders are over, those to warm up among them.
    pub(super) fn nr_over(&self) -> u32 {
        // Relaxed: nothing is read because of it.
        self.nr_over.load(Ordering::Relaxed)
    }

    /// How many there will have been.
    pub(super) fn nr_all(&self) -> u32 {
        self.nr_warm_up.saturating_add(self.nr_iterations)
    }

    /// What one CPU does in all rounds; what CPU 0 read, by contender.
    pub(super) fn attend(&self, number: u32) -> (Vec<Vec<Iteration>>, Spoilt) {
        let core = self.topology.core_of(number);
        let cpu = Cpu {
            clock: self.clock,
            patience: self.patience,
            load_ns: self.load_ns,
            revision: &self.revisions[core as usize],
        };
        let is_control = number == 0;
        let room = if is_control { self.nr_iterations } else { 0 };
        let empty = || Vec::with_capacity(room as usize);
        let mut iterations: Vec<_> = self.contenders.iter().map(|_| empty()).collect();
        let mut spoilt = Spoilt::new();
        let mut order: Vec<usize> = (0..self.contenders.len()).collect();
        let mut random = Rand32::new(self.seed);
        let mut round = 0;
        for iteration in 0..self.nr_all() {
            shuffle(&mut order, &mut random);
            for &place in &order {
                round += 1;
                if is_control {
                    let shift = shift(round);
                    let contender = self.contenders[place];
                    let prepared = Arc::new(Prepared::new(contender, &self.topology));
                    drop(shift);
                    self.make(prepared, round);
                }
                self.live_through(round, number, &cpu);
                if !is_control {
                    continue;
                }
                self.wait(|| self.nr_done.load(Ordering::Acquire) == self.nr_visits(round));
                let prepared = self.take();
                if iteration < self.nr_warm_up {
                    continue;
                }
                match prepared.map(|one| one.read(&self.numbers, &self.topology)) {
                    Some(Ok(iteration)) => iterations[place].push(iteration),
                    Some(Err((number, outcome))) => note(&mut spoilt, place, number, outcome),
                    None => {}
                }
            }
            if is_control {
                self.nr_over.store(iteration + 1, Ordering::Relaxed);
            }
        }
        (iterations, spoilt)
    }

    /// One round of one CPU, until it is done.
    fn live_through(&self, round: u64, number: u32, cpu: &Cpu<'_>) {
        // Acquire pairs with the Release in `make`.
        self.wait(|| self.nr_made.load(Ordering::Acquire) == round);
        let Some(prepared) = self.lock().clone() else {
            return;
        };
        // All CPUs are done with the last round, and none begins before this one is ready.
        let core = self.topology.core_of(number);
        if self.topology.threads_of(core).next() == Some(number) {
            machine::reset(cpu.revision);
        }
        // Relaxed: it is another only after this CPU is ready.
        let last_ns = self.begins_ns.load(Ordering::Relaxed);
        // AcqRel, also of `nr_done`: whoever counts all of them has all that they did.
        self.nr_ready.fetch_add(1, Ordering::AcqRel);
        let begins_ns = if number == 0 {
            // Acquire pairs with the addition of every CPU.
            self.wait(|| self.nr_ready.load(Ordering::Acquire) == self.nr_visits(round));
            prepared.request(cpu);
            let begins_ns = (cpu.now_ns() + LEAD_NS).max(last_ns + 1);
            // Release pairs with the Acquire below.
            self.begins_ns.store(begins_ns, Ordering::Release);
            begins_ns
        } else {
            self.wait(|| self.begins_ns.load(Ordering::Acquire) != last_ns);
            self.begins_ns.load(Ordering::Relaxed)
        };
        // Counters that are apart have no moment in common.
        self.wait(|| !self.is_one_clock || cpu.now_ns() >= begins_ns);
        prepared.attend(number, cpu);
        drop(prepared);
        self.nr_done.fetch_add(1, Ordering::AcqRel);
    }

    fn make(&self, prepared: Arc<Prepared>, round: u64) {
        *self.lock() = Some(prepared);
        // Release pairs with the Acquire in `live_through`.
        self.nr_made.store(round, Ordering::Release);
    }

    fn take(&self) -> Option<Arc<Prepared>> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Prepared>>> {
        self.contender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How often CPUs have come by at the end of a round.
    fn nr_visits(&self, round: u64) -> u64 {
        round * u64::from(self.topology.nr_cpus())
    }

    fn wait(&self, is_so: impl Fn() -> bool) {
        while !is_so() {
            self.patience.relax();
        }
    }
}

/// Brings them into any order, each as likely as any other (Fisher and Yates).
fn shuffle(order: &mut [usize], random: &mut Rand32) {
    for nr_left in (2..=order.len()).rev() {
        let end = u32::try_from(nr_left).unwrap_or(u32::MAX);
        order.swap(nr_left - 1, random.rand_range(0..end) as usize);
    }
}

/// Memory that is held while a contender is made, of another size in every round. The
/// allocator gives what was freed again, so that each contender would otherwise stand in
/// the same place in every round of a run, and be fast or slow by where that is.
fn shift(round: u64) -> Vec<u8> {
    /// A step of a line, for any place within a page.
    const LINE: usize = 64;
    const NR_PLACES: u64 = 61;
    let nr_lines = usize::try_from(1 + round * 7919 % NR_PLACES).unwrap_or(1);
    // Nobody writes to it, and an allocation that nobody uses is left out.
    black_box(Vec::with_capacity(LINE * nr_lines))
}

fn note(spoilt: &mut Spoilt, place: usize, number: u32, outcome: Outcome) {
    let key = (place, number, format!("{outcome:?}"));
    *spoilt.entry(key).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn each_contender_comes_after_each_other_about_as_often() {
        let mut order: Vec<usize> = (0..10).collect();
        let mut random = Rand32::new(1);
        let mut nr_after = BTreeMap::new();
        for _ in 0..5_000 {
            shuffle(&mut order, &mut random);
            for pair in order.windows(2) {
                *nr_after.entry((pair[0], pair[1])).or_insert(0) += 1;
            }
        }
        assert_eq!(nr_after.len(), 90);
        // 500 are to be expected of each.
        assert!(nr_after.values().all(|nr| (400..600).contains(nr)));
    }
}
