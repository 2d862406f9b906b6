//! Along which words the CPUs announce themselves.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::options::CallIn;
use crate::plan::Task;
use crate::topology::Topology;

/// Most arrivals that share a word. A word's line wanders from one arrival to
/// the next, so a long queue costs more than another level.
pub(crate) const FAN_IN: u32 = 8;

/// The place of the root; the other nodes' are their numbers. So whoever begins at
/// the root, as all do on a machine with a few CPUs, looks nothing up to get there.
pub(crate) const ROOT: usize = usize::MAX;

/// A place where several announce themselves, and one of them goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) nr_expected: u32,
    /// Where the last to arrive goes on, unless this is the root.
    pub(crate) parent: usize,
}

/// The shape of a call-in: the nodes, and where each CPU begins.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// All but the root.
    branches: Box<[Node]>,
    root: Node,
    leaf_of: Box<[usize]>,
}

/// What a node is made of while the tree grows.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Cpu(usize),
    Node(usize),
}

impl Tree {
    /// One word for all that are called, or threads by core, cores by package, packages.
    #[must_use]
    pub(crate) fn new(topology: &Topology, tasks: &[Task], call_in: CallIn) -> Self {
        let nr_cpus = topology.nr_cpus() as usize;
        let mut tree = Growing {
            nodes: Vec::new(),
            leaf_of: vec![0; nr_cpus],
        };
        let called = |cpu: &usize| tasks[*cpu].is_called();
        let all = (0..nr_cpus).filter(called).map(Unit::Cpu);
        match call_in {
            CallIn::Flat => {
                tree.join(&all.collect::<Vec<_>>());
            }
            CallIn::Tree => {
                let mut packages: Vec<(u32, Vec<Unit>)> = Vec::new();
                let mut threads = Vec::with_capacity(nr_cpus);
                for core in 0..topology.nr_cores() {
                    let cpus = topology.threads_of(core).map(|cpu| cpu as usize);
                    threads.clear();
                    threads.extend(cpus.filter(called).map(Unit::Cpu));
                    if threads.is_empty() {
                        continue;
                    }
                    let unit = tree.join_if_many(&threads);
                    let package = topology.package_of(core);
                    match packages.iter_mut().find(|(number, _)| *number == package) {
                        Some((_, units)) => units.push(unit),
                        None => packages.push((package, vec![unit])),
                    }
                }
                let units: Vec<_> = packages
                    .into_iter()
                    .map(|(_, units)| tree.gather(units))
                    .collect();
                // The control CPU is always called.
                if let alone @ Unit::Cpu(_) = tree.gather(units) {
                    tree.join(&[alone]);
                }
            }
        }
        tree.finish()
    }

    /// All nodes but the root.
    pub(crate) fn branches(&self) -> &[Node] {
        &self.branches
    }

    pub(crate) fn root(&self) -> Node {
        self.root
    }

    /// Where a CPU begins.
    pub(crate) fn leaf_of(&self, cpu: u32) -> usize {
        if self.branches.is_empty() {
            ROOT
        } else {
            self.leaf_of[cpu as usize]
        }
    }
}

struct Growing {
    nodes: Vec<Node>,
    leaf_of: Vec<usize>,
}

impl Growing {
    /// The last node is the root.
    fn finish(mut self) -> Tree {
        let root = self.nodes.pop().unwrap_or(Node {
            nr_expected: 0,
            parent: ROOT,
        });
        let place_of_root = self.nodes.len();
        let parents = self.nodes.iter_mut().map(|node| &mut node.parent);
        for place in parents.chain(&mut self.leaf_of) {
            if *place == place_of_root {
                *place = ROOT;
            }
        }
        Tree {
            branches: self.nodes.into(),
            root,
            leaf_of: self.leaf_of.into(),
        }
    }

    /// Levels of at most [`FAN_IN`] until one is left.
    fn gather(&mut self, mut units: Vec<Unit>) -> Unit {
        while units.len() > 1 {
            units = units
                .chunks(FAN_IN as usize)
                .map(|chunk| self.join_if_many(chunk))
                .collect();
        }
        units[0]
    }

    /// A node that only one would come to is none.
    fn join_if_many(&mut self, units: &[Unit]) -> Unit {
        match units {
            [one] => *one,
            _ => self.join(units),
        }
    }

    fn join(&mut self, units: &[Unit]) -> Unit {
        let place = self.nodes.len();
        self.nodes.push(Node {
            nr_expected: u32::try_from(units.len()).unwrap_or(u32::MAX),
            parent: ROOT,
        });
        for unit in units {
            match *unit {
                Unit::Cpu(cpu) => self.leaf_of[cpu] = place,
                Unit::Node(node) => self.nodes[node].parent = place,
            }
        }
        Unit::Node(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Place;

    fn places(packages: u32, cores: u32, threads: u32) -> Vec<Place> {
        let mut places = Vec::new();
        for package in 0..packages {
            for core in 0..cores {
                for thread in 0..threads {
                    places.push(Place {
                        package,
                        core,
                        thread,
                        apic_id: 0,
                    });
                }
            }
        }
        places
    }

    #[test]
    fn every_node_is_come_to_as_often_as_it_expects() {
        for (packages, cores, threads) in [
            (1, 1, 1),
            (1, 1, 2),
            (1, 4, 1),
            (2, 9, 2),
            (3, 1, 1),
            (8, 64, 2),
        ] {
            let topology = Topology::new(&places(packages, cores, threads));
            for call_in in [CallIn::Tree, CallIn::Flat] {
                let tasks = vec![Task::Attend; topology.nr_cpus() as usize];
                let tree = Tree::new(&topology, &tasks, call_in);
                let mut nr_come = vec![0; tree.branches.len() + 1];
                let root = tree.branches.len();
                let mut come_to = |place: usize| nr_come[place.min(root)] += 1;
                for cpu in 0..topology.nr_cpus() {
                    come_to(tree.leaf_of(cpu));
                }
                for node in &*tree.branches {
                    come_to(node.parent);
                }
                let nodes = tree.branches.iter().chain([&tree.root]);
                let expected: Vec<_> = nodes.map(|node| node.nr_expected).collect();
                assert_eq!(nr_come, expected);
            }
        }
    }

    #[test]
    fn few_share_a_word_in_a_tree_and_all_in_a_flat_call_in() {
        let topology = Topology::new(&places(2, 32, 2));
        let most = |call_in| {
            let tree = Tree::new(&topology, &[Task::Attend; 128], call_in);
            let nodes = tree.branches.iter().chain([&tree.root]);
            nodes.map(|node| node.nr_expected).max().unwrap()
        };
        assert_eq!(most(CallIn::Tree), 8);
        assert_eq!(most(CallIn::Flat), 128);
    }
}
