//! What the verbs for microcode files do.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::ProgressBar;
use microcode::{Vendor, initrd};

use super::{answer, progress, say};
use crate::blob::explain::{Question, explain};
use crate::blob::{Problems, Sources, diff, list, pack, verify};
use crate::cli::{BlobVerb, ExplainArgs};
use crate::exit::Exit;
use crate::firmware::{self, Synthetic};
use crate::tree::Tree;
use crate::walk::Problem;

/// Does what the command line asks for.
pub(super) fn act(verb: &BlobVerb) -> anyhow::Result<Exit> {
    match verb {
        BlobVerb::List { paths, json } => {
            let listing = list::list(&sources(paths)?)?;
            answer(json, &listing.rows, || listing.text())?;
            Ok(mention(&listing.problems, Exit::Success))
        }
        BlobVerb::Explain(args) => explain_candidates(args),
        BlobVerb::Verify { paths, json } => {
            let result = verify::verify(&sources(paths)?)?;
            answer(json, &result, || result.text())?;
            Ok(result.exit())
        }
        BlobVerb::Pack {
            paths,
            output,
            force,
        } => {
            let packed = pack::pack(&Sources::new(paths.clone()), *force)?;
            fs::write(output, &packed.bytes).with_context(|| cannot_write(output))?;
            let [nr_intel, nr_amd] = packed.nr_pieces;
            say(&format!(
                "{}: {} bytes, {nr_intel} of Intel's files and {nr_amd} of AMD's",
                output.display(),
                packed.bytes.len()
            ));
            Ok(mention(&packed.problems, Exit::Success))
        }
        BlobVerb::Synth {
            update,
            output,
            append,
            initrd,
        } => synth(update, output, *append, *initrd),
        BlobVerb::Diff {
            a,
            b,
            exit_code,
            json,
        } => {
            let [a, b] = [a, b].map(|path| Sources::new(vec![path.clone()]));
            let result = diff::diff(&a, &b)?;
            answer(json, &result, || result.text())?;
            let exit = if *exit_code && !result.differences.is_empty() {
                Exit::Fail
            } else {
                Exit::Success
            };
            Ok(mention(&result.problems, exit))
        }
    }
}

fn explain_candidates(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let question = Question {
        cpu: args.cpu.clone(),
        profile: args.profile,
        force: args.force,
        minimum: args.minimum.map(Into::into),
        digests: args.digests.clone(),
        loading_disabled: args.loading_disabled,
        llc_per_core: args.llc_per_core,
    };
    let explanation = explain(&sources(&args.paths)?, &question)?;
    answer(&args.json, &explanation, || explanation.text())?;
    Ok(mention(&explanation.problems, explanation.exit()))
}

fn synth(update: &Synthetic, output: &Path, append: bool, as_initrd: bool) -> anyhow::Result<Exit> {
    let (vendor, bytes) = update.build()?;
    let bytes = match (as_initrd, vendor) {
        (false, _) => bytes,
        (true, Vendor::Intel) => initrd::pack(&bytes, &[]),
        (true, Vendor::Amd) => initrd::pack(&[], &bytes),
    };
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .append(append)
        .truncate(!append)
        .open(output)
        .with_context(|| cannot_write(output))?;
    file.write_all(&bytes)
        .with_context(|| cannot_write(output))?;
    let format = vendor.name();
    say(&format!(
        "{}: {} bytes in {format}'s format, signature {:#010x}, revision {:#010x}",
        output.display(),
        bytes.len(),
        update.signature,
        update.revision
    ));
    Ok(Exit::Success)
}

/// What was named; where nothing was, this machine's firmware, else Debian's.
fn sources(paths: &[PathBuf]) -> anyhow::Result<Sources> {
    if !paths.is_empty() {
        return Ok(Sources::new(paths.to_vec()));
    }
    let cache = Tree::find()?.firmware();
    let progress: ProgressBar = progress();
    let folders = firmware::folders(&[Vendor::Intel, Vendor::Amd], &cache, &progress);
    progress.finish_and_clear();
    let folders = folders.context("there is no firmware at hand: name a file or a folder")?;
    for folder in &folders {
        eprintln!("muster: {}", Tree::shown(folder));
    }
    Ok(Sources::new(folders))
}

/// Says what could not be read; an error among it is one of the answer.
fn mention(problems: &Problems, exit: Exit) -> Exit {
    for problem in problems {
        eprintln!("muster: {} {}", problem.name, problem.kind);
    }
    if problems.iter().any(Problem::is_error) {
        Exit::Error
    } else {
        exit
    }
}

fn cannot_write(path: &Path) -> String {
    format!("{} cannot be written", path.display())
}
