//! The tools that a run needs: what is missing, and how it comes.
//!
//! Each piece is a check, the reason why it is needed, and its remedies in
//! the order in which they are tried. `doctor` prints them, `setup` carries
//! them out, and `run` and `fuzz` do so by themselves unless
//! `MUSTER_NO_SETUP=1` is set. Packages are installed only through apt and only with rights that are at
//! hand: as root, or by a sudo that asks no password. Otherwise the command is
//! printed, as nobody should type a password for a program's child.

mod pieces;

pub use pieces::Piece;

use std::env;
use std::path::PathBuf;
use std::process::Command;

use which::which;

use pieces::{
    ADMINISTRATORS, DEVELOPMENT, FUZZING, GUEST, IUCODE_TOOL, KVM, MODEL, QEMU, Remedy,
    find_also_in,
};

/// Forbids `run` and `fuzz` to install anything when it is 1.
pub const NO_SETUP: &str = "MUSTER_NO_SETUP";

/// What the pieces are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Runs under this project's own monitor.
    KvmRuns,
    /// Runs on QEMU's machines that ignore updates.
    QemuRuns,
    /// Runs on any machine.
    ModelRuns,
    /// Fuzzing, which needs no guest.
    Fuzzing,
    /// Runs, and the checks of development.
    Development,
}

fn pieces(purpose: Purpose) -> impl Iterator<Item = &'static Piece> {
    let all: [&[Piece]; 5] = match purpose {
        Purpose::KvmRuns => [&GUEST, &[], &[], &[], &[]],
        Purpose::QemuRuns => [&GUEST, &QEMU, &[], &[], &[]],
        Purpose::ModelRuns => [&GUEST, &QEMU, &MODEL, &[], &[]],
        Purpose::Fuzzing => [&[], &[], &[], &[], &FUZZING],
        Purpose::Development => [&GUEST, &QEMU, &MODEL, &DEVELOPMENT, &FUZZING],
    };
    all.into_iter().flatten()
}

/// The program that the reader of Intel's microcode is compared with, or the
/// command that brings it.
pub fn iucode_tool() -> Result<PathBuf, Error> {
    find_also_in(&ADMINISTRATORS, IUCODE_TOOL).map_err(|problem| {
        let piece = DEVELOPMENT.iter().find(|piece| piece.name == "iucode-tool");
        Error::Missing {
            missing: problem,
            fix: piece.map(Piece::fix).unwrap_or_default(),
        }
    })
}

/// A piece as it was found.
#[derive(Debug)]
pub struct Finding {
    /// Which.
    pub piece: &'static Piece,
    /// Where it is, or what is wrong.
    pub state: Result<String, String>,
    /// Whether a run can do without.
    pub optional: bool,
}

/// Looks at every piece, the optional ones last.
#[must_use]
pub fn examine() -> Vec<Finding> {
    let look = |piece: &'static Piece, optional| Finding {
        piece,
        state: (piece.check)(),
        optional,
    };
    let needed = GUEST.iter().chain(&QEMU).chain(&MODEL);
    let mut findings: Vec<_> = needed.map(|piece| look(piece, false)).collect();
    findings.push(look(&KVM, true));
    findings
}

/// Why runs, or whatever else the pieces are for, are not possible here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Pieces are missing, and installing is not possible or not allowed.
    #[error("missing: {missing}\nto fix it: {fix}")]
    Missing {
        /// The pieces and what is wrong with each.
        missing: String,
        /// The commands.
        fix: String,
    },
    /// An installation failed.
    #[error("`{command}` failed ({status}): see its messages above")]
    Install {
        /// What was run.
        command: String,
        /// How it ended.
        status: String,
    },
    /// What this program fetches cannot be had.
    #[error("{0}")]
    Fetch(String),
}

/// The pieces that a run cannot do without and that are missing, as an error
/// with the commands that fix it.
pub fn require(purpose: Purpose) -> Result<(), Error> {
    let missing = missing(purpose);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing
        .iter()
        .map(|(piece, problem)| format!("{} ({problem})", piece.name))
        .collect();
    let fixes: Vec<_> = missing.iter().map(|(piece, _)| piece.fix()).collect();
    Err(Error::Missing {
        missing: names.join("; "),
        fix: deduplicated(fixes).join("; "),
    })
}

