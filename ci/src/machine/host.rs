//! This machine's own CPU.

use std::fs;

use microcode::{CpuKind, Vendor};
use raw_cpuid::CpuId;

use crate::number::hexadecimal;
use crate::provenance::cpuinfo;

/// Why this machine's CPU is not known.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Neither vendor's.
    #[error("this machine's CPU is {0}'s, neither Intel's nor AMD's: give --cpu SIGNATURE")]
    Vendor(String),
    /// No such instruction.
    #[error("this machine's CPU has no CPUID leaf 1: give --cpu SIGNATURE")]
    NoLeaf,
}

/// This machine's CPU, and what of it is a guess.
#[derive(Clone, Debug)]
pub struct Host {
    /// The CPU.
    pub cpu: CpuKind,
    /// What could not be found out, a sentence each.
    pub guesses: Vec<&'static str>,
}

/// Finds out what CPU this is. The signature is CPUID's; revision and platform
/// are asked of the kernel, first its files for microcode, then its device for
/// registers, last /proc/cpuinfo.
pub fn host() -> Result<Host, HostError> {
    const DIS_MCU_LOAD: u64 = 1 << 1;
    let cpuid = CpuId::new();
    let name = cpuid.get_vendor_info();
    let vendor = match name.as_ref().map(raw_cpuid::VendorInfo::as_str) {
        Some("GenuineIntel") => Vendor::Intel,
        Some("AuthenticAMD") => Vendor::Amd,
        other => return Err(HostError::Vendor(other.unwrap_or("nobody").to_owned())),
    };
    let signature = cpuid.get_feature_info().ok_or(HostError::NoLeaf)?;
    let mut cpu = CpuKind::new(vendor, signature_of(&signature));
    let mut guesses = Vec::new();
    match revision(vendor) {
        Some(revision) => cpu.revision = revision,
        None => guesses.push("its revision is not known and taken for 0"),
    }
    if vendor == Vendor::Intel {
        match platform_flag() {
            Some(flag) => cpu.platform_id = u8::try_from(flag.trailing_zeros()).unwrap_or(0),
            None => guesses.push("its platform is not known and taken for id 0"),
        }
        cpu.loading_disabled = msr(0x1406).is_some_and(|value| value & DIS_MCU_LOAD != 0);
        cpu.llc_per_core = llc_per_core();
    }
    Ok(Host { cpu, guesses })
}

/// CPUID leaf 1 EAX, put together again from what the library took apart.
fn signature_of(info: &raw_cpuid::FeatureInfo) -> u32 {
    u32::from(info.extended_family_id()) << 20
        | u32::from(info.extended_model_id()) << 16
        | u32::from(info.base_family_id()) << 8
        | u32::from(info.base_model_id()) << 4
        | u32::from(info.stepping_id())
}

const MICROCODE: &str = "/sys/devices/system/cpu/cpu0/microcode";

fn revision(vendor: Vendor) -> Option<u32> {
    let from_register = || {
        let value = msr(0x8b)?;
        let [low, high] = [value & 0xffff_ffff, value >> 32];
        u32::try_from(match vendor {
            Vendor::Intel => high,
            Vendor::Amd => low,
        })
        .ok()
    };
    number_in(&format!("{MICROCODE}/version"))
        .or_else(from_register)
        .or_else(|| hexadecimal(&cpuinfo("microcode")?).ok())
}

fn platform_flag() -> Option<u32> {
    number_in(&format!("{MICROCODE}/processor_flags"))
        .filter(|flag| flag.is_power_of_two())
        .or_else(|| msr(0x17).map(|value| 1 << (value >> 50 & 7)))
}

fn number_in(path: &str) -> Option<u32> {
    let text = fs::read_to_string(path).ok()?;
    hexadecimal(text.trim()).ok()
}

/// A register of CPU 0 through the kernel's device, which needs root and the
/// module `msr`.
fn msr(number: u64) -> Option<u64> {
    use std::os::unix::fs::FileExt;
    let file = fs::File::open("/dev/cpu/0/msr").ok()?;
    let mut value = [0; 8];
    file.read_exact_at(&mut value, number).ok()?;
    Some(u64::from_le_bytes(value))
}

/// The last-level cache divided by the cores of a package, as Linux counts.
fn llc_per_core() -> Option<u32> {
    let cache = CpuId::new().get_cache_parameters()?;
    let size = cache
        .map(|c| {
            c.associativity() * c.physical_line_partitions() * c.coherency_line_size() * c.sets()
        })
        .max()?;
    let nr_cores = cpuinfo("cpu cores")?.parse().ok()?;
    u32::try_from(size.checked_div(nr_cores)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machines_cpu_is_found_out_or_refused_with_its_vendor() {
        match host() {
            Ok(host) => {
                assert!(host.cpu.signature != 0);
                assert!(host.cpu.platform_id < 8);
            }
            Err(error) => assert!(error.to_string().contains("--cpu")),
        }
    }
}
