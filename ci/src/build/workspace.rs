//! The workspace in which the guest is built: the checkout's own, but for one
//! thing, that the registry's kernel is replaced by the patched copy.
//!
//! The copy is made by the build, so the checkout's `Cargo.toml` cannot name
//! it: no command of Cargo would work in a fresh clone. So the guest is built
//! below `target/`, in a folder with the same `Cargo.toml` and the replacement
//! behind it, the same `Cargo.lock`, and links to the members' folders. Doing
//! the same with Cargo's `--config` would write the replacement into the
//! checkout's lock file, and its option for another lock file is applied to
//! the standard library's dependencies too, which then are resolved anew, over
//! the network, at every build.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::Error;
use super::kernel::Kernel;

/// The folders that hold members of the workspace.
const MEMBERS: [&str; 3] = ["app", "ci", "images"];

/// Makes the folder, or brings it up to date.
pub(super) fn prepare(root: &Path, folder: &Path, kernel: &Kernel) -> Result<PathBuf, Error> {
    let workspace = folder.join("workspace");
    fs::create_dir_all(&workspace).map_err(Error::file(&workspace))?;
    for member in MEMBERS {
        let (folder, link) = (root.join(member), workspace.join(member));
        // The checkout may have been moved, or `target` copied from another.
        if fs::read_link(&link).is_ok_and(|target| target == folder) {
            continue;
        }
        if link.is_symlink() {
            fs::remove_file(&link).map_err(Error::file(&link))?;
        }
        symlink(folder, &link).map_err(Error::file(&link))?;
    }

    let read = |name: &str| {
        let path = root.join(name);
        fs::read_to_string(&path).map_err(Error::file(path))
    };
    let kernel = toml::Value::from(kernel.path.to_string_lossy().into_owned());
    let manifest = read("Cargo.toml")?
        + &format!("\n[patch.crates-io]\nhermit-kernel = {{ path = {kernel} }}\n");
    write_if_other(&workspace.join("Cargo.toml"), &manifest)?;

    // Cargo changes the lock file by the replacement: start over only when the
    // checkout's is another one than last time.
    let lock = read("Cargo.lock")?;
    if write_if_other(&workspace.join("Cargo.lock.checkout"), &lock)? {
        let path = workspace.join("Cargo.lock");
        fs::write(&path, lock).map_err(Error::file(&path))?;
    }
    Ok(workspace)
}

/// Writes a file unless it holds that text already; whether it wrote.
fn write_if_other(path: &Path, text: &str) -> Result<bool, Error> {
    if fs::read_to_string(path).is_ok_and(|found| found == text) {
        return Ok(false);
    }
    fs::write(path, text).map_err(Error::file(path))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_that_cargo_changed_is_kept_until_the_checkout_s_changes() {
        let root = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let kernel = Kernel {
            path: "/kernel".into(),
            label: String::new(),
        };
        let write = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
        write("Cargo.toml", "[workspace]\n");
        write("Cargo.lock", "one");
        let workspace = prepare(root.path(), folder.path(), &kernel).unwrap();
        let lock = workspace.join("Cargo.lock");
        let manifest = fs::read_to_string(workspace.join("Cargo.toml")).unwrap();
        assert!(manifest.ends_with("hermit-kernel = { path = \"/kernel\" }\n"));

        fs::write(&lock, "one, changed by cargo").unwrap();
        prepare(root.path(), folder.path(), &kernel).unwrap();
        assert_eq!(fs::read_to_string(&lock).unwrap(), "one, changed by cargo");

        write("Cargo.lock", "two");
        prepare(root.path(), folder.path(), &kernel).unwrap();
        assert_eq!(fs::read_to_string(&lock).unwrap(), "two");
    }

    #[test]
    fn the_links_follow_a_checkout_that_was_moved() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = Kernel {
            path: "/kernel".into(),
            label: String::new(),
        };
        for root in [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()] {
            for name in ["Cargo.toml", "Cargo.lock"] {
                fs::write(root.path().join(name), "").unwrap();
            }
            let workspace = prepare(root.path(), folder.path(), &kernel).unwrap();
            for member in MEMBERS {
                let target = fs::read_link(workspace.join(member)).unwrap();
                assert_eq!(target, root.path().join(member));
            }
        }
    }
}
