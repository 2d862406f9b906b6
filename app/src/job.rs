//! The main job: the five tests of a load, in their order, and their records.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use cpu::tsc::{Clock, TscFrequency};
use cpu::update::Loadable;
use cpu::{Native, Registers};
use hermit::ring0;
use microcode::{Cache, Cached, Policy, Scan, Severity, Verdict};
use rendezvous::{Place, Record, Rendezvous, Topology};
use report::ktap::VERSION_LINE;
use report::record::{Guard, Prepare};
use report::{Hex32, Outcome, Status, TESTS};

use crate::arguments::{Arguments, Fault, Job};
use crate::console::emit;
use crate::features::{self, After};
use crate::hardware::Model;
use crate::plan::{Plan, Share};
use crate::request::{Request, Revisions, Work};
use crate::tests::Tests;
use crate::verdicts::reported_outcome;
use crate::worker::Probe;
use crate::{conformance, initrd, records, worker};

/// How many of the tests are about the plan.
const NR_TESTS_OF_PLAN: usize = 2;

/// The current test's end when no later one can be made.
struct Stop(Status, String);

/// Does what the command line asks for and reports it.
pub(crate) fn run() {
    emit(&VERSION_LINE);
    let arguments = Arguments::parse(ring0::args());
    let job = arguments
        .as_ref()
        .map_or(Job::Load, |arguments| arguments.job);
    let names = match (job, &arguments) {
        (Job::Conformance | Job::Reads { .. }, Ok(arguments)) => {
            return conformance::run(arguments);
        }
        (Job::DryRun, _) => &TESTS[..NR_TESTS_OF_PLAN],
        _ => &TESTS[..],
    };
    let mut tests = Tests::plan(names.iter().copied());
    let end = arguments
        .map_err(|reason| Stop(Status::Error, reason))
        .and_then(|arguments| stages(&mut tests, &arguments));
    if let Err(Stop(status, reason)) = end {
        tests.stop(status, &reason);
    }
    tests.close();
}

/// The time-stamp counter's frequency: what the CPU says, or what the kernel
/// has measured.
pub(crate) fn tsc_frequency() -> TscFrequency {
    cpu::tsc::frequency(&Native).unwrap_or(TscFrequency {
        khz: u32::from(ring0::tsc_mhz()) * 1000,
        source: "pit",
    })
}

fn stages(tests: &mut Tests, arguments: &Arguments) -> Result<(), Stop> {
    let error = |reason| Stop(Status::Error, reason);
    let entry_ticks = Native.read_tsc().wrapping_sub(muster_boot::entry_tsc());
    let frequency = tsc_frequency();
    let clock = Clock::new(frequency.khz);

    // Before the workers start: they wait by spinning.
    let (bytes, source) = initrd::find();
    let started = Native.read_tsc();
    let scan = microcode::scan(bytes);
    let scan_ns = clock.ns(Native.read_tsc().wrapping_sub(started));

    let mut probes = worker::start().map_err(error)?;
    let topology = topology(&probes);
    let model = arguments
        .is_modelled
        .then(|| Model::of(&probes, &topology, clock, &arguments.model))
        .transpose()
        .map_err(error)?;
    if let Some(model) = model {
        for (cpu, probe) in (0..).zip(&mut probes) {
            probe.revision = model.engine.revision(model.thread(cpu));
            probe.features = features::modelled(model, cpu, probe.features);
        }
    }
    records::header(
        &probes[0],
        &topology,
        frequency,
        clock.ns(entry_ticks) / 1000,
        arguments,
    );
    records::absent();
    records::initrd(&scan, source, bytes.len());
    judge_initrd(tests, &scan, bytes.len())?;

    let mut cache = Cache::default();
    let policy = Policy {
        force: arguments.force,
        ..Policy::default()
    };
    let plan = Plan::make(&probes, &scan, &policy, &mut cache).map_err(error)?;
    emit(&Prepare {
        scan_ns,
        judge_ns: clock.ns(plan.judge_ticks),
        cache_ns: clock.ns(plan.cache_ticks),
    });
    records::candidates(&scan, &plan);
    let is_dry = arguments.job == Job::DryRun;
    if is_dry || !plan.loads() {
        records::idle_cpus(&probes, &plan);
    }
    judge_plan(tests, &plan)?;
    if is_dry {
        return Ok(());
    }
    if !plan.loads() {
        let reason = "every CPU runs the newest update already";
        tests.end(Status::Skip, reason);
        tests.end(Status::Skip, reason);
        tests.end(Status::Pass, "");
        return Ok(());
    }

    pull_lever(arguments.fault);
    let request =
        request(&probes, topology, &plan, &cache, clock, arguments, model).map_err(error)?;
    let (request, seen) = worker::call(request);
    let records = request.rendezvous.records();
    emit(&seen);
    tests.check(rendezvous_complaint(request, &seen, &records));
    records::cpus(&probes, &plan, request, &records);
    features::report_changes(&probes, request);
    if let Some(model) = model {
        records::tallies(model, probes.len() as u32);
    }
    settle(&plan, request, &mut cache);
    if !request.rendezvous.opened() {
        let reason = "nobody loaded: the gate was closed";
        return Err(Stop(Status::Skip, reason.into()));
    }
    tests.check(load_complaint(&plan, &records));
    let complaint = verify_complaint(&plan, request);
    tests.check(complaint.or_else(|| features::complaint(&probes, &plan, request)));
    Ok(())
}

