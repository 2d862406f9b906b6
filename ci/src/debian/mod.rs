//! Debian's packages, fetched and unpacked, never installed.
//!
//! apt does the work (mirrors, signatures, proxies) with a configuration of
//! its own below `target/`: own sources, own lists, own cache, no hooks of the
//! machine. So it needs no privilege and leaves no trace outside `target/`.
//! What was unpacked once is taken again.

mod apt;
mod apt_sources;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use indicatif::ProgressBar;

use apt::Apt;

const OS_RELEASE: &str = "/etc/os-release";

/// A part of Debian's archive, and where its packages are kept.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    /// The folder of the unpacked packages; an archive has its own.
    pub cache: &'a Path,
    /// The release's name; the machine's own without it.
    pub release: Option<&'a str>,
    /// The component.
    pub component: &'a str,
    /// Whether the release's backports count, and come first.
    pub backports: bool,
}

/// Which package.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// That one.
    Package(&'a str),
    /// The one that it depends on: its name is new with each version.
    DependencyOf(&'a str),
    /// That one and all that it needs, down to the C library, in one tree.
    Closure(&'a str),
}

/// A package that lies unpacked.
#[derive(Clone, Debug)]
pub struct Package {
    /// The name that it was asked for by, and its version,
    /// `intel-microcode_3.2…`.
    pub name: String,
    /// What the package has below `/`.
    pub root: PathBuf,
}

/// Why a package cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// Another distribution.
    #[error("this machine is no Debian: {OS_RELEASE} names no release of it")]
    NotDebian,
    /// No source for it.
    #[error("no apt source of this machine is an archive of Debian {0}")]
    NoSource(String),
    /// apt or dpkg failed.
    #[error("`{command}` failed: {message}")]
    Command {
        /// What was run.
        command: String,
        /// The last line that it said.
        message: String,
    },
    /// The lists of packages cannot be had.
    #[error("Debian's lists of packages cannot be fetched: {0}")]
    Lists(String),
    /// A package without what it should have.
    #[error("the package {0} has no {1}")]
    Unexpected(String, String),
    /// A folder or file of the private configuration.
    #[error("{}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl<'a> Wanted<'a> {
    const fn name(self) -> &'a str {
        match self {
            Self::Package(name) | Self::DependencyOf(name) | Self::Closure(name) => name,
        }
    }
}

impl Archive<'_> {
    /// The packages, from the cache or from the machine's mirror.
    pub fn fetch(
        self,
        wanted: &[Wanted<'_>],
        progress: &ProgressBar,
    ) -> Result<Vec<Package>, DebianError> {
        let cache = self.cache;
        fs::create_dir_all(cache).map_err(at(cache))?;
        // Two runs at once would disturb each other's apt; the second finds
        // what the first has fetched.
        let lock = cache.join(".lock");
        let file = File::create(&lock).map_err(at(&lock))?;
        file.lock().map_err(at(&lock))?;
        let apt = Apt {
            dir: cache.join("apt"),
        };
        let mut lists = None;
        let mut packages = Vec::new();
        for &wanted in wanted {
            if let Some(package) = self.cached(wanted)? {
                packages.push(package);
                continue;
            }
            progress.set_message(format!("fetching Debian's {}", wanted.name()));
            let complaint = match &mut lists {
                Some(complaint) => complaint,
                none => none.insert(apt.set_up(self)?),
            };
            // apt goes on without the lists that it cannot fetch, and what it
            // says then is not the reason.
            let unpacked = apt.unpack(self, wanted);
            packages.push(unpacked.map_err(|error| match complaint.take() {
                Some(complaint) => DebianError::Lists(complaint),
                None => error,
            })?);
        }
        Ok(packages)
    }

    /// The newest unpacked package; versions of one package sort well enough
    /// by their text.
    pub fn cached(self, wanted: Wanted<'_>) -> Result<Option<Package>, DebianError> {
        let cache = self.cache;
        if !cache.exists() {
            return Ok(None);
        }
        let prefix = format!("{}_", wanted.name());
        let names = fs::read_dir(cache)
            .and_then(|entries| {
                entries
                    .map(|e| e.map(|e| e.file_name()))
                    .collect::<Result<Vec<_>, _>>()
            })
            .map_err(at(cache))?;
        let newest = names
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .filter(|name| name.starts_with(&prefix))
            .max();
        Ok(newest.map(|name| Package::at(cache, name)))
    }
}

impl Package {
    fn at(cache: &Path, name: String) -> Self {
        Self {
            root: cache.join(&name),
            name,
        }
    }

    /// A folder of the package: the first of these that it has, as releases
    /// put things in different places.
    pub fn folder(&self, places: &[&str]) -> Result<PathBuf, DebianError> {
        let mut folders = places.iter().map(|place| self.root.join(place));
        folders
            .find(|folder| folder.is_dir())
            .ok_or_else(|| DebianError::Unexpected(self.name.clone(), places.join(" nor ")))
    }
}

/// Runs a program to its end; its standard output, or the last thing it said.
fn run(program: &str, arguments: &[&str], dir: &Path) -> Result<String, DebianError> {
    output(program, arguments, dir).map(|(said, _)| said)
}

/// The same, and what it complained of.
fn output(program: &str, arguments: &[&str], dir: &Path) -> Result<(String, String), DebianError> {
    let failure = |message: String| DebianError::Command {
        command: format!("{program} {}", arguments.join(" ")),
        message,
    };
    let output = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| failure(error.to_string()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, complaints) = (text(&output.stdout), text(&output.stderr));
    if output.status.success() {
        return Ok((said, complaints));
    }
    let last = complaints.lines().rfind(|line| !line.trim().is_empty());
    Err(failure(
        last.map_or_else(|| output.status.to_string(), str::to_owned),
    ))
}

fn at(path: &Path) -> impl Fn(io::Error) -> DebianError + use<> {
    let path = path.to_owned();
    move |error| DebianError::Io {
        path: path.clone(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_unpacked_package_is_taken_without_apt() {
        let cache = tempfile::tempdir().unwrap();
        for (version, parent) in [("3.2025", "lib"), ("3.2026", "usr/lib")] {
            let name = format!("intel-microcode_{version}");
            fs::create_dir_all(cache.path().join(name).join(parent)).unwrap();
        }
        let archive = Archive {
            cache: cache.path(),
            release: None,
            component: "main",
            backports: false,
        };
        let wanted = [Wanted::Package("intel-microcode")];
        let packages = archive.fetch(&wanted, &ProgressBar::hidden()).unwrap();
        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0].name, "intel-microcode_3.2026");
        let folder = packages[0].folder(&["lib", "usr/lib"]).unwrap();
        assert!(folder.ends_with("intel-microcode_3.2026/usr/lib"));
        let error = packages[0].folder(&["boot"]).unwrap_err().to_string();
        assert_eq!(error, "the package intel-microcode_3.2026 has no boot");
    }

    #[test]
    fn a_failing_program_is_quoted() {
        let error = run(
            "sh",
            &["-c", "echo first >&2; echo last >&2; exit 3"],
            Path::new("/"),
        );
        let error = error.unwrap_err().to_string();
        assert!(error.ends_with("failed: last"), "{error}");
    }
}
