//! Files into one early initrd.

use microcode::{FindingKind, Format, Severity, cpio, initrd};

use super::{Error, Problems, Sources};

/// An early initrd and what went into it.
#[derive(Debug)]
pub struct Packed {
    /// Its bytes: the same pieces in the same order give the same.
    pub bytes: Vec<u8>,
    /// How many pieces of Intel's and AMD's went into it.
    pub nr_pieces: [usize; 2],
    /// What could not be read.
    pub problems: Problems,
}

/// Packs every piece as it is, one behind the other: Intel's files and AMD's,
/// and of initrds the microcode that is in them. Damage is an error unless
/// `force` is set.
///
/// # Errors
/// Nothing could be read, or something cannot be packed.
pub fn pack(sources: &Sources, force: bool) -> Result<Packed, Error> {
    let mut files = [Vec::new(), Vec::new()];
    let mut nr_pieces = [0, 0];
    let mut refused = None;
    let problems = sources.visit(&mut |blob| {
        if refused.is_some() {
            return;
        }
        let scan = microcode::scan(blob.bytes);
        let damage = scan
            .findings
            .iter()
            .find(|finding| finding.kind.severity() == Severity::Error);
        if let Some(finding) = damage.filter(|_| !force || scan.candidates.is_empty()) {
            let problem = format!("{}: {finding}", blob.name);
            refused = Some(match scan.format {
                Format::Unknown => Error::NoPlace(blob.name.to_owned()),
                _ => Error::Damaged(problem),
            });
            return;
        }
        // Padding within a file would end it for some readers.
        let padding = scan.findings.iter().find_map(|finding| {
            matches!(finding.kind, FindingKind::Padding { .. }).then_some(finding.offset)
        });
        let end = padding.unwrap_or(blob.bytes.len());
        let mut append = |place: usize, bytes: &[u8]| {
            files[place].extend_from_slice(bytes);
            nr_pieces[place] += 1;
        };
        match scan.format {
            Format::Intel => append(0, &blob.bytes[..end]),
            Format::Amd => append(1, &blob.bytes[..end]),
            Format::Cpio => {
                for entry in cpio::entries(blob.bytes).flatten() {
                    let paths = [initrd::INTEL_PATH, initrd::AMD_PATH];
                    let place = paths.iter().position(|path| path.as_bytes() == entry.path);
                    if let Some(place) = place {
                        append(place, entry.data);
                    }
                }
            }
            Format::Empty | Format::Unknown => {}
        }
    })?;
    if let Some(error) = refused {
        return Err(error);
    }
    let [intel, amd] = &files;
    if intel.is_empty() && amd.is_empty() {
        return Err(Error::Nothing(sources.describe()));
    }
    Ok(Packed {
        bytes: initrd::pack(intel, amd),
        nr_pieces,
        problems,
    })
}
