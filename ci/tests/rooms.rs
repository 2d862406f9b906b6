//! The rooms of the repository keep to themselves: who may know whom, who may
//! be unsafe, and what stands in two places agrees.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Each package and the packages of the workspace that it may use.
const MAY_USE: [(&str, &[&str]); 14] = [
    ("cpu", &[]),
    ("cpu-model", &["engine", "stand-in"]),
    // For the formats' headers alone.
    ("engine", &["microcode"]),
    ("measure", &["cpu", "rendezvous"]),
    ("microcode", &[]),
    (
        "muster",
        &[
            "engine",
            "measure",
            "microcode",
            "rendezvous",
            "report",
            "stand-in",
            "vmm",
        ],
    ),
    (
        "muster-app",
        &[
            "cpu",
            "engine",
            "microcode",
            "muster-boot",
            "rendezvous",
            "report",
        ],
    ),
    ("muster-boot", &[]),
    (
        "muster-fuzz",
        &["engine", "microcode", "report", "stand-in", "vmm"],
    ),
    ("rendezvous", &[]),
    ("report", &[]),
    ("simulator", &["rendezvous"]),
    ("stand-in", &["engine", "microcode", "report"]),
    ("vmm", &["engine", "microcode", "report", "stand-in"]),
];

/// The packages that know the kernel.
const KNOW_HERMIT: [&str; 2] = ["muster-app", "muster-boot"];

/// The packages with unsafe code; every other one forbids it.
const MAY_BE_UNSAFE: [&str; 5] = ["cpu", "cpu-model", "muster-app", "muster-boot", "vmm"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("ci is a folder of the checkout")
}

/// Each package of the workspace: the root files of its library and its
/// programs, and its dependencies.
fn packages() -> BTreeMap<String, (Vec<PathBuf>, BTreeSet<String>)> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo reads its own workspace");
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| {
            let files: Vec<_> = package
                .targets
                .iter()
                .filter(|target| !target.is_custom_build() && !target.is_test())
                .map(|target| target.src_path.clone().into_std_path_buf())
                .collect();
            assert!(!files.is_empty(), "{} has no target", package.name);
            let dependencies = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal)
                .map(|dependency| dependency.name.clone())
                .collect();
            (package.name.to_string(), (files, dependencies))
        })
        .collect()
}

#[test]
fn each_package_uses_only_those_that_it_may() {
    let packages = packages();
    let rule: BTreeMap<_, _> = MAY_USE.into_iter().collect();
    let names: Vec<_> = packages.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        rule.keys().copied().collect::<Vec<_>>(),
        "a package came or went: give it its line in MAY_USE"
    );
    for (name, (_, dependencies)) in &packages {
        for dependency in dependencies {
            let of_workspace = packages.contains_key(dependency);
            assert!(
                !of_workspace || rule[name.as_str()].contains(&dependency.as_str()),
                "{name} may not use {dependency}"
            );
            let of_kernel = dependency.starts_with("hermit");
            assert!(
                !of_kernel || KNOW_HERMIT.contains(&name.as_str()),
                "{name} may not know the kernel ({dependency})"
            );
        }
    }
}

#[test]
fn packages_without_need_for_unsafe_code_forbid_it() {
    for (name, (files, _)) in packages() {
        for file in files {
            let text = fs::read_to_string(&file).expect("a target has its root file");
            assert_eq!(
                text.contains("#![forbid(unsafe_code)]"),
                !MAY_BE_UNSAFE.contains(&name.as_str()),
                "{name}: {}",
                file.display()
            );
        }
    }
}

#[test]
fn the_kernel_writes_the_exit_codes_that_the_report_names() {
    let series: String = fs::read_dir(root().join("kernel-patches"))
        .expect("the folder is there")
        .map(|entry| entry.expect("and can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "patch"))
        .map(|path| fs::read_to_string(path).expect("a patch is text"))
        .collect();
    for (name, code) in [
        ("EXIT_PANIC", report::exit::PANIC),
        ("EXIT_EXCEPTION", report::exit::EXCEPTION),
    ] {
        let line = format!("+const {name}: i32 = {code:#x};");
        assert!(series.contains(&line), "no patch has the line {line}");
    }
}

#[test]
fn every_patch_stands_in_the_series_and_in_the_table() {
    let folder = root().join("kernel-patches");
    let series = fs::read_to_string(folder.join("series")).expect("the series is there");
    let table = fs::read_to_string(folder.join("README.md")).expect("the table is there");
    let mut patches: Vec<String> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("and can be read").file_name().into_string())
        .map(|name| name.expect("patches have plain names"))
        .filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|ending| ending == "patch")
        })
        .collect();
    patches.sort_unstable();
    assert_eq!(series.lines().collect::<Vec<_>>(), patches);
    for patch in patches {
        let name = patch.trim_end_matches(".patch");
        assert!(
            table.contains(&format!("| `{name}` |")),
            "no row for {name}"
        );
    }
}

/// What follows a word that says `just`, where a command is meant: at the start of
/// a line of code, or of code within a line.
fn recipes_named(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().flat_map(|line| line.split('`'));
    lines.filter_map(|code| {
        let command = code
            .trim_start()
            .trim_start_matches("$ ")
            .strip_prefix("just ")?;
        let name = command.split_whitespace().next()?;
        name.starts_with(|c: char| c.is_ascii_lowercase())
            .then_some(name)
    })
}

#[test]
fn every_recipe_that_a_readme_or_the_workflow_names_is_in_the_justfile() {
    let justfile = fs::read_to_string(root().join("Justfile")).expect("it is there");
    let recipes: BTreeSet<_> = justfile
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
        .filter_map(|line| line.split([' ', ':']).next())
        .collect();
    let rooms = ["", "app", "ci", "images", "kernel-patches"];
    let readmes = rooms.map(|room| root().join(room).join("README.md"));
    let workflow = root().join(".github/workflows/kvm.yml");
    for file in readmes.iter().chain([&workflow]) {
        let text = fs::read_to_string(file).expect("it is there");
        for name in recipes_named(&text) {
            assert!(recipes.contains(name), "{}: just {name}", file.display());
        }
    }
    for file in [&readmes[0], &workflow] {
        let text = fs::read_to_string(file).expect("it is there");
        assert!(recipes_named(&text).any(|name| name == "run-kvm"));
    }
}
