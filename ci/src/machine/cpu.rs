//! Which CPU the guest sees: a QEMU model, or any signature on a base model
//! of the right vendor.
//!
//! QEMU's models carry a family, a model and a stepping, which a property can
//! replace, so every signature that a blob is for can be put under test. The
//! base model only has to be of the right vendor and to have CPUID leaf 0xB,
//! from which the guest reads its topology; its other features do not matter
//! to microcode.

mod models;

use std::fmt;
use std::str::FromStr;

use microcode::Vendor;
use serde::Deserialize;

use super::Machine;
use super::host::host;
use crate::number::hexadecimal;
use models::MODELS;

/// The word for this machine's own CPU, QEMU's as well.
const HOST: &str = "host";

/// The model that a bare signature is put on, for each vendor.
const fn base_model(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Intel => "Skylake-Server",
        Vendor::Amd => "EPYC",
    }
}

/// The vendor string that QEMU's `vendor=` takes.
const fn vendor_string(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Intel => "GenuineIntel",
        Vendor::Amd => "AuthenticAMD",
    }
}

/// A CPU to run on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Cpu {
    /// A QEMU model by name; properties may follow after commas.
    Model(String),
    /// Any CPU by what CPUID leaf 1 has in EAX.
    Signature(Signature),
    /// This machine's own.
    Host,
}

impl Default for Cpu {
    fn default() -> Self {
        Self::Model(base_model(Vendor::Intel).to_owned())
    }
}

/// A CPU signature that QEMU can show, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    eax: u32,
    vendor: Vendor,
}

/// Why a CPU cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CpuError {
    /// Nothing was given.
    #[error("the CPU is empty: give a signature such as 0x000506e3, or a QEMU model")]
    Empty,
    /// It begins as a number and is none.
    #[error("{0:?} is no signature: give CPUID leaf 1 EAX in hexadecimal, such as 0x000506e3")]
    NotHex(String),
    /// Reserved or type bits are set.
    #[error(
        "{0:#010x} cannot be shown by QEMU: it sets bits other than family, model and stepping"
    )]
    NotEncodable(u32),
    /// The family belongs to neither vendor.
    #[error(
        "{signature:#010x} is of family {family:#x}, which is neither Intel's nor AMD's: give a \
         QEMU model with its properties, such as \
         Skylake-Server,family=…,model=…,stepping=…, and --firmware"
    )]
    Family {
        /// What was given.
        signature: u32,
        /// Its family, the extended one included.
        family: u32,
    },
}

impl Signature {
    /// Takes CPUID leaf 1 EAX and finds out whose CPU it is.
    pub fn new(eax: u32) -> Result<Self, CpuError> {
        let (family, model, stepping) = split(eax);
        if join(family, model, stepping) != eax {
            return Err(CpuError::NotEncodable(eax));
        }
        let vendor = match family {
            // AMD's families 5, 6 and 0xf take no update that a file holds,
            // so these are Intel's. 0x12 is claimed by both; AMD's part has
            // updates in the wild. 0x13 is Intel's.
            5 | 6 | 0xf | 0x13 => Vendor::Intel,
            0x10..=0x12 | 0x14..=0x17 | 0x19 | 0x1a => Vendor::Amd,
            _ => {
                return Err(CpuError::Family {
                    signature: eax,
                    family,
                });
            }
        };
        Ok(Self { eax, vendor })
    }

    /// Whose CPU it is.
    #[must_use]
    pub const fn vendor(self) -> Vendor {
        self.vendor
    }

    fn properties(self) -> String {
        let (family, model, stepping) = split(self.eax);
        format!("family={family},model={model},stepping={stepping}")
    }
}

/// Family, model and stepping, the extended fields included (Intel SDM volume
/// 2A, CPUID, "Version Information"; AMD APM volume 3, appendix E).
const fn split(eax: u32) -> (u32, u32, u32) {
    let base_family = (eax >> 8) & 0xf;
    let family = match base_family {
        0xf => base_family + ((eax >> 20) & 0xff),
        _ => base_family,
    };
    let model = ((eax >> 4) & 0xf) | ((eax >> 12) & 0xf0);
    (family, model, eax & 0xf)
}

/// As QEMU puts the three together.
const fn join(family: u32, model: u32, stepping: u32) -> u32 {
    let family = match family {
        0x10.. => 0xf00 | ((family - 0xf) << 20),
        _ => family << 8,
    };
    family | ((model & 0xf) << 4) | ((model >> 4) << 16) | stepping
}

