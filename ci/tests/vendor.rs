//! The vendors' own files, all of them: the reader finds each sound and says
//! of it what others say.
//!
//! They come from the folder that `MUSTER_FIRMWARE` names (with `intel-ucode`
//! and `amd-ucode` in it), else by the rule for runs: from the machine's
//! `/lib/firmware`, else from Debian's packages, fetched below
//! `target/firmware`. They are never committed. Where they cannot be had, each
//! trial is shown as ignored with the reason; with `MUSTER_DENY_SKIPS=1` it
//! fails. With `--nocapture` every trial says what it counted.
//!
//! Vendors release new sets all the time. So what is asserted holds for any
//! set, and "what others say" is said anew each time: by `iucode_tool`, and by
//! a second reader of a few lines. For some sets the counts are known too.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Trial, run};

#[path = "vendor/amd.rs"]
mod amd;
#[path = "vendor/archives.rs"]
mod archives;
#[path = "vendor/initrd.rs"]
mod initrd;
#[path = "vendor/intel.rs"]
mod intel;
#[path = "vendor/iucode.rs"]
mod iucode;
#[path = "vendor/reader.rs"]
mod reader;
#[path = "vendor/sets.rs"]
mod sets;
mod skips;

use sets::{Outcome, Stop};
use skips::skipped;

/// Proves what a trial's name says, or tells why not.
type Proof = fn() -> Outcome;

/// What is proved, and how.
const TRIALS: [(&str, Proof); 12] = [
    (
        "intel_every_file_is_sound_and_full_of_updates",
        intel::sound,
    ),
    (
        "intel_every_update_is_for_the_cpu_that_its_file_is_named_after",
        intel::named,
    ),
    (
        "intel_the_counts_are_those_of_a_second_reader_and_of_known_sets",
        intel::counted,
    ),
    (
        "intel_every_update_is_listed_as_iucode_tool_lists_it",
        iucode::listed_alike,
    ),
    (
        "intel_no_flip_of_a_header_s_bit_leaves_a_sound_update",
        intel::damaged,
    ),
    ("amd_every_container_is_sound", amd::sound),
    (
        "amd_every_patch_is_mapped_by_its_table_to_the_cpu_of_its_id",
        amd::mapped,
    ),
    (
        "amd_every_patch_is_listed_as_a_second_reader_lists_it",
        amd::listed_alike,
    ),
    (
        "amd_no_flip_of_a_header_s_bit_that_can_be_seen_makes_a_patch_fit_another_cpu",
        amd::damaged,
    ),
    (
        "both_one_initrd_has_one_update_for_every_cpu_under_every_profile",
        initrd::serves_every_cpu,
    ),
    (
        "both_a_compressed_tar_holds_the_same_as_the_folders",
        archives::tar_gz,
    ),
    (
        "both_a_package_holds_the_same_as_the_folders",
        archives::package,
    ),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let says = arguments.nocapture;
    let trials = TRIALS.map(|(name, prove)| {
        Trial::ignorable_test(name, move || match prove() {
            Ok(notes) => {
                if says {
                    eprintln!("{name}:\n{notes}");
                }
                Ok(Completion::Completed)
            }
            Err(Stop::Failed(message)) => Err(message.into()),
            Err(Stop::Skipped(reason)) => skipped(format!("{name}: {reason}")),
        })
    });
    run(&arguments, trials.into()).exit_code()
}
