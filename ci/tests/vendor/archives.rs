//! The sets in archives: a walk finds in them what it finds in the folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use microcode::Vendor;
use muster::digest::sha256;
use muster::walk::{Item, walk};
use which::which;

use super::sets::{self, File, Outcome, Set, Stop, failed, none_of};

pub(super) fn tar_gz() -> Outcome {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, bytes) in contents()? {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, bytes)?;
    }
    holds_the_same("sets.tar.gz", &archive.into_inner()?.finish()?)
}

/// Debian's own program packs it: an ar archive of tar archives in xz.
pub(super) fn package() -> Outcome {
    const CONTROL: &str = "Package: sets\nVersion: 1\nArchitecture: all\nMaintainer: a test <test@localhost>\n\
                           Description: what vendors ship\n";
    let program = which("dpkg-deb").map_err(|_| {
        Stop::Skipped("dpkg-deb is not in PATH; to fix it: install dpkg".to_owned())
    })?;
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("root");
    let contents = contents()?.into_iter();
    for (path, bytes) in contents.chain([("DEBIAN/control".into(), CONTROL.as_bytes())]) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&root))?;
        fs::write(path, bytes)?;
    }
    let package = folder.path().join("sets.deb");
    let output = Command::new(program)
        .args(["-Zxz", "-z0", "--build"])
        .args([&root, &package])
        .output()?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr)));
    }
    holds_the_same("sets.deb", &fs::read(package)?)
}

/// Both sets in the order of their paths and as packages have them, with
/// something beside them.
fn contents() -> Result<Vec<(PathBuf, &'static [u8])>, Stop> {
    let mut all = Vec::new();
    for set in sets()? {
        let folder = match set.vendor {
            Vendor::Intel => "intel-ucode",
            Vendor::Amd => "amd-ucode",
        };
        let path = |file: &File| Path::new("usr/lib/firmware").join(folder).join(&file.name);
        all.extend(
            set.files
                .iter()
                .map(|file| (path(file), file.bytes.as_slice())),
        );
    }
    let text: &[u8] = b"a text";
    all.push(("usr/share/doc/microcode/copyright".into(), text));
    Ok(all)
}

fn sets() -> Result<[&'static Set; 2], Stop> {
    Ok([sets::amd()?, sets::intel()?])
}

/// Whether a walk over the archive finds the files of both sets, each once;
/// their order is that of whoever packed them.
fn holds_the_same(name: &str, archive: &[u8]) -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(name);
    fs::write(&path, archive)?;
    let (mut found, mut lines) = (Vec::new(), Vec::new());
    walk(&path, &mut |item| match item {
        Item::Blob(blob) => {
            let file = Path::new(blob.name).file_name().unwrap_or_default();
            found.push((file.display().to_string(), sha256(blob.bytes)));
        }
        Item::Problem(problem) => lines.push(format!("{} {}", problem.name, problem.kind)),
    });
    let sets = sets()?;
    let files = sets.iter().flat_map(|set| &set.files);
    let mut expected: Vec<_> = files
        .map(|file| (file.name.clone(), sha256(&file.bytes)))
        .collect();
    found.sort();
    expected.sort();
    let missing = expected.iter().filter(|file| !found.contains(file));
    lines.extend(missing.map(|(file, _)| format!("not found as it is in the folder: {file}")));
    let others = found.iter().filter(|file| !expected.contains(file));
    lines.extend(others.map(|(file, _)| format!("found, but not in the folder: {file}")));
    if lines.is_empty() && found != expected {
        lines.push("something was found twice".to_owned());
    }
    none_of(&lines)?;
    let size = archive.len();
    Ok(format!("{} files in {size} bytes of {name}", found.len()))
}
