//! Synthetic updates, as scenarios and the command line ask for them.

mod fields;

use fields::{Block, Extended};

use clap::Args;
use microcode::synth::{self, ContainerDefect, Defect};
use microcode::{Date, Vendor, amd, initrd};
use serde::Deserialize;

use crate::machine::cpu::{CpuError, Signature};
use crate::number::hexadecimal;

/// Synthetic updates are for platform id 0, which virtual CPUs show.
const PLATFORM_0: u32 = 1;

/// A synthetic update. The CPU's vendor decides the format.
#[derive(Clone, Debug, Default, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub struct Synthetic {
    /// CPUID leaf 1 EAX of the CPU that it is for
    #[arg(value_parser = hexadecimal)]
    pub signature: u32,
    /// Revision or patch level; from AMD's family 17h on it encodes its CPU
    #[arg(long, value_name = "HEX", value_parser = hexadecimal)]
    pub revision: u32,
    /// Intel: processor flags, a bit for each platform id [default: 0x1]
    #[arg(long, value_name = "HEX", value_parser = hexadecimal)]
    pub flags: Option<u32>,
    /// The lowest revision that it may replace on a running machine
    #[arg(long, value_name = "HEX", value_parser = hexadecimal)]
    pub minimum_revision: Option<u32>,
    /// Date of the header [default: 2026-01-01]
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<jiff::civil::Date>,
    /// Intel: least size of the data; AMD: size of the patch
    #[arg(long, value_name = "BYTES")]
    pub data_bytes: Option<usize>,
    /// Intel: a further signature with its flags (repeatable); AMD: a further
    /// signature that its table maps to the patch
    #[arg(long, value_name = "HEX[:FLAGS]")]
    #[serde(default)]
    pub extended: Vec<Extended>,
    /// Intel: a block of metadata by its type and one dword (repeatable)
    #[arg(long, value_name = "TYPE:DWORD")]
    #[serde(default)]
    pub metadata: Vec<Block>,
    /// Intel: the oldest form, without sizes
    #[arg(long)]
    #[serde(default)]
    pub legacy: bool,
    /// AMD: the byte that says how to load (1 serialized, 2 on both threads)
    #[arg(long, value_name = "BITS")]
    pub load_control: Option<u8>,
    /// AMD: leave out the zero entry at the table's end
    #[arg(long)]
    #[serde(default)]
    pub no_sentinel: bool,
    /// Do one thing wrong; a wrong name lists the defects
    #[arg(long, value_name = "NAME")]
    pub defect: Option<String>,
}

