//! The main job: the five tests of a run, in their order, and their records.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use cpu::tsc::{Clock, TscFrequency};
use cpu::update::Loadable;
use cpu::{Native, Registers};
use hermit::ring0;
use microcode::{Cache, Policy, Scan, Severity};
use rendezvous::{Muster, Place, Record, Topology};
use report::ktap::{Plan as TestPlan, TestLine, VERSION_LINE};
use report::logfmt::{Date, Flags};
use report::record;
use report::{HardwareKind, Hex32, InitrdSource, Outcome, Status, TESTS, Totals};

use crate::arguments::{Arguments, Fault};
use crate::console::emit;
use crate::plan::Plan;
use crate::request::{Request, Revisions, Seen, Work};
use crate::verdicts::{reported_outcome, reported_role, reported_vendor, reported_verdict};
use crate::worker::Probe;
use crate::{initrd, worker};

/// More damages than this are counted and not shown.
const MAX_FINDINGS: usize = 32;

/// Writes the tests' lines.
#[derive(Default)]
struct Tests {
    nr_done: usize,
    totals: Totals,
}

impl Tests {
    fn end(&mut self, status: Status, reason: &str) {
        self.totals.count(status);
        emit(&TestLine {
            number: self.nr_done as u32 + 1,
            name: TESTS[self.nr_done],
            status,
            reason,
        });
        self.nr_done += 1;
    }

    /// Passes if there is nothing to say against it.
    fn check(&mut self, complaint: Option<String>) {
        match complaint {
            None => self.end(Status::Pass, ""),
            Some(complaint) => self.end(Status::Fail, &complaint),
        }
    }
}

/// The current test's end when no later one can be made.
struct Stop(Status, String);

/// Does everything and reports it.
pub(crate) fn run() {
    emit(&VERSION_LINE);
    let mut tests = Tests::default();
    if let Err(Stop(status, reason)) = stages(&mut tests) {
        tests.end(status, &reason);
        while tests.nr_done < TESTS.len() {
            tests.end(Status::Skip, &reason);
        }
    }
    emit(&tests.totals);
}

fn stages(tests: &mut Tests) -> Result<(), Stop> {
    let error = |reason| Stop(Status::Error, reason);
    let entry_tsc = Native.read_tsc();
    let frequency = cpu::tsc::frequency(&Native).unwrap_or(TscFrequency {
        khz: u32::from(ring0::tsc_mhz()) * 1000,
        source: "pit",
    });
    let clock = Clock::new(frequency.khz);
    let arguments = Arguments::parse(ring0::args()).map_err(error)?;

    // Before the workers start: they wait by spinning.
    let (bytes, source) = initrd::find();
    let scan = microcode::scan(bytes);

    let probes = worker::start().map_err(error)?;
    let topology = topology(&probes);
    emit_header(&probes, &topology, frequency, clock.ns(entry_tsc) / 1000)?;
    emit_absent();
    emit_initrd(&scan, source, bytes.len());
    judge_initrd(tests, &scan, bytes.len())?;

    let mut cache = Cache::new();
    let policy = Policy {
        force: arguments.force,
    };
    let plan = Plan::make(&probes, &scan.candidates, policy, &mut cache).map_err(error)?;
    emit_candidates(&scan, &plan);
    if let Err(stop) = judge_plan(tests, &plan) {
        emit_idle_cpus(&probes, &plan);
        return Err(stop);
    }
    if !plan.loads() {
        emit_idle_cpus(&probes, &plan);
        let reason = "every CPU runs the newest update already";
        tests.end(Status::Skip, reason);
        tests.end(Status::Skip, reason);
        tests.end(Status::Pass, "");
        return Ok(());
    }

    pull_lever(arguments.fault);
    let request = request(&probes, topology, &plan, cache, clock, &arguments).map_err(error)?;
    let request = worker::call(request);
    let records = request.muster.records();
    emit(&request.seen.record());
    tests.check(rendezvous_complaint(request, &records));
    emit_cpus(&probes, &plan, request, &records);
    if !request.muster.opened() {
        return Err(Stop(Status::Skip, "nobody loaded: the gate was closed".into()));
    }
    tests.check(load_complaint(&plan, &records));
    tests.check(verify_complaint(&plan, request));
    Ok(())
}

