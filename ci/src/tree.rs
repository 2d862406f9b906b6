//! Where things are: the checkout and the folders in it.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

/// What tells the checkout's root.
const MARK: &str = "images/scenarios/default.toml";

/// A checkout of Muster.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
}

/// Why there is no checkout.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither here nor where the program was built.
    #[error(
        "no checkout of Muster in {} nor above it (looked for {MARK}), nor where this program was \
         built: change into one, as the guest is built from its sources", .0.display()
    )]
    NotFound(PathBuf),
    /// Command lines are text.
    #[error("the checkout's path {} is not UTF-8: move it to one that is", .0.display())]
    NotText(PathBuf),
    /// The current folder cannot be had.
    #[error("the current folder cannot be found: {0}")]
    Current(#[from] io::Error),
}

impl Tree {
    /// The checkout around the current folder, else the one that this program
    /// was built in.
    pub fn find() -> Result<Self, Error> {
        let here = env::current_dir()?;
        let built = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here
            .ancestors()
            .chain(built.ancestors())
            .find(|folder| folder.join(MARK).is_file())
            .map(Path::to_owned)
            .ok_or(Error::NotFound(here))?;
        match root.to_str() {
            Some(_) => Ok(Self { root }),
            None => Err(Error::NotText(root)),
        }
    }

    /// The checkout's root, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The scenario files.
    #[must_use]
    pub fn scenarios(&self) -> PathBuf {
        self.root.join("images/scenarios")
    }

    /// The folders of runs.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.root.join("target/muster")
    }

    /// Fetched microcode.
    #[must_use]
    pub fn firmware(&self) -> PathBuf {
        self.root.join("target/firmware")
    }

    /// Fetched packages of a release of Debian.
    #[must_use]
    pub fn packages(&self, release: &str) -> PathBuf {
        self.root.join("target/debian").join(release)
    }

    /// Worktrees of revisions that are compared, and their runs.
    #[must_use]
    pub fn comparisons(&self) -> PathBuf {
        self.root.join("target/compare")
    }

    /// The QEMU plugin, once it is built.
    #[must_use]
    pub fn plugin(&self) -> PathBuf {
        self.root.join("target/release/libcpu_model.so")
    }

    /// The KVM monitor, once it is built.
    #[must_use]
    pub fn monitor(&self) -> PathBuf {
        self.root.join("target/release/muster-vmm")
    }

    /// The fetched QEMU.
    #[must_use]
    pub fn qemu(&self) -> PathBuf {
        self.root.join("target/qemu")
    }

    /// A path as it is short to read: relative to the current folder where
    /// that is the root or above it.
    #[must_use]
    pub fn shown(path: &Path) -> String {
        let short = env::current_dir()
            .ok()
            .and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
        short.as_deref().unwrap_or(path).display().to_string()
    }
}
