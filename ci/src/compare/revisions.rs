//! Two revisions of the checkout, each built in a clone of its own and measured in
//! turns: a machine that becomes slower meets both.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use indicatif::ProgressBar;
use measure::metrics::{ClockKind, Metrics, Series};

use super::{Error, create, run_file};
use crate::build::command::{clean, run};
use crate::tree::Tree;

/// What is fetched once for all clones, below `target/`. Both sides load the
/// same microcode in the same QEMU.
const FETCHED: [&str; 3] = ["debian", "firmware", "qemu"];

/// The folders of either side's runs.
pub const SIDES: [&str; 2] = ["A", "B"];

/// Digits of a revision's hash in the names of folders.
const NR_DIGITS: usize = 12;

/// Two revisions, A and B.
#[derive(Debug)]
pub struct Revisions<'a> {
    tree: &'a Tree,
    sides: [Revision; 2],
}

/// One of them.
#[derive(Debug)]
struct Revision {
    /// As it was given.
    name: String,
    hash: String,
}

impl Revision {
    fn find(root: &Path, name: &str) -> Option<Self> {
        // What starts with a dash would be a flag.
        if name.starts_with('-') {
            return None;
        }
        let commit = format!("{name}^{{commit}}");
        let mut git = git(root);
        let output = git
            .args(["rev-parse", "--verify", "--quiet", &commit])
            .output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(Self {
            name: name.to_owned(),
            hash: String::from_utf8(output.stdout).ok()?.trim().to_owned(),
        })
    }

    fn short(&self) -> &str {
        self.hash.get(..NR_DIGITS).unwrap_or(&self.hash)
    }

    /// Runs a command of it.
    fn run(&self, what: &str, command: &mut Command) -> Result<(), Error> {
        run(what, command).map(drop).map_err(|error| Error::Run {
            revision: self.name.clone(),
            error,
        })
    }
}

fn git(root: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(root);
    command
}

impl<'a> Revisions<'a> {
    /// The revisions of these names.
    pub fn find(tree: &'a Tree, names: [&str; 2]) -> Result<Self, Error> {
        let find = |name: &str| {
            Revision::find(tree.root(), name).ok_or_else(|| Error::Unknown {
                name: name.to_owned(),
                root: tree.root().to_owned(),
            })
        };
        let [a, b] = names;
        let sides = [find(a)?, find(b)?];
        Ok(Self { tree, sides })
    }

    /// Builds both and runs the benchmark of these words in turns, so many times each, or
    /// until what cannot vary has not; the runs of A and those of B. They stay in the
    /// folder that [`Revisions::folder`] names.
    pub fn measure(
        &self,
        words: &[String],
        nr_runs: u32,
        progress: &ProgressBar,
    ) -> Result<[Vec<Metrics>; 2], Error> {
        let _alone = self.alone(progress)?;
        for side in &self.sides {
            progress.set_message(format!("building {}", side.name));
            self.build(side)?;
        }
        let folders = SIDES.map(|side| self.folder().join(side));
        for folder in &folders {
            // Runs of another time are not of this comparison.
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    let path = folder.clone();
                    return Err(Error::Folders { path, error });
                }
                _ => create(folder)?,
            }
        }
        let mut runs = [Vec::new(), Vec::new()];
        for nr in 1..=nr_runs {
            if runs.iter().all(|side| is_settled(side)) {
                break;
            }
            // By turns the one and the other first: what grows meanwhile is neither's.
            let order = if nr % 2 == 1 { [0, 1] } else { [1, 0] };
            for side in order {
                let revision = &self.sides[side];
                progress.set_message(format!("{}: run {nr} of {nr_runs}", revision.name));
                let file = folders[side].join(run_file(nr));
                runs[side].push(self.run(revision, words, &file)?);
            }
        }
        Ok(runs)
    }

    /// A lock: two comparisons at once would measure each other, and write the same files.
    fn alone(&self, progress: &ProgressBar) -> Result<File, Error> {
        create(&self.tree.comparisons())?;
        let path = self.tree.comparisons().join(".lock");
        let lock = || {
            let file = File::create(&path)?;
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                progress.suspend(|| {
                    eprintln!("muster: another comparison is running, and this one waits for it");
                });
            }
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|error| Error::Folders {
            path: path.clone(),
            error,
        })
    }

    /// Where the runs are, A's and B's.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let [a, b] = self.sides.each_ref().map(Revision::short);
        self.tree.comparisons().join(format!("{a}-{b}"))
    }

    fn clone_of(&self, side: &Revision) -> PathBuf {
        self.tree.comparisons().join(side.short())
    }

    /// Checks it out, unless it is, and builds the program.
    fn build(&self, side: &Revision) -> Result<(), Error> {
        let clone = self.clone_of(side);
        self.check_out(side, &clone)?;
        let mut cargo = clean("cargo");
        cargo
            .args([
                "build",
                "--quiet",
                "--release",
                "--locked",
                "--package",
                "muster",
            ])
            .current_dir(&clone);
        side.run("the build of the program", &mut cargo)
    }

    fn check_out(&self, side: &Revision, clone: &Path) -> Result<(), Error> {
        if !clone.join(".git").exists() {
            // It has the checkout's own objects. A worktree would be entered in the
            // checkout, and stay so when the folder is removed.
            let mut git = git(self.tree.root());
            git.args(["clone", "--quiet", "--shared", "--no-checkout", "."])
                .arg(clone);
            side.run("the clone", &mut git)?;
        }
        // Whatever was changed there by hand is not of this revision.
        let mut git = git(clone);
        git.args(["-c", "advice.detachedHead=false", "checkout"])
            .args(["--quiet", "--force", "--detach", &side.hash]);
        side.run("the check-out", &mut git)?;
        create(&clone.join("target"))?;
        for name in FETCHED {
            let target = self.tree.root().join("target").join(name);
            let link = clone.join("target").join(name);
            if target.exists() && !link.exists() && !link.is_symlink() {
                symlink(target, &link).map_err(|error| Error::Folders { path: link, error })?;
            }
        }
        Ok(())
    }

    fn run(&self, side: &Revision, words: &[String], file: &Path) -> Result<Metrics, Error> {
        let clone = self.clone_of(side);
        let mut muster = clean(clone.join("target/release/muster"));
        muster
            .args(words)
            .arg(format!("--json={}", file.display()))
            .current_dir(&clone);
        side.run("the benchmark", &mut muster)?;
        Metrics::read(file).map_err(|error| Error::Left {
            revision: side.name.clone(),
            error,
        })
    }
}

