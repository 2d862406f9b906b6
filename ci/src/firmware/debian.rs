//! Debian's microcode packages, fetched and unpacked, never installed.
//!
//! apt does the work (mirrors, signatures, proxies) with a configuration of
//! its own below `target/firmware`: own sources, own lists, own cache, no
//! hooks of the machine. So it needs no privilege and leaves no trace outside
//! `target/`. What was unpacked once is taken again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use indicatif::ProgressBar;
use microcode::Vendor;

use super::apt_sources::firmware_sources;
use super::folder_name;

const OS_RELEASE: &str = "/etc/os-release";
const APT: &str = "/etc/apt";

/// A package that lies unpacked.
#[derive(Clone, Debug)]
pub(super) struct Package {
    /// Its name and version, `intel-microcode_3.2…`.
    pub(super) name: String,
    /// The folder with the vendor's files.
    pub(super) folder: PathBuf,
}

/// Why a package cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// No release's name in os-release.
    #[error("{OS_RELEASE} names no release of Debian")]
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
    /// A package without the folder that it should have.
    #[error("the package {0} has no folder {1}")]
    Unexpected(String, &'static str),
    /// A folder or file of the private configuration.
    #[error("{}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The packages of the vendors wanted, from the cache or from the machine's
/// mirror.
pub(super) fn fetch(
    wanted: &[Vendor],
    cache: &Path,
    progress: &ProgressBar,
) -> Result<Vec<Package>, DebianError> {
    fs::create_dir_all(cache).map_err(at(cache))?;
    // Two runs at once would disturb each other's apt; the second finds what
    // the first has fetched.
    let lock = cache.join(".lock");
    let file = File::create(&lock).map_err(at(&lock))?;
    file.lock().map_err(at(&lock))?;
    let apt = Apt {
        dir: cache.join("apt"),
    };
    let mut is_set_up = false;
    let mut packages = Vec::new();
    for &vendor in wanted {
        if let Some(package) = cached(cache, vendor)? {
            packages.push(package);
            continue;
        }
        progress.set_message(format!("fetching Debian's {}", package_name(vendor)));
        if !is_set_up {
            apt.set_up()?;
            is_set_up = true;
        }
        packages.push(apt.unpack(cache, vendor)?);
    }
    Ok(packages)
}

const fn package_name(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Intel => "intel-microcode",
        Vendor::Amd => "amd64-microcode",
    }
}

