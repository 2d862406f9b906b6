//! The microcode of a run: where it comes from, and the initrd made of it.
//!
//! A scenario names it (synthetic updates, raw bytes, a path) or leaves it to
//! the rule for vendors' files, which takes the first that there is:
//!
//! 1. the machine's own, below `/lib/firmware`;
//! 2. Debian's packages, fetched below `target/firmware` and kept there;
//! 3. a synthetic update for the CPU, so that a run needs neither.
//!
//! From a vendor's set the files for the CPU are packed. Where none is, all
//! are: then the guest says why nothing applies, which no host-side guess
//! could do as well.

mod known;
mod select;
mod spec;
mod synthetic;

pub use select::{SelectError, Selection};
pub use spec::{Delivery, Spec, SpecError};
pub use synthetic::{Synthetic, SyntheticError};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use microcode::Vendor;
use serde::{Deserialize, Serialize};

use crate::debian::{Archive, DebianError, Wanted};
use crate::digest::sha256;
use crate::machine::Cpu;

/// Where Linux keeps the vendors' files.
const SYSTEM: &str = "/lib/firmware";
/// The revision of an update that is made on the spot: above what any virtual
/// CPU starts with, and for AMD a low byte within its CPU's range of ids.
const SYNTHETIC_REVISION: u8 = 0xff;

/// What was loaded, for the screen and `result.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where it comes from, in words.
    pub source: String,
    /// The names of the files, or how many; what else it is, if no file.
    pub file: String,
    /// SHA-256 in hexadecimal of the files' bytes, one file after another;
    /// of the initrd where there is no file.
    pub sha256: String,
}

/// The microcode of a run.
#[derive(Clone, Debug)]
pub struct Firmware {
    /// What the guest is given: an initrd, a raw file, or anything else that
    /// a scenario wants it to see.
    pub initrd: Vec<u8>,
    /// The same before a scenario damaged it.
    pub genuine: Vec<u8>,
    /// What it is.
    pub record: Record,
}

/// Why there is no microcode.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A given file or folder cannot be read.
    #[error("the firmware {} cannot be read: {error}", path.display())]
    Read {
        /// What was given.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A folder without microcode.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// A scenario's updates cannot be made.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The CPU's signature is needed and not known.
    #[error(
        "there is no vendor's file at hand ({tried}), and none can be made for the QEMU model \
         {cpu}, whose signature is not known: give --firmware PATH, or --cpu SIGNATURE such as \
         --cpu 0x00050654"
    )]
    UnknownCpu {
        /// The CPU.
        cpu: Cpu,
        /// What was tried.
        tried: String,
    },
}

/// The microcode that `spec` names for `cpu`; packages are fetched below
/// `cache`.
pub fn resolve(
    spec: &Spec,
    cpu: &Cpu,
    cache: &Path,
    progress: &ProgressBar,
) -> Result<Firmware, Error> {
    let mut firmware = if let Some(path) = &spec.path {
        given(path, cpu)?
    } else if let Some(bytes) = &spec.bytes {
        Firmware::made("raw bytes", bytes.clone())
    } else if !spec.synthetic.is_empty() {
        Firmware::made("synthetic", spec.build()?)
    } else {
        vendors(cpu, cache, progress)?
    };
    if let Some(byte) = spec.flip_byte {
        let last = firmware.initrd.len().saturating_sub(1);
        let flipped = firmware.initrd.get_mut(byte);
        *flipped.ok_or(SpecError::FlipByte { byte, last })? ^= 1;
        let file = &firmware.record.file;
        firmware.record.file = format!("{file}, byte {byte} flipped");
    }
    if let Some(nr_bytes) = spec.truncate_bytes {
        firmware.initrd.truncate(nr_bytes);
        let file = &firmware.record.file;
        firmware.record.file = format!("{file}, cut to {} bytes", firmware.initrd.len());
    }
    Ok(firmware)
}

