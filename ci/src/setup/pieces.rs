//! The pieces: what each is, why it is needed, how it is found and how it
//! comes.

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use indicatif::ProgressBar;
use which::{which, which_in_global};

use crate::build::{self, toolchain};
use crate::machine::emulator::{self, Emulator};
use crate::machine::process;
use crate::machine::{Machine, Topology};
use crate::tree::Tree;

/// Something that a run needs.
#[derive(Debug)]
pub struct Piece {
    /// What it is called.
    pub name: &'static str,
    /// Why it is needed.
    pub why: &'static str,
    pub(super) remedies: &'static [Remedy],
    pub(super) check: fn() -> Result<String, String>,
}

/// How a piece comes to the machine.
#[derive(Debug)]
pub(super) enum Remedy {
    /// Debian's packages.
    Packages(&'static [&'static str]),
    /// A command that needs no privilege.
    Command(&'static [&'static str]),
    /// Something that this program fetches below `target/`.
    Fetch {
        /// What it fetches.
        what: &'static str,
        /// Fetches it.
        fetch: fn() -> Result<(), String>,
    },
}

/// What a run under QEMU needs beside the guest.
pub(super) static QEMU: [Piece; 1] = [Piece {
    name: "QEMU",
    why: "runs the guest",
    remedies: &[Remedy::Packages(&["qemu-system-x86"])],
    check: || find(emulator::PROGRAM),
}];

/// What any run needs.
pub(super) static GUEST: [Piece; 5] = [
    Piece {
        name: "setpriv",
        why: "ends the guests when this program is killed",
        remedies: &[Remedy::Packages(&["util-linux"])],
        check: || find(process::LEASH),
    },
    Piece {
        name: "guest toolchain",
        why: "compiles the unikernel for bare metal",
        remedies: &[
            Remedy::Command(&["rustup", "target", "add", "x86_64-unknown-none"]),
            Remedy::Packages(&["rustc-web", "cargo-web", "rust-web-src"]),
        ],
        check: || {
            toolchain::find()
                .map(|toolchain| toolchain.to_string())
                .map_err(|missing| missing.to_string())
        },
    },
    Piece {
        name: "linker",
        why: "links the unikernel",
        remedies: &[Remedy::Packages(&["build-essential"])],
        check: || find("ld"),
    },
    Piece {
        name: "C compiler",
        why: "links what runs while the unikernel is built",
        remedies: &[Remedy::Packages(&["build-essential"])],
        check: || find("cc"),
    },
    Piece {
        name: "patch",
        why: "applies the series in kernel-patches to the kernel's source",
        remedies: &[Remedy::Packages(&["patch"])],
        check: || find("patch"),
    },
];

/// What a run on CPUs that take updates needs beside that.
pub(super) static MODEL: [Piece; 1] = [Piece {
    name: "QEMU with plugins",
    why: "runs CPUs that take updates",
    remedies: &[Remedy::Fetch {
        what: "Debian's QEMU 11.1, unpacked below target/qemu, unless the system's will do",
        fetch: || {
            let tree = Tree::find().map_err(|error| error.to_string())?;
            build::plugin(&tree).map_err(|error| error.to_string())?;
            Emulator::with_plugin(&tree.plugin(), &tree.qemu(), &ProgressBar::hidden())
                .map(drop)
                .map_err(|error| error.to_string())
        },
    }],
    check: || {
        let tree = Tree::find().map_err(|error| error.to_string())?;
        emulator::found(&tree)
    },
}];

