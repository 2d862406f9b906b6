//! The closed list of verdicts and their order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a run ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Not applicable here; always with a reason.
    Skip,
    /// Measured, without a judgement.
    Done,
    /// All targeted CPUs ended on the target revision.
    Pass,
    /// A known failure failed.
    Xfail,
    /// The test or its environment is wrong.
    Error,
    /// The hypervisor ignored the write.
    Swallowed,
    /// The matter under test is wrong.
    Fail,
    /// A known failure did not fail; counts as a failure.
    Xpass,
    /// The guest did not come to an end.
    Timeout,
    /// The guest died: an incomplete plan, a triple fault, a reset.
    Crash,
}

impl Verdict {
    /// All verdicts, mildest first.
    pub const ALL: &'static [Self] = &[
        Self::Skip,
        Self::Done,
        Self::Pass,
        Self::Xfail,
        Self::Error,
        Self::Swallowed,
        Self::Fail,
        Self::Xpass,
        Self::Timeout,
        Self::Crash,
    ];

    /// The name on the screen and in `result.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skip => "SKIP",
            Self::Done => "DONE",
            Self::Pass => "PASS",
            Self::Xfail => "XFAIL",
            Self::Error => "ERROR",
            Self::Swallowed => "SWALLOWED",
            Self::Fail => "FAIL",
            Self::Xpass => "XPASS",
            Self::Timeout => "TIMEOUT",
            Self::Crash => "CRASH",
        }
    }

    /// How bad it is; only the order counts. A known failure weighs as much
    /// as a pass, its unexpected pass as much as a failure.
    #[must_use]
    pub const fn severity(self) -> u8 {
        match self {
            Self::Skip => 0,
            Self::Done => 1,
            Self::Pass | Self::Xfail => 2,
            Self::Error => 3,
            Self::Swallowed => 4,
            Self::Fail | Self::Xpass => 5,
            Self::Timeout => 6,
            Self::Crash => 7,
        }
    }

    /// The worse of two; the first where neither is.
    #[must_use]
    pub const fn worse(self, other: Self) -> Self {
        if self.severity() < other.severity() {
            other
        } else {
            self
        }
    }

    /// What a run that ended so counts as, for exit codes and sums. What is as
    /// declared has passed, whatever it is. What is not has failed, and so has
    /// a pass where another end is declared: something went by unseen. Only
    /// what did not come to judge the matter keeps its name.
    #[must_use]
    pub const fn counted(self, as_expected: bool) -> Self {
        match self {
            _ if as_expected => Self::Pass,
            Self::Skip | Self::Error | Self::Timeout | Self::Crash => self,
            Self::Pass | Self::Done | Self::Fail | Self::Swallowed | Self::Xfail | Self::Xpass => {
                Self::Fail
            }
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_one_in_json() {
        for verdict in Verdict::ALL {
            let json = serde_json::to_string(verdict).unwrap();
            assert_eq!(json, format!("\"{verdict}\""));
        }
    }

    #[test]
    fn the_severity_order_is_the_documented_one() {
        use Verdict::{Crash, Done, Error, Fail, Pass, Skip, Swallowed, Timeout};
        let falling = [Crash, Timeout, Fail, Swallowed, Error, Pass, Done, Skip];
        assert!(falling.is_sorted_by(|a, b| a.severity() > b.severity()));
        assert!(Verdict::ALL.is_sorted_by_key(|v| v.severity()));
    }
}
