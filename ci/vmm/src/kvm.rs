//! KVM: what it must be able to do, and a machine without CPUs.

use std::path::Path;

use kvm_bindings::{
    KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER, KVM_MSR_EXIT_REASON_INVAL,
    KVM_MSR_EXIT_REASON_UNKNOWN, KVM_PIT_SPEAKER_DUMMY, kvm_enable_cap, kvm_pit_config,
    kvm_userspace_memory_region,
};
use kvm_ioctls::{Cap, Kvm, MsrFilterDefaultAction, MsrFilterRange, MsrFilterRangeFlags, VmFd};
use stand_in::Topology;
use vmm_sys_util::errno;

use crate::memory::Memory;

const DEVICE: &str = "/dev/kvm";
/// Where KVM may keep what it needs to run real-mode code: three pages and one
/// below the last 16 MiB before 4 GiB, where no guest has memory.
const TASK_STATE: usize = 0xfffb_d000;

/// Why this KVM will not do.
#[derive(Debug, thiserror::Error)]
pub enum KvmError {
    /// There is none.
    #[error(
        "{DEVICE} does not exist: this host has no KVM, or its module is not loaded (`modprobe \
         kvm_intel` or `kvm_amd`)"
    )]
    Missing,
    /// It cannot be opened.
    #[error("{DEVICE} cannot be opened ({0}): `sudo usermod -aG kvm $USER` and log in anew")]
    Open(errno::Error),
    /// It is of another version.
    #[error(
        "{DEVICE} is no KVM that this program knows (it gives its version as {0}, not 12): load \
         the kernel's own module"
    )]
    Version(i32),
    /// It lacks something.
    #[error(
        "this KVM cannot {what} ({name}): that takes Linux {since} or later on the machine that \
         runs it"
    )]
    Lacks {
        /// What cannot be done.
        what: &'static str,
        /// The capability's name.
        name: &'static str,
        /// Since when it can.
        since: &'static str,
    },
    /// It has not enough CPUs.
    #[error(
        "this KVM runs at most {most} CPUs with APIC ids up to {highest_id}: give fewer than {given}"
    )]
    Cpus {
        /// How many were asked for.
        given: u32,
        /// How many it can have.
        most: usize,
        /// The highest id.
        highest_id: usize,
    },
    /// Its list is too short.
    #[error("this KVM says more of CPUID than it takes: its own limit is too low")]
    Answers,
    /// A call failed.
    #[error("KVM refuses to {what}: {why}")]
    Call {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        why: errno::Error,
    },
}

impl KvmError {
    /// A call that failed.
    pub(crate) fn call(what: &'static str) -> impl FnOnce(errno::Error) -> Self {
        move |why| Self::Call { what, why }
    }
}

/// What must be there, and since which kernel it is.
const NEEDED: [(Cap, &str, &str, &str); 4] = [
    (
        Cap::Irqchip,
        "emulate interrupt controllers",
        "KVM_CAP_IRQCHIP",
        "2.6.20",
    ),
    (Cap::Pit2, "emulate a timer", "KVM_CAP_PIT2", "2.6.31"),
    (
        Cap::X86UserSpaceMsr,
        "leave registers to this program",
        "KVM_CAP_X86_USER_SPACE_MSR",
        "5.10",
    ),
    (
        Cap::X86MsrFilter,
        "choose which registers",
        "KVM_CAP_X86_MSR_FILTER",
        "5.10",
    ),
];

/// Opens KVM, whatever it can.
pub fn opened() -> Result<Kvm, KvmError> {
    if !Path::new(DEVICE).exists() {
        return Err(KvmError::Missing);
    }
    Kvm::new().map_err(KvmError::Open)
}

/// Opens KVM, if it will do for such CPUs.
pub fn open(topology: Topology) -> Result<Kvm, KvmError> {
    let kvm = opened()?;
    let version = kvm.get_api_version();
    if version != 12 {
        return Err(KvmError::Version(version));
    }
    for (cap, what, name, since) in NEEDED {
        if !kvm.check_extension(cap) {
            return Err(KvmError::Lacks { what, name, since });
        }
    }
    let nr_cpus = topology.nr_cpus();
    let (most, nr_ids) = (kvm.get_max_vcpus(), kvm.get_max_vcpu_id());
    if nr_cpus as usize > most || topology.highest_apic_id() as usize >= nr_ids {
        return Err(KvmError::Cpus {
            given: nr_cpus,
            most,
            highest_id: nr_ids.saturating_sub(1),
        });
    }
    Ok(kvm)
}

/// A machine with memory and interrupt controllers, in which accesses of the
/// registers `ours` are exits.
pub fn create(kvm: &Kvm, memory: &Memory, ours: &[u32]) -> Result<VmFd, KvmError> {
    let vm = kvm.create_vm().map_err(KvmError::call("make a machine"))?;
    let region = kvm_userspace_memory_region {
        slot: 0,
        flags: 0,
        guest_phys_addr: 0,
        memory_size: memory.nr_bytes(),
        userspace_addr: memory.host_address(),
    };
    // SAFETY: the address and the size are those of one mapping, which whoever
    // keeps the machine keeps as well, and which is not used by reference.
    unsafe { vm.set_user_memory_region(region) }.map_err(KvmError::call("map its memory"))?;
    vm.set_tss_address(TASK_STATE)
        .map_err(KvmError::call("set its task state"))?;
    vm.create_irq_chip()
        .map_err(KvmError::call("make interrupt controllers"))?;
    let timer = kvm_pit_config {
        flags: KVM_PIT_SPEAKER_DUMMY,
        ..kvm_pit_config::default()
    };
    vm.create_pit2(timer)
        .map_err(KvmError::call("make a timer"))?;
    leave_registers(&vm, ours)?;
    Ok(vm)
}

/// Makes accesses of these registers, and of those that KVM does not know, exits.
fn leave_registers(vm: &VmFd, ours: &[u32]) -> Result<(), KvmError> {
    let reasons =
        KVM_MSR_EXIT_REASON_FILTER | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL;
    let cap = kvm_enable_cap {
        cap: KVM_CAP_X86_USER_SPACE_MSR,
        args: [reasons.into(), 0, 0, 0],
        ..kvm_enable_cap::default()
    };
    vm.enable_cap(&cap)
        .map_err(KvmError::call("leave registers to this program"))?;
    // A clear bit is an exit.
    let ranges: Vec<_> = ours
        .iter()
        .map(|&base| MsrFilterRange {
            flags: MsrFilterRangeFlags::READ | MsrFilterRangeFlags::WRITE,
            base,
            msr_count: 1,
            bitmap: &[0],
        })
        .collect();
    vm.set_msr_filter(MsrFilterDefaultAction::ALLOW, &ranges)
        .map_err(KvmError::call("choose which registers"))
}
