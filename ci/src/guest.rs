//! What the guest is told: its command line.
//!
//! Words before `--` are the kernel's, words after it the application's
//! arguments.

mod fault;

pub use fault::{Fault, FaultError};

use clap::ValueEnum;
use engine::Config;
use rendezvous::{CallIn, Election, Name, Named, Nmi, OnHang, Order, Parked};
use report::DRY_RUN;
use serde::Deserialize;

use crate::named;

/// What takes the guest's microcode write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Hardware {
    /// The CPU's own registers.
    #[default]
    Msr,
    /// A model of the CPU within the guest: the load is a modelled one.
    Engine,
}

impl Hardware {
    /// The name in scenarios and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Msr => "msr",
            Self::Engine => "engine",
        }
    }
}

/// What the guest does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Job {
    /// Load, the main job.
    #[default]
    Load,
    /// The main job up to its plan: nobody is stopped or written to.
    DryRun,
    /// Hold the CPUs against the conformance vectors.
    Conformance,
    /// Read revisions on all CPUs at once, so many times each, with a load in
    /// the middle.
    Reads(u32),
}

/// What a deadline may be, in µs: one of 0 has passed before anybody can come,
/// and nobody waits for longer than ten minutes.
pub const DEADLINES_US: std::ops::RangeInclusive<u32> = 1..=600_000_000;

/// How often a guest may load in one boot: less than a revision has room for.
pub const ROUNDS: std::ops::RangeInclusive<u32> = 1..=1_000_000;

/// What the guest shall do otherwise than by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guest {
    /// What takes the write.
    #[serde(default)]
    pub hardware: Hardware,
    /// What it does.
    #[serde(default)]
    pub job: Job,
    /// The rendezvous protocol.
    #[serde(default, deserialize_with = "named::member")]
    pub protocol: Name,
    /// How the CPUs announce themselves.
    #[serde(default, deserialize_with = "named::member")]
    pub call_in: CallIn,
    /// Which thread of a core writes first.
    #[serde(default, deserialize_with = "named::member")]
    pub election: Election,
    /// Which cores write when.
    #[serde(default, deserialize_with = "named::member")]
    pub order: Order,
    /// What becomes of NMIs while CPUs are stopped.
    #[serde(default, deserialize_with = "named::member")]
    pub nmi: Nmi,
    /// CPUs that are soft-offline.
    #[serde(default)]
    pub offline: Vec<u32>,
    /// What is done about those whose siblings load.
    #[serde(default, deserialize_with = "named::member")]
    pub parked: Parked,
    /// What becomes of a machine that is held up.
    #[serde(default, deserialize_with = "named::member")]
    pub on_hang: OnHang,
    /// Load the same or an older revision too.
    #[serde(default)]
    pub force: bool,
    /// How often it loads, in one boot; once without it.
    pub repeat: Option<u32>,
    /// Report each CPU's moments of each load, and not of the first alone.
    #[serde(default)]
    pub times: bool,
    /// How many CPUs are started at boot; the others come online when the loads
    /// are done. All of them without it.
    pub online: Option<u32>,
    /// What shall go wrong.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// How long the CPUs are waited for at the gate, in µs; the machine's
    /// patience without it.
    pub callin_us: Option<u32>,
    /// How long a load may take, in µs; the machine's patience without it.
    pub update_us: Option<u32>,
    /// How long soft-offline CPUs are waited for, in µs; the machine's patience
    /// without it.
    pub offline_us: Option<u32>,
}

/// `word=name`, unless that is what the guest takes anyway.
fn word<T: Named>(word: &str, choice: T) -> Option<String> {
    (choice != T::default()).then(|| format!("{word}={}", choice.name()))
}

impl Guest {
    /// Whether a machine of `nr_cpus` CPUs can have these faults at once.
    pub fn check(&self, nr_cpus: u32) -> Result<(), FaultError> {
        if let Some(online) = self.online.filter(|online| !(1..=nr_cpus).contains(online)) {
            return Err(FaultError::Online {
                given: online,
                last: nr_cpus,
            });
        }
        // What comes later takes no part in the first load.
        let nr_online = self.online.unwrap_or(nr_cpus);
        self.faults
            .iter()
            .try_for_each(|fault| fault.check(nr_online))?;
        for &cpu in &self.offline {
            if !(1..nr_online).contains(&cpu) {
                return Err(FaultError::Offline {
                    cpu,
                    last: nr_online - 1,
                });
            }
        }
        if self.nmi == Nmi::Rendezvous
            && let Some(&fault) = self.levers().find(|f| matches!(f, Fault::Unquiet(_)))
        {
            return Err(FaultError::InNmi(fault));
        }
        let mut levers = self.levers();
        match (levers.next(), levers.next()) {
            (Some(&first), Some(&second)) => Err(FaultError::Together(first, second)),
            _ => Ok(()),
        }
    }

