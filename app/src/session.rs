//! One load after another: what lies between them, and what becomes of the
//! machine when its control CPU does not come back from one.

mod prepare;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::hint::spin_loop;

use cpu::{Native, Registers};
use hermit::watch;
use microcode::Cache;
use rendezvous::{Name, Order, Record};
use report::record::{Deviation, Final, Guard, Handover};
use report::{Hex32, Status};

use crate::complaints;
use crate::console::emit;
use crate::features;
use crate::job::Setup;
use crate::online;
use crate::records;
use crate::request::{DEPARTURE_TIMEOUT_NS, Request};
use crate::tests::{Stop, Tests};
use crate::verdicts::reported_outcome;
use crate::worker;

/// More deviations of later loads than this are counted and not shown.
const MAX_DEVIATIONS: u32 = 32;

/// How a session ended for the CPU that ran it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The report is complete.
    Reported,
    /// Another CPU has taken it over and will report.
    TakenOver,
}

/// A load that is under way.
#[derive(Debug)]
struct Round {
    request: Arc<Request>,
    began_ticks: u64,
}

/// What the loads so far came to.
#[derive(Debug, Default)]
struct History {
    nr_rounds: u32,
    nr_deviations: u32,
    /// The first thing that went wrong in a load after the first.
    complaint: Option<String>,
    /// By CPU: how often it wrote.
    nr_loads: Vec<u32>,
    /// Blocks and bytes of the heap in use after the first load that went well
    /// and after the last that did.
    heap: Option<[(u64, u64); 2]>,
}

/// All that the control CPU knows. It is on one CPU's stack or on the workers'
/// desk, and whoever has it is the control CPU.
#[derive(Debug)]
pub(crate) struct Session {
    setup: Setup,
    tests: Tests,
    cache: Cache,
    control: u32,
    round: Option<Round>,
    history: History,
    /// By CPU: the load that it did not come out of with its revision read. It
    /// takes part in no other until it has.
    lost: Vec<Option<Arc<Request>>>,
}

impl Session {
    pub(crate) fn new(setup: Setup, tests: Tests) -> Self {
        let nr_cpus = setup.probes.len();
        let lost = setup.probes.iter().map(|_| None).collect();
        Self {
            setup,
            tests,
            cache: Cache::default(),
            control: 0,
            round: None,
            history: History {
                nr_loads: vec![0; nr_cpus],
                ..History::default()
            },
            lost,
        }
    }

    pub(crate) fn control(&self) -> u32 {
        self.control
    }

    /// How long the control CPU may take in a load before it is replaced.
    pub(crate) fn patience_us(&self) -> u64 {
        let arguments = &self.setup.arguments;
        let topology = &self.setup.topology;
        let nr_steps = match (arguments.protocol, arguments.options.order) {
            (Name::Muster, Order::Parallel) => 1,
            (Name::Muster, Order::Canary) => 2,
            (Name::Muster, Order::Serial) => topology.nr_cores(),
            // Their control CPU may wait for each of the others.
            _ => topology.nr_cpus(),
        };
        let timeouts = arguments.timeouts;
        timeouts.offline_us
            + timeouts.call_in_us
            + timeouts.update_us.saturating_mul(u64::from(nr_steps) + 1)
            + DEPARTURE_TIMEOUT_NS / 1000
    }

    /// Loads as often as was asked for, and reports.
    pub(crate) fn run(mut self: Box<Self>) -> End {
        loop {
            let request = match self.prepare() {
                Ok(Some(request)) => request,
                Ok(None) => break,
                Err(Stop(status, reason)) => {
                    self.tests.stop(status, &reason);
                    break;
                }
            };
            match worker::call(self, &request) {
                Some(session) => self = session,
                None => return End::TakenOver,
            }
            drop(request);
            self.conclude();
        }
        self.close();
        End::Reported
    }

    /// Goes on in place of a control CPU that did not come back.
    pub(crate) fn take_over(mut self: Box<Self>, cpu: u32) -> End {
        let from = core::mem::replace(&mut self.control, cpu);
        self.conclude();
        emit(&Handover { from, to: cpu });
        self.run()
    }

