//! The CPU that updates are explained for: given in numbers, or this machine's
//! ([`crate::machine::host`]).

use std::str::FromStr;

use microcode::Vendor;

use crate::machine::cpu::Signature;
use crate::number::hexadecimal;

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
}