pub(crate) fn topology(probes: &[Probe]) -> Topology {
    let places: Vec<Place> = probes
        .iter()
        .map(|probe| Place {
            package: probe.place.package,
            core: probe.place.core,
            thread: probe.place.thread,
            apic_id: probe.place.apic_id,
        })
        .collect();
    Topology::new(&places)
}

/// Test `initrd`: there is microcode, and none of it is damaged.
fn judge_initrd(tests: &mut Tests, scan: &Scan<'_>, nr_bytes: usize) -> Result<(), Stop> {
    if nr_bytes == 0 {
        let reason = "the initrd is empty: give one at boot or build one into the image";
        return Err(Stop(Status::Error, reason.into()));
    }
    let damage = scan
        .findings
        .iter()
        .find(|finding| finding.kind.severity() == Severity::Error)
        .map(ToString::to_string);
    if scan.candidates.is_empty() {
        let reason = format!(
            "no microcode in {nr_bytes} bytes of format {}",
            scan.format.name()
        );
        return Err(Stop(Status::Fail, damage.unwrap_or(reason)));
    }
    tests.check(damage);
    Ok(())
}

/// Test `cache`: there is an update for the CPUs of this machine.
fn judge_plan(tests: &mut Tests, plan: &Plan) -> Result<(), Stop> {
    if let Some(damage) = plan.damaged {
        let reason = format!("an update for this CPU is there, but cannot be used: {damage}");
        return Err(Stop(Status::Fail, reason));
    }
    if plan.shares.iter().all(|share| share.target.is_none()) {
        let reasons = plan.shares.first().map(|share| {
            let signature = Hex32(share.kind.signature);
            match share.reason {
                None | Some(Verdict::Signature) => {
                    format!("no update is for signature {signature}")
                }
                Some(Verdict::Platform) => format!(
                    "no update for signature {signature} is for platform id {}",
                    share.kind.platform_id
                ),
                Some(closest) => format!(
                    "no update for signature {signature} may be loaded: the closest is refused as \
                     '{closest}'"
                ),
            }
        });
        return Err(Stop(Status::Skip, reasons.unwrap_or_default()));
    }
    tests.end(Status::Pass, "");
    Ok(())
}

/// Does what the command line asked to go wrong before the request.
fn pull_lever(fault: Option<Fault>) {
    #[expect(unconditional_recursion, reason = "it shall overflow the stack")]
    fn overflow(depth: u64) -> u64 {
        core::hint::black_box(overflow(depth + 1)) + depth
    }

    match fault {
        Some(Fault::Panic) => panic!("asked for by fault=panic"),
        Some(Fault::Exception) => {
            overflow(0);
        }
        Some(Fault::Hang) => loop {
            cpu::interrupts::wait();
        },
        Some(
            Fault::NeverArrives(_) | Fault::FaultingWrite(_) | Fault::Unquiet(_) | Fault::Disturb,
        )
        | None => {}
    }
}

