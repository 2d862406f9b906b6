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

    /// From when to when its spans are, end first; its core's last write ended at
    /// `core_loaded`, and that of all cores at `all_loaded`.
    fn spans(
        &self,
        core_loaded: Option<u64>,
        all_loaded: Option<u64>,
    ) -> [(Metric, Option<(u64, u64)>); 4] {
        let followed = core_loaded.zip(self.gate_ns).filter(|_| self.follows);
        [
            (Metric::Load, self.load_end_ns.zip(self.load_start_ns)),
            (Metric::Follow, followed),
            (Metric::Leave, self.left_ns.zip(all_loaded)),
            (Metric::Stall, self.left_ns.zip(self.called_in_ns)),
        ]
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

    /// From the last call-in to the last CPU that saw the gate open, in ns: likewise.
    #[must_use]
    pub fn gate_last(&self) -> Option<u64> {
        self.gate()?;
        let open_ns = self.last(|cpu| cpu.gate_ns)?;
        open_ns.checked_sub(self.last(|cpu| cpu.called_in_ns)?)
    }

    /// From the first call-in to the last CPU's being out, in ns.
    #[must_use]
    pub fn stall(&self) -> Option<u64> {
        let left_ns = self.last(|cpu| cpu.left_ns)?;
        left_ns.checked_sub(self.first(|cpu| cpu.called_in_ns)?)
    }

    /// All spans of it, in ns, as far as it has them: those of all CPUs together, then
    /// each CPU's own.
    pub fn spans(&self) -> impl Iterator<Item = (Metric, Option<u32>, u64)> {
        let of_all = [
            (Metric::CallInSkew, self.call_in_skew()),
            (Metric::Gate, self.gate()),
            (Metric::GateLast, self.gate_last()),
            (Metric::Stall, self.stall()),
        ];
        let of_all = of_all.into_iter();
        let of_all = of_all.filter_map(|(metric, span)| Some((metric, None, span?)));
        let all_loaded = self.last(|cpu| cpu.load_end_ns);
        let mut by_core = BTreeMap::new();
        for cpu in &self.cpus {
            let loaded = by_core.entry(cpu.core).or_insert(None);
            *loaded = cpu.load_end_ns.max(*loaded);
        }
        let of_each = self.cpus.iter().flat_map(move |cpu| {
            let core_loaded = by_core.get(&cpu.core).copied().flatten();
            let spans = cpu.spans(core_loaded, all_loaded).into_iter();
            spans.filter_map(|(metric, span)| {
                let (end_ns, start_ns) = span?;
                Some((metric, Some(cpu.cpu), end_ns.checked_sub(start_ns)?))
            })
        });
        of_all.chain(of_each)
    }
}

/// The series of many loads under the same circumstances, in passes: those of all
/// CPUs together, then each CPU's own. A load of which a span is unknown is left out
/// of its series.
///
/// Most loads have a gate, or the protocol has none: where the CPUs go on one after
/// another, a gate that seems to open after the last call-in is a CPU that came too
/// late for its turn.
#[must_use]
pub fn series(passes: &[Vec<Iteration>], dimensions: &Dimensions) -> Vec<Series> {
    // Those of all CPUs together have no CPU, and come first.
    let mut all = BTreeMap::<(bool, Metric, Option<u32>), Vec<Vec<u64>>>::new();
    for (place, pass) in passes.iter().enumerate() {
        for (metric, cpu, span) in pass.iter().flat_map(Iteration::spans) {
            let of_passes = all.entry((cpu.is_some(), metric, cpu)).or_default();
            of_passes.resize(place + 1, Vec::new());
            of_passes[place].push(span);
        }
    }
    let series = |((_, metric, cpu), values): (_, Vec<Vec<u64>>)| {
        let dimensions = Dimensions {
            cpu,
            ..dimensions.clone()
        };
        Series::of_passes(metric, dimensions, &values)
    };
    let nr_loads = passes.iter().map(Vec::len).sum::<usize>();
    let has_it = |series: &Series| {
        let is_gate = matches!(series.metric, Metric::Gate | Metric::GateLast);
        !is_gate || series.values.len() * 2 > nr_loads
    };
    all.into_iter().map(series).filter(has_it).collect()
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
        let spans: Vec<_> = iteration.spans().collect();
        let expected = [
            (Metric::CallInSkew, None, 50),
            (Metric::Gate, None, 60),
            (Metric::GateLast, None, 70),
            (Metric::Stall, None, 300),
            (Metric::Load, Some(0), 100),
            (Metric::Leave, Some(0), 30),
            (Metric::Stall, Some(0), 260),
            (Metric::Follow, Some(1), 120),
            (Metric::Leave, Some(1), 70),
            (Metric::Stall, Some(1), 250),
        ];
        assert_eq!(spans, expected);
    }

    #[test]
    fn a_span_without_its_moments_is_in_no_series() {
        let mut without_gate = iteration();
        for cpu in &mut without_gate.cpus {
            cpu.gate_ns = None;
        }
        let dimensions = Dimensions::new(Stage::Native, ClockKind::Tsc, 2, 2, 1);
        let passes = [vec![iteration()], vec![without_gate, iteration()]];
        let all = series(&passes, &dimensions);
        let values = |metric, cpu| {
            let is_it = |s: &&Series| s.metric == metric && s.dimensions.cpu == cpu;
            all.iter().find(is_it).map(|series| series.values.clone())
        };
        assert_eq!(values(Metric::Gate, None), Some(vec![60, 60]));
        assert_eq!(values(Metric::Stall, None), Some(vec![300; 3]));
        assert_eq!(values(Metric::Stall, Some(1)), Some(vec![250; 3]));
        assert_eq!(values(Metric::Follow, Some(1)), Some(vec![120; 2]));
        assert_eq!(values(Metric::Follow, Some(0)), None);
        assert!(all.iter().all(|series| series.passes.len() == 2));
        // A CPU saw the gate before the last called in: that is no gate.
        let mut ungated = iteration();
        ungated.cpus[0].gate_ns = Some(1);
        assert_eq!((ungated.gate(), ungated.gate_last()), (None, None));
    }
}
