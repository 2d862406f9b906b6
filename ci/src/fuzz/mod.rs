//! The fuzzers of `ci/fuzz`: builds them, runs each within a bound, and says
//! what they did.
//!
//! cargo-fuzz knows the flags that make coverage visible to libFuzzer; it
//! builds all targets at once, without a sanitizer, as what they test has no
//! unsafe code, and so a stable compiler will do. Overflow checks and debug
//! assertions are on. The programs are then started by themselves, several at
//! a time, as cargo-fuzz would ask Cargo before each whether it is up to date.

pub mod shown;
mod stats;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::build;
use crate::build::command::{clean, command_line, run};
use crate::pool;
pub use stats::Stats;

/// Where everything of the fuzzers is, below the checkout.
const FOLDER: &str = "target/fuzz";
/// Their sources, below the checkout.
const SOURCES: &str = "ci/fuzz";
/// The longest input in bytes. Three updates fit, or an archive with both
/// vendors' files; longer ones show nothing new and take longer.
const MAX_INPUT: u32 = 4096;
/// What a single input may take in seconds and in MiB before it counts as
/// found. Usual are a few microseconds and 30 MiB.
const MAX_SECONDS: u32 = 10;
const MAX_MEMORY: u32 = 1024;
/// How long each target runs in seconds if no bound is given.
pub const SECONDS: u32 = 10;

/// When each target ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// After so many seconds.
    pub seconds: Option<u32>,
    /// After so many inputs.
    pub runs: Option<u32>,
}

impl Bound {
    /// libFuzzer's arguments; [`SECONDS`] if there is no bound.
    fn arguments(self) -> Vec<String> {
        let seconds = self
            .seconds
            .or_else(|| self.runs.is_none().then_some(SECONDS));
        let seconds = seconds.map(|seconds| format!("-max_total_time={seconds}"));
        let runs = self.runs.map(|runs| format!("-runs={runs}"));
        seconds.into_iter().chain(runs).collect()
    }
}

/// What one target did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The target's name.
    pub target: String,
    /// Its figures.
    pub stats: Stats,
    /// The input that breaks something, if one was found.
    pub found: Option<Found>,
}

/// An input that breaks something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it breaks, as the target said it.
    pub message: String,
    /// The file that holds it.
    pub input: PathBuf,
    /// The command that runs it again, in the checkout's root.
    pub again: String,
    /// All that the target said.
    pub log: PathBuf,
}

/// Why a target could not be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tool failed.
    #[error(transparent)]
    Build(#[from] build::Error),
    /// There is no such target.
    #[error("there is no fuzz target {name:?}; there are {}", targets.join(", "))]
    NoTarget {
        /// What was asked for.
        name: String,
        /// What there is.
        targets: Vec<String>,
    },
    /// A target ended and neither counted what it did nor wrote an input.
    #[error("the fuzz target {target} did not come to its end ({status}): see {}", log.display())]
    Ended {
        /// Its name.
        target: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        log: PathBuf,
    },
}

/// The targets, built.
#[derive(Debug)]
pub struct Fuzzers {
    root: PathBuf,
    /// The folder of the programs.
    programs: PathBuf,
    /// The compiler's own target.
    host: String,
    targets: Vec<String>,
}

impl Fuzzers {
    /// Builds all targets, or the one of that name, and writes their seeds.
    pub fn build(root: &Path, only: Option<&str>) -> Result<Self, Error> {
        let host = host()?;
        let mut fuzzers = Self {
            root: root.to_owned(),
            programs: root.join(FOLDER).join(&host).join("release"),
            host,
            targets: Vec::new(),
        };
        let mut list = fuzzers.cargo(&["fuzz", "list", "--fuzz-dir", SOURCES]);
        let list = run("listing the fuzz targets", &mut list)?;
        fuzzers.targets = choose(&String::from_utf8_lossy(&list.stdout), only)?;
        let mut build = fuzzers.cargo(&["fuzz", "build"]);
        build.args(fuzzers.flags()).args(only);
        run("building the fuzz targets", &mut build)?;
        // Without libFuzzer these are an ordinary program's build.
        let mut seeds = fuzzers.cargo(&["run", "--quiet", "--package", "muster-fuzz"]);
        seeds
            .args(["--no-default-features", "--example", "seeds", "--"])
            .arg(root.join(FOLDER).join("seeds"))
            .args(&fuzzers.targets);
        run("writing the seeds", &mut seeds)?;
        Ok(fuzzers)
    }

    /// Runs every target, `jobs` at a time; `done` is told of each that ended.
    pub fn run(
        &self,
        bound: Bound,
        jobs: usize,
        done: &(dyn Fn(&Outcome) + Sync),
    ) -> Result<Vec<Outcome>, Error> {
        let outcomes = pool::run(&self.targets, jobs, |target| {
            let outcome = self.run_target(target, bound)?;
            done(&outcome);
            Ok(outcome)
        });
        outcomes.into_iter().collect()
    }

