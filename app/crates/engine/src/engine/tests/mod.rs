//! The model's behaviour: what a thread sees ([`registers`]), which updates are
//! taken ([`updates`]), what time and faults do ([`loads`]), which bits of CPUID
//! come and go ([`features`]).

extern crate std;

use std::vec::Vec;

use microcode::synth;

use super::*;
use crate::{Downgrade, Fault, FaultKind, Refusal};

mod features;
mod loads;
mod registers;
mod updates;

const INTEL: u32 = 0x0005_06e3;
const AMD: u32 = 0x0080_0f12;
const OLD: u32 = 1;

/// Where tests put an update: Intel's data are aligned then.
const ADDRESS: u64 = 0x1000;

fn intel(threads: u32) -> Config {
    Config {
        threads,
        ..Config::new(Vendor::Intel, INTEL, 4)
    }
}

fn amd(threads: u32) -> Config {
    Config {
        threads,
        revision: 0x0800_1200,
        ..Config::new(Vendor::Amd, AMD, 4)
    }
}

fn engine(config: Config) -> Engine {
    Engine::new(config).unwrap()
}

fn intel_update(revision: u32) -> Vec<u8> {
    synth::intel(INTEL, 1, revision).build()
}

/// A patch without its container.
fn amd_patch(signature: u32, revision: u32) -> Vec<u8> {
    let container = synth::amd(signature, revision).build();
    let scan = microcode::scan(&container);
    scan.candidates[0].update.bytes().to_vec()
}

impl Engine {
    /// An access that reads no memory.
    fn access(&self, thread: u32, access: Access) -> Answer {
        self.begin(thread, access, &(0, [].as_slice()))
    }

    /// Begins a load of an update that lies at [`ADDRESS`].
    fn begin_load(&self, thread: u32, update: &[u8]) -> Answer {
        let (register, offset) = match self.config.vendor {
            Vendor::Intel => (msr::BIOS_UPDT_TRIG, 48),
            Vendor::Amd => (msr::PATCH_LOADER, 0),
        };
        self.begin(
            thread,
            Access::Write(register, ADDRESS + offset),
            &(ADDRESS, update),
        )
    }

    /// A whole load, and what came of it.
    fn load_all(&self, thread: u32, update: &[u8]) -> Result<u32, Refusal> {
        let load = self.begin_load(thread, update).load.unwrap();
        self.finish(&load);
        load.outcome
    }

    /// Reads the revision as a loader does.
    fn read_revision(&self, thread: u32) -> u32 {
        let value = |reply| match reply {
            Reply::Value(value) => value,
            other => panic!("{other:?}"),
        };
        match self.config.vendor {
            Vendor::Intel => {
                let write = Access::Write(msr::BIOS_SIGN_ID, 0);
                assert_eq!(self.access(thread, write).reply, Reply::Done);
                assert_eq!(self.access(thread, Access::Cpuid).reply, Reply::Done);
                let read = self.access(thread, Access::Read(msr::BIOS_SIGN_ID));
                u32::try_from(value(read.reply) >> 32).unwrap()
            }
            Vendor::Amd => {
                let read = self.access(thread, Access::Read(msr::BIOS_SIGN_ID));
                u32::try_from(value(read.reply)).unwrap()
            }
        }
    }
}
