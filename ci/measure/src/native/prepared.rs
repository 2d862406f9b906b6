//! One iteration of one contender: made anew, run once, read.
//!
//! A rendezvous is for one request, so a barrier is made anew as well: both are in the
//! caches of the CPU that made them, and in no other's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use rendezvous::{Machine, Outcome, Plan, Rendezvous, Timeouts, Topology};

use super::barrier;
use super::contender::Contender;
use super::machine::{self, Cpu};
use crate::iteration::{CpuTimes, Iteration};

/// Nobody is given up on a host where a thread may have to wait for its CPU: minutes
/// are for ever.
const TIMEOUTS: Timeouts = Timeouts {
    call_in_us: 120_000_000,
    update_us: 120_000_000,
    offline_us: 120_000_000,
};

/// All that a contender needs.
pub(super) enum Prepared {
    Protocol(Box<Rendezvous>),
    Barrier(barrier::Made, Box<[Notes]>),
}

/// What one CPU at a barrier notes.
#[derive(Debug, Default)]
pub(super) struct Moments {
    called_in_ns: AtomicU64,
    gate_ns: AtomicU64,
}

type Notes = CachePadded<Moments>;

impl Prepared {
    /// A contender before its iteration.
    pub(super) fn new(contender: Contender, topology: &Arc<Topology>) -> Self {
        let nr_cpus = topology.nr_cpus() as usize;
        match contender {
            Contender::Protocol { name, .. } => {
                let options = contender.options().unwrap_or_default();
                let tasks = vec![machine::TASK; nr_cpus];
                let topology = Arc::clone(topology);
                let plan = Plan::new(topology, tasks, 0, false, options, TIMEOUTS);
                Self::Protocol(Box::new(Rendezvous::new(name, plan)))
            }
            Contender::Barrier(barrier) => {
                let notes = (0..nr_cpus).map(|_| Notes::default());
                Self::Barrier(barrier::Made::new(barrier, nr_cpus), notes.collect())
            }
        }
    }

    /// What the control CPU does before it lets the others begin.
    pub(super) fn request(&self, cpu: &Cpu<'_>) {
        if let Self::Protocol(rendezvous) = self {
            // It fails where a soft-offline CPU does not answer, and there is none.
            let _ = rendezvous.request(cpu);
        }
    }

    /// What each CPU does.
    pub(super) fn attend(&self, number: u32, cpu: &Cpu<'_>) {
        match self {
            Self::Protocol(rendezvous) => rendezvous.attend(number, cpu),
            Self::Barrier(barrier, notes) => {
                notes[number as usize].around(cpu, || barrier.wait(number));
            }
        }
    }

    /// The moments of all CPUs, whose numbers are `numbers`, unless the load went wrong
    /// on one of them: then its number and what became of it.
    pub(super) fn read(
        &self,
        numbers: &[u32],
        topology: &Topology,
    ) -> Result<Iteration, (u32, Outcome)> {
        let cpus = (0..).zip(numbers);
        let cpus: Result<_, _> = match self {
            Self::Protocol(rendezvous) => {
                let records = rendezvous.records();
                let times = cpus.zip(&records).map(|((cpu, &number), record)| {
                    let outcome = record.outcome;
                    let took_part = matches!(outcome, Outcome::Updated | Outcome::Followed);
                    let times = || CpuTimes::new(number, topology.core_of(cpu), record);
                    took_part.then(times).ok_or((number, outcome))
                });
                times.collect()
            }
            Self::Barrier(_, notes) => {
                let times = cpus.zip(notes).map(|((cpu, &number), notes)| CpuTimes {
                    cpu: number,
                    core: topology.core_of(cpu),
                    called_in_ns: Some(notes.called_in_ns.load(Ordering::Relaxed)),
                    gate_ns: Some(notes.gate_ns.load(Ordering::Relaxed)),
                    ..CpuTimes::default()
                });
                Ok(times.collect())
            }
        };
        Ok(Iteration { cpus: cpus? })
    }
}

impl Moments {
    /// Notes when `wait` began and ended. Relaxed: whoever reads it has been told that
    /// this CPU is through.
    fn around(&self, cpu: &Cpu<'_>, wait: impl FnOnce()) {
        let called_in_ns = cpu.stamp_ns();
        wait();
        let gate_ns = cpu.stamp_ns();
        self.called_in_ns.store(called_in_ns, Ordering::Relaxed);
        self.gate_ns.store(gate_ns, Ordering::Relaxed);
    }
}
