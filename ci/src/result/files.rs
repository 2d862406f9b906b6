//! The folder of a run, `target/muster/<run name>/`, and the link to the
//! newest. Older runs are kept.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::to_string_pretty;

use super::RunResult;
use super::junit::junit;
use super::metrics::metrics;
use super::trace::trace;
use crate::judge::{Ending, Evidence};

/// The files of a run.
#[derive(Clone, Debug)]
pub struct Files {
    dir: PathBuf,
}

/// The texts of a run, read back for the judge.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// `console.log`.
    pub console: String,
    /// `serial.log`.
    pub serial: String,
    /// `machine.log`.
    pub machine: String,
    /// `vmm.log`.
    pub vmm: String,
}

impl Logs {
    /// The evidence of a run that ended so.
    #[must_use]
    pub fn evidence(&self, ending: Ending) -> Evidence<'_> {
        Evidence {
            console: &self.console,
            serial: &self.serial,
            machine_log: &self.machine,
            vmm_log: &self.vmm,
            ending,
        }
    }
}

macro_rules! paths {
    ($($(#[$meta:meta])* $name:ident = $file:literal;)+) => { $(
        $(#[$meta])*
        #[must_use]
        pub fn $name(&self) -> PathBuf {
            self.dir.join($file)
        }
    )+ };
}

impl Files {
    /// Makes a new folder for a run that starts now.
    pub fn create(runs: &Path, name: &str, now: Timestamp) -> io::Result<Self> {
        folder(runs, name, now).map(|dir| Self { dir })
    }

    /// The folder of a run that was made before.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    paths! {
        /// The result, the source of truth.
        result = "result.json";
        /// The result for tools that read `JUnit` files.
        junit = "junit.xml";
        /// The measures as series.
        metrics = "metrics.json";
        /// The CPUs' moments as Chrome trace events.
        trace = "trace.json";
        /// What the guest wrote to its virtio console.
        console = "console.log";
        /// What the guest wrote to its serial port.
        serial = "serial.log";
        /// What stands behind the CPUs: writes of the load register, misuses.
        machine = "machine.log";
        /// What QEMU or the monitor itself said.
        vmm = "vmm.log";
        /// What the CPUs are that take updates.
        cpus = "cpus.toml";
        /// The command that started the machine, for a shell.
        cmdline = "cmdline.txt";
        /// The microcode as the guest got it.
        initrd = "initrd.img";
    }

    /// Reads the logs; one that does not exist is empty.
    pub fn logs(&self) -> io::Result<Logs> {
        Ok(Logs {
            console: read_lossy(&self.console())?,
            serial: read_lossy(&self.serial())?,
            machine: read_lossy(&self.machine())?,
            vmm: read_lossy(&self.vmm())?,
        })
    }

    /// Writes all that is made from the result.
    pub fn write(&self, result: &RunResult) -> io::Result<()> {
        let json =
            |path: PathBuf, value: serde_json::Result<String>| fs::write(path, value? + "\n");
        json(self.result(), to_string_pretty(result))?;
        json(self.metrics(), to_string_pretty(&metrics(result)))?;
        json(self.trace(), to_string_pretty(&trace(result)))?;
        let junit = junit([result]).to_string().map_err(io::Error::other)?;
        fs::write(self.junit(), junit)
    }

    /// Lets `last` beside the folder point at it, in one step, so that no
    /// reader finds the link missing.
    pub fn link_as_last(&self) -> io::Result<()> {
        let name = self.dir.file_name().unwrap_or_default();
        let runs = self.dir.parent().unwrap_or(Path::new(""));
        let fresh = runs.join(format!(".last-{}", name.display()));
        symlink(name, &fresh)?;
        fs::rename(fresh, runs.join("last"))
    }
}

/// Makes a new folder `<name>-<time>` among the `runs`. Two that are made at
/// once are two.
pub(crate) fn folder(runs: &Path, name: &str, now: Timestamp) -> io::Result<PathBuf> {
    fs::create_dir_all(runs)?;
    let name = format!("{name}-{}", now.strftime("%Y%m%dT%H%M%S.%3fZ"));
    let mut nr_tries = 1;
    loop {
        let dir = match nr_tries {
            1 => runs.join(&name),
            _ => runs.join(format!("{name}-{nr_tries}")),
        };
        match fs::create_dir(&dir) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => nr_tries += 1,
            made => return made.map(|()| dir),
        }
    }
}

/// A log's text; the guest may have written any bytes.
pub fn read_lossy(path: &Path) -> io::Result<String> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::tests::passed;

    #[test]
    fn runs_of_one_instant_get_two_folders_and_last_is_the_newer() {
        let runs = tempfile::tempdir().unwrap();
        let make = || Files::create(runs.path(), "a-tcg", Timestamp::UNIX_EPOCH).unwrap();
        let (first, second) = (make(), make());
        first.link_as_last().unwrap();
        second.link_as_last().unwrap();
        assert_ne!(first.dir(), second.dir());
        assert!(first.dir().is_dir());
        let last = fs::canonicalize(runs.path().join("last")).unwrap();
        assert_eq!(last, fs::canonicalize(second.dir()).unwrap());
        assert!(first.dir().ends_with("a-tcg-19700101T000000.000Z"));
    }

    #[test]
    fn all_files_of_a_result_are_written_and_parse() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::at(dir.path());
        files.write(&passed()).unwrap();
        for path in [files.result(), files.metrics(), files.trace()] {
            let text = fs::read_to_string(path).unwrap();
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
        assert!(
            fs::read_to_string(files.junit())
                .unwrap()
                .contains("<testsuite")
        );
    }

    #[test]
    fn a_missing_log_is_empty_and_any_bytes_are_text() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::at(dir.path());
        fs::write(files.console(), b"\xff\n").unwrap();
        let logs = files.logs().unwrap();
        assert_eq!(
            (logs.console.as_str(), logs.serial.as_str()),
            ("\u{fffd}\n", "")
        );
    }
}
