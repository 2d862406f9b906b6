//! Feature words that a load changed, as the result has them and as a person
//! reads them.

use std::fmt;

use report::cpu_list::{Shown, ranges};
use report::record::Feature;
use report::{Hex32, Register};
use serde::Serialize;

use super::feature_names::name_of;
use super::{text, text_or_null};
use crate::judge::Stream;

/// A word that changed, and on which CPUs it changed so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeatureResult {
    /// EAX of the CPUID.
    #[serde(serialize_with = "text_or_null")]
    pub leaf: Option<Hex32>,
    /// ECX of the CPUID, 0 also where the leaf takes none.
    pub subleaf: Option<u32>,
    /// The model-specific register, instead of a leaf.
    #[serde(serialize_with = "text_or_null")]
    pub msr: Option<Hex32>,
    /// Which register of the answer.
    #[serde(serialize_with = "text")]
    pub register: Register,
    /// The word before the request.
    #[serde(serialize_with = "text")]
    pub before: Hex32,
    /// The word after it.
    #[serde(serialize_with = "text")]
    pub after: Hex32,
    /// Bits that appeared.
    #[serde(serialize_with = "text")]
    pub set: Hex32,
    /// Bits that vanished.
    #[serde(serialize_with = "text")]
    pub cleared: Hex32,
    /// Kernel's numbers of the CPUs, rising.
    pub cpus: Vec<u32>,
}

impl FeatureResult {
    /// All that a guest reported; the lines of one change are one again.
    pub(super) fn all(stream: &Stream<'_>) -> Vec<Self> {
        let mut all = Vec::<Self>::new();
        for feature in &stream.features {
            // Of the CPUs that are in the report: a range may name billions.
            let cpus = stream.cpus.iter().map(|cpu| cpu.id);
            let cpus = cpus.filter(|&cpu| feature.cpus.has(cpu)).collect();
            let new = Self::new(feature, cpus);
            match all.iter_mut().find(|known| known.is_same_change(&new)) {
                Some(known) => {
                    known.cpus.extend(new.cpus);
                    known.cpus.sort_unstable();
                    known.cpus.dedup();
                }
                None => all.push(new),
            }
        }
        all
    }

    fn new(feature: &Feature<'_>, cpus: Vec<u32>) -> Self {
        let (Hex32(before), Hex32(after)) = (feature.before, feature.after);
        Self {
            leaf: feature.leaf,
            subleaf: feature.subleaf,
            msr: feature.msr,
            register: feature.register,
            before: feature.before,
            after: feature.after,
            set: Hex32(after & !before),
            cleared: Hex32(before & !after),
            cpus,
        }
    }

    fn is_same_change(&self, other: &Self) -> bool {
        let change = |it: &Self| {
            (
                it.leaf,
                it.subleaf,
                it.msr,
                it.register,
                it.before,
                it.after,
            )
        };
        change(self) == change(other)
    }

    /// For a person: `CPUID 7.0 edx: + bits 10 (MD_CLEAR), 26 (SPEC_CTRL) on all
    /// CPUs`, where there are `nr_cpus`.
    #[must_use]
    pub fn sentence(&self, nr_cpus: usize) -> String {
        let cpus = match self.cpus[..] {
            _ if self.cpus.len() == nr_cpus => "all CPUs".to_owned(),
            [cpu] => format!("CPU {cpu}"),
            _ => {
                let ranges: Vec<_> = ranges(self.cpus.iter().copied()).collect();
                format!("CPUs {}", Shown(&ranges))
            }
        };
        format!("{self} on {cpus}")
    }

    /// `+ bits 10 (MD_CLEAR), 26`, if there are any.
    fn bits(&self, sign: char, Hex32(word): Hex32) -> Option<String> {
        let numbers = (0..u32::BITS).filter(|bit| word >> bit & 1 != 0);
        let bits: Vec<_> = numbers
            .map(|bit| {
                let name = name_of(self.leaf.or(self.msr), self.subleaf, self.register, bit);
                name.map_or_else(|| bit.to_string(), |name| format!("{bit} ({name})"))
            })
            .collect();
        let plural = if bits.len() == 1 { "" } else { "s" };
        (!bits.is_empty()).then(|| format!("{sign} bit{plural} {}", bits.join(", ")))
    }
}

/// The word and its bits, without the CPUs.
impl fmt::Display for FeatureResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.leaf, self.subleaf, self.msr) {
            (Some(Hex32(leaf)), subleaf, _) => {
                // As the manuals write them: 7.0, 80000008.0.
                write!(f, "CPUID {leaf:X}.{}", subleaf.unwrap_or(0))?;
            }
            (None, _, Some(Hex32(msr))) => write!(f, "MSR {msr:#x}")?,
            (None, _, None) => f.write_str("a word")?,
        }
        let bits = [self.bits('+', self.set), self.bits('-', self.cleared)];
        let bits: Vec<_> = bits.into_iter().flatten().collect();
        write!(f, " {}: {}", self.register, bits.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::tests::passed_with;

    const WORD: &str = "leaf=0x00000007 subleaf=0 register=edx";

    fn features(lines: &str) -> Vec<FeatureResult> {
        passed_with(lines).features
    }

    #[test]
    fn a_line_becomes_the_bits_that_changed_and_the_cpus_that_are_there() {
        let line =
            format!("# feature cpus=0-4294967295 {WORD} before=0x00000801 after=0x04000401\n");
        let features = features(&line);
        let json = serde_json::to_value(&features[0]).unwrap();
        let expected = serde_json::json!({
            "leaf": "0x00000007", "subleaf": 0, "msr": null, "register": "edx",
            "before": "0x00000801", "after": "0x04000401",
            "set": "0x04000400", "cleared": "0x00000800", "cpus": [0, 1],
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn lines_of_one_change_are_one() {
        let line =
            |cpus, after| format!("# feature cpus={cpus} {WORD} before=0x00000001 after={after}\n");
        let one = features(&(line(1, "0x00000003") + &line(0, "0x00000003")));
        assert_eq!((one.len(), &one[0].cpus[..]), (1, &[0, 1][..]));
        let two = features(&(line(0, "0x00000003") + &line(1, "0x00000007")));
        assert_eq!(two.len(), 2);
    }

    #[test]
    fn a_person_reads_names_where_they_are_known() {
        let line = format!("# feature cpus=all {WORD} before=0x00000800 after=0x04000401\n");
        let feature = &features(&line)[0];
        assert_eq!(
            feature.sentence(2),
            "CPUID 7.0 edx: + bits 0, 10 (MD_CLEAR), 26 (SPEC_CTRL), - bit 11 \
             (RTM_ALWAYS_ABORT) on all CPUs"
        );
        assert!(feature.sentence(3).ends_with(" on CPUs 0-1"));
        let line = "# feature cpus=1 msr=0x0000010a register=eax before=0x00000000 \
                    after=0x00000020\n";
        assert_eq!(
            features(line)[0].sentence(2),
            "MSR 0x10a eax: + bit 5 (MDS_NO) on CPU 1"
        );
    }
}
