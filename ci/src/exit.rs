//! The exit codes of `muster`, for scripts and CI.
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | all as expected |
//! | 1 | a bug in Muster itself |
//! | 2 | usage: the command line or a scenario file is wrong |
//! | 3 | nothing ran: only skips |
//! | 4 | ERROR: the test or its environment is wrong |
//! | 5 | FAIL or SWALLOWED: the matter under test is wrong |
//! | 6 | CRASH: the guest died |
//! | 7 | TIMEOUT: the guest did not come to an end |
//!
//! A run that ends as its scenario declares is 0, whatever the verdict: a
//! scenario that declares FAIL proves that a damage is seen. A PASS where
//! another verdict is declared means that the damage went by unseen: 5.

use crate::verdict::Verdict;

/// What the process ends with; see the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All as expected.
    Success = 0,
    /// A bug in Muster itself: a panic of the host program.
    Bug = 1,
    /// The command line or a scenario file is wrong.
    Usage = 2,
    /// Only skips.
    NothingRan = 3,
    /// The test or its environment is wrong.
    Error = 4,
    /// The matter under test is wrong.
    Fail = 5,
    /// The guest died.
    Crash = 6,
    /// The guest did not come to an end.
    Timeout = 7,
}

impl Exit {
    /// The code of a run: its verdict, and whether that verdict and all else
    /// is as declared.
    #[must_use]
    pub const fn of_run(verdict: Verdict, as_expected: bool) -> Self {
        Self::of_counted(verdict.counted(as_expected))
    }

    /// The code of what one run counts as ([`Verdict::counted`]), or the worst
    /// of several.
    #[must_use]
    pub const fn of_counted(counted: Verdict) -> Self {
        match counted {
            Verdict::Pass => Self::Success,
            Verdict::Skip => Self::NothingRan,
            Verdict::Error => Self::Error,
            Verdict::Crash => Self::Crash,
            Verdict::Timeout => Self::Timeout,
            _ => Self::Fail,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_verdict_is_success_whatever_it_is() {
        for &verdict in Verdict::ALL {
            assert_eq!(Exit::of_run(verdict, true), Exit::Success);
        }
    }

    #[test]
    fn an_undeclared_verdict_has_its_documented_code_and_never_success() {
        let code = |verdict| Exit::of_run(verdict, false) as u8;
        assert_eq!(code(Verdict::Skip), 3);
        assert_eq!(code(Verdict::Error), 4);
        assert_eq!(code(Verdict::Fail), 5);
        assert_eq!(code(Verdict::Swallowed), 5);
        assert_eq!(code(Verdict::Crash), 6);
        assert_eq!(code(Verdict::Timeout), 7);
        for &verdict in Verdict::ALL {
            assert!(code(verdict) >= 3, "{verdict}");
        }
    }
}
