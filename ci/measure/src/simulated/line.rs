//! Cache lines: who has them, and who waits for them.

use std::collections::VecDeque;
use std::ops::Range;

use super::costs::CostModel;

/// How many CPUs a word of the set holds.
const BITS: u32 = u64::BITS;

/// A set of CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CpuSet(Box<[u64]>);

/// What a CPU does to a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// It reads it.
    Read,
    /// It writes it.
    Write,
    /// It reads and writes it at once.
    Atomic,
}

/// Who sits where, for the way of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Distances {
    nr_threads: u32,
    nr_in_package: u32,
}

/// A line.
#[derive(Debug)]
pub(super) struct Line {
    /// Those that have it or a copy of it.
    holders: CpuSet,
    /// Whether the one that has it has it alone.
    is_exclusive: bool,
    /// Until then nobody is served, in ns.
    pub(super) busy_until_ns: u64,
    /// Those that wait to be served, the first to come first.
    pub(super) queue: VecDeque<u32>,
}

impl CpuSet {
    fn new(nr_cpus: u32) -> Self {
        Self(vec![0; nr_cpus.div_ceil(BITS) as usize].into())
    }

    fn contains(&self, cpu: u32) -> bool {
        self.0[(cpu / BITS) as usize] & 1 << (cpu % BITS) != 0
    }

    fn insert(&mut self, cpu: u32) {
        self.0[(cpu / BITS) as usize] |= 1 << (cpu % BITS);
    }

    fn remove(&mut self, cpu: u32) {
        self.0[(cpu / BITS) as usize] &= !(1 << (cpu % BITS));
    }

    /// Its CPUs, the lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.0).flat_map(|(place, &bits)| {
            let mut bits = bits;
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
                (bit < BITS).then_some(place * BITS + bit)
            })
        })
    }

    /// How many of them are among those.
    fn count(&self, cpus: &Range<u32>) -> u32 {
        let words = cpus.start / BITS..cpus.end.div_ceil(BITS);
        words
            .map(|place| {
                let low = cpus.start.saturating_sub(place * BITS);
                let high = (cpus.end - place * BITS).min(BITS);
                let mask = u64::MAX << low & u64::MAX >> (BITS - high);
                (self.0[place as usize] & mask).count_ones()
            })
            .sum()
    }

    fn len(&self) -> u32 {
        self.0.iter().map(|bits| bits.count_ones()).sum()
    }
}

impl Distances {
    pub(super) fn new(nr_threads: u32, nr_cores: u32) -> Self {
        Self {
            nr_threads,
            nr_in_package: nr_threads * nr_cores,
        }
    }

    fn group(cpu: u32, size: u32) -> Range<u32> {
        let start = cpu / size * size;
        start..start + size
    }

    /// The way from the nearest of the holders to a CPU that is none, in ns.
    fn nearest(self, holders: &CpuSet, cpu: u32, costs: &CostModel) -> u64 {
        let is_any_in = |size| holders.count(&Self::group(cpu, size)) > 0;
        if is_any_in(self.nr_threads) {
            costs.sibling
        } else if is_any_in(self.nr_in_package) {
            costs.package
        } else {
            costs.between_packages
        }
    }

    /// The way from the farthest of the holders but the CPU itself, in ns.
    fn farthest(self, holders: &CpuSet, cpu: u32, costs: &CostModel) -> u64 {
        let nr_holders = holders.len();
        let are_all_in = |size| holders.count(&Self::group(cpu, size)) == nr_holders;
        if nr_holders == u32::from(holders.contains(cpu)) {
            0
        } else if are_all_in(self.nr_threads) {
            costs.sibling
        } else if are_all_in(self.nr_in_package) {
            costs.package
        } else {
            costs.between_packages
        }
    }
}

impl Line {
    /// A line that one CPU has written.
    pub(super) fn new(nr_cpus: u32, owner: u32) -> Self {
        let mut holders = CpuSet::new(nr_cpus);
        holders.insert(owner);
        Self {
            holders,
            is_exclusive: true,
            busy_until_ns: 0,
            queue: VecDeque::new(),
        }
    }

