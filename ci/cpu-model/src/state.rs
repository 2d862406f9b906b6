//! What all callbacks share: QEMU gives the plugin no place to keep it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

use crossbeam_utils::CachePadded;
use engine::{Engine, Memory, Unmapped};
use stand_in::{StandIn, Topology};

use crate::api::{Api, Register};
use crate::apic;
use crate::features::Pending;

/// Set once, by the installation.
pub(crate) static STATE: OnceLock<State> = OnceLock::new();

/// All of it.
pub(crate) struct State {
    pub(crate) api: Api,
    pub(crate) cpus: StandIn,
    /// Set where QEMU cannot be asked which CPU runs.
    pub(crate) topology: Option<Topology>,
    pub(crate) vcpus: Box<[CachePadded<Vcpu>]>,
    pub(crate) registers: OnceLock<Registers>,
    /// How many of the CPUs have a change of CPUID to come.
    pub(crate) nr_pending: AtomicU32,
}

/// The registers of the instructions that are answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers {
    pub(crate) rax: Register,
    pub(crate) rbx: Register,
    pub(crate) rcx: Register,
    pub(crate) rdx: Register,
}

/// What is remembered of a CPU between two callbacks, used by its own thread
/// alone.
#[derive(Debug, Default)]
pub(crate) struct Vcpu {
    /// A #GP is on its way, and these registers are to be restored then.
    pub(crate) is_faulting: AtomicBool,
    pub(crate) rax: AtomicU64,
    pub(crate) rcx: AtomicU64,
    /// It is inside a load that never ends.
    pub(crate) is_hung: AtomicBool,
    /// What is to become of the answer of a CPUID that it executes.
    pub(crate) pending: Pending,
}

impl State {
    pub(crate) fn new(api: Api, cpus: StandIn, topology: Option<Topology>) -> Self {
        let nr_cpus = cpus.engine().config().cpus;
        Self {
            api,
            cpus,
            topology,
            vcpus: (0..nr_cpus).map(|_| CachePadded::default()).collect(),
            registers: OnceLock::new(),
            nr_pending: AtomicU32::new(0),
        }
    }

    /// The model of the CPUs.
    pub(crate) const fn engine(&self) -> &Engine {
        self.cpus.engine()
    }

    /// Whether answers of CPUID are to change at all.
    pub(crate) fn changes_features(&self) -> bool {
        !self.engine().config().feature.is_empty()
    }

    /// The CPU that runs, of which QEMU says that it is `vcpu`.
    pub(crate) fn running(&self, vcpu: u32) -> u32 {
        self.topology
            .and_then(|topology| apic::running(topology, &self.api))
            .filter(|&vcpu| vcpu < self.engine().config().cpus)
            .unwrap_or(vcpu)
    }
}

/// The memory of the CPU whose callback runs.
pub(crate) struct GuestMemory<'a>(pub(crate) &'a Api);

impl Memory for GuestMemory<'_> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Unmapped> {
        if self.0.read_memory(address, buffer) {
            Ok(())
        } else {
            Err(Unmapped)
        }
    }
}
