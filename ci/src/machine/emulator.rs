//! Which QEMU runs the guest.
//!
//! The machine `model` needs plugins that can write registers, which Debian 12's
//! own QEMU has not. A newer one runs there unpacked beside the system, with its
//! own loader and libraries. Whether a QEMU will do is found out by trying: the
//! plugin is loaded and asked, since a version says nothing about how QEMU was
//! built.
//!
//! However this program ends, a QEMU that it started ends with it.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use indicatif::ProgressBar;
use wait_timeout::ChildExt;
use which::which;

use crate::debian::{Archive, DebianError, Package, Wanted};
use crate::tree::Tree;

/// QEMU's name.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// The package that brings a QEMU with the plugins needed.
const PACKAGE: &str = "qemu-system-x86";
/// The release whose backports have it.
const RELEASE: &str = "trixie";
/// What the plugin says when all is there.
const READY: &str = "cpu-model ready";
/// The program that lets another one end with its parent. The system call
/// itself would be unsafe code between fork and exec.
pub(crate) const LEASH: &str = "setpriv";
/// How long QEMU may take to say whether it will do.
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);

/// A QEMU and how it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emulator {
    /// Variables that its environment needs.
    environment: Vec<(&'static str, String)>,
    /// The program and what precedes QEMU's own arguments.
    words: Vec<String>,
}

/// No QEMU will do.
#[derive(Debug, thiserror::Error)]
#[error(
    "no QEMU here can run CPUs that take updates (--machine tcg needs none of that): the \
     system's {system}; Debian's {debian}. To fix it: put QEMU 11.1 or later in PATH, or let this \
     machine reach a mirror of Debian {RELEASE} and call `muster setup`"
)]
pub struct Missing {
    system: String,
    debian: String,
}

impl Emulator {
    /// The system's QEMU, whatever it can.
    #[must_use]
    pub fn system() -> Self {
        Self {
            environment: Vec::new(),
            words: vec![PROGRAM.to_owned()],
        }
    }

    /// The first QEMU that can load the plugin: the system's, else Debian's,
    /// which is fetched below `cache` when it is not there yet.
    pub fn with_plugin(
        plugin: &Path,
        cache: &Path,
        progress: &ProgressBar,
    ) -> Result<Self, Missing> {
        let system = Self::system();
        let system_says = match which(PROGRAM) {
            Ok(_) => match system.probe(plugin) {
                Ok(()) => return Ok(system),
                Err(says) => format!("QEMU says: {says}"),
            },
            Err(_) => "QEMU is not in PATH".to_owned(),
        };
        let missing = |debian| Missing {
            system: system_says.clone(),
            debian,
        };
        let package = fetch(cache, progress).map_err(|error| missing(error.to_string()))?;
        let debian = Self::unpacked(&package.root);
        debian
            .probe(plugin)
            .map_err(|says| missing(format!("{} says: {says}", package.name)))?;
        Ok(debian)
    }

    /// A QEMU whose packages lie unpacked below a folder, with the loader and
    /// the C library that it was built for.
    fn unpacked(root: &Path) -> Self {
        let at = |path: &str| root.join(path).display().to_string();
        Self {
            environment: vec![("QEMU_MODULE_DIR", at("usr/lib/x86_64-linux-gnu/qemu"))],
            words: vec![
                at("usr/lib64/ld-linux-x86-64.so.2"),
                "--library-path".to_owned(),
                at("usr/lib/x86_64-linux-gnu"),
                at(&format!("usr/bin/{PROGRAM}")),
                "-L".to_owned(),
                at("usr/share/qemu"),
                "-L".to_owned(),
                at("usr/share/seabios"),
            ],
        }
    }

    /// About to be started.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = leashed(&self.words[0]);
        command
            .args(&self.words[1..])
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The same for a shell.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if !self.environment.is_empty() {
            let variables = self.environment.iter();
            words.push("env".to_owned());
            words.extend(variables.map(|(name, value)| format!("{name}={value}")));
        }
        words.extend_from_slice(&self.words);
        words
    }

    /// The first line of what it says of its version.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        let output = self.command().arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().next().map(str::to_owned)
    }

    /// Whether it can load the plugin and has all that the plugin needs; else
    /// what it says.
    fn probe(&self, plugin: &Path) -> Result<(), String> {
        let plugin = plugin.display().to_string().replace(',', ",,");
        let mut command = self.command();
        command
            .args(["-machine", "none", "-display", "none", "-nodefaults"])
            .args(["-plugin", &format!("file={plugin},probe=on")]);
        ask(&mut command, PROBE_TIMEOUT).map_err(|error| error.to_string())?
    }
}

