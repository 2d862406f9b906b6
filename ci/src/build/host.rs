//! Building what runs beside this program on the host: ordinary packages of the
//! checkout.

use super::Error;
use super::command::{clean, run};
use crate::tree::Tree;

/// Builds the QEMU plugin.
pub fn plugin(tree: &Tree) -> Result<(), Error> {
    build(tree, "cpu-model", "building the QEMU plugin")
}

/// Builds the monitor.
pub fn monitor(tree: &Tree) -> Result<(), Error> {
    build(tree, "vmm", "building the KVM monitor")
}

fn build(tree: &Tree, package: &str, what: &str) -> Result<(), Error> {
    let mut cargo = clean("cargo");
    cargo
        .current_dir(tree.root())
        .args(["build", "--release", "--package", package, "--quiet"])
        // A user's settings may name another folder.
        .args(["--color", "never", "--target-dir", "target"]);
    run(what, &mut cargo).map(drop)
}