    /// Whether the CPU has a copy.
    pub(super) fn is_held_by(&self, cpu: u32) -> bool {
        self.holders.contains(cpu)
    }

    /// What the access costs, in ns, where the CPU has what it needs.
    pub(super) fn hit(&self, cpu: u32, access: Access, costs: &CostModel) -> Option<u64> {
        let is_hit = self.holders.contains(cpu) && (access == Access::Read || self.is_exclusive);
        is_hit.then_some(match access {
            Access::Read | Access::Write => costs.hit,
            Access::Atomic => costs.hit + costs.atomic,
        })
    }

    /// Serves the CPU at that time; what it costs the CPU, in ns, and who has lost
    /// its copy.
    pub(super) fn serve(
        &mut self,
        cpu: u32,
        access: Access,
        distances: Distances,
        costs: &CostModel,
        now_ns: u64,
    ) -> (u64, Option<CpuSet>) {
        let (cost_ns, busy_ns, lost) = if access == Access::Read {
            let way_ns = distances.nearest(&self.holders, cpu, costs);
            let busy_ns = if self.is_exclusive {
                way_ns
            } else {
                costs.line_busy
            };
            self.holders.insert(cpu);
            self.is_exclusive = false;
            (way_ns, busy_ns, None)
        } else {
            let way_ns = distances.farthest(&self.holders, cpu, costs);
            let atomic_ns = if access == Access::Atomic {
                costs.atomic
            } else {
                0
            };
            let cost_ns = way_ns.max(costs.hit) + atomic_ns;
            let empty = CpuSet(vec![0; self.holders.0.len()].into());
            let mut lost = std::mem::replace(&mut self.holders, empty);
            lost.remove(cpu);
            self.holders.insert(cpu);
            self.is_exclusive = true;
            (cost_ns, cost_ns, Some(lost))
        };
        self.busy_until_ns = now_ns + busy_ns;
        (cost_ns, lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two packages of 40 cores of 2 threads.
    const DISTANCES: Distances = Distances {
        nr_threads: 2,
        nr_in_package: 80,
    };

    fn line(holders: &[u32]) -> Line {
        let mut line = Line::new(160, holders[0]);
        for &cpu in holders {
            line.holders.insert(cpu);
        }
        line.is_exclusive = holders.len() == 1;
        line
    }

    #[test]
    fn a_copy_comes_from_the_nearest_and_a_write_takes_it_from_the_farthest() {
        let costs = CostModel::default();
        let CostModel {
            hit,
            sibling,
            package,
            between_packages,
            line_busy,
            ..
        } = costs;
        for (holders, cpu, read, write) in [
            (vec![1], 0, sibling, sibling),
            (vec![79], 0, package, package),
            (vec![80], 0, between_packages, between_packages),
            (vec![1, 80], 0, sibling, between_packages),
            (vec![66, 79], 70, package, package),
            (vec![150, 159], 158, sibling, package),
        ] {
            let (cost_ns, lost) = line(&holders).serve(cpu, Access::Read, DISTANCES, &costs, 0);
            assert_eq!((cost_ns, lost), (read, None), "{holders:?} to {cpu}");
            let mut taken = line(&holders);
            let (cost_ns, lost) = taken.serve(cpu, Access::Write, DISTANCES, &costs, 1000);
            assert_eq!(cost_ns, write, "{holders:?} to {cpu}");
            assert!(lost.unwrap().iter().eq(holders));
            assert_eq!(taken.busy_until_ns, 1000 + write);
            assert!(taken.holders.iter().eq([cpu]));
            assert_eq!(taken.hit(cpu, Access::Write, &costs), Some(hit));
            assert_eq!(taken.hit(cpu ^ 1, Access::Read, &costs), None);
        }
        // One more copy keeps the line for a moment only, and is no leave to write.
        let mut shared = line(&[1, 3]);
        shared.serve(5, Access::Read, DISTANCES, &costs, 0);
        assert_eq!(shared.busy_until_ns, line_busy);
        assert_eq!(shared.hit(5, Access::Read, &costs), Some(hit));
        assert_eq!(shared.hit(5, Access::Atomic, &costs), None);
    }
}
