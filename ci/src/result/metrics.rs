//! `metrics.json`: a run's measures as series with all their dimensions, to
//! be compared with other runs. Nothing is asserted here.

use serde_json::{Value, json};

use super::RunResult;

/// The series of a run; a span that is unknown has none.
#[must_use]
pub fn metrics(result: &RunResult) -> Value {
    let timing = &result.timing;
    let once = |metric, span: Option<u64>| (metric, Vec::from_iter(span));
    let of_loads = match &result.repeat {
        Some(repeat) => repeat.series(),
        None => vec![
            once("call_in_skew", timing.call_in_skew_ns),
            once("gate", timing.gate_ns),
            once("load", timing.load_ns),
            once("stall", timing.stall_ns),
        ],
    };
    let of_preparation = [
        once("scan", timing.scan_ns),
        once("judge", timing.judge_ns),
        once("cache", timing.cache_ns),
    ];
    let dimensions = dimensions(result);
    let series: Vec<_> = of_loads
        .into_iter()
        .chain(of_preparation)
        .filter(|(_, values)| !values.is_empty())
        .map(|(metric, values)| {
            json!({
                "metric": metric, "unit": "ns", "dimensions": dimensions, "values": values,
            })
        })
        .collect();
    json!({
        "schema_version": super::SCHEMA_VERSION,
        "provenance": result.context.provenance,
        "series": series,
    })
}

fn dimensions(result: &RunResult) -> Value {
    let nr_of = |number: fn(&super::CpuResult) -> u32| {
        let mut numbers: Vec<_> = result.cpus.iter().map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len()
    };
    json!({
        "stage": "guest",
        "machine": result.machine_name(),
        "protocol": result.protocol,
        "cpus": result.cpus.len(),
        "threads": nr_of(|cpu| cpu.thread),
        "packages": nr_of(|cpu| cpu.package),
        "hardware": result.hardware.map(report::HardwareKind::name),
        // Under QEMU the guest reads its time-stamp counter.
        "clock": "tsc",
    })
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
        let series = metrics["series"].as_array().unwrap();
        let names: Vec<_> = series
            .iter()
            .map(|s| s["metric"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["call_in_skew", "gate", "stall"]);
        assert_eq!(series[2]["values"][0], result.timing.stall_ns.unwrap());
        assert_eq!(series[2]["dimensions"]["cpus"], 2);
        assert_eq!(series[2]["dimensions"]["packages"], 1);
    }
}
