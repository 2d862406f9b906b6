//! NMIs: a CPU's handler runs before the step that its program is about to make.
//!
//! A handler hands nothing to its program, so what the CPU saw and did in it is
//! forgotten at its end.

use rendezvous::Machine;

use super::cpu::Status;
use super::on_cpu::OnCpu;
use super::{RENDEZVOUS, World, with};
use crate::coroutines::pause;

/// Lets the others go on until this CPU is chosen. The handlers of NMIs that
/// come meanwhile run here.
pub(super) fn await_choice() {
    loop {
        pause();
        let Some(cpu) = with(World::take_nmi) else {
            return;
        };
        answer_nmi(cpu);
        if with(|world| world.is_draining) {
            return;
        }
    }
}

/// What the guest's handler does on a CPU that is in a request already.
fn answer_nmi(cpu: u32) {
    let rendezvous = RENDEZVOUS.with_borrow(Clone::clone);
    let Some(rendezvous) = rendezvous else { return };
    let machine = OnCpu(cpu);
    if !rendezvous.contain(cpu, &machine) {
        // The ordinary handlers of kernels look at counters and banks.
        machine.revision();
    }
    with(|world| world.return_from_nmi(cpu));
}

impl World {
    /// The CPUs on which an NMI may come now.
    pub(crate) fn open_to_nmis(&self) -> impl Iterator<Item = u32> {
        let setup = self.setup();
        let are_left = self.nr_nmis < setup.nr_nmis;
        (0..setup.nr_cpus()).filter(move |&cpu| are_left && self.is_open_to_nmis(cpu))
    }

    fn is_open_to_nmis(&self, cpu: u32) -> bool {
        let setup = self.setup();
        let core = setup.core_of(cpu);
        let state = &self.cpus[cpu as usize];
        if state.interrupted.is_some() {
            return false;
        }
        match state.status {
            // Nobody loads before all are called; a write is one instruction.
            Status::Asleep | Status::Hung => false,
            Status::Ready | Status::Waiting => {
                // One that is held is inside its handler.
                !setup.held.contains(&cpu) && self.inside[core as usize] != Some(cpu)
            }
            // It makes no difference any more unless a sibling may load.
            Status::Done => (0..setup.nr_cpus()).any(|sibling| {
                let status = self.cpus[sibling as usize].status;
                setup.core_of(sibling) == core && !matches!(status, Status::Asleep | Status::Done)
            }),
        }
    }

    /// An NMI comes.
    pub(crate) fn interrupt(&mut self, cpu: u32) {
        self.nr_nmis += 1;
        self.cpus[cpu as usize].interrupt();
        if let Some(steps) = &mut self.steps {
            steps.push(format!("NMI on CPU {cpu}"));
        }
    }

    /// The current CPU, if an NMI came that it has not begun to answer.
    fn take_nmi(&mut self) -> Option<u32> {
        let current = self.current?;
        let interrupted = self.cpus[current as usize].interrupted.as_mut()?;
        let has_begun = std::mem::replace(&mut interrupted.has_begun, true);
        (!has_begun).then_some(current)
    }

    fn return_from_nmi(&mut self, cpu: u32) {
        self.say(|| "returns from its NMI".into());
        self.cpus[cpu as usize].go_on();
    }
}