/// Why a synthetic update cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntheticError {
    /// No CPU has this signature.
    #[error(transparent)]
    Signature(#[from] CpuError),
    /// No defect of this vendor's format has this name.
    #[error(
        "there is no defect {name:?} that an update for {signature:#010x} can have; there are: {known}"
    )]
    Defect {
        /// What was given.
        name: String,
        /// For which CPU.
        signature: u32,
        /// What could have been.
        known: String,
    },
    /// More data than an update may have.
    #[error("data-bytes is {size}; for {signature:#010x} it goes from {least} to {most}")]
    DataSize {
        /// What was given.
        size: usize,
        /// For which CPU.
        signature: u32,
        /// The least that there can be.
        least: usize,
        /// The most.
        most: usize,
    },
    /// A field of the other vendor's format.
    #[error("{field} is a field of the other vendor's format, and {signature:#010x} is {vendor}'s")]
    OtherVendor {
        /// The field.
        field: &'static str,
        /// The CPU.
        signature: u32,
        /// Whose it is.
        vendor: &'static str,
    },
    /// Metadata of the type that ends metadata.
    #[error("metadata of type 0 would end the metadata: give another type")]
    MetadataEnd,
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
            revision,
            ..Self::default()
        }
    }

    /// Whose format it is in, after all fields were looked at.
    ///
    /// # Errors
    /// What cannot be made, with the field.
    pub fn check(&self) -> Result<Vendor, SyntheticError> {
        let signature = self.signature;
        let vendor = Signature::new(signature)?.vendor();
        let (others, least, most) = match vendor {
            Vendor::Intel => (
                [
                    ("load-control", self.load_control.is_some()),
                    ("no-sentinel", self.no_sentinel),
                    ("extended without flags", self.has_flags(false)),
                ],
                1,
                synth::MAX_DATA_SIZE,
            ),
            Vendor::Amd => (
                [
                    ("flags", self.flags.is_some() || self.has_flags(true)),
                    ("metadata", !self.metadata.is_empty()),
                    ("legacy", self.legacy),
                ],
                amd::HEADER_SIZE,
                usize::from(u16::MAX),
            ),
        };
        if let Some((field, _)) = others.into_iter().find(|&(_, is_given)| is_given) {
            return Err(SyntheticError::OtherVendor {
                field,
                signature,
                vendor: vendor.name(),
            });
        }
        if let Some(size) = self
            .data_bytes
            .filter(|size| !(least..=most).contains(size))
        {
            return Err(SyntheticError::DataSize {
                size,
                signature,
                least,
                most,
            });
        }
        if self.metadata.iter().any(|block| block.block_type == 0) {
            return Err(SyntheticError::MetadataEnd);
        }
        match vendor {
            Vendor::Intel => self.intel_defect().map(drop)?,
            Vendor::Amd => self.amd_defect().map(drop)?,
        }
        Ok(vendor)
    }

    fn has_flags(&self, expected: bool) -> bool {
        let mut extended = self.extended.iter();
        extended.any(|extended| extended.flags.is_some() == expected)
    }

    /// The file's bytes, and whose format they are in.
    ///
    /// # Errors
    /// See [`check`](Self::check).
    pub fn build(&self) -> Result<(Vendor, Vec<u8>), SyntheticError> {
        let vendor = self.check()?;
        let bytes = match vendor {
            Vendor::Intel => self.intel()?,
            Vendor::Amd => self.amd()?,
        };
        Ok((vendor, bytes))
    }

    fn intel(&self) -> Result<Vec<u8>, SyntheticError> {
        let flags = self.flags.unwrap_or(PLATFORM_0);
        let extended: Vec<_> = self
            .extended
            .iter()
            .map(|extended| (extended.signature, extended.flags.unwrap_or(PLATFORM_0)))
            .collect();
        let mut update = synth::intel(self.signature, flags, self.revision)
            .minimum_revision(self.minimum_revision.unwrap_or(0))
            .extended(&extended);
        if let Some(date) = self.date {
            update = update.date(header_date(date));
        }
        if let Some(size) = self.data_bytes {
            update = update.data_size(size);
        }
        for block in &self.metadata {
            update = update.metadata(block.block_type, &block.dword.to_le_bytes());
        }
        if self.legacy {
            update = update.legacy();
        }
        if let Some(defect) = self.intel_defect()? {
            update = update.defect(defect);
        }
        Ok(update.build())
    }

    fn amd(&self) -> Result<Vec<u8>, SyntheticError> {
        let mut container = synth::amd(self.signature, self.revision);
        for extended in &self.extended {
            container = container.equivalent(extended.signature);
        }
        if let Some(revision) = self.minimum_revision {
            container = container.minimum_revision(revision);
        }
        if let Some(date) = self.date {
            container = container.date(header_date(date));
        }
        if let Some(size) = self.data_bytes.and_then(|size| u16::try_from(size).ok()) {
            container = container.patch_size(size);
        }
        if let Some(bits) = self.load_control {
            container = container.load_control(bits);
        }
        if self.no_sentinel {
            container = container.without_sentinel();
        }
        if let Some(defect) = self.amd_defect()? {
            container = container.defect(defect);
        }
        Ok(container.build())
    }

    fn intel_defect(&self) -> Result<Option<Defect>, SyntheticError> {
        let all = Defect::ALL.map(|defect| (defect.name(), defect));
        self.find_defect(&all)
    }

    fn amd_defect(&self) -> Result<Option<ContainerDefect>, SyntheticError> {
        let suiting = ContainerDefect::ALL
            .into_iter()
            .filter(|defect| defect.suits(self.signature));
        let suiting: Vec<_> = suiting.map(|defect| (defect.name(), defect)).collect();
        self.find_defect(&suiting)
    }

    fn find_defect<T: Copy>(
        &self,
        known: &[(&'static str, T)],
    ) -> Result<Option<T>, SyntheticError> {
        let Some(name) = &self.defect else {
            return Ok(None);
        };
        let found = known.iter().find(|(known, _)| known == name);
        found.map(|&(_, defect)| Some(defect)).ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|&(name, _)| name).collect();
            SyntheticError::Defect {
                name: name.clone(),
                signature: self.signature,
                known: names.join(", "),
            }
        })
    }
}

/// An initrd with these updates.
pub(super) fn pack(updates: &[Synthetic]) -> Result<Vec<u8>, SyntheticError> {
    let (mut intel, mut amd) = (Vec::new(), Vec::new());
    for update in updates {
        match update.build()? {
            (Vendor::Intel, bytes) => intel.extend(bytes),
            (Vendor::Amd, bytes) => amd.extend(bytes),
        }
    }
    Ok(initrd::pack(&intel, &amd))
}

/// Headers hold years from 0 to 9999; the command line takes no others.
fn header_date(date: jiff::civil::Date) -> Date {
    Date {
        year: date.year().unsigned_abs(),
        month: date.month().unsigned_abs(),
        day: date.day().unsigned_abs(),
    }
}

#[cfg(test)]
mod tests;
