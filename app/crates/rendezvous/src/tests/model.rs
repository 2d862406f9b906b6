extern crate std;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;
use std::vec;
use std::vec::Vec;

use crate::core_turn::CoreTurn;
use crate::gate::{Gate, Passage};
use crate::{GpFault, Machine, Muster, Outcome, Place, Task, Timeouts, Topology};

const BEFORE: u32 = 1;
const TARGET: u32 = 2;
/// What the clock says when it has run out: later than any call-in deadline
/// below, earlier than any update deadline.
const LATE_NS: u64 = 1_000_000;

/// A core whose clock runs out at a moment that the model checker chooses: a
/// thread of its own sets `expired`, and every interleaving is tried.
#[derive(Default)]
struct Core {
    expired: AtomicBool,
    revision: AtomicU32,
    inside: AtomicBool,
    nr_loads: AtomicU32,
}

impl Machine for Core {
    fn now_ns(&self) -> u64 {
        if self.expired.load(Ordering::SeqCst) {
            LATE_NS
        } else {
            0
        }
    }

    fn relax(&self) {
        thread::yield_now();
    }

    fn load(&self) -> Result<(), GpFault> {
        assert!(
            !self.inside.swap(true, Ordering::SeqCst),
            "two threads inside a load"
        );
        self.nr_loads.fetch_add(1, Ordering::SeqCst);
        self.revision.store(TARGET, Ordering::SeqCst);
        self.inside.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn revision(&self) -> u32 {
        assert!(
            !self.inside.load(Ordering::SeqCst),
            "a revision read during the sibling's load"
        );
        self.revision.load(Ordering::SeqCst)
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // Unless the environment asks for more, the number of forced switches that
    // finds nearly every real bug in a time that a test may take.
    builder.preemption_bound.get_or_insert(3);
    builder.check(model);
}

fn run_clock_out(core: &Arc<Core>) -> thread::JoinHandle<()> {
    let core = Arc::clone(core);
    thread::spawn(move || core.expired.store(true, Ordering::SeqCst))
}

#[test]
fn the_gate_says_the_same_to_all_whenever_the_deadline_falls() {
    check(|| {
        let core = Arc::new(Core::default());
        let gate = Arc::new(Gate::new(2));
        let clock = run_clock_out(&core);
        let other = {
            let (gate, core) = (Arc::clone(&gate), Arc::clone(&core));
            thread::spawn(move || gate.call_in(&*core, 1))
        };
        let mine = gate.call_in(&*core, 1);
        let theirs = other.join().unwrap();
        clock.join().unwrap();
        assert_eq!(mine == Passage::Open, theirs == Passage::Open);
        assert_eq!(mine == Passage::Open, gate.is_open());
        // Both came, so at most one can have come after the other gave up.
        assert!(mine != Passage::Late || theirs == Passage::Closed);
    });
}

#[test]
fn two_threads_of_a_core_write_in_the_order_of_their_tickets() {
    check(|| {
        let core = Arc::new(Core::default());
        let turn = Arc::new(CoreTurn::default());
        let write = |turn: &CoreTurn, core: &Core| {
            let ticket = turn.take_ticket();
            turn.begin(ticket, core, 1).unwrap();
            core.load().unwrap();
            assert_eq!(core.nr_loads.load(Ordering::SeqCst) == 1, ticket.leads());
            turn.finish(ticket);
        };
        let other = {
            let (turn, core) = (Arc::clone(&turn), Arc::clone(&core));
            thread::spawn(move || write(&turn, &core))
        };
        write(&turn, &core);
        other.join().unwrap();
    });
}

#[test]
fn a_core_is_begun_on_or_given_up_and_never_both() {
    check(|| {
        let core = Arc::new(Core::default());
        let turn = Arc::new(CoreTurn::default());
        let leader = {
            let (turn, core) = (Arc::clone(&turn), Arc::clone(&core));
            thread::spawn(move || turn.begin(turn.take_ticket(), &*core, 1).is_ok())
        };
        turn.give_up();
        let given_up = turn.is_given_up();
        let begun = leader.join().unwrap();
        assert_ne!(given_up, begun);
    });
}

/// The whole protocol with two CPUs, their deadline at any moment.
fn whole(nr_threads: u32, followers_load: bool) {
    check(move || {
        let core = Arc::new(Core::default());
        core.revision.store(BEFORE, Ordering::SeqCst);
        let places: Vec<Place> = (0..2)
            .map(|cpu| Place {
                package: 0,
                core: cpu / nr_threads,
                thread: cpu % nr_threads,
            })
            .collect();
        let task = Task::Load {
            before: BEFORE,
            target: TARGET,
        };
        let timeouts = Timeouts {
            call_in_us: 1,
            update_us: 1_000_000_000_000_000,
        };
        let muster = Arc::new(Muster::new(
            Topology::new(&places),
            vec![task; 2],
            followers_load,
            timeouts,
        ));
        let clock = run_clock_out(&core);
        let attend = |cpu: u32, muster: &Muster, core: &Core| {
            muster.attend(cpu, core);
            muster.leave(cpu, core);
        };
        let other = {
            let (muster, core) = (Arc::clone(&muster), Arc::clone(&core));
            thread::spawn(move || attend(1, &muster, &core))
        };
        attend(0, &muster, &core);
        other.join().unwrap();
        clock.join().unwrap();

        let nr_loads = core.nr_loads.load(Ordering::SeqCst);
        let records = muster.records();
        assert!(records.iter().all(|r| r.moments.left_ns.is_some()));
        if muster.opened() {
            assert_eq!(nr_loads, if followers_load { 2 } else { 1 });
            assert!(records.iter().all(|r| r.after == Some(TARGET)));
        } else {
            assert_eq!(nr_loads, 0, "a load behind a closed gate");
            assert!(
                records
                    .iter()
                    .all(|r| matches!(r.outcome, Outcome::Aborted | Outcome::Late))
            );
        }
    });
}

#[test]
fn an_intel_core_loads_once_or_not_at_all() {
    whole(2, false);
}

#[test]
fn an_amd_core_loads_on_each_thread_or_on_none() {
    whole(2, true);
}
