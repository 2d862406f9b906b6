//! Whether all CPUs came in time: decided once, for all.

use alloc::boxed::Box;
use core::sync::atomic::Ordering;

use crossbeam_utils::CachePadded;

use crate::machine::Machine;
use crate::tree::Tree;
use crate::words::Word;

const WAITING: u32 = 0;
const OPEN: u32 = 1;
const CLOSED: u32 = 2;

/// What a CPU finds at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// All CPUs are here.
    Open,
    /// The gate was closed while this CPU waited: others are missing.
    Closed,
    /// The gate was closed before this CPU came.
    Late,
}

/// A node's words, each on a line of its own: those who wait do not delay
/// those who come.
#[derive(Debug)]
struct Node<W> {
    nr_arrived: CachePadded<W>,
    /// The decision, passed down for those who wait at this node.
    news: CachePadded<W>,
}

/// The call-in and the gate behind it.
///
/// CPUs announce themselves along a tree: the last to arrive at a node goes on
/// to its parent, and the last at the root opens the gate. The gate leaves
/// `WAITING` by one compare-exchange on one word, either of that last CPU
/// (`OPEN`) or of the first whose deadline passes (`CLOSED`). Whoever loses the
/// exchange takes the winner's word: a CPU that came too late finds the gate
/// closed and can never go on. The nodes' copies of the decision save the CPUs
/// from crowding around that word, and nothing is decided by them.
#[derive(Debug)]
pub(crate) struct Gate<W> {
    nodes: Box<[Node<W>]>,
    state: CachePadded<W>,
}

impl<W: Word> Gate<W> {
    /// A gate for the CPUs of a tree.
    #[must_use]
    pub(crate) fn new(tree: &Tree) -> Self {
        let node = |_| Node {
            nr_arrived: CachePadded::new(W::new(0)),
            news: CachePadded::new(W::new(WAITING)),
        };
        Self {
            nodes: tree.nodes().iter().map(node).collect(),
            state: CachePadded::new(W::new(WAITING)),
        }
    }

    /// Announces this CPU and waits for the decision, until `deadline_ns` on
    /// the machine's clock at the longest. `before_closing` is done first where
    /// this CPU's deadline passes: whoever finds the gate closed finds it done.
    pub(crate) fn call_in(
        &self,
        cpu: u32,
        tree: &Tree,
        machine: &impl Machine,
        deadline_ns: u64,
        before_closing: impl Fn(),
    ) -> Passage {
        // No CPU finds the gate closed before the deadline has passed, and to look
        // all CPUs would have to fetch this one word. One whose clock is a little
        // behind comes and is told below. Acquire pairs with the exchange in
        // `decide`.
        if machine.now_ns() > deadline_ns && self.state.load(Ordering::Acquire) == CLOSED {
            return Passage::Late;
        }
        let leaf = tree.leaf_of(cpu);
        let mut place = leaf;
        let passage = loop {
            let node = tree.nodes()[place];
            // Release: what this CPU did before is seen by every CPU behind
            // the open gate. Acquire: the last CPU takes over what the others
            // did and passes it on, upwards and with the exchange in `decide`.
            let nr_before = self.nodes[place].nr_arrived.fetch_add(1, Ordering::AcqRel);
            if nr_before + 1 < node.nr_expected {
                let is_root = node.parent.is_none();
                if let Some(passage) = self.wait(place, is_root, machine, deadline_ns) {
                    break passage;
                }
                before_closing();
                break self.decide(CLOSED);
            }
            match node.parent {
                Some(parent) => place = parent,
                None => break self.decide(OPEN),
            }
        };
        // Those who wait below this CPU's way are told by it.
        let news = match passage {
            Passage::Open => OPEN,
            Passage::Closed | Passage::Late => CLOSED,
        };
        let mut below = leaf;
        while below != place {
            // Release pairs with the Acquire in `wait`.
            self.nodes[below].news.store(news, Ordering::Release);
            below = tree.nodes()[below].parent.unwrap_or(place);
        }
        passage
    }

    /// Waits at a node for the decision, or until the deadline.
    fn wait(
        &self,
        place: usize,
        is_root: bool,
        machine: &impl Machine,
        deadline_ns: u64,
    ) -> Option<Passage> {
        let news = if is_root {
            &self.state
        } else {
            &self.nodes[place].news
        };
        // Acquire pairs with the exchange in `decide`, and with the Release in
        // `call_in` of whoever passes the decision on.
        machine.wait(deadline_ns, || match news.load(Ordering::Acquire) {
            WAITING => None,
            OPEN => Some(Passage::Open),
            _ => Some(Passage::Closed),
        })
    }

    /// Makes the decision, or takes the one that was made.
    fn decide(&self, decision: u32) -> Passage {
        let made =
            self.state
                .compare_exchange(WAITING, decision, Ordering::AcqRel, Ordering::Acquire);
        match made.map_or_else(|made| made, |_| decision) {
            OPEN => Passage::Open,
            _ => Passage::Closed,
        }
    }
}