/// The newest unpacked package; versions of one package sort well enough by
/// their text, as they begin with a date.
fn cached(cache: &Path, vendor: Vendor) -> Result<Option<Package>, DebianError> {
    let prefix = format!("{}_", package_name(vendor));
    let names = fs::read_dir(cache)
        .and_then(|entries| {
            entries
                .map(|e| e.map(|e| e.file_name()))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(at(cache))?;
    names
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with(&prefix))
        .max()
        .map(|name| Package::at(cache, name, vendor))
        .transpose()
}

impl Package {
    /// Debian 12 has the files below /lib, later releases below /usr/lib.
    fn at(cache: &Path, name: String, vendor: Vendor) -> Result<Self, DebianError> {
        let wanted = folder_name(vendor);
        let folder = ["lib/firmware", "usr/lib/firmware"]
            .map(|parent| cache.join(&name).join(parent).join(wanted))
            .into_iter()
            .find(|folder| folder.is_dir());
        match folder {
            Some(folder) => Ok(Self { name, folder }),
            None => Err(DebianError::Unexpected(name, wanted)),
        }
    }
}

/// The private apt.
struct Apt {
    dir: PathBuf,
}

impl Apt {
    /// Writes the configuration and fetches the lists.
    fn set_up(&self) -> Result<(), DebianError> {
        let codename = codename().ok_or(DebianError::NotDebian)?;
        let lists = read_all(&[Path::new(APT).join("sources.list")])?
            .into_iter()
            .chain(read_folder("list")?)
            .collect::<Vec<_>>();
        let sources = firmware_sources(&lists, &read_folder("sources")?, &codename)
            .ok_or(DebianError::NoSource(codename))?;
        for folder in ["sources.d", "lists/partial", "cache/archives/partial"] {
            let folder = self.dir.join(folder);
            fs::create_dir_all(&folder).map_err(at(&folder))?;
        }
        self.write("sources.d/firmware.sources", &sources)?;
        self.write("status", "")?;
        self.write("apt.conf", &self.configuration())?;
        self.run("apt-get", &["update"], &self.dir).map(drop)
    }

    /// Read after the machine's own configuration, whose proxies stay in force
    /// and whose hooks must not run for these folders.
    fn configuration(&self) -> String {
        let dir = self.dir.display();
        format!(
            "Dir::Etc::SourceList \"/dev/null\";\n\
             Dir::Etc::SourceParts \"{dir}/sources.d\";\n\
             Dir::State \"{dir}\";\n\
             Dir::State::Lists \"{dir}/lists\";\n\
             Dir::State::Status \"{dir}/status\";\n\
             Dir::Cache \"{dir}/cache\";\n\
             APT::Sandbox::User \"\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::Retries \"1\";\n\
             Acquire::http::Timeout \"20\";\n\
             Acquire::https::Timeout \"20\";\n\
             #clear APT::Update::Pre-Invoke;\n\
             #clear APT::Update::Post-Invoke;\n\
             #clear APT::Update::Post-Invoke-Success;\n"
        )
    }

    /// Fetches a package and unpacks it; it appears in the cache whole or not
    /// at all.
    fn unpack(&self, cache: &Path, vendor: Vendor) -> Result<Package, DebianError> {
        let name = package_name(vendor);
        let downloads = self.dir.join("downloads").join(name);
        if downloads.exists() {
            fs::remove_dir_all(&downloads).map_err(at(&downloads))?;
        }
        let tree = downloads.join("tree");
        fs::create_dir_all(&tree).map_err(at(&tree))?;
        self.run("apt-get", &["download", name], &downloads)?;
        let deb = fs::read_dir(&downloads)
            .map_err(at(&downloads))?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .ok_or_else(|| DebianError::Unexpected(name.to_owned(), "file"))?;
        let deb = deb.display().to_string();
        let version = run("dpkg-deb", &["--field", &deb, "Version"], &downloads)?;
        let tree_text = tree.display().to_string();
        run("dpkg-deb", &["--extract", &deb, &tree_text], &downloads)?;
        let name = format!("{name}_{}", version.trim());
        let target = cache.join(&name);
        fs::rename(&tree, &target).map_err(at(&target))?;
        fs::remove_dir_all(&downloads).map_err(at(&downloads))?;
        Package::at(cache, name, vendor)
    }

    fn run(&self, program: &str, arguments: &[&str], dir: &Path) -> Result<String, DebianError> {
        let configuration = self.dir.join("apt.conf").display().to_string();
        let arguments = [&["-q", "-c", &configuration], arguments].concat();
        run(program, &arguments, dir)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), DebianError> {
        let path = self.dir.join(name);
        fs::write(&path, text).map_err(at(&path))
    }
}

/// The release's name, `bookworm`.
fn codename() -> Option<String> {
    let text = fs::read_to_string(OS_RELEASE).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
}

/// The files of apt's sources folder with that extension.
fn read_folder(extension: &str) -> Result<Vec<String>, DebianError> {
    let folder = Path::new(APT).join("sources.list.d");
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut paths: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    paths.sort();
    read_all(&paths)
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<String>, DebianError> {
    paths
        .iter()
        .filter(|path| path.exists())
        .map(|path| {
            let bytes = fs::read(path).map_err(at(path))?;
            // Comments may be in any encoding; what counts is ASCII.
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect()
}

/// Runs a program to its end; its standard output, or the last thing it said.
fn run(program: &str, arguments: &[&str], dir: &Path) -> Result<String, DebianError> {
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
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty());
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
            let folder = cache.path().join(name).join(parent);
            fs::create_dir_all(folder.join("firmware/intel-ucode")).unwrap();
        }
        let progress = ProgressBar::hidden();
        let packages = fetch(&[Vendor::Intel], cache.path(), &progress).unwrap();
        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0].name, "intel-microcode_3.2026");
        assert!(packages[0].folder.ends_with("usr/lib/firmware/intel-ucode"));
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
