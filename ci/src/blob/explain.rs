//! A reason for every candidate, and what would be loaded under each profile.

mod column;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anstyle::Style;
use comfy_table::{Cell, Color};
use microcode::digest::Digest;
use microcode::profile::MinimumRule;
use microcode::{CpuKind, DigestCheck, DigestList, Policy, Profile, Vendor};
use serde::Serialize;
use sha2::Digest as _;

use column::{Column, Judged};

use super::cpu::CpuSpec;
use super::{Error, Flags, Hex, Problems, Sources};
use crate::exit::Exit;
use crate::machine::host::host;
use crate::table::{short, table};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// For which CPU.
    pub cpu: CpuSpec,
    /// Whose rules the reasons go by.
    pub profile: &'static Profile,
    /// Whether the same and older revisions count too.
    pub force: bool,
    /// What a minimum revision means, instead of what the profile says.
    pub minimum: Option<MinimumRule>,
    /// A file with AMD's digests.
    pub digests: Option<PathBuf>,
    /// Take the CPU for one that says that loading is disabled.
    pub loading_disabled: bool,
    /// The CPU's last-level cache a core, in bytes.
    pub llc_per_core: Option<u32>,
}

/// The CPU of an answer.
#[derive(Clone, Debug, Serialize)]
pub struct CpuRow {
    /// Whose.
    pub vendor: &'static str,
    /// CPUID leaf 1 EAX.
    pub signature: Hex,
    /// Its platform as Intel's processor flag.
    pub flags: Option<Flags>,
    /// Its platform as an id.
    pub platform_id: u8,
    /// What it runs.
    pub revision: Hex,
    /// Whether it takes no updates.
    pub loading_disabled: bool,
    /// Its last-level cache a core, in bytes.
    pub llc_per_core: Option<u32>,
}

/// A candidate.
#[derive(Clone, Debug, Serialize)]
pub struct CandidateRow {
    /// Where it was found.
    pub file: String,
    /// Where in it, in bytes.
    pub offset: usize,
    /// Its revision.
    pub revision: Hex,
    /// The verdict's name.
    pub verdict: &'static str,
    /// The verdict in words.
    pub reason: String,
}

/// What would be loaded.
#[derive(Clone, Debug, Serialize)]
pub struct Chosen {
    /// Where it was found.
    pub file: String,
    /// Where in it, in bytes.
    pub offset: usize,
    /// Its revision.
    pub revision: Hex,
}

/// What would be loaded under one profile.
#[derive(Clone, Debug, Serialize)]
pub struct ProfileRow {
    /// The profile's name.
    pub profile: &'static str,
    /// What it loads, if anything.
    pub chosen: Option<Chosen>,
    /// On how many candidates its verdict is another than that of the profile
    /// asked for.
    pub differing: usize,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The CPU.
    pub cpu: CpuRow,
    /// What of the CPU is a guess, a sentence each.
    pub guesses: Vec<String>,
    /// Whose rules the reasons go by.
    pub profile: &'static str,
    /// Every candidate.
    pub candidates: Vec<CandidateRow>,
    /// What would be loaded.
    pub chosen: Option<Chosen>,
    /// What would be loaded under each profile.
    pub profiles: Vec<ProfileRow>,
    /// What could not be read.
    #[serde(skip)]
    pub problems: Problems,
}

/// Explains every candidate.
///
/// # Errors
/// Nothing could be read, there is no candidate, or the CPU is not known well
/// enough.
pub fn explain(sources: &Sources, question: &Question) -> Result<Explanation, Error> {
    let digests = question.digests.as_deref().map(|path| {
        let fault = |error: String| Error::Digests {
            path: path.to_owned(),
            error,
        };
        let text = fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
        DigestList::parse(&text).map_err(|error| fault(error.to_string()))
    });
    let digests = digests.transpose()?;
    let (cpu, guesses) = cpu(sources, question)?;
    let policy = |profile| Policy {
        force: question.force,
        minimum: question.minimum,
        digests: digests.as_ref().map(|list| DigestCheck { list, sha256 }),
        profile,
    };
    let mut columns = Profile::ALL.map(|profile| Column {
        policy: policy(profile),
        rows: Vec::new(),
    });
    let problems = sources.visit(&mut |blob| {
        for column in &mut columns {
            column.read(blob.name, blob.bytes, &cpu);
        }
    })?;
    for column in &mut columns {
        column.choose(&cpu);
    }
    let asked = columns
        .iter()
        .position(|column| column.policy.profile == question.profile)
        .unwrap_or(0);
    if columns[asked].rows.is_empty() {
        return Err(Error::Nothing(sources.describe()));
    }
    let profiles = columns
        .iter()
        .map(|column| ProfileRow {
            profile: column.policy.profile.name,
            chosen: column.chosen(),
            differing: column.nr_differing(&columns[asked]),
        })
        .collect();
    Ok(Explanation {
        cpu: CpuRow::new(&cpu),
        guesses,
        profile: question.profile.name,
        candidates: columns[asked].rows.iter().map(Judged::row).collect(),
        chosen: columns[asked].chosen(),
        profiles,
        problems,
    })
}