/// Puts together all that the workers need, so that they need nothing more.
fn request(
    probes: &[Probe],
    topology: Topology,
    plan: &Plan,
    cache: &Cache,
    clock: Clock,
    arguments: &Arguments,
    model: Option<&'static Model>,
) -> Result<Box<Request>, String> {
    // A CPU may hang in its load and read the update for ever.
    let forever = |cached: &Arc<Cached>| -> &'static Cached { Box::leak(Box::new(cached.clone())) };
    let work = probes
        .iter()
        .zip(&plan.shares)
        .map(|(probe, share)| {
            let vendor = probe.identity.vendor;
            let update = cache
                .lookup(&share.kind)
                .filter(|_| share.loads())
                .map(|cached| Loadable::new(vendor, forever(cached).bytes()))
                .transpose()
                .map_err(|bad| format!("the cached update cannot be loaded: {bad:?}"))?;
            Ok(Work {
                vendor,
                update,
                candidate: share.candidate,
                memory: update.map(|update| update.bytes()),
            })
        })
        .collect::<Result<_, String>>()?;
    let nr_cpus = topology.nr_cpus();
    let followers_load = probes[0].identity.vendor == cpu::Vendor::Amd;
    let tasks = plan.shares.iter().map(Share::task).collect();
    let plan = rendezvous::Plan::new(
        topology,
        tasks,
        followers_load,
        arguments.options,
        arguments.timeouts,
    );
    Ok(Box::new(Request {
        rendezvous: Rendezvous::new(arguments.protocol, plan),
        work,
        clock,
        model,
        fault: arguments.fault,
        revisions: Revisions::new(nr_cpus),
        features: After::new(nr_cpus),
    }))
}

/// Tells the cache whether the CPUs took their updates, and reports what it
/// holds then.
fn settle(plan: &Plan, request: &Request, cache: &mut Cache) {
    for (share, mut cpus) in plan.loading_kinds() {
        let is_taken = cpus.any(|cpu| request.revisions.of(cpu) == share.target);
        let state = if !request.rendezvous.opened() {
            "on-trial"
        } else if is_taken {
            cache.prove(&share.kind);
            "proven"
        } else {
            cache.reject(&share.kind);
            "rejected"
        };
        records::cached(share, state);
    }
}

/// Counts CPUs for a sentence.
fn count(records: &[Record], what: impl Fn(&Record) -> bool) -> usize {
    records.iter().filter(|record| what(record)).count()
}

/// Test `rendezvous`: all came, the gate opened, and the window was quiet.
fn rendezvous_complaint(request: &Request, seen: &Guard, records: &[Record]) -> Option<String> {
    let nr_absent = ring0::absent_cpus().len();
    if !request.rendezvous.opened() {
        let nr_late = count(records, |r| r.outcome == rendezvous::Outcome::Late);
        return Some(format!(
            "{nr_late} of {} CPUs did not call in in time",
            records.len()
        ));
    }
    if seen.nr_allocations > 0 || seen.nr_writes > 0 {
        return Some(format!(
            "{} allocations and {} console writes while CPUs were stopped",
            seen.nr_allocations, seen.nr_writes
        ));
    }
    (nr_absent > 0).then(|| format!("{nr_absent} of the CPUs that firmware lists did not come up"))
}

/// Test `load`: what each CPU set out to do, it did.
fn load_complaint(plan: &Plan, records: &[Record]) -> Option<String> {
    let failed = |(share, record): &(&Share, &Record)| {
        share.loads() && !reported_outcome(record.outcome, share.otherwise).is_success()
    };
    let mut failures = plan.shares.iter().zip(records).filter(failed);
    let (_, first) = failures.next()?;
    let nr_failed = 1 + failures.count();
    Some(format!(
        "{nr_failed} of {} CPUs failed, the first as {}",
        records.len(),
        reported_outcome(first.outcome, Outcome::Refused)
    ))
}

/// Test `verify`: every CPU with a target shows it, read once more.
fn verify_complaint(plan: &Plan, request: &Request) -> Option<String> {
    let (mut nr_targeted, mut nr_off) = (0, 0);
    for (cpu, share) in (0..).zip(&plan.shares) {
        if let Some(target) = share.target {
            nr_targeted += 1;
            nr_off += u32::from(request.revisions.of(cpu) != Some(target));
        }
    }
    (nr_off > 0).then(|| format!("{nr_off} of {nr_targeted} CPUs are not on their target revision"))
}
