//! Which compiler builds the guest.
//!
//! The guest's target is `x86_64-unknown-none`. A toolchain can build for it
//! in two ways: with the target's libraries (`rustup target add`), or with
//! their sources, compiled along (`-Z build-std`; rustup's component rust-src,
//! or Debian's package rust-web-src). The first toolchain on the list that has
//! a way is taken, the compiler that runs by default before the system's.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::command::{clean, run};

/// The guest's target.
pub const TARGET: &str = "x86_64-unknown-none";

/// The oldest compiler that the guest is built with.
const OLDEST: (u32, u32) = (1, 95);

/// How the target's libraries come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// They are installed.
    Target,
    /// They are compiled from their sources.
    BuildStd,
}

/// A toolchain that can build the guest.
#[derive(Clone, Debug)]
pub struct Toolchain {
    pub(super) rustc: PathBuf,
    pub(super) cargo: PathBuf,
    /// How.
    pub way: Way,
    version: (u32, u32),
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.way {
            Way::Target => "with the installed target",
            Way::BuildStd => "with the libraries' sources (-Z build-std)",
        };
        let (major, minor) = self.version;
        write!(
            f,
            "rustc {major}.{minor} in {}, {way}",
            self.rustc.display()
        )
    }
}

impl Toolchain {
    /// Its linter, or why there is none.
    pub fn clippy(&self) -> Result<PathBuf, String> {
        let clippy = self
            .cargo
            .with_file_name(format!("cargo-clippy{}", env::consts::EXE_SUFFIX));
        if clippy.is_file() {
            Ok(clippy)
        } else {
            Err(format!("there is no {}", clippy.display()))
        }
    }
}

/// No toolchain can build the guest.
#[derive(Debug, thiserror::Error)]
#[error("no Rust toolchain can build for {TARGET}: {}", reasons.join("; "))]
pub struct Missing {
    reasons: Vec<String>,
}

/// Looks for a toolchain. One that was found stays: to ask two compilers takes
/// a fifth of a second.
pub fn find() -> Result<Toolchain, Missing> {
    static FOUND: OnceLock<Toolchain> = OnceLock::new();
    if let Some(toolchain) = FOUND.get() {
        return Ok(toolchain.clone());
    }
    let toolchain = look()?;
    Ok(FOUND.get_or_init(|| toolchain).clone())
}

fn look() -> Result<Toolchain, Missing> {
    let default = which::which("rustc").ok();
    let system = Some(PathBuf::from("/usr/bin/rustc")).filter(|path| path.is_file());
    let mut reasons = Vec::new();
    for rustc in default.into_iter().chain(system) {
        match probe(&rustc) {
            Ok(toolchain) => return Ok(toolchain),
            Err(reason) => reasons.push(format!("{} {reason}", rustc.display())),
        }
    }
    if reasons.is_empty() {
        reasons.push("there is no rustc".into());
    }
    Err(Missing { reasons })
}

/// A compiler's answer to a question.
fn ask(rustc: &Path, arguments: &[&str]) -> Result<String, String> {
    run("asking the compiler", clean(rustc).args(arguments))
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .map_err(|error| format!("does not run ({error})"))
}

fn probe(rustc: &Path) -> Result<Toolchain, String> {
    let said = ask(rustc, &["--version"])?;
    let version = parse_version(&said)
        .filter(|version| *version >= OLDEST)
        .ok_or_else(|| format!("is {said}, and {}.{} is the oldest", OLDEST.0, OLDEST.1))?;
    let sysroot = PathBuf::from(ask(rustc, &["--print", "sysroot"])?);
    let libraries = PathBuf::from(ask(
        rustc,
        &["--print", "target-libdir", "--target", TARGET],
    )?);
    let has_target = libraries
        .read_dir()
        .is_ok_and(|entries| entries.flatten().any(|entry| is_core(&entry.file_name())));
    let has_sources = sysroot
        .join("lib/rustlib/src/rust/library/core/Cargo.toml")
        .is_file();
    let way = match (has_target, has_sources) {
        (true, _) => Way::Target,
        (false, true) => Way::BuildStd,
        (false, false) => return Err("has neither that target nor the libraries' sources".into()),
    };
    // The programs themselves and not rustup's proxies: a proxy takes the word
    // of a rust-toolchain file in the folder it runs in, and Cargo runs the
    // compiler in the folders of crates, some of which have one.
    let program = |name: &str| {
        [sysroot.join("bin"), rustc.with_file_name("")]
            .iter()
            .map(|folder| folder.join(format!("{name}{}", env::consts::EXE_SUFFIX)))
            .find(|program| program.is_file())
            .ok_or(format!("has no {name} beside it"))
    };
    let (rustc, cargo) = (program("rustc")?, program("cargo")?);
    Ok(Toolchain {
        rustc,
        cargo,
        way,
        version,
    })
}

fn is_core(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("libcore-") && name.ends_with(".rlib")
}

/// The first two numbers of `rustc 1.96.0 (…)`.
fn parse_version(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(' ').nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(
            parse_version("rustc 1.96.0 (ac68faa20 2026-05-25)"),
            Some((1, 96))
        );
        assert!(parse_version("rustc 1.9.0").unwrap() < OLDEST);
        assert_eq!(parse_version("cargo"), None);
    }

    #[test]
    fn only_the_target_s_own_library_counts() {
        assert!(is_core(&"libcore-0123456789abcdef.rlib".into()));
        assert!(!is_core(&"libcore_arch.rlib".into()));
    }
}
