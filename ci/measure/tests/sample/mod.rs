//! Figures that look like those of a benchmark, and are nobody's.

use measure::iteration::{self, CpuTimes, Iteration};
use measure::metrics::{ClockKind, Dimensions, Metric, Metrics, Series, Stage};
use measure::page::Timeline;
use serde_json::json;

/// The protocols, with what one more CPU costs each in ns, and whether its CPUs write
/// one after the other.
const PROTOCOLS: [(&str, f64, bool); 7] = [
    ("muster", 4.0, false),
    ("xen-v5", 24.0, false),
    ("xen", 40.0, false),
    ("linux", 31.0, false),
    ("serial-chain", 90.0, true),
    ("batches", 55.0, false),
    ("std-barrier", 62.0, false),
];

/// Numbers by chance, the same every time.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Between 0 and 1.
    pub(crate) fn part(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        #[expect(clippy::cast_precision_loss, reason = "any number will do")]
        let part = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        part
    }

    /// About `usual`, a little above often and far above rarely.
    pub(crate) fn about(&mut self, usual: f64) -> u64 {
        let tail = (1.0 - self.part()).max(1e-6).powf(-0.25);
        let value = usual * (0.85 + 0.25 * self.part()) * tail;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time of at most seconds"
        )]
        let whole = value as u64;
        whole
    }
}

/// One load of `cpus` CPUs, two threads a core where there is more than one core.
pub(crate) fn iteration(protocol: &str, cpus: u32, load_ns: f64, chance: &mut Chance) -> Iteration {
    let found = PROTOCOLS.iter().find(|(name, ..)| *name == protocol);
    let (_, cost, serial) = *found.expect("one of them");
    let threads = if cpus > 2 { 2 } else { 1 };
    let origin = 1_000_000;
    let spread = f64::from(cpus).ln() * 400.0 + 300.0;
    let mut called = Vec::new();
    for _ in 0..cpus {
        let late = spread * chance.part();
        called.push(origin + chance.about(late));
    }
    let last = called.iter().copied().max().unwrap_or(origin);
    let opened = last + chance.about(60.0 + cost * f64::from(cpus).powf(0.8));
    let mut turn = opened;
    let mut of_cpus = Vec::new();
    for (cpu, called_in) in (0..cpus).zip(called) {
        let core = cpu / threads;
        let follows = cpu % threads != 0;
        let gate = opened + chance.about(40.0);
        let start = if serial { turn } else { gate } + chance.about(25.0);
        let end = start + chance.about(load_ns);
        if !follows {
            turn = end;
        }
        let writes = |at| (!follows).then_some(at);
        of_cpus.push(CpuTimes {
            cpu,
            core,
            follows,
            called_in_ns: Some(called_in),
            gate_ns: Some(gate),
            load_start_ns: writes(start),
            load_end_ns: writes(end),
            left_ns: None,
        });
    }
    let loaded = of_cpus.iter().filter_map(|cpu| cpu.load_end_ns).max();
    for cpu in &mut of_cpus {
        cpu.left_ns = loaded.map(|at| at + chance.about(30.0 + cost * 2.0));
    }
    Iteration { cpus: of_cpus }
}

fn loads(stage: Stage, clock: ClockKind, cpus: u32, count: usize) -> Vec<Series> {
    let mut all = Vec::new();
    for (protocol, _, serial) in PROTOCOLS {
        if serial && cpus > 256 {
            continue;
        }
        let mut chance = Chance::new(u64::from(cpus) + protocol.len() as u64 * 77);
        let load_ns = 800.0;
        let count = if cpus > 64 { count / 4 } else { count };
        let iterations: Vec<_> = (0..count)
            .map(|_| iteration(protocol, cpus, load_ns, &mut chance))
            .collect();
        let dimensions = Dimensions {
            protocol: Some(protocol.to_owned()),
            load_us: Some(0),
            call_in: (protocol == "muster").then(|| "tree".to_owned()),
            ..Dimensions::new(
                stage,
                clock,
                cpus,
                if cpus > 2 { 2 } else { 1 },
                cpus.div_ceil(128),
            )
        };
        all.extend(spans(&iterations, &dimensions));
        // What the tree is for.
        if protocol == "muster" && stage == Stage::Simulated {
            let flat = Dimensions {
                call_in: Some("flat".to_owned()),
                ..dimensions
            };
            let iterations: Vec<_> = (0..count)
                .map(|_| iteration("linux", cpus, load_ns * 0.7, &mut chance))
                .collect();
            all.extend(spans(&iterations, &flat));
        }
    }
    all
}

