//! What the CPUs say that they can do, before a load and after it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use cpu::Features;
use cpu::features::{Change, Register, Source, WORDS};
use report::cpu_list::{self, CpuRanges, MAX_RANGES, Shown};
use report::{CpuList, Hex32, record};
use spinning_top::Spinlock;

use crate::console::emit;
use crate::hardware::Model;
use crate::plan::Plan;
use crate::request::Request;
use crate::worker::Probe;

/// Each CPU's features, read when all is over.
#[derive(Debug)]
pub(crate) struct After(Box<[Spinlock<Option<Features>>]>);

impl After {
    pub(crate) fn new(nr_cpus: u32) -> Self {
        Self((0..nr_cpus).map(|_| Spinlock::new(None)).collect())
    }

    /// Every CPU has a lock of its own, for which nobody waits until it has left.
    pub(crate) fn note(&self, cpu: u32, features: Features) {
        *self.0[cpu as usize].lock() = Some(features);
    }

    /// What this CPU showed, if it got there and might look.
    pub(crate) fn of(&self, cpu: u32) -> Option<Features> {
        *self.0[cpu as usize].lock()
    }
}

/// What a CPU of the model showed where the real one showed `real`.
pub(crate) fn modelled(model: &Model, cpu: u32, real: Features) -> Features {
    let thread = model.thread(cpu);
    real.map(|leaf, subleaf, answer| {
        model
            .engine
            .cpuid_change(thread, leaf, subleaf)
            .apply(answer)
    })
}

/// The words that changed, and on which CPUs.
pub(crate) fn report_changes(probes: &[Probe], request: &Request) {
    let mut cpus_of = BTreeMap::<_, Vec<u32>>::new();
    for (cpu, probe) in (0..).zip(probes) {
        let Some(after) = request.features_of(cpu) else {
            continue;
        };
        for change in after.changes_since(&probe.features) {
            let Change {
                place,
                before,
                after,
            } = change;
            cpus_of.entry((place, before, after)).or_default().push(cpu);
        }
    }
    for ((place, before, after), cpus) in cpus_of {
        let change = Change {
            place,
            before,
            after,
        };
        if cpus.len() == probes.len() {
            report_change(&change, CpuList::All);
            continue;
        }
        let ranges: Vec<_> = cpu_list::ranges(cpus).collect();
        for ranges in ranges.chunks(MAX_RANGES) {
            let text = Shown(ranges).to_string();
            if let Some(ranges) = CpuRanges::read(&text) {
                report_change(&change, CpuList::Some(ranges));
            }
        }
    }
}

fn report_change(change: &Change, cpus: CpuList<'_>) {
    let word = WORDS[change.place];
    let (leaf, subleaf, msr) = match word.source {
        Source::Cpuid { leaf, subleaf } => (Some(Hex32(leaf)), Some(subleaf), None),
        Source::Msr(msr) => (None, None, Some(Hex32(msr.0))),
    };
    emit(&record::Feature {
        cpus,
        leaf,
        subleaf,
        msr,
        register: match word.register {
            Register::Eax => report::Register::Eax,
            Register::Ebx => report::Register::Ebx,
            Register::Ecx => report::Register::Ecx,
            Register::Edx => report::Register::Edx,
        },
        before: Hex32(change.before),
        after: Hex32(change.after),
    });
}

/// Whether CPUs of one kind that run one revision differ in their features,
/// which is more than a kernel expects.
pub(crate) fn complaint(probes: &[Probe], plan: &Plan, request: &Request) -> Option<String> {
    let is_like = |first: usize, cpu: usize| {
        let kind = |cpu: usize| plan.share(cpu as u32).kind;
        let revision = |cpu: usize| request.revisions.of(cpu as u32);
        kind(first).takes_updates_of(&kind(cpu)) && revision(first) == revision(cpu)
    };
    (0..probes.len()).find_map(|cpu| {
        // The first of its kind: whoever is like it is like all of them.
        let first = (0..cpu).find(|&first| is_like(first, cpu))?;
        let of = |cpu: usize| request.features_of(cpu as u32);
        let (before, after) = (probes[cpu].features, of(cpu)?);
        let (first_before, first_after) = (probes[first].features, of(first)?);
        // What differed before on one revision is not of the load's making: cores
        // of two designs may share a signature.
        let is_old = |change: &Change| {
            probes[cpu].revision == probes[first].revision
                && before
                    .changes_since(&first_before)
                    .any(|old| old.place == change.place)
        };
        let change = after.changes_since(&first_after).find(|c| !is_old(c))?;
        Some(format!(
            "CPUs {first} and {cpu} run one revision and show different features: {} is {} and {}",
            WORDS[change.place],
            Hex32(change.before),
            Hex32(change.after)
        ))
    })
}
