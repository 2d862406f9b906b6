//! Conformance vectors: steps and the answers that a CPU gives to them, as
//! text, and the runner that holds any way of standing behind a guest against
//! them.
//!
//! ```text
//! intel.txt, amd.txt ─parse─▶ steps ─▶ Way::access on a CPU ─▶ the answer expected?
//! ```
//!
//! A [`Way`] is the model itself in a unit test, and in a guest the registers
//! that it really has, be they trapped by a QEMU plugin, by a monitor, or
//! modelled in the guest.

mod text;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use microcode::synth::{self, Defect};
use microcode::{Vendor, scan};

use crate::{Access, Config, LateLoad, Reply, msr};

pub use text::{Step, Vector, vectors};

/// The boundary on which updates are put, in bytes.
pub const ALIGNMENT: usize = 16;

const INTEL: u32 = 0x0005_06e3;
const AMD: u32 = 0x0080_0f12;

/// The machine of a vendor's vectors.
#[must_use]
pub fn config(vendor: Vendor) -> Config {
    let (signature, late_load) = match vendor {
        Vendor::Intel => (INTEL, LateLoad::Enabled),
        Vendor::Amd => (AMD, LateLoad::Always),
    };
    Config {
        revision: revisions(vendor)[0],
        threads: 2,
        late_load,
        ..Config::new(vendor, signature, 4)
    }
}

/// The revision that the CPUs of a vendor's vectors start with, and that of the
/// update `newer`.
#[must_use]
pub const fn revisions(vendor: Vendor) -> [u32; 2] {
    match vendor {
        Vendor::Intel => [0x10, 0x20],
        Vendor::Amd => [0x0800_1210, 0x0800_1220],
    }
}

/// The updates that vectors name.
pub const UPDATES: [&str; 10] = [
    "newer",
    "older",
    "extended",
    "signature",
    "platform",
    "checksum",
    "header-version",
    "loader-version",
    "total-size",
    "misaligned",
];

/// The update of that name for a vendor's machine, from its header on; `None`
/// for a name that there is not.
#[must_use]
pub fn update(vendor: Vendor, name: &str) -> Option<Vec<u8>> {
    match vendor {
        Vendor::Intel => intel_update(name),
        Vendor::Amd => amd_patch(name),
    }
}

fn intel_update(name: &str) -> Option<Vec<u8>> {
    let [_, revision] = revisions(Vendor::Intel);
    let newer = || synth::intel(INTEL, 1, revision);
    let update = match name {
        "newer" | "misaligned" => newer(),
        "older" => synth::intel(INTEL, 1, 0x0f),
        "extended" => synth::intel(0x306c3, 1, 0x30).extended(&[(INTEL, 1)]),
        "signature" => synth::intel(0x306c3, 1, 0x20),
        "platform" => synth::intel(INTEL, 2, 0x20),
        "checksum" => newer().defect(Defect::Checksum),
        "header-version" => newer().defect(Defect::HeaderVersion),
        "loader-version" => newer().defect(Defect::LoaderVersion),
        "total-size" => newer().defect(Defect::TotalSize),
        _ => return None,
    };
    Some(update.build())
}

fn amd_patch(name: &str) -> Option<Vec<u8>> {
    let (signature, level) = match name {
        "newer" | "misaligned" | "header-version" => (AMD, revisions(Vendor::Amd)[1]),
        "older" => (AMD, 0x0800_120f),
        "signature" => (0x0083_0f10, 0x0830_1020),
        _ => return None,
    };
    // A CPU is given the patch without its container.
    let container = synth::amd(signature, level).build();
    let mut patch = scan(&container).candidates.first()?.update.bytes().to_vec();
    if name == "header-version" {
        // The data id, which says how the patch is laid out.
        patch.get_mut(8..10)?.fill(0);
    }
    Some(patch)
}

/// A way of standing behind a guest.
pub trait Way {
    /// Lets that CPU do something; what it saw, or why it did nothing.
    fn access(&mut self, cpu: u32, access: Access) -> Result<Reply, String>;

    /// Puts bytes where the CPUs can read them, on a boundary of
    /// [`ALIGNMENT`] bytes and for good: the linear address of the first.
    fn place(&mut self, bytes: Vec<u8>) -> u64;
}

