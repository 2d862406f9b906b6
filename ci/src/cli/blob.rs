//! The verbs for microcode files.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use microcode::Profile;
use microcode::profile::MinimumRule;

use super::Json;
use crate::blob::cpu::CpuSpec;
use crate::firmware::Synthetic;

/// What to do with microcode files.
#[derive(Debug, Subcommand)]
pub enum BlobVerb {
    /// List every update: whom it is for, revision, date, size, checksum
    #[command(
        after_help = "Files, folders, initrds and archives are gone through recursively; without \
                      one, this machine's firmware or else Debian's packages.\n\nExamples:\n  \
                      muster blob list\n  muster blob list /boot/initrd.img\n  \
                      muster blob list intel-microcode.deb --json"
    )]
    List {
        /// Files, folders, initrds, archives
        paths: Vec<PathBuf>,
        /// Where JSON goes.
        #[command(flatten)]
        json: Json,
    },
    /// Say for every candidate why a CPU is given it or not
    #[command(
        after_help = "Exit code 0 if something would be loaded, 3 if nothing applies.\n\n\
                      Examples:\n  muster blob explain --cpu host\n  \
                      muster blob explain --cpu 0x000506e3:0x02:0xea /lib/firmware/intel-ucode\n  \
                      muster blob explain --cpu 0x00a00f11::0x0a001101 --profile xen --json"
    )]
    Explain(Box<ExplainArgs>),
    /// Look for everything that is wrong; exit code 5 if anything is
    #[command(after_help = "Examples:\n  muster blob verify /lib/firmware\n  \
                      muster blob verify microcode.tar.gz --json")]
    Verify {
        /// Files, folders, initrds, archives
        paths: Vec<PathBuf>,
        /// Where JSON goes.
        #[command(flatten)]
        json: Json,
    },
    /// Pack files into an early initrd
    #[command(
        after_help = "The same files give the same bytes. Data are aligned to 16 bytes.\n\n\
                      Examples:\n  muster blob pack 06-55-04 -o early.img\n  \
                      muster blob pack /lib/firmware/amd-ucode -o early.img"
    )]
    Pack {
        /// Files, folders, initrds, archives
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Where to write the initrd
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Pack damaged pieces too, as they are
        #[arg(long)]
        force: bool,
    },
    /// Make an update that is nobody's: sound, or with one thing wrong
    #[command(
        after_help = "No CPU takes it, as only its vendor can sign one. The CPU's vendor decides \
                      the format.\n\nExamples:\n  \
                      muster blob synth 0x000506e3 --revision 0xf0 --flags 0x36 -o update.bin\n  \
                      muster blob synth 0x00a00f11 --revision 0x0a0011de -o amd.bin --append\n  \
                      muster blob synth 0x00050654 --revision 5 --defect checksum -o bad.img --initrd"
    )]
    Synth {
        /// The update.
        #[command(flatten)]
        update: Box<Synthetic>,
        /// Where to write it
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Add it to the file's end, such as a container to a container
        #[arg(long, conflicts_with = "initrd")]
        append: bool,
        /// Write an early initrd with it
        #[arg(long)]
        initrd: bool,
    },
    /// Say what two sets of microcode differ in
    #[command(
        after_help = "Updates are compared by the CPU that they are for, whatever their files are \
                      called.\n\nExamples:\n  muster blob diff old-ucode/ new-ucode/\n  \
                      muster blob diff old.deb new.deb --exit-code --json"
    )]
    Diff {
        /// A file, folder, initrd or archive
        a: PathBuf,
        /// What it is compared with
        b: PathBuf,
        /// Exit with 5 if there is a difference
        #[arg(long)]
        exit_code: bool,
        /// Where JSON goes.
        #[command(flatten)]
        json: Json,
    },
}

/// The flags of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Files, folders, initrds, archives
    pub paths: Vec<PathBuf>,
    /// The CPU: CPUID leaf 1 EAX, the platform's processor flag, the revision
    /// that it runs; or host
    #[arg(long, value_name = "SIG[:FLAGS[:REVISION]]|host")]
    pub cpu: CpuSpec,
    /// Whose rules the reasons go by
    #[arg(long, value_parser = profile, default_value = "sdm", value_name = "sdm|xen|linux")]
    pub profile: &'static Profile,
    /// Take the same, an older or a pre-production revision too
    #[arg(long)]
    pub force: bool,
    /// What a declared minimum revision means, whatever the profile says
    #[arg(long, value_name = "RULE")]
    pub minimum: Option<Minimum>,
    /// A file with AMD's digests: lines of a patch id and SHA-256, or of
    /// `cutoff` and a level
    #[arg(long, value_name = "FILE")]
    pub digests: Option<PathBuf>,
    /// Take the CPU for one that takes no updates any more (`DIS_MCU_LOAD`)
    #[arg(
        long,
        help = "Take the CPU for one that takes no updates any more (DIS_MCU_LOAD)"
    )]
    pub loading_disabled: bool,
    /// The CPU's last-level cache a core
    #[arg(long, value_name = "BYTES")]
    pub llc_per_core: Option<u32>,
    /// Where JSON goes.
    #[command(flatten)]
    pub json: Json,
}

/// What a minimum revision means.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Minimum {
    /// Nothing
    Ignored,
    /// Below it an update is refused
    Kept,
    /// Likewise, and so is an update that declares none
    Required,
}

impl From<Minimum> for MinimumRule {
    fn from(minimum: Minimum) -> Self {
        match minimum {
            Minimum::Ignored => Self::Ignored,
            Minimum::Kept => Self::Kept,
            Minimum::Required => Self::Required,
        }
    }
}

fn profile(name: &str) -> Result<&'static Profile, String> {
    let all = Profile::ALL;
    let found = all.iter().find(|profile| profile.name == name);
    found.copied().ok_or_else(|| {
        let names = all.map(|profile| profile.name);
        format!("there are: {}", names.join(", "))
    })
}
