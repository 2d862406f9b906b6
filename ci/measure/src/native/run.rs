//! One benchmark: the contenders side by side.

use std::collections::BTreeSet;
use std::sync::Arc;

use rendezvous::{Place, Topology};

use super::clock::{self, ClockFacts, median};
use super::contender::Contender;
use super::cpus::{self, HostCpu};
use super::machine::Patience;
use super::rounds::{Pace, Rounds};
use super::{NativeError, remarks, team, transfer};
use crate::iteration::{self, Iteration};
use crate::metrics::{ClockKind, Dimensions, Metric, Series, Stage};

/// One-way transfers that are measured from each CPU to each other before the
/// contenders begin, and as many afterwards.
const NR_TRANSFERS: usize = 500;

/// What is to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Who. They take turns in this order.
    pub contenders: Vec<Contender>,
    /// How many CPUs meet: the first ones that this process may use.
    pub nr_cpus: u32,
    /// How often each contender is measured.
    pub nr_iterations: u32,
    /// How long a modelled write takes, in µs.
    pub load_us: u64,
    /// How often each one runs before it is measured.
    pub nr_warm_up: u32,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What is known of the clock.
    pub clock: ClockFacts,
    /// Each contender, under what circumstances it was measured, and each load.
    pub contenders: Vec<(Contender, Dimensions, Vec<Iteration>)>,
    /// All series: those of the contenders, the transfers and the time stamps.
    pub series: Vec<Series>,
    /// What was not measured or is doubtful, a sentence each.
    pub not_measured: Vec<String>,
}

/// Measures. `progress` is told now and then how many iterations are over, and of how
/// many.
pub fn run(setting: &Setting, progress: &mut dyn FnMut(u32, u32)) -> Result<Measured, NativeError> {
    run_on(&cpus::usable()?, setting, progress)
}

/// The threads and their CPUs.
struct Crew {
    /// Where each thread is kept, if it can be.
    pinned: Vec<Option<u32>>,
    /// Their CPUs, if each has one for itself and is kept there.
    own: Vec<HostCpu>,
    /// By which number each is reported.
    numbers: Vec<u32>,
    places: Vec<Place>,
    patience: Patience,
}

pub(super) fn run_on(
    usable: &[HostCpu],
    setting: &Setting,
    progress: &mut dyn FnMut(u32, u32),
) -> Result<Measured, NativeError> {
    if setting.nr_iterations == 0 {
        return Err(NativeError::NoIterations);
    }
    if setting.contenders.is_empty() {
        return Err(NativeError::NoContenders);
    }
    if setting.nr_cpus < 2 {
        return Err(NativeError::TooFewCpus(setting.nr_cpus));
    }
    if usable.len() < 2 {
        return Err(NativeError::OneCpu);
    }
    let mut not_measured = Vec::new();
    let crew = Crew::new(usable, setting.nr_cpus, &mut not_measured);
    let first = crew.own.first().copied();
    let (facts, stamps) = clock::look(first, &crew.own).map_err(NativeError::Spawn)?;
    remarks::of_clock(&facts, &mut not_measured);

    let topology = Arc::new(Topology::new(&crew.places));
    let common = crew.dimensions(&topology);
    let stamped = first.map_or_else(|| common.clone(), |cpu| common.of_cpu(cpu.number));
    let mut series = vec![Series::new(Metric::Stamp, stamped, stamps)];
    let mut floor = transfers(&crew, &facts, &common)?;

    let pace = Pace {
        clock: facts.clock(),
        patience: crew.patience,
        load_us: setting.load_us,
        nr_warm_up: setting.nr_warm_up,
        nr_iterations: setting.nr_iterations,
    };
    let rounds = Rounds::new(&setting.contenders, topology, crew.numbers.clone(), pace);
    let work = |index: usize| rounds.attend(u32::try_from(index).unwrap_or(u32::MAX));
    let watch = || progress(rounds.nr_over(), rounds.nr_all());
    let results = team::together(&crew.pinned, work, watch).map_err(NativeError::Spawn)?;
    progress(rounds.nr_over(), rounds.nr_all());
    let (iterations, spoilt) = results.into_iter().next().unwrap_or_default();
    remarks::of_spoilt(&setting.contenders, &spoilt, &mut not_measured);
    for (before, after) in floor.iter_mut().zip(transfers(&crew, &facts, &common)?) {
        remarks::of_move(before, &after, &mut not_measured);
        before.values.extend(after.values);
    }
    series.append(&mut floor);

    let mut contenders = Vec::new();
    let mut doubtful = Vec::new();
    for (&contender, iterations) in setting.contenders.iter().zip(iterations) {
        let dimensions = contender.dimensions(&common, setting.load_us);
        let all = iteration::series(&iterations, &dimensions);
        let has_gate = |series: &Series| {
            // Where the CPUs go on one after another, a gate that seems to open after
            // the last call-in is a thread that came too late for its turn.
            series.metric != Metric::Gate || series.values.len() * 2 > iterations.len()
        };
        let is_kept = |series: &Series| is_known(&facts, series) && has_gate(series);
        let kept = all.into_iter().filter(is_kept);
        for series_of_it in kept {
            let is_gate = series_of_it.metric == Metric::Gate;
            if is_gate && !facts.trusts(median(&series_of_it.values)) {
                doubtful.push(contender.label());
            }
            series.push(series_of_it);
        }
        contenders.push((contender, dimensions, iterations));
    }
    remarks::of_gates(&doubtful, &facts, &mut not_measured);
    if !facts.invariant {
        series.clear();
    }
    Ok(Measured {
        clock: facts,
        contenders,
        series,
        not_measured,
    })
}

impl Crew {
    fn new(usable: &[HostCpu], nr_cpus: u32, not_measured: &mut Vec<String>) -> Self {
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

    fn dimensions(&self, topology: &Topology) -> Dimensions {
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

/// The transfers between each two CPUs, both ways.
fn transfers(
    crew: &Crew,
    facts: &ClockFacts,
    common: &Dimensions,
) -> Result<Vec<Series>, NativeError> {
    let mut series = Vec::new();
    for &from in &crew.own {
        for &to in crew.own.iter().filter(|&&to| to != from) {
            let values = transfer::measure(from, to, facts.clock(), NR_TRANSFERS);
            let dimensions = Dimensions {
                from: Some(from.number),
                to: Some(to.number),
                ..common.clone()
            };
            let values = values.map_err(NativeError::Spawn)?;
            series.push(Series::new(Metric::Transfer, dimensions, values));
        }
    }
    Ok(series)
}

/// Whether the clock tells what a series is made of. Only a CPU's own span is one of a
/// single counter.
fn is_known(facts: &ClockFacts, series: &Series) -> bool {
    let is_own = match series.metric {
        Metric::Load => true,
        Metric::Stall => series.dimensions.cpu.is_some(),
        _ => false,
    };
    facts.invariant && (is_own || facts.synchronised)
}
