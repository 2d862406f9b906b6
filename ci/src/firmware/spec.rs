//! How a scenario names its microcode, and how synthetic updates are made.

use std::path::PathBuf;

use microcode::synth::{self, Defect};
use microcode::{Vendor, amd, initrd};
use serde::Deserialize;

use crate::machine::cpu::{CpuError, Signature};

/// Synthetic updates are for platform id 0, which virtual CPUs show.
const PLATFORM_0: u32 = 1;

/// A scenario's table `firmware`. At most one of `path`, `synthetic` and
/// `bytes`; without any, the rule for vendors' files.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// A file that is passed on as it is, or a folder to choose from.
    pub path: Option<PathBuf>,
    /// Updates to be made.
    #[serde(default)]
    pub synthetic: Vec<Synthetic>,
    /// The bytes themselves; `[]` is an empty initrd.
    pub bytes: Option<Vec<u8>>,
    /// Cuts the initrd to so many bytes.
    pub truncate_bytes: Option<usize>,
    /// How the guest gets it.
    #[serde(default)]
    pub delivery: Delivery,
}

/// How the guest gets its microcode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Linked into the image.
    Embedded,
    /// Handed over by the boot loader, so that no image needs to be built.
    #[default]
    Module,
}

/// A synthetic update. The CPU's vendor decides the format.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Synthetic {
    /// CPUID leaf 1 EAX of the CPU that it is for.
    pub signature: u32,
    /// Processor flags (Intel); platform id 0 without it.
    pub flags: Option<u32>,
    /// Revision or patch level. From AMD's family 17h on a patch level encodes
    /// its CPU, or the patch is for another one.
    pub revision: u32,
    /// Size of the data in bytes (Intel).
    pub data_bytes: Option<usize>,
    /// What is wrong with it (Intel): a name of [`Defect`].
    pub defect: Option<String>,
}

