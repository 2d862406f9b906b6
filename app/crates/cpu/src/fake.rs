//! A CPU made of tables, which remembers what was done to it.

extern crate std;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::vec::Vec;

use crate::registers::{CpuIdReader, CpuIdResult, GpFault, Msr, Registers};

/// A register that is not in the tables faults; a leaf that is not reads 0.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    leaves: BTreeMap<(u32, u32), [u32; 4]>,
    msrs: RefCell<BTreeMap<u32, u64>>,
    /// What CPUID latches into MSR 0x8B.
    revision: Option<u32>,
    trace: RefCell<Vec<String>>,
}

impl Fake {
    fn new(signature: u32, vendor: [u32; 3]) -> Self {
        let [ebx, ecx, edx] = vendor;
        Self::default()
            .with_leaf(0, 0, [0x1f, ebx, ecx, edx])
            .with_leaf(1, 0, [signature, 0, 0, 0])
            .with_highest_extended(0x8000_001e)
    }

    pub(crate) fn intel(signature: u32) -> Self {
        Self::new(signature, [0x756e_6547, 0x6c65_746e, 0x4965_6e69])
    }

    pub(crate) fn amd(signature: u32) -> Self {
        Self::new(signature, [0x6874_7541, 0x444d_4163, 0x6974_6e65])
    }

    pub(crate) fn with_leaf(mut self, leaf: u32, subleaf: u32, registers: [u32; 4]) -> Self {
        self.leaves.insert((leaf, subleaf), registers);
        self
    }

    pub(crate) fn with_highest(mut self, leaf: u32) -> Self {
        self.leaves.entry((0, 0)).or_default()[0] = leaf;
        self
    }

    pub(crate) fn with_highest_extended(self, leaf: u32) -> Self {
        self.with_leaf(0x8000_0000, 0, [leaf, 0, 0, 0])
    }

    pub(crate) fn with_msr(self, msr: u32, value: u64) -> Self {
        self.msrs.borrow_mut().insert(msr, value);
        self
    }

    pub(crate) fn with_revision(mut self, revision: u32) -> Self {
        self.revision = Some(revision);
        self.with_msr(0x8b, 0)
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.trace.borrow().clone()
    }
}

impl CpuIdReader for Fake {
    fn cpuid2(&self, leaf: u32, subleaf: u32) -> CpuIdResult {
        self.trace.borrow_mut().push(format!("cpuid {leaf:x}"));
        if let (1, Some(revision)) = (leaf, self.revision) {
            self.msrs
                .borrow_mut()
                .insert(0x8b, u64::from(revision) << 32);
        }
        let [eax, ebx, ecx, edx] = self
            .leaves
            .get(&(leaf, subleaf))
            .copied()
            .unwrap_or_default();
        CpuIdResult { eax, ebx, ecx, edx }
    }
}

impl Registers for Fake {
    fn read_msr(&self, msr: Msr) -> Result<u64, GpFault> {
        self.trace.borrow_mut().push(format!("rdmsr {:x}", msr.0));
        self.msrs.borrow().get(&msr.0).copied().ok_or(GpFault)
    }

    unsafe fn write_msr(&self, msr: Msr, value: u64) -> Result<(), GpFault> {
        self.trace
            .borrow_mut()
            .push(format!("wrmsr {:x} = {value:x}", msr.0));
        let mut msrs = self.msrs.borrow_mut();
        *msrs.get_mut(&msr.0).ok_or(GpFault)? = value;
        Ok(())
    }

    fn read_tsc(&self) -> u64 {
        0
    }
}
