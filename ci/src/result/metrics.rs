//! `metrics.json`: a run's measures as series with all their dimensions, to
//! be compared with other runs. Nothing is asserted here.

use measure::metrics::{ClockKind, Dimensions, Metric, Metrics, Series, Stage};

use super::RunResult;

/// The series of a run; a span that is unknown has none.
#[must_use]
pub fn metrics(result: &RunResult) -> Metrics {
    let timing = &result.timing;
    let once = |metric, span: Option<u64>| (metric, Vec::from_iter(span));
    let of_loads = match &result.repeat {
        Some(repeat) => repeat.series(),
        None => vec![
            once(Metric::CallInSkew, timing.call_in_skew_ns),
            once(Metric::Gate, timing.gate_ns),
            once(Metric::Load, timing.load_ns),
            once(Metric::Stall, timing.stall_ns),
        ],
    };
    let of_preparation = [
        once(Metric::Scan, timing.scan_ns),
        once(Metric::Judge, timing.judge_ns),
        once(Metric::Cache, timing.cache_ns),
    ];
    let nr_of = |number: fn(&super::CpuResult) -> u32| {
        let mut numbers: Vec<_> = result.cpus.iter().map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        count(numbers.len())
    };
    // Under QEMU the guest reads its time-stamp counter.
    let dimensions = dimensions(
        result,
        ClockKind::Tsc,
        count(result.cpus.len()),
        nr_of(|cpu| cpu.thread),
        nr_of(|cpu| cpu.package),
    );
    let series = of_loads
        .into_iter()
        .chain(of_preparation)
        .filter(|(_, values)| !values.is_empty())
        .map(|(metric, values)| Series::new(metric, dimensions.clone(), values));
    Metrics::new(provenance(result), series.collect())
}

/// What made the result, as all metrics have it.
fn provenance(result: &RunResult) -> serde_json::Value {
    // Text and truth values are all that is in it, so that it cannot fail.
    serde_json::to_value(&result.context.provenance).unwrap_or_default()
}

/// The dimensions of all series of a run.
pub(crate) fn dimensions(
    result: &RunResult,
    clock: ClockKind,
    cpus: u32,
    threads: u32,
    packages: u32,
) -> Dimensions {
    Dimensions {
        machine: Some(result.machine_name().to_owned()),
        protocol: result.protocol.clone(),
        hardware: result.hardware.map(|hardware| hardware.name().to_owned()),
        ..Dimensions::new(Stage::Guest, clock, cpus, threads, packages)
    }
}

/// A number of CPUs, of which no machine has 2 to the 32nd.
fn count(nr: usize) -> u32 {
    u32::try_from(nr).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::tests::passed;

    #[test]
    fn a_known_span_is_a_series_and_an_unknown_one_is_none() {
        let mut result = passed();
        result.timing.load_ns = None;
        let metrics = metrics(&result);
        let known: Vec<_> = metrics.series.iter().map(|s| s.metric).collect();
        assert_eq!(known, [Metric::CallInSkew, Metric::Gate, Metric::Stall]);
        let stall = &metrics.series[2];
        assert_eq!(stall.values, [result.timing.stall_ns.unwrap()]);
        assert_eq!(stall.dimensions.cpus, 2);
        assert_eq!(stall.dimensions.packages, 1);
    }

    #[test]
    fn the_file_has_all_fields_and_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.json");
        let metrics = metrics(&passed());
        metrics.write(&path).unwrap();
        assert_eq!(Metrics::read(&path).unwrap(), metrics);
        let text = std::fs::read_to_string(&path).unwrap();
        for field in [
            "commit",
            "\"stage\":\"guest\"",
            "\"machine\"",
            "\"protocol\"",
            "\"threads\"",
            "\"hardware\":\"msr\"",
            "\"clock\":\"tsc\"",
            "\"unit\":\"ns\"",
        ] {
            assert!(text.contains(field), "{field}: {text}");
        }
    }
}