/// Only development needs them.
pub(super) static DEVELOPMENT: [Piece; 2] = [
    Piece {
        name: "guest linter",
        why: "checks what is compiled for the guest alone",
        remedies: &[
            Remedy::Command(&["rustup", "component", "add", "clippy"]),
            Remedy::Packages(&["rust-web-clippy"]),
        ],
        check: || {
            let toolchain = toolchain::find().map_err(|missing| missing.to_string())?;
            toolchain.clippy().map(|path| path.display().to_string())
        },
    },
    Piece {
        name: "iucode-tool",
        why: "is what the microcode reader is compared with",
        remedies: &[Remedy::Packages(&["iucode-tool"])],
        check: || find_also_in(&ADMINISTRATORS, IUCODE_TOOL).map(|path| path.display().to_string()),
    },
];

/// Debian's own reader of Intel's microcode.
pub(super) const IUCODE_TOOL: &str = "iucode_tool";

/// What fuzzing needs.
pub(super) static FUZZING: [Piece; 2] = [
    Piece {
        name: "C++ compiler",
        why: "compiles libFuzzer",
        remedies: &[Remedy::Packages(&["build-essential"])],
        check: || find("c++"),
    },
    Piece {
        name: "cargo-fuzz",
        why: "builds the fuzzers",
        remedies: &[Remedy::Command(&[
            "cargo",
            "install",
            "--locked",
            "cargo-fuzz",
        ])],
        // Cargo finds it where it installs, be that in PATH or not.
        check: || {
            let output = Command::new("cargo").args(["fuzz", "--version"]).output();
            match output {
                Ok(output) if output.status.success() => {
                    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
                }
                _ => Err("cargo has no command `fuzz`".to_owned()),
            }
        },
    },
];

/// KVM cannot be installed, and a run without it is skipped: it is shown, but
/// never missing.
pub(super) static KVM: Piece = Piece {
    name: "KVM",
    why: "only for --machine kvm and kvm-qemu",
    remedies: &[],
    check: || {
        let single = Topology {
            nr_packages: 1,
            nr_cores: 1,
            nr_threads: 1,
        };
        match Machine::Kvm.unavailable(single) {
            None => Ok("usable".to_owned()),
            Some(reason) => Err(reason),
        }
    },
};

fn find(program: &str) -> Result<String, String> {
    which(program)
        .map(|path| path.display().to_string())
        .map_err(|_| format!("{program} is not in PATH"))
}

/// Where plain users have no PATH to, though they may run what is there.
pub(super) const ADMINISTRATORS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// A program in PATH, or else in one of these folders.
pub(super) fn find_also_in(folders: &[&str], program: &str) -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let all = env::split_paths(&path).chain(folders.iter().map(PathBuf::from));
    env::join_paths(all)
        .ok()
        .and_then(|all| which_in_global(program, Some(all)).ok()?.next())
        .ok_or_else(|| format!("{program} is neither in PATH nor in {}", folders.join(", ")))
}

impl Piece {
    /// The commands that bring it, the best first.
    #[must_use]
    pub fn fix(&self) -> String {
        let remedies: Vec<_> = self.remedies.iter().map(Remedy::to_string).collect();
        remedies.join(" (or: ") + &")".repeat(remedies.len().saturating_sub(1))
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packages(packages) => write!(f, "sudo apt-get install {}", packages.join(" ")),
            Self::Command(words) => f.write_str(&words.join(" ")),
            Self::Fetch { what, .. } => write!(f, "muster setup, which fetches {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_program_is_found_beyond_path_only_in_the_folders_given() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("muster-test-program");
        fs::write(&program, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let given = [folder.path().to_str().unwrap()];
        assert_eq!(find_also_in(&given, "muster-test-program"), Ok(program));
        let problem = find_also_in(&ADMINISTRATORS, "muster-test-program").unwrap_err();
        assert!(problem.contains("/usr/sbin"), "{problem}");
    }

    #[test]
    fn a_fix_names_every_remedy_in_order() {
        let toolchain = GUEST.iter().find(|p| p.name == "guest toolchain").unwrap();
        assert_eq!(
            toolchain.fix(),
            "rustup target add x86_64-unknown-none (or: sudo apt-get install rustc-web cargo-web \
             rust-web-src)"
        );
    }
}
