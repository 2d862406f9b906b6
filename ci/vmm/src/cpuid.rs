//! What CPUID answers: KVM's own words with the name plate and the place that
//! the CPU is given.
//!
//! KVM answers a guest's CPUID by itself and tells nobody, and what it answers
//! cannot be changed once the CPU has run. So the image lists its loader's CPUIDs
//! ([`crate::image`]), each of which is turned into an exit to [`Answers::get`].
//! All others get what holds at the start.

use engine::{Config, CpuidChange, Feature, LateLoad};
use kvm_bindings::{CpuId, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, kvm_cpuid_entry2};
use microcode::Vendor;

use stand_in::{Place, Topology};

/// The basic leaves end with that of the extended topology or, where KVM has
/// more, with the last one that a guest without vector state can want.
const LAST_BASIC: u32 = 0x16;
const LAST_EXTENDED: u32 = 0x8000_001e;

/// Leaf 1 ECX: MONITOR, VMX, FMA, XSAVE, OSXSAVE, AVX, F16C.
const LEAF_1_ECX_LEFT_OUT: u32 = 1 << 3 | 1 << 5 | 1 << 12 | 1 << 26 | 1 << 27 | 1 << 28 | 1 << 29;
const X2APIC: u32 = 1 << 21;
/// Leaf 1 EDX, HTT: leaf 1 EBX has the number of the package's threads.
const HTT: u32 = 1 << 28;
/// Leaf 7 EDX: there is an IA32_ARCH_CAPABILITIES.
const ARCH_CAPABILITIES: u32 = 1 << 29;
/// Leaf 0x8000_0001 ECX: SVM, and TOPOEXT, by which leaf 0x8000_001e is there.
const SVM: u32 = 1 << 2;
const TOPOEXT: u32 = 1 << 22;

/// The hypervisor's leaf with the frequency of the time-stamp counter in kHz,
/// which VMware began with.
const HYPERVISOR: u32 = 0x4000_0000;
const HYPERVISOR_TSC: u32 = 0x4000_0010;

/// What one CPU answers, before any change that comes with a revision.
#[derive(Clone, Debug)]
pub struct Answers {
    entries: Vec<kvm_cpuid_entry2>,
    vendor: Vendor,
}

impl Answers {
    /// Those of the CPU at `place`, on a KVM that supports `supported`.
    #[must_use]
    pub fn new(
        supported: &[kvm_cpuid_entry2],
        config: &Config,
        topology: Topology,
        place: Place,
        tsc_khz: u32,
    ) -> Self {
        let keep = |leaf: u32| match leaf {
            // Cache and extended topology, vector state and what follows it.
            0x4 | 0xb | 0xd => false,
            0..=LAST_BASIC => true,
            HYPERVISOR.. => leaf < 0x8000_0000 || leaf <= LAST_EXTENDED,
            _ => false,
        };
        let kept = supported.iter().filter(|entry| keep(entry.function));
        let mut answers = Self {
            entries: kept.copied().collect(),
            vendor: config.vendor,
        };
        answers.name(config, topology, place);
        answers.place(topology, place);
        answers.tell_frequency(tsc_khz);
        for feature in config.feature.iter().rev() {
            answers.invert(feature);
        }
        answers
    }

    /// Vendor, signature and what can be done.
    fn name(&mut self, config: &Config, topology: Topology, place: Place) {
        let name: &[u8; 12] = match config.vendor {
            Vendor::Intel => b"GenuineIntel",
            Vendor::Amd => b"AuthenticAMD",
        };
        let word =
            |at: usize| u32::from_le_bytes([name[at], name[at + 1], name[at + 2], name[at + 3]]);
        let own = config.core.iter().find(|own| own.id == place.core);
        let signature = own
            .and_then(|own| own.signature)
            .unwrap_or(config.signature);
        for (leaf, last) in [(0, LAST_BASIC), (0x8000_0000, LAST_EXTENDED)] {
            let entry = self.entry(leaf, 0);
            entry.eax = last;
            (entry.ebx, entry.edx, entry.ecx) = (word(0), word(4), word(8));
        }
        let nr_threads = topology.nr_package_threads();
        let entry = self.entry(1, 0);
        entry.eax = signature;
        // CLFLUSH works on lines of 8 × 8 bytes.
        entry.ebx = place.apic_id << 24 | nr_threads.min(255) << 16 | 8 << 8;
        entry.ecx = entry.ecx & !LEAF_1_ECX_LEFT_OUT | X2APIC;
        entry.edx = if nr_threads > 1 {
            entry.edx | HTT
        } else {
            entry.edx & !HTT
        };
        let entry = self.entry(7, 0);
        // No vector instructions, none of which the image has.
        entry.ebx &= !(1 << 5
            | 1 << 16
            | 1 << 17
            | 1 << 21
            | 1 << 26
            | 1 << 27
            | 1 << 28
            | 1 << 30
            | 1 << 31);
        entry.edx &= !ARCH_CAPABILITIES;
        if config.late_load != LateLoad::Always {
            entry.edx |= ARCH_CAPABILITIES;
        }
        let entry = self.entry(0x8000_0001, 0);
        entry.eax = signature;
        entry.ecx &= !SVM;
        if config.vendor == Vendor::Amd {
            entry.ecx |= TOPOEXT;
        }
    }

