//! Whole comparisons of small measurements.

use serde_json::Value;

use super::*;
use crate::metrics::{ClockKind, Dimensions, Metric, Series, Stage};

fn dimensions(clock: ClockKind) -> Dimensions {
    Dimensions::new(Stage::Guest, clock, 4, 1, 1)
}

fn metrics(series: Vec<Series>) -> Metrics {
    Metrics::new(Value::Null, series)
}

fn counted(values: &[u64]) -> Metrics {
    let dimensions = dimensions(ClockKind::Icount);
    metrics(vec![Series::new(
        Metric::RequestInstructions,
        dimensions,
        values.to_vec(),
    )])
}

/// In two passes, where the values are enough for two.
fn timed(cpus: u32, values: &[u64]) -> Metrics {
    let dimensions = Dimensions {
        cpus,
        ..dimensions(ClockKind::Tsc)
    };
    let passes: Vec<_> = values.chunks(values.len().div_ceil(2)).collect();
    let passes: Vec<_> = passes.into_iter().map(<[u64]>::to_vec).collect();
    metrics(vec![Series::of_passes(Metric::Stall, dimensions, &passes)])
}

fn only(a: &Metrics, b: &Metrics) -> Compared {
    only_of(std::slice::from_ref(a), std::slice::from_ref(b))
}

fn only_of(a: &[Metrics], b: &[Metrics]) -> Compared {
    let mut comparison = compare(a, b, &Rules::default()).unwrap();
    assert_eq!(comparison.series.len(), 1);
    comparison.series.remove(0)
}

/// A barrier's gate beside what else was measured.
fn with_barrier(mut metrics: Metrics, gate_ns: u64) -> Metrics {
    let dimensions = Dimensions {
        protocol: Some("spin-barrier".to_owned()),
        ..dimensions(ClockKind::Tsc)
    };
    let passes = [vec![gate_ns; 30], vec![gate_ns; 30]];
    let gate = Series::of_passes(Metric::Gate, dimensions, &passes);
    metrics.series.push(gate);
    metrics
}

#[test]
fn counts_that_do_not_vary_are_compared_exactly() {
    let same = only(&counted(&[500; 3]), &counted(&[500; 9]));
    assert_eq!((same.verdict, same.method), (Verdict::Same, Method::Exact));
    let one_more = only(&counted(&[500]), &counted(&[501]));
    assert_eq!(one_more.verdict, Verdict::Slower);
    assert!((one_more.ratio - 501.0 / 500.0).abs() < 1e-12);
    assert!(!one_more.is_slower_beyond());
    assert!(only(&counted(&[500]), &counted(&[551])).is_slower_beyond());
    let fewer = only(&counted(&[500]), &counted(&[400]));
    assert_eq!(fewer.verdict, Verdict::Faster);
    assert!(fewer.beyond_threshold && !fewer.is_slower_beyond());
    // They vary, but are the same; or are others, on the same level or not.
    let vary = |b: &[u64]| only(&counted(&[500, 510]), &counted(b)).verdict;
    assert_eq!(vary(&[500, 510]), Verdict::Same);
    assert_eq!(vary(&[510, 500, 500, 510]), Verdict::Same);
    assert_eq!(vary(&[500, 511]), Verdict::Slower);
}

#[test]
fn times_are_never_exact_and_few_of_them_are_inconclusive() {
    let few = only(&timed(4, &[500; 17]), &timed(4, &[900; 17]));
    assert_eq!(few.verdict, Verdict::Inconclusive);
    assert_eq!(few.reason, Some(Reason::TooFew));
    assert_eq!(few.interval, None);
    let twice = |ns| [timed(4, &[ns; 60]), timed(4, &[ns; 60])];
    let enough = only_of(&twice(500), &twice(900));
    assert!(enough.is_slower_beyond(), "{enough:?}");
    assert!((enough.cliffs_delta - 1.0).abs() < 1e-12);
    let little = only(&timed(4, &[500; 60]), &timed(4, &[501; 60]));
    assert_eq!(little.verdict, Verdict::Same, "{little:?}");
    let nothing = only(&timed(4, &[0; 60]), &timed(4, &[0; 60]));
    assert_eq!(nothing.verdict, Verdict::Same);
}

#[test]
fn one_pass_a_side_is_inconclusive_however_far_apart_they_are() {
    let mut once = timed(4, &[900; 60]);
    once.series[0].passes.clear();
    let compared = only(&timed(4, &[500; 60]), &once);
    assert_eq!(compared.verdict, Verdict::Inconclusive);
    assert_eq!(compared.reason, Some(Reason::OnePass));
}

