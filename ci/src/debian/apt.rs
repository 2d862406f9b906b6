//! apt and dpkg, for a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};

use super::apt_sources::{Part, narrowed};
use super::{Archive, DebianError, OS_RELEASE, Package, Wanted, at, output, run};

const APT: &str = "/etc/apt";

/// The private apt.
pub(super) struct Apt {
    pub(super) dir: PathBuf,
}

impl Apt {
    /// Writes the configuration and fetches the lists; what apt says of the
    /// first that it cannot fetch.
    pub(super) fn set_up(&self, archive: Archive<'_>) -> Result<Option<String>, DebianError> {
        let own = own_release()?;
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
        let (_, complaints) = self.output("apt-get", &["update"], &self.dir)?;
        let mut lines = complaints.lines();
        Ok(lines
            .find_map(|line| line.strip_prefix("W: Failed to fetch "))
            .map(str::to_owned))
    }

    /// Read after the machine's own configuration, whose proxies stay in force
    /// and whose hooks must not run for these folders. Nor does it count here
    /// which release the machine itself prefers, as that is not to be had.
    fn configuration(&self) -> String {
        let dir = self.dir.display();
        format!(
            "Dir::Etc::SourceList \"/dev/null\";\n\
             Dir::Etc::SourceParts \"{dir}/sources.d\";\n\
             Dir::Etc::Preferences \"/dev/null\";\n\
             Dir::Etc::PreferencesParts \"/dev/null\";\n\
             Dir::State \"{dir}\";\n\
             Dir::State::Lists \"{dir}/lists\";\n\
             Dir::State::Status \"{dir}/status\";\n\
             Dir::Cache \"{dir}/cache\";\n\
             APT::Sandbox::User \"\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::Retries \"1\";\n\
             Acquire::http::Timeout \"20\";\n\
             Acquire::https::Timeout \"20\";\n\
             #clear APT::Default-Release;\n\
             #clear APT::Update::Pre-Invoke;\n\
             #clear APT::Update::Post-Invoke;\n\
             #clear APT::Update::Post-Invoke-Success;\n"
        )
    }

    /// Fetches a package and unpacks it; it appears in the cache whole or not
    /// at all.
    pub(super) fn unpack(
        &self,
        archive: Archive<'_>,
        wanted: Wanted<'_>,
    ) -> Result<Package, DebianError> {
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
        let own = own_release()?;
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
            "--no-install-suggests",
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
        self.output(program, arguments, dir).map(|(said, _)| said)
    }

    fn output(
        &self,
        program: &str,
        arguments: &[&str],
        dir: &Path,
    ) -> Result<(String, String), DebianError> {
        let configuration = self.dir.join("apt.conf").display().to_string();
        let arguments = [&["-q", "-c", &configuration], arguments].concat();
        output(program, &arguments, dir)
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
fn own_release() -> Result<String, DebianError> {
    let text = fs::read_to_string(OS_RELEASE).unwrap_or_default();
    codename(&text).ok_or(DebianError::NotDebian)
}

/// The same from os-release(5). What is derived from Debian has releases and
/// archives of its own.
fn codename(os_release: &str) -> Option<String> {
    let value = |key: &str| {
        let mut fields = os_release.lines().filter_map(|line| line.split_once('='));
        let (_, value) = fields.find(|(found, _)| *found == key)?;
        Some(value.trim().trim_matches(['"', '\'']))
    };
    if value("ID")? == "debian" {
        value("VERSION_CODENAME").map(str::to_owned)
    } else {
        None
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debian_itself_has_a_release_of_debian() {
        let debian = "NAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(codename(debian).as_deref(), Some("bookworm"));
        let quoted = "ID='debian'\nVERSION_CODENAME=\"trixie\"";
        assert_eq!(codename(quoted).as_deref(), Some("trixie"));
        for other in [
            "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble",
            "ID=fedora",
            "ID=debian",
            "",
        ] {
            assert_eq!(codename(other), None, "{other}");
        }
    }
}