    fn run_target(&self, target: &str, bound: Bound) -> Result<Outcome, Error> {
        let folder = self.root.join(FOLDER);
        let own = |name: &str| folder.join(name).join(target);
        let (corpus, artifacts) = (own("corpus"), own("artifacts"));
        let log = own("logs").with_extension("log");
        for path in [&corpus, &artifacts, &folder.join("logs")] {
            fs::create_dir_all(path).map_err(build::Error::file(path))?;
        }
        let said = File::create(&log).map_err(build::Error::file(&log))?;
        let also = said.try_clone().map_err(build::Error::file(&log))?;
        let program = self.programs.join(target);
        let end = Command::new(&program)
            .current_dir(&self.root)
            .args(bound.arguments())
            .arg(format!("-max_len={MAX_INPUT}"))
            .arg(format!("-timeout={MAX_SECONDS}"))
            .arg(format!("-rss_limit_mb={MAX_MEMORY}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .arg("-print_final_stats=1")
            .args([corpus, own("seeds")])
            .stdout(said)
            .stderr(also)
            .status()
            .map_err(|why| tool(&program, why))?;
        let text = fs::read(&log).map_err(build::Error::file(&log))?;
        let text = String::from_utf8_lossy(&text);
        let found = stats::input(&text)
            .filter(|_| !end.success())
            .map(|input| Found {
                message: stats::message(&text),
                again: self.again(target, &input),
                input,
                log: log.clone(),
            });
        match (Stats::read(&text), end.success() || found.is_some()) {
            (Some(stats), true) => Ok(Outcome {
                target: target.to_owned(),
                stats,
                found,
            }),
            _ => Err(Error::Ended {
                target: target.to_owned(),
                status: end,
                log,
            }),
        }
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = clean("cargo");
        cargo.current_dir(&self.root).args(arguments);
        cargo
    }

    /// How cargo-fuzz builds the targets, whatever it does with them.
    fn flags(&self) -> [&str; 10] {
        [
            "--fuzz-dir",
            SOURCES,
            "--target-dir",
            FOLDER,
            "--target",
            &self.host,
            "--sanitizer",
            "none",
            "--release",
            "--debug-assertions",
        ]
    }

    fn again(&self, target: &str, input: &Path) -> String {
        let mut cargo = self.cargo(&["fuzz", "run"]);
        let input = input.strip_prefix(&self.root).unwrap_or(input);
        cargo.args(self.flags()).arg(target).arg(input);
        command_line(&cargo)
    }
}

fn tool(program: &Path, why: io::Error) -> build::Error {
    build::Error::Tool {
        tool: program.display().to_string(),
        why,
    }
}

/// The compiler's own target.
fn host() -> Result<String, build::Error> {
    let said = run("asking the compiler", clean("rustc").arg("-vV"))?;
    let said = String::from_utf8_lossy(&said.stdout);
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| build::Error::Failed {
        what: "asking the compiler for its target".to_owned(),
        command: "rustc -vV".to_owned(),
        output: said.clone().into_owned(),
    })
}

/// The targets that `list` has a line for, or the one that was asked for.
fn choose(list: &str, only: Option<&str>) -> Result<Vec<String>, Error> {
    let targets: Vec<_> = list.lines().map(|line| line.trim().to_owned()).collect();
    match only {
        None => Ok(targets),
        Some(name) if targets.iter().any(|target| target == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(Error::NoTarget {
            name: name.to_owned(),
            targets,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_always_bounded() {
        let arguments = |seconds, runs| Bound { seconds, runs }.arguments();
        assert_eq!(arguments(None, None), ["-max_total_time=10"]);
        assert_eq!(arguments(Some(3), None), ["-max_total_time=3"]);
        assert_eq!(arguments(None, Some(9)), ["-runs=9"]);
        assert_eq!(
            arguments(Some(3), Some(9)),
            ["-max_total_time=3", "-runs=9"]
        );
    }

    #[test]
    fn a_target_that_does_not_exist_is_refused_with_those_that_do() {
        assert_eq!(choose("amd\nscan\n", None).unwrap(), ["amd", "scan"]);
        assert_eq!(choose("amd\nscan\n", Some("scan")).unwrap(), ["scan"]);
        let error = choose("amd\nscan\n", Some("sca")).unwrap_err();
        assert!(
            error.to_string().ends_with("there are amd, scan"),
            "{error}"
        );
    }

    #[test]
    fn a_program_of_another_kind_is_no_fuzzer_that_found_nothing() {
        let root = tempfile::tempdir().unwrap();
        let fuzzers = |programs: &str, target: &str| Fuzzers {
            root: root.path().to_owned(),
            programs: programs.into(),
            host: "host".to_owned(),
            targets: vec![target.to_owned()],
        };
        let run = |fuzzers: Fuzzers| {
            let bound = Bound {
                seconds: Some(1),
                runs: None,
            };
            fuzzers.run(bound, 2, &|_| ()).unwrap_err().to_string()
        };
        let said = run(fuzzers("/bin", "true"));
        assert!(said.contains("did not come to its end"), "{said}");
        let said = run(fuzzers("/nonexistent", "scan"));
        assert!(said.contains("/nonexistent/scan"), "{said}");
    }
}
