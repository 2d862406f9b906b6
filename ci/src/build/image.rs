//! Compiling and linking the image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::{clean, run};
use super::kernel::{self, Kernel};
use super::toolchain::{TARGET, Toolchain, Way};
use super::{Error, instructions, toolchain, workspace};
use crate::digest::sha256;

/// The guest, compiled: all of an image but the initrd.
#[derive(Clone, Debug)]
pub struct Library {
    root: PathBuf,
    path: PathBuf,
    /// The compiler and its way to the target's libraries.
    pub toolchain: String,
    /// The kernel's crate, version and series.
    pub kernel: String,
}

/// Where everything of the guest is built, below the checkout.
const FOLDER: &str = "target/guest";

/// The image runs where it is linked.
const RUSTFLAGS: &str = "-C relocation-model=static";

impl Library {
    /// Compiles the guest and all below it into one static library.
    pub fn compile(root: &Path) -> Result<Self, Error> {
        let toolchain = toolchain::find().map_err(Error::Toolchain)?;
        let kernel = kernel::prepare(root, &toolchain)?;
        let mut cargo = cargo(root, &toolchain, &kernel, &toolchain.cargo, "build")?;
        // Warnings are for `lint`: the kernel's would bury an error.
        cargo.env("RUSTFLAGS", format!("{RUSTFLAGS} -A warnings"));
        run("compiling the guest", &mut cargo)?;
        Ok(Self {
            root: root.to_owned(),
            path: root.join(FOLDER).join(TARGET).join("guest/libmuster_app.a"),
            toolchain: toolchain.to_string(),
            kernel: kernel.label,
        })
    }

    /// Makes the image, an ELF that boots: links the library where it runs, with
    /// `initrd` or with an empty one. The image is named after the initrd's
    /// digest, so that runs with different ones do not meet.
    pub fn link(&self, initrd: Option<&Path>) -> Result<PathBuf, Error> {
        let folder = self.root.join(FOLDER);
        let (name, incbin) = match initrd {
            None => ("muster".to_owned(), String::new()),
            Some(initrd) => {
                let bytes = fs::read(initrd).map_err(Error::file(initrd))?;
                let digest = sha256(&bytes);
                let path = initrd.canonicalize().map_err(Error::file(initrd))?;
                let incbin = format!(".incbin {:?}\n", path.to_string_lossy());
                (format!("muster-{}", &digest[..8]), incbin)
            }
        };
        // What is written is moved into place when it is whole: another run may
        // link the same image at the same time.
        let part = tempfile::tempdir_in(&folder).map_err(Error::file(&folder))?;
        let source = part.path().join("initrd.s");
        let object = part.path().join("initrd.o");
        let linked = part.path().join("image");
        let assembly = format!(".section .initrd, \"a\", @progbits\n.balign 16\n{incbin}");
        fs::write(&source, assembly).map_err(Error::file(&source))?;
        run(
            "assembling the initrd",
            Command::new("as")
                .arg("--64")
                .arg(&source)
                .arg("-o")
                .arg(&object),
        )?;
        let link = |symbols: &str| {
            let mut ld = Command::new("ld");
            ld.arg("--script")
                .arg(self.root.join("images/boot/link.ld"))
                .args(["--static", "--no-dynamic-linker", "--gc-sections", symbols])
                .args(["--no-eh-frame-hdr", "--build-id=none", "-z", "noexecstack"])
                .arg("--output")
                .arg(&linked)
                .arg(&self.path)
                .arg(&object);
            run("linking the image", &mut ld)
        };
        if initrd.is_none() {
            link("--discard-none")?;
            instructions::check(&fs::read(&linked).map_err(Error::file(&linked))?)?;
        }
        link("--strip-all")?;
        let image = folder.join(name).with_extension("elf");
        fs::rename(&linked, &image).map_err(Error::file(&image))?;
        Ok(image)
    }
}

/// Lints what is compiled for the guest alone; a warning is an error.
pub fn lint(root: &Path) -> Result<(), Error> {
    let toolchain = toolchain::find().map_err(Error::Toolchain)?;
    let kernel = kernel::prepare(root, &toolchain)?;
    // By its path: Cargo would take the first clippy that it finds.
    let clippy = toolchain.clippy().map_err(Error::Linter)?;
    let mut cargo = cargo(root, &toolchain, &kernel, &clippy, "clippy")?;
    cargo.args([
        "--package",
        "muster-boot",
        "--no-deps",
        "--",
        "--deny",
        "warnings",
    ]);
    run("linting the guest", &mut cargo)?;
    Ok(())
}

/// Cargo, about to do something with the guest.
fn cargo(
    root: &Path,
    toolchain: &Toolchain,
    kernel: &Kernel,
    program: &Path,
    verb: &str,
) -> Result<Command, Error> {
    let folder = root.join(FOLDER);
    let workspace = workspace::prepare(root, &folder, kernel)?;
    let mut cargo = clean(program);
    cargo
        .current_dir(workspace)
        .env("CARGO", &toolchain.cargo)
        .env("RUSTC", &toolchain.rustc)
        // The kernel uses unstable features, and so may the options below.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", RUSTFLAGS)
        .env("HERMIT_LOG_LEVEL_FILTER", "Warn")
        .args([verb, "--package", "muster-app", "--profile", "guest"])
        .args(["--target", TARGET, "--color", "never", "--quiet"])
        .arg("--target-dir")
        .arg(&folder)
        // Nobody's folders in the image.
        .args(["-Z", "trim-paths"])
        .args(["--config", "profile.guest.trim-paths = 'all'"]);
    if toolchain.way == Way::BuildStd {
        cargo.args(["-Z", "build-std=core,alloc"]);
    }
    Ok(cargo)
}