/// Installs what is missing; `say` is told each step before it is taken.
pub fn install(purpose: Purpose, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
    // First what needs no privilege, then all packages at once, then what is
    // fetched with what is there by now.
    for (piece, _) in missing(purpose) {
        for remedy in piece.remedies {
            if let Remedy::Command(command) = remedy
                && which(command[0]).is_ok()
            {
                say(&format!("{} {}: {remedy}", piece.name, piece.why));
                // Where it fails, the next remedy is tried.
                let _ = run(command);
            }
        }
    }
    let packages = packages(&missing(purpose));
    if !packages.is_empty() && which("apt-get").is_ok() {
        let Some(prefix) = privilege() else {
            return require(purpose);
        };
        for (piece, _) in missing(purpose) {
            say(&format!("{}: {}", piece.name, piece.why));
        }
        say(&format!("installing {}", packages.join(" ")));
        run(&[prefix, &["apt-get", "update"]].concat())?;
        let command = ["apt-get", "install", "--yes", "--no-install-recommends"];
        run(&[prefix, &command, &packages].concat())?;
    }
    for (piece, _) in missing(purpose) {
        for remedy in piece.remedies {
            if let Remedy::Fetch { what, fetch } = remedy {
                say(&format!("{} {}: fetching {what}", piece.name, piece.why));
                fetch().map_err(Error::Fetch)?;
            }
        }
    }
    require(purpose)
}

/// What `run` and `fuzz` do first: install what is missing if they may.
pub fn ensure(purpose: Purpose, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
    if missing(purpose).is_empty() {
        return Ok(());
    }
    if env::var_os(NO_SETUP).is_some_and(|value| value == "1") {
        return require(purpose);
    }
    install(purpose, say)
}

fn missing(purpose: Purpose) -> Vec<(&'static Piece, String)> {
    pieces(purpose)
        .filter_map(|piece| Some((piece, (piece.check)().err()?)))
        .collect()
}

fn packages(missing: &[(&Piece, String)]) -> Vec<&'static str> {
    let remedies = missing.iter().flat_map(|(piece, _)| piece.remedies);
    let packages = remedies.flat_map(|remedy| match remedy {
        Remedy::Packages(packages) => *packages,
        Remedy::Command(_) | Remedy::Fetch { .. } => &[],
    });
    deduplicated(packages.copied())
}

fn deduplicated<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

/// What gives a command the right to install: nothing for root, `sudo -n`
/// where it asks no password.
fn privilege() -> Option<&'static [&'static str]> {
    let succeeds = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .output()
            .ok()
            .filter(|output| output.status.success())
    };
    let id = succeeds("id", &["-u"])?;
    if id.stdout.trim_ascii() == b"0" {
        return Some(&[]);
    }
    succeeds("sudo", &["-n", "true"]).map(|_| ["sudo", "-n"].as_slice())
}

fn run(command: &[&str]) -> Result<(), Error> {
    let failed = |status: String| Error::Install {
        command: command.join(" "),
        status,
    };
    let status = Command::new(command[0])
        .args(&command[1..])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .map_err(|error| failed(error.to_string()))?;
    if status.success() {
        Ok(())
    } else {
        Err(failed(status.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_that_can_be_missing_has_a_fix_and_a_reason() {
        for piece in pieces(Purpose::Development) {
            assert!(!piece.fix().is_empty(), "{}", piece.name);
            assert!(!piece.why.is_empty(), "{}", piece.name);
        }
    }

    #[test]
    fn a_package_that_two_pieces_need_is_installed_once() {
        let all: Vec<_> = pieces(Purpose::Development)
            .map(|piece| (piece, String::new()))
            .collect();
        let packages = packages(&all);
        let nr_of = |name| packages.iter().filter(|package| **package == name).count();
        assert_eq!(nr_of("build-essential"), 1);
        assert_eq!(nr_of("qemu-system-x86"), 1);
    }
}
