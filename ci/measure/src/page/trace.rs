//! Chrome trace events, which Perfetto and `chrome://tracing` open: a process per
//! load, a track per CPU.
//!
//! Slices nest by time, so a CPU's stall is one slice with its phases inside. The
//! format counts in µs; ns stay visible as fractions.

use serde_json::{Value, json};

use super::Timeline;
use super::phases::phases;
use super::timeline::origin_ns;
use super::units::real;

/// A process of a trace.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its number, which no other has.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its tracks.
    pub tracks: Vec<Track>,
}

/// A track of a process: a thread, to those who show it.
#[derive(Clone, Debug)]
pub struct Track {
    /// Its number, by which tracks are in order.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// What happened on it.
    pub slices: Vec<Slice>,
}

/// Something with a beginning and an end.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Its name.
    pub name: String,
    /// When it begins, in ns.
    pub from_ns: u64,
    /// How long it takes, in ns.
    pub duration_ns: u64,
    /// What is shown when it is selected: an object.
    pub args: Value,
}

impl Slice {
    /// From one moment to another; none where one of them is unknown, or the end is
    /// before the beginning.
    #[must_use]
    pub fn between(
        name: &str,
        from_ns: Option<u64>,
        to_ns: Option<u64>,
        args: Value,
    ) -> Option<Self> {
        let from_ns = from_ns?;
        Some(Self {
            name: name.to_owned(),
            from_ns,
            duration_ns: to_ns?.checked_sub(from_ns)?,
            args,
        })
    }
}

/// The file of these processes.
#[must_use]
pub fn document(processes: &[Process]) -> Value {
    let mut events = Vec::new();
    for process in processes {
        let pid = process.id;
        events.push(json!({
            "ph": "M", "pid": pid, "name": "process_name", "args": {"name": process.name},
        }));
        for track in &process.tracks {
            let tid = track.id;
            events.push(json!({
                "ph": "M", "pid": pid, "tid": tid, "name": "thread_name",
                "args": {"name": track.name},
            }));
            events.push(json!({
                "ph": "M", "pid": pid, "tid": tid, "name": "thread_sort_index",
                "args": {"sort_index": tid},
            }));
            events.extend(track.slices.iter().map(|slice| {
                json!({
                    "ph": "X", "pid": pid, "tid": tid, "name": slice.name,
                    "ts": us(slice.from_ns), "dur": us(slice.duration_ns),
                    "args": slice.args,
                })
            }));
        }
    }
    json!({"displayTimeUnit": "ns", "traceEvents": events})
}

/// The trace of these loads. Each has a process and begins at 0.
#[must_use]
pub fn trace(timelines: &[Timeline]) -> Value {
    let numbered = (1..).zip(timelines);
    let processes: Vec<_> = numbered
        .map(|(id, timeline)| process(id, timeline))
        .collect();
    document(&processes)
}

fn process(id: u32, timeline: &Timeline) -> Process {
    let iteration = &timeline.iteration;
    let origin_ns = origin_ns(iteration);
    let since = |at: u64| Some(at - origin_ns);
    let tracks = iteration.cpus.iter().map(|cpu| {
        let role = if cpu.follows { "follower" } else { "leader" };
        let args = json!({"core": cpu.core, "role": role, "stage": timeline.stage.name()});
        let stall = Slice::between(
            "stall",
            cpu.called_in_ns.and_then(since),
            cpu.left_ns.and_then(since),
            args.clone(),
        );
        let parts = phases(iteration, cpu).into_iter().filter_map(|span| {
            let (from, to) = (since(span.from_ns), since(span.to_ns));
            Slice::between(span.phase.name(), from, to, args.clone())
        });
        Track {
            id: cpu.cpu,
            name: format!("CPU {} ({role}, core {})", cpu.cpu, cpu.core),
            slices: stall.into_iter().chain(parts).collect(),
        }
    });
    Process {
        id,
        name: format!("{} ({})", timeline.title, timeline.stage),
        tracks: tracks.collect(),
    }
}

