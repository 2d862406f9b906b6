//! One load of all CPUs, taken apart into the spans that it consists of.

use std::collections::BTreeMap;

use rendezvous::{Record, Role};

use crate::metrics::{Dimensions, Metric, Series};

/// The moments of one CPU in one load, in ns from any origin that all share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// The CPU.
    pub cpu: u32,
    /// Its core, by a number that is the core's alone.
    pub core: u32,
    /// Whether it follows another thread's write.
    pub follows: bool,
    /// It called in.
    pub called_in_ns: Option<u64>,
    /// It saw the gate open.
    pub gate_ns: Option<u64>,
    /// It began to write.
    pub load_start_ns: Option<u64>,
    /// It had written.
    pub load_end_ns: Option<u64>,
    /// It was out.
    pub left_ns: Option<u64>,
}

/// One load of all CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Iteration {
    /// The CPUs that took part, by their numbers.
    pub cpus: Vec<CpuTimes>,
}

impl CpuTimes {
    /// What a CPU of a rendezvous noted.
    #[must_use]
    pub fn new(cpu: u32, core: u32, record: &Record) -> Self {
        let moments = record.moments;
        Self {
            cpu,
            core,
            follows: record.role == Role::Follower,
            called_in_ns: moments.called_in_ns,
            gate_ns: moments.gate_ns,
            load_start_ns: moments.load_start_ns,
            load_end_ns: moments.load_end_ns,
            left_ns: moments.left_ns,
        }
    }

    /// Its moments in the order of the protocol, those that came.
    pub(crate) fn moments(&self) -> impl Iterator<Item = u64> + use<> {
        let moments = [
            self.called_in_ns,
            self.gate_ns,
            self.load_start_ns,
            self.load_end_ns,
            self.left_ns,
        ];
        moments.into_iter().flatten()
    }
}

impl Iteration {
    fn first(&self, moment: impl Fn(&CpuTimes) -> Option<u64>) -> Option<u64> {
        self.cpus.iter().filter_map(moment).min()
    }

    fn last(&self, moment: impl Fn(&CpuTimes) -> Option<u64>) -> Option<u64> {
        self.cpus.iter().filter_map(moment).max()
    }

    /// From the first to the last call-in, in ns.
    #[must_use]
    pub fn call_in_skew(&self) -> Option<u64> {
        let called_in = |cpu: &CpuTimes| cpu.called_in_ns;
        self.last(called_in)?.checked_sub(self.first(called_in)?)
    }

    /// From the last call-in to the first CPU that saw the gate open, in ns. Where
    /// that was before the last call-in, the protocol has no gate.
    #[must_use]
    pub fn gate(&self) -> Option<u64> {
        let opened_ns = self.first(|cpu| cpu.gate_ns)?;
        opened_ns.checked_sub(self.last(|cpu| cpu.called_in_ns)?)
    }

    /// From the first call-in to the last CPU's being out, in ns.
    #[must_use]
    pub fn stall(&self) -> Option<u64> {
        let left_ns = self.last(|cpu| cpu.left_ns)?;
        left_ns.checked_sub(self.first(|cpu| cpu.called_in_ns)?)
    }

    /// What one CPU's part of it took, by metric, in ns: as far as it has one.
    pub fn of_cpu(&self, cpu: &CpuTimes) -> impl Iterator<Item = (Metric, u64)> + use<> {
        let loaded = cpu.load_end_ns.zip(cpu.load_start_ns);
        let core = cpu.core;
        let awaited = self.last(|other| other.load_end_ns.filter(|_| other.core == core));
        let followed = awaited.zip(cpu.gate_ns).filter(|_| cpu.follows);
        let all_loaded = self.last(|cpu| cpu.load_end_ns);
        let left = cpu.left_ns.zip(all_loaded);
        let stood = cpu.left_ns.zip(cpu.called_in_ns);
        [
            (Metric::Load, loaded),
            (Metric::Follow, followed),
            (Metric::Leave, left),
            (Metric::Stall, stood),
        ]
        .into_iter()
        .filter_map(|(metric, span)| {
            let (end_ns, start_ns) = span?;
            Some((metric, end_ns.checked_sub(start_ns)?))
        })
    }
}

