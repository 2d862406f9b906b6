//! Xen: what it is told, and what it says.
//!
//! It looks for microcode in the modules that the boot loader hands over, long
//! before it starts a domain. It is given none to start: its panic over that is
//! the end. Some releases take the first module for a domain's kernel and do
//! not look into it, so the initrd is handed over twice.

use std::path::{Path, PathBuf};

use super::words::{Words, hexadecimal_after};

/// What it says when all is over.
pub(super) const END: &str = "Panic on CPU ";

/// Its command line. Digests are compared unless it is told otherwise. Without
/// `cpuidle` it would wait for work by an MWAIT that an emulated CPU of AMD's
/// does not take.
pub(super) fn command_line(checks_digests: bool) -> String {
    let digests = if checks_digests {
        ""
    } else {
        ",digest-check=no"
    };
    format!("console=com1 com1=115200,8n1 loglvl=all noreboot cpuidle=no ucode=scan{digests}")
}

/// What it is handed over. In a list of modules a doubled comma is one.
pub(super) fn modules(initrd: &Path) -> PathBuf {
    let initrd = initrd.display().to_string().replace(',', ",,");
    format!("{initrd},{initrd}").into()
}

/// What it said of microcode.
pub(super) fn words(log: &str) -> Words {
    const START: &str = "BSP microcode revision: ";
    const UPDATED: &str = "updated from revision ";
    let mut words = Words::default();
    for line in log.lines() {
        let Some(said) = line.strip_prefix("(XEN) ") else {
            continue;
        };
        let said = said.strip_prefix("microcode: ").unwrap_or(said);
        // `CPU0 updated from revision 0x1000 to 0x5000, date = …`
        let update = said
            .split_once(UPDATED)
            .filter(|(cpu, _)| *cpu == "CPU0 ")
            .and_then(|(_, rest)| hexadecimal_after(rest, " to "));
        words.revision = update
            .or(words.revision)
            .or_else(|| hexadecimal_after(said, START));
        let is_complaint = [
            "Bad ",
            "Wrong microcode",
            "No digest found",
            "No suitable patch",
            "Parse error",
            "Parsing microcode",
        ]
        .iter()
        .any(|start| said.starts_with(start));
        let weight = match said {
            _ if said.contains(" failed, result ") => 4,
            _ if update.is_some() => 3,
            _ if is_complaint => 2,
            _ if said.starts_with(START) => 1,
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
    fn an_update_counts_more_than_what_it_started_with() {
        let log = "(XEN) BSP microcode revision: 0x00001000\n\
                   (XEN) microcode: Bad data in container\n\
                   (XEN) microcode: CPU0 updated from revision 0x1000 to 0x5000, date = 2026-01-01\n\
                   (XEN) microcode: CPU1 updated from revision 0x1000 to 0x5000, date = 2026-01-01\n";
        let text = "CPU0 updated from revision 0x1000 to 0x5000".to_owned();
        assert_eq!(said(log), (text, Some(0x5000)));
    }

    #[test]
    fn the_first_complaint_says_most() {
        let log = "(XEN) Command line: ucode=scan\n\
                   (XEN) BSP microcode revision: 0x08001200\n\
                   (XEN) No digest found for patch_id 08001280\n\
                   (XEN) Microcode: No suitable patch found\n";
        let text = "No digest found for patch_id 08001280".to_owned();
        assert_eq!(said(log), (text, Some(0x0800_1200)));
        let log = "(XEN) BSP microcode revision: 0x00001000\n\
                   (XEN) microcode: Bad checksum\n\
                   (XEN) Parsing microcode blob error -22\n";
        assert_eq!(said(log), ("Bad checksum".to_owned(), Some(0x1000)));
    }

    #[test]
    fn a_write_without_effect_is_told_whatever_another_cpu_did() {
        let log = "(XEN) BSP microcode revision: 0x00001000\n\
                   (XEN) microcode: CPU0 update rev 0x1000 to 0x5000 failed, result 0x1000\n\
                   (XEN) microcode: CPU1 updated from revision 0x1000 to 0x5000, date = 2026-01-01\n";
        let text = "CPU0 update rev 0x1000 to 0x5000 failed, result 0x1000".to_owned();
        assert_eq!(said(log), (text, Some(0x1000)));
    }
}
