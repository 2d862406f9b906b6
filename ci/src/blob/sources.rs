//! What was named on the command line, gone through in order.

use std::path::{Path, PathBuf};

use crate::walk::{Blob, Item, Problem, walk};

use super::Error;

/// The files, folders and archives that were named.
#[derive(Clone, Debug)]
pub struct Sources {
    paths: Vec<PathBuf>,
}

/// What could not be read or was left out.
pub type Problems = Vec<Problem>;

impl Sources {
    /// All of these, in this order.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths }
    }

    /// Visits every piece of bytes that may be microcode. Names are relative
    /// to what was named; where more than one was, they begin with it.
    ///
    /// # Errors
    /// Something that was named itself cannot be read.
    pub fn visit(&self, visit: &mut dyn FnMut(Blob<'_>)) -> Result<Problems, Error> {
        let mut problems = Problems::new();
        for (path, prefix) in self.paths.iter().zip(self.prefixes()) {
            let before = problems.len();
            let mut nr_blobs = 0_usize;
            walk(path, &mut |item| match item {
                Item::Blob(blob) => {
                    nr_blobs += 1;
                    match prefix {
                        None => visit(blob),
                        Some(ref prefix) => visit(Blob {
                            name: &format!("{prefix}{}", blob.name),
                            bytes: blob.bytes,
                        }),
                    }
                }
                Item::Problem(mut problem) => {
                    problem
                        .name
                        .insert_str(0, prefix.as_deref().unwrap_or_default());
                    problems.push(problem);
                }
            });
            // A path that gave nothing but an error is a mistake of who named
            // it; an error on the way is one answer among others.
            if nr_blobs == 0 && problems.len() == before + 1 && problems[before].is_error() {
                let mut problem = problems.remove(before);
                problem.name = path.display().to_string();
                return Err(Error::Unreadable(problem));
            }
        }
        Ok(problems)
    }

    /// What the names of each path's pieces begin with, where there is more
    /// than one path: a folder's own name, or all of its path if another path
    /// ends in the same; nothing for files that differ in their names.
    fn prefixes(&self) -> Vec<Option<String>> {
        let last = |path: &PathBuf| path.file_name().map(std::ffi::OsStr::to_owned);
        let is_unique = |path: &PathBuf| {
            let name = last(path);
            name.is_some() && self.paths.iter().filter(|p| last(p) == name).count() == 1
        };
        let prefix = |path: &PathBuf| {
            if self.paths.len() == 1 {
                return None;
            }
            let folder = match (path.is_dir(), is_unique(path)) {
                (true, true) => path.file_name().map(PathBuf::from),
                (true, false) => Some(path.clone()),
                (false, true) => None,
                (false, false) => path.parent().map(Path::to_owned),
            };
            let folder = folder.filter(|folder| folder != Path::new(""));
            folder.map(|folder| format!("{}/", folder.display()))
        };
        self.paths.iter().map(prefix).collect()
    }

    /// What was named, for a sentence.
    #[must_use]
    pub fn describe(&self) -> String {
        let paths: Vec<_> = self.paths.iter().map(|p| p.display().to_string()).collect();
        paths.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use microcode::synth;

    use super::*;

    fn names(paths: &[PathBuf]) -> Vec<String> {
        let mut names = Vec::new();
        let sources = Sources::new(paths.to_vec());
        let visited = sources.visit(&mut |blob| names.push(blob.name.to_owned()));
        assert!(visited.unwrap().is_empty());
        names
    }

    #[test]
    fn names_tell_apart_what_was_named() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = synth::intel(1, 1, 1).build();
        for folder in ["a/ucode", "b/ucode", "b/amd"] {
            let folder = dir.path().join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("06-55-04"), &bytes).unwrap();
        }
        let [a, b, amd] = ["a/ucode", "b/ucode", "b/amd"].map(|f| dir.path().join(f));
        let file = "06-55-04";
        assert_eq!(names(std::slice::from_ref(&a)), [file]);
        let both = [format!("ucode/{file}"), format!("amd/{file}")];
        assert_eq!(names(&[a.clone(), amd]), both);
        let full = [&a, &b].map(|folder| format!("{}/{file}", folder.display()));
        assert_eq!(names(&[a.clone(), b.clone()]), full);
        assert_eq!(names(&[a.join(file), b.join(file)]), full);
    }

    #[test]
    fn what_is_not_there_is_an_error_that_names_it() {
        let sources = Sources::new(vec!["/nonexistent/ucode".into()]);
        let error = sources.visit(&mut |_| ()).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/ucode"), "{error}");
    }
}