/// The series of many loads under the same circumstances: those of all CPUs
/// together, then each CPU's own. A load of which a span is unknown is left out of
/// its series.
#[must_use]
pub fn series(iterations: &[Iteration], dimensions: &Dimensions) -> Vec<Series> {
    let of_all = [
        (Metric::CallInSkew, Iteration::call_in_skew as fn(&_) -> _),
        (Metric::Gate, Iteration::gate),
        (Metric::Stall, Iteration::stall),
    ];
    let of_all = of_all.map(|(metric, span)| {
        let values = iterations.iter().filter_map(span).collect();
        Series::new(metric, dimensions.clone(), values)
    });
    let mut of_cpus = BTreeMap::<_, Vec<u64>>::new();
    for iteration in iterations {
        for cpu in &iteration.cpus {
            for (metric, value) in iteration.of_cpu(cpu) {
                of_cpus.entry((metric, cpu.cpu)).or_default().push(value);
            }
        }
    }
    let of_cpus = of_cpus.into_iter().map(|((metric, cpu), values)| {
        let dimensions = dimensions.of_cpu(cpu);
        Series::new(metric, dimensions, values)
    });
    of_all
        .into_iter()
        .filter(|series| !series.values.is_empty())
        .chain(of_cpus)
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::metrics::{ClockKind, Stage};

    /// A core of two threads: CPU 0 leads, CPU 1 follows.
    pub(crate) fn iteration() -> Iteration {
        let leader = CpuTimes {
            called_in_ns: Some(100),
            gate_ns: Some(220),
            load_start_ns: Some(230),
            load_end_ns: Some(330),
            left_ns: Some(360),
            ..CpuTimes::default()
        };
        let follower = CpuTimes {
            cpu: 1,
            follows: true,
            called_in_ns: Some(150),
            gate_ns: Some(210),
            left_ns: Some(400),
            ..CpuTimes::default()
        };
        Iteration {
            cpus: vec![leader, follower],
        }
    }

    #[test]
    fn each_span_is_the_documented_difference() {
        let iteration = iteration();
        assert_eq!(iteration.call_in_skew(), Some(50));
        assert_eq!(iteration.gate(), Some(60));
        assert_eq!(iteration.stall(), Some(300));
        let of = |cpu: usize| iteration.of_cpu(&iteration.cpus[cpu]).collect::<Vec<_>>();
        assert_eq!(
            of(0),
            [
                (Metric::Load, 100),
                (Metric::Leave, 30),
                (Metric::Stall, 260)
            ]
        );
        assert_eq!(
            of(1),
            [
                (Metric::Follow, 120),
                (Metric::Leave, 70),
                (Metric::Stall, 250)
            ]
        );
    }

    #[test]
    fn a_span_without_its_moments_is_in_no_series() {
        let mut without_gate = iteration();
        for cpu in &mut without_gate.cpus {
            cpu.gate_ns = None;
        }
        let dimensions = Dimensions::new(Stage::Native, ClockKind::Tsc, 2, 2, 1);
        let all = series(&[iteration(), without_gate], &dimensions);
        let values = |metric, cpu| {
            let is_it = |s: &&Series| s.metric == metric && s.dimensions.cpu == cpu;
            all.iter().find(is_it).map(|series| series.values.clone())
        };
        assert_eq!(values(Metric::Gate, None), Some(vec![60]));
        assert_eq!(values(Metric::Stall, None), Some(vec![300, 300]));
        assert_eq!(values(Metric::Stall, Some(1)), Some(vec![250, 250]));
        assert_eq!(values(Metric::Follow, Some(1)), Some(vec![120]));
        assert_eq!(values(Metric::Follow, Some(0)), None);
        // No CPU saw the gate before the last called in: that is no gate.
        let mut ungated = iteration();
        ungated.cpus[0].gate_ns = Some(1);
        assert_eq!(ungated.gate(), None);
    }
}
