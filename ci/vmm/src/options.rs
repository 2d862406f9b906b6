//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Boots a Muster image under KVM on CPUs that take microcode updates.
///
/// The exit status is that of QEMU's isa-debug-exit for what the guest wrote
/// (an odd number above 1); 0 if it reset the machine, 1 if it could not be
/// started, 2 if a CPU crashed, 4 if its time was over.
#[derive(Debug, Parser)]
#[command(name = "muster-vmm", version, about, max_term_width = 100)]
pub struct Options {
    /// The image: an ELF with Muster's notes
    #[arg(long, value_name = "FILE")]
    pub kernel: PathBuf,
    /// A module for the guest: the microcode
    #[arg(long, value_name = "FILE")]
    pub initrd: Option<PathBuf>,
    /// The guest's command line; where its console is, is added
    #[arg(long, value_name = "WORDS", default_value = "muster")]
    pub append: String,
    /// What the CPUs are: the model's configuration
    #[arg(long, value_name = "FILE")]
    pub cpus: PathBuf,
    /// Packages that they are in
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub packages: u32,
    /// Memory in MiB
    #[arg(long, value_name = "MIB", default_value_t = 160)]
    pub memory: u64,
    /// Where the guest's console goes
    #[arg(long, value_name = "FILE")]
    pub console: PathBuf,
    /// Where its serial port goes
    #[arg(long, value_name = "FILE")]
    pub serial: PathBuf,
    /// Where the machine's own log goes
    #[arg(long, value_name = "FILE")]
    pub log: PathBuf,
    /// How long the guest may take, in seconds; then its CPUs' registers are shown
    #[arg(long, value_name = "S", default_value = "60", value_parser = seconds)]
    pub timeout: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err("give whole seconds, 1 or more".to_owned()),
    }
}
