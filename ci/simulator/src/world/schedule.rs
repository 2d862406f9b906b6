//! Who can go on, and what makes two states the same.

use std::hash::Hasher;

use rendezvous::{Name, OnHang};

use super::cpu::{Cpu, Interrupted, Status};
use super::{CLOCK, Cell, STEPS_INTO_LOAD, Touch, World, hasher};

impl World {
    /// Who could make the next step.
    pub(crate) fn ready(&self) -> impl Iterator<Item = u32> {
        let nr_cpus = self.setup().nr_cpus();
        (0..nr_cpus).filter(|&cpu| self.is_ready(cpu))
    }

    /// Somebody whose next step nobody else can see or influence, so that its
    /// place among the others' steps makes no difference.
    pub(crate) fn recluse(&self, is_private: impl Fn(usize) -> bool) -> Option<u32> {
        let time_stands = self.nr_leaps() >= self.setup().nr_leaps;
        self.ready().find(|&cpu| {
            let cpu = &self.cpus[cpu as usize];
            // One that waits first looks again, which is a step that counts.
            cpu.has_begun
                && cpu.status == Status::Ready
                && match cpu.next {
                    Touch::Shared => false,
                    Touch::Word(place) => is_private(place),
                    Touch::Clock => time_stands,
                }
        })
    }

    /// Words that more than one CPU used in this run.
    pub(crate) fn shared_words(&self) -> impl Iterator<Item = usize> {
        let is_shared = |cell: &Cell| cell.is_shared;
        (0..)
            .zip(&self.memory)
            .filter(move |(_, cell)| is_shared(cell))
            .map(|(place, _)| place)
    }

    pub(crate) fn is_ready(&self, cpu: u32) -> bool {
        let cpu = &self.cpus[cpu as usize];
        self.can_go_on(cpu.status, &cpu.wait)
    }

    fn can_go_on(&self, status: Status, wait: &[(usize, u32)]) -> bool {
        match status {
            Status::Ready => true,
            Status::Waiting => wait
                .iter()
                .any(|&(place, nr_changes)| self.memory[place].nr_changes != nr_changes),
            Status::Asleep | Status::Hung | Status::Done => false,
        }
    }

    /// What happens next happens on that CPU.
    pub(crate) fn turn_to(&mut self, cpu: u32) {
        self.current = Some(cpu);
    }

    pub(crate) fn choose(&mut self, cpu: u32) {
        self.turn_to(cpu);
        let cpu = &mut self.cpus[cpu as usize];
        // A handler's steps bring its program no closer to a load.
        if cpu.interrupted.is_none() {
            cpu.nr_steps = (cpu.nr_steps + 1).min(STEPS_INTO_LOAD + 1);
        }
        cpu.is_chosen = cpu.status == Status::Waiting;
    }

    /// Time passes every deadline.
    pub(crate) fn leap(&mut self) {
        self.memory[CLOCK].value += 1;
        self.memory[CLOCK].nr_changes += 1;
        if let Some(steps) = &mut self.steps {
            steps.push("time passes every deadline".into());
        }
    }

    /// Whether anybody still waits.
    pub(crate) fn waiting(&self) -> Option<u32> {
        let waits = |cpu: &Cpu| cpu.status == Status::Waiting || cpu.status == Status::Ready;
        let place = self.cpus.iter().position(waits)?;
        u32::try_from(place).ok()
    }

    /// Somebody, where only time can let anybody go on although nobody hangs or
    /// is missing.
    pub(crate) fn stalled(&self) -> Option<u32> {
        let setup = self.setup();
        let nobody_hangs = self.cpus.iter().all(|cpu| cpu.status != Status::Hung);
        // Peers' own bounds, and those that were put to theirs, may cross.
        let is_held_to_it = self.nr_leaps() == 0 || setup.protocol == Name::Muster;
        let is_stuck = is_held_to_it
            && self.ready().next().is_none()
            && nobody_hangs
            && setup.missing.is_empty()
            && setup.options.on_hang == OnHang::Leave;
        self.waiting().filter(|_| is_stuck)
    }

    /// A number that differs where anything does that may make a difference.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = hasher();
        for cell in &self.memory {
            hasher.write_u32(cell.value);
        }
        for (number, cpu) in (0..).zip(&self.cpus) {
            cpu.hash(&mut hasher);
            hasher.write_u8(self.is_ready(number).into());
            if let Some(Interrupted { status, wait, .. }) = &cpu.interrupted {
                let can_go_on = self.can_go_on(*status, wait);
                hasher.write_u8(*status as u8 | u8::from(can_go_on) << 4);
            }
        }
        hasher.write_u32(self.nr_nmis);
        for &revision in &self.revisions {
            hasher.write_u32(revision);
        }
        for inside in &self.inside {
            hasher.write_u32(inside.map_or(0, |cpu| cpu + 1));
        }
        hasher.write_u8(self.has_canary_failed.into());
        hasher.finish()
    }
}
