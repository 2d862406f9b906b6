//! The model behind the machine `model` and the guest's own: from a scenario's
//! table to what the plugin reads and what the guest is told.

use engine::{
    Config, ConfigError, CoreConfig, Cost, Domain, Downgrade, Fault, Feature, LateLoad, Seal,
};
use microcode::Vendor;
use serde::Deserialize;

use super::Topology;

/// A scenario's table `machine.model`: what of the CPUs is not said by
/// `machine` itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// Platform id, 0 to 7 (Intel). Without it, 0 if an update for the CPU is for
    /// that, else the first that the newest one is for.
    pub platform_id: Option<u8>,
    /// Who shares a revision; the vendor's way without it.
    pub revisions: Option<Domain>,
    /// What becomes of an older update.
    pub older: Downgrade,
    /// Whether updates can be switched off, or are (Intel).
    pub late_load: LateLoad,
    /// What accesses and loads cost.
    pub cost: Cost,
    /// CPUID bits that come and go with a revision.
    pub feature: Vec<Feature>,
    /// Cores that differ from the rest.
    pub core: Vec<CoreConfig>,
    /// What goes wrong.
    pub fault: Vec<Fault>,
    /// Further things that go wrong, by chance.
    pub random: Option<Random>,
    /// Whether only the microcode's own bytes are genuine: set to find damage
    /// that a format has no checksum for.
    pub sealed: bool,
}

/// Faults by chance, the same for the same seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Random {
    /// Where chance begins.
    pub seed: u64,
    /// How many faults.
    pub faults: u32,
}

/// What the model has to know of the CPU and its microcode beside the table.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Whose CPU it is.
    pub vendor: Vendor,
    /// CPUID leaf 1 EAX.
    pub signature: u32,
    /// Its platform id, where the table says nothing.
    pub platform_id: u8,
    /// The revision that it starts with.
    pub revision: u32,
    /// What AMD's tables call it.
    pub equivalence_ids: Vec<u16>,
    /// The genuine updates, where the table asks for seals.
    pub seals: Vec<Seal>,
}

/// A fault plan: a file of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// What goes wrong.
    #[serde(default)]
    pub fault: Vec<Fault>,
    /// Further things by chance.
    pub random: Option<Random>,
}

impl Model {
    /// All faults for a machine of that size, those by chance behind the
    /// others.
    #[must_use]
    pub fn faults(&self, topology: Topology) -> Vec<Fault> {
        let nr_cpus = topology.nr_cpus();
        let random = self.random.map(|random| {
            let nr_cores = nr_cpus / topology.nr_threads;
            engine::random_faults(random.seed, random.faults, nr_cpus, nr_cores)
        });
        let random = random.into_iter().flatten();
        self.fault.iter().copied().chain(random).collect()
    }

    /// What the machine's CPUs are.
    #[must_use]
    pub fn config(&self, kind: &Kind, topology: Topology) -> Config {
        Config {
            platform_id: self.platform_id.unwrap_or(kind.platform_id),
            revision: kind.revision,
            threads: topology.nr_threads,
            revisions: self.revisions,
            older: self.older,
            late_load: self.late_load,
            equivalence_ids: kind.equivalence_ids.clone(),
            cost: self.cost,
            seal: kind.seals.clone(),
            feature: self.feature.clone(),
            core: self.core.clone(),
            fault: self.faults(topology),
            ..Config::new(kind.vendor, kind.signature, topology.nr_cpus())
        }
    }

    /// Whether a machine of that vendor and size can be so.
    pub fn check(&self, vendor: Vendor, topology: Topology) -> Result<(), ConfigError> {
        let kind = Kind {
            vendor,
            signature: 0,
            platform_id: 0,
            revision: 0,
            equivalence_ids: Vec::new(),
            seals: Vec::new(),
        };
        self.config(&kind, topology).check()
    }

    /// Whether a guest that models its CPUs itself can have it so: it takes them
    /// as it finds them, and only what they cost, what goes wrong and which features
    /// change is told.
    #[must_use]
    pub fn suits_a_guest(&self) -> bool {
        let told = Self {
            cost: self.cost,
            feature: self.feature.clone(),
            fault: self.fault.clone(),
            random: self.random,
            ..Self::default()
        };
        *self == told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology() -> Topology {
        Topology::new(8, 2, 2).unwrap()
    }

    #[test]
    fn a_table_becomes_a_configuration_that_the_plugin_reads_back() {
        let table = "platform_id = 2\nfault = [{ kind = \"hang\", cpu = 7 }]\n\
                     random = { seed = 3, faults = 4 }\n[cost]\nload_us = 9\n\
                     [[core]]\nid = 3\nrevision = 5";
        let model: Model = toml::from_str(table).unwrap();
        let kind = Kind {
            vendor: Vendor::Intel,
            signature: 0x0005_0654,
            platform_id: 5,
            revision: 1,
            equivalence_ids: Vec::new(),
            seals: Vec::new(),
        };
        let config = model.config(&kind, topology());
        assert_eq!(config.check(), Ok(()));
        assert_eq!((config.cpus, config.threads, config.fault.len()), (8, 2, 5));
        assert_eq!(config.platform_id, 2, "the table's own");
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config, "{text}");
    }

    #[test]
    fn what_the_machine_cannot_have_is_found_before_it_starts() {
        let check = |table: &str| {
            let model: Model = toml::from_str(table).unwrap();
            let error = model.check(Vendor::Intel, topology()).unwrap_err();
            error.to_string()
        };
        assert!(check("fault = [{ kind = \"hang\", cpu = 8 }]").contains("0 to 7"));
        assert!(check("fault = [{ kind = \"hang\", core = 4 }]").contains("0 to 3"));
        let feature = "feature = [{ leaf = 7, register = \"edx\", set = 3, clear = 1 }]";
        assert!(check(feature).contains("[[feature]] number 1: set and clear"));
        assert!(check("core = [{ id = 1 }, { id = 1 }]").contains("the id 1"));
        assert!(toml::from_str::<Model>("colour = 1").is_err());
    }

    #[test]
    fn a_guest_that_models_its_cpus_is_told_of_cost_faults_and_features_alone() {
        let suits = |table: &str| toml::from_str::<Model>(table).unwrap().suits_a_guest();
        assert!(suits(
            "cost = { load_us = 5 }\nfault = [{ kind = \"hang\" }]\n\
             feature = [{ leaf = 7, register = \"edx\", set = 1 }]"
        ));
        assert!(!suits("older = \"taken\""));
        assert!(!suits("sealed = true"));
        assert!(!suits("core = [{ id = 1, revision = 2 }]"));
    }
}
