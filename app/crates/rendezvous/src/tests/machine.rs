//! Cores whose CPUs are host threads.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::vec::Vec;

use crate::{GpFault, Machine};

pub(super) const BEFORE: u32 = 0xea;
pub(super) const TARGET: u32 = 0xf0;

/// What the write of a CPU does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Write {
    Takes,
    Faults,
    Ignored,
    Garbles,
    /// Returns after this many ms.
    Slow(u64),
    /// Returns when [`Cores::end_loads`] says so.
    Awaited,
}

/// Longer than any test takes that passes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Cores whose threads share a revision (or do not, as on AMD) and that notice
/// two threads inside a load.
pub(super) struct Cores {
    revisions: Vec<AtomicU32>,
    inside: Vec<AtomicBool>,
    overlap: AtomicBool,
    shared: bool,
    nr_threads: u32,
    nr_stopped: AtomicU32,
    may_end: AtomicBool,
    start: Instant,
}

impl Cores {
    pub(super) fn new(nr_cores: u32, nr_threads: u32, shared: bool) -> Self {
        let nr_cpus = nr_cores * nr_threads;
        Self {
            revisions: (0..nr_cpus).map(|_| AtomicU32::new(BEFORE)).collect(),
            inside: (0..nr_cores).map(|_| AtomicBool::new(false)).collect(),
            overlap: AtomicBool::new(false),
            shared,
            nr_threads,
            nr_stopped: AtomicU32::new(0),
            may_end: AtomicBool::new(false),
            start: Instant::now(),
        }
    }

    pub(super) fn cpu(&self, number: u32, write: Write) -> Cpu<'_> {
        Cpu {
            cores: self,
            number: number as usize,
            core: (number / self.nr_threads) as usize,
            write,
            nr_rounds: AtomicU32::new(0),
            nr_accesses: AtomicU32::new(0),
        }
    }

    /// Lets the loads return that are awaited.
    pub(super) fn end_loads(&self) {
        self.may_end.store(true, Ordering::SeqCst);
    }

    /// Whether a thread wrote or read registers while another one wrote.
    pub(super) fn were_disturbed(&self) -> bool {
        self.overlap.load(Ordering::SeqCst)
    }

    pub(super) fn nr_stopped(&self) -> u32 {
        self.nr_stopped.load(Ordering::SeqCst)
    }
}

pub(super) struct Cpu<'a> {
    cores: &'a Cores,
    number: usize,
    core: usize,
    write: Write,
    nr_rounds: AtomicU32,
    nr_accesses: AtomicU32,
}

impl Cpu<'_> {
    /// Rounds of its waits that found nothing.
    pub(super) fn nr_rounds(&self) -> u32 {
        self.nr_rounds.load(Ordering::SeqCst)
    }

    /// How often it wrote the update or read its revision.
    pub(super) fn nr_accesses(&self) -> u32 {
        self.nr_accesses.load(Ordering::SeqCst)
    }

    fn register(&self) -> &AtomicU32 {
        let index = if self.cores.shared {
            self.core
        } else {
            self.number
        };
        &self.cores.revisions[index]
    }
}

impl Machine for Cpu<'_> {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.cores.start.elapsed().as_nanos()).unwrap()
    }

    fn relax(&self) {
        self.nr_rounds.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
    }

    fn stop(&self) {
        self.cores.nr_stopped.fetch_add(1, Ordering::SeqCst);
    }

    fn go(&self) {
        self.cores.nr_stopped.fetch_sub(1, Ordering::SeqCst);
    }

    fn parse(&self) {}

    fn send_nmi(&self, cpu: u32) {
        panic!("nobody is soft-offline, not CPU {cpu} either");
    }

    fn panic(&self, message: &'static str) {
        panic!("{message}");
    }

    fn load(&self) -> Result<(), GpFault> {
        self.nr_accesses.fetch_add(1, Ordering::SeqCst);
        let inside = &self.cores.inside[self.core];
        if inside.swap(true, Ordering::SeqCst) {
            self.cores.overlap.store(true, Ordering::SeqCst);
        }
        match self.write {
            Write::Takes | Write::Slow(_) | Write::Awaited => {
                self.register().store(TARGET, Ordering::SeqCst);
            }
            Write::Garbles => self.register().store(0xbad, Ordering::SeqCst),
            Write::Faults | Write::Ignored => {}
        }
        match self.write {
            Write::Slow(ms) => thread::sleep(Duration::from_millis(ms)),
            Write::Awaited => {
                let start = Instant::now();
                while !self.cores.may_end.load(Ordering::SeqCst) && start.elapsed() < PATIENCE {
                    thread::yield_now();
                }
            }
            _ => {}
        }
        inside.store(false, Ordering::SeqCst);
        if self.write == Write::Faults {
            Err(GpFault)
        } else {
            Ok(())
        }
    }

    fn revision(&self) -> u32 {
        self.nr_accesses.fetch_add(1, Ordering::SeqCst);
        // A sibling that reads registers disturbs a load as much as one that
        // writes.
        if self.cores.inside[self.core].load(Ordering::SeqCst) {
            self.cores.overlap.store(true, Ordering::SeqCst);
        }
        self.register().load(Ordering::SeqCst)
    }
}