#[test]
fn what_differs_no_more_than_a_barrier_is_the_machines_and_one_run_needs_a_barrier() {
    let one = |ns| timed(4, &[ns; 60]);
    let alone = only(&one(500), &one(900));
    assert_eq!(alone.reason, Some(Reason::OneRun));
    let stall = |nr_runs, stall_ns, gate_ns| {
        let side = |(stall_ns, gate_ns)| vec![with_barrier(one(stall_ns), gate_ns); nr_runs];
        let [a, b] = [(500, 200), (stall_ns, gate_ns)].map(side);
        let comparison = compare(&a, &b, &Rules::default()).unwrap();
        let is_gate = |one: &&Compared| one.key.metric == Metric::Gate;
        let gate = comparison.series.iter().find(is_gate).unwrap();
        assert_ne!(gate.verdict, Verdict::Slower);
        let is_stall = |one: &Compared| one.key.metric == Metric::Stall;
        comparison.series.into_iter().find(is_stall).unwrap()
    };
    for nr_runs in [1, 3] {
        assert!(stall(nr_runs, 900, 200).is_slower_beyond());
        assert!(stall(nr_runs, 900, 215).is_slower_beyond());
        // A barrier that is certainly slower, or faster, whatever else is.
        for gate_ns in [300, 118] {
            let reason = stall(nr_runs, 9_000, gate_ns).reason;
            assert_eq!(reason, Some(Reason::Controls));
        }
        assert_eq!(stall(nr_runs, 200, 340).reason, Some(Reason::Controls));
        // Nor is anything the same then.
        assert_eq!(stall(nr_runs, 500, 200).verdict, Verdict::Same);
        assert_eq!(stall(nr_runs, 500, 300).reason, Some(Reason::Controls));
        // 1.2 times where a barrier takes 1.095 times as long.
        assert_eq!(stall(nr_runs, 600, 219).reason, Some(Reason::Controls));
        assert!(stall(nr_runs, 620, 219).is_slower_beyond());
    }
}

#[test]
fn what_is_within_two_time_stamps_or_measured_on_moved_cpus_is_inconclusive() {
    let reason = |stamp_ns: u64, transfer_ns: u64| {
        let sides = [(500, 100), (900, transfer_ns)].map(|(stall_ns, transfer_ns)| {
            let mut metrics = with_barrier(timed(4, &[stall_ns; 60]), 100);
            for (metric, ns) in [(Metric::Stamp, stamp_ns), (Metric::Transfer, transfer_ns)] {
                let dimensions = dimensions(ClockKind::Tsc);
                let passes = [vec![ns; 30], vec![ns; 30]];
                metrics
                    .series
                    .push(Series::of_passes(metric, dimensions, &passes));
            }
            metrics
        });
        let [a, b] = sides.map(|side| vec![side]);
        let comparison = compare(&a, &b, &Rules::default()).unwrap();
        let of = |metric| {
            let is_it = |one: &&Compared| one.key.metric == metric;
            comparison.series.iter().find(is_it).unwrap()
        };
        assert_ne!(of(Metric::Transfer).verdict, Verdict::Slower);
        of(Metric::Stall).reason
    };
    assert_eq!(reason(190, 110), None);
    assert_eq!(reason(210, 110), Some(Reason::Stamps));
    assert_eq!(reason(10, 210), Some(Reason::Moved));
}

#[test]
fn a_turn_in_which_the_cpus_moved_is_left_out_and_an_emulators_times_need_turns() {
    let run = |stall_ns: u64, transfer_ns: u64| {
        let mut run = timed(4, &[stall_ns; 60]);
        let transfer = Series::new(
            Metric::Transfer,
            dimensions(ClockKind::Tsc),
            vec![transfer_ns; 9],
        );
        run.series.push(transfer);
        run
    };
    let a: Vec<_> = [100, 100, 100, 100, 500, 100]
        .map(|ns| run(500 * ns / 100, ns))
        .to_vec();
    let b: Vec<_> = [100, 500, 100, 100, 100, 100]
        .map(|ns| run(900 * ns / 100, ns))
        .to_vec();
    let turns = Rules {
        take_turns: true,
        ..Rules::default()
    };
    let stall = |a: &[Metrics], b: &[Metrics], rules: &Rules| {
        let comparison = compare(a, b, rules).unwrap();
        let is_stall = |one: &Compared| one.key.metric == Metric::Stall;
        comparison.series.into_iter().find(is_stall).unwrap()
    };
    let found = stall(&a, &b, &turns);
    assert!((found.ratio - 1.8).abs() < 1e-9, "{found:?}");
    assert!(found.is_slower_beyond(), "{found:?}");
    // Of all turns but one.
    let moved = stall(&a[..2], &b[..2], &turns);
    assert_eq!(moved.reason, Some(Reason::Moved));
    let one_turn = stall(&a[..1], &b[..1], &turns);
    assert_eq!(one_turn.reason, Some(Reason::OneRun));
    let emulated: Vec<_> = [run(500, 100), run(500, 100)].to_vec();
    let emulated = emulated.into_iter().map(|mut run| {
        run.emulated.insert("model".to_owned());
        for series in &mut run.series {
            series.dimensions.machine = Some("model".to_owned());
        }
        run
    });
    let a: Vec<_> = emulated.collect();
    let mut b = a.clone();
    for run in &mut b {
        for value in &mut run.series[0].values {
            *value += 500;
        }
    }
    assert_eq!(
        stall(&a, &b, &Rules::default()).reason,
        Some(Reason::Emulated)
    );
}

