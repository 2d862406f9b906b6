//! One CPU: runs until it exits, answers, and runs on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use engine::Access;
use kvm_bindings::{KVM_MP_STATE_HALTED, KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_UNINITIALIZED};
use kvm_ioctls::{VcpuExit, VcpuFd};
use report::record;
use stand_in::{Effect, StandIn};
use vmm_sys_util::errno;

use crate::cpuid::Answers;
use crate::devices::{CONSOLE_IRQ, Capped, Devices, Ended};
use crate::image::CPUID_PORT;
use crate::linear::Linear;
use crate::memory::Memory;
use crate::state;

/// How long a CPU sleeps that is inside a load that never ends, before it looks
/// whether it shall say where it is.
const HUNG_NAP: Duration = Duration::from_millis(10);

/// What all CPUs share.
pub struct Machine {
    /// What takes the updates.
    pub(crate) cpus: StandIn,
    pub(crate) memory: Memory,
    pub(crate) devices: Devices<Capped>,
    pub(crate) vm: kvm_ioctls::VmFd,
    /// Time is over: each CPU shall say where it is.
    pub(crate) is_over: AtomicBool,
    pub(crate) exits: Box<[Exits]>,
}

/// How often a CPU came out, and why.
#[derive(Debug, Default)]
pub struct Exits {
    pub(crate) rdmsr: AtomicU64,
    pub(crate) wrmsr: AtomicU64,
    pub(crate) cpuid: AtomicU64,
    pub(crate) port: AtomicU64,
    pub(crate) address: AtomicU64,
}

impl Exits {
    /// What the log says of them.
    pub(crate) fn record(&self, cpu: u32) -> record::Exits {
        // Relaxed: counts, which order nothing.
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        record::Exits {
            cpu,
            nr_rdmsr: count(&self.rdmsr),
            nr_wrmsr: count(&self.wrmsr),
            nr_cpuid: count(&self.cpuid),
            nr_port: count(&self.port),
            nr_address: count(&self.address),
        }
    }
}

/// Why a CPU runs no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The guest ended the machine.
    Ended(Ended),
    /// It cannot go on: what happened, and its registers.
    Crashed(String),
    /// Time was over, and it was there.
    Interrupted(String),
}

/// A CPU and what is its own.
pub struct Vcpu {
    pub(crate) number: u32,
    pub(crate) fd: VcpuFd,
    pub(crate) answers: Answers,
}

/// What an exit asks for that needs the CPU itself.
enum Request {
    Nothing,
    Cpuid,
    /// Of a register.
    Access(Access),
    Stop(Stop),
    /// It cannot go on.
    Crash(String),
}

impl Vcpu {
    /// Runs the guest on this CPU.
    pub fn run(&mut self, machine: &Machine) -> Stop {
        loop {
            let request = self.enter(machine);
            match request {
                Request::Nothing => {}
                Request::Cpuid => {
                    if let Err(why) = self.answer_cpuid(machine) {
                        return Stop::Crashed(format!("CPUID cannot be answered: {why}"));
                    }
                }
                Request::Access(access) => {
                    if !self.access(machine, access) {
                        let what = "was inside a load that never ends,";
                        return Stop::Interrupted(self.described(machine, what));
                    }
                }
                Request::Stop(stop) => return stop,
                Request::Crash(what) => return Stop::Crashed(self.described(machine, &what)),
            }
            if machine.is_over.load(Ordering::Relaxed) {
                return Stop::Interrupted(self.described(machine, self.standing()));
            }
        }
    }

