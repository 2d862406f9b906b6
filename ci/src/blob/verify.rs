//! Every finding of a set.

use std::fmt::Write;

use anstyle::AnsiColor;
use microcode::Severity;
use serde::Serialize;

use super::{Error, Problems, Sources};
use crate::exit::Exit;
use crate::table::count;

/// A finding.
#[derive(Clone, Debug, Serialize)]
pub struct FindingRow {
    /// In which file.
    pub file: String,
    /// Where in it, in bytes.
    pub offset: usize,
    /// `error` or `warning`.
    pub severity: &'static str,
    /// What, in one word.
    pub kind: &'static str,
    /// What, in a sentence.
    pub message: String,
}

/// What is wrong with a set.
#[derive(Debug, Serialize)]
pub struct Verification {
    /// How many files hold updates.
    pub files: usize,
    /// How many updates they hold, damaged ones included.
    pub updates: usize,
    /// All there is to say, in the order of files and offsets.
    pub findings: Vec<FindingRow>,
}

/// Looks at every piece.
///
/// # Errors
/// Nothing could be read, or there is nothing to say about any of it.
pub fn verify(sources: &Sources) -> Result<Verification, Error> {
    let mut result = Verification {
        files: 0,
        updates: 0,
        findings: Vec::new(),
    };
    let problems = sources.visit(&mut |blob| {
        let scan = microcode::scan(blob.bytes);
        result.files += usize::from(!scan.candidates.is_empty());
        result.updates += scan.candidates.len();
        let rows = scan.findings.iter().map(|finding| FindingRow {
            file: blob.name.to_owned(),
            offset: finding.offset,
            severity: finding.kind.severity().name(),
            kind: finding.kind.name(),
            message: finding.kind.to_string(),
        });
        result.findings.extend(rows);
    })?;
    result.add(problems);
    if result.updates == 0 && result.findings.is_empty() {
        return Err(Error::Nothing(sources.describe()));
    }
    Ok(result)
}

impl Verification {
    /// What could not be read is a finding too.
    fn add(&mut self, problems: Problems) {
        self.findings.extend(problems.into_iter().map(|problem| {
            let severity = if problem.is_error() {
                Severity::Error
            } else {
                Severity::Warning
            };
            FindingRow {
                offset: 0,
                severity: severity.name(),
                kind: "unread",
                message: problem.kind.to_string(),
                file: problem.name,
            }
        }));
    }

    fn nr_of(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings.filter(|f| f.severity == severity.name()).count()
    }

    /// FAIL if anything is an error.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self.nr_of(Severity::Error) {
            0 => Exit::Success,
            _ => Exit::Fail,
        }
    }

    /// A line for each finding and a line of sums.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let color = match finding.severity {
                "error" => AnsiColor::Red,
                _ => AnsiColor::Yellow,
            };
            let style = color.on_default();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{}:{:#x}: {style}{}{style:#}: {} ({})",
                finding.file, finding.offset, finding.severity, finding.message, finding.kind
            );
        }
        text + &format!(
            "{} in {}: {}, {}",
            count(self.updates, "update"),
            count(self.files, "file"),
            count(self.nr_of(Severity::Error), "error"),
            count(self.nr_of(Severity::Warning), "warning"),
        )
    }
}