    /// Where it is (Intel SDM vol. 2A, CPUID leaf 0x0b; AMD APM vol. 3, appendix
    /// E.4).
    fn place(&mut self, topology: Topology, place: Place) {
        const SMT: u32 = 1;
        const CORE: u32 = 2;
        let levels = [
            (topology.core_shift(), topology.nr_threads, SMT),
            (
                topology.package_shift(),
                topology.nr_package_threads(),
                CORE,
            ),
            (0, 0, 0),
        ];
        for (subleaf, (shift, nr_threads, level)) in (0..).zip(levels) {
            let entry = self.entry(0xb, subleaf);
            (entry.eax, entry.ebx) = (shift, nr_threads);
            (entry.ecx, entry.edx) = (level << 8 | subleaf, place.apic_id);
        }
        if self.vendor == Vendor::Amd {
            let entry = self.entry(0x8000_0008, 0);
            entry.ecx = topology.package_shift() << 12 | (topology.nr_package_threads() - 1);
            let entry = self.entry(0x8000_001e, 0);
            entry.eax = place.apic_id;
            let core_in_package = place.core % topology.nr_cores;
            entry.ebx = (topology.nr_threads - 1) << 8 | core_in_package;
            entry.ecx = place.package;
        }
    }

    fn tell_frequency(&mut self, tsc_khz: u32) {
        if tsc_khz != 0 {
            self.entry(HYPERVISOR, 0).eax = HYPERVISOR_TSC;
            self.entry(HYPERVISOR_TSC, 0).eax = tsc_khz;
        }
    }

    /// The bits that come with a revision are not there before it, and those
    /// that go are.
    fn invert(&mut self, feature: &Feature) {
        let Feature { leaf, subleaf, .. } = *feature;
        let entry = self.entry(leaf, subleaf);
        let words = [
            &mut entry.eax,
            &mut entry.ebx,
            &mut entry.ecx,
            &mut entry.edx,
        ];
        for (place, word) in words.into_iter().enumerate() {
            if place == feature.register as usize {
                *word = *word & !feature.set | feature.clear;
            }
        }
        if leaf == 7 {
            let first = self.entry(7, 0);
            first.eax = first.eax.max(subleaf);
        }
    }

    /// The entry of a leaf and subleaf, made if there is none.
    fn entry(&mut self, leaf: u32, subleaf: u32) -> &mut kvm_cpuid_entry2 {
        let is_it = |entry: &kvm_cpuid_entry2| entry.function == leaf && entry.index == subleaf;
        let at = self.entries.iter().position(is_it).unwrap_or_else(|| {
            let has_subleaves = matches!(leaf, 0x7 | 0xb | 0xd | 0x14 | 0x8000_001d);
            self.entries.push(kvm_cpuid_entry2 {
                function: leaf,
                index: subleaf,
                flags: if has_subleaves {
                    KVM_CPUID_FLAG_SIGNIFCANT_INDEX
                } else {
                    0
                },
                ..kvm_cpuid_entry2::default()
            });
            self.entries.len() - 1
        });
        &mut self.entries[at]
    }

    /// EAX to EDX. Beyond the last leaf Intel's CPUs answer with that of the last
    /// basic one, AMD's with zeros.
    #[must_use]
    pub fn get(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let find = |leaf: u32| {
            self.entries.iter().find(|entry| {
                let minds = entry.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX != 0;
                entry.function == leaf && (!minds || entry.index == subleaf)
            })
        };
        let is_beyond = |last: u32| leaf > last && leaf - last < 0x1000_0000;
        let found = match self.vendor {
            Vendor::Intel if is_beyond(LAST_BASIC) || is_beyond(LAST_EXTENDED) => find(LAST_BASIC),
            _ => find(leaf),
        };
        found.map_or([0; 4], |entry| [entry.eax, entry.ebx, entry.ecx, entry.edx])
    }

