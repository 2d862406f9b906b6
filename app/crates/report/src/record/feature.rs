//! What CPUs show otherwise after a load than before.

use core::fmt;

use super::Field;
use crate::cpu_list::CpuList;
use crate::logfmt::Hex32;
use crate::names::Register;

record! {
    /// A feature word that changed, and on which CPUs it changed so. It stands
    /// in CPUID or, as RDMSR gives it, in a model-specific register.
    pub struct Feature<'a> = "feature" {
        /// Kernel's numbers of the CPUs.
        cpus: CpuList<'a> = "cpus",
        /// EAX of the CPUID.
        leaf: Option<Hex32> = "leaf",
        /// ECX of the CPUID, 0 also where the leaf takes none.
        subleaf: Option<u32> = "subleaf",
        /// The model-specific register, instead of a leaf.
        msr: Option<Hex32> = "msr",
        /// Which register of the answer.
        register: Register = "register",
        /// The word before the request.
        before: Hex32 = "before",
        /// The word after it.
        after: Hex32 = "after",
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::cpu_list::{CpuRanges, MAX_RANGES, Shown, ranges};
    use crate::{Line, MAX_LINE};

    fn feature(cpus: &str) -> Feature<'_> {
        Feature {
            cpus: CpuRanges::read(cpus).map_or(CpuList::All, CpuList::Some),
            leaf: Some(Hex32(7)),
            subleaf: Some(0),
            msr: None,
            register: Register::Edx,
            before: Hex32(0x800),
            after: Hex32(0x400),
        }
    }

    #[test]
    fn a_feature_line_reads_as_documented() {
        assert_eq!(
            feature("all").to_string(),
            "# feature cpus=all leaf=0x00000007 subleaf=0 register=edx before=0x00000800 \
             after=0x00000400"
        );
    }

    #[test]
    fn the_longest_line_fits() {
        let scattered: Vec<_> = (0..MAX_RANGES)
            .map(|n| 4000 + 3 * u32::try_from(n).unwrap())
            .flat_map(|first| [first, first + 1])
            .collect();
        let all: Vec<_> = ranges(scattered).collect();
        assert_eq!(all.len(), MAX_RANGES);
        let cpus = Shown(&all).to_string();
        let longest = Feature {
            leaf: Some(Hex32(u32::MAX)),
            subleaf: Some(u32::MAX),
            msr: Some(Hex32(u32::MAX)),
            ..feature(&cpus)
        };
        assert!(longest.to_string().len() < MAX_LINE, "{longest}");
    }

    proptest! {
        #[test]
        fn a_feature_is_read_as_it_is_written(
            cpus in proptest::collection::btree_set(0..99_u32, 1..20),
            (leaf, msr) in any::<(Option<(u32, u32)>, Option<u32>)>(),
            register in proptest::sample::select(Register::ALL),
            (before, after) in any::<(u32, u32)>(),
        ) {
            let all: Vec<_> = ranges(cpus).collect();
            let cpus = Shown(&all).to_string();
            let feature = Feature {
                leaf: leaf.map(|leaf| Hex32(leaf.0)),
                subleaf: leaf.map(|leaf| leaf.1),
                msr: msr.map(Hex32),
                register,
                before: Hex32(before),
                after: Hex32(after),
                ..feature(&cpus)
            };
            let line = feature.to_string();
            prop_assert_eq!(Line::parse(&line), Line::Feature(feature));
        }

        #[test]
        fn a_line_cut_anywhere_is_no_record(cpus in "[0-9]{1,2}(-[0-9]{2})?", cut in 1..100_usize) {
            if CpuRanges::read(&cpus).is_some() {
                let line = feature(&cpus).to_string();
                let cut: String = line.chars().take(line.len().saturating_sub(cut)).collect();
                prop_assert!(!matches!(Line::parse(&cut), Line::Feature(_)), "{}", cut);
            }
        }
    }
}
