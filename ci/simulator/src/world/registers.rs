//! What CPUs do to themselves and to each other, and what is watched of it.

use rendezvous::{GpFault, Order};

use super::cpu::{Cpu, Status};
use super::{CLOCK, STEPS_INTO_LOAD, World, has_passed};
use crate::setup::{GARBLED, TARGET, Write};
use crate::violation::Violation;

impl World {
    pub(super) fn wake(&mut self, cpu: u32) {
        if !self.setup().missing.contains(&cpu) {
            self.cpus[cpu as usize].status = Status::Ready;
        }
        self.act(u64::MAX, 1 + u64::from(cpu));
        self.say(|| format!("calls CPU {cpu}"));
    }

    pub(super) fn stop(&mut self, cpu: u32) {
        self.cpus[cpu as usize].is_stopped = true;
        self.act(u64::MAX - 1, 0);
        self.say(|| "is stopped".into());
    }

    pub(super) fn is_sibling_inside(&self, cpu: u32) -> bool {
        let core = self.setup().core_of(cpu) as usize;
        self.inside[core].is_some_and(|inside| inside != cpu)
    }

    pub(crate) fn nr_leaps(&self) -> u32 {
        self.memory[CLOCK].value
    }

    pub(super) fn go(&mut self, cpu: u32) {
        self.cpus[cpu as usize].is_stopped = false;
        // From now on only who was about to load may.
        for cpu in &mut self.cpus {
            cpu.nr_steps = 0;
        }
        let has_left = self.setup().stops_all() && self.nr_leaps() == 0;
        if has_left && self.is_sibling_inside(cpu) {
            self.violate(Violation::LeftDuringLoad { cpu });
        }
        self.act(u64::MAX - 2, 0);
        self.say(|| "runs again".into());
    }

    pub(super) fn go_back(&mut self, cpu: u32) {
        if self.is_sibling_inside(cpu) && self.nr_leaps() == 0 {
            self.violate(Violation::ReleasedDuringLoad { cpu });
        }
        self.act(u64::MAX - 3, 0);
        self.say(|| "goes back to being offline".into());
    }

    pub(super) fn begin_load(&mut self, cpu: u32) -> Write {
        let core = self.setup().core_of(cpu) as usize;
        if self.is_sibling_inside(cpu) {
            self.violate(Violation::TwoThreadsInside { cpu });
        }
        let loads = &self.cpus[cpu as usize];
        let is_loose = |other: &u32| self.is_loose(*other, loads);
        if let Some(other) = (0..self.setup().nr_cpus()).find(is_loose) {
            self.violate(Violation::LoadWhileNotAllStopped { cpu, other });
        }
        let is_canary = core == self.setup().core_of(self.setup().control) as usize;
        self.nr_loads += 1;
        if self.has_canary_failed && !is_canary {
            self.violate(Violation::LoadAfterFailedCanary { cpu });
        }
        self.inside[core] = Some(cpu);
        self.act(u64::MAX - 4, 0);
        self.say(|| "begins to load".into());
        self.setup().write_of(cpu)
    }

    /// Whether a CPU should be stopped during a load and is not. That one which
    /// was through the gate leaves when time has passed is the price of a load
    /// that hangs; the one that loads must have been about to by then.
    pub(super) fn is_loose(&self, cpu: u32, loads: &Cpu) -> bool {
        let setup = self.setup();
        let state = &self.cpus[cpu as usize];
        let is_to_be_stopped =
            setup.stops_all() && !setup.held.contains(&cpu) && !setup.absent.contains(&cpu);
        let is_about_to = loads.nr_steps <= STEPS_INTO_LOAD;
        let is_excused = || self.nr_leaps() > 0 && is_about_to && has_passed(cpu);
        is_to_be_stopped && !state.is_stopped && !is_excused()
    }

    pub(super) fn hang(&mut self, cpu: u32) {
        self.cpus[cpu as usize].status = Status::Hung;
    }

    pub(super) fn slot(&mut self, cpu: u32) -> &mut u32 {
        let setup = self.setup();
        let place = if setup.is_amd {
            cpu
        } else {
            setup.core_of(cpu)
        };
        &mut self.revisions[place as usize]
    }

    pub(super) fn end_load(&mut self, cpu: u32, write: Write) -> Result<(), GpFault> {
        match write {
            Write::Takes => *self.slot(cpu) = TARGET,
            Write::Garbles => *self.slot(cpu) = GARBLED,
            Write::Faults | Write::Ignored | Write::Hangs => {}
        }
        let core = self.setup().core_of(cpu) as usize;
        self.inside[core] = None;
        self.have_written[cpu as usize] = true;
        let is_canary = self.setup().options.order == Order::Canary
            && core == self.setup().core_of(self.setup().control) as usize;
        self.has_canary_failed |= is_canary && write != Write::Takes;
        self.act(u64::MAX - 5, 0);
        self.say(|| format!("ends its load, which {write:?}"));
        if write == Write::Faults {
            Err(GpFault)
        } else {
            Ok(())
        }
    }

    pub(super) fn revision(&mut self, cpu: u32) -> u32 {
        if self.is_sibling_inside(cpu) {
            self.violate(Violation::SiblingActivity { cpu });
        }
        let revision = *self.slot(cpu);
        self.act(u64::MAX - 6, revision.into());
        self.say(|| format!("reads its revision, {revision}"));
        revision
    }
}