impl Cpu {
    /// What a file of microcode must be for: `None` for a model whose
    /// signature is not known.
    #[must_use]
    pub fn target(&self) -> Option<(Vendor, u32)> {
        match self {
            Self::Signature(signature) => Some((signature.vendor, signature.eax)),
            Self::Model(model) => model_target(model),
            Self::Host => host()
                .ok()
                .map(|host| (host.cpu.vendor, host.cpu.signature)),
        }
    }

    /// What `-cpu` is given.
    ///
    /// KVM can only show features that the host has, so a known CPU becomes
    /// the plain `qemu64` with another name plate; x2APIC is KVM's own and
    /// spares an exit for each access to the APIC.
    ///
    /// A start revision is passed as what MSR 0x8B holds, which a CPU of
    /// unknown vendor has not.
    #[must_use]
    pub fn qemu_cpu(&self, machine: Machine, revision: Option<u32>) -> String {
        let cpu = self.qemu_model(machine);
        match (revision.map(u64::from), self.target()) {
            (Some(revision), Some((Vendor::Intel, _))) => {
                format!("{cpu},ucode-rev={:#x}", revision << 32)
            }
            (Some(revision), Some((Vendor::Amd, _))) => format!("{cpu},ucode-rev={revision:#x}"),
            _ => cpu,
        }
    }

    /// The device that is one more such CPU in a machine that emulates it; with
    /// another signature if one is given.
    pub(super) fn device(&self, signature: Option<u32>) -> String {
        let model = self.qemu_model(Machine::Model);
        let (name, properties) = model.split_once(',').unwrap_or((&model, ""));
        let mut device = format!("{name}-x86_64-cpu");
        if !properties.is_empty() {
            device = format!("{device},{properties}");
        }
        if let (Some(eax), Some((vendor, _))) = (signature, self.target()) {
            device = format!("{device},{}", Signature { eax, vendor }.properties());
        }
        device
    }

    fn qemu_model(&self, machine: Machine) -> String {
        match (machine, self, self.target()) {
            (Machine::Model | Machine::Tcg, Self::Signature(signature), _) => {
                let base = base_model(signature.vendor);
                format!("{base},{}", signature.properties())
            }
            // What it can do is shown as well, which only KVM can.
            (Machine::KvmQemu, Self::Host, _) => HOST.to_owned(),
            (Machine::Model | Machine::Tcg, Self::Host, Some((vendor, eax))) => {
                Self::Signature(Signature { eax, vendor }).qemu_model(machine)
            }
            (Machine::KvmQemu, _, Some((vendor, eax))) => {
                let properties = Signature { eax, vendor }.properties();
                format!(
                    "qemu64,+x2apic,vendor={},{properties}",
                    vendor_string(vendor)
                )
            }
            (_, cpu, _) => cpu.to_string(),
        }
    }
}

/// The vendor and signature of `MODEL,family=F,model=M,stepping=S`: those of a
/// known model with the given numbers in place of its own.
fn model_target(text: &str) -> Option<(Vendor, u32)> {
    let mut parts = text.split(',');
    let name = parts.next()?;
    let &(_, mut vendor, eax) = MODELS.iter().find(|(known, ..)| *known == name)?;
    let (mut family, mut model, mut stepping) = split(eax);
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        let field = match key {
            "family" => &mut family,
            "model" => &mut model,
            "stepping" => &mut stepping,
            "vendor" => {
                vendor = [Vendor::Intel, Vendor::Amd]
                    .into_iter()
                    .find(|&vendor| vendor_string(vendor) == value)?;
                continue;
            }
            _ => continue,
        };
        *field = number(value)?;
    }
    let eax = join(family, model, stepping);
    (split(eax) == (family, model, stepping)).then_some((vendor, eax))
}

/// A number as QEMU's properties take it.
fn number(text: &str) -> Option<u32> {
    text.strip_prefix("0x")
        .map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16))
        .ok()
}

impl FromStr for Cpu {
    type Err = CpuError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(CpuError::Empty);
        }
        if text == HOST {
            return Ok(Self::Host);
        }
        if !text.starts_with("0x") && !text.starts_with("0X") {
            return Ok(Self::Model(text.to_owned()));
        }
        hexadecimal(text)
            .map_err(|_| CpuError::NotHex(text.to_owned()))
            .and_then(Signature::new)
            .map(Self::Signature)
    }
}