impl fmt::Display for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_program = |word: &&String| word.ends_with(PROGRAM);
        f.write_str(
            self.words
                .iter()
                .find(is_program)
                .map_or(PROGRAM, |word| word),
        )
    }
}

const fn archive(cache: &Path) -> Archive<'_> {
    Archive {
        cache,
        release: Some(RELEASE),
        component: "main",
        backports: true,
    }
}

/// Fetches Debian's QEMU unless it was before.
pub fn fetch(cache: &Path, progress: &ProgressBar) -> Result<Package, DebianError> {
    let mut packages = archive(cache).fetch(&[Wanted::Closure(PACKAGE)], progress)?;
    Ok(packages.remove(0))
}

/// A QEMU that is here and may well do, without fetching or building anything;
/// else what is missing.
pub fn found(tree: &Tree) -> Result<String, String> {
    let debian = archive(&tree.qemu()).cached(Wanted::Closure(PACKAGE));
    if let Ok(Some(package)) = debian {
        return Ok(Tree::shown(&package.root));
    }
    let plugin = tree.plugin();
    if !plugin.is_file() {
        return Err("the system's is not tried before the plugin is built".to_owned());
    }
    match Emulator::system().probe(&plugin) {
        Ok(()) => Ok(PROGRAM.to_owned()),
        Err(says) => Err(format!("the system's says: {says}")),
    }
}

/// A program that is killed when the thread that started it ends.
fn leashed(program: &str) -> Command {
    let mut command = Command::new(LEASH);
    command.args(["--pdeathsig", "KILL", program]);
    command
}

/// Runs a program that shall say that it is ready; else what it says instead.
fn ask(command: &mut Command, timeout: Duration) -> io::Result<Result<(), String>> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let Some(status) = child.wait_timeout(timeout)? else {
        child.kill()?;
        child.wait()?;
        return Ok(Err(format!("nothing for {} s", timeout.as_secs())));
    };
    let (mut said, mut complained) = (String::new(), String::new());
    // What it says is a line or two, which a pipe holds.
    if let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) {
        out.read_to_string(&mut said)?;
        err.read_to_string(&mut complained)?;
    }
    if status.success() && said.starts_with(READY) {
        return Ok(Ok(()));
    }
    let mut lines = complained.lines().chain(said.lines());
    let line = lines.find(|line| !line.trim().is_empty());
    Ok(Err(line.map_or_else(
        || format!("nothing, and ended with {status}"),
        |line| line.trim().to_owned(),
    )))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn shell(script: &str) -> Result<(), String> {
        let timeout = Duration::from_secs(2);
        ask(Command::new("sh").args(["-c", script]), timeout).unwrap()
    }

    #[test]
    fn only_the_plugin_s_own_word_counts() {
        assert_eq!(shell("echo cpu-model ready api=7"), Ok(()));
        let refuses = "echo 'plugin requires API version 7' >&2; exit 1";
        assert_eq!(
            shell(refuses),
            Err("plugin requires API version 7".to_owned())
        );
        assert_eq!(shell("echo ready"), Err("ready".to_owned()));
        assert!(shell("echo cpu-model ready api=7; exit 1").is_err());
        assert!(
            shell("exit 0")
                .unwrap_err()
                .starts_with("nothing, and ended")
        );
        assert_eq!(shell("sleep 60"), Err("nothing for 2 s".to_owned()));
    }

    #[test]
    fn a_guest_ends_with_who_started_it() {
        let start = || {
            let child = leashed("sleep").arg("600").spawn().unwrap();
            let name = format!("/proc/{}/comm", child.id());
            // Once it has its own name, the leash is on.
            while std::fs::read_to_string(&name).unwrap() != "sleep\n" {
                std::thread::yield_now();
            }
            child
        };
        let mut child = std::thread::spawn(start).join().unwrap();
        let status = child.wait_timeout(Duration::from_mins(1)).unwrap();
        let end = status.and_then(|status| status.signal());
        assert_eq!(end, Some(9));
    }

    #[test]
    fn a_shell_can_start_what_lies_unpacked() {
        let emulator = Emulator::unpacked(Path::new("/t"));
        let words = emulator.words();
        assert_eq!(words[0], "env");
        assert_eq!(words[1], "QEMU_MODULE_DIR=/t/usr/lib/x86_64-linux-gnu/qemu");
        assert_eq!(words[2], "/t/usr/lib64/ld-linux-x86-64.so.2");
        assert_eq!(emulator.to_string(), "/t/usr/bin/qemu-system-x86_64");
        assert_eq!(Emulator::system().words(), [PROGRAM]);
    }

    #[test]
    fn without_a_plugin_no_qemu_will_do() {
        let found = Emulator::system().probe(Path::new("/nonexistent/plugin.so"));
        assert!(found.is_err());
    }
}
