//! What a run leaves behind, and what can be quoted from it.

use std::fmt;

use report::exit;
use serde::{Deserialize, Serialize};

/// QEMU's status when the guest wrote [`exit::DONE`].
pub(super) const DONE: i32 = exit::status(exit::DONE);
const PANIC: i32 = exit::status(exit::PANIC);
const EXCEPTION: i32 = exit::status(exit::EXCEPTION);

/// How the machine's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Ending {
    /// By itself.
    Exited {
        /// Its exit status; see [`report::exit`] for the guest's.
        status: i32,
    },
    /// By a signal that did not come from this program.
    Killed {
        /// The signal's number.
        signal: i32,
    },
    /// It was still running at the end of the time it was given.
    TimedOut {
        /// That time in seconds.
        timeout_s: u32,
    },
    /// Nobody knows: a console log without the files of its run.
    Unknown,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exited { status } => match status {
                DONE => f.write_str("the guest ended as done"),
                PANIC => f.write_str("the guest panicked"),
                EXCEPTION => f.write_str("a CPU took an exception that nothing handles"),
                vmm::CRASHED => f.write_str("a CPU crashed"),
                vmm::RESET => f.write_str("the machine was reset or switched off"),
                _ => write!(f, "the machine ended with status {status}"),
            },
            Self::Killed { signal } => write!(f, "the machine was killed by signal {signal}"),
            Self::TimedOut { timeout_s } => write!(f, "no end after {timeout_s} s"),
            Self::Unknown => f.write_str("how the machine ended is not known"),
        }
    }
}

/// All that is judged.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The virtio console: decides.
    pub console: &'a str,
    /// The serial port: kernel messages; the stream only while no console
    /// was up.
    pub serial: &'a str,
    /// What stood behind the CPUs: writes of the load register, misuses.
    pub machine_log: &'a str,
    /// What QEMU or the monitor itself said.
    pub vmm_log: &'a str,
    /// How it ended.
    pub ending: Ending,
}

impl<'a> Evidence<'a> {
    /// Where the guest's stream stands.
    #[must_use]
    pub fn stream_text(&self) -> &'a str {
        if self.console.trim().is_empty() {
            self.serial
        } else {
            self.console
        }
    }

    /// Whether the guest never said a word.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.console.trim().is_empty() && self.serial.trim().is_empty()
    }

    /// The serial log's most telling line: the first panic (with the line
    /// that follows it, which holds the message), else the first exception,
    /// else the last line.
    #[must_use]
    pub fn last_words(&self) -> Option<String> {
        let lines = || self.serial.lines().map(str::trim).filter(|l| !l.is_empty());
        let panic = lines().skip_while(|l| !l.contains("PANIC") && !l.contains("panicked"));
        let panic = panic.take(2).collect::<Vec<_>>().join(" ");
        if !panic.is_empty() {
            return Some(panic);
        }
        lines()
            .find(|l| l.to_ascii_lowercase().contains("exception"))
            .or_else(|| lines().next_back())
            .map(str::to_owned)
    }

    /// What the machine complained of: its last line that is no warning and no
    /// detail of the one before.
    #[must_use]
    pub fn complaint(&self) -> Option<&'a str> {
        self.vmm_log
            .lines()
            .filter(|l| !l.starts_with(' '))
            .map(str::trim)
            .rfind(|l| !l.is_empty() && !l.contains("warning:"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(serial: &str) -> Evidence<'_> {
        Evidence {
            console: "",
            serial,
            machine_log: "",
            vmm_log: "",
            ending: Ending::Unknown,
        }
    }

    #[test]
    fn a_panic_is_quoted_with_its_message_and_before_anything_else() {
        let log = "boot\n[0][PANIC] panicked at src/main.rs:1:2:\nout of luck\n\nexception\nend\n";
        assert_eq!(
            serial(log).last_words().unwrap(),
            "[0][PANIC] panicked at src/main.rs:1:2: out of luck"
        );
        assert_eq!(
            serial("a\nInvalid Opcode Exception\nb")
                .last_words()
                .unwrap(),
            "Invalid Opcode Exception"
        );
        assert_eq!(serial("a\nb\n\n").last_words().unwrap(), "b");
        assert_eq!(serial("\n").last_words(), None);
    }

    #[test]
    fn a_warning_is_no_complaint() {
        let evidence = Evidence {
            vmm_log: "qemu: unknown CPU\nqemu: warning: feature\n",
            ..serial("")
        };
        assert_eq!(evidence.complaint(), Some("qemu: unknown CPU"));
    }

    #[test]
    fn an_ending_names_what_the_guest_wrote_to_the_exit_port() {
        let say = |status| Ending::Exited { status }.to_string();
        assert_eq!(say(PANIC), "the guest panicked");
        assert_eq!(say(36), "the machine ended with status 36");
        assert_eq!(say(0), "the machine was reset or switched off");
        assert_eq!(say(i32::MAX), "the machine ended with status 2147483647");
    }
}
