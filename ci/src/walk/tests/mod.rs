//! Walks over what the tests make, and what is told of them.

mod archives;
mod files;
mod hostile;
mod make;

use std::fs;
use std::path::Path;

use super::{Item, Problem, ProblemKind, walk};

/// What a walk came across, in order.
#[derive(Debug, Default)]
struct Seen {
    blobs: Vec<(String, Vec<u8>)>,
    problems: Vec<Problem>,
}

impl Seen {
    fn at(path: &Path) -> Self {
        let mut seen = Self::default();
        walk(path, &mut |item| match item {
            Item::Blob(blob) => seen.blobs.push((blob.name.to_owned(), blob.bytes.to_vec())),
            Item::Problem(problem) => seen.problems.push(problem),
        });
        seen
    }

    /// Walks a file of that name and content.
    fn of_file(name: &str, bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Self::at(&path)
    }

    fn names(&self) -> Vec<&str> {
        self.blobs.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The only blob, if all went well.
    #[track_caller]
    fn only(&self) -> (&str, &[u8]) {
        assert!(self.problems.is_empty(), "{:?}", self.problems);
        assert_eq!(self.blobs.len(), 1, "{:?}", self.names());
        (&self.blobs[0].0, &self.blobs[0].1)
    }

    /// The only problem's name and kind.
    #[track_caller]
    fn problem(&self) -> (&str, &ProblemKind) {
        assert_eq!(self.problems.len(), 1, "{:?}", self.problems);
        (&self.problems[0].name, &self.problems[0].kind)
    }
}
