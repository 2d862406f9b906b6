//! Judges a saved run again, with today's rules.
//!
//! A log in its run's folder is judged with all that belongs to it: the other
//! logs, how the machine ended, which verdicts were expected. A console log
//! from elsewhere is judged by itself: nothing corroborates it, and only PASS
//! is as expected.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::judge::{Ending, judge};
use crate::result::{Context, Files, Logs, Provenance, RunResult, read_lossy};
use crate::scenario::review;
use crate::verdict::Verdict;

/// Why a log cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The result beside it is none.
    #[error("{} is not a result of this program: {error}", path.display())]
    Result {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: serde_json::Error,
    },
}

/// Judges `log`: a run's folder, its console log, or any console log.
pub fn replay(log: &Path) -> Result<RunResult, Error> {
    let unreadable = |error| Error::Read {
        path: log.to_owned(),
        error,
    };
    let is_folder = fs::metadata(log).map_err(unreadable)?.is_dir();
    let folder = if is_folder {
        log
    } else {
        log.parent().unwrap_or(Path::new(""))
    };
    let files = Files::at(folder);
    let belongs = is_folder || (files.console() == log && files.result().exists());
    let (logs, context) = if belongs {
        (files.logs().map_err(unreadable)?, saved_context(&files)?)
    } else {
        let logs = Logs {
            console: read_lossy(log).map_err(unreadable)?,
            ..Logs::default()
        };
        (logs, bare_context(log))
    };
    let mut result = RunResult::new(&judge(&logs.evidence(context.ending)), context);
    review(&mut result);
    Ok(result)
}

fn saved_context(files: &Files) -> Result<Context, Error> {
    let path = files.result();
    let text = fs::read_to_string(&path).map_err(|error| Error::Read {
        path: path.clone(),
        error,
    })?;
    serde_json::from_str(&text).map_err(|error| Error::Result { path, error })
}

fn bare_context(log: &Path) -> Context {
    Context {
        scenario: log.display().to_string(),
        machine: None,
        expected: vec![Verdict::Pass],
        firmware: None,
        ending: Ending::Unknown,
        accel: None,
        started: None,
        seconds: 0.0,
        provenance: Provenance::default(),
    }
}
