//! What of two measurements became slower: files that there are, or revisions of
//! the checkout that are built and measured in turns. The mathematics is
//! `measure::compare`.

mod revisions;
pub mod shown;

pub use revisions::{Revisions, SIDES, words};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use measure::compare::Unlike;
use measure::metrics::{Metrics, MetricsError};

use crate::build;
use crate::tree;

/// The file that is read in a folder.
const FILE: &str = "metrics.json";

/// Why two measurements were not compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of metrics is of no use.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// They are of different things.
    #[error(transparent)]
    Unlike(#[from] Unlike),
    /// There is no checkout to take revisions from.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// A folder without metrics.
    #[error(
        "{}: there is neither a {FILE} nor a run-1.json in this folder: give one that a run or a \
         comparison left", .0.display()
    )]
    Folder(PathBuf),
    /// Neither a file nor a revision.
    #[error(
        "{name}: this is no file, no folder and no revision of the checkout in {}: give two \
         {FILE}, or two revisions such as HEAD~1 and HEAD", root.display()
    )]
    Unknown {
        /// What was given.
        name: String,
        /// Where revisions were looked for.
        root: PathBuf,
    },
    /// One is a file and one a revision.
    #[error(
        "{file} is a file and {revision} a revision, which cannot be measured in turns: give two \
         files or two revisions"
    )]
    Mixed {
        /// The file.
        file: String,
        /// The revision.
        revision: String,
    },
    /// The words of --bench.
    #[error(
        "--bench {words:?}: {why}: give the words of a benchmark such as \"bench instructions\""
    )]
    Words {
        /// What was given.
        words: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A revision could not be checked out, built or run.
    #[error("{revision}: {error}")]
    Run {
        /// Which.
        revision: String,
        /// Why.
        error: build::Error,
    },
    /// A run left no metrics that can be read.
    #[error("{revision}: its benchmark left no metrics: {error}")]
    Left {
        /// Which.
        revision: String,
        /// Why.
        error: MetricsError,
    },
    /// A folder or link for the runs cannot be made.
    #[error("{}: {error}", path.display())]
    Folders {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Error {
    /// Whether what was given is wrong, and not what was run.
    #[must_use]
    pub const fn is_by_user(&self) -> bool {
        !matches!(
            self,
            Self::Run { .. } | Self::Left { .. } | Self::Folders { .. }
        )
    }
}

/// Reads a file of metrics, or a folder with one, or one with the runs of a
/// comparison, `run-1.json` and so on.
pub fn read(path: &Path) -> Result<Vec<Metrics>, Error> {
    if !path.is_dir() {
        return Ok(vec![Metrics::read(path)?]);
    }
    let file = path.join(FILE);
    if file.exists() {
        return Ok(vec![Metrics::read(&file)?]);
    }
    let files = (1..).map(|run| path.join(run_file(run)));
    let runs = files.take_while(|file| file.exists());
    let runs: Vec<_> = runs
        .map(|file| Metrics::read(&file))
        .collect::<Result<_, _>>()?;
    if runs.is_empty() {
        return Err(Error::Folder(path.to_owned()));
    }
    Ok(runs)
}

fn run_file(run: u32) -> String {
    format!("run-{run}.json")
}

fn create(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|error| Error::Folders {
        path: folder.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_file_or_numbered_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let error = read(path).unwrap_err();
        assert!(error.is_by_user() && error.to_string().contains("run-1.json"));
        let text = r#"{"schema_version": 1, "provenance": null, "series": []}"#;
        for run in [1, 2, 4] {
            fs::write(path.join(run_file(run)), text).unwrap();
        }
        assert_eq!(read(path).unwrap().len(), 2);
        fs::write(path.join(FILE), text).unwrap();
        assert_eq!(read(path).unwrap().len(), 1);
        fs::write(path.join(FILE), &text[..20]).unwrap();
        assert!(read(path).unwrap_err().to_string().contains("cut short"));
    }
}
