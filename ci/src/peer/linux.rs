//! Linux: what it is told, and what it says.
//!
//! It loads early, from an uncompressed archive in front of its initrd, and
//! says so much later, when its driver starts. It is given no root file
//! system: its panic over that is the end.

use super::words::{Words, hexadecimal_after};

/// What it says when all is over.
pub(super) const END: &str = "Kernel panic - not syncing";

/// Its command line. Digests are compared unless it is told otherwise.
pub(super) fn command_line(checks_digests: bool) -> String {
    let digests = if checks_digests {
        ""
    } else {
        " microcode.amd_sha_check=off"
    };
    format!("console=ttyS0 panic=-1{digests}")
}

/// What stands before a revision: from 6.7 on, before for Intel, before for
/// AMD.
const REVISIONS: [&str; 3] = ["Current revision: ", " revision=", "CPU0: patch_level="];

/// What it said of microcode.
pub(super) fn words(log: &str) -> Words {
    let mut words = Words::default();
    for line in log.lines() {
        let Some((_, said)) = line.rsplit_once("microcode: ") else {
            continue;
        };
        let revision = REVISIONS
            .iter()
            .find_map(|before| hexadecimal_after(said, before));
        words.revision = words.revision.or(revision);
        let weight = match said {
            _ if said.contains("failed") => 3,
            _ if said.contains("pdated early") => 2,
            _ if revision.is_some() => 1,
            _ => 0,
        };
        words.say(said, weight);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(log: &str) -> (String, Option<u32>) {
        let words = words(log);
        (words.text, words.revision)
    }

    #[test]
    fn a_kernel_since_6_7_says_both_revisions() {
        let log = "[    0.330987] MDS: Vulnerable: Clear CPU buffers attempted, no microcode\n\
                   [    1.894897] microcode: Current revision: 0x08001200\n\
                   [    1.895138] microcode: Updated early from: 0x08001100\n";
        let text = "Updated early from: 0x08001100".to_owned();
        assert_eq!(said(log), (text, Some(0x0800_1200)));
    }

    #[test]
    fn an_older_one_says_it_in_each_vendors_way() {
        let log = "[    1.416718] microcode: sig=0x50654, pf=0x1, revision=0x1000\n\
                   [    1.417369] microcode: Microcode Update Driver: v2.2.\n";
        let text = "sig=0x50654, pf=0x1, revision=0x1000".to_owned();
        assert_eq!(said(log), (text, Some(0x1000)));
        let log = "[    0.000000] microcode: microcode updated early to revision 0x5000, date = 2026-01-01\n\
                   [    1.470102] microcode: sig=0x50654, pf=0x1, revision=0x5000\n";
        let text = "microcode updated early to revision 0x5000".to_owned();
        assert_eq!(said(log), (text, Some(0x5000)));
        let log = "[    1.802835] microcode: microcode updated early to new patch_level=0x08001200\n\
                   [    1.803673] microcode: CPU0: patch_level=0x08001200\n\
                   [    1.810753] microcode: CPU1: patch_level=0x08001200\n";
        let text = "microcode updated early to new patch_level=0x08001200".to_owned();
        assert_eq!(said(log), (text, Some(0x0800_1200)));
    }

    #[test]
    fn a_write_without_effect_is_what_counts() {
        let log = "[    0.000000] microcode: It is a very very bad idea to disable the blobs SHA check!\n\
                   [    0.036396] microcode: CPU2: update failed for patch_level=0x0800126f\n\
                   [    2.095304] microcode: Current revision: 0x08001200\n";
        let text = "CPU2: update failed for patch_level=0x0800126f".to_owned();
        assert_eq!(said(log), (text, Some(0x0800_1200)));
    }
}
