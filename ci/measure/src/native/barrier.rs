//! Barriers that the protocols are held against.

use std::sync::{Mutex, PoisonError};

use crossbeam_utils::CachePadded;

/// Whose barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barrier {
    /// `std::sync::Barrier`: a lock and a condition variable. Its waiters sleep.
    Std,
    /// `spin::Barrier`: a count and a generation behind a spin lock.
    Spin,
    /// `hurdles::Barrier`: a count without a lock, and a sense that turns round. Its
    /// waiters spin, and yield after a while.
    Hurdles,
}

impl Barrier {
    /// All that there are.
    pub const ALL: [Self; 3] = [Self::Std, Self::Spin, Self::Hurdles];

    /// The name in `metrics.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Std => "std-barrier",
            Self::Spin => "spin-barrier",
            Self::Hurdles => "hurdles-barrier",
        }
    }
}

/// One of them, for one iteration.
pub(super) enum Made {
    Std(std::sync::Barrier),
    Spin(spin::Barrier),
    /// Each CPU has its own sense. Nobody else takes its lock.
    Hurdles(Box<[CachePadded<Mutex<hurdles::Barrier>>]>),
}

impl Made {
    pub(super) fn new(barrier: Barrier, nr_cpus: usize) -> Self {
        match barrier {
            Barrier::Std => Self::Std(std::sync::Barrier::new(nr_cpus)),
            Barrier::Spin => Self::Spin(spin::Barrier::new(nr_cpus)),
            Barrier::Hurdles => {
                let shared = hurdles::Barrier::new(nr_cpus);
                let own = (0..nr_cpus).map(|_| CachePadded::new(Mutex::new(shared.clone())));
                Self::Hurdles(own.collect())
            }
        }
    }

    /// Waits until all CPUs are here.
    pub(super) fn wait(&self, number: u32) {
        match self {
            Self::Std(barrier) => {
                barrier.wait();
            }
            Self::Spin(barrier) => {
                barrier.wait();
            }
            Self::Hurdles(own) => {
                let own = &own[number as usize];
                own.lock().unwrap_or_else(PoisonError::into_inner).wait();
            }
        }
    }
}
