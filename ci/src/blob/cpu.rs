//! The CPU that updates are explained for: given in numbers, or this
//! machine's.

use std::fs;
use std::str::FromStr;

use microcode::{CpuKind, Vendor};
use raw_cpuid::CpuId;

use crate::machine::cpu::Signature;
use crate::number::hexadecimal;
use crate::provenance::cpuinfo;

/// `SIGNATURE[:FLAGS[:REVISION]]`, or `host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CpuSpec {
    /// The CPU of this machine.
    Host,
    /// A CPU in numbers.
    Given {
        /// Whose CPU it is.
        vendor: Vendor,
        /// CPUID leaf 1 EAX.
        signature: u32,
        /// Intel's platform as its processor flag, one bit; not known without.
        flag: Option<u32>,
        /// The revision that it runs; 0 without.
        revision: u32,
    },
}

impl FromStr for CpuSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "host" {
            return Ok(Self::Host);
        }
        let mut parts = text.split(':');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let signature = hexadecimal(part().unwrap_or_default())?;
        let vendor = Signature::new(signature)
            .map_err(|e| e.to_string())?
            .vendor();
        let flag = part().map(hexadecimal).transpose()?;
        let revision = part().map(hexadecimal).transpose()?.unwrap_or(0);
        if part().is_some() {
            return Err(format!("{text:?} has more than three parts"));
        }
        match flag {
            Some(_) if vendor == Vendor::Amd => {
                return Err(format!(
                    "AMD's CPUs have no processor flags: give {signature:#010x}::{revision:#x}"
                ));
            }
            Some(flag) if !flag.is_power_of_two() || flag > 0x80 => {
                return Err(format!(
                    "a CPU is on one platform, so its flag is one of 0x01, 0x02, 0x04, … 0x80, \
                     not {flag:#04x}"
                ));
            }
            _ => {}
        }
        Ok(Self::Given {
            vendor,
            signature,
            flag,
            revision,
        })
    }
}

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

    fn given(text: &str) -> CpuSpec {
        text.parse().unwrap()
    }

    #[test]
    fn a_cpu_is_its_signature_its_platforms_flag_and_its_revision() {
        let intel = |flag, revision| CpuSpec::Given {
            vendor: Vendor::Intel,
            signature: 0x0005_06e3,
            flag,
            revision,
        };
        assert_eq!(given("host"), CpuSpec::Host);
        assert_eq!(given("0x506e3"), intel(None, 0));
        assert_eq!(given("506e3:0x02"), intel(Some(2), 0));
        assert_eq!(given("0x000506e3:2:0xf0"), intel(Some(2), 0xf0));
        assert_eq!(given("0x000506e3::0xf0"), intel(None, 0xf0));
        let amd = CpuSpec::Given {
            vendor: Vendor::Amd,
            signature: 0x00a0_0f11,
            flag: None,
            revision: 0x0a00_1101,
        };
        assert_eq!(given("0xa00f11::0x0a001101"), amd);
    }

    #[test]
    fn what_is_no_cpu_is_refused_with_what_to_give() {
        let error = |text: &str| text.parse::<CpuSpec>().unwrap_err();
        for (text, word) in [
            ("", "hexadecimal"),
            ("0xzz", "0xzz"),
            ("0x506e3:0x36", "one platform"),
            ("0x506e3:0", "one platform"),
            ("0x506e3:0x100", "one platform"),
            ("0x506e3:1:2:3", "three"),
            ("0xa00f11:1", "no processor flags"),
            ("0x454", "family"),
        ] {
            assert!(error(text).contains(word), "{text}: {}", error(text));
        }
    }

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
