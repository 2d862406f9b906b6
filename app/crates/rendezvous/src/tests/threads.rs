extern crate std;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use crate::{
    CallIn, Election, GpFault, Machine, Name, Named, Nmi, OnHang, Options, Order, Outcome, Place,
    Plan, Record, Rendezvous, Role, Task, Timeouts, Topology,
};

const BEFORE: u32 = 0xea;
const TARGET: u32 = 0xf0;

/// What the write of a CPU does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Write {
    Takes,
    Faults,
    Ignored,
    Garbles,
    /// Returns after this many ms.
    Slow(u64),
}

/// Cores whose threads share a revision (or do not, as on AMD) and that notice
/// two threads inside a load.
struct Cores {
    revisions: Vec<AtomicU32>,
    inside: Vec<AtomicBool>,
    overlap: AtomicBool,
    shared: bool,
    nr_stopped: AtomicU32,
    start: Instant,
}

struct Cpu<'a> {
    cores: &'a Cores,
    number: usize,
    core: usize,
    write: Write,
}

impl Cpu<'_> {
    fn register(&self) -> &AtomicU32 {
        let index = if self.cores.shared {
            self.core
        } else {
            self.number
        };
        &self.cores.revisions[index]
    }
}

impl Machine for Cpu<'_> {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.cores.start.elapsed().as_nanos()).unwrap()
    }

    fn relax(&self) {
        thread::yield_now();
    }

    fn stop(&self) {
        self.cores.nr_stopped.fetch_add(1, Ordering::SeqCst);
    }

    fn go(&self) {
        self.cores.nr_stopped.fetch_sub(1, Ordering::SeqCst);
    }

    fn parse(&self) {}

    fn send_nmi(&self, cpu: u32) {
        panic!("nobody is soft-offline, not CPU {cpu} either");
    }

    fn panic(&self, message: &'static str) {
        panic!("{message}");
    }

    fn load(&self) -> Result<(), GpFault> {
        let inside = &self.cores.inside[self.core];
        if inside.swap(true, Ordering::SeqCst) {
            self.cores.overlap.store(true, Ordering::SeqCst);
        }
        match self.write {
            Write::Takes | Write::Slow(_) => self.register().store(TARGET, Ordering::SeqCst),
            Write::Garbles => self.register().store(0xbad, Ordering::SeqCst),
            Write::Faults | Write::Ignored => {}
        }
        if let Write::Slow(ms) = self.write {
            thread::sleep(Duration::from_millis(ms));
        }
        inside.store(false, Ordering::SeqCst);
        if self.write == Write::Faults {
            Err(GpFault)
        } else {
            Ok(())
        }
    }

    fn revision(&self) -> u32 {
        // A sibling that reads registers disturbs a load as much as one that
        // writes.
        if self.cores.inside[self.core].load(Ordering::SeqCst) {
            self.cores.overlap.store(true, Ordering::SeqCst);
        }
        self.register().load(Ordering::SeqCst)
    }
}

struct Run {
    nr_cores: u32,
    nr_threads: u32,
    followers_load: bool,
    protocol: Name,
    options: Options,
    timeouts: Timeouts,
    /// ms after the request at which each CPU comes; beyond the vector, at once.
    delays_ms: Vec<Option<u64>>,
    writes: Vec<Write>,
}

impl Cores {
    /// One that loads well.
    fn cpu(&self) -> Cpu<'_> {
        Cpu {
            cores: self,
            number: 0,
            core: 0,
            write: Write::Takes,
        }
    }
}

impl Run {
    fn new(nr_cores: u32, nr_threads: u32) -> Self {
        Self {
            nr_cores,
            nr_threads,
            followers_load: false,
            protocol: Name::Muster,
            options: Options::default(),
            timeouts: Timeouts {
                call_in_us: 2_000_000,
                update_us: 2_000_000,
                offline_us: 2_000_000,
            },
            delays_ms: vec![],
            writes: vec![],
        }
    }

    fn cores(&self) -> Cores {
        let nr_cpus = self.nr_cores * self.nr_threads;
        Cores {
            revisions: (0..nr_cpus).map(|_| AtomicU32::new(BEFORE)).collect(),
            inside: (0..nr_cpus).map(|_| AtomicBool::new(false)).collect(),
            overlap: AtomicBool::new(false),
            shared: !self.followers_load,
            nr_stopped: AtomicU32::new(0),
            start: Instant::now(),
        }
    }