/// µs of ns.
fn us(ns: u64) -> f64 {
    real(ns) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iteration::{CpuTimes, Iteration};
    use crate::metrics::Stage;

    fn timeline() -> Timeline {
        let cpu = |cpu: u32, late: u64| CpuTimes {
            cpu,
            core: 0,
            follows: cpu > 0,
            called_in_ns: Some(5_000_000 + late),
            gate_ns: Some(5_000_250),
            load_start_ns: (cpu == 0).then_some(5_000_260),
            load_end_ns: (cpu == 0).then_some(5_001_000),
            left_ns: Some(5_001_100),
        };
        Timeline {
            title: "muster".to_owned(),
            stage: Stage::Native,
            iteration: Iteration {
                cpus: vec![cpu(0, 0), cpu(1, 100)],
            },
        }
    }

    #[test]
    fn each_load_is_a_process_that_begins_at_zero_and_each_cpu_a_thread() {
        let trace = trace(&[timeline(), timeline()]);
        let events = trace["traceEvents"].as_array().unwrap();
        let named = |name: &str| {
            events
                .iter()
                .filter(|e| e["name"] == *name)
                .collect::<Vec<_>>()
        };
        let processes = named("process_name");
        assert_eq!(processes.len(), 2);
        assert_eq!(processes[0]["args"]["name"], "muster (native)");
        assert_ne!(processes[0]["pid"], processes[1]["pid"]);
        assert_eq!(named("thread_name").len(), 4);
        let stalls = named("stall");
        assert_eq!(
            (&stalls[0]["ts"], &stalls[0]["dur"]),
            (&json!(0.0), &json!(1.1))
        );
        assert_eq!(
            (&stalls[1]["ts"], &stalls[1]["dur"]),
            (&json!(0.1), &json!(1.0))
        );
        assert_eq!((named("load").len(), named("follow").len()), (2, 2));
    }

    #[test]
    fn a_cpus_phases_lie_within_its_stall_and_do_not_overlap() {
        let trace = trace(&[timeline()]);
        let events = trace["traceEvents"].as_array().unwrap();
        for tid in [0, 1] {
            let slices = events.iter().filter(|e| e["ph"] == "X" && e["tid"] == tid);
            let spans: Vec<_> = slices
                .map(|e| {
                    let from = e["ts"].as_f64().unwrap();
                    (from, from + e["dur"].as_f64().unwrap())
                })
                .collect();
            let (begin, end) = spans[0];
            assert!(spans.len() >= 4);
            for pair in spans[1..].windows(2) {
                assert!(pair[0].1 <= pair[1].0 + 1e-9, "{spans:?}");
            }
            // A sum of fractions of a µs may be off in its last digits.
            let within = |&(from, to): &(f64, f64)| begin <= from && to <= end + 1e-9;
            assert!(spans.iter().all(within), "{spans:?}");
        }
    }

    #[test]
    fn a_process_is_written_as_its_name_then_each_track_with_its_slices() {
        let args = json!({"outcome": "updated"});
        let slices = [
            Slice::between("stall", Some(1500), Some(4000), args.clone()),
            Slice::between("load", Some(2000), None, args.clone()),
            Slice::between("settle", Some(3000), Some(2000), args),
        ];
        let process = Process {
            id: 0,
            name: "muster default".to_owned(),
            tracks: vec![Track {
                id: 3,
                name: "CPU 3 (leader)".to_owned(),
                slices: slices.into_iter().flatten().collect(),
            }],
        };
        assert_eq!(
            document(&[process]),
            json!({"displayTimeUnit": "ns", "traceEvents": [
                {"ph": "M", "pid": 0, "name": "process_name", "args": {"name": "muster default"}},
                {"ph": "M", "pid": 0, "tid": 3, "name": "thread_name",
                 "args": {"name": "CPU 3 (leader)"}},
                {"ph": "M", "pid": 0, "tid": 3, "name": "thread_sort_index",
                 "args": {"sort_index": 3}},
                {"ph": "X", "pid": 0, "tid": 3, "name": "stall", "ts": 1.5, "dur": 2.5,
                 "args": {"outcome": "updated"}},
            ]})
        );
    }
}