    /// The faults that the application itself makes.
    fn levers(&self) -> impl Iterator<Item = &Fault> {
        let is_lever = |fault: &&Fault| !matches!(fault, Fault::Dead(_));
        self.faults.iter().filter(is_lever)
    }

    /// The command line that QEMU's `-append` is given; `patience_us` is the
    /// machine's (see [`crate::machine::Machine::patience_us`]), and `model` what
    /// the guest models where it does.
    #[must_use]
    pub fn command_line(&self, patience_us: u32, model: Option<&Config>) -> String {
        let mut kernel = vec!["muster".to_owned()];
        let mut application = vec![format!("protocol={}", self.protocol.name())];
        application.extend(word("call_in", self.call_in));
        application.extend(word("election", self.election));
        application.extend(word("order", self.order));
        application.extend(word("nmi", self.nmi));
        application.extend(word("on_hang", self.on_hang));
        if !self.offline.is_empty() {
            let cpus: Vec<_> = self.offline.iter().map(ToString::to_string).collect();
            application.push(format!("offline={}", cpus.join(",")));
            application.extend(word("parked", self.parked));
            let us = self.offline_us.unwrap_or(patience_us);
            application.push(format!("offline_us={us}"));
        }
        let dead: Vec<_> = self
            .faults
            .iter()
            .filter_map(|fault| match fault {
                Fault::Dead(cpu) => Some(cpu.to_string()),
                _ => None,
            })
            .collect();
        if !dead.is_empty() {
            kernel.push(format!("env=HERMIT_DEAD_APS={}", dead.join(",")));
        }
        if let Some(nr_cpus) = self.online {
            kernel.push(format!("env=HERMIT_ONLINE={nr_cpus}"));
        }
        if self.force {
            application.push("force".to_owned());
        }
        application.extend(self.repeat.map(|nr_rounds| format!("repeat={nr_rounds}")));
        if self.times {
            application.push("times=all".to_owned());
        }
        for (word, us) in [("callin_us", self.callin_us), ("update_us", self.update_us)] {
            application.push(format!("{word}={}", us.unwrap_or(patience_us)));
        }
        match self.job {
            Job::Load => {}
            Job::DryRun => application.push(format!("job={DRY_RUN}")),
            Job::Conformance => application.push("job=conformance".to_owned()),
            Job::Reads(nr_times) => application.push(format!("reads={nr_times}")),
        }
        if let (Hardware::Engine, Some(model)) = (self.hardware, model) {
            application.extend(model_words(model));
        }
        application.extend(self.levers().map(|fault| format!("fault={fault}")));
        format!("{} -- {}", kernel.join(" "), application.join(" "))
    }
}

