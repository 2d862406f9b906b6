//! Which QEMU runs the guest.
//!
//! The machine `model` needs plugins that can write registers, which Debian 12's
//! own QEMU has not. A newer one runs there unpacked beside the system, with its
//! own loader and libraries. Whether a QEMU will do is found out by trying: the
//! plugin is loaded and asked, since a version says nothing about how QEMU was
//! built.

mod choice;

use std::io::{self, Read};
use std::iter;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use indicatif::ProgressBar;
use wait_timeout::ChildExt;
use which::which;

use choice::Choice;

use super::process::leashed;
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
    "no QEMU here can run CPUs that take updates (--machine tcg needs none of that): {}. To fix \
     it: put QEMU 11.1 or later in PATH, or let this machine reach a mirror of Debian {RELEASE} \
     and call `muster setup`",
    .0.shown()
)]
pub struct Missing(Tried);

/// What became of each QEMU.
#[derive(Debug)]
struct Tried {
    system: String,
    /// Debian's, if it lies here or could not be fetched.
    debian: Option<String>,
}

impl Tried {
    fn shown(&self) -> String {
        let debian = self.debian.as_deref().unwrap_or("is not fetched");
        format!("the system's {}; Debian's {debian}", self.system)
    }
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
        let found = Self::at_hand(plugin, cache).or_else(|tried| {
            if tried.debian.is_some() {
                return Err(tried);
            }
            let fetched = fetch(cache, progress).map_err(|error| Tried {
                debian: Some(format!("cannot be had: {error}")),
                ..tried
            });
            fetched.and_then(|_| Self::at_hand(plugin, cache))
        });
        found.map_err(Missing)
    }

    /// The same of those that are here.
    fn at_hand(plugin: &Path, cache: &Path) -> Result<Self, Tried> {
        let system = Self::system();
        let debian = kept(cache).map(|package| Self::unpacked(&package.root));
        let was_chosen = |emulator: &&Self| {
            Choice::of(emulator, plugin).is_some_and(|choice| choice.is_kept(cache))
        };
        if let Some(chosen) = iter::once(&system).chain(&debian).find(was_chosen) {
            return Ok(chosen.clone());
        }
        let system = match system.chosen(plugin, cache) {
            Ok(system) => return Ok(system),
            Err(problem) => problem,
        };
        let debian = match debian.map(|debian| debian.chosen(plugin, cache)) {
            Some(Ok(debian)) => return Ok(debian),
            Some(Err(problem)) => {
                let cache = cache.display();
                Some(format!(
                    "{problem} (remove {cache} to have it fetched anew)"
                ))
            }
            None => None,
        };
        Err(Tried { system, debian })
    }

    /// This one, if it will do.
    fn chosen(self, plugin: &Path, cache: &Path) -> Result<Self, String> {
        self.probe(plugin)?;
        if let Some(choice) = Choice::of(&self, plugin) {
            // Where it cannot be kept, it is made anew.
            let _ = choice.keep(cache);
        }
        Ok(self)
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

    /// QEMU itself, by its path or its name.
    fn program(&self) -> &str {
        let is_program = |word: &&String| word.ends_with(PROGRAM);
        let program = self.words.iter().find(is_program);
        program.map_or(PROGRAM, String::as_str)
    }

    /// Whether it can load the plugin and has all that the plugin needs; else
    /// what is the matter with it.
    fn probe(&self, plugin: &Path) -> Result<(), String> {
        if which(self.program()).is_err() {
            return Err("is not in PATH".to_owned());
        }
        let plugin = plugin.display().to_string().replace(',', ",,");
        let mut command = self.command();
        command
            .args(["-machine", "none", "-display", "none", "-nodefaults"])
            .args(["-plugin", &format!("file={plugin},probe=on")]);
        ask(&mut command, PROBE_TIMEOUT)
            .map_err(|error| format!("cannot be started: {error}"))?
            .map_err(|says| format!("says {says}"))
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

/// Debian's QEMU, unless it was fetched before.
fn fetch(cache: &Path, progress: &ProgressBar) -> Result<Package, DebianError> {
    let mut packages = archive(cache).fetch(&[Wanted::Closure(PACKAGE)], progress)?;
    Ok(packages.remove(0))
}

/// Debian's QEMU, if it was fetched before.
fn kept(cache: &Path) -> Option<Package> {
    archive(cache).cached(Wanted::Closure(PACKAGE)).ok()?
}

/// The QEMU that a run would take, without fetching or building anything; else
/// what is missing. Before the plugin is built, Debian's may be taken to do.
pub fn found(tree: &Tree) -> Result<String, String> {
    let (plugin, cache) = (tree.plugin(), tree.qemu());
    if plugin.is_file() {
        let found = Emulator::at_hand(&plugin, &cache);
        return found
            .map(|emulator| Tree::shown(Path::new(emulator.program())))
            .map_err(|tried| tried.shown());
    }
    kept(&cache)
        .map(|package| Tree::shown(&package.root))
        .ok_or_else(|| "the system's is not tried before the plugin is built".to_owned())
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
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

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
    fn a_shell_can_start_what_lies_unpacked() {
        let emulator = Emulator::unpacked(Path::new("/t"));
        let words = emulator.words();
        assert_eq!(words[0], "env");
        assert_eq!(words[1], "QEMU_MODULE_DIR=/t/usr/lib/x86_64-linux-gnu/qemu");
        assert_eq!(words[2], "/t/usr/lib64/ld-linux-x86-64.so.2");
        assert_eq!(emulator.program(), "/t/usr/bin/qemu-system-x86_64");
        assert_eq!(Emulator::system().words(), [PROGRAM]);
    }

    #[test]
    fn only_a_qemu_that_will_do_is_kept_and_the_other_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("plugin.so");
        fs::write(&plugin, "").unwrap();
        let program = folder.path().join(PROGRAM);
        let pretend = |script: &str| {
            fs::write(&program, script).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            let emulator = Emulator {
                environment: Vec::new(),
                words: vec!["sh".to_owned(), program.display().to_string()],
            };
            let chosen = emulator.clone().chosen(&plugin, folder.path());
            let choice = Choice::of(&emulator, &plugin).unwrap();
            (chosen.map(drop), choice.is_kept(folder.path()))
        };
        let refused = Err("says it is too old".to_owned());
        let script = "echo it is too old >&2; exit 1";
        assert_eq!(pretend(script), (refused, false));
        assert_eq!(pretend("echo cpu-model ready api=7"), (Ok(()), true));
    }

    #[test]
    fn the_message_names_both_and_the_way_out() {
        let tried = |debian: Option<&str>| Tried {
            system: "says no".to_owned(),
            debian: debian.map(str::to_owned),
        };
        assert_eq!(
            tried(None).shown(),
            "the system's says no; Debian's is not fetched"
        );
        let text = Missing(tried(Some("cannot be had: no Debian"))).to_string();
        assert!(text.contains("Debian's cannot be had: no Debian. To fix it: put QEMU 11.1"));
    }

    #[test]
    fn without_a_plugin_no_qemu_will_do() {
        let found = Emulator::system().probe(Path::new("/nonexistent/plugin.so"));
        assert!(found.is_err());
    }
}
