//! Which QEMU was found to do, kept for the next run: asking both takes as long
//! as a sixth of the guest's run.
//!
//! Only what does is kept. That a QEMU will not do may have a cause outside its
//! file, such as a library that is missing, and is found out anew.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use which::which;

use super::{Emulator, PROGRAM};

/// The file with the choice.
const FILE: &str = "choice.json";

/// A QEMU that will do, and all that made it the one.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Choice {
    plugin: Stamp,
    /// The system's QEMU, which comes first.
    system: Option<Stamp>,
    chosen: Stamp,
}

/// What tells that a file is another one than before.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    path: PathBuf,
    nr_bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: PathBuf) -> Option<Self> {
        let file = fs::metadata(&path).ok()?;
        Some(Self {
            path,
            nr_bytes: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
        })
    }
}

impl Choice {
    /// The choice of this QEMU, as things are; `None` where a file is missing.
    pub(super) fn of(emulator: &Emulator, plugin: &Path) -> Option<Self> {
        Some(Self {
            plugin: Stamp::of(plugin.to_owned())?,
            system: which(PROGRAM).ok().and_then(Stamp::of),
            chosen: Stamp::of(which(emulator.program()).ok()?)?,
        })
    }

    /// Whether the same choice was made before.
    pub(super) fn is_kept(&self, cache: &Path) -> bool {
        let text = fs::read(cache.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).is_ok_and(|kept: Self| kept == *self)
    }

    /// Keeps it instead of an earlier one.
    pub(super) fn keep(&self, cache: &Path) -> io::Result<()> {
        fs::create_dir_all(cache)?;
        let mut file = NamedTempFile::new_in(cache)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.persist(cache.join(FILE))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_choice_holds_until_the_plugin_or_a_qemu_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("plugin.so");
        fs::write(&plugin, "one").unwrap();
        let pretended = |name: &str| {
            let program = folder.path().join(name).join(PROGRAM);
            fs::create_dir_all(program.parent().unwrap()).unwrap();
            fs::write(&program, name).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            Emulator {
                environment: Vec::new(),
                words: vec![program.display().to_string()],
            }
        };
        let (one, other) = (pretended("one"), pretended("other"));
        let choice = || Choice::of(&one, &plugin).unwrap();
        assert!(!choice().is_kept(folder.path()), "none was made");
        choice().keep(folder.path()).unwrap();
        assert!(choice().is_kept(folder.path()));
        let other = Choice::of(&other, &plugin).unwrap();
        assert!(!other.is_kept(folder.path()), "it was another QEMU");
        fs::write(&plugin, "three").unwrap();
        assert!(!choice().is_kept(folder.path()), "the plugin is new");
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(!choice().is_kept(folder.path()), "what is kept is damaged");
    }

    #[test]
    fn what_is_not_there_cannot_be_chosen() {
        let plugin = Path::new("/nonexistent/plugin.so");
        assert_eq!(Choice::of(&Emulator::system(), plugin), None);
    }
}
