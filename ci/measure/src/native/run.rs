//! One benchmark: the contenders side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use rendezvous::Topology;

use super::clock::{self, ClockFacts};
use super::contender::Contender;
use super::cpus::{self, HostCpu};
use super::crew::Crew;
use super::rounds::{Pace, Rounds, Spoilt};
use super::{NativeError, remarks, team, transfer};
use crate::iteration::{self, Iteration};
use crate::metrics::{Dimensions, Metric, Series};
use crate::summary::median;

/// One-way transfers that are measured from each CPU to each other before each pass.
const NR_TRANSFERS: usize = 100;

/// What is to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Who. They take turns.
    pub contenders: Vec<Contender>,
    /// How many CPUs meet: the first ones that this process may use.
    pub nr_cpus: u32,
    /// How often the threads are started anew.
    pub nr_passes: u32,
    /// How often each contender is measured in each pass.
    pub nr_iterations: u32,
    /// How long a modelled write takes, in µs.
    pub load_us: u64,
    /// How often each one runs in each pass before it is measured.
    pub nr_warm_up: u32,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What is known of the clock.
    pub clock: ClockFacts,
    /// Each contender, under what circumstances it was measured, and each load of each
    /// pass.
    pub contenders: Vec<(Contender, Dimensions, Vec<Vec<Iteration>>)>,
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

pub(super) fn run_on(
    usable: &[HostCpu],
    setting: &Setting,
    progress: &mut dyn FnMut(u32, u32),
) -> Result<Measured, NativeError> {
    if setting.nr_iterations == 0 || setting.nr_passes == 0 {
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

    let pace = Pace {
        clock: facts.clock(),
        is_one_clock: facts.synchronised,
        patience: crew.patience,
        load_us: setting.load_us,
        nr_warm_up: setting.nr_warm_up,
        nr_iterations: setting.nr_iterations,
        seed: 0,
    };
    let mut floor = Floor::new();
    let mut spoilt = Spoilt::new();
    let mut by_contender = vec![Vec::new(); setting.contenders.len()];
    for pass in 0..setting.nr_passes {
        transfer_all(&crew, &facts, &mut floor)?;
        let (topology, numbers) = (Arc::clone(&topology), crew.numbers.clone());
        let seed = pass.into();
        let pace = Pace { seed, ..pace };
        let rounds = Rounds::new(&setting.contenders, topology, numbers, pace);
        let mut watch = || {
            let nr_before = pass.saturating_mul(rounds.nr_all());
            let nr_over = nr_before.saturating_add(rounds.nr_over());
            progress(nr_over, setting.nr_passes.saturating_mul(rounds.nr_all()));
        };
        let work = |index: usize| rounds.attend(u32::try_from(index).unwrap_or(u32::MAX));
        let results = team::together(&crew.pinned, work, &mut watch).map_err(NativeError::Spawn)?;
        watch();
        let (iterations, spoilt_here) = results.into_iter().next().unwrap_or_default();
        for (all, of_pass) in by_contender.iter_mut().zip(iterations) {
            all.push(of_pass);
        }
        for (how, nr) in spoilt_here {
            *spoilt.entry(how).or_default() += nr;
        }
    }
    remarks::of_spoilt(&setting.contenders, &spoilt, &mut not_measured);
    series.extend(floor.into_iter().map(|((from, to), passes)| {
        let dimensions = Dimensions {
            from: Some(from),
            to: Some(to),
            ..common.clone()
        };
        let way = Series::of_passes(Metric::Transfer, dimensions, &passes);
        remarks::of_move(&way, &mut not_measured);
        way
    }));

    let mut contenders = Vec::new();
    let mut doubtful = Vec::new();
    for (&contender, passes) in setting.contenders.iter().zip(by_contender) {
        let dimensions = contender.dimensions(&common, setting.load_us);
        let all = iteration::series(&passes, &dimensions).into_iter();
        for of_it in all.filter(|series| is_known(&facts, series)) {
            let is_gate = of_it.metric == Metric::Gate;
            if is_gate && !median(&of_it.values).is_some_and(|gate_ns| facts.trusts(gate_ns)) {
                doubtful.push(contender.label());
            }
            series.push(of_it);
        }
        contenders.push((contender, dimensions, passes));
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

/// The transfers of each pass, by the CPUs that a line goes from and to.
type Floor = BTreeMap<(u32, u32), Vec<Vec<u64>>>;

/// Measures the transfers between each two CPUs, both ways.
fn transfer_all(crew: &Crew, facts: &ClockFacts, floor: &mut Floor) -> Result<(), NativeError> {
    for &from in &crew.own {
        for &to in crew.own.iter().filter(|&&to| to != from) {
            let values = transfer::measure(from, to, facts.clock(), NR_TRANSFERS);
            let values = values.map_err(NativeError::Spawn)?;
            floor
                .entry((from.number, to.number))
                .or_default()
                .push(values);
        }
    }
    Ok(())
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
