//! The bugs that loaders have had, put into the code that ships, one at a time:
//! the exploration must find each, or the unit tests of the package that it is in.
//!
//! A mutant is a patch of `mutants/`. Its head says where the bug was, which
//! cases of `tests/explore.rs` are tried on it (`Cases:`), and what must be found
//! (`Finds:`, any of several); or whose unit tests are run (`Package:`), and which
//! must fail (`Finds:`). `cargo test -p simulator --test mutants -- NAME` tries one; the
//! counter-example is printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};

/// What is copied, and changed.
const PACKAGES: [&str; 3] = [
    "app/crates/microcode",
    "app/crates/rendezvous",
    "ci/simulator",
];

fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_owned()
}

/// A field of a patch's head.
fn field<'a>(patch: &'a str, name: &str) -> Result<&'a str, Failed> {
    let head = patch.lines().take_while(|line| !line.starts_with("diff "));
    let mut values = head.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    values
        .next()
        .ok_or_else(|| format!("its head has no line '{name}: …'").into())
}

/// A checkout of the packages alone.
fn copy(folder: &Path) -> Result<(), Failed> {
    let root = root();
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    for package in PACKAGES {
        copy_folder(&root.join(package), &folder.join(package))?;
    }
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let manifest: toml::Table = toml::from_str(&fs::read_to_string(root.join("Cargo.toml"))?)?;
    let manifest = with_members(manifest).ok_or("Cargo.toml is no workspace's")?;
    fs::write(folder.join("Cargo.toml"), toml::to_string(&manifest)?)?;
    Ok(())
}

fn with_members(mut manifest: toml::Table) -> Option<toml::Table> {
    let workspace = manifest.get_mut("workspace")?.as_table_mut()?;
    let members = PACKAGES.map(toml::Value::from).to_vec();
    workspace.insert("members".into(), members.into());
    workspace.remove("default-members");
    Some(manifest)
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A command's output, both streams, and whether it succeeded.
fn output(command: &mut Command) -> Result<(String, bool), Failed> {
    let output = command.output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok((text, output.status.success()))
}

fn trial(name: &str, path: &Path) -> Result<(), Failed> {
    let text = fs::read_to_string(path)?;
    let finds = field(&text, "Finds")?;
    let package = field(&text, "Package").ok();
    let target = root().join("target/mutants");
    let folder = target.join(name);
    copy(&folder)?;
    let (said, is_applied) = output(
        Command::new("patch")
            .args(["--strip=1", "--fuzz=0", "--batch", "--input"])
            .arg(path)
            .current_dir(&folder),
    )?;
    if !is_applied {
        return Err(format!("the patch does not fit the code any more:\n{said}").into());
    }
    let cargo = |arguments: &[&str]| {
        output(
            Command::new(env!("CARGO"))
                .args(["test", "--offline", "--package"])
                .args(package.map_or(["simulator", "--test=explore"], |package| {
                    [package, "--lib"]
                }))
                .args(arguments)
                .env("CARGO_TARGET_DIR", target.join("build"))
                .env("RUSTFLAGS", "--allow warnings")
                .current_dir(&folder),
        )
    };
    let (said, is_built) = cargo(&["--no-run"])?;
    if !is_built {
        return Err(format!("it does not compile:\n{said}").into());
    }
    let wanted = match package {
        Some(_) => finds,
        None => field(&text, "Cases")?,
    };
    let (said, passes) = cargo(&["--", wanted])?;
    if passes {
        return Err(format!("nothing was found:\n{said}").into());
    }
    if package.is_some() {
        let failed = format!("{finds} ... FAILED");
        if !said.contains(&failed) {
            return Err(format!("something else than {finds} failed:\n{said}").into());
        }
        fs::remove_dir_all(folder)?;
        return Ok(());
    }
    let found = said
        .split("it must not do this:\n")
        .skip(1)
        .find(|found| finds.split(' ').any(|one| found.starts_with(one)))
        .ok_or_else(|| format!("something else than {finds} was found:\n{said}"))?;
    let counter_example = found.lines().take_while(|line| !line.is_empty());
    let counter_example: Vec<_> = counter_example.collect();
    println!("{name}: {}", counter_example.join("\n"));
    fs::remove_dir_all(folder)?;
    Ok(())
}

fn main() {
    let mut arguments = Arguments::from_args();
    // They share a folder of build products.
    arguments.test_threads = Some(1);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants");
    let entries = fs::read_dir(folder).expect("the package has mutants");
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "patch")
    });
    paths.sort();
    let trials = paths.into_iter().filter_map(|path| {
        let name = path.file_stem()?.to_str()?.to_owned();
        Some(Trial::test(name.clone(), move || trial(&name, &path)))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
