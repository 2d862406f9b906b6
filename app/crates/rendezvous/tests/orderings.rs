//! Whether the orderings of the atomics are strong enough: loom tries what the
//! weakest machine may do. The simulator tries more orders of steps, of a
//! machine that is sequentially consistent.

use std::sync::atomic::Ordering;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32};
use loom::thread;

use rendezvous::{
    CallIn, Election, GpFault, Machine, Name, Options, Order, Outcome, Place, Plan, Rendezvous,
    Task, Timeouts, Topology, Word,
};

const BEFORE: u32 = 1;
const TARGET: u32 = 2;
/// What the clock says when it has run out: later than any call-in deadline
/// below, earlier than any update deadline.
const LATE_NS: u64 = 1_000_000;

/// The model checker's atomic.
#[derive(Debug)]
struct LoomWord(AtomicU32);

impl Word for LoomWord {
    fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }

    fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }

    fn store(&self, value: u32, order: Ordering) {
        self.0.store(value, order);
    }

    fn fetch_add(&self, value: u32, order: Ordering) -> u32 {
        self.0.fetch_add(value, order)
    }

    fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
        self.0.fetch_or(bits, order)
    }

    fn compare_exchange(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        self.0.compare_exchange(current, new, success, failure)
    }
}

/// A core whose clock runs out at a moment that the model checker chooses: a
/// thread of its own sets `expired`. Its registers are relaxed, so that only the
/// protocol orders what its threads see of each other.
#[derive(Default)]
struct Core {
    expired: AtomicBool,
    revision: AtomicU32,
    inside: AtomicBool,
    nr_loads: AtomicU32,
}

impl Machine for Core {
    fn now_ns(&self) -> u64 {
        if self.expired.load(Ordering::Relaxed) {
            LATE_NS
        } else {
            0
        }
    }

    fn stamp_ns(&self) -> u64 {
        0
    }

    fn relax(&self) {
        thread::yield_now();
    }

    fn stop(&self) {}

    fn go(&self) {}

    fn parse(&self) {}

    fn send_nmi(&self, _: u32) {}

    fn panic(&self, message: &'static str) {
        panic!("{message}");
    }

    fn load(&self) -> Result<(), GpFault> {
        assert!(
            !self.inside.load(Ordering::Relaxed),
            "two threads inside a load"
        );
        self.inside.store(true, Ordering::Relaxed);
        let nr_loads = self.nr_loads.load(Ordering::Relaxed);
        self.nr_loads.store(nr_loads + 1, Ordering::Relaxed);
        self.revision.store(TARGET, Ordering::Relaxed);
        self.inside.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn revision(&self) -> u32 {
        assert!(
            !self.inside.load(Ordering::Relaxed),
            "a revision read during the sibling's load"
        );
        self.revision.load(Ordering::Relaxed)
    }
}

/// A deadline that is never missed.
const NO_DEADLINE_US: u64 = 1_000_000_000_000_000;

/// The whole protocol with two threads of a core, the clock running out at any
/// moment. A thread that is through reads its revision if it may.
fn run(
    followers_load: bool,
    options: Options,
    update_us: u64,
) -> (Arc<Core>, Rendezvous<LoomWord>) {
    let core = Arc::new(Core::default());
    core.revision.store(BEFORE, Ordering::Relaxed);
    let place = |thread| Place {
        thread,
        ..Place::default()
    };
    let task = Task::Load {
        before: BEFORE,
        target: TARGET,
    };
    let timeouts = Timeouts {
        call_in_us: 1,
        update_us,
        offline_us: 1,
    };
    let plan = Plan::new(
        std::sync::Arc::new(Topology::new(&[place(0), place(1)])),
        vec![task; 2],
        0,
        followers_load,
        options,
        timeouts,
    );
    let rendezvous = Arc::new(Rendezvous::<LoomWord>::new(Name::Muster, plan));
    rendezvous.request(&*core).unwrap();
    let clock = {
        let core = Arc::clone(&core);
        thread::spawn(move || core.expired.store(true, Ordering::Relaxed))
    };
    let attend = |cpu| {
        let (rendezvous, core) = (Arc::clone(&rendezvous), Arc::clone(&core));
        move || {
            rendezvous.attend(cpu, &*core);
            if !rendezvous.core_loads(cpu) {
                core.revision();
            }
        }
    };
    let other = thread::spawn(attend(1));
    attend(0)();
    other.join().unwrap();
    clock.join().unwrap();
    let rendezvous = Arc::try_unwrap(rendezvous).expect("the threads are through");
    (core, rendezvous)
}

/// Tries it in every way.
fn explore(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // Unless the environment asks for more, the number of forced switches that
    // finds nearly every real bug in a time that a test may take.
    builder.preemption_bound.get_or_insert(2);
    builder.check(check);
}

fn check(followers_load: bool, options: Options) {
    explore(move || {
        let (core, rendezvous) = run(followers_load, options, NO_DEADLINE_US);
        let nr_loads = core.nr_loads.load(Ordering::Relaxed);
        let records = rendezvous.records();
        if rendezvous.opened() {
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
    check(false, Options::default());
}

#[test]
fn an_amd_core_loads_on_each_thread_or_on_none() {
    check(true, Options::default());
}

/// Or else it would read registers during the write.
#[test]
fn a_thread_that_leaves_knows_that_its_sibling_may_still_write() {
    explore(|| {
        run(false, Options::default(), 1);
    });
}

#[test]
fn the_lowest_thread_leads_whoever_comes_first() {
    let options = Options {
        call_in: CallIn::Flat,
        election: Election::Lowest,
        order: Order::Canary,
        ..Options::default()
    };
    check(true, options);
}
