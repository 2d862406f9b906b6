//! The kernel: the registry's crate with the series of `kernel-patches/`.
//!
//! The copy below `target/` is made anew whenever the base, the series or a
//! patch is another one. Cargo fetches the crate, this checks it against the
//! checksum in `BASE`, and `patch` applies the series without fuzz: a patch
//! that does not fit any more must be looked at, not guessed into place.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Error;
use super::command::{clean, run};
use super::toolchain::{TARGET, Toolchain};
use crate::digest::{hex, sha256};

/// `kernel-patches/BASE`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Base {
    /// The crate's name.
    name: String,
    /// Its exact version.
    version: String,
    /// SHA-256 of its archive, in hexadecimal.
    sha256: String,
}

/// A patched kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    /// Its source.
    pub(super) path: PathBuf,
    /// Crate, version and series, for the record.
    pub(super) label: String,
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(Error::file(path))
}

/// Makes the copy unless it is there.
pub(super) fn prepare(root: &Path, toolchain: &Toolchain) -> Result<Kernel, Error> {
    let patches = root.join("kernel-patches");
    let base_text = read(&patches.join("BASE"))?;
    let base: Base = toml::from_str(&base_text)
        .map_err(|error| Error::Kernel(format!("kernel-patches/BASE: {error}")))?;
    let series = read(&patches.join("series"))?;
    let series: Vec<PathBuf> = series.lines().map(|name| patches.join(name)).collect();

    let mut digest = Sha256::new_with_prefix(&base_text);
    for patch in &series {
        digest.update(read(patch)?);
    }
    let stamp = hex(&digest.finalize());
    let path = root.join("target/kernel");
    let kernel = Kernel {
        label: format!("{} {} + series {}", base.name, base.version, &stamp[..8]),
        path,
    };
    let stamp_file = kernel.path.join(".series");
    if fs::read_to_string(&stamp_file).is_ok_and(|found| found == stamp) {
        return Ok(kernel);
    }

    if kernel.path.exists() {
        fs::remove_dir_all(&kernel.path).map_err(Error::file(&kernel.path))?;
    }
    unpack(&archive(root, toolchain, &base)?, &base, &kernel.path)?;
    for patch in &series {
        apply(patch, &kernel.path)?;
    }
    // Last: a copy that was interrupted is made again.
    fs::write(&stamp_file, stamp).map_err(Error::file(&stamp_file))?;
    Ok(kernel)
}

/// The crate's archive in Cargo's cache, which is fetched if need be.
fn archive(root: &Path, toolchain: &Toolchain, base: &Base) -> Result<PathBuf, Error> {
    let output = run(
        "fetching the kernel's crate",
        clean(&toolchain.cargo)
            .current_dir(root)
            .env("RUSTC", &toolchain.rustc)
            .args(["metadata", "--format-version", "1", "--locked"])
            .args(["--filter-platform", TARGET]),
    )?;
    let metadata: cargo_metadata::Metadata = serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::Kernel(format!("cargo metadata: {error}")))?;
    let manifest = metadata
        .packages
        .iter()
        .find(|package| *package.name == base.name && package.version.to_string() == base.version)
        .map(|package| package.manifest_path.as_std_path())
        .ok_or_else(|| {
            let Base { name, version, .. } = base;
            Error::Kernel(format!(
                "Cargo.lock has no {name} {version}, which kernel-patches/BASE names"
            ))
        })?;
    // registry/src/INDEX/NAME-VERSION/Cargo.toml, registry/cache/INDEX/NAME-VERSION.crate
    let mut ancestors = manifest.ancestors().skip(1);
    let place = || -> Option<PathBuf> {
        let source = ancestors.next()?;
        let index = ancestors.next()?;
        let registry = ancestors.nth(1)?;
        let mut name = source.file_name()?.to_owned();
        name.push(".crate");
        Some(registry.join("cache").join(index.file_name()?).join(name))
    }();
    place.filter(|path| path.is_file()).ok_or_else(|| {
        Error::Kernel(format!(
            "there is no archive beside {}: the kernel is patched from the registry's archive, so \
             build without a vendored copy of the crates",
            manifest.display()
        ))
    })
}

/// Unpacks the archive into `folder` after a look at its checksum.
fn unpack(archive: &Path, base: &Base, folder: &Path) -> Result<(), Error> {
    let bytes = fs::read(archive).map_err(Error::file(archive))?;
    let found = sha256(&bytes);
    if found != base.sha256 {
        return Err(Error::Kernel(format!(
            "{} has SHA-256 {found}, and kernel-patches/BASE says {}: delete it and fetch it anew",
            archive.display(),
            base.sha256
        )));
    }
    let part = folder.with_extension("part");
    if part.exists() {
        fs::remove_dir_all(&part).map_err(Error::file(&part))?;
    }
    tar::Archive::new(GzDecoder::new(bytes.as_slice()))
        .unpack(&part)
        .map_err(Error::file(archive))?;
    fs::rename(part.join(format!("{}-{}", base.name, base.version)), folder)
        .map_err(Error::file(folder))?;
    fs::remove_dir(&part).map_err(Error::file(&part))
}

fn apply(patch: &Path, folder: &Path) -> Result<(), Error> {
    let name = patch.file_name().unwrap_or_default().to_string_lossy();
    run(
        &format!("kernel-patches/{name}"),
        Command::new("patch")
            .current_dir(folder)
            .args([
                "--strip=1",
                "--fuzz=0",
                "--forward",
                "--batch",
                "--no-backup-if-mismatch",
            ])
            .arg("--input")
            .arg(patch),
    )?;
    Ok(())
}