/// As `iteration::series`, of the first CPUs and loads alone where it is each CPU's.
fn spans(iterations: &[Iteration], dimensions: &Dimensions) -> Vec<Series> {
    let mut series = iteration::series(&[iterations.to_vec()], dimensions);
    series.retain(|series| series.dimensions.cpu.is_none_or(|cpu| cpu < 4));
    for own in series
        .iter_mut()
        .filter(|series| series.dimensions.cpu.is_some())
    {
        own.values.truncate(20);
    }
    series
}

fn transfers(stage: Stage, clock: ClockKind, cpus: u32, count: usize) -> Vec<Series> {
    let mut chance = Chance::new(5);
    let mut all = Vec::new();
    let ways = (0..cpus).flat_map(|from| (0..cpus).map(move |to| (from, to)));
    for (from, to) in ways.filter(|(from, to)| from != to) {
        let usual = match (from ^ to) | 1 {
            1 => 14.0,
            2..=7 => 42.0,
            _ => 128.0,
        };
        let dimensions = Dimensions {
            from: Some(from),
            to: Some(to),
            ..Dimensions::new(stage, clock, cpus, 2, 1)
        };
        let values = (0..count).map(|_| chance.about(usual)).collect();
        all.push(Series::new(Metric::Transfer, dimensions, values));
    }
    all
}

/// Two CPUs of this host and up to 1024 in virtual time.
pub(crate) fn metrics() -> Metrics {
    let mut series = loads(Stage::Native, ClockKind::Tsc, 2, 2000);
    series.extend(transfers(Stage::Native, ClockKind::Tsc, 2, 100));
    let stamp = Dimensions::new(Stage::Native, ClockKind::Tsc, 2, 1, 1);
    let mut chance = Chance::new(3);
    let stamps = (0..100).map(|_| chance.about(11.0)).collect();
    series.push(Series::new(Metric::Stamp, stamp.of_cpu(0), stamps));
    for exponent in 1..=10 {
        series.extend(loads(
            Stage::Simulated,
            ClockKind::Virtual,
            1 << exponent,
            200,
        ));
    }
    series.extend(transfers(Stage::Simulated, ClockKind::Virtual, 16, 9));
    for (protocol, count) in [("muster", 24_870), ("linux", 176_900)] {
        let dimensions = Dimensions {
            machine: Some("tcg".to_owned()),
            protocol: Some(protocol.to_owned()),
            ..Dimensions::new(Stage::Guest, ClockKind::Icount, 2, 1, 1)
        };
        let values = vec![count; 3];
        series.push(Series::new(Metric::RequestInstructions, dimensions, values));
    }
    let provenance = json!({
        "commit": "53e2fdd", "host_cpu": "Example CPU @ 2.60 GHz",
        "kernel": "Linux 6.12", "command": "muster bench native simulated --loads 2000",
    });
    let mut metrics = Metrics::new(provenance, series);
    metrics.clock = Some(json!({
        "invariant": true, "khz": 2_600_000, "source": "cpuid-15", "measured_khz": 2_600_004,
        "stamp_ns": 11, "nr_pairs": 1, "synchronised": true,
        "worst": {"from": 0, "to": 1, "offset_ns": 3, "bound_ns": 40},
    }));
    metrics.not_measured = vec![
        "native above 2 CPUs: this host has 2".to_owned(),
        "guest under KVM: this host has no /dev/kvm".to_owned(),
    ];
    metrics
}

/// A small load, one with threads, and one of very many CPUs.
pub(crate) fn timelines() -> Vec<Timeline> {
    let cases = [
        (Stage::Native, "muster", 2, 800.0),
        (Stage::Simulated, "muster", 16, 2500.0),
        (Stage::Simulated, "serial-chain", 16, 2500.0),
        (Stage::Simulated, "linux", 512, 20_000.0),
    ];
    let mut chance = Chance::new(11);
    let timeline = |(stage, protocol, cpus, load_ns)| Timeline {
        title: format!("{protocol}, {cpus} CPUs"),
        stage,
        iteration: iteration(protocol, cpus, load_ns, &mut chance),
    };
    cases.into_iter().map(timeline).collect()
}
