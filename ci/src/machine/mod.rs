//! Where the guest runs: the machines that can be chosen, their CPU and their
//! topology.

pub mod cpu;
pub mod emulator;
pub mod host;
pub mod model;
pub(crate) mod process;
pub mod qemu;
pub mod vmm;

pub use cpu::Cpu;
pub use model::Model;
pub use stand_in::{MAX_CPUS, Topology, TopologyError};

use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread::available_parallelism;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::verdict::Verdict;

const MIB: u64 = 1 << 20;
/// Kernel, image and heap, and what each CPU adds (stacks, per-core data).
const MEMORY_MIB: u64 = 128;
const MEMORY_PER_CPU_MIB: u64 = 2;

/// What a machine runs, and on how many CPUs.
#[derive(Clone, Debug)]
pub struct Payload {
    /// The CPUs.
    pub topology: Topology,
    /// The unikernel.
    pub image: PathBuf,
    /// The initrd that is handed over beside it, if any.
    pub module: Option<PathBuf>,
    /// Size of the microcode in bytes, whichever way it comes in.
    pub nr_initrd_bytes: u64,
    /// The guest's command line.
    pub command_line: String,
}

impl Payload {
    /// The memory that it needs, in MiB. The microcode lies in it twice: as it was
    /// given, and as the guest's copies.
    const fn memory_mib(&self) -> u64 {
        MEMORY_MIB
            + MEMORY_PER_CPU_MIB * self.topology.nr_cpus() as u64
            + (2 * self.nr_initrd_bytes).div_ceil(MIB)
    }
}

/// What stands behind the guest's CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Machine {
    /// QEMU with a CPU that takes updates.
    #[default]
    Model,
    /// Stock QEMU, emulating the CPU.
    Tcg,
    /// This project's monitor with /dev/kvm, and a CPU that takes updates.
    Kvm,
    /// Stock QEMU with /dev/kvm.
    KvmQemu,
}

impl Machine {
    /// The name on the command line, in scenarios and in `result.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
            Self::KvmQemu => "kvm-qemu",
        }
    }

    /// What executes the guest: QEMU's name for its accelerator, before any
    /// option, or KVM itself, which has none.
    #[must_use]
    pub const fn accelerator(self) -> &'static str {
        match self {
            Self::Model | Self::Tcg => "tcg",
            Self::Kvm | Self::KvmQemu => "kvm",
        }
    }

    /// What `-accel` is given for `nr_cpus` CPUs unless the user says otherwise.
    ///
    /// TCG gets a thread a vCPU: a rendezvous of CPUs that never run at once
    /// shows little. Where they are many more than the host's cores, they run
    /// in turns anyway, and QEMU gives better turns than the host does, as it
    /// sees which CPU only waits: 64 on two cores take 1.0 s (0.9–1.2), and
    /// with a thread each 1.5 to 12 s.
    #[must_use]
    pub fn default_accel(self, nr_cpus: u32) -> &'static str {
        const MOST_PER_CORE: usize = 16;
        let nr_cores = available_parallelism().map_or(1, NonZero::get);
        match self {
            Self::Model | Self::Tcg if nr_cpus as usize > MOST_PER_CORE * nr_cores => {
                "tcg,thread=single"
            }
            Self::Model | Self::Tcg => "tcg,thread=multi",
            Self::Kvm | Self::KvmQemu => "kvm",
        }
    }

    /// Whether the host's KVM runs it.
    #[must_use]
    pub const fn is_kvm(self) -> bool {
        matches!(self, Self::Kvm | Self::KvmQemu)
    }

    /// Whether QEMU runs it.
    #[must_use]
    pub const fn is_qemu(self) -> bool {
        !matches!(self, Self::Kvm)
    }

    /// Whether a microcode write has an effect on it.
    #[must_use]
    pub const fn takes_updates(self) -> bool {
        match self {
            Self::Model | Self::Kvm => true,
            Self::Tcg | Self::KvmQemu => false,
        }
    }

    /// The verdicts that an undeclared run can at best end with.
    #[must_use]
    pub const fn best_verdicts(self) -> &'static [Verdict] {
        if self.takes_updates() {
            &[Verdict::Pass]
        } else {
            &[Verdict::Pass, Verdict::Swallowed]
        }
    }

    /// How long a CPU of `nr_cpus` waits for the others, in µs, where the
    /// scenario does not say.
    ///
    /// The protocol's own 30 ms are for CPUs that run all the time. Here they
    /// are threads that the host runs in turns: with more CPUs than host cores
    /// a ready one waits while the others spin (QEMU gives a vCPU turns of
    /// 100 ms where all share one thread, `accel/tcg/tcg-accel-ops-rr.c`), and
    /// a container's CPU quota stops all at once. Measured on two cores that
    /// were busy otherwise: 30 ms were too short for 4 of 4 CPUs to come.
    #[must_use]
    pub const fn patience_us(self, nr_cpus: u32) -> u32 {
        match self {
            Self::Model | Self::Tcg | Self::Kvm | Self::KvmQemu => 1_000_000 + 100_000 * nr_cpus,
        }
    }

    /// Why this machine cannot be had here with such CPUs, as opposed to a piece
    /// that could be installed.
    #[must_use]
    pub fn unavailable(self, topology: Topology) -> Option<String> {
        let lack = match self {
            Self::Model | Self::Tcg => return None,
            Self::Kvm => ::vmm::kvm::open(topology).map(drop),
            Self::KvmQemu => ::vmm::kvm::opened().map(drop),
        };
        lack.err().map(|error| error.to_string())
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_s_own_accelerator_is_of_its_kind() {
        for machine in Machine::value_variants() {
            for nr_cpus in [1, 4096] {
                let accel = machine.default_accel(nr_cpus);
                assert_eq!(accel.split(',').next(), Some(machine.accelerator()));
            }
            let value = machine.to_possible_value().unwrap();
            assert_eq!(value.get_name(), machine.name());
        }
    }
}