    /// What KVM is told: each answer with the change that holds at the start.
    pub fn for_kvm(
        &self,
        change: impl Fn(u32, u32) -> CpuidChange,
    ) -> Result<CpuId, vmm_sys_util::fam::Error> {
        let changed = self.entries.iter().map(|entry| {
            let change = change(entry.function, entry.index);
            let answer = [entry.eax, entry.ebx, entry.ecx, entry.edx];
            let [eax, ebx, ecx, edx] = change.apply(answer);
            kvm_cpuid_entry2 {
                eax,
                ebx,
                ecx,
                edx,
                ..*entry
            }
        });
        CpuId::from_entries(&changed.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supported() -> Vec<kvm_cpuid_entry2> {
        let entry = |function: u32, index: u32, flags: u32, word: u32| kvm_cpuid_entry2 {
            function,
            index,
            flags,
            eax: word,
            ebx: word,
            ecx: word,
            edx: word,
            ..kvm_cpuid_entry2::default()
        };
        vec![
            entry(0x0, 0, 0, 0x1f),
            entry(0x1, 0, 0, u32::MAX),
            entry(0x4, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 7),
            entry(0x7, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, u32::MAX),
            entry(0x15, 0, 0, 0x15),
            entry(0x1f, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 7),
            entry(0x8000_0001, 0, 0, u32::MAX),
        ]
    }

    fn answers(config: &Config, topology: Topology, cpu: u32) -> Answers {
        Answers::new(
            &supported(),
            config,
            topology,
            topology.place(cpu),
            2_400_000,
        )
    }

    #[test]
    fn name_plate_and_place_are_the_ones_given() {
        let mut config = Config::new(Vendor::Amd, 0x0080_0f12, 12);
        config.threads = 2;
        config.core.push(engine::CoreConfig {
            id: 5,
            signature: Some(0x0083_0f10),
            platform_id: None,
            revision: None,
        });
        let topology = Topology::new(12, 2, 2).unwrap();
        let last = answers(&config, topology, 11);
        let name = last.get(0, 0);
        let text = [name[1], name[3], name[2]].map(u32::to_le_bytes).concat();
        assert_eq!(text, b"AuthenticAMD");
        assert_eq!(last.get(1, 0)[0], 0x0083_0f10, "core 5 is another");
        assert_eq!(answers(&config, topology, 9).get(1, 0)[0], 0x0080_0f12);
        assert_eq!(last.get(1, 0)[1] >> 24, 13, "the APIC id");
        assert_eq!(last.get(0xb, 0), [1, 2, 1 << 8, 13]);
        assert_eq!(last.get(0xb, 1), [3, 6, 2 << 8 | 1, 13]);
        assert_eq!(last.get(0x8000_001e, 0)[..3], [13, 1 << 8 | 2, 1]);
        assert_eq!(last.get(HYPERVISOR_TSC, 0)[0], 2_400_000);
    }

    #[test]
    fn what_no_interpreter_executes_is_not_offered() {
        let topology = Topology::new(1, 1, 1).unwrap();
        let intel = answers(&Config::new(Vendor::Intel, 0x0005_0654, 1), topology, 0);
        let [_, _, ecx, edx] = intel.get(1, 0);
        assert_eq!(ecx & LEAF_1_ECX_LEFT_OUT, 0);
        assert_eq!(ecx & X2APIC, X2APIC);
        assert_eq!(edx & HTT, 0, "one thread");
        assert_eq!(intel.get(7, 0)[3] & ARCH_CAPABILITIES, 0);
        // Leaf 0x1f would contradict leaf 0x0b; beyond the end Intel's CPUs answer
        // with the last basic leaf, which this KVM has not.
        assert_eq!(intel.get(0x1f, 0), intel.get(LAST_BASIC, 0));
    }

    #[test]
    fn a_bit_that_comes_with_a_revision_is_not_there_before_and_one_that_goes_is() {
        let mut config = Config::new(Vendor::Intel, 0x0005_0654, 1);
        for text in [
            "leaf=0x7,register=edx,set=0x400",
            "leaf=0x7,subleaf=0x2,register=edx,clear=0x10",
            // The first entry of a bit says how it begins.
            "leaf=0x7,register=edx,clear=0x400",
        ] {
            config.feature.push(text.parse().unwrap());
        }
        let answers = answers(&config, Topology::new(1, 1, 1).unwrap(), 0);
        assert_eq!(answers.get(7, 0)[3] & 0x400, 0);
        assert_eq!(answers.get(7, 2)[3], 0x10);
        let told = answers.for_kvm(|leaf, _| CpuidChange {
            set: [0, 0, 0, if leaf == 7 { 0x400 } else { 0 }],
            clear: [0; 4],
        });
        let is_set = |entry: &kvm_cpuid_entry2| entry.function == 7 && entry.edx & 0x400 != 0;
        assert_eq!(
            told.unwrap()
                .as_slice()
                .iter()
                .filter(|e| is_set(e))
                .count(),
            2
        );
    }
}
