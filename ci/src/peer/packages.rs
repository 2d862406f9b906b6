//! Where a peer's program comes from: Debian's packages, fetched and unpacked
//! below `target/` and not installed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use indicatif::ProgressBar;

use super::{Peer, Release, Request};
use crate::debian::{Archive, DebianError, Wanted};
use crate::tree::Tree;

/// A kernel or a hypervisor.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Its package and version.
    pub(super) name: String,
    /// What QEMU boots.
    pub(super) image: PathBuf,
}

/// Why a program cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The package.
    #[error(transparent)]
    Debian(#[from] DebianError),
    /// A file of it.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The package, and the beginning and the end of the image's name below
/// `/boot`.
const fn place(peer: Peer, release: Release) -> (Wanted<'static>, [&'static str; 2]) {
    match (peer, release) {
        (Peer::Linux, _) => (Wanted::DependencyOf("linux-image-amd64"), ["vmlinuz-", ""]),
        (Peer::Xen, Release::Bookworm) => (
            Wanted::Package("xen-hypervisor-4.17-amd64"),
            ["xen-", ".gz"],
        ),
        (Peer::Xen, Release::Trixie) => (
            Wanted::Package("xen-hypervisor-4.20-amd64"),
            ["xen-", ".gz"],
        ),
    }
}

/// The peer's program.
pub(super) fn program(
    tree: &Tree,
    request: &Request,
    progress: &ProgressBar,
) -> Result<Program, Error> {
    let (wanted, ends) = place(request.peer, request.release);
    let codename = request.release.codename();
    let cache = tree.packages(codename);
    let archive = Archive {
        cache: &cache,
        release: Some(codename),
        component: "main",
        backports: false,
    };
    let mut packages = archive.fetch(&[wanted], progress)?;
    let package = packages.remove(0);
    let boot = package.folder(&["boot"])?;
    let image = find(&boot, ends)?.ok_or_else(|| {
        DebianError::Unexpected(
            package.name.clone(),
            format!("boot/{}*{}", ends[0], ends[1]),
        )
    })?;
    Ok(Program {
        image: unpacked(image)?,
        name: package.name,
    })
}

/// The file of a folder whose name begins and ends so.
fn find(folder: &Path, [start, end]: [&str; 2]) -> Result<Option<PathBuf>, Error> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(start) && name.ends_with(end) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// The image without its compression, which QEMU does not undo for a
/// hypervisor.
fn unpacked(image: PathBuf) -> Result<PathBuf, Error> {
    if image.extension().is_none_or(|extension| extension != "gz") {
        return Ok(image);
    }
    let target = image.with_extension("elf");
    if !target.exists() {
        let packed = File::open(&image).map_err(at(&image))?;
        // Another run may look for it at the same moment: it is there whole or
        // not at all.
        let part = image.with_extension(format!("{}.part", std::process::id()));
        let mut file = File::create(&part).map_err(at(&part))?;
        io::copy(&mut GzDecoder::new(packed), &mut file).map_err(at(&image))?;
        fs::rename(&part, &target).map_err(at(&target))?;
    }
    Ok(target)
}

fn at(path: &Path) -> impl Fn(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |error| Error::Io {
        path: path.clone(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn an_image_is_found_by_both_ends_and_unpacked_once() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["xen-4.20-amd64.efi", "xen-4.20-amd64.config", "vmlinuz-6"] {
            File::create(dir.path().join(name)).unwrap();
        }
        assert_eq!(find(dir.path(), ["xen-", ".gz"]).unwrap(), None);
        let packed = dir.path().join("xen-4.20-amd64.gz");
        let mut encoder = GzEncoder::new(File::create(&packed).unwrap(), Compression::fast());
        encoder.write_all(b"an image").unwrap();
        encoder.finish().unwrap();
        let found = find(dir.path(), ["xen-", ".gz"]).unwrap().unwrap();
        assert_eq!(found, packed);
        let image = unpacked(found).unwrap();
        assert_eq!(fs::read(&image).unwrap(), b"an image");
        assert_eq!(unpacked(packed).unwrap(), image);
        let kernel = find(dir.path(), ["vmlinuz-", ""]).unwrap().unwrap();
        assert_eq!(unpacked(kernel.clone()).unwrap(), kernel);
    }
}