    fn go(&self) -> (Rendezvous, Vec<Record>) {
        let nr_cpus = self.nr_cores * self.nr_threads;
        let places: Vec<Place> = (0..nr_cpus)
            .map(|cpu| Place {
                package: 0,
                core: cpu / self.nr_threads,
                thread: cpu % self.nr_threads,
                apic_id: cpu,
            })
            .collect();
        let task = Task::Load {
            before: BEFORE,
            target: TARGET,
        };
        let plan = Plan::new(
            Arc::new(Topology::new(&places)),
            vec![task; nr_cpus as usize],
            0,
            self.followers_load,
            self.options,
            self.timeouts,
        );
        let rendezvous = Rendezvous::new(self.protocol, plan);
        let cores = self.cores();
        rendezvous.request(&cores.cpu()).unwrap();
        thread::scope(|scope| {
            for cpu in 0..nr_cpus {
                let at = cpu as usize;
                let Some(delay_ms) = self.delays_ms.get(at).copied().unwrap_or(Some(0)) else {
                    continue;
                };
                let machine = Cpu {
                    cores: &cores,
                    number: at,
                    core: places[at].core as usize,
                    write: self.writes.get(at).copied().unwrap_or(Write::Takes),
                };
                let rendezvous = &rendezvous;
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(delay_ms));
                    rendezvous.attend(cpu, &machine);
                    if !rendezvous.core_loads(cpu) {
                        machine.revision();
                    }
                });
            }
        });
        assert!(
            !cores.overlap.load(Ordering::SeqCst),
            "a thread disturbed its sibling's load"
        );
        assert_eq!(
            cores.nr_stopped.load(Ordering::SeqCst),
            0,
            "a CPU left without running as before"
        );
        let records = rendezvous.records();
        (rendezvous, records)
    }
}

fn outcomes(records: &[Record]) -> Vec<Outcome> {
    records.iter().map(|record| record.outcome).collect()
}

#[test]
fn one_thread_of_each_core_leads_and_the_others_follow() {
    let (rendezvous, records) = Run::new(3, 2).go();
    assert!(rendezvous.opened());
    for core in records.chunks(2) {
        let nr_leaders = core.iter().filter(|r| r.role == Role::Leader).count();
        assert_eq!(nr_leaders, 1);
        for record in core {
            let expected = match record.role {
                Role::Leader => Outcome::Updated,
                _ => Outcome::Followed,
            };
            assert_eq!(record.outcome, expected);
            assert_eq!(record.after, Some(TARGET));
        }
    }
}

#[test]
fn moments_come_in_order() {
    let (_, records) = Run::new(2, 1).go();
    let last_call_in = records.iter().filter_map(|r| r.moments.called_in_ns).max();
    for record in &records {
        let m = record.moments;
        assert!(m.called_in_ns <= m.gate_ns);
        assert!(
            last_call_in <= m.gate_ns,
            "the gate opened before all had come"
        );
        assert!(m.gate_ns <= m.load_start_ns);
        assert!(m.load_start_ns <= m.load_end_ns);
        assert!(m.load_end_ns <= m.left_ns && m.left_ns.is_some());
    }
}

#[test]
fn where_every_thread_writes_they_write_one_after_another() {
    let mut run = Run::new(2, 4);
    run.followers_load = true;
    run.writes = vec![Write::Slow(2); 8];
    let (_, records) = run.go();
    for core in records.chunks(4) {
        let mut spans: Vec<_> = core
            .iter()
            .map(|r| {
                (
                    r.moments.load_start_ns.unwrap(),
                    r.moments.load_end_ns.unwrap(),
                )
            })
            .collect();
        spans.sort_unstable();
        assert!(
            spans.windows(2).all(|pair| pair[0].1 <= pair[1].0),
            "{spans:?}"
        );
        assert!(core.iter().all(|r| r.after == Some(TARGET)));
    }
}

#[test]
fn a_cpu_that_never_comes_is_late_and_nobody_loads() {
    let mut run = Run::new(2, 2);
    run.timeouts.call_in_us = 20_000;
    run.delays_ms = vec![Some(0), Some(0), None, Some(0)];
    let (rendezvous, records) = run.go();
    assert!(!rendezvous.opened());
    assert_eq!(
        outcomes(&records),
        [
            Outcome::Aborted,
            Outcome::Aborted,
            Outcome::Late,
            Outcome::Aborted
        ]
    );
    assert!(records.iter().all(|r| r.moments.load_start_ns.is_none()));
}

#[test]
fn a_cpu_that_comes_after_the_gate_closed_leaves_at_once_without_loading() {
    let mut run = Run::new(2, 1);
    run.timeouts.call_in_us = 10_000;
    run.delays_ms = vec![Some(0), Some(300)];
    let (_, records) = run.go();
    assert_eq!(outcomes(&records), [Outcome::Aborted, Outcome::Late]);
    assert_eq!(records[1].moments.load_start_ns, None);
    assert!(records[1].moments.left_ns.is_some());
}

#[test]
fn each_way_that_a_write_can_go_wrong_has_its_outcome() {
    let mut run = Run::new(4, 1);
    run.writes = vec![Write::Takes, Write::Faults, Write::Ignored, Write::Garbles];
    let (_, records) = run.go();
    assert_eq!(
        outcomes(&records),
        [
            Outcome::Updated,
            Outcome::GpFault,
            Outcome::NotTaken,
            Outcome::Mismatch
        ]
    );
    assert_eq!(records[3].after, Some(0xbad));
}

