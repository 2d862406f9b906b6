//! Debian's packages, fetched and unpacked, never installed.
//!
//! apt does the work (mirrors, signatures, proxies) with a configuration of
//! its own below `target/`: own sources, own lists, own cache, no hooks of the
//! machine. So it needs no privilege and leaves no trace outside `target/`.
//! What was unpacked once is taken again.

mod apt_sources;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use indicatif::ProgressBar;

use apt_sources::{Part, narrowed};

const OS_RELEASE: &str = "/etc/os-release";
const APT: &str = "/etc/apt";

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
        let mut is_set_up = false;
        let mut packages = Vec::new();
        for &wanted in wanted {
            if let Some(package) = self.cached(wanted)? {
                packages.push(package);
                continue;
            }
            progress.set_message(format!("fetching Debian's {}", wanted.name()));
            if !is_set_up {
                apt.set_up(self)?;
                is_set_up = true;
            }
            packages.push(apt.unpack(self, wanted)?);
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

/// The private apt.
struct Apt {
    dir: PathBuf,
}

impl Apt {
    /// Writes the configuration and fetches the lists.
    fn set_up(&self, archive: Archive<'_>) -> Result<(), DebianError> {
        let own = codename().ok_or(DebianError::NotDebian)?;
        let part = Part {
            own: &own,
            release: archive.release.unwrap_or(&own),
            component: archive.component,
            backports: archive.backports,
        };
        let lists = read_all(&[Path::new(APT).join("sources.list")])?
            .into_iter()
            .chain(read_folder("list")?)
            .collect::<Vec<_>>();
        let sources = narrowed(&lists, &read_folder("sources")?, part)
            .ok_or_else(|| DebianError::NoSource(own.clone()))?;
        for folder in ["sources.d", "lists/partial", "cache/archives/partial"] {
            let folder = self.dir.join(folder);
            fs::create_dir_all(&folder).map_err(at(&folder))?;
        }
        self.write("sources.d/debian.sources", &sources)?;
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
    fn unpack(&self, archive: Archive<'_>, wanted: Wanted<'_>) -> Result<Package, DebianError> {
        let name = wanted.name();
        let downloads = self.dir.join("downloads").join(name);
        if downloads.exists() {
            fs::remove_dir_all(&downloads).map_err(at(&downloads))?;
        }
        let tree = downloads.join("tree");
        fs::create_dir_all(&tree).map_err(at(&tree))?;
        let package = match wanted {
            Wanted::Package(name) | Wanted::Closure(name) => name.to_owned(),
            Wanted::DependencyOf(name) => self.dependency(name)?,
        };
        match wanted {
            Wanted::Package(_) | Wanted::DependencyOf(_) => {
                self.run("apt-get", &["download", &package], &downloads)?;
            }
            Wanted::Closure(_) => self.download_closure(archive, &package, &downloads)?,
        }
        let prefix = format!("{package}_");
        let mut version = None;
        for deb in debs(&downloads)? {
            let path = deb.display().to_string();
            let is_itself = deb
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
            if is_itself {
                version = Some(run("dpkg-deb", &["--field", &path, "Version"], &downloads)?);
            }
            let tree = tree.display().to_string();
            run("dpkg-deb", &["--extract", &path, &tree], &downloads)?;
        }
        let version = version.ok_or_else(|| DebianError::Unexpected(package, "file".to_owned()))?;
        // Without its epoch: a colon ends a folder in a list of folders.
        let version = version.trim().rsplit(':').next().unwrap_or_default();
        let name = format!("{name}_{version}");
        let target = archive.cache.join(&name);
        fs::rename(&tree, &target).map_err(at(&target))?;
        fs::remove_dir_all(&downloads).map_err(at(&downloads))?;
        Ok(Package::at(archive.cache, name))
    }

    /// Downloads a package and all that it needs: what apt would install on a
    /// machine that has nothing.
    fn download_closure(
        &self,
        archive: Archive<'_>,
        package: &str,
        downloads: &Path,
    ) -> Result<(), DebianError> {
        let partial = downloads.join("partial");
        fs::create_dir_all(&partial).map_err(at(&partial))?;
        let own = codename().ok_or(DebianError::NotDebian)?;
        let release = archive.release.unwrap_or(&own);
        let archives = format!("Dir::Cache::Archives={}", downloads.display());
        let suite = if archive.backports {
            format!("{release}-backports")
        } else {
            release.to_owned()
        };
        let arguments = [
            "install",
            "--yes",
            "--no-install-recommends",
            "--download-only",
            "--target-release",
            &suite,
            "--option",
            &archives,
            package,
        ];
        self.run("apt-get", &arguments, downloads).map(drop)
    }

    /// The first package that this one depends on.
    fn dependency(&self, name: &str) -> Result<String, DebianError> {
        let arguments = ["show", "--no-all-versions", name];
        let record = self.run("apt-cache", &arguments, &self.dir)?;
        let mut lines = record.lines();
        let dependencies = lines.find_map(|line| line.strip_prefix("Depends: "));
        dependencies
            .and_then(|list| list.split([' ', ',']).next())
            .map(str::to_owned)
            .ok_or_else(|| DebianError::Unexpected(name.to_owned(), "dependency".to_owned()))
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

/// The packages' files in a folder.
fn debs(folder: &Path) -> Result<Vec<PathBuf>, DebianError> {
    let entries = fs::read_dir(folder).map_err(at(folder))?;
    Ok(entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect())
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
