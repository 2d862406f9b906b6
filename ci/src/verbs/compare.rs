//! What the verb `compare` does.

use std::ffi::OsStr;
use std::path::Path;

use measure::compare::compare;
use measure::metrics::Metrics;

use super::{answer, progress, say};
use crate::cli::CompareArgs;
use crate::compare::{Error, Revisions, SIDES, read, shown, words};
use crate::exit::Exit;
use crate::setup::{self, Purpose};
use crate::tree::Tree;

pub(super) fn act(args: &CompareArgs) -> anyhow::Result<Exit> {
    let [path_a, path_b] = [&args.a, &args.b].map(Path::new);
    let ([a, b], files) = match (path_a.exists(), path_b.exists()) {
        (true, true) => ([read(path_a)?, read(path_b)?], None),
        (false, false) => {
            let (runs, folder) = of_revisions(args)?;
            (runs, Some(folder))
        }
        (is_a_file, _) => return Err(mixed(args, is_a_file)?.into()),
    };
    let mut rules = args.rules();
    rules.take_turns = files.is_some() || are_of_one_comparison(path_a, path_b);
    let comparison = compare(&a, &b, &rules).map_err(Error::from)?;
    if args.json.is_alone() {
        anstream::eprintln!("{}", shown::verdict(&comparison));
    }
    answer(&args.json, &comparison, || shown::comparison(&comparison))?;
    if let Some(folder) = files.filter(|_| !args.json.is_alone()) {
        say(&format!("files: {folder}"));
    }
    Ok(if comparison.slower {
        Exit::Fail
    } else {
        Exit::Success
    })
}

/// Why a file and something else are not compared: the other one is a revision, or
/// nothing at all.
fn mixed(args: &CompareArgs, is_a_file: bool) -> Result<Error, Error> {
    let (file, revision) = if is_a_file {
        (&args.a, &args.b)
    } else {
        (&args.b, &args.a)
    };
    Revisions::find(&Tree::find()?, [revision; 2])?;
    Ok(Error::Mixed {
        file: file.clone(),
        revision: revision.clone(),
    })
}

/// Whether these are the folders that a comparison of revisions left, whose runs took
/// turns.
fn are_of_one_comparison(a: &Path, b: &Path) -> bool {
    let [a, b] = [a, b].map(|path| path.canonicalize().ok());
    let (Some(a), Some(b)) = (a, b) else {
        return false;
    };
    let names = [a.file_name(), b.file_name()];
    a.parent() == b.parent() && names == SIDES.map(|side| Some(OsStr::new(side)))
}

/// The runs of two revisions, and the folder that they are in.
fn of_revisions(args: &CompareArgs) -> anyhow::Result<([Vec<Metrics>; 2], String)> {
    let words = words(&args.bench)?;
    let tree = Tree::find().map_err(Error::from)?;
    let revisions = Revisions::find(&tree, [&args.a, &args.b])?;
    setup::ensure(Purpose::ModelRuns, &mut |step| eprintln!("muster: {step}"))?;
    let progress = progress();
    let runs = revisions.measure(&words, args.runs, &progress);
    progress.finish_and_clear();
    Ok((runs?, Tree::shown(&revisions.folder())))
}
