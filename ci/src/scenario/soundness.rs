//! What a scenario must not say, alone or together.

use engine::ConfigError;

use super::Scenario;
use crate::firmware::SpecError;
use crate::guest::{DEADLINES_US, FaultError, Hardware, Job, ROUNDS};
use crate::machine::{Cpu, Machine, Model, Topology, TopologyError};

/// How a scenario, or a flag that replaced its field, is wrong in itself.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    /// The CPUs cannot be arranged so.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The machine cannot have a fault.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// The microcode cannot be made.
    #[error(transparent)]
    Firmware(#[from] SpecError),
    /// The CPUs that take updates cannot be so.
    #[error("machine.model: {0}")]
    Model(#[from] ConfigError),
    /// CPUs that ignore updates cannot be told what becomes of one.
    #[error(
        "the CPUs of the machine {0} ignore updates, so a fault plan and machine.model say \
         nothing there: leave them out, or give --machine model or kvm, or --hardware engine"
    )]
    NotModelled(Machine),
    /// Fields that a guest's own model has not.
    #[error(
        "machine.model: a guest that models its CPUs (hardware engine) takes them as it finds \
         them: give cost, feature, fault and random alone, or the machine model without it"
    )]
    NotForGuest,
    /// A model of a CPU that is not known.
    #[error(
        "the CPU {0} has no signature that is known here, and a CPU that takes updates needs one: \
         give --cpu SIGNATURE such as 0x00050654, a model such as EPYC-Rome, or one with \
         properties such as Skylake-Server,stepping=7; or --machine tcg"
    )]
    UnknownCpu(Cpu),
    /// An accelerator of another machine.
    #[error(
        "the accelerator {accel:?} is none of the machine {machine}: give {} with options",
        machine.accelerator()
    )]
    Accel {
        /// What was given.
        accel: String,
        /// The machine.
        machine: Machine,
    },
    /// Arguments of QEMU for another monitor.
    #[error(
        "the machine {0} is not QEMU's, so it has no accelerator and takes none of QEMU's \
        arguments: leave them out, or give --machine model or kvm-qemu"
    )]
    NotQemu(Machine),
    /// A deadline that cannot be met, or that nobody would wait for.
    #[error(
        "{word} = {us} is no deadline: give {} to {} µs",
        DEADLINES_US.start(),
        DEADLINES_US.end()
    )]
    Deadline {
        /// Which.
        word: &'static str,
        /// What was given.
        us: u32,
    },
    /// A number of loads that cannot be had.
    #[error(
        "guest.repeat = {0} is no number of loads: give {start} to {end}",
        start = ROUNDS.start(),
        end = ROUNDS.end()
    )]
    Repeat(u32),
    /// A plan is made once.
    #[error("guest.repeat: only a load can be repeated: leave guest.job out")]
    NotRepeated,
    /// The guest's model is made at boot.
    #[error(
        "a guest that models its CPUs (hardware engine) models those that are up at boot: leave \
         guest.online out, or take the machine model"
    )]
    OnlineModelled,
    /// No time at all.
    #[error("a timeout of 0 s ends before the guest begins: give 1 or more")]
    Timeout,
}

impl Scenario {
    /// Why it cannot be run as it stands; else the arrangement of its CPUs.
    pub(super) fn soundness(&self) -> Result<Topology, Unsound> {
        let machine = &self.machine;
        let topology = machine.topology()?;
        self.guest.check(machine.cpus)?;
        self.firmware.check()?;
        let guest = &self.guest;
        for (word, us) in [
            ("guest.callin_us", guest.callin_us),
            ("guest.update_us", guest.update_us),
            ("guest.offline_us", guest.offline_us),
        ] {
            if let Some(us) = us.filter(|us| !DEADLINES_US.contains(us)) {
                return Err(Unsound::Deadline { word, us });
            }
        }
        if let Some(nr_rounds) = guest.repeat {
            if !ROUNDS.contains(&nr_rounds) {
                return Err(Unsound::Repeat(nr_rounds));
            }
            if guest.job != Job::Load {
                return Err(Unsound::NotRepeated);
            }
        }
        if self.takes_updates() && !self.is_misplaced {
            let (vendor, _) = machine
                .cpu
                .target()
                .ok_or_else(|| Unsound::UnknownCpu(machine.cpu.clone()))?;
            machine.model.check(vendor, topology)?;
        }
        if !self.takes_updates() && !self.is_misplaced && machine.model != Model::default() {
            return Err(Unsound::NotModelled(machine.kind));
        }
        if guest.hardware == Hardware::Engine && guest.online.is_some() {
            return Err(Unsound::OnlineModelled);
        }
        if guest.hardware == Hardware::Engine && !machine.model.suits_a_guest() {
            return Err(Unsound::NotForGuest);
        }
        let gives_qemu = machine.accel.is_some() || !machine.qemu_args.is_empty();
        if !machine.kind.is_qemu() && !self.is_misplaced && gives_qemu {
            return Err(Unsound::NotQemu(machine.kind));
        }
        let accel = machine.accel();
        if accel.split(',').next() != Some(machine.kind.accelerator()) {
            return Err(Unsound::Accel {
                accel: accel.to_owned(),
                machine: machine.kind,
            });
        }
        if machine.timeout_s == Some(0) {
            return Err(Unsound::Timeout);
        }
        Ok(topology)
    }
}
