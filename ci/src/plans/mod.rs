//! Fault plans by chance, each a boot of a whole machine: what goes wrong in its
//! CPUs, who does not come and what is chosen of the protocol come from a seed.
//!
//! No such run declares how it ends. What each CPU may end as follows from its
//! plan (`explain`), and all else is unexplained.

mod explain;
mod write;

use std::fmt;

use engine::{Fault, FaultKind, Where};
use microcode::Vendor;
use oorandom::Rand32;
use rendezvous::{CallIn, Election, Named, Order};

use crate::firmware::{Spec, Synthetic};
use crate::guest::{self, Guest};
use crate::machine::{Cpu, Machine, Model};
use crate::result::RunResult;
use crate::scenario::{Expectation, MachineTable, Scenario};
use crate::verdict::Verdict;

/// How long the CPUs are waited for at the gate, in µs. A CPU that never comes
/// costs this much; one that is late only because the host is busy would be
/// unexplained (see [`crate::machine::Machine::patience_us`]).
const CALLIN_US: u32 = 1_500_000;

/// How long a load may take, in µs. One that hangs costs this much for each step
/// of the order, and one that the host keeps waiting for longer would be
/// unexplained: of sixteen CPUs on two busy cores, the last left 114 ms (median)
/// after the first passed the gate.
const UPDATE_US: u32 = 400_000;

/// How long a guest gets of which nobody will come back, in s: boots take two.
const LOST_TIMEOUT_S: u32 = 20;

/// Most faults that the engine draws for a plan.
const MOST_FAULTS: u32 = 3;

/// A machine that plans are run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rig {
    /// Its name on the command line.
    pub name: &'static str,
    vendor: Vendor,
    nr_cores: u32,
    nr_threads: u32,
}

/// All of them: cores × threads a core.
pub const RIGS: [Rig; 8] = [
    rig("intel-1x2", Vendor::Intel, 1, 2),
    rig("intel-2x2", Vendor::Intel, 2, 2),
    rig("intel-4x1", Vendor::Intel, 4, 1),
    rig("intel-8x2", Vendor::Intel, 8, 2),
    rig("amd-1x2", Vendor::Amd, 1, 2),
    rig("amd-2x2", Vendor::Amd, 2, 2),
    rig("amd-4x1", Vendor::Amd, 4, 1),
    rig("amd-8x2", Vendor::Amd, 8, 2),
];

const fn rig(name: &'static str, vendor: Vendor, nr_cores: u32, nr_threads: u32) -> Rig {
    Rig {
        name,
        vendor,
        nr_cores,
        nr_threads,
    }
}

impl Rig {
    /// The one of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        RIGS.into_iter().find(|rig| rig.name == name)
    }

    const fn nr_cpus(self) -> u32 {
        self.nr_cores * self.nr_threads
    }

    /// The CPU, its signature, the revision that it starts with and the update's.
    fn cpu(self) -> (Cpu, u32, u32, u32) {
        let (model, signature, before, target) = match self.vendor {
            Vendor::Intel => ("Skylake-Server", 0x0005_0654, 0x0200_6b06, 0x0200_7006),
            Vendor::Amd => ("EPYC", 0x0080_0f12, 0x0800_1200, 0x0800_126e),
        };
        (Cpu::Model(model.to_owned()), signature, before, target)
    }
}

/// What goes wrong on a machine, and what is chosen of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    rig: Rig,
    seed: u32,
    call_in: CallIn,
    election: Election,
    order: Order,
    /// What goes wrong in the CPUs.
    faults: Vec<Fault>,
    /// What goes wrong in the guest.
    lever: Option<guest::Fault>,
}

/// The plans of `nr_seeds` seeds from `first_seed` on, each for every rig.
pub fn plans(first_seed: u32, nr_seeds: u32, rigs: &[Rig]) -> impl Iterator<Item = Plan> {
    let seeds = (first_seed..=u32::MAX).take(nr_seeds as usize);
    seeds.flat_map(|seed| rigs.iter().map(move |&rig| Plan::draw(rig, seed)))
}

impl Plan {
    /// The plan of a seed for a machine: the same each time.
    #[must_use]
    pub fn draw(rig: Rig, seed: u32) -> Self {
        let place = RIGS.iter().position(|&other| other == rig);
        let mut random = Rand32::new_inc(seed.into(), place.unwrap_or_default() as u64);
        let nr_cpus = rig.nr_cpus();
        let lever = match random.rand_range(0..8) {
            // Not the control CPU, which makes the request.
            0 => Some(guest::Fault::NeverArrives(random.rand_range(1..nr_cpus))),
            1 => Some(guest::Fault::GpFault(random.rand_range(0..nr_cpus))),
            _ => None,
        };
        let nr_faults = random.rand_range(0..MOST_FAULTS + 1);
        let mut faults =
            engine::random_faults(random.rand_u32().into(), nr_faults, nr_cpus, rig.nr_cores);
        for fault in &mut faults {
            // Some loads end only after the others have left.
            if let FaultKind::Slow { us } = &mut fault.kind
                && random.rand_range(0..3) == 0
            {
                *us += UPDATE_US;
            }
        }
        // Few of the engine's hang. First, so that no other decides before it.
        if random.rand_range(0..6) == 0 {
            let at = Where::Cpu(random.rand_range(0..nr_cpus));
            let hang = Fault {
                at,
                kind: FaultKind::Hang,
                load: None,
            };
            faults.insert(0, hang);
        }
        Self {
            rig,
            seed,
            call_in: one_of(&mut random),
            election: one_of(&mut random),
            order: one_of(&mut random),
            faults,
            lever,
        }
    }

