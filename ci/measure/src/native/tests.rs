//! Whole runs. None of them looks at how long anything took.

use rendezvous::Name;

use super::run::run_on;
use super::{Barrier, Contender, HostCpu, Measured, NativeError, Setting, cpus};
use crate::iteration::CpuTimes;
use crate::metrics::{ClockKind, Metric, Stage};

fn setting(nr_cpus: u32) -> Setting {
    Setting {
        contenders: Contender::all(),
        nr_cpus,
        nr_passes: 2,
        nr_iterations: 3,
        load_us: 1,
        nr_warm_up: 1,
    }
}

/// A run, unless this machine has one CPU; then it says so.
fn measured(setting: &Setting) -> Option<Measured> {
    match super::run(setting, &mut |_, _| {}) {
        Err(NativeError::OneCpu) => {
            assert_eq!(cpus::usable().unwrap().len(), 1);
            None
        }
        result => Some(result.unwrap()),
    }
}

fn assert_ordered(contender: Contender, cpu: &CpuTimes) {
    let come: Vec<u64> = cpu.moments().collect();
    assert!(come.is_sorted(), "{}: {cpu:?}", contender.label());
    let nr_expected = match contender {
        Contender::Barrier(_) => 2,
        Contender::Protocol { .. } if cpu.follows => 3,
        Contender::Protocol { .. } => 5,
    };
    assert_eq!(come.len(), nr_expected, "{}: {cpu:?}", contender.label());
}

fn assert_complete(setting: &Setting, measured: &Measured) {
    assert_eq!(measured.contenders.len(), setting.contenders.len());
    for (contender, dimensions, passes) in &measured.contenders {
        assert_eq!(dimensions.stage, Stage::Native);
        assert_eq!(dimensions.clock, ClockKind::Tsc);
        assert_eq!(dimensions.protocol.as_deref(), Some(contender.name()));
        assert_eq!(dimensions.cpus, setting.nr_cpus);
        let of_each: Vec<_> = passes.iter().map(Vec::len).collect();
        let expected = [setting.nr_iterations as usize; 2];
        assert_eq!(of_each, expected, "{:?}", measured.not_measured);
        for iteration in passes.iter().flatten() {
            assert_eq!(iteration.cpus.len(), setting.nr_cpus as usize);
            iteration
                .cpus
                .iter()
                .for_each(|cpu| assert_ordered(*contender, cpu));
        }
    }
}

#[test]
fn every_contender_gives_complete_iterations_whose_moments_are_in_order() {
    let setting = setting(2);
    let Some(measured) = measured(&setting) else {
        return;
    };
    assert_complete(&setting, &measured);
    let has = |metric| measured.series.iter().any(|series| series.metric == metric);
    if measured.clock.invariant {
        assert!(has(Metric::Stamp) && has(Metric::Load));
    }
    assert_eq!(
        measured.clock.invariant && measured.clock.synchronised,
        has(Metric::CallInSkew)
    );
    for series in &measured.series {
        assert!(!series.values.is_empty(), "{series:?}");
    }
    let between = |from, to| {
        let is_it = |series: &&crate::metrics::Series| {
            series.metric == Metric::Transfer
                && series.dimensions.from == Some(from)
                && series.dimensions.to == Some(to)
        };
        measured.series.iter().filter(is_it).count()
    };
    if measured.clock.invariant && measured.clock.nr_pairs == 1 {
        let [one, other] = [0, 1].map(|place| cpus::usable().unwrap()[place].number);
        assert_eq!((between(one, other), between(other, one)), (1, 1));
    }
}

#[test]
fn more_threads_than_cpus_end_as_well_and_say_that_they_share() {
    let nr_cpus = u32::try_from(cpus::usable().unwrap().len()).unwrap() + 1;
    let mut setting = setting(nr_cpus);
    // A barrier that spins without yielding would hold the others up.
    setting
        .contenders
        .retain(|&one| one != Contender::Barrier(Barrier::Spin));
    let Some(measured) = measured(&setting) else {
        return;
    };
    assert_complete(&setting, &measured);
    assert!(
        measured
            .not_measured
            .iter()
            .any(|line| line.contains("share"))
    );
    let is_transfer = |metric| metric == Metric::Transfer || metric == Metric::Gate;
    assert!(
        !measured
            .series
            .iter()
            .any(|series| is_transfer(series.metric))
    );
}

#[test]
fn threads_that_cannot_be_kept_on_their_cpus_are_measured_as_such() {
    let absent = [1022, 1023].map(|number| HostCpu {
        number,
        package: 0,
        core: number,
        thread: 0,
    });
    let mut setting = setting(2);
    setting
        .contenders
        .retain(|&one| one != Contender::Barrier(Barrier::Spin));
    let measured = run_on(&absent, &setting, &mut |_, _| {}).unwrap();
    assert_complete(&setting, &measured);
    assert!(
        measured.not_measured[0].contains("cannot be kept"),
        "{:?}",
        measured.not_measured
    );
    assert!(!measured.clock.synchronised);
    let is_between =
        |metric| matches!(metric, Metric::Transfer | Metric::Gate | Metric::CallInSkew);
    assert!(
        !measured
            .series
            .iter()
            .any(|series| is_between(series.metric))
    );
}

#[test]
fn what_cannot_be_measured_is_refused_with_the_reason() {
    let cpu = |number| HostCpu {
        number,
        package: 0,
        core: number,
        thread: 0,
    };
    let refused = |usable: &[HostCpu], setting: &Setting| {
        let result = run_on(usable, setting, &mut |_, _| {});
        result.unwrap_err().to_string()
    };
    let two = [cpu(0), cpu(1)];
    assert!(refused(&two[..1], &setting(2)).contains("may use one CPU"));
    assert!(refused(&two, &setting(1)).contains("at least two CPUs, not 1"));
    for (nr_passes, nr_iterations) in [(0, 3), (2, 0)] {
        let nothing = Setting {
            nr_passes,
            nr_iterations,
            ..setting(2)
        };
        assert!(refused(&two, &nothing).contains("no iteration"));
    }
    let no_contenders = Setting {
        contenders: Vec::new(),
        ..setting(2)
    };
    assert!(refused(&two, &no_contenders).contains("no contender"));
}

#[test]
fn progress_ends_at_the_last_iteration_with_those_to_warm_up() {
    let setting = Setting {
        contenders: vec![Contender::protocol(Name::Muster)],
        ..setting(2)
    };
    let mut last = None;
    let result = super::run(&setting, &mut |nr_over, nr_all| {
        last = Some((nr_over, nr_all));
    });
    if !matches!(result, Err(NativeError::OneCpu)) {
        assert_eq!(last, Some((8, 8)));
    }
}
