//! What must never happen.

use std::fmt;

/// What must never happen, and with whom it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A CPU began a load while another one was not stopped.
    LoadWhileNotAllStopped {
        /// Who loads.
        cpu: u32,
        /// Who is not stopped.
        other: u32,
    },
    /// A CPU left because others were missing, and others loaded.
    Split {
        /// Who left.
        cpu: u32,
    },
    /// Two threads of a core were inside a load.
    TwoThreadsInside {
        /// Who came second.
        cpu: u32,
    },
    /// A thread read registers while its core was inside a load.
    SiblingActivity {
        /// Who.
        cpu: u32,
    },
    /// A CPU left while its core was inside a load, although time had not
    /// passed.
    LeftDuringLoad {
        /// Who.
        cpu: u32,
    },
    /// A held CPU went back while its core was inside a load.
    ReleasedDuringLoad {
        /// Who.
        cpu: u32,
    },
    /// A CPU was not running as before when it was through.
    NotRestored {
        /// Who.
        cpu: u32,
    },
    /// A CPU waited and nothing could let it go on.
    NeverLeft {
        /// Who.
        cpu: u32,
    },
    /// All waited for each other, although nobody hung or was missing.
    Stalled {
        /// Who.
        cpu: u32,
    },
    /// The machine panicked.
    Panicked {
        /// Who.
        cpu: u32,
    },
    /// The outcome that was noted is not what happened to the CPU.
    WrongOutcome {
        /// Whose.
        cpu: u32,
    },
    /// A CPU stayed on its old revision although all came, nothing failed and
    /// no time passed.
    LeftBehind {
        /// Who.
        cpu: u32,
    },
    /// A core loaded after the canary had failed.
    LoadAfterFailedCanary {
        /// Who.
        cpu: u32,
    },
}

/// A violation and how it came to it.
#[derive(Clone, Debug)]
pub struct CounterExample {
    /// What happened.
    pub violation: Violation,
    /// The steps, in order, each with its CPU.
    pub steps: Vec<String>,
}

impl fmt::Display for CounterExample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.violation)?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:4}  {step}", number + 1)?;
        }
        Ok(())
    }
}