#[test]
fn a_hung_leader_is_left_behind_by_all_others() {
    let mut run = Run::new(2, 1);
    run.timeouts.update_us = 30_000;
    run.writes = vec![Write::Slow(600), Write::Takes];
    let (_, records) = run.go();
    let left = |cpu: usize| records[cpu].moments.left_ns.unwrap();
    assert!(left(1) + 300_000_000 < left(0), "{records:?}");
    assert_eq!(records[1].outcome, Outcome::Updated);
}

#[test]
fn the_sibling_of_a_hung_leader_leaves_without_touching_the_core() {
    let mut run = Run::new(1, 2);
    run.timeouts.update_us = 30_000;
    run.writes = vec![Write::Slow(600); 2];
    let (_, records) = run.go();
    let mut outcomes = outcomes(&records);
    outcomes.sort_by_key(|outcome| *outcome as u32);
    assert_eq!(outcomes, [Outcome::Updated, Outcome::Aborted]);
}

#[test]
fn the_notes_of_a_leader_inside_its_load_say_hung() {
    let slot = crate::slot::Slot::<AtomicU32>::default();
    assert_eq!(slot.outcome(), Outcome::Late);
    slot.enter_load();
    assert_eq!(slot.outcome(), Outcome::Hung);
    slot.conclude(Outcome::Updated, Some(TARGET));
    assert_eq!(slot.outcome(), Outcome::Updated);
}

#[test]
fn a_core_that_was_given_up_is_never_begun_on() {
    let turn = crate::core_turn::CoreTurn::<AtomicU32>::default();
    turn.give_up();
    assert!(turn.is_given_up());
    let run = Run::new(1, 1);
    let cores = run.cores();
    assert!(
        turn.begin(turn.take_ticket(), &cores.cpu(), u64::MAX, || {})
            .is_err()
    );
}

/// Every choice of the protocol, on both vendors' CPUs.
#[test]
fn whatever_is_chosen_every_cpu_ends_on_the_target() {
    for &call_in in CallIn::ALL {
        for &election in Election::ALL {
            for &order in Order::ALL {
                for followers_load in [false, true] {
                    let mut run = Run::new(3, 2);
                    run.followers_load = followers_load;
                    run.options = Options {
                        call_in,
                        election,
                        order,
                        on_hang: OnHang::Panic,
                        nmi: Nmi::Hold,
                    };
                    let (_, records) = run.go();
                    let on_target = |r: &Record| r.after == Some(TARGET);
                    assert!(
                        records.iter().all(on_target),
                        "{:?} {records:?}",
                        run.options
                    );
                    if election == Election::Lowest {
                        let leads = |r: &Record| r.role == Role::Leader;
                        assert!(records.chunks(2).all(|core| leads(&core[0])));
                    }
                }
            }
        }
    }
}

#[test]
fn serial_cores_load_one_after_another() {
    let mut run = Run::new(4, 1);
    run.options.order = Order::Serial;
    run.writes = vec![Write::Slow(2); 4];
    let (_, records) = run.go();
    let moments = |r: &Record| (r.moments.load_start_ns, r.moments.load_end_ns);
    let spans: Vec<_> = records.iter().map(moments).collect();
    assert!(
        spans.windows(2).all(|pair| pair[0].1 <= pair[1].0),
        "{spans:?}"
    );
}

#[test]
fn a_canary_that_fails_keeps_the_others_untouched() {
    for write in [Write::Faults, Write::Ignored, Write::Garbles] {
        let mut run = Run::new(3, 1);
        run.options.order = Order::Canary;
        run.writes = vec![write];
        let (_, records) = run.go();
        assert!(!matches!(records[0].outcome, Outcome::Updated));
        assert_eq!(outcomes(&records)[1..], [Outcome::Aborted; 2]);
        assert!(
            records[1..]
                .iter()
                .all(|r| r.moments.load_start_ns.is_none())
        );
    }
}

#[test]
fn a_canary_that_hangs_keeps_the_others_untouched() {
    let mut run = Run::new(3, 1);
    run.options.order = Order::Canary;
    run.timeouts.update_us = 30_000;
    run.writes = vec![Write::Slow(600)];
    let (_, records) = run.go();
    assert_eq!(outcomes(&records)[1..], [Outcome::Aborted; 2]);
}

#[test]
fn each_protocol_brings_all_cores_to_the_target() {
    for &protocol in Name::ALL {
        let mut run = Run::new(4, 1);
        run.protocol = protocol;
        let (rendezvous, records) = run.go();
        assert_eq!(outcomes(&records), [Outcome::Updated; 4], "{protocol:?}");
        assert_eq!(rendezvous.name(), protocol);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_arrival_order_ends_in_all_or_none(
        delays_ms in prop::collection::vec(prop::option::weighted(0.9, 0_u64..8), 4),
        call_in_ms in 1_u64..8,
        followers_load: bool,
    ) {
        let mut run = Run::new(2, 2);
        run.followers_load = followers_load;
        run.timeouts.call_in_us = call_in_ms * 1000;
        run.delays_ms = delays_ms;
        let (rendezvous, records) = run.go();
        for record in &records {
            let loaded = matches!(record.outcome, Outcome::Updated | Outcome::Followed);
            prop_assert_eq!(loaded, rendezvous.opened());
        }
    }
}
