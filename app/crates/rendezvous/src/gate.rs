//! Whether all CPUs came in time: decided once, for all.

use alloc::boxed::Box;
use core::sync::atomic::Ordering;

use crossbeam_utils::CachePadded;

use crate::machine::Machine;
use crate::tree::{self, ROOT, Tree};
use crate::words::Word;

/// What is passed down to those who wait.
const WAITING: u32 = 0;
const OPEN: u32 = 1;
const CLOSED: u32 = 2;

/// In the root's word: whoever is counted from then on comes too late.
const CLOSED_FLAG: u32 = 1 << 31;
/// In the root's word: so many come to it that they must not look at it while they
/// wait, since each arrival would take the line away from all of them. For a few it
/// is the shortest way to learn of the last one.
const CROWDED_FLAG: u32 = 1 << 30;
/// The CPUs that are missing.
const MISSING: u32 = CROWDED_FLAG - 1;

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
    count: CachePadded<Count<W>>,
    /// The decision, passed down for those who wait at this node.
    news: CachePadded<W>,
}

/// Who counts itself learns from the word itself all that it has to know of it. A CPU that
/// looked at something else on the line as well would at times fetch the line to read,
/// ahead of its turn, before it takes it to write: two ways instead of one. The last to
/// arrive at a branch alone needs more, the parent.
#[derive(Debug)]
struct Count<W> {
    /// How many are missing, and the flags.
    arrivals: W,
    /// Where the last to arrive goes on.
    parent: usize,
}

impl<W: Word> Node<W> {
    fn new(node: &tree::Node, flags: u32) -> Self {
        Self {
            count: CachePadded::new(Count {
                arrivals: W::new(node.nr_expected | flags),
                parent: node.parent,
            }),
            news: CachePadded::new(W::new(WAITING)),
        }
    }
}

/// The call-in and the gate behind it.
///
/// CPUs announce themselves along a tree: the last to arrive at a node goes on
/// to its parent, and the last at the root opens the gate by its arrival: the
/// root's count is the decision. The gate is open when nobody is missing, and
/// that it can be no more once the first CPU whose deadline passes has set a
/// flag beside the count. Each is one atomic operation on one word, so whoever comes
/// second finds what was decided: a CPU that came too late finds the gate closed
/// and can never go on. The nodes' copies of the decision save the CPUs from
/// crowding around that word, and nothing is decided by them.
///
/// A word of its own for the decision would cost the last CPU, for which all wait,
/// another line of the cache after the count's, and the same once more for
/// looking at it before.
#[derive(Debug)]
pub(crate) struct Gate<W> {
    branches: Box<[Node<W>]>,
    root: Node<W>,
}

impl<W: Word> Gate<W> {
    /// A gate for the CPUs of a tree.
    #[must_use]
    pub(crate) fn new(tree: &Tree) -> Self {
        let root = tree.root();
        let is_crowded = root.nr_expected > tree::FAN_IN;
        Self {
            branches: tree
                .branches()
                .iter()
                .map(|one| Node::new(one, 0))
                .collect(),
            root: Node::new(&root, if is_crowded { CROWDED_FLAG } else { 0 }),
        }
    }

    /// Announces a CPU at its leaf of the tree and waits for the decision, until
    /// `deadline_ns` on the machine's clock at the longest. `is_late` says whether
    /// that has passed already, to whoever tells a CPU that came too late from one that
    /// waited. `before_closing` is done first where this CPU's deadline passes: whoever
    /// finds the gate closed finds it done.
    pub(crate) fn call_in(
        &self,
        leaf: usize,
        machine: &impl Machine,
        deadline_ns: u64,
        is_late: impl Fn() -> bool,
        before_closing: impl Fn(),
    ) -> Passage {
        let mut place = leaf;
        let mut before;
        let passage = loop {
            let count = &*self.at(place).count;
            before = count.arrive();
            if before & CLOSED_FLAG != 0 {
                break Passage::Late;
            }
            if before & MISSING != 1 {
                // Where the gate is closed, somebody's deadline has passed, and this
                // CPU's own passes about then. To look at the root before that, every
                // CPU would have to fetch that one line.
                let may_be_late = place != ROOT && is_late();
                if may_be_late && self.root.count.look() & CLOSED_FLAG != 0 {
                    break Passage::Late;
                }
                let looks_at_root = place == ROOT && before & CROWDED_FLAG == 0;
                let passage = if looks_at_root {
                    let root = &self.root.count;
                    machine.wait(deadline_ns, || decision(root.look()))
                } else {
                    self.wait_for_news(place, machine, deadline_ns)
                };
                break passage.unwrap_or_else(|| {
                    before_closing();
                    self.root.count.close()
                });
            }
            if place == ROOT {
                break Passage::Open;
            }
            place = count.parent;
        };
        // Those who wait below this CPU's way are told by it, and those at the root
        // by whoever decides, or learns it last.
        let news = match passage {
            Passage::Open => OPEN,
            Passage::Closed | Passage::Late => CLOSED,
        };
        let mut below = leaf;
        while below != place {
            self.tell(below, news);
            below = self.at(below).count.parent;
        }
        if before & CROWDED_FLAG != 0 {
            self.tell(place, news);
        }
        passage
    }

    fn at(&self, place: usize) -> &Node<W> {
        match place {
            ROOT => &self.root,
            _ => &self.branches[place],
        }
    }

    fn tell(&self, place: usize, news: u32) {
        // Release pairs with the Acquire in `wait_for_news`.
        self.at(place).news.store(news, Ordering::Release);
    }

    /// Waits at a node for the decision, or until the deadline.
    fn wait_for_news(
        &self,
        place: usize,
        machine: &impl Machine,
        deadline_ns: u64,
    ) -> Option<Passage> {
        let news = &self.at(place).news;
        // Acquire pairs with the Release in `tell`.
        machine.wait(deadline_ns, || match news.load(Ordering::Acquire) {
            WAITING => None,
            OPEN => Some(Passage::Open),
            _ => Some(Passage::Closed),
        })
    }
}

/// What the root's word says, if it is decided.
fn decision(arrivals: u32) -> Option<Passage> {
    if arrivals & CLOSED_FLAG != 0 {
        return Some(Passage::Closed);
    }
    (arrivals & MISSING == 0).then_some(Passage::Open)
}

impl<W: Word> Count<W> {
    /// Counts a CPU; what the word was before.
    fn arrive(&self) -> u32 {
        // Release: what this CPU did before is seen by every CPU behind the open gate.
        // Acquire: the last CPU takes over what the others did and passes it on, upwards
        // and by the root's count. At the root it pairs with the exchange in `close` as
        // well.
        let one_less = 1_u32.wrapping_neg();
        self.arrivals.fetch_add(one_less, Ordering::AcqRel)
    }

    fn look(&self) -> u32 {
        // Acquire pairs with the Release in `arrive` of the last CPU, and with the
        // exchange in `close`.
        self.arrivals.load(Ordering::Acquire)
    }

    /// Closes the gate, unless it is decided.
    fn close(&self) -> Passage {
        let mut arrivals = self.look();
        // Whenever it is another one, somebody has arrived or closed the gate: there
        // are no more rounds than CPUs.
        loop {
            if let Some(passage) = decision(arrivals) {
                return passage;
            }
            // Acquire, also where it fails: as in `look`. Release pairs with that, and
            // with the Acquire in `arrive`.
            let closed = self.arrivals.compare_exchange(
                arrivals,
                arrivals | CLOSED_FLAG,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match closed {
                Ok(_) => return Passage::Closed,
                Err(now) => arrivals = now,
            }
        }
    }
}
