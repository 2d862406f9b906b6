//! The vendors' sets, found once and read once.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use indicatif::ProgressBar;
use microcode::{Finding, Scan, Severity, Vendor};
use muster::debian::DebianError;
use muster::digest::sha256;
use muster::firmware;
use muster::tree::Tree;
use muster::walk::{Item, walk};

/// Names the folder that has `intel-ucode` and `amd-ucode` in it.
const FIRMWARE: &str = "MUSTER_FIRMWARE";

/// What a trial has to tell, or why it did not succeed.
pub(super) type Outcome = Result<String, Stop>;

/// Why a trial did not succeed.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// What it needs cannot be had here.
    Skipped(String),
    /// What it is to prove does not hold.
    Failed(String),
}

impl<E: std::error::Error> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

/// That something does not hold.
pub(super) fn failed(what: impl Display) -> Stop {
    Stop::Failed(what.to_string())
}

/// Fails with all lines if there are any.
pub(super) fn none_of(lines: &[String]) -> Result<(), Stop> {
    if lines.is_empty() {
        Ok(())
    } else {
        Err(failed(lines.join("\n")))
    }
}

/// A vendor's file.
#[derive(Debug)]
pub(super) struct File {
    /// Its name without the folder's.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// A vendor's files.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) vendor: Vendor,
    pub(super) folder: PathBuf,
    /// In the order of their names.
    pub(super) files: Vec<File>,
    /// SHA-256 of the files' bytes, one file after another.
    pub(super) sha256: String,
}

static INTEL: LazyLock<Result<Set, Stop>> = LazyLock::new(|| Set::find(Vendor::Intel));
static AMD: LazyLock<Result<Set, Stop>> = LazyLock::new(|| Set::find(Vendor::Amd));

/// Intel's set.
pub(super) fn intel() -> Result<&'static Set, Stop> {
    INTEL.as_ref().map_err(Stop::clone)
}

/// AMD's set.
pub(super) fn amd() -> Result<&'static Set, Stop> {
    AMD.as_ref().map_err(Stop::clone)
}

impl Set {
    fn find(vendor: Vendor) -> Result<Self, Stop> {
        let folder = match env::var_os(FIRMWARE) {
            Some(given) => below(Path::new(&given), vendor)?,
            None => by_the_rule(vendor)?,
        };
        let mut files = Vec::new();
        let mut problems = Vec::new();
        walk(&folder, &mut |item| match item {
            Item::Blob(blob) => files.push(File {
                name: blob.name.to_owned(),
                bytes: blob.bytes.to_vec(),
            }),
            Item::Problem(problem) if problem.is_error() => {
                problems.push(format!("{} {}", problem.name, problem.kind));
            }
            Item::Problem(_) => {}
        });
        none_of(&problems)?;
        if files.is_empty() {
            return Err(failed(format!("{} holds no file", folder.display())));
        }
        let bytes: Vec<_> = files.iter().flat_map(|file| &file.bytes).copied().collect();
        Ok(Self {
            vendor,
            folder,
            files,
            sha256: sha256(&bytes),
        })
    }

    /// The set's place in words, and what `known` says of its digest.
    pub(super) fn describe<T>(&self, known: Option<&Known<T>>) -> String {
        let name = known.map_or("no set that is known by its digest", |known| known.name);
        format!("{}: {name}, {}", self.folder.display(), self.sha256)
    }

    /// What is known of the set.
    pub(super) fn known<'k, T>(&self, all: &'k [Known<T>]) -> Option<&'k Known<T>> {
        all.iter().find(|known| known.sha256 == self.sha256)
    }
}

/// What is known of one set by its digest.
#[derive(Debug)]
pub(super) struct Known<T: 'static> {
    /// As [`Set::sha256`].
    pub(super) sha256: &'static str,
    /// The package and its version.
    pub(super) name: &'static str,
    /// How much of what it holds.
    pub(super) counts: T,
}

/// The vendor's folder in the one that was given.
fn below(given: &Path, vendor: Vendor) -> Result<PathBuf, Stop> {
    let remedy = format!("name a folder with intel-ucode and amd-ucode in it in {FIRMWARE}");
    if !given.is_dir() {
        return Err(failed(format!(
            "{} is no folder: {remedy}",
            given.display()
        )));
    }
    let folder = given.join(match vendor {
        Vendor::Intel => "intel-ucode",
        Vendor::Amd => "amd-ucode",
    });
    if !folder.is_dir() {
        let reason = format!("{} is no folder: {remedy}", folder.display());
        return Err(Stop::Skipped(reason));
    }
    Ok(folder)
}

/// As for runs.
fn by_the_rule(vendor: Vendor) -> Result<PathBuf, Stop> {
    let cache = Tree::find()?.firmware();
    let folders = firmware::folders(&[vendor], &cache, &ProgressBar::hidden());
    let folders = folders.map_err(|error| match error {
        DebianError::NotDebian
        | DebianError::NoSource(_)
        | DebianError::Lists(_)
        | DebianError::Command { .. } => Stop::Skipped(format!(
            "there is none below /lib/firmware, and {error}: name a folder with intel-ucode \
                 and amd-ucode in it in {FIRMWARE}"
        )),
        error => error.into(),
    })?;
    match <[PathBuf; 1]>::try_from(folders) {
        Ok([folder]) => Ok(folder),
        Err(folders) => Err(failed(format!("not one folder but {}", folders.len()))),
    }
}

/// The errors among the findings, each a line, and how often each warning
/// occurs.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<String>,
    warnings: BTreeMap<&'static str, usize>,
}

impl Findings {
    pub(super) fn add(&mut self, file: &str, scan: &Scan<'_>) {
        for finding in &scan.findings {
            let Finding { kind, .. } = finding;
            match kind.severity() {
                Severity::Error => self.errors.push(format!("{file}: {finding}")),
                Severity::Warning => *self.warnings.entry(kind.name()).or_default() += 1,
            }
        }
    }

    pub(super) fn warnings(&self) -> String {
        let warnings: Vec<_> = self
            .warnings
            .iter()
            .map(|(name, nr_times)| format!("{nr_times} {name}"))
            .collect();
        match warnings.as_slice() {
            [] => "no warnings".to_owned(),
            warnings => format!("warnings: {}", warnings.join(", ")),
        }
    }
}
