//! The words of CPUID in which a CPU says what it can do, before and after a
//! load: updates add bits and take some away.
//!
//! The words are those that kernels keep (Intel SDM vol. 2A, "CPUID"; AMD APM
//! vol. 3, appendix E), and IA32_ARCH_CAPABILITIES (SDM vol. 4). Bits that say
//! what software has switched on are left out, since they differ by CPU and by
//! time while the microcode stays the same.

use core::fmt;

use crate::registers::{CpuIdResult, Msr, Registers};

/// A register of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// EAX; of a model-specific register bits 31:0, as RDMSR gives them.
    Eax,
    /// EBX.
    Ebx,
    /// ECX.
    Ecx,
    /// EDX; of a model-specific register bits 63:32.
    Edx,
}

/// Where a word is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// CPUID with this leaf and subleaf; a subleaf of 0 also where there is
    /// none.
    Cpuid {
        /// EAX.
        leaf: u32,
        /// ECX.
        subleaf: u32,
    },
    /// RDMSR of this register.
    Msr(Msr),
}

/// A word of 32 features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it is read.
    pub source: Source,
    /// Which register of the answer.
    pub register: Register,
    /// Bits that are not the CPU's own.
    left_out: u32,
}

const fn word(leaf: u32, subleaf: u32, register: Register) -> Word {
    Word {
        source: Source::Cpuid { leaf, subleaf },
        register,
        left_out: 0,
    }
}

const fn word_without(leaf: u32, subleaf: u32, register: Register, left_out: u32) -> Word {
    Word {
        left_out,
        ..word(leaf, subleaf, register)
    }
}

const fn capabilities(register: Register) -> Word {
    Word {
        source: Source::Msr(IA32_ARCH_CAPABILITIES),
        register,
        left_out: 0,
    }
}

const IA32_ARCH_CAPABILITIES: Msr = Msr(0x10a);
/// In leaf 7 EDX: there is an IA32_ARCH_CAPABILITIES.
const HAS_ARCH_CAPABILITIES: u32 = 1 << 29;

/// Leaf 1 ECX, OSXSAVE: a copy of this CPU's CR4 bit 18.
const OSXSAVE: u32 = 1 << 27;
/// Leaf 1 EDX and leaf 0x8000_0001 EDX, APIC: gone while this CPU's local APIC
/// is switched off in IA32_APIC_BASE.
const APIC: u32 = 1 << 9;
/// Leaf 7 ECX, OSPKE: a copy of this CPU's CR4 bit 22.
const OSPKE: u32 = 1 << 4;

/// How many words there are.
pub const NR_WORDS: usize = 22;

/// The words. Those of one answer stand together, so that one CPUID reads
/// them. Leaf 1 EBX (APIC id, size of a cache line) and the leaves of sizes and
/// topology say where a CPU is and not what it can do.
pub const WORDS: [Word; NR_WORDS] = {
    use Register::{Eax, Ebx, Ecx, Edx};
    [
        word_without(0x1, 0, Ecx, OSXSAVE),
        word_without(0x1, 0, Edx, APIC),
        word(0x6, 0, Eax),
        word(0x7, 0, Ebx),
        word_without(0x7, 0, Ecx, OSPKE),
        word(0x7, 0, Edx),
        word(0x7, 1, Eax),
        word(0x7, 1, Ebx),
        word(0x7, 1, Edx),
        word(0x7, 2, Edx),
        word(0xd, 1, Eax),
        word(0x8000_0001, 0, Ecx),
        word_without(0x8000_0001, 0, Edx, APIC),
        word(0x8000_0007, 0, Ebx),
        word(0x8000_0007, 0, Edx),
        word(0x8000_0008, 0, Ebx),
        word(0x8000_000a, 0, Edx),
        word(0x8000_001f, 0, Eax),
        word(0x8000_0021, 0, Eax),
        word(0x8000_0021, 0, Ecx),
        capabilities(Eax),
        capabilities(Edx),
    ]
};

/// What a CPU says that it can do, word for word as in [`WORDS`]. A word that
/// the CPU does not have is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features([u32; NR_WORDS]);

/// A word that differs between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place in [`WORDS`].
    pub place: usize,
    /// The word in the first reading.
    pub before: u32,
    /// The word in the second.
    pub after: u32,
}

