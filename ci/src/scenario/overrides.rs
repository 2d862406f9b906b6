//! Flags that replace a scenario's fields.
//!
//! A flag that changes what is under test (the CPU, the microcode, the protocol,
//! who is soft-offline, a fault, force, a dry run, how often it loads) makes the
//! scenario's expectation void: what is expected then is the best that the
//! machine allows, PASS, or SWALLOWED under a hypervisor that ignores the write.
//! A flag that changes only where or how long it runs keeps the expectation, with
//! two exceptions: another number of CPUs voids what is said of them by their
//! numbers, and a machine that ignores updates, where the scenario's takes them,
//! voids what depends on their effect.

use std::path::PathBuf;

use rendezvous::{CallIn, Election, Name, Nmi, OnHang, Order, Parked};

use super::Scenario;
use crate::firmware::Spec;
use crate::guest::{Fault, Hardware, Job};
use crate::machine::model::FaultPlan;
use crate::machine::{Cpu, Machine};

/// Replacements; `None`, `false` and empty leave the scenario's field.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Which machine.
    pub machine: Option<Machine>,
    /// Number of CPUs.
    pub cpus: Option<u32>,
    /// Threads a core.
    pub threads: Option<u32>,
    /// Packages.
    pub packages: Option<u32>,
    /// The CPU.
    pub cpu: Option<Cpu>,
    /// QEMU's accelerator.
    pub accel: Option<String>,
    /// A file or folder of microcode.
    pub firmware: Option<PathBuf>,
    /// The rendezvous protocol.
    pub protocol: Option<Name>,
    /// How the CPUs announce themselves.
    pub call_in: Option<CallIn>,
    /// Which thread of a core writes first.
    pub election: Option<Election>,
    /// Which cores write when.
    pub order: Option<Order>,
    /// What becomes of NMIs.
    pub nmi: Option<Nmi>,
    /// CPUs that are soft-offline.
    pub offline: Vec<u32>,
    /// What is done about them.
    pub parked: Option<Parked>,
    /// What becomes of a machine that is held up.
    pub on_hang: Option<OnHang>,
    /// How long the CPUs are waited for at the gate, in µs.
    pub callin_us: Option<u32>,
    /// How long a load may take, in µs.
    pub update_us: Option<u32>,
    /// How long soft-offline CPUs are waited for, in µs.
    pub offline_us: Option<u32>,
    /// Load the same or an older revision too.
    pub force: bool,
    /// Stop after the plan.
    pub dry_run: bool,
    /// How often to load in one boot.
    pub repeat: Option<u32>,
    /// How many CPUs are started at boot.
    pub online: Option<u32>,
    /// What takes the write.
    pub hardware: Option<Hardware>,
    /// What shall go wrong in the guest.
    pub faults: Vec<Fault>,
    /// What shall go wrong in the CPUs.
    pub plan: Option<FaultPlan>,
    /// How long the guest may take.
    pub timeout_s: Option<u32>,
    /// Arguments of QEMU, after the scenario's.
    pub qemu_args: Vec<String>,
}

impl Overrides {
    /// Replaces the scenario's fields.
    pub fn apply(self, scenario: &mut Scenario) {
        let took_updates = scenario.takes_updates();
        let gives_plan = self.plan.is_some();
        let own_arguments = !self.qemu_args.is_empty();
        let machine = &mut scenario.machine;
        let changes_matter = self.cpu.is_some()
            || self.firmware.is_some()
            || self.force
            || self.dry_run
            || self
                .repeat
                .is_some_and(|nr_rounds| Some(nr_rounds) != scenario.guest.repeat)
            || self
                .protocol
                .is_some_and(|name| name != scenario.guest.protocol)
            || !self.faults.is_empty()
            || !self.offline.is_empty()
            || self.parked.is_some()
            || self.plan.is_some();
        let numbers = [self.cpus, self.threads, self.packages, self.online];
        let changes_cpus = numbers != [None; 4];
        if let Some(kind) = self.machine.filter(|&kind| kind != machine.kind) {
            machine.kind = kind;
            // An accelerator belongs to its machine.
            machine.accel = None;
        }
        if let Some(cpus) = self.cpus {
            machine.cpus = cpus;
        }
        // Where only some of the three are given, the scenario's other
        // numbers hold as far as they divide the new number of CPUs.
        machine.threads = self
            .threads
            .unwrap_or_else(|| dividing(machine.cpus, machine.threads));
        machine.packages = self
            .packages
            .unwrap_or_else(|| dividing(machine.cpus / machine.threads.max(1), machine.packages));
        replace(&mut machine.cpu, self.cpu);
        replace(&mut machine.accel, self.accel.map(Some));
        replace(&mut machine.timeout_s, self.timeout_s.map(Some));
        machine.qemu_args.extend(self.qemu_args);
        if let Some(path) = self.firmware {
            scenario.firmware = Spec {
                path: Some(path),
                delivery: scenario.firmware.delivery,
                ..Spec::default()
            };
        }
        if let Some(plan) = self.plan {
            scenario.machine.model.fault = plan.fault;
            scenario.machine.model.random = plan.random;
        }
        let guest = &mut scenario.guest;
        replace(&mut guest.hardware, self.hardware);
        replace(&mut guest.protocol, self.protocol);
        replace(&mut guest.call_in, self.call_in);
        replace(&mut guest.election, self.election);
        replace(&mut guest.order, self.order);
        replace(&mut guest.nmi, self.nmi);
        replace(&mut guest.parked, self.parked);
        replace(&mut guest.on_hang, self.on_hang);
        replace(&mut guest.callin_us, self.callin_us.map(Some));
        replace(&mut guest.update_us, self.update_us.map(Some));
        replace(&mut guest.offline_us, self.offline_us.map(Some));
        replace(&mut guest.repeat, self.repeat.map(Some));
        replace(&mut guest.online, self.online.map(Some));
        scenario.guest.force |= self.force;
        if self.dry_run {
            scenario.guest.job = Job::DryRun;
        }
        if !self.offline.is_empty() {
            scenario.guest.offline = self.offline;
        }
        if !self.faults.is_empty() {
            scenario.guest.faults = self.faults;
        }
        if changes_matter {
            scenario.expect = None;
        } else if changes_cpus && let Some(expect) = &mut scenario.expect {
            expect.forget_numbers();
        }
        let machine = &scenario.machine;
        // What QEMU is told otherwise, or that updates are ignored, is what the
        // scenario is about.
        scenario.is_misplaced = !machine.kind.is_qemu()
            && (!own_arguments && !machine.qemu_args.is_empty()
                || !took_updates && scenario.expect.is_some());
        if took_updates && !scenario.takes_updates() {
            scenario.is_misplaced = !gives_plan && scenario.is_about_cpus();
            let best = scenario.machine.kind.best_verdicts();
            let expect = scenario.expect.take();
            scenario.expect = expect.map(|expect| expect.without_effect(best));
        }
    }
}

