//! What a scenario says of feature words: which bits appear and vanish, where.

use std::fmt;

use report::Register;
use serde::Deserialize;

use crate::named::Named;
use crate::result::{FeatureResult, RunResult};

/// A word that a load shall change.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFeature {
    /// EAX of the CPUID.
    leaf: Option<u32>,
    /// ECX of the CPUID.
    #[serde(default)]
    subleaf: u32,
    /// The model-specific register, instead of a leaf.
    msr: Option<u32>,
    /// Which register of the answer.
    register: Named<Register>,
    /// Bits that appear.
    #[serde(default)]
    set: u32,
    /// Bits that vanish.
    #[serde(default)]
    cleared: u32,
    /// On which CPUs; on all without it.
    pub(super) cpus: Option<Vec<u32>>,
}

impl ExpectedFeature {
    fn is(&self, found: &FeatureResult, nr_cpus: usize) -> bool {
        let leaf = found.leaf.map(|leaf| leaf.0);
        let subleaf = found.subleaf.unwrap_or(0);
        let msr = found.msr.map(|msr| msr.0);
        let cpus = self.cpus.as_ref();
        (self.leaf, self.subleaf, self.msr) == (leaf, subleaf, msr)
            && self.register.0 == found.register
            && (self.set, self.cleared) == (found.set.0, found.cleared.0)
            && cpus.map_or(found.cpus.len() == nr_cpus, |cpus| *cpus == found.cpus)
    }
}

impl fmt::Display for ExpectedFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.leaf, self.msr) {
            (Some(leaf), _) => write!(f, "leaf {leaf:#x}.{}", self.subleaf)?,
            (None, Some(msr)) => write!(f, "MSR {msr:#x}")?,
            (None, None) => f.write_str("a word without leaf or msr")?,
        }
        let (register, set, cleared) = (self.register, self.set, self.cleared);
        write!(f, " {register} set {set:#x} cleared {cleared:#x}")?;
        match &self.cpus {
            Some(cpus) => write!(f, " on CPUs {cpus:?}"),
            None => f.write_str(" on all CPUs"),
        }
    }
}

/// How the changes of a result are other than those expected, in any order.
pub(super) fn deviations(expected: &[ExpectedFeature], result: &RunResult) -> Vec<String> {
    let (found, nr_cpus) = (&result.features, result.cpus.len());
    let missing = expected
        .iter()
        .filter(|expected| !found.iter().any(|found| expected.is(found, nr_cpus)))
        .map(|expected| format!("no feature word changed as {expected}"));
    let unexpected = found
        .iter()
        .filter(|found| !expected.iter().any(|expected| expected.is(found, nr_cpus)))
        .map(|found| {
            let sentence = found.sentence(nr_cpus);
            format!("a feature word changed that should not: {sentence}")
        });
    missing.chain(unexpected).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::tests::passed_with;

    fn deviations_of(lines: &str, expected: &str) -> Vec<String> {
        #[derive(Deserialize)]
        struct Table {
            features: Vec<ExpectedFeature>,
        }
        let table: Table = toml::from_str(&format!("features = {expected}")).unwrap();
        deviations(&table.features, &passed_with(lines))
    }

    const EDX: &str = "# feature cpus=all leaf=0x00000007 subleaf=0 register=edx \
                       before=0x00000800 after=0x00000400\n";

    #[test]
    fn what_changed_as_expected_is_no_deviation() {
        let none = Vec::<String>::new();
        let word = "leaf = 7, register = \"edx\", set = 0x400, cleared = 0x800";
        assert_eq!(deviations_of("", "[]"), none);
        assert_eq!(deviations_of(EDX, &format!("[{{ {word} }}]")), none);
        let listed = format!("[{{ {word}, cpus = [0, 1] }}]");
        assert_eq!(deviations_of(EDX, &listed), none);
        let msr = "# feature cpus=1 msr=0x0000010a register=edx before=0x00000000 \
                   after=0x00000001\n";
        let expected = "[{ msr = 0x10a, register = \"edx\", set = 1, cpus = [1] }]";
        assert_eq!(deviations_of(msr, expected), none);
    }

    #[test]
    fn each_point_is_looked_at() {
        for word in [
            "leaf = 1, register = \"edx\", set = 0x400, cleared = 0x800",
            "leaf = 7, subleaf = 1, register = \"edx\", set = 0x400, cleared = 0x800",
            "leaf = 7, register = \"ecx\", set = 0x400, cleared = 0x800",
            "leaf = 7, register = \"edx\", set = 0x401, cleared = 0x800",
            "leaf = 7, register = \"edx\", set = 0x400",
            "leaf = 7, register = \"edx\", set = 0x400, cleared = 0x800, cpus = [1]",
            "msr = 7, register = \"edx\", set = 0x400, cleared = 0x800",
        ] {
            let deviations = deviations_of(EDX, &format!("[{{ {word} }}]"));
            assert_eq!(deviations.len(), 2, "{word}: {deviations:?}");
        }
        assert_eq!(deviations_of(EDX, "[]").len(), 1);
    }
}
