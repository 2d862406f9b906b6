//! What the run reports: one function for each kind of record.

use alloc::string::ToString;
use alloc::vec::Vec;

use cpu::Native;
use cpu::tsc::TscFrequency;
use hermit::ring0;
use microcode::{Inserted, Scan};
use rendezvous::{Named, Record, Topology};
use report::logfmt::{Date, Flags};
use report::record;
use report::{HardwareKind, Hex32, InitrdSource, Outcome, Spans};

use crate::arguments::Arguments;
use crate::console::emit;
use crate::hardware::Model;
use crate::plan::{Plan, Share};
use crate::request::Request;
use crate::verdicts::{
    microcode_vendor, reported_outcome, reported_role, reported_vendor, reported_verdict,
};
use crate::worker::{self, Probe};

/// More damages than this are counted and not shown.
const MAX_FINDINGS: usize = 32;

/// The header: who reports, on what machine.
pub(crate) fn header(
    control: &Probe,
    topology: &Topology,
    frequency: TscFrequency,
    entry_us: u64,
    arguments: &Arguments,
) {
    let hypervisor = cpu::identity::hypervisor(&Native).map(|name| name.to_string());
    emit(&record::Header {
        version: env!("CARGO_PKG_VERSION"),
        schema: report::SCHEMA,
        protocol: arguments.protocol.name(),
        hardware: if arguments.is_modelled {
            HardwareKind::Engine
        } else {
            HardwareKind::Msr
        },
        job: arguments.job.name(),
        vendor: reported_vendor(microcode_vendor(control.identity.vendor)),
        signature: Hex32(control.identity.signature),
        platform: control.identity.platform_id,
        nr_cpus: topology.nr_cpus(),
        nr_cores: topology.nr_cores(),
        tsc_khz: frequency.khz,
        tsc_source: frequency.source,
        hypervisor: hypervisor.as_deref(),
        entry_us,
        nr_rounds: Some(arguments.nr_rounds).filter(|&nr_rounds| nr_rounds > 1),
    });
}

/// The CPUs that did not come up.
pub(crate) fn absent() {
    for (apic_id, reason) in ring0::absent_cpus() {
        emit(&record::Absent {
            apic_id: apic_id.into(),
            reason,
        });
    }
}

/// Where the microcode is from, and what is wrong with it.
pub(crate) fn initrd(scan: &Scan<'_>, source: InitrdSource, nr_bytes: usize) {
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

/// Each candidate and what became of it.
pub(crate) fn candidates(scan: &Scan<'_>, plan: &Plan) {
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

/// The revision of a CPU after all, its outcome and why.
fn one_cpu(
    cpu: u32,
    probes: &[Probe],
    plan: &Plan,
    record: Option<&Record>,
    after: Option<u32>,
    nr_nmis: u32,
) {
    let (control, probe) = (&probes[0], &probes[cpu as usize]);
    let share = plan.share(cpu);
    let outcome = match record {
        Some(record) => reported_outcome(record.outcome, share.otherwise),
        None if share.loads() => Outcome::Planned,
        None => share.otherwise,
    };
    emit(&record::Cpu {
        id: cpu,
        apic_id: probe.place.apic_id,
        package: probe.place.package,
        core: probe.place.core,
        thread: probe.place.thread,
        signature: Some(probe.identity.signature)
            .filter(|&signature| signature != control.identity.signature)
            .map(Hex32),
        role: reported_role(record.map(|record| record.role).unwrap_or_default()),
        before: Some(Hex32(probe.revision)),
        after: after.map(Hex32),
        target: share.target.map(Hex32),
        outcome,
        reason: share.reason.filter(|_| outcome == Outcome::Refused),
        nr_nmis: Some(nr_nmis).filter(|&nr_nmis| nr_nmis > 0),
    });
}

/// What the cache holds for a kind of CPU that was to load.
pub(crate) fn cached(share: &Share, state: &str) {
    let kind = &share.kind;
    emit(&record::Cached {
        vendor: reported_vendor(kind.vendor),
        signature: Hex32(kind.signature),
        platform: kind.platform_id,
        revision: Hex32(share.target.unwrap_or_default()),
        inserted: share.inserted.map_or("none", Inserted::name),
        state,
    });
}

/// The CPUs of a run in which nobody was stopped.
pub(crate) fn idle_cpus(probes: &[Probe], plan: &Plan) {
    for (cpu, probe) in (0..).zip(probes) {
        one_cpu(cpu, probes, plan, None, Some(probe.revision), 0);
    }
}

/// The CPUs of a run in which they were stopped, and their times.
pub(crate) fn cpus(probes: &[Probe], plan: &Plan, request: &Request, records: &[Record]) {
    for (cpu, record) in (0..).zip(records) {
        let nr_nmis = worker::nr_nmis(cpu);
        let record = request.explain(cpu, record);
        one_cpu(
            cpu,
            probes,
            plan,
            Some(&record),
            request.revisions.of(cpu),
            nr_nmis,
        );
    }
    times(None, records).for_each(|time| emit(&time));
}

/// The CPUs' times in a load after the first.
pub(crate) fn further_times(number: u32, records: &[Record]) {
    times(Some(number), records).for_each(|time| emit(&time));
}

fn times(load: Option<u32>, records: &[Record]) -> impl Iterator<Item = record::Time> {
    (0..).zip(records).map(move |(id, record)| {
        let moments = record.moments;
        record::Time {
            id,
            load,
            called_in_ns: moments.called_in_ns,
            gate_ns: moments.gate_ns,
            load_start_ns: moments.load_start_ns,
            load_end_ns: moments.load_end_ns,
            left_ns: moments.left_ns,
        }
    })
}

/// What a load cost those who were there.
pub(crate) fn spans(request: &Request, records: &[Record]) -> Spans {
    let times: Vec<_> = times(None, records)
        .filter(|time| time.called_in_ns.is_some() && request.takes_part(time.id))
        .collect();
    Spans::of(times.iter())
}

/// What each modelled CPU did.
pub(crate) fn tallies(model: &Model, nr_cpus: u32) {
    for cpu in 0..nr_cpus {
        let thread = model.thread(cpu);
        let counters = model.engine.counters(thread);
        emit(&record::Tally {
            cpu,
            nr_reads: counters.nr_reads,
            nr_loads: counters.nr_loads,
            nr_misuses: counters.nr_misuses,
            revision: Hex32(model.engine.revision(thread)),
        });
    }
}