    fn is_first(&self) -> bool {
        self.history.nr_rounds == 0
    }

    /// Looks at what came of a load.
    fn conclude(&mut self) {
        let Some(round) = self.round.take() else {
            return;
        };
        let Round {
            request,
            began_ticks,
        } = round;
        let seen = request.finish();
        let request_ns = self
            .setup
            .clock
            .ns(Native.read_tsc().wrapping_sub(began_ticks));
        request.note_features(self.control);
        request.await_features();
        let records = request.rendezvous.records();
        if self.is_first() {
            self.report(&request, &seen, &records);
        }
        self.history.nr_rounds += 1;
        for (nr_loads, record) in self.history.nr_loads.iter_mut().zip(&records) {
            *nr_loads += u32::from(record.moments.load_start_ns.is_some());
        }
        let number = self.history.nr_rounds;
        if self.setup.arguments.has_all_times && number > 1 {
            records::further_times(number, &records);
        }
        let nr_failed = self.note_deviations(&request, &seen, &records);
        self.settle(&request);
        let nr_cpus = request.rendezvous.plan().nr_called();
        let revision = request.plan.shares().find_map(|share| share.target);
        self.look_at_cpus(&request);
        let spans = records::spans(&request, &records);
        drop((request, records));
        if self.setup.arguments.nr_rounds > 1 {
            self.note_round(report::record::Round {
                number: self.history.nr_rounds,
                revision: revision.map(Hex32),
                nr_cpus,
                nr_failed,
                request_ns,
                call_in_skew_ns: spans.call_in_skew_ns,
                gate_ns: spans.gate_ns,
                load_ns: spans.load_ns,
                stall_ns: spans.stall_ns,
                nr_blocks: 0,
                nr_bytes: 0,
            });
        }
    }

    /// Reports the first load in full, and ends its tests.
    fn report(&mut self, request: &Request, seen: &Guard, records: &[Record]) {
        let plan = &request.plan;
        let probes = &self.setup.probes;
        emit(seen);
        self.tests
            .check(complaints::of_rendezvous(request, seen, records));
        records::cpus(probes, plan, request, records);
        features::report_changes(probes, request);
        if request.rendezvous.opened() {
            self.tests.check(complaints::of_load(plan, records));
            let topology = &self.setup.topology;
            let complaint = complaints::of_revisions(plan, request, topology);
            self.tests
                .check(complaint.or_else(|| features::complaint(probes, plan, request)));
        } else {
            let reason = "nobody loaded: the gate was closed";
            self.tests.end(Status::Skip, reason);
            self.tests.end(Status::Skip, reason);
        }
    }

    /// Reports the CPUs that a later load went wrong on; how many there are, in
    /// whichever load.
    fn note_deviations(&mut self, request: &Request, seen: &Guard, records: &[Record]) -> u32 {
        let plan = &request.plan;
        let number = self.history.nr_rounds;
        let mut nr_failed = 0;
        for (cpu, record) in complaints::failures(plan, records) {
            nr_failed += 1;
            if number == 1 {
                continue;
            }
            self.history.nr_deviations += 1;
            if self.history.nr_deviations <= MAX_DEVIATIONS {
                let planned = plan.share(cpu).otherwise;
                emit(&Deviation {
                    number,
                    cpu,
                    after: request.revisions.of(cpu).map(Hex32),
                    outcome: reported_outcome(record.outcome, planned),
                });
            }
        }
        if number > 1 && self.history.complaint.is_none() {
            let complaint = complaints::of_rendezvous(request, seen, records)
                .or_else(|| complaints::of_load(plan, records))
                .or_else(|| complaints::of_revisions(plan, request, &self.setup.topology));
            self.history.complaint = complaint.map(|what| format!("load {number}: {what}"));
        }
        nr_failed
    }

