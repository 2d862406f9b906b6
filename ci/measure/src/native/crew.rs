//! The threads that are measured, and their CPUs.

use std::collections::BTreeSet;

use rendezvous::{Place, Topology};

use super::cpus::{self, HostCpu};
use super::machine::Patience;
use crate::metrics::{ClockKind, Dimensions, Stage};

/// The threads and their CPUs.
pub(super) struct Crew {
    /// Where each thread is kept, if it can be.
    pub(super) pinned: Vec<Option<u32>>,
    /// Their CPUs, if each has one for itself and is kept there.
    pub(super) own: Vec<HostCpu>,
    /// By which number each is reported.
    pub(super) numbers: Vec<u32>,
    pub(super) places: Vec<Place>,
    pub(super) patience: Patience,
}

impl Crew {
    /// The first `nr_cpus` of these, and what cannot be measured with them.
    pub(super) fn new(usable: &[HostCpu], nr_cpus: u32, not_measured: &mut Vec<String>) -> Self {
        let nr_usable = u32::try_from(usable.len()).unwrap_or(u32::MAX);
        let is_over_committed = nr_cpus > nr_usable;
        let used = &usable[..nr_cpus.min(nr_usable) as usize];
        let can_pin = cpus::can_pin(used);
        if let Err(error) = &can_pin {
            not_measured.push(format!(
                "Threads cannot be kept on their CPUs ({error}): transfers and spans between \
                 CPUs are not measured, and the others are those of threads that wander."
            ));
        }
        if is_over_committed {
            not_measured.push(format!(
                "{nr_cpus} threads share {nr_usable} CPUs and yield where they wait: transfers and \
                 spans between CPUs are not measured, and the others are the scheduler's."
            ));
        }
        let threads = used.iter().cycle().take(nr_cpus as usize);
        let pinned = threads.map(|cpu| can_pin.is_ok().then_some(cpu.number));
        let has_own = can_pin.is_ok() && !is_over_committed;
        // Threads without a CPU for each are a core each.
        let alone = |number| Place {
            core: number,
            apic_id: number,
            ..Place::default()
        };
        Self {
            pinned: pinned.collect(),
            own: if has_own { used.to_vec() } else { Vec::new() },
            numbers: if has_own {
                used.iter().map(|cpu| cpu.number).collect()
            } else {
                (0..nr_cpus).collect()
            },
            places: if has_own {
                used.iter().map(|cpu| cpu.place()).collect()
            } else {
                (0..nr_cpus).map(alone).collect()
            },
            patience: if has_own {
                Patience::Spin
            } else {
                Patience::Yield
            },
        }
    }

    /// The dimensions of all that they measure.
    pub(super) fn dimensions(&self, topology: &Topology) -> Dimensions {
        let nr_threads = (0..topology.nr_cores()).map(|core| topology.threads_of(core).count());
        let threads = nr_threads.max().unwrap_or(1);
        let packages: BTreeSet<u32> = self.places.iter().map(|place| place.package).collect();
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Dimensions::new(
            Stage::Native,
            ClockKind::Tsc,
            topology.nr_cpus(),
            number(threads),
            number(packages.len()),
        )
    }
}