    /// What the CPU was at when it was interrupted.
    fn standing(&self) -> &'static str {
        match self.fd.get_mp_state().map(|state| state.mp_state) {
            Ok(KVM_MP_STATE_UNINITIALIZED) => "was never started and was",
            Ok(KVM_MP_STATE_INIT_RECEIVED) => "was still to be started and was",
            Ok(KVM_MP_STATE_HALTED) => "was halted",
            _ => "was running",
        }
    }

    /// What happened, and where the CPU is.
    fn described(&self, machine: &Machine, what: &str) -> String {
        let state = state::of(&self.fd, &self.linear(machine));
        format!("CPU {} {what}{state}", self.number)
    }

    /// Runs until an exit that needs more than a device.
    fn enter(&mut self, machine: &Machine) -> Request {
        // Relaxed, here and below: counts, and a wish that comes soon enough.
        let exits = &machine.exits[self.number as usize];
        let count = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        let exit = match self.fd.run() {
            Ok(exit) => exit,
            Err(error) if is_interruption(error) => {
                return Request::Nothing;
            }
            Err(error) => return Request::Crash(format!("cannot be run: {error}")),
        };
        match exit {
            VcpuExit::X86Rdmsr(exit) => {
                count(&exits.rdmsr);
                Request::Access(Access::Read(exit.index))
            }
            VcpuExit::X86Wrmsr(exit) => {
                count(&exits.wrmsr);
                Request::Access(Access::Write(exit.index, exit.data))
            }
            VcpuExit::IoOut(port, _) if port == u16::from(CPUID_PORT) => {
                count(&exits.cpuid);
                Request::Cpuid
            }
            VcpuExit::IoOut(port, data) => {
                count(&exits.port);
                match machine.devices.write_port(port, data) {
                    Some(ended) => Request::Stop(Stop::Ended(ended)),
                    None => Request::Nothing,
                }
            }
            VcpuExit::IoIn(port, data) => {
                count(&exits.port);
                machine.devices.read_port(port, data);
                Request::Nothing
            }
            VcpuExit::MmioRead(address, data) => {
                count(&exits.address);
                machine.devices.read_address(address, data);
                Request::Nothing
            }
            VcpuExit::MmioWrite(address, data) => {
                count(&exits.address);
                let changed = machine
                    .devices
                    .write_address(address, data, &machine.memory);
                match changed.map(|level| machine.vm.set_irq_line(CONSOLE_IRQ, level)) {
                    Some(Err(why)) => Request::Crash(format!("cannot be interrupted: {why}")),
                    _ => Request::Nothing,
                }
            }
            VcpuExit::Intr => Request::Nothing,
            VcpuExit::Shutdown => Request::Crash("shut down (triple fault)".to_owned()),
            VcpuExit::InternalError => {
                Request::Crash("came to an instruction that this KVM cannot execute".to_owned())
            }
            other => Request::Crash(format!("stopped for {other:?}")),
        }
    }

    fn answer_cpuid(&mut self, machine: &Machine) -> Result<(), errno::Error> {
        let mut registers = self.fd.get_regs()?;
        #[expect(clippy::cast_possible_truncation, reason = "EAX and ECX")]
        let (leaf, subleaf) = (registers.rax as u32, registers.rcx as u32);
        let _ = machine
            .cpus
            .access(self.number, Access::Cpuid, &self.linear(machine));
        let engine = machine.cpus.engine();
        let change = engine.cpuid_change(self.number, leaf, subleaf);
        let [eax, ebx, ecx, edx] = change.apply(self.answers.get(leaf, subleaf)).map(u64::from);
        (registers.rax, registers.rbx) = (eax, ebx);
        (registers.rcx, registers.rdx) = (ecx, edx);
        self.fd.set_regs(&registers)
    }

    /// Memory as this CPU sees it now.
    fn linear<'a>(
        &'a self,
        machine: &'a Machine,
    ) -> Linear<'a, impl Fn(u64) -> Option<u64> + use<'a>> {
        Linear::new(&machine.memory, |address| {
            let page = self.fd.translate_gva(address).ok()?;
            (page.valid != 0).then_some(page.physical_address)
        })
    }

    /// Lets the model answer, and tells KVM. Where the answer never comes, it waits
    /// until time is over, and returns false.
    fn access(&mut self, machine: &Machine, access: Access) -> bool {
        let effect = machine
            .cpus
            .access(self.number, access, &self.linear(machine));
        let (faults, value) = match effect {
            Effect::Value(value) => (false, value),
            Effect::Done => (false, 0),
            // KVM does not know the register, or it is no register of this CPU.
            Effect::Pass | Effect::GpFault => (true, 0),
            Effect::Hung => {
                while !machine.is_over.load(Ordering::Relaxed) {
                    thread::sleep(HUNG_NAP);
                }
                return false;
            }
        };
        let run = self.fd.get_kvm_run();
        // SAFETY: the exit was one of a register's access, for which this is the
        // member that KVM wrote and reads again.
        let answer = unsafe { &mut run.__bindgen_anon_1.msr };
        answer.error = faults.into();
        if matches!(access, Access::Read(_)) {
            answer.data = value;
        }
        true
    }
}

/// Whether a CPU came out for a signal, or before its start-up was decided.
fn is_interruption(error: errno::Error) -> bool {
    let kind = std::io::Error::from(error).kind();
    matches!(
        kind,
        std::io::ErrorKind::Interrupted | std::io::ErrorKind::WouldBlock
    )
}
