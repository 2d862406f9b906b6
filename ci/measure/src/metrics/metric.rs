//! What is measured, and in what.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// From the first to the last call-in.
    CallInSkew,
    /// From the last call-in to the first CPU that sees the gate open.
    Gate,
    /// From the last call-in to the last CPU that sees it open: by then it is open for
    /// all.
    GateLast,
    /// The write of one leader.
    Load,
    /// How long one follower waits for its leader's write, from its gate on.
    Follow,
    /// From the end of the last write to a CPU's being out.
    Leave,
    /// From the first call-in to the last CPU's being out; of one CPU, from its own
    /// to its own.
    Stall,
    /// All of a request, from its first look at the microcode on.
    Request,
    /// Reading and checking the initrd.
    Scan,
    /// Judging the candidates.
    Judge,
    /// Copying what was chosen.
    Cache,
    /// Guest instructions of a request.
    RequestInstructions,
    /// Those while CPUs are stopped.
    StoppedInstructions,
    /// A cache line's way from one CPU to another.
    Transfer,
    /// What reading the clock costs.
    Stamp,
}

/// In what a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Guest instructions.
    Instructions,
}

impl Metric {
    /// The name in `metrics.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallInSkew => "call_in_skew",
            Self::Gate => "gate",
            Self::GateLast => "gate_last",
            Self::Load => "load",
            Self::Follow => "follow",
            Self::Leave => "leave",
            Self::Stall => "stall",
            Self::Request => "request",
            Self::Scan => "scan",
            Self::Judge => "judge",
            Self::Cache => "cache",
            Self::RequestInstructions => "request_instructions",
            Self::StoppedInstructions => "stopped_instructions",
            Self::Transfer => "transfer",
            Self::Stamp => "stamp",
        }
    }

    /// In what it is.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::RequestInstructions | Self::StoppedInstructions => Unit::Instructions,
            _ => Unit::Ns,
        }
    }
}

impl Unit {
    /// The name in `metrics.json` and in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::Instructions => "instructions",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