/// A file as it is, or a folder's files for the CPU.
fn given(path: &Path, cpu: &Cpu) -> Result<Firmware, Error> {
    let unreadable = |error| Error::Read {
        path: path.to_owned(),
        error,
    };
    if fs::metadata(path).map_err(unreadable)?.is_dir() {
        let selection = Selection::of_folder(path, cpu.target())?;
        return Ok(Firmware::packed(path.display().to_string(), &selection));
    }
    let initrd = fs::read(path).map_err(unreadable)?;
    let name = path.file_name().unwrap_or(path.as_os_str());
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    Ok(Firmware {
        record: Record {
            source: folder.unwrap_or(Path::new(".")).display().to_string(),
            file: name.display().to_string(),
            sha256: sha256(&initrd),
        },
        genuine: initrd.clone(),
        initrd,
    })
}

/// The rule for vendors' files.
fn vendors(cpu: &Cpu, cache: &Path, progress: &ProgressBar) -> Result<Firmware, Error> {
    let target = cpu.target();
    let wanted = match target {
        Some((vendor, _)) => vec![vendor],
        None => vec![Vendor::Intel, Vendor::Amd],
    };
    let selection = select(&system_folders(&wanted), target)?;
    if !selection.is_empty() {
        return Ok(Firmware::packed(SYSTEM.to_owned(), &selection));
    }
    match packages(&wanted, cache, progress) {
        Ok(packages) => {
            let (names, folders): (Vec<_>, Vec<_>) = packages.into_iter().unzip();
            Ok(Firmware::packed(
                format!("Debian's {}", names.join(" and ")),
                &select(&folders, target)?,
            ))
        }
        Err(error) => synthetic(cpu, &format!("none below {SYSTEM}; {error}")),
    }
}

/// The folders of the vendors' files by the rule: the machine's own where one
/// of them holds anything that can be read, else those of Debian's packages.
pub fn folders(
    wanted: &[Vendor],
    cache: &Path,
    progress: &ProgressBar,
) -> Result<Vec<PathBuf>, DebianError> {
    let system = system_folders(wanted);
    if select(&system, None).is_ok_and(|selection| !selection.is_empty()) {
        return Ok(system);
    }
    let packages = packages(wanted, cache, progress)?;
    Ok(packages.into_iter().map(|(_, folder)| folder).collect())
}

/// The name and version of Debian's package for each vendor, and its folder of
/// microcode: Debian 12 has it below /lib, later releases below /usr/lib.
fn packages(
    vendors: &[Vendor],
    cache: &Path,
    progress: &ProgressBar,
) -> Result<Vec<(String, PathBuf)>, DebianError> {
    let archive = Archive {
        cache,
        release: None,
        component: "non-free-firmware",
        backports: false,
    };
    let wanted: Vec<_> = vendors
        .iter()
        .map(|&vendor| Wanted::Package(package_name(vendor)))
        .collect();
    let packages = archive.fetch(&wanted, progress)?;
    let found = packages.into_iter().zip(vendors).map(|(package, &vendor)| {
        let places =
            ["lib", "usr/lib"].map(|parent| format!("{parent}/firmware/{}", folder_name(vendor)));
        let folder = package.folder(&places.each_ref().map(String::as_str))?;
        Ok((package.name, folder))
    });
    found.collect()
}

const fn package_name(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Intel => "intel-microcode",
        Vendor::Amd => "amd64-microcode",
    }
}

fn system_folders(wanted: &[Vendor]) -> Vec<PathBuf> {
    let folders = wanted
        .iter()
        .map(|&vendor| Path::new(SYSTEM).join(folder_name(vendor)));
    folders.filter(|folder| folder.is_dir()).collect()
}

