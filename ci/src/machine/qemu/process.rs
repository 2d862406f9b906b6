//! QEMU as a process: its start, and waiting for its end.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use wait_timeout::ChildExt;

use super::Qemu;
use crate::judge::Ending;
use crate::result::Files;

/// How often a guest is looked at that does not end by itself.
const POLL: Duration = Duration::from_millis(50);

impl Qemu {
    /// Starts QEMU and waits for its end, `timeout` at most; then it is
    /// killed.
    ///
    /// `qemu.log` gets what QEMU says, `cmdline.txt` the command as a
    /// shell takes it.
    pub fn run(&self, files: &Files, timeout: Duration) -> io::Result<Ending> {
        self.run_until(files, timeout, &|| false)
    }

    /// The same for a guest that does not end by itself: QEMU is asked to end
    /// once `is_over` says so, and what it writes at its end is written.
    pub fn run_until(
        &self,
        files: &Files,
        timeout: Duration,
        is_over: &dyn Fn() -> bool,
    ) -> io::Result<Ending> {
        let arguments = self.arguments(files);
        if let Some(plugin) = &self.model {
            let text = toml::to_string(&plugin.config).map_err(io::Error::other)?;
            std::fs::write(files.cpus(), text)?;
        }
        let own = self.emulator.words();
        let words = own.iter().chain(&arguments).map(String::as_str);
        let line = shlex::try_join(words).map_err(io::Error::other)?;
        std::fs::write(files.cmdline(), line + "\n")?;
        let log = File::create(files.qemu())?;
        let mut child = self
            .emulator
            .command()
            .args(&arguments)
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
        Ok(Ending::TimedOut {
            timeout_s: u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX),
        })
    }
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(status), _) => Ending::Exited { status },
        (None, Some(signal)) => Ending::Killed { signal },
        (None, None) => Ending::Unknown,
    }
}
