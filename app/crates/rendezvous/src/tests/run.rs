//! A request on host threads.

use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use super::machine::{BEFORE, Cores, TARGET, Write};
use crate::{
    Machine, Name, Options, Outcome, Place, Plan, Record, Rendezvous, Role, Task, Timeouts,
    Topology,
};

pub(super) struct Run {
    pub(super) nr_cores: u32,
    pub(super) nr_threads: u32,
    pub(super) followers_load: bool,
    pub(super) protocol: Name,
    pub(super) options: Options,
    pub(super) timeouts: Timeouts,
    /// ms after the request at which each CPU comes; beyond the vector, at once.
    pub(super) delays_ms: Vec<Option<u64>>,
    pub(super) writes: Vec<Write>,
}

impl Run {
    pub(super) fn new(nr_cores: u32, nr_threads: u32) -> Self {
        Self {
            nr_cores,
            nr_threads,
            followers_load: false,
            protocol: Name::Muster,
            options: Options::default(),
            timeouts: Timeouts {
                call_in_us: 2_000_000,
                update_us: 2_000_000,
                offline_us: 2_000_000,
            },
            delays_ms: vec![],
            writes: vec![],
        }
    }

    pub(super) fn cores(&self) -> Cores {
        Cores::new(self.nr_cores, self.nr_threads, !self.followers_load)
    }

    fn rendezvous(&self) -> Rendezvous {
        let nr_cpus = self.nr_cores * self.nr_threads;
        let places: Vec<Place> = (0..nr_cpus)
            .map(|cpu| Place {
                package: 0,
                core: cpu / self.nr_threads,
                thread: cpu % self.nr_threads,
                apic_id: cpu,
            })
            .collect();
        let task = Task::Load {
            before: BEFORE,
            target: TARGET,
        };
        let plan = Plan::new(
            Arc::new(Topology::new(&places)),
            vec![task; nr_cpus as usize],
            0,
            self.followers_load,
            self.options,
            self.timeouts,
        );
        Rendezvous::new(self.protocol, plan)
    }

    pub(super) fn go(&self) -> (Rendezvous, Vec<Record>) {
        self.go_beside(|_, _| {})
    }

    /// Runs the request while `beside` goes on.
    pub(super) fn go_beside(
        &self,
        beside: impl FnOnce(&Rendezvous, &Cores),
    ) -> (Rendezvous, Vec<Record>) {
        let rendezvous = self.rendezvous();
        let cores = self.cores();
        rendezvous.request(&cores.cpu(0, Write::Takes)).unwrap();
        thread::scope(|scope| {
            for cpu in 0..self.nr_cores * self.nr_threads {
                let at = cpu as usize;
                let Some(delay_ms) = self.delays_ms.get(at).copied().unwrap_or(Some(0)) else {
                    continue;
                };
                let write = self.writes.get(at).copied().unwrap_or(Write::Takes);
                let machine = cores.cpu(cpu, write);
                let rendezvous = &rendezvous;
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(delay_ms));
                    rendezvous.attend(cpu, &machine);
                    self.assert_frugal(rendezvous, cpu, machine.nr_accesses());
                    if !rendezvous.core_loads(cpu) {
                        machine.revision();
                    }
                });
            }
            beside(&rendezvous, &cores);
        });
        assert!(
            !cores.were_disturbed(),
            "a thread disturbed its sibling's load"
        );
        assert_eq!(
            cores.nr_stopped(),
            0,
            "a CPU left without running as before"
        );
        let records = rendezvous.records();
        (rendezvous, records)
    }

    /// While all stand still, a leader writes once and reads its revision once,
    /// and a follower reads once: each access may be an exit of a virtual machine.
    fn assert_frugal(&self, rendezvous: &Rendezvous, cpu: u32, nr_accesses: u32) {
        let record = rendezvous.records()[cpu as usize];
        let most = match record.role {
            Role::Leader => 2,
            _ if self.followers_load => 2,
            _ => 1,
        };
        let is_own = self.protocol == Name::Muster;
        assert!(!is_own || nr_accesses <= most, "{nr_accesses}: {record:?}");
    }
}

pub(super) fn outcomes(records: &[Record]) -> Vec<Outcome> {
    records.iter().map(|record| record.outcome).collect()
}
