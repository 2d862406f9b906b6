//! The folder of a suite, `target/muster/suite-<time>/`. The runs have theirs
//! beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Outcome, Report};
use crate::result::folder;
use crate::result::junit::junit;

/// The files of a suite.
#[derive(Clone, Debug)]
pub struct Files {
    dir: PathBuf,
}

impl Files {
    /// Writes them into a new folder among the `runs`.
    pub fn write(runs: &Path, outcome: &Outcome, report: &Report) -> io::Result<Self> {
        let files = Self {
            dir: folder(runs, "suite", Timestamp::now())?,
        };
        let json = serde_json::to_string_pretty(report)?;
        fs::write(files.report(), json + "\n")?;
        let results = outcome.ended.iter().map(|ended| &ended.result);
        let junit = junit(results).to_string().map_err(io::Error::other)?;
        fs::write(files.junit(), junit)?;
        Ok(files)
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What became of each scenario.
    #[must_use]
    pub fn report(&self) -> PathBuf {
        self.dir.join("suite.json")
    }

    /// The same for tools that read `JUnit` files.
    #[must_use]
    pub fn junit(&self) -> PathBuf {
        self.dir.join("junit.xml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::tests::outcome;

    #[test]
    fn the_report_and_a_suite_of_tests_for_each_scenario_are_written() {
        let runs = tempfile::tempdir().unwrap();
        let outcome = outcome();
        let report = Report::new(&outcome, runs.path());
        let files = Files::write(runs.path(), &outcome, &report).unwrap();
        let json = fs::read_to_string(files.report()).unwrap();
        assert!(json.contains("\"verdict\": \"FAIL\""), "{json}");
        let junit = fs::read_to_string(files.junit()).unwrap();
        assert_eq!(junit.matches("<testsuite ").count(), outcome.ended.len());
    }
}
