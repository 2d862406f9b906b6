//! Building the QEMU plugin: an ordinary package of the checkout, for the host.

use super::Error;
use super::command::{clean, run};
use crate::tree::Tree;

/// Builds the plugin.
pub fn plugin(tree: &Tree) -> Result<(), Error> {
    let mut cargo = clean("cargo");
    cargo
        .current_dir(tree.root())
        .args(["build", "--release", "--package", "cpu-model", "--quiet"])
        // A user's settings may name another folder.
        .args(["--color", "never", "--target-dir", "target"]);
    run("building the QEMU plugin", &mut cargo).map(drop)
}
