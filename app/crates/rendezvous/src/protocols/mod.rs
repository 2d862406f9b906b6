//! The protocols: each is what one CPU does between being called and leaving.

mod batches;
mod linux;
mod muster;
mod serial_chain;
mod stop_machine;
mod xen;
mod xen_v5;

use crate::machine::Machine;
use crate::options::named;
use crate::plan::Plan;
use crate::seat::Seat;
use crate::words::Word;

pub use batches::NR_BATCHES;

named! {
    /// A protocol by its name.
    pub enum Name {
        /// This project's own.
        #[default]
        Muster = "muster",
        /// Xen before the series: CPU after CPU.
        SerialChain = "serial-chain",
        /// The series that this project re-implements, version 5.
        XenV5 = "xen-v5",
        /// Xen since 4.13: a control thread drives the others.
        Xen = "xen",
        /// Linux since 6.7: control words.
        Linux = "linux",
        /// iPXE: eight batches.
        Batches = "batches",
    }
}

/// What one CPU does in a request; all CPUs share the value.
pub(crate) trait Protocol<W: Word>: Sized {
    /// Whether every CPU is stopped from its call-in until it leaves.
    const STOPS_ALL: bool = true;

    /// Of the plan it may depend on who is called alone: the other tasks may change
    /// before the request.
    fn new(plan: &Plan) -> Self;

    /// Runs it on one CPU, which notes in its slot what came of it.
    fn attend<M: Machine>(&self, seat: &Seat<'_, W, M>);
}

/// One of them. The tag comes first, on a line of the cache that nobody writes. Left to
/// itself, the compiler may put it into spare values of a word's neighbour, and then
/// every CPU takes the line on which the others announce themselves, to look at it.
#[derive(Debug)]
#[repr(u8)]
pub(crate) enum Any<W> {
    Muster(muster::Muster<W>),
    SerialChain(serial_chain::SerialChain<W>),
    XenV5(xen_v5::XenV5<W>),
    Xen(xen::Xen<W>),
    Linux(linux::Linux<W>),
    Batches(batches::Batches<W>),
}

impl<W: Word> Any<W> {
    pub(crate) fn new(name: Name, plan: &Plan) -> Self {
        match name {
            Name::Muster => Self::Muster(Protocol::new(plan)),
            Name::SerialChain => Self::SerialChain(Protocol::new(plan)),
            Name::XenV5 => Self::XenV5(Protocol::new(plan)),
            Name::Xen => Self::Xen(Protocol::new(plan)),
            Name::Linux => Self::Linux(Protocol::new(plan)),
            Name::Batches => Self::Batches(Protocol::new(plan)),
        }
    }

    /// Keeps every thread of a core from a load that it has not begun. Peers have no
    /// such thing.
    pub(crate) fn give_up(&self, core: u32) {
        if let Self::Muster(protocol) = self {
            protocol.give_up(core);
        }
    }

    pub(crate) fn attend<M: Machine>(&self, seat: &Seat<'_, W, M>) {
        match self {
            Self::Muster(protocol) => attend(protocol, seat),
            Self::SerialChain(protocol) => attend(protocol, seat),
            Self::XenV5(protocol) => attend(protocol, seat),
            Self::Xen(protocol) => attend(protocol, seat),
            Self::Linux(protocol) => attend(protocol, seat),
            Self::Batches(protocol) => attend(protocol, seat),
        }
    }
}

fn attend<W: Word, P: Protocol<W>, M: Machine>(protocol: &P, seat: &Seat<'_, W, M>) {
    let _stopped = P::STOPS_ALL.then(|| seat.stop());
    seat.call_in();
    protocol.attend(seat);
}