/// What the guest is told of the CPUs that it models; the rest it finds out.
fn model_words(model: &Config) -> Vec<String> {
    let cost = model.cost;
    let mut words = vec![
        "hw=engine".to_owned(),
        format!("revision={}", model.revision),
    ];
    for (word, number) in [
        ("load_us", cost.load_us),
        ("load_ns_per_kib", cost.load_ns_per_kib),
        ("access_ns", cost.access_ns),
    ] {
        if number != 0 {
            words.push(format!("{word}={number}"));
        }
    }
    let features = model.feature.iter();
    words.extend(features.map(|feature| format!("hwfeature={feature}")));
    words.extend(model.fault.iter().map(|fault| format!("hwfault={fault}")));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_told_of_the_dead_and_the_application_of_the_rest() {
        let guest = Guest {
            force: true,
            faults: ["dead:3", "never-arrives:2", "dead:1"]
                .map(|fault| fault.parse().unwrap())
                .to_vec(),
            callin_us: Some(5),
            update_us: None,
            ..Guest::default()
        };
        assert_eq!(
            guest.command_line(7, None),
            "muster env=HERMIT_DEAD_APS=3,1 -- protocol=muster force callin_us=5 update_us=7 \
             fault=never-arrives:2"
        );
        assert_eq!(
            Guest::default().command_line(7, None),
            "muster -- protocol=muster callin_us=7 update_us=7"
        );
    }

    #[test]
    fn the_model_is_described_only_to_a_guest_that_has_one() {
        let mut model = Config::new(microcode::Vendor::Intel, 1, 2);
        model.revision = 9;
        model.cost.load_us = 70;
        let feature = "leaf=0x7,register=edx,set=0x400";
        model.feature.push(feature.parse().unwrap());
        model.fault.push("slow,cpu=1,us=5".parse().unwrap());
        let words = |hardware, job| {
            let guest = Guest {
                hardware,
                job,
                ..Guest::default()
            };
            guest.command_line(7, Some(&model))
        };
        assert!(!words(Hardware::Msr, Job::Load).contains("load_us"));
        assert!(words(Hardware::Engine, Job::Load).ends_with(
            "update_us=7 hw=engine revision=9 load_us=70 \
             hwfeature=leaf=0x7,register=edx,set=0x400 hwfault=slow,cpu=1,us=5"
        ));
        assert!(words(Hardware::Msr, Job::Reads(5)).ends_with("reads=5"));
        assert!(words(Hardware::Msr, Job::Conformance).ends_with("job=conformance"));
    }

    #[test]
    fn only_dead_cpus_go_with_another_fault() {
        let check = |faults: &[Fault]| {
            let faults = faults.to_vec();
            let guest = Guest {
                faults,
                ..Guest::default()
            };
            guest.check(4)
        };
        assert_eq!(
            check(&[Fault::Panic, Fault::Hang]),
            Err(FaultError::Together(Fault::Panic, Fault::Hang))
        );
        assert_eq!(
            check(&[Fault::Dead(1), Fault::Dead(2), Fault::Hang]),
            Ok(())
        );
    }

    #[test]
    fn only_what_is_chosen_otherwise_is_said_and_the_kernel_counts_who_is_online() {
        let words = |text: &str| {
            let guest: Guest = toml::from_str(text).unwrap();
            guest.command_line(7, None)
        };
        let offline = "offline = [1, 3]\n";
        for (text, said) in [
            ("nmi = \"rendezvous\"", "protocol=muster nmi=rendezvous "),
            (
                offline,
                "protocol=muster offline=1,3 offline_us=7 callin_us=",
            ),
            (
                &format!("{offline}parked = \"refuse\""),
                "offline=1,3 parked=refuse offline_us=7 ",
            ),
            (
                &format!("{offline}offline_us = 9"),
                "offline=1,3 offline_us=9 ",
            ),
            ("repeat = 3", "protocol=muster repeat=3 "),
            ("online = 2", "muster env=HERMIT_ONLINE=2 -- protocol"),
        ] {
            let words = words(text);
            assert!(words.contains(said), "{text}: {words}");
        }
        // Where nobody is soft-offline, there is nothing to be done about them.
        for text in ["nmi = \"hold\"", "parked = \"refuse\"", "offline = []"] {
            assert_eq!(words(text), words(""), "{text}");
        }
    }

    #[test]
    fn a_cpu_can_be_offline_only_if_it_is_up_at_boot_and_not_the_boot_cpu() {
        let check = |online, offline: &[u32]| {
            let guest = Guest {
                online,
                offline: offline.to_vec(),
                ..Guest::default()
            };
            guest.check(4)
        };
        assert_eq!(check(Some(2), &[1]), Ok(()));
        assert_eq!(check(None, &[1, 3]), Ok(()));
        for (online, cpu, last) in [(None, 0, 3), (None, 4, 3), (Some(2), 2, 1)] {
            assert_eq!(
                check(online, &[1, cpu]),
                Err(FaultError::Offline { cpu, last })
            );
        }
        for (last, which) in [(0, "none"), (1, "CPU 1 alone"), (3, "1 to 3")] {
            let text = FaultError::Offline { cpu: 9, last }.to_string();
            let end = format!("at boot, {which} can be soft-offline");
            assert!(text.ends_with(&end), "{text}");
        }
        assert_eq!(check(Some(4), &[]), Ok(()));
        for given in [0, 5] {
            let error = FaultError::Online { given, last: 4 };
            assert_eq!(check(Some(given), &[]), Err(error));
        }
    }

    #[test]
    fn a_handler_of_nmis_is_asked_neither_to_allocate_nor_to_print() {
        let check = |nmi, fault| {
            let guest = Guest {
                nmi,
                faults: vec![fault],
                ..Guest::default()
            };
            guest.check(4)
        };
        let unquiet = Fault::Unquiet(1);
        assert_eq!(
            check(Nmi::Rendezvous, unquiet),
            Err(FaultError::InNmi(unquiet))
        );
        assert_eq!(check(Nmi::Hold, unquiet), Ok(()));
        assert_eq!(check(Nmi::Rendezvous, Fault::GpFault(1)), Ok(()));
    }
}
