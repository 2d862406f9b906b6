//! The program of a CPU, and the machine that it finds itself on.

use rendezvous::{GpFault, Machine, Rendezvous};

use super::coroutines::pause;
use super::setting::{CONTROL, TARGET};
use super::sleep::LOOKS_PER_CLOCK;
use super::word::SimWord;
use super::world::{Wake, World, pass, with};

/// What a CPU's coroutine does in a load; whether there was one.
pub(super) fn run(cpu: u32) -> bool {
    let Some(rendezvous) = with(|world| world.rendezvous()) else {
        return false;
    };
    if with(|world| world.is_stepwise()) {
        take_part(&rendezvous, cpu, &Stepwise(OnCpu(cpu)));
    } else {
        take_part(&rendezvous, cpu, &OnCpu(cpu));
    }
    true
}

/// The control CPU calls the others and attends; a CPU that is called attends.
fn take_part(rendezvous: &Rendezvous<SimWord>, cpu: u32, machine: &impl Machine) {
    if cpu == CONTROL {
        // Nobody is soft-offline, so that there is nobody who might not answer.
        let _ = rendezvous.request(machine);
        with(World::call_all);
    }
    rendezvous.attend(cpu, machine);
}

/// One CPU, as the rendezvous sees it.
struct OnCpu(u32);

impl Machine for OnCpu {
    fn now_ns(&self) -> u64 {
        pass(with(|world| world.setting().costs.clock));
        with(|world| world.now_ns())
    }

    fn relax(&self) {
        pass(with(|world| world.setting().costs.pause));
    }

    fn wait<T>(&self, deadline_ns: u64, look: impl Fn() -> Option<T>) -> Option<T> {
        let mut nr_looks = 0;
        loop {
            with(|world| world.begin_look(self.0));
            if let Some(found) = look() {
                return Some(found);
            }
            self.relax();
            nr_looks += 1;
            if nr_looks == LOOKS_PER_CLOCK {
                if self.now_ns() > deadline_ns {
                    return None;
                }
                nr_looks = 0;
            }
            if with(|world| world.fall_asleep(self.0, deadline_ns, nr_looks)) {
                pause();
                match with(|world| world.wake(self.0)) {
                    Wake::Round(nr_before) => nr_looks = nr_before,
                    Wake::TimedOut => return None,
                }
            }
        }
    }

    fn stop(&self) {}

    fn go(&self) {}

    fn parse(&self) {
        pass(with(|world| world.setting().costs.parse));
    }

    fn load(&self) -> Result<(), GpFault> {
        pass(with(|world| world.setting().load_ns(self.0)));
        with(|world| *world.revision(self.0) = TARGET);
        Ok(())
    }

    fn revision(&self) -> u32 {
        pass(with(|world| world.setting().costs.revision));
        with(|world| *world.revision(self.0))
    }

    fn send_nmi(&self, _: u32) {}

    fn panic(&self, message: &'static str) {
        with(|world| world.panic(self.0, message));
    }
}

/// The same, whose waits are looked into round by round as on a machine.
struct Stepwise(OnCpu);

impl Machine for Stepwise {
    fn now_ns(&self) -> u64 {
        self.0.now_ns()
    }

    fn relax(&self) {
        self.0.relax();
    }

    fn stop(&self) {
        self.0.stop();
    }

    fn go(&self) {
        self.0.go();
    }

    fn parse(&self) {
        self.0.parse();
    }

    fn load(&self) -> Result<(), GpFault> {
        self.0.load()
    }

    fn revision(&self) -> u32 {
        self.0.revision()
    }

    fn send_nmi(&self, cpu: u32) {
        self.0.send_nmi(cpu);
    }

    fn panic(&self, message: &'static str) {
        self.0.panic(message);
    }
}
