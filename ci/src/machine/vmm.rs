//! The project's own monitor under KVM: its command line, and what its end means.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use engine::Config;

use super::{Payload, process};
use crate::judge::Ending;
use crate::result::Files;

/// How much longer than the guest's time the monitor gets, to say where the CPUs
/// were.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A machine to start.
#[derive(Clone, Debug)]
pub struct Vmm {
    /// The monitor's program.
    pub program: PathBuf,
    /// What its CPUs are.
    pub config: Config,
    /// How many of them, and what runs on them.
    pub payload: Payload,
}

impl Vmm {
    /// The monitor's arguments.
    fn arguments(&self, files: &Files, timeout: Duration) -> Vec<String> {
        let text = |path: PathBuf| path.display().to_string();
        let payload = &self.payload;
        let mut arguments: Vec<_> = [
            ("--kernel", text(payload.image.clone())),
            ("--append", payload.command_line.clone()),
            ("--cpus", text(files.cpus())),
            ("--packages", payload.topology.nr_packages.to_string()),
            ("--memory", payload.memory_mib().to_string()),
            ("--console", text(files.console())),
            ("--serial", text(files.serial())),
            ("--log", text(files.machine())),
            ("--timeout", timeout.as_secs().to_string()),
        ]
        .into_iter()
        .flat_map(|(option, value)| [option.to_owned(), value])
        .collect();
        if let Some(module) = &payload.module {
            arguments.extend(["--initrd".to_owned(), text(module.clone())]);
        }
        arguments
    }

    /// Starts the monitor and waits for its end, which it brings about itself
    /// when the guest's time is over.
    pub fn run(&self, files: &Files, timeout: Duration) -> io::Result<Ending> {
        let text = toml::to_string(&self.config).map_err(io::Error::other)?;
        fs::write(files.cpus(), text)?;
        let arguments = self.arguments(files, timeout);
        let program = self.program.display().to_string();
        let mut command = process::leashed(&program);
        command.args(&arguments);
        let words = [program.as_str()]
            .into_iter()
            .chain(arguments.iter().map(String::as_str));
        let ending = process::run(command, words, files, timeout + LAST_WORDS, &|| false)?;
        Ok(match ending {
            Ending::Exited {
                status: vmm::TIMED_OUT,
            }
            | Ending::TimedOut { .. } => process::timed_out(timeout),
            ending => ending,
        })
    }
}
