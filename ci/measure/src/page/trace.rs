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
