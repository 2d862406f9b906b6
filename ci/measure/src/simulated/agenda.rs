//! When each CPU goes on.

/// A CPU that does not go on by itself.
const NEVER: u64 = u64::MAX;

/// The moment of each CPU, and the first of them: a tree of which each node holds
/// the earlier of two. Of CPUs with the same moment the lower one is first, so that
/// nothing depends on the order in which moments were set.
#[derive(Debug)]
pub(super) struct Agenda {
    moments: Vec<u64>,
    /// The root is at 1; the CPUs are the second half.
    first: Vec<u32>,
}

impl Agenda {
    pub(super) fn new(nr_cpus: u32) -> Self {
        let size = nr_cpus.next_power_of_two();
        let mut first = vec![0; size as usize];
        first.extend(0..size);
        let mut agenda = Self {
            moments: vec![NEVER; size as usize],
            first,
        };
        for node in (1..size as usize).rev() {
            agenda.first[node] = agenda.earlier(node);
        }
        agenda
    }

    fn earlier(&self, node: usize) -> u32 {
        let (left, right) = (self.first[2 * node], self.first[2 * node + 1]);
        if self.moments[right as usize] < self.moments[left as usize] {
            right
        } else {
            left
        }
    }

    /// The CPU goes on at that time, in ns, and not at the one that was set before.
    pub(super) fn set(&mut self, cpu: u32, at_ns: u64) {
        self.moments[cpu as usize] = at_ns;
        let mut node = self.moments.len() + cpu as usize;
        while node > 1 {
            node /= 2;
            self.first[node] = self.earlier(node);
        }
    }

    /// The CPU does not go on by itself.
    pub(super) fn clear(&mut self, cpu: u32) {
        self.set(cpu, NEVER);
    }

    /// When the first CPU goes on, in ns, and which.
    pub(super) fn first(&self) -> Option<(u64, u32)> {
        let cpu = self.first[1];
        let at_ns = self.moments[cpu as usize];
        (at_ns != NEVER).then_some((at_ns, cpu))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_is_first_and_of_the_same_moment_the_lowest() {
        for nr_cpus in [1, 2, 3, 5, 64] {
            let mut agenda = Agenda::new(nr_cpus);
            assert_eq!(agenda.first(), None);
            for cpu in (0..nr_cpus).rev() {
                agenda.set(cpu, u64::from(cpu / 2) + 7);
            }
            for cpu in 0..nr_cpus {
                assert_eq!(agenda.first(), Some((u64::from(cpu / 2) + 7, cpu)));
                agenda.clear(cpu);
            }
            assert_eq!(agenda.first(), None);
            agenda.set(nr_cpus - 1, 9);
            agenda.set(nr_cpus - 1, 4);
            assert_eq!(agenda.first(), Some((4, nr_cpus - 1)));
        }
    }
}