fn topology(probes: &[Probe]) -> Topology {
    let places: Vec<Place> = probes
        .iter()
        .map(|probe| Place {
            package: probe.place.package,
            core: probe.place.core,
            thread: probe.place.thread,
        })
        .collect();
    Topology::new(&places)
}

fn emit_header(
    probes: &[Probe],
    topology: &Topology,
    frequency: TscFrequency,
    entry_us: u64,
) -> Result<(), Stop> {
    let control = probes
        .first()
        .ok_or_else(|| Stop(Status::Error, "the kernel counts no CPU".into()))?;
    let hypervisor = cpu::identity::hypervisor(&Native).map(|name| name.to_string());
    emit(&record::Header {
        version: env!("CARGO_PKG_VERSION"),
        schema: report::SCHEMA,
        protocol: rendezvous::PROTOCOL,
        hardware: HardwareKind::Msr,
        vendor: reported_vendor(crate::verdicts::microcode_vendor(control.identity.vendor)),
        signature: Hex32(control.identity.signature),
        platform: control.identity.platform_id,
        nr_cpus: topology.nr_cpus(),
        nr_cores: topology.nr_cores(),
        tsc_khz: frequency.khz,
        tsc_source: frequency.source,
        hypervisor: hypervisor.as_deref(),
        entry_us,
    });
    emit(&TestPlan {
        nr_tests: TESTS.len() as u32,
    });
    Ok(())
}

fn emit_absent() {
    for (apic_id, reason) in ring0::absent_cpus() {
        emit(&record::Absent {
            apic_id: apic_id.into(),
            reason,
        });
    }
}

fn emit_initrd(scan: &Scan<'_>, source: InitrdSource, nr_bytes: usize) {
    emit(&record::Initrd {
        source,
        nr_bytes: nr_bytes as u64,
        nr_candidates: scan.candidates.len() as u32,
        nr_findings: scan.findings.len() as u32,
    });
    for finding in scan.findings.iter().take(MAX_FINDINGS) {
        emit(&record::Finding {
            offset: finding.offset as u64,
            kind: finding.kind.name(),
            message: &finding.to_string(),
        });
    }
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
        .map(|finding| format!("at byte {}: {finding}", finding.offset));
    if scan.candidates.is_empty() {
        let reason = format!("no microcode in {nr_bytes} bytes of format {}", scan.format.name());
        return Err(Stop(Status::Fail, damage.unwrap_or(reason)));
    }
    tests.check(damage);
    Ok(())
}

fn emit_candidates(scan: &Scan<'_>, plan: &Plan) {
    for (candidate, &verdict) in scan.candidates.iter().zip(&plan.verdicts) {
        let update = &candidate.update;
        let date = update.date();
        emit(&record::Candidate {
            index: candidate.index,
            vendor: reported_vendor(update.vendor()),
            signature: update.signature().map(Hex32),
            flags: update.flags().map(Flags),
            revision: Hex32(update.revision()),
            date: Date {
                year: date.year,
                month: date.month,
                day: date.day,
            },
            nr_bytes: update.size() as u32,
            verdict: reported_verdict(verdict),
        });
    }
}

/// Test `cache`: there is an update for the CPUs of this machine.
fn judge_plan(tests: &mut Tests, plan: &Plan) -> Result<(), Stop> {
    if let Some(damage) = plan.damaged {
        let reason = format!("an update for this CPU is there, but cannot be used: {damage}");
        return Err(Stop(Status::Fail, reason));
    }
    if plan.shares.iter().all(|share| share.target.is_none()) {
        let why = plan.shares.first().and_then(|share| share.reason);
        let reason = format!(
            "nothing applies to signature {}: the closest candidate ended as {}",
            Hex32(plan.shares.first().map_or(0, |share| share.kind.signature)),
            why.map_or("absent", |verdict| verdict.name())
        );
        return Err(Stop(Status::Skip, reason));
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
        Some(Fault::NeverArrives(_)) | None => {}
    }
}