impl Features {
    /// Reads all words of the CPU that calls. No allocation, no write.
    pub fn read(registers: &impl Registers) -> Self {
        let mut words = [0; NR_WORDS];
        let mut last = None;
        for (value, word) in words.iter_mut().zip(&WORDS) {
            let answer = match last {
                Some((source, answer)) if source == word.source => answer,
                _ => answer(registers, word.source),
            };
            last = Some((word.source, answer));
            *value = word.of(answer);
        }
        Self(words)
    }

    /// The same with other answers of CPUID: `change` is given a leaf and a
    /// subleaf, and what became of EAX to EDX.
    #[must_use]
    pub fn map(mut self, change: impl Fn(u32, u32, [u32; 4]) -> [u32; 4]) -> Self {
        for (value, word) in self.0.iter_mut().zip(&WORDS) {
            if let Source::Cpuid { leaf, subleaf } = word.source {
                // Each register of the answer is changed for itself.
                *value = word.of(change(leaf, subleaf, [*value; 4]));
            }
        }
        self
    }

    /// The words that differ from an earlier reading.
    pub fn changes_since(&self, before: &Self) -> impl Iterator<Item = Change> {
        let pairs = before.0.into_iter().zip(self.0);
        pairs
            .enumerate()
            .filter(|(_, (before, after))| before != after)
            .map(|(place, (before, after))| Change {
                place,
                before,
                after,
            })
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Source::Cpuid { leaf, subleaf } => write!(f, "CPUID {leaf:#x}.{subleaf}")?,
            Source::Msr(msr) => write!(f, "MSR {:#x}", msr.0)?,
        }
        f.write_str(match self.register {
            Register::Eax => " eax",
            Register::Ebx => " ebx",
            Register::Ecx => " ecx",
            Register::Edx => " edx",
        })
    }
}

impl Word {
    /// This word of an answer, without what is not the CPU's own.
    const fn of(&self, [eax, ebx, ecx, edx]: [u32; 4]) -> u32 {
        let value = match self.register {
            Register::Eax => eax,
            Register::Ebx => ebx,
            Register::Ecx => ecx,
            Register::Edx => edx,
        };
        value & !self.left_out
    }
}

/// EAX to EDX, all 0 where the CPU does not have what is asked for. Beyond the
/// highest leaf an Intel CPU would answer with that of the highest one (SDM
/// vol. 2A, "CPUID").
fn answer(registers: &impl Registers, source: Source) -> [u32; 4] {
    match source {
        Source::Cpuid { leaf, subleaf } if has_leaf(registers, leaf, subleaf) => {
            let CpuIdResult { eax, ebx, ecx, edx } = registers.cpuid2(leaf, subleaf);
            [eax, ebx, ecx, edx]
        }
        Source::Msr(msr) if announces_capabilities(registers) => {
            let value = registers.read_msr(msr).unwrap_or(0);
            #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
            let [low, high] = [value as u32, (value >> 32) as u32];
            [low, 0, 0, high]
        }
        Source::Cpuid { .. } | Source::Msr(_) => [0; 4],
    }
}

fn has_leaf(registers: &impl Registers, leaf: u32, subleaf: u32) -> bool {
    const FIRST_EXTENDED: u32 = 0x8000_0000;
    let highest = registers.cpuid2(leaf & FIRST_EXTENDED, 0).eax;
    // A CPU without extended leaves answers with anything.
    let is_there = (highest ^ leaf) & FIRST_EXTENDED == 0 && leaf <= highest;
    // Leaf 7 says how many subleaves it has; that of 0xd is there with the leaf.
    is_there && (leaf != 7 || subleaf <= registers.cpuid2(leaf, 0).eax)
}

