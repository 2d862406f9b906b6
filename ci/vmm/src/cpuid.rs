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

use crate::topology::{Place, Topology};

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
        topology: &Topology,
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
    fn name(&mut self, config: &Config, topology: &Topology, place: Place) {
        let name: &[u8; 12] = match config.vendor {
            Vendor::Intel => b"GenuineIntel",
            Vendor::Amd => b"AuthenticAMD",
        };
        let word =
            |at: usize| u32::from_le_bytes([name[at], name[at + 1], name[at + 2], name[at + 3]]);
        let core =
            place.package * topology.nr_package_threads() / topology.nr_threads() + place.core;
        let own = config.core.iter().find(|own| own.id == core);
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
    fn place(&mut self, topology: &Topology, place: Place) {
        const SMT: u32 = 1;
        const CORE: u32 = 2;
        let levels = [
            (topology.core_shift(), topology.nr_threads(), SMT),
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
            entry.ebx = (topology.nr_threads() - 1) << 8 | place.core;
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