/// Puts together all that the workers need, so that they need nothing more.
fn request(
    probes: &[Probe],
    topology: Topology,
    plan: &Plan,
    cache: Cache,
    clock: Clock,
    arguments: &Arguments,
) -> Result<Box<Request>, String> {
    // The CPUs read the updates from it, and one may hang in its load.
    let cache: &'static Cache = Box::leak(Box::new(cache));
    let work = probes
        .iter()
        .zip(&plan.shares)
        .map(|(probe, share)| {
            let vendor = probe.identity.vendor;
            let update = cache
                .lookup(&share.kind)
                .filter(|_| share.loads())
                .map(|cached| Loadable::new(vendor, cached.bytes()))
                .transpose()
                .map_err(|bad| format!("the cached update cannot be loaded: {bad:?}"))?;
            Ok(Work { vendor, update })
        })
        .collect::<Result<_, String>>()?;
    let nr_cpus = topology.nr_cpus();
    let followers_load = probes[0].identity.vendor == cpu::Vendor::Amd;
    let tasks = plan.shares.iter().map(|share| share.task()).collect();
    Ok(Box::new(Request {
        muster: Muster::new(topology, tasks, followers_load, arguments.timeouts),
        work,
        clock,
        absentee: match arguments.fault {
            Some(Fault::NeverArrives(cpu)) => Some(cpu),
            _ => None,
        },
        revisions: Revisions::new(nr_cpus),
        seen: Seen::default(),
    }))
}

/// The revision of a CPU after all, its outcome and why.
fn emit_cpu(cpu: u32, probe: &Probe, plan: &Plan, record: Option<&Record>, after: Option<u32>) {
    let share = &plan.shares[cpu as usize];
    let outcome = record.map_or(share.otherwise, |record| {
        reported_outcome(record.outcome, share.otherwise)
    });
    emit(&record::Cpu {
        id: cpu,
        apic_id: probe.place.apic_id,
        package: probe.place.package,
        core: probe.place.core,
        thread: probe.place.thread,
        role: reported_role(record.map(|record| record.role).unwrap_or_default()),
        before: Some(Hex32(probe.revision)),
        after: after.map(Hex32),
        target: share.target.map(Hex32),
        outcome,
        reason: share
            .reason
            .filter(|_| outcome == Outcome::Refused)
            .map(reported_verdict),
    });
}

/// The CPUs of a run in which nobody was stopped.
fn emit_idle_cpus(probes: &[Probe], plan: &Plan) {
    for (cpu, probe) in (0..).zip(probes) {
        emit_cpu(cpu, probe, plan, None, Some(probe.revision));
    }
}

fn emit_cpus(probes: &[Probe], plan: &Plan, request: &Request, records: &[Record]) {
    for (cpu, (probe, record)) in (0..).zip(probes.iter().zip(records)) {
        emit_cpu(cpu, probe, plan, Some(record), request.revisions.of(cpu));
    }
    for (cpu, record) in (0..).zip(records) {
        let moments = record.moments;
        emit(&record::Time {
            id: cpu,
            called_in_ns: moments.called_in_ns,
            gate_ns: moments.gate_ns,
            load_start_ns: moments.load_start_ns,
            load_end_ns: moments.load_end_ns,
            left_ns: moments.left_ns,
        });
    }
}

/// Counts CPUs for a sentence.
fn count(records: &[Record], what: impl Fn(&Record) -> bool) -> usize {
    records.iter().filter(|record| what(record)).count()
}

/// Test `rendezvous`: all came, the gate opened, and the window was quiet.
fn rendezvous_complaint(request: &Request, records: &[Record]) -> Option<String> {
    let seen = request.seen.record();
    let nr_absent = ring0::absent_cpus().len();
    if !request.muster.opened() {
        let nr_late = count(records, |r| r.outcome == rendezvous::Outcome::Late);
        return Some(format!("{nr_late} of {} CPUs did not call in in time", records.len()));
    }
    if seen.nr_allocations > 0 || seen.nr_writes > 0 {
        return Some(format!(
            "{} allocations and {} console writes while CPUs were stopped",
            seen.nr_allocations, seen.nr_writes
        ));
    }
    (nr_absent > 0).then(|| format!("{nr_absent} CPUs that firmware lists did not come up"))
}

/// Test `load`: what each CPU set out to do, it did.
fn load_complaint(plan: &Plan, records: &[Record]) -> Option<String> {
    let failed = |(share, record): &(&crate::plan::Share, &Record)| {
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