/// A step that was answered otherwise than it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// Line of the vectors' file, from 1.
    pub line: usize,
    /// The step as the file has it.
    pub step: &'static str,
    /// What was answered.
    pub found: String,
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.step, self.found)
    }
}

/// Runs one vector's steps to its end or to the first deviation.
pub fn run(vector: &Vector, vendor: Vendor, way: &mut impl Way) -> Result<(), Deviation> {
    for step in &vector.steps {
        let deviation = |found: String| Deviation {
            line: step.line,
            step: step.text,
            found,
        };
        let access = match step.update {
            None => step.access,
            Some(name) => load(vendor, name, way)
                .ok_or_else(|| deviation(alloc::format!("there is no update {name:?}")))?,
        };
        let reply = way.access(step.cpu, access).map_err(deviation)?;
        if reply != step.expected {
            return Err(deviation(alloc::format!("{reply:x?}")));
        }
    }
    Ok(())
}

/// The write that loads an update, which is put where the CPUs can read it.
/// `None` if there is no such update.
pub fn load(vendor: Vendor, name: &str, way: &mut impl Way) -> Option<Access> {
    let bytes = update(vendor, name)?;
    let shift = usize::from(name == "misaligned") * (ALIGNMENT / 2);
    let mut placed = alloc::vec![0; shift];
    placed.extend_from_slice(&bytes);
    let start = way.place(placed).checked_add(shift as u64)?;
    Some(match vendor {
        Vendor::Intel => Access::Write(
            msr::BIOS_UPDT_TRIG,
            start.checked_add(microcode::intel::HEADER_SIZE as u64)?,
        ),
        Vendor::Amd => Access::Write(msr::PATCH_LOADER, start),
    })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;
    use crate::Engine;

    /// The model, asked directly, and a memory that grows.
    struct Model {
        engine: Engine,
        memory: Vec<u8>,
    }

    const START: u64 = 0x10_0000;

    impl Way for Model {
        fn access(&mut self, cpu: u32, access: Access) -> Result<Reply, String> {
            let answer = self
                .engine
                .begin(cpu, access, &(START, self.memory.as_slice()));
            if let Some(load) = &answer.load {
                self.engine.finish(load);
            }
            Ok(answer.reply)
        }

        fn place(&mut self, bytes: Vec<u8>) -> u64 {
            let start = self.memory.len().next_multiple_of(ALIGNMENT);
            self.memory.resize(start, 0);
            self.memory.extend(bytes);
            START + start as u64
        }
    }

    #[test]
    fn the_model_itself_conforms() {
        for vendor in [Vendor::Intel, Vendor::Amd] {
            let mut model = Model {
                engine: Engine::new(config(vendor)).unwrap(),
                memory: Vec::new(),
            };
            for vector in vectors(vendor).unwrap() {
                assert_eq!(run(&vector, vendor, &mut model), Ok(()), "{}", vector.name);
            }
        }
    }

    #[test]
    fn a_model_of_another_start_deviates_at_the_first_read() {
        let mut model = Model {
            engine: Engine::new(Config {
                revision: 0x11,
                ..config(Vendor::Intel)
            })
            .unwrap(),
            memory: Vec::new(),
        };
        let vectors = vectors(Vendor::Intel).unwrap();
        let deviation = run(&vectors[0], Vendor::Intel, &mut model).unwrap_err();
        assert!(
            deviation
                .to_string()
                .ends_with("cpu 0 read 8b => 1000000000: Value(1100000000)"),
            "{deviation}"
        );
    }

    #[test]
    fn every_update_has_its_vector_and_is_there() {
        let named: std::collections::BTreeSet<_> = [Vendor::Intel, Vendor::Amd]
            .into_iter()
            .flat_map(|vendor| vectors(vendor).unwrap())
            .flat_map(|vector| vector.steps)
            .filter_map(|step| step.update)
            .collect();
        for name in UPDATES {
            assert!(named.contains(name), "{name}");
            assert!(update(Vendor::Intel, name).is_some(), "{name}");
        }
        assert_eq!(named.len(), UPDATES.len());
        assert_eq!(update(Vendor::Amd, "platform"), None);
    }
}