#[test]
fn other_dimensions_are_refused_and_named_and_nothing_else_is() {
    let unlike = |a: &Metrics, b: &Metrics| {
        let sides = [a, b].map(|side| vec![side.clone()]);
        compare(&sides[0], &sides[1], &Rules::default())
            .unwrap_err()
            .to_string()
    };
    let said = unlike(&timed(4, &[1]), &timed(8, &[1]));
    assert!(said.contains("(cpus: 4 in A, 8 in B)"), "{said}");
    let mut both = timed(4, &[1]);
    both.series.extend(timed(8, &[1]).series);
    let said = unlike(&timed(4, &[1]), &both);
    assert!(said.contains("(cpus: 4 in A, 4 and 8 in B)"), "{said}");
    let mut flat = timed(4, &[1]);
    flat.series[0].dimensions.call_in = Some("flat".to_owned());
    let said = unlike(&flat, &timed(8, &[1]));
    assert!(
        said.contains("call_in: flat in A, none in B; cpus: 4 in A, 8 in B"),
        "{said}"
    );
    let said = unlike(&timed(4, &[1]), &counted(&[1]));
    assert!(
        said.contains("metric: stall in A, request_instructions in B"),
        "{said}"
    );
    let said = unlike(&timed(4, &[1]), &metrics(Vec::new()));
    assert!(said.contains("B has no series"), "{said}");
}

#[test]
fn a_protocol_that_shows_a_gate_in_one_alone_is_still_compared() {
    let of = |protocol: &str, metric| {
        let mut series = timed(4, &[500; 60]).series.remove(0);
        series.dimensions.protocol = Some(protocol.to_owned());
        Series { metric, ..series }
    };
    let a = vec![
        of("linux", Metric::Gate),
        of("linux", Metric::Stall),
        of("batches", Metric::Stall),
    ];
    let mut b = a.clone();
    b.push(of("batches", Metric::Gate));
    let comparison = compare(&[metrics(a)], &[metrics(b)], &Rules::default()).unwrap();
    assert_eq!(comparison.series.len(), 3);
    assert_eq!(comparison.only_in_b.len(), 1);
}

#[test]
fn dimensions_that_agree_one_by_one_and_never_together_are_refused() {
    let of = |cpus, packages| {
        let mut metrics = timed(cpus, &[1]);
        metrics.series[0].dimensions.packages = packages;
        metrics.series.remove(0)
    };
    let a = metrics(vec![of(4, 1), of(8, 2)]);
    let b = metrics(vec![of(8, 1), of(4, 2)]);
    assert_eq!(
        compare(&[a], &[b], &Rules::default()).unwrap_err(),
        Unlike::Combinations
    );
}

#[test]
fn a_series_that_only_one_has_is_listed() {
    let mut a = timed(4, &[500; 60]);
    let of_cpu = |cpu| {
        let dimensions = dimensions(ClockKind::Tsc).of_cpu(cpu);
        Series::new(Metric::Load, dimensions, vec![1])
    };
    let mut b = a.clone();
    a.series.push(of_cpu(0));
    b.series.push(of_cpu(1));
    b.series.extend(counted(&[1]).series);
    let comparison = compare(&[a], &[b], &Rules::default()).unwrap();
    assert_eq!(comparison.series.len(), 1);
    let cpus = |keys: &[Key]| {
        keys.iter()
            .map(|key| key.dimensions.cpu)
            .collect::<Vec<_>>()
    };
    assert_eq!(cpus(&comparison.only_in_a), [Some(0)]);
    assert_eq!(cpus(&comparison.only_in_b), [Some(1), None]);
}

#[test]
fn a_comparison_is_json() {
    let comparison = compare(&[counted(&[5])], &[counted(&[6])], &Rules::default()).unwrap();
    let json = serde_json::to_value(&comparison).unwrap();
    assert_eq!(json["slower"], true);
    let series = &json["series"][0];
    assert_eq!(series["metric"], "request_instructions");
    assert_eq!(series["dimensions"]["cpus"], 4);
    assert_eq!(series["verdict"], "slower");
    assert_eq!(series["b"]["p99_9"], 6);
    assert_eq!(series["p"], Value::Null);
}
