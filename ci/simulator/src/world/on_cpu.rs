//! The program of a CPU, and the machine that it finds itself on.

use rendezvous::{GpFault, Machine};

use super::cpu::Status;
use super::nmi::await_choice;
use super::{CLOCK, LEAP_NS, RENDEZVOUS, Touch, World, step, touch, with};
use crate::coroutines::pause;
use crate::setup::Write;
use crate::violation::Violation;

/// What a CPU's coroutine does in a run.
pub(crate) fn run_cpu(cpu: u32) {
    let rendezvous = RENDEZVOUS.with_borrow(Clone::clone);
    let Some(rendezvous) = rendezvous else { return };
    let machine = OnCpu(cpu);
    if with(|world| world.setup().held.contains(&cpu)) {
        rendezvous.hold(cpu, &machine);
        step(|world| world.go_back(cpu));
    } else if cpu != with(|world| world.setup().control) {
        rendezvous.attend(cpu, &machine);
    } else if rendezvous.request(&machine).is_ok() {
        step(World::call_all);
        rendezvous.attend(cpu, &machine);
    }
    with(|world| world.cpus[cpu as usize].status = Status::Done);
    // An NMI may come even now.
    while with(|world| !world.is_draining && world.setup().nr_nmis > 0) {
        await_choice();
    }
}

/// One CPU, as the rendezvous sees it.
pub(super) struct OnCpu(pub(super) u32);

impl Machine for OnCpu {
    fn now_ns(&self) -> u64 {
        touch(Touch::Clock, |world| {
            if world.is_draining {
                // Nobody waits for anything.
                world.memory[CLOCK].value += 1;
            }
            u64::from(world.read(CLOCK, "reads the clock,")) * LEAP_NS
        })
    }

    fn stamp_ns(&self) -> u64 {
        u64::from(with(|world| world.nr_leaps())) * LEAP_NS
    }

    fn relax(&self) {}

    fn wait<T>(&self, deadline_ns: u64, look: impl Fn() -> Option<T>) -> Option<T> {
        let history = with(|world| world.begin_wait(self.0));
        loop {
            if let Some(found) = look() {
                return Some(found);
            }
            if self.now_ns() > deadline_ns {
                return None;
            }
            if with(|world| world.find_nothing(self.0, history)) {
                await_choice();
            }
            with(|world| world.cpus[self.0 as usize].end_wait());
        }
    }

    fn stop(&self) {
        step(|world| world.stop(self.0));
    }

    fn go(&self) {
        step(|world| world.go(self.0));
    }

    fn parse(&self) {}

    fn load(&self) -> Result<(), GpFault> {
        let write = step(|world| world.begin_load(self.0));
        if write == Write::Hangs {
            with(|world| world.hang(self.0));
            // Nobody chooses this CPU any more, but for the end of the run.
            while !with(|world| world.is_draining) {
                pause();
            }
        }
        step(|world| world.end_load(self.0, write))
    }

    fn revision(&self) -> u32 {
        step(|world| world.revision(self.0))
    }

    fn send_nmi(&self, cpu: u32) {
        step(|world| world.wake(cpu));
    }

    fn panic(&self, _: &'static str) {
        step(|world| world.violate(Violation::Panicked { cpu: self.0 }));
    }
}
