//! Compiling and linking the image.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::{clean, run};
use super::kernel::{self, Kernel};
use super::toolchain::{TARGET, Toolchain, Way};
use super::{Error, toolchain};

/// An image that boots, and what it was built with.
#[derive(Clone, Debug)]
pub struct Image {
    /// The ELF.
    pub path: PathBuf,
    /// The compiler and its way to the target's libraries.
    pub toolchain: String,
    /// Crate, version and series.
    pub kernel: String,
}

/// Where everything of the guest is built, below the checkout.
const FOLDER: &str = "target/guest";

/// Builds the image with `initrd` linked into it, or with an empty one.
pub fn image(root: &Path, initrd: Option<&Path>) -> Result<Image, Error> {
    let toolchain = toolchain::find()?;
    let kernel = kernel::prepare(root, &toolchain)?;
    let library = compile(root, &toolchain, &kernel)?;
    let path = link(root, &library, initrd)?;
    Ok(Image {
        path,
        toolchain: toolchain.to_string(),
        kernel: kernel.label,
    })
}

/// Compiles the guest and all below it into one static library.
fn compile(root: &Path, toolchain: &Toolchain, kernel: &Kernel) -> Result<PathBuf, Error> {
    let folder = root.join(FOLDER);
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    let lock = derive_lock(root, &folder)?;
    let mut cargo = clean(&toolchain.cargo);
    cargo
        .current_dir(root)
        .env("RUSTC", &toolchain.rustc)
        // The kernel uses unstable features, and so do the options below.
        .env("RUSTC_BOOTSTRAP", "1")
        .env(
            "RUSTFLAGS",
            "-C relocation-model=static",
        )
        .args(["build", "--package", "muster-app", "--profile", "guest"])
        .args(["--target", TARGET, "--color", "never"])
        .arg("--target-dir")
        .arg(&folder)
        .args(["-Z", "lockfile-path", "--config"])
        .arg(format!("resolver.lockfile-path={}", toml_text(&lock)))
        .arg("--config")
        .arg(format!(
            "patch.crates-io.hermit-kernel.path={}",
            toml_text(&kernel.path)
        ));
    if std::env::var_os("HERMIT_LOG_LEVEL_FILTER").is_none() {
        cargo.env("HERMIT_LOG_LEVEL_FILTER", "Warn");
    }
    if toolchain.way == Way::BuildStd {
        cargo.args(["-Z", "build-std=core,alloc"]);
    }
    run("compiling the guest", &mut cargo)?;
    Ok(folder.join(TARGET).join("guest/libmuster_app.a"))
}

/// The lock file of the guest's build: the workspace's, in which Cargo turns
/// the registry's kernel into the patched one. It starts from the workspace's
/// whenever that is another one.
fn derive_lock(root: &Path, folder: &Path) -> Result<PathBuf, Error> {
    let original = root.join("Cargo.lock");
    let lock = folder.join("Cargo.lock");
    let copied = folder.join("Cargo.lock.workspace");
    let text = fs::read(&original).map_err(Error::file(&original))?;
    if fs::read(&copied).is_ok_and(|before| before == text) && lock.is_file() {
        return Ok(lock);
    }
    fs::write(&lock, &text).map_err(Error::file(&lock))?;
    fs::write(&copied, &text).map_err(Error::file(&copied))?;
    Ok(lock)
}

/// A path as a string of TOML.
fn toml_text(path: &Path) -> String {
    toml::Value::from(path.to_string_lossy().into_owned()).to_string()
}

/// Links the library and the initrd where the image runs.
fn link(root: &Path, library: &Path, initrd: Option<&Path>) -> Result<PathBuf, Error> {
    let folder = root.join(FOLDER);
    let source = folder.join("initrd.s");
    let object = folder.join("initrd.o");
    let image = folder.join(match initrd {
        Some(_) => "muster-initrd.elf",
        None => "muster.elf",
    });
    let part = image.with_extension("part");
    let mut assembly = String::from(".section .initrd, \"a\", @progbits\n.balign 16\n");
    if let Some(initrd) = initrd {
        let initrd = initrd.canonicalize().map_err(Error::file(initrd))?;
        assembly += &format!(".incbin {:?}\n", initrd.to_string_lossy());
    }
    fs::File::create(&source)
        .and_then(|mut file| file.write_all(assembly.as_bytes()))
        .map_err(Error::file(&source))?;
    run(
        "assembling the initrd",
        Command::new("as")
            .arg("--64")
            .arg(&source)
            .arg("-o")
            .arg(&object),
    )?;
    run(
        "linking the image",
        Command::new("ld")
            .arg("--script")
            .arg(root.join("images/boot/link.ld"))
            .args([
                "--static",
                "--no-dynamic-linker",
                "--gc-sections",
                "--strip-all",
            ])
            .args(["--no-eh-frame-hdr", "--build-id=none", "-z", "noexecstack"])
            .arg("--output")
            .arg(&part)
            .arg(library)
            .arg(&object),
    )?;
    // A machine that runs the old one keeps it.
    fs::rename(&part, &image).map_err(Error::file(&image))?;
    Ok(image)
}
