//! The protocols on pinned threads of this host, side by side.
//!
//! ```text
//!  cpus ──▶ clock ──▶ pass by pass: threads that are started anew
//!  which    can it be     transfer ──▶ rounds: contender after contender, iteration
//!  CPUs     trusted       the floor    by iteration, on the same pinned threads
//! ```
//!
//! No host lets a program stop its CPUs, and the scheduler may take a thread away at
//! any moment. So medians are what counts here, and of two contenders of the same
//! run: whatever disturbs one of them disturbs the other.

mod barrier;
pub mod clock;
mod contender;
pub mod cpus;
mod crew;
mod machine;
mod offset;
mod prepared;
mod remarks;
mod rounds;
mod run;
mod team;
pub mod transfer;

#[cfg(test)]
mod tests;

use std::io;

pub use barrier::Barrier;
pub use clock::ClockFacts;
pub use contender::Contender;
pub use cpus::HostCpu;
pub use offset::Offset;
pub use run::{Measured, Setting, run};

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// It cannot be asked which CPUs there are.
    #[error("the kernel does not say which CPUs this process may use: {0}")]
    Affinity(io::Error),
    /// A rendezvous is one of several.
    #[error(
        "this process may use one CPU, and a rendezvous takes two: give it more \
         (taskset, or the container's CPU set)"
    )]
    OneCpu,
    /// Fewer CPUs were asked for than meet.
    #[error("a rendezvous takes at least two CPUs, not {0}")]
    TooFewCpus(u32),
    /// Nothing was asked for.
    #[error("no iteration was asked for: at least one has to be measured")]
    NoIterations,
    /// Nobody was asked for.
    #[error("no contender was asked for: at least one has to be measured")]
    NoContenders,
    /// A thread could not be started.
    #[error("a thread cannot be started: {0}")]
    Spawn(io::Error),
}