fn sha256(bytes: &[u8]) -> Digest {
    sha2::Sha256::digest(bytes).into()
}

/// The CPU that is asked about, and what of it is a guess.
fn cpu(sources: &Sources, question: &Question) -> Result<(CpuKind, Vec<String>), Error> {
    let (mut cpu, guesses) = match question.cpu {
        CpuSpec::Host => {
            let host = host()?;
            let guesses = host.guesses.iter().map(|guess| (*guess).to_owned());
            (host.cpu, guesses.collect())
        }
        CpuSpec::Given {
            vendor,
            signature,
            flag,
            revision,
        } => {
            let (platform_id, guesses) = match (vendor, flag) {
                (Vendor::Amd, _) => (0, Vec::new()),
                (_, Some(flag)) => (flag.trailing_zeros(), Vec::new()),
                (_, None) => guess_platform(sources, signature)?,
            };
            let cpu = CpuKind {
                platform_id: u8::try_from(platform_id).unwrap_or(0),
                revision,
                ..CpuKind::new(vendor, signature)
            };
            (cpu, guesses)
        }
    };
    cpu.loading_disabled |= question.loading_disabled;
    cpu.llc_per_core = question.llc_per_core.or(cpu.llc_per_core);
    Ok((cpu, guesses))
}

/// A platform that all updates for the signature are for, if there is one.
fn guess_platform(sources: &Sources, signature: u32) -> Result<(u32, Vec<String>), Error> {
    let mut all = BTreeSet::new();
    sources.visit(&mut |blob| {
        let scan = microcode::scan(blob.bytes);
        let sound = scan.candidates.iter().filter(|c| c.damage().is_none());
        for target in sound.flat_map(|c| c.update.targets()) {
            let flags = target.flags.filter(|&flags| flags != 0);
            all.extend(flags.filter(|_| target.signature == signature));
        }
    })?;
    let common = all.iter().fold(u32::MAX, |common, flags| common & flags);
    if all.is_empty() {
        return Ok((0, Vec::new()));
    }
    if common == 0 {
        let known: Vec<_> = all.iter().map(|&flags| Flags(flags).to_string()).collect();
        return Err(Error::Platform {
            signature,
            example: all
                .iter()
                .next()
                .map_or(1, |flags| flags & flags.wrapping_neg()),
            known: known.join(", "),
        });
    }
    let platform_id = common.trailing_zeros();
    let guess = format!(
        "its platform was not given; id {platform_id} is one that all updates for it are for"
    );
    Ok((platform_id, vec![guess]))
}

impl CpuRow {
    fn new(cpu: &CpuKind) -> Self {
        let is_intel = cpu.vendor == Vendor::Intel;
        Self {
            vendor: cpu.vendor.name(),
            signature: Hex(cpu.signature),
            flags: is_intel.then_some(Flags(1 << (cpu.platform_id & 7))),
            platform_id: cpu.platform_id,
            revision: Hex(cpu.revision),
            loading_disabled: cpu.loading_disabled,
            llc_per_core: cpu.llc_per_core,
        }
    }
}

impl Explanation {
    /// Success where something would be loaded.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self.chosen {
            Some(_) => Exit::Success,
            None => Exit::NothingRan,
        }
    }

    /// The table of candidates and a line for each profile.
    #[must_use]
    pub fn text(&self) -> String {
        const BOLD: Style = Style::new().bold();
        let cpu = &self.cpu;
        let mut text = format!("CPU {BOLD}{}{BOLD:#} of {}", cpu.signature, cpu.vendor);
        // Writing to a string cannot fail.
        if let Some(flags) = cpu.flags {
            let _ = write!(text, ", platform id {} (flag {flags})", cpu.platform_id);
        }
        let _ = writeln!(text, ", runs {}", cpu.revision);
        for guess in &self.guesses {
            let _ = writeln!(text, "note: {guess}");
        }
        let rows = self.candidates.iter().map(CandidateRow::cells).collect();
        let titles = ["file", "offset", "revision", "verdict", "reason"];
        let _ = writeln!(text, "\n{}\n", table(&titles, &["offset"], rows));
        for row in &self.profiles {
            let chosen = match &row.chosen {
                Some(chosen) => {
                    format!("loads {} ({})", chosen.revision, short(&chosen.file, 40))
                }
                None => "loads nothing".to_owned(),
            };
            let mark = if row.profile == self.profile {
                '*'
            } else {
                ' '
            };
            let _ = write!(text, "{mark} {:<6}{chosen}", row.profile);
            let _ = match row.differing {
                0 => writeln!(text),
                differing => writeln!(text, "; another verdict on {differing}"),
            };
        }
        text
    }
}

impl CandidateRow {
    fn cells(&self) -> Vec<Cell> {
        let verdict = match self.verdict {
            "chosen" => Cell::new(self.verdict).fg(Color::Green),
            "signature" | "platform" | "superseded" | "older" | "same" => Cell::new(self.verdict),
            _ => Cell::new(self.verdict).fg(Color::Red),
        };
        vec![
            Cell::new(short(&self.file, 40)),
            Cell::new(format!("{:#x}", self.offset)),
            Cell::new(self.revision),
            verdict,
            Cell::new(&self.reason),
        ]
    }
}
