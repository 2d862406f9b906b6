//! A machine as a process: its start, and waiting for its end.
//!
//! It ends with whoever started it, however that ends.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use wait_timeout::ChildExt;

use crate::judge::Ending;
use crate::result::Files;

/// How often a guest is looked at that does not end by itself.
const POLL: Duration = Duration::from_millis(50);
/// The program that lets another one end with its parent. The system call
/// itself would be unsafe code between fork and exec.
pub(crate) const LEASH: &str = "setpriv";

/// A program that is killed when the thread that started it ends.
pub(super) fn leashed(program: &str) -> Command {
    let mut command = Command::new(LEASH);
    command.args(["--pdeathsig", "KILL", program]);
    command
}

/// Starts the machine and waits for its end, `timeout` at most; then it is
/// killed. It is asked to end once `is_over` says so, and what it writes at its
/// end is written.
///
/// `vmm.log` gets what it says, `cmdline.txt` the `words` as a shell takes them.
pub(super) fn run<'a>(
    mut command: Command,
    words: impl Iterator<Item = &'a str>,
    files: &Files,
    timeout: Duration,
    is_over: &dyn Fn() -> bool,
) -> io::Result<Ending> {
    let line = shlex::try_join(words).map_err(io::Error::other)?;
    fs::write(files.cmdline(), line + "\n")?;
    let log = File::create(files.vmm())?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let begin = Instant::now();
    let mut is_asked = false;
    while begin.elapsed() < timeout {
        if let Some(status) = child.wait_timeout(POLL)? {
            return Ok(ending(status));
        }
        if !is_asked && is_over() {
            kill_process(Pid::from_child(&child), Signal::TERM)?;
            is_asked = true;
        }
    }
    child.kill()?;
    child.wait()?;
    Ok(timed_out(timeout))
}

/// The machine did not end in time.
pub(super) fn timed_out(timeout: Duration) -> Ending {
    Ending::TimedOut {
        timeout_s: u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX),
    }
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(status), _) => Ending::Exited { status },
        (None, Some(signal)) => Ending::Killed { signal },
        (None, None) => Ending::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_ends_with_who_started_it() {
        let start = || {
            let child = leashed("sleep").arg("600").spawn().unwrap();
            let name = format!("/proc/{}/comm", child.id());
            // Once it has its own name, the leash is on.
            while fs::read_to_string(&name).unwrap() != "sleep\n" {
                std::thread::yield_now();
            }
            child
        };
        let mut child = std::thread::spawn(start).join().unwrap();
        let status = child.wait_timeout(Duration::from_mins(1)).unwrap();
        let end = status.and_then(|status| status.signal());
        assert_eq!(end, Some(9));
    }
}
