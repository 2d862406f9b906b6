//! `trace.json`: a run as Chrome trace events, a track per CPU.

use measure::page::trace::{Process, Slice, Track, document};
use serde_json::{Value, json};

use super::{CpuResult, RunResult};

/// The trace events of a run.
#[must_use]
pub fn trace(result: &RunResult) -> Value {
    let load = if result.timing.modelled_load {
        "modelled load"
    } else {
        "load"
    };
    let tracks = result.cpus.iter().map(|cpu| track(cpu, load));
    document(&[Process {
        id: 0,
        name: format!("muster {}", result.context.scenario),
        tracks: tracks.collect(),
    }])
}

fn track(cpu: &CpuResult, load: &str) -> Track {
    // What follows the load; a follower's begins at the gate.
    let settled = cpu.load_end_ns.or(cpu.gate_ns);
    let slices = [
        ("stall", cpu.called_in_ns, cpu.left_ns),
        ("wait for the gate", cpu.called_in_ns, cpu.gate_ns),
        (load, cpu.load_start_ns, cpu.load_end_ns),
        ("settle", settled, cpu.left_ns),
    ];
    let slices = slices.into_iter().filter_map(|(name, from, to)| {
        let args = json!({"outcome": cpu.outcome.name()});
        Slice::between(name, from, to, args)
    });
    Track {
        id: cpu.id,
        name: format!("CPU {} ({})", cpu.id, cpu.role),
        slices: slices.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::tests::passed;

    #[test]
    fn every_cpu_has_a_named_track_and_its_phases_lie_within_its_stall() {
        let result = passed();
        let trace = trace(&result);
        let events = trace["traceEvents"].as_array().unwrap();
        for cpu in &result.cpus {
            let of_cpu = |e: &&Value| e["tid"] == cpu.id;
            let names = events.iter().filter(of_cpu);
            assert!(names.clone().any(|e| e["name"] == "thread_name"));
            let slices: Vec<_> = names.filter(|e| e["ph"] == "X").collect();
            let span = |e: &Value| {
                let from = e["ts"].as_f64().unwrap();
                (from, from + e["dur"].as_f64().unwrap())
            };
            let stall = slices.iter().find(|e| e["name"] == "stall").unwrap();
            let (begin, end) = span(stall);
            assert!(slices.len() >= 3);
            for slice in slices {
                let (from, to) = span(slice);
                // A sum of fractions of a µs may be off in its last digits.
                assert!(begin <= from && to <= end + 1e-9, "{slice}");
            }
        }
    }

    #[test]
    fn a_moment_that_never_came_leaves_its_slice_out() {
        let mut result = passed();
        result.cpus[0].left_ns = None;
        let trace = trace(&result);
        let events = trace["traceEvents"].as_array().unwrap();
        let stalls = events.iter().filter(|e| e["name"] == "stall").count();
        assert_eq!(stalls, result.cpus.len() - 1);
    }
}
