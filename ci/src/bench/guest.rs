//! The guest's stage: many loads in each boot, by one protocol after another, so
//! that what changes on the host in the meantime hits all alike.

use std::collections::{BTreeMap, BTreeSet};

use indicatif::ProgressBar;
use measure::iteration::{CpuTimes, Iteration};
use measure::metrics::{ClockKind, Dimensions, Stage};
use rendezvous::{Name, Named};

use super::{Contender, Error, run_well};
use crate::guest::Hardware;
use crate::machine::Machine;
use crate::result::{Provenance, RunResult};
use crate::run::Runner;
use crate::scenario::{self, Overrides, Scenario};
use crate::tree::Tree;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Where.
    pub machine: Machine,
    /// By which protocols.
    pub contenders: Vec<Contender>,
    /// Numbers of CPUs.
    pub cpus: Vec<u32>,
    /// Threads a core.
    pub threads: u32,
    /// Packages.
    pub packages: u32,
    /// What takes the writes.
    pub hardware: Hardware,
    /// How long each write takes, in µs.
    pub load_us: u32,
    /// How often each boot loads; its first load, which reports, is left out.
    pub nr_loads: u32,
    /// How often each protocol is booted.
    pub nr_boots: u32,
}

/// What was measured of one protocol on one number of CPUs.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Under what circumstances.
    pub dimensions: Dimensions,
    /// All loads, by their boots.
    pub boots: Vec<Vec<Iteration>>,
    /// What made it.
    pub provenance: Provenance,
}

/// Boots and loads, the protocols in turns.
pub fn measure(
    tree: &Tree,
    setting: &Setting,
    progress: &ProgressBar,
) -> Result<Vec<Measured>, Error> {
    let runner = Runner::new(tree.clone());
    // Where updates are ignored, the CPUs meet all the same.
    let verdicts = setting.machine.best_verdicts();
    let mut all: Vec<Measured> = Vec::new();
    for &nr_cpus in &setting.cpus {
        let from = all.len();
        for boot in 0..setting.nr_boots {
            for (place, &contender) in setting.contenders.iter().enumerate() {
                let scenario = setting.scenario(tree, nr_cpus, contender)?;
                let result = run_well(&runner, &scenario, verdicts, progress)?;
                let loads = iterations(&result);
                if boot == 0 {
                    all.push(Measured {
                        dimensions: setting.dimensions(nr_cpus, contender),
                        boots: vec![loads],
                        provenance: result.context.provenance,
                    });
                } else {
                    all[from + place].boots.push(loads);
                }
                progress.inc(1);
            }
        }
    }
    Ok(all)
}

impl Setting {
    /// How many boots it takes.
    #[must_use]
    pub fn nr_boots_of_all(&self) -> u64 {
        let nr_machines = self.cpus.len() * self.contenders.len();
        u64::from(self.nr_boots) * nr_machines as u64
    }

    fn scenario(
        &self,
        tree: &Tree,
        nr_cpus: u32,
        (protocol, call_in, election): Contender,
    ) -> Result<Scenario, Error> {
        let mut scenario = Scenario::load(&tree.scenarios(), scenario::DEFAULT)?;
        let overrides = Overrides {
            machine: Some(self.machine),
            cpus: Some(nr_cpus),
            threads: Some(self.threads),
            packages: Some(self.packages),
            hardware: Some(self.hardware),
            protocol: Some(protocol),
            call_in: Some(call_in),
            election: Some(election),
            repeat: Some(self.nr_loads + 1),
            force: true,
            ..Overrides::default()
        };
        overrides.apply(&mut scenario);
        scenario.guest.times = true;
        scenario.machine.model.cost.load_us = self.load_us;
        scenario.check()?;
        Ok(scenario)
    }

    fn dimensions(&self, nr_cpus: u32, (protocol, call_in, election): Contender) -> Dimensions {
        // Others have no such choice.
        let is_own = protocol == Name::Muster;
        Dimensions {
            machine: Some(self.machine.name().to_owned()),
            protocol: Some(protocol.name().to_owned()),
            call_in: is_own.then(|| call_in.name().to_owned()),
            election: is_own.then(|| election.name().to_owned()),
            load_us: Some(self.load_us.into()),
            hardware: Some(self.hardware.name().to_owned()),
            ..Dimensions::new(
                Stage::Guest,
                ClockKind::Tsc,
                nr_cpus,
                self.threads,
                self.packages,
            )
        }
    }
}

/// The loads of a run after its first of which all CPUs' moments are there.
fn iterations(result: &RunResult) -> Vec<Iteration> {
    let cores: BTreeSet<_> = result
        .cpus
        .iter()
        .map(|cpu| (cpu.package, cpu.core))
        .collect();
    let mut loads = BTreeMap::<_, Iteration>::new();
    for time in result.repeat.iter().flat_map(|repeat| &repeat.times) {
        let cpu = result.cpus.iter().find(|cpu| cpu.id == time.id);
        let Some((cpu, load)) = cpu.zip(time.load) else {
            continue;
        };
        loads.entry(load).or_default().cpus.push(CpuTimes {
            cpu: time.id,
            core: (0..)
                .zip(&cores)
                .find(|(_, place)| **place == (cpu.package, cpu.core))
                .map_or(0, |(number, _)| number),
            follows: time.gate_ns.is_some() && time.load_start_ns.is_none(),
            called_in_ns: time.called_in_ns,
            gate_ns: time.gate_ns,
            load_start_ns: time.load_start_ns,
            load_end_ns: time.load_end_ns,
            left_ns: time.left_ns,
        });
    }
    let is_whole = |load: &Iteration| load.cpus.len() == result.cpus.len();
    loads.into_values().filter(is_whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::tests::passed_with;

    #[test]
    fn each_whole_load_after_the_first_is_an_iteration() {
        let lines = "\
            # round n=1 rev=0x000000f0 cpus=2 failed=0 request_ns=9 stall_ns=5 blocks=7 bytes=8\n\
            # time id=0 load=2 called_in_ns=1 gate_ns=3 load_start_ns=4 load_end_ns=8 left_ns=9\n\
            # time id=1 load=2 called_in_ns=2 gate_ns=3 left_ns=9\n\
            # time id=0 load=3 called_in_ns=1 gate_ns=3 left_ns=9\n";
        let loads = iterations(&passed_with(lines));
        // Of the last one a CPU is missing.
        assert_eq!(loads.len(), 1);
        let follows: Vec<_> = loads[0].cpus.iter().map(|cpu| cpu.follows).collect();
        assert_eq!(follows, [false, true]);
        assert_eq!(loads[0].stall(), Some(8));
    }
}
