//! Which scenarios a suite consists of.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Error, Scenario};

/// The scenarios of `folder` that are named or belong to one of the groups,
/// each once; all of them where neither is given. A name may be a file's path,
/// as for [`Scenario::load`].
pub fn select(folder: &Path, names: &[String], groups: &[String]) -> Result<Vec<Scenario>, Error> {
    let all = Scenario::list(folder)?;
    if names.is_empty() && groups.is_empty() {
        return all.iter().map(|path| Scenario::read(path)).collect();
    }
    let mut paths = BTreeSet::new();
    for name in names {
        paths.insert(Scenario::find(folder, name)?);
    }
    if !groups.is_empty() {
        let mut known = BTreeSet::new();
        for path in all {
            let scenario = Scenario::read(&path)?;
            if scenario.groups.iter().any(|group| groups.contains(group)) {
                paths.insert(path);
            }
            known.extend(scenario.groups);
        }
        if let Some(group) = groups.iter().find(|group| !known.contains(*group)) {
            return Err(Error::UnknownGroup {
                group: group.clone(),
                known: Vec::from_iter(known).join(", "),
            });
        }
    }
    paths.iter().map(|path| Scenario::read(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, groups) in [("a", "[\"x\"]"), ("b", "[\"x\", \"y\"]"), ("c", "[]")] {
            let text = format!("summary = \"\"\ngroups = {groups}");
            std::fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
        }
        folder
    }

    fn selected(names: &[&str], groups: &[&str]) -> Result<String, String> {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let scenarios = select(folder().path(), &owned(names), &owned(groups));
        let scenarios = scenarios.map_err(|error| error.to_string())?;
        Ok(scenarios.into_iter().map(|s| s.name).collect())
    }

    #[test]
    fn names_and_groups_add_up_and_neither_is_all() {
        assert_eq!(selected(&[], &[]).unwrap(), "abc");
        assert_eq!(selected(&["c", "a", "c"], &[]).unwrap(), "ac");
        assert_eq!(selected(&[], &["y"]).unwrap(), "b");
        assert_eq!(selected(&["c"], &["y", "x"]).unwrap(), "abc");
    }

    #[test]
    fn what_there_is_not_is_answered_with_what_there_is() {
        let error = selected(&["a", "d"], &[]).unwrap_err();
        assert!(error.ends_with("\"d\"; there are: a, b, c"), "{error}");
        let error = selected(&[], &["x", "z"]).unwrap_err();
        assert!(error.ends_with("\"z\"; there are: x, y"), "{error}");
    }
}