impl TryFrom<String> for Cpu {
    type Error = CpuError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(model) => f.write_str(model),
            Self::Signature(signature) => write!(f, "{:#010x}", signature.eax),
            Self::Host => f.write_str(HOST),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_signature_becomes_a_base_model_of_its_vendor() {
        let tcg = |text: &str| text.parse::<Cpu>().unwrap().qemu_cpu(Machine::Tcg, None);
        assert_eq!(
            tcg("0x000506e3"),
            "Skylake-Server,family=6,model=94,stepping=3"
        );
        assert_eq!(tcg("0x00a00f11"), "EPYC,family=25,model=1,stepping=1");
        assert_eq!(tcg("EPYC-Rome"), "EPYC-Rome");
        assert_eq!(tcg("max,+avx"), "max,+avx");
    }

    #[test]
    fn kvm_gets_the_plain_model_with_the_name_plate_asked_for() {
        let kvm = |text: &str| {
            text.parse::<Cpu>()
                .unwrap()
                .qemu_cpu(Machine::KvmQemu, None)
        };
        assert_eq!(
            kvm("Skylake-Server"),
            "qemu64,+x2apic,vendor=GenuineIntel,family=6,model=85,stepping=4"
        );
        assert_eq!(
            kvm("0x00800f12"),
            "qemu64,+x2apic,vendor=AuthenticAMD,family=23,model=1,stepping=2"
        );
        assert_eq!(kvm("host"), "host");
    }

    #[test]
    fn a_start_revision_lies_where_its_vendor_has_it() {
        let cpu = |text: &str| {
            let cpu: Cpu = text.parse().unwrap();
            cpu.qemu_cpu(Machine::Tcg, Some(0x0a))
        };
        assert_eq!(
            cpu("Skylake-Server"),
            "Skylake-Server,ucode-rev=0xa00000000"
        );
        assert_eq!(cpu("EPYC"), "EPYC,ucode-rev=0xa");
        assert_eq!(cpu("max"), "max");
    }

    #[test]
    fn every_known_model_has_a_signature_of_its_own_vendor() {
        for (name, vendor, eax) in MODELS {
            assert_eq!(Signature::new(eax), Ok(Signature { eax, vendor }), "{name}");
            let cpu = Cpu::Model(name.to_owned());
            assert_eq!(cpu.target(), Some((vendor, eax)));
        }
        assert_eq!(Cpu::Model("max".to_owned()).target(), None);
    }

    #[test]
    fn a_models_properties_change_its_signature() {
        let target = |text: &str| text.parse::<Cpu>().unwrap().target();
        assert_eq!(
            target("Skylake-Server,stepping=7"),
            Some((Vendor::Intel, 0x0005_0657))
        );
        assert_eq!(
            target("EPYC,family=0x19,model=1,stepping=1,-svm"),
            Some((Vendor::Amd, 0x00a0_0f11))
        );
        assert_eq!(
            target("Skylake-Server,vendor=AuthenticAMD,family=23,model=1,stepping=2"),
            Some((Vendor::Amd, 0x0080_0f12))
        );
        assert_eq!(target("Skylake-Server,stepping=red"), None);
        assert_eq!(target("Skylake-Server,stepping=16"), None);
        assert_eq!(target("Skylake-Server,vendor=Cyrix"), None);
    }

    #[test]
    fn what_is_no_signature_is_refused_with_the_reason() {
        let error = |text: &str| text.parse::<Cpu>().unwrap_err();
        assert_eq!(error(""), CpuError::Empty);
        assert!(matches!(error("0x"), CpuError::NotHex(_)));
        assert!(matches!(error("0x+506e3"), CpuError::NotHex(_)));
        assert!(matches!(error("0x1000506e3"), CpuError::NotHex(_)));
        assert!(matches!(error("0x80050654"), CpuError::NotEncodable(_)));
        assert!(matches!(error("0x00002654"), CpuError::NotEncodable(_)));
        assert!(matches!(
            error("0x00000454"),
            CpuError::Family { family: 4, .. }
        ));
        assert!(matches!(error("0x0ff00f11"), CpuError::Family { .. }));
    }

    proptest! {
        #[test]
        fn family_model_and_stepping_survive_qemus_encoding(
            family in 0..=0x10e_u32, model in 0..=0xff_u32, stepping in 0..=0xf_u32,
        ) {
            let eax = join(family, model, stepping);
            prop_assert_eq!(split(eax), (family, model, stepping));
        }

        #[test]
        fn no_text_makes_the_parser_fail_otherwise_than_by_an_error(text in "\\PC{0,20}") {
            if let Ok(cpu) = text.parse::<Cpu>() {
                let _ = cpu.qemu_cpu(Machine::Tcg, Some(1));
                let _ = cpu.qemu_cpu(Machine::KvmQemu, None);
            }
        }
    }
}