fn replace<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// `part` if it divides `whole`, else 1.
fn dividing(whole: u32, part: u32) -> u32 {
    match whole.checked_rem(part) {
        Some(0) => part,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Verdict;

    const SCENARIO: &str = "summary = \"\"\n[machine]\ncpus = 4\nthreads = 2\n\
                            kind = \"tcg\"\naccel = \"tcg,thread=single\"\n[expect]\nverdict = \"SWALLOWED\"\n\
                            outcomes = []";

    fn with(overrides: Overrides) -> Scenario {
        let mut scenario: Scenario = toml::from_str(SCENARIO).unwrap();
        overrides.apply(&mut scenario);
        scenario
    }

    #[test]
    fn the_scenarios_threads_hold_only_as_far_as_they_divide() {
        let cpus = |cpus, threads| {
            let machine = with(Overrides {
                cpus: Some(cpus),
                threads,
                ..Overrides::default()
            })
            .machine;
            (machine.cpus, machine.threads, machine.topology().is_ok())
        };
        assert_eq!(cpus(8, None), (8, 2, true));
        assert_eq!(cpus(1, None), (1, 1, true));
        assert_eq!(cpus(3, None), (3, 1, true));
        assert_eq!(cpus(3, Some(2)), (3, 2, false));
        assert_eq!(cpus(3, Some(0)), (3, 0, false));
    }

    #[test]
    fn what_changes_the_matter_under_test_voids_the_expectation() {
        let changes = [
            Overrides {
                cpu: Some(Cpu::default()),
                ..Overrides::default()
            },
            Overrides {
                firmware: Some("/x".into()),
                ..Overrides::default()
            },
            Overrides {
                force: true,
                ..Overrides::default()
            },
            Overrides {
                faults: vec![Fault::Panic],
                ..Overrides::default()
            },
        ];
        for overrides in changes {
            let scenario = with(overrides);
            assert_eq!(scenario.expected(), [Verdict::Pass, Verdict::Swallowed]);
        }
    }

    #[test]
    fn what_is_about_cpus_that_take_updates_is_skipped_elsewhere() {
        let moved = |table: &str, plan| {
            let text = format!("summary = \"\"\n{table}");
            let mut scenario: Scenario = toml::from_str(&text).unwrap();
            let overrides = Overrides {
                machine: Some(Machine::Tcg),
                plan,
                ..Overrides::default()
            };
            overrides.apply(&mut scenario);
            scenario
        };
        for table in [
            "guest.job = \"conformance\"",
            "machine.model.platform_id = 1",
        ] {
            let scenario = moved(table, None);
            assert!(scenario.check().is_ok());
            assert!(scenario.unavailable().unwrap().contains("take none"));
        }
        assert_eq!(moved("", None).unavailable(), None);
        let plan = FaultPlan {
            fault: vec!["hang".parse().unwrap()],
            random: None,
        };
        let error = moved("", Some(plan)).check().unwrap_err().to_string();
        assert!(error.contains("--machine model"), "{error}");
    }

    #[test]
    fn what_changes_only_where_it_runs_keeps_the_expectation() {
        let scenario = with(Overrides {
            machine: Some(Machine::KvmQemu),
            timeout_s: Some(9),
            ..Overrides::default()
        });
        assert!(scenario.expect.as_ref().unwrap().outcomes.is_some());
        assert_eq!(scenario.machine.accel(), "kvm");
        let text = "summary = \"\"\n[expect]\nverdict = \"PASS\"";
        let swallowing = |text: &str| {
            let mut scenario: Scenario = toml::from_str(text).unwrap();
            let machine = Some(Machine::Tcg);
            Overrides {
                machine,
                ..Overrides::default()
            }
            .apply(&mut scenario);
            scenario.expected()
        };
        assert_eq!(swallowing(text), [Verdict::Pass, Verdict::Swallowed]);
        assert_eq!(swallowing(&text.replace("PASS", "SKIP")), [Verdict::Skip]);
        let scenario = with(Overrides {
            cpus: Some(2),
            ..Overrides::default()
        });
        assert!(scenario.expect.unwrap().outcomes.is_none());
    }
}
