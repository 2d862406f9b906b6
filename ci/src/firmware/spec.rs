//! How a scenario names its microcode.

use std::path::PathBuf;

use serde::Deserialize;

use super::synthetic::{Synthetic, SyntheticError, pack};

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
    /// Flips the lowest bit of this byte of the initrd.
    pub flip_byte: Option<usize>,
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

/// Why a scenario's microcode cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// More than one source.
    #[error("firmware: give only one of path, synthetic and bytes")]
    Several,
    /// A byte to flip that is not there.
    #[error("firmware.flip_byte = {byte}: the microcode has bytes 0 to {last}")]
    FlipByte {
        /// Which.
        byte: usize,
        /// The last that there is.
        last: usize,
    },
    /// A synthetic update.
    #[error("firmware.synthetic: {0}")]
    Synthetic(#[from] SyntheticError),
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
        for update in &self.synthetic {
            update.check()?;
        }
        Ok(())
    }

    /// The initrd of the synthetic updates.
    pub(super) fn build(&self) -> Result<Vec<u8>, SpecError> {
        Ok(pack(&self.synthetic)?)
    }
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
            .map(|c| (c.update.signature(), c.update.revision(), c.damage()))
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
    fn what_cannot_be_made_is_refused_with_the_field() {
        let error = |text: &str| spec(text).check().unwrap_err();
        assert_eq!(error("path = \"/x\"\nbytes = []"), SpecError::Several);
        let error = error("synthetic = [{ signature = 1, revision = 1 }]").to_string();
        assert!(error.starts_with("firmware.synthetic: "), "{error}");
        spec("bytes = []").check().unwrap();
    }
}