/// Why a scenario's microcode cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// More than one source.
    #[error("firmware: give only one of path, synthetic and bytes")]
    Several,
    /// No CPU has this signature.
    #[error("firmware.synthetic: {0}")]
    Signature(#[from] CpuError),
    /// No defect has this name.
    #[error("firmware.synthetic: there is no defect {name:?}; there are: {known}")]
    Defect {
        /// What was given.
        name: String,
        /// What could have been.
        known: String,
    },
    /// More data than an update may have.
    #[error("firmware.synthetic: data_bytes is {0}; the most is {max}", max = synth::MAX_DATA_SIZE)]
    DataSize(usize),
    /// A field of the other vendor's format.
    #[error("firmware.synthetic: {0} is a field of Intel's format, and {1:#010x} is an AMD CPU")]
    IntelOnly(&'static str, u32),
}

impl Spec {
    /// Whether the table is in itself sound.
    pub fn check(&self) -> Result<(), SpecError> {
        let sources = [
            self.path.is_some(),
            !self.synthetic.is_empty(),
            self.bytes.is_some(),
        ];
        if sources.into_iter().filter(|&given| given).count() > 1 {
            return Err(SpecError::Several);
        }
        self.synthetic.iter().try_for_each(Synthetic::check)
    }

    /// The initrd of the synthetic updates.
    pub(super) fn build(&self) -> Result<Vec<u8>, SpecError> {
        pack(&self.synthetic)
    }
}

impl Synthetic {
    /// A sound update for a CPU; `revision` is Intel's, or the low byte of
    /// AMD's patch level.
    pub(super) fn for_cpu(vendor: Vendor, signature: u32, revision: u8) -> Self {
        let revision = match vendor {
            Vendor::Intel => revision.into(),
            Vendor::Amd => amd::patch_id(signature, revision),
        };
        Self {
            signature,
            flags: None,
            revision,
            data_bytes: None,
            defect: None,
        }
    }

    /// An initrd with this update alone.
    pub(super) fn pack(&self) -> Result<Vec<u8>, SpecError> {
        pack(std::slice::from_ref(self))
    }

    fn check(&self) -> Result<(), SpecError> {
        let vendor = Signature::new(self.signature)?.vendor();
        if vendor == Vendor::Amd {
            let fields = [
                ("flags", self.flags.is_some()),
                ("data_bytes", self.data_bytes.is_some()),
                ("defect", self.defect.is_some()),
            ];
            if let Some((field, _)) = fields.into_iter().find(|&(_, given)| given) {
                return Err(SpecError::IntelOnly(field, self.signature));
            }
        }
        if let Some(size) = self.data_bytes.filter(|&size| size > synth::MAX_DATA_SIZE) {
            return Err(SpecError::DataSize(size));
        }
        self.defect
            .as_deref()
            .map_or(Ok(()), |name| defect(name).map(drop))
    }

    fn build(&self) -> Result<(Vendor, Vec<u8>), SpecError> {
        self.check()?;
        let vendor = Signature::new(self.signature)?.vendor();
        let bytes = match vendor {
            Vendor::Amd => synth::amd(self.signature, self.revision).build(),
            Vendor::Intel => {
                let flags = self.flags.unwrap_or(PLATFORM_0);
                let mut update = synth::intel(self.signature, flags, self.revision);
                if let Some(size) = self.data_bytes {
                    update = update.data_size(size);
                }
                if let Some(name) = &self.defect {
                    update = update.defect(defect(name)?);
                }
                update.build()
            }
        };
        Ok((vendor, bytes))
    }
}

fn pack(updates: &[Synthetic]) -> Result<Vec<u8>, SpecError> {
    let (mut intel, mut amd) = (Vec::new(), Vec::new());
    for update in updates {
        match update.build()? {
            (Vendor::Intel, bytes) => intel.extend(bytes),
            (Vendor::Amd, bytes) => amd.extend(bytes),
        }
    }
    Ok(initrd::pack(&intel, &amd))
}

fn defect(name: &str) -> Result<Defect, SpecError> {
    Defect::ALL
        .into_iter()
        .find(|defect| defect.name() == name)
        .ok_or_else(|| SpecError::Defect {
            name: name.to_owned(),
            known: Defect::ALL.map(Defect::name).join(", "),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Spec {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn both_vendors_updates_go_into_one_initrd() {
        let spec = spec(
            "synthetic = [{ signature = 0x00050654, revision = 5 }, \
             { signature = 0x00800f12, revision = 0x08001280 }]",
        );
        let initrd = spec.build().unwrap();
        let scan = microcode::scan(&initrd);
        let found: Vec<_> = scan
            .candidates
            .iter()
            .map(|c| (c.update.signature(), c.update.revision(), c.damage))
            .collect();
        assert_eq!(
            found,
            [
                (Some(0x0005_0654), 5, None),
                (Some(0x0080_0f12), 0x0800_1280, None)
            ]
        );
    }

    #[test]
    fn a_defect_damages_the_update() {
        for defect in Defect::ALL {
            let text = format!(
                "synthetic = [{{ signature = 0x00050654, revision = 5, defect = \"{}\" }}]",
                defect.name()
            );
            let initrd = spec(&text).build().unwrap();
            let scan = microcode::scan(&initrd);
            assert!(!scan.findings.is_empty(), "{}", defect.name());
        }
    }

    #[test]
    fn what_cannot_be_made_is_refused_with_the_field() {
        let error = |text: &str| spec(text).check().unwrap_err();
        assert_eq!(error("path = \"/x\"\nbytes = []"), SpecError::Several);
        assert!(matches!(
            error("synthetic = [{ signature = 0x50654, revision = 1, defect = \"ugly\" }]"),
            SpecError::Defect { .. }
        ));
        assert!(matches!(
            error("synthetic = [{ signature = 0x800f12, revision = 1, flags = 1 }]"),
            SpecError::IntelOnly("flags", _)
        ));
        assert!(matches!(
            error("synthetic = [{ signature = 0x50654, revision = 1, data_bytes = 99999999 }]"),
            SpecError::DataSize(_)
        ));
        assert!(matches!(
            error("synthetic = [{ signature = 1, revision = 1 }]"),
            SpecError::Signature(_)
        ));
        spec("bytes = []").check().unwrap();
    }
}