/// What the folders hold for a CPU; nothing where they hold compressed files.
fn select(folders: &[PathBuf], target: Option<(Vendor, u32)>) -> Result<Selection, Error> {
    let mut selection = Selection::default();
    for folder in folders {
        match Selection::of_folder(folder, target) {
            Ok(found) => selection.append(found),
            Err(SelectError::Nothing(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(selection)
}

/// An update that is made on the spot, since there is no vendor's file.
fn synthetic(cpu: &Cpu, tried: &str) -> Result<Firmware, Error> {
    let (vendor, signature) = cpu.target().ok_or_else(|| Error::UnknownCpu {
        cpu: cpu.clone(),
        tried: tried.to_owned(),
    })?;
    let update = Synthetic::for_cpu(vendor, signature, SYNTHETIC_REVISION);
    let initrd = synthetic::pack(&[update]).map_err(SpecError::from)?;
    let mut firmware = Firmware::made("synthetic", initrd);
    firmware.record.source = format!("synthetic, as no vendor's file is at hand ({tried})");
    Ok(firmware)
}

/// The vendor's folder below `/lib/firmware`.
const fn folder_name(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Intel => "intel-ucode",
        Vendor::Amd => "amd-ucode",
    }
}

impl Firmware {
    fn made(what: &str, initrd: Vec<u8>) -> Self {
        Self {
            record: Record {
                source: what.to_owned(),
                file: format!("{} bytes", initrd.len()),
                sha256: sha256(&initrd),
            },
            genuine: initrd.clone(),
            initrd,
        }
    }

    fn packed(source: String, selection: &Selection) -> Self {
        let initrd = selection.pack();
        Self {
            genuine: initrd.clone(),
            initrd,
            record: Record {
                source,
                file: selection.describe(),
                sha256: selection.sha256(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use microcode::{CpuKind, Policy, Reason};

    use super::*;

    fn resolve_offline(spec: &Spec) -> Result<Firmware, Error> {
        let nowhere = Path::new("/nonexistent");
        resolve(spec, &Cpu::default(), nowhere, &ProgressBar::hidden())
    }

    #[test]
    fn a_given_file_is_passed_on_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blob");
        fs::write(&path, b"abc").unwrap();
        let spec = Spec {
            path: Some(path),
            ..Spec::default()
        };
        let firmware = resolve_offline(&spec).unwrap();
        assert_eq!(firmware.initrd, b"abc");
        assert_eq!(firmware.record.file, "blob");
        assert_eq!(
            firmware.record.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it() {
        let spec = Spec {
            path: Some("/nonexistent/blob".into()),
            ..Spec::default()
        };
        let error = resolve_offline(&spec).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/blob"), "{error}");
    }

    #[test]
    fn what_is_made_on_the_spot_applies_to_its_cpu() {
        for text in ["Skylake-Server", "EPYC-Milan", "0x00100f23"] {
            let cpu: Cpu = text.parse().unwrap();
            let firmware = synthetic(&cpu, "a test").unwrap();
            let (vendor, signature) = cpu.target().unwrap();
            let kind = CpuKind {
                revision: 1,
                ..CpuKind::new(vendor, signature)
            };
            let scan = microcode::scan(&firmware.initrd);
            assert!(scan.findings.is_empty());
            let reasons = microcode::judge(&scan, &kind, &Policy::default());
            assert_eq!(reasons, [Reason::Chosen], "{text}");
        }
        let unknown = Cpu::Model("max".to_owned());
        let error = synthetic(&unknown, "a test").unwrap_err().to_string();
        assert!(error.contains("--firmware"), "{error}");
    }

    #[test]
    fn a_cut_says_how_much_is_left() {
        let spec = Spec {
            bytes: Some(vec![7; 100]),
            truncate_bytes: Some(10),
            ..Spec::default()
        };
        let firmware = resolve_offline(&spec).unwrap();
        assert_eq!(firmware.initrd, [7; 10]);
        assert!(firmware.record.file.ends_with("cut to 10 bytes"));
        assert_eq!(firmware.genuine.len(), 100);
    }

    #[test]
    fn a_flipped_byte_is_one_and_has_to_be_there() {
        let spec = |byte| Spec {
            bytes: Some(vec![7; 100]),
            flip_byte: Some(byte),
            ..Spec::default()
        };
        let firmware = resolve_offline(&spec(99)).unwrap();
        assert_eq!((firmware.initrd[98], firmware.initrd[99]), (7, 6));
        let error = resolve_offline(&spec(100)).unwrap_err().to_string();
        assert!(error.contains("0 to 99"), "{error}");
    }
}
