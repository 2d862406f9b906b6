//! Chooses from a folder of vendors' files those that are for a CPU.
//!
//! Every file is read and asked; names are not trusted, as one file can be
//! for several CPUs by its extended signature table or its equivalence table,
//! and distributions rename files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use microcode::profile::SDM;
use microcode::{CpuKind, Fit, Format, Vendor, initrd};
use sha2::{Digest, Sha256};

/// A vendor's file.
#[derive(Clone, Debug)]
struct VendorFile {
    name: String,
    vendor: Vendor,
    bytes: Vec<u8>,
}

/// Files chosen from one or more folders.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    files: Vec<VendorFile>,
}

/// Why nothing could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// A file or the folder cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No file is microcode.
    #[error(
        "{} holds no microcode, neither in itself nor in intel-ucode or amd-ucode: give a folder \
         with a vendor's files, or a file", .0.display()
    )]
    Nothing(PathBuf),
}

impl Selection {
    /// The files of `folder` (and of its `intel-ucode` and `amd-ucode`) that
    /// hold an update for the CPU, in the order of their names; all of them
    /// where none does, or where the CPU is not known.
    pub fn of_folder(folder: &Path, target: Option<(Vendor, u32)>) -> Result<Self, SelectError> {
        let mut files = Vec::new();
        for subfolder in ["", "intel-ucode", "amd-ucode"] {
            let path = folder.join(subfolder);
            if subfolder.is_empty() || path.is_dir() {
                read_folder(&path, &mut files)?;
            }
        }
        if files.is_empty() {
            return Err(SelectError::Nothing(folder.to_owned()));
        }
        if let Some((vendor, signature)) = target
            && files.iter().any(|file| file.fits(vendor, signature))
        {
            files.retain(|file| file.fits(vendor, signature));
        }
        Ok(Self { files })
    }

    /// Adds another folder's files.
    pub fn append(&mut self, mut other: Self) {
        self.files.append(&mut other.files);
    }

    /// Whether nothing was chosen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files' names where they are few, else their number.
    #[must_use]
    pub fn describe(&self) -> String {
        const MOST: usize = 4;
        if self.files.len() > MOST {
            return format!("{} files", self.files.len());
        }
        let names: Vec<_> = self.files.iter().map(|file| file.name.as_str()).collect();
        names.join(", ")
    }

    /// The digest of the files' bytes, one file after another.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for file in &self.files {
            hasher.update(&file.bytes);
        }
        crate::digest::hex(&hasher.finalize())
    }

    /// An early initrd with all files.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        let of = |vendor| -> Vec<u8> {
            let files = self.files.iter().filter(|file| file.vendor == vendor);
            files.flat_map(|file| file.bytes.iter().copied()).collect()
        };
        initrd::pack(&of(Vendor::Intel), &of(Vendor::Amd))
    }
}

impl VendorFile {
    /// `None` where the bytes are no vendor's format, or hold no update.
    fn read(name: String, bytes: Vec<u8>) -> Option<Self> {
        let scan = microcode::scan(&bytes);
        let vendor = match scan.format {
            Format::Intel => Vendor::Intel,
            Format::Amd => Vendor::Amd,
            Format::Cpio | Format::Empty | Format::Unknown => return None,
        };
        let holds_any = !scan.candidates.is_empty();
        holds_any.then_some(Self {
            name,
            vendor,
            bytes,
        })
    }

    /// Whether it holds an update for the signature, damaged or for another
    /// platform though it may be: the guest says so better.
    fn fits(&self, vendor: Vendor, signature: u32) -> bool {
        let cpu = CpuKind::new(vendor, signature);
        microcode::scan(&self.bytes)
            .candidates
            .iter()
            .any(|candidate| candidate.update.fit(&cpu, &SDM) != Fit::OtherSignature)
    }
}

fn read_folder(folder: &Path, files: &mut Vec<VendorFile>) -> Result<(), SelectError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| SelectError::Read { path, error }
    };
    let mut paths = fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|e| e.map(|e| e.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(unreadable(folder))?;
    paths.sort();
    for path in paths.iter().filter(|path| path.is_file()) {
        let bytes = fs::read(path).map_err(unreadable(path))?;
        let name = path.file_name().unwrap_or_default().display().to_string();
        files.extend(VendorFile::read(name, bytes));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use microcode::synth;

    use super::*;

    const SKYLAKE: Option<(Vendor, u32)> = Some((Vendor::Intel, 0x0005_0654));

    fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        dir
    }

    fn choose(dir: &Path, target: Option<(Vendor, u32)>) -> String {
        Selection::of_folder(dir, target).unwrap().describe()
    }

    #[test]
    fn files_are_chosen_by_what_they_hold_and_not_by_name() {
        let extended = synth::intel(0x0005_06e3, 1, 9).extended(&[(0x0005_0654, 1)]);
        let dir = folder(&[
            ("06-55-04", synth::intel(0x0003_06c3, 1, 9).build()),
            ("LICENSE", b"a text".to_vec()),
            (
                "amd-ucode/x.bin",
                synth::amd(0x0080_0f12, 0x0800_1280).build(),
            ),
            ("intel-ucode/y.initramfs", extended.build()),
        ]);
        assert_eq!(choose(dir.path(), SKYLAKE), "y.initramfs");
        let epyc = Some((Vendor::Amd, 0x0080_0f12));
        assert_eq!(choose(dir.path(), epyc), "x.bin");
    }

    #[test]
    fn where_nothing_fits_or_the_cpu_is_unknown_all_files_are_taken() {
        let dir = folder(&[
            ("a", synth::intel(0x0003_06c3, 1, 9).build()),
            ("b", synth::amd(0x0080_0f12, 0x0800_1280).build()),
        ]);
        for target in [SKYLAKE, None] {
            assert_eq!(choose(dir.path(), target), "a, b");
        }
        let initrd = Selection::of_folder(dir.path(), None).unwrap().pack();
        assert_eq!(microcode::scan(&initrd).candidates.len(), 2);
    }

    #[test]
    fn a_damaged_update_for_the_cpu_is_chosen_so_that_the_guest_reports_it() {
        let damaged = synth::intel(0x0005_0654, 1, 9).defect(synth::Defect::ALL[0]);
        let dir = folder(&[
            ("a", synth::intel(0x0003_06c3, 1, 9).build()),
            ("b", damaged.build()),
        ]);
        assert_eq!(choose(dir.path(), SKYLAKE), "b");
    }

    #[test]
    fn a_folder_without_microcode_is_an_error_that_names_it() {
        let dir = folder(&[("README", b"nothing here".to_vec())]);
        let error = Selection::of_folder(dir.path(), None).unwrap_err();
        assert!(matches!(&error, SelectError::Nothing(path) if path == dir.path()));
        let error = Selection::of_folder(&dir.path().join("none"), None).unwrap_err();
        assert!(matches!(error, SelectError::Read { .. }));
    }

    #[test]
    fn the_digest_of_one_file_is_that_files() {
        let bytes = synth::intel(0x0005_0654, 1, 9).build();
        let dir = folder(&[("a", bytes.clone())]);
        let selection = Selection::of_folder(dir.path(), SKYLAKE).unwrap();
        assert_eq!(selection.sha256(), crate::digest::sha256(&bytes));
    }
}