    /// The machine with its plan, as it is run.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        let (cpu, signature, before, target) = self.rig.cpu();
        Scenario {
            name: format!("plan-{}-{}", self.seed, self.rig.name),
            summary: self.to_string(),
            groups: vec!["plan".to_owned()],
            machine: MachineTable {
                cpu,
                revision: Some(before),
                cpus: self.rig.nr_cpus(),
                threads: self.rig.nr_threads,
                timeout_s: self.leaves_nobody().then_some(LOST_TIMEOUT_S),
                model: Model {
                    fault: self.faults.clone(),
                    ..Model::default()
                },
                ..MachineTable::default()
            },
            firmware: Spec {
                synthetic: vec![Synthetic {
                    signature,
                    revision: target,
                    ..Synthetic::default()
                }],
                ..Spec::default()
            },
            guest: Guest {
                call_in: self.call_in,
                election: self.election,
                order: self.order,
                faults: self.lever.into_iter().collect(),
                callin_us: Some(CALLIN_US),
                update_us: Some(UPDATE_US),
                ..Guest::default()
            },
            expect: Some(Expectation::of_plan(self.clone())),
            is_misplaced: false,
        }
    }

    /// Whether each CPU hangs in its own load, so that nobody is left to report.
    fn leaves_nobody(&self) -> bool {
        let mut cpus = 0..self.rig.nr_cpus();
        // A thread that waits for another one's load comes back, and so does a
        // core whose turn never comes.
        self.rig.nr_threads == 1
            && self.order == Order::Parallel
            && !matches!(self.lever, Some(guest::Fault::NeverArrives(_)))
            && cpus.all(|cpu| self.write(cpu).end == write::End::Hangs)
    }

    /// The verdicts that it may end with.
    #[must_use]
    pub fn verdicts(&self) -> Vec<Verdict> {
        if self.leaves_nobody() {
            vec![Verdict::Timeout]
        } else {
            vec![Verdict::Pass, Verdict::Fail]
        }
    }

    /// The command that runs this plan again on that machine, and what it is.
    #[must_use]
    pub fn again(&self, machine: Machine) -> String {
        let elsewhere = if machine == Machine::default() {
            String::new()
        } else {
            format!(" --machine {machine}")
        };
        format!(
            "again: muster suite --random 1 --seed {} --on {}{elsewhere} ({self})",
            self.seed, self.rig.name
        )
    }

    /// What of a result the plan does not explain, a sentence each.
    #[must_use]
    pub fn unexplained(&self, result: &RunResult) -> Vec<String> {
        explain::unexplained(self, result)
    }
}

fn one_of<T: Named>(random: &mut Rand32) -> T {
    let nr_all = u32::try_from(T::ALL.len()).unwrap_or(u32::MAX);
    T::ALL[random.rand_range(0..nr_all) as usize]
}

/// `serial, lowest, flat; hang,cpu=3; never-arrives:1`.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = [self.order.name(), self.election.name(), self.call_in.name()];
        f.write_str(&chosen.join(", "))?;
        for fault in &self.faults {
            write!(f, "; {fault}")?;
        }
        self.lever.map_or(Ok(()), |lever| write!(f, "; {lever}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_plan_for_a_machine_and_another_for_the_next() {
        let draw = |seed| plans(seed, 1, &RIGS).collect::<Vec<_>>();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let words: HashSet<_> = draw(7).iter().map(ToString::to_string).collect();
        assert!(words.len() > 4, "{words:?}");
        let line = |plan: &Plan| plan.scenario().guest.command_line(1, None);
        assert_eq!(line(&draw(7)[3]), line(&draw(7)[3]));
    }

    #[test]
    fn every_plan_is_sound_and_all_that_can_be_drawn_is() {
        let mut words = String::new();
        for plan in plans(0, 100, &RIGS) {
            plan.scenario().check().unwrap();
            words += &plan.to_string();
        }
        for word in [
            "parallel",
            "serial",
            "canary",
            "first",
            "lowest",
            "tree",
            "flat",
            "gp-fault,",
            "not-taken",
            "mismatch",
            "slow",
            "hang",
            "never-arrives:",
            "gp-fault:",
            "core=",
            "cpu=",
            "load=2",
        ] {
            assert!(words.contains(word), "{word}");
        }
    }

    #[test]
    fn seeds_end_where_their_numbers_do() {
        assert_eq!(plans(u32::MAX, 3, &RIGS[..2]).count(), 2);
        assert_eq!(plans(5, 3, &RIGS).count(), 24);
    }

    #[test]
    fn a_plan_is_run_again_by_its_seed_and_its_machine() {
        let command = "again: muster suite --random 1 --seed 17 --on amd-2x2";
        for (machine, more) in [(Machine::Model, " ("), (Machine::Kvm, " --machine kvm (")] {
            let again = Plan::draw(RIGS[5], 17).again(machine);
            assert!(again.starts_with(&format!("{command}{more}")), "{again}");
        }
    }
}