fn announces_capabilities(registers: &impl Registers) -> bool {
    has_leaf(registers, 7, 0) && registers.cpuid2(7, 0).edx & HAS_ARCH_CAPABILITIES != 0
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;
    use crate::fake::Fake;

    /// A CPU that has every leaf of the words, each with bits of its own.
    fn full(arch_capabilities: u64) -> Fake {
        let mut fake = Fake::intel(0x0005_0654)
            .with_highest_extended(0x8000_0021)
            .with_msr(0x10a, arch_capabilities);
        for (number, word) in (1..).zip(&WORDS) {
            if let Source::Cpuid { leaf, subleaf } = word.source {
                fake = fake.with_leaf(leaf, subleaf, [number; 4]);
            }
        }
        // The highest subleaf in EAX, IA32_ARCH_CAPABILITIES in EDX.
        fake.with_leaf(7, 0, [2, 0xb, 0xc, HAS_ARCH_CAPABILITIES])
    }

    fn places(before: &Fake, after: &Fake) -> Vec<(Source, Register)> {
        Features::read(after)
            .changes_since(&Features::read(before))
            .map(|change| (WORDS[change.place].source, WORDS[change.place].register))
            .collect()
    }

    #[test]
    fn every_word_of_a_cpu_that_has_them_is_read() {
        let Features(words) = Features::read(&full(1 << 40 | 1));
        assert!(words.iter().all(|&word| word != 0), "{words:x?}");
        assert_eq!(words[3..6], [0xb, 0xc & !OSPKE, HAS_ARCH_CAPABILITIES]);
        assert_eq!(words[20..], [1, 1 << 8], "RDMSR's two halves");
    }

    #[test]
    fn a_change_is_told_with_its_word_and_both_values() {
        let after = full(1).with_leaf(7, 0, [2, 0xb, 0xc, HAS_ARCH_CAPABILITIES | 0x400]);
        let before = Features::read(&full(1));
        let changes: Vec<_> = Features::read(&after).changes_since(&before).collect();
        let change = Change {
            place: 5,
            before: HAS_ARCH_CAPABILITIES,
            after: HAS_ARCH_CAPABILITIES | 0x400,
        };
        assert_eq!(changes, [change]);
        assert_eq!(before.changes_since(&before).count(), 0);
    }

    #[test]
    fn a_word_is_called_by_its_place() {
        assert_eq!(WORDS[6].to_string(), "CPUID 0x7.1 eax");
        assert_eq!(WORDS[21].to_string(), "MSR 0x10a edx");
    }

    #[test]
    fn leaves_and_subleaves_beyond_the_highest_are_not_believed() {
        let lower = |fake: Fake| places(&full(1), &fake);
        let gone = lower(full(1).with_highest(6));
        // All of 7 and 0xd, and the register that 7 announces.
        assert_eq!(gone.len(), 9, "{gone:?}");
        let gone = lower(full(1).with_highest_extended(0x8000_0008));
        assert_eq!(gone.len(), 4, "{gone:?}");
        let gone = lower(full(1).with_highest_extended(0x1f));
        assert_eq!(gone.len(), 9, "no extended leaves at all: {gone:?}");
        let gone = lower(full(1).with_leaf(7, 0, [0, 0xb, 0xc, HAS_ARCH_CAPABILITIES]));
        assert_eq!(gone.len(), 4, "{gone:?}");
    }

    #[test]
    fn the_register_is_read_only_where_it_is_announced() {
        let silent = full(1).with_leaf(7, 0, [2, 0xb, 0xc, 0]);
        Features::read(&silent);
        assert!(!silent.trace().contains(&"rdmsr 10a".into()));
        let loud = full(1);
        Features::read(&loud);
        assert_eq!(loud.trace().iter().filter(|l| *l == "rdmsr 10a").count(), 1);
    }

    #[test]
    fn what_software_switched_on_is_no_change() {
        for (leaf, place, bit) in [(1, 2, OSXSAVE), (1, 3, APIC), (0x8000_0001, 3, APIC)] {
            let mut answer = [0; 4];
            let before = full(1).with_leaf(leaf, 0, answer);
            answer[place] = bit;
            assert_eq!(places(&before, &full(1).with_leaf(leaf, 0, answer)), []);
        }
        let switched = full(1).with_leaf(7, 0, [2, 0xb, 0xc ^ OSPKE, HAS_ARCH_CAPABILITIES]);
        assert_eq!(places(&full(1), &switched), []);
    }

    #[test]
    fn other_answers_change_the_words_of_their_leaf_alone() {
        let read = Features::read(&full(1));
        let mapped = read.map(
            |leaf, subleaf, [eax, ebx, ecx, edx]| match (leaf, subleaf) {
                (7, 1) => [eax | 1 << 31, ebx, ecx, edx],
                _ => [eax, ebx, ecx, edx],
            },
        );
        let changes: Vec<_> = mapped.changes_since(&read).collect();
        assert_eq!(changes.len(), 1);
        assert_eq!(WORDS[changes[0].place], word(7, 1, Register::Eax));
    }
}