    /// Tells the cache whether the CPUs took their updates, and reports what it
    /// holds after the first load.
    fn settle(&mut self, request: &Request) {
        for (share, mut cpus) in request.plan.loading_kinds() {
            let is_taken = cpus.any(|cpu| request.revisions.of(cpu) == share.target);
            let state = if !request.rendezvous.opened() {
                "on-trial"
            } else if is_taken {
                self.cache.prove(&share.kind);
                "proven"
            } else {
                self.cache.reject(&share.kind);
                "rejected"
            };
            if self.history.nr_rounds == 1 {
                records::cached(share, state);
            }
        }
    }

    /// Notes what each CPU shows now, and who did not come back.
    fn look_at_cpus(&mut self, request: &Arc<Request>) {
        let clock = self.setup.clock;
        let now_ns = || clock.ns(Native.read_tsc());
        let deadline_ns = now_ns() + DEPARTURE_TIMEOUT_NS;
        let is_out = |cpu| !request.concerns(cpu) || request.has_finished(cpu);
        let are_all_out = || (0..self.lost.len() as u32).all(is_out);
        // One that came too late for this load may take part in the next.
        let is_next = self.history.nr_rounds < self.setup.arguments.nr_rounds;
        while is_next && !are_all_out() && now_ns() < deadline_ns {
            spin_loop();
        }
        let mut nr_lost = 0;
        for (cpu, (probe, lost)) in (0..).zip(self.setup.probes.iter_mut().zip(&mut self.lost)) {
            let of_its_last = lost.as_deref().unwrap_or(request);
            if let Some(revision) = of_its_last.revisions.of(cpu) {
                probe.revision = revision;
                if let Some(features) = of_its_last.features_of(cpu) {
                    probe.features = features;
                }
                *lost = None;
            } else if lost.is_none() && request.concerns(cpu) && request.nr_unanswered().is_none() {
                *lost = Some(Arc::clone(request));
                nr_lost += 1;
            }
        }
        // Those who are back are about to let go of it: whoever does so last frees
        // it, which must not happen while CPUs are stopped.
        let nr_holders = || Arc::strong_count(request);
        let deadline_ns = now_ns() + DEPARTURE_TIMEOUT_NS;
        // This one, the lost CPUs' own, and what is noted for them.
        while nr_holders() > 1 + 2 * nr_lost && now_ns() < deadline_ns {
            spin_loop();
        }
    }

    fn note_round(&mut self, round: report::record::Round) {
        let heap = watch::heap();
        // After a failure the cache holds something else.
        if round.nr_failed == 0 {
            let first = self.history.heap.map_or(heap, |[first, _]| first);
            self.history.heap = Some([first, heap]);
        }
        emit(&report::record::Round {
            nr_blocks: heap.0,
            nr_bytes: heap.1,
            ..round
        });
    }

    fn report_finals(&self) {
        let cpus = self.setup.probes.iter().zip(&self.lost);
        for (cpu, ((probe, lost), nr_loads)) in (0..).zip(cpus.zip(&self.history.nr_loads)) {
            emit(&Final {
                cpu,
                revision: lost.is_none().then_some(Hex32(probe.revision)),
                nr_loads: *nr_loads,
            });
        }
    }

    /// Ends the test of all loads.
    fn conclude_repeat(&mut self) {
        self.report_finals();
        let complaint = self.history.complaint.take();
        // Who is lost keeps what it reads, and gives it back if it returns.
        let is_nobody_lost = self.lost.iter().all(Option::is_none);
        let heap = self.history.heap.filter(|_| is_nobody_lost);
        let grown = heap
            .filter(|[first, last]| last.0 > first.0 || last.1 > first.1)
            .map(|[first, last]| {
                format!(
                    "the heap grew from {} blocks of {} bytes to {} of {}",
                    first.0, first.1, last.0, last.1
                )
            });
        self.tests.check(complaint.or(grown));
    }

    /// Ends the last tests and the report.
    fn close(mut self: Box<Self>) {
        if self.setup.arguments.nr_rounds > 1 && !self.tests.are_over() {
            self.conclude_repeat();
        }
        if !self.tests.are_over() {
            online::bring_all(self.cache, &mut self.tests);
        }
        if let Some(model) = self.setup.model {
            records::tallies(model, self.setup.probes.len() as u32);
        }
        self.tests.close();
    }
}