/// Whether further runs would be the same again: of counts and virtual time alone, the
/// last two are.
fn is_settled(runs: &[Metrics]) -> bool {
    let [.., before, last] = runs else {
        return false;
    };
    let is_counted = |series: &Series| series.dimensions.clock != ClockKind::Tsc;
    last.series.iter().all(is_counted) && last.series == before.series
}

/// The words of a benchmark, as a shell would take them apart. `muster` before them
/// is left out; `--json` is for the comparison to give.
pub fn words(text: &str) -> Result<Vec<String>, Error> {
    let wrong = |why| Error::Words {
        words: text.to_owned(),
        why,
    };
    let mut words = shlex::split(text).ok_or_else(|| wrong("a quote is not closed"))?;
    if words.first().is_some_and(|word| word == "muster") {
        words.remove(0);
    }
    if words.iter().any(|word| word.starts_with("--json")) {
        return Err(wrong("the comparison gives --json itself"));
    }
    if words.is_empty() {
        return Err(wrong("there are none"));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use measure::metrics::{Dimensions, Metric, Stage};

    use super::*;

    #[test]
    fn the_words_are_a_command_line_without_json() {
        let expected = ["bench", "instructions", "--firmware", "a b"];
        assert_eq!(
            words("muster bench instructions --firmware 'a b'").unwrap(),
            expected
        );
        for text in ["", "muster", "bench 'x", "bench --json=x"] {
            let error = words(text).unwrap_err();
            assert!(
                error.is_by_user() && error.to_string().contains("bench instr"),
                "{error}"
            );
        }
    }

    #[test]
    fn counts_that_were_the_same_twice_are_not_counted_again_and_times_are() {
        let run = |clock, value| {
            let dimensions = Dimensions::new(Stage::Guest, clock, 2, 1, 1);
            let series = Series::new(Metric::Stall, dimensions, vec![value]);
            Metrics::new(serde_json::Value::Null, vec![series])
        };
        let count = |value| run(ClockKind::Icount, value);
        assert!(!is_settled(&[count(1)]));
        assert!(!is_settled(&[count(1), count(2)]));
        assert!(is_settled(&[count(1), count(2), count(2)]));
        assert!(!is_settled(&[
            run(ClockKind::Tsc, 1),
            run(ClockKind::Tsc, 1)
        ]));
    }

    #[test]
    fn a_revision_is_found_by_its_name_and_a_flag_is_none() {
        let tree = Tree::find().unwrap();
        let revisions = Revisions::find(&tree, ["HEAD", "HEAD"]).unwrap();
        let [a, b] = &revisions.sides;
        assert_eq!((a.hash.len(), &a.hash), (40, &b.hash));
        assert!(revisions.folder().starts_with(tree.root().join("target")));
        for name in ["nothing-of-this-name", "--all", ""] {
            let error = Revisions::find(&tree, ["HEAD", name]).unwrap_err();
            assert!(
                error.is_by_user() && error.to_string().contains("HEAD~1"),
                "{error}"
            );
        }
    }
}
