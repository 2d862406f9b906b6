//! `result.json`: the source of truth of a run. Everything else that is
//! written or shown about a run is made from it.
//!
//! The guest's part comes from the judged stream, the host's part is the
//! [`Context`]; the context is also read back, so that a saved log is judged
//! again with all that was known when it was made.

mod arrival;
mod cpu;
mod feature;
mod feature_names;
mod files;
pub mod junit;
mod machine;
pub mod metrics;
mod rounds;
mod standing;
mod timing;
pub mod trace;

pub use arrival::ArrivalResult;
pub use cpu::{AbsentResult, CpuResult};
pub use feature::FeatureResult;
pub(crate) use files::folder;
pub use files::{Files, Logs, read_lossy};
pub use machine::{ExitsResult, LoadResult, MisuseResult, TallyResult};
pub use rounds::{DeviationResult, HandoverResult, RepeatResult};
pub use standing::RevisionResult;
pub use timing::Timing;

use std::fmt::Display;

use report::record::Cpu;
use report::{CandidateVerdict, HardwareKind, Hex32, InitrdSource, Status, Vendor};
use serde::{Deserialize, Serialize, Serializer};

use crate::firmware;
use crate::judge::{Ending, Judgement};
use crate::machine::Machine;
use crate::verdict::Verdict;

/// The version of the layout of `result.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// What the host knows about a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Context {
    /// Name of the scenario.
    pub scenario: String,
    /// Where it ran; `None` for a log whose run is not known.
    pub machine: Option<Machine>,
    /// The verdicts that count as passed.
    pub expected: Vec<Verdict>,
    /// What was loaded; `None` when the run ended before that was settled.
    pub firmware: Option<firmware::Record>,
    /// How the machine ended.
    pub ending: Ending,
    /// The accelerator and its options as QEMU was given them.
    pub accel: Option<String>,
    /// Start of the run, RFC 3339 in UTC.
    pub started: Option<String>,
    /// Wall-clock time of the machine in seconds.
    pub seconds: f64,
    /// What made the result.
    pub provenance: Provenance,
}

/// What made a result, as far as it could be found out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// The tree's commit; `-dirty` is appended when files differ from it.
    pub commit: Option<String>,
    /// Name, version and patch series of the guest's kernel.
    pub kernel: Option<String>,
    /// The compiler that built the guest.
    pub toolchain: Option<String>,
    /// First line of `qemu-system-x86_64 --version`.
    pub qemu: Option<String>,
    /// The host CPU's model name.
    pub host_cpu: Option<String>,
    /// The KVM module that backs /dev/kvm (`kvm_intel`, `kvm_amd`,
    /// `kvm_pvm`); `None` without KVM.
    pub kvm: Option<String>,
    /// Whether that KVM has no hardware to run on and interprets the guest: then
    /// no time of the run means anything.
    #[serde(default)]
    pub kvm_interprets: bool,
}

impl Provenance {
    /// Why no time of a guest means anything, where that is so.
    #[must_use]
    pub fn why_no_time_counts(&self) -> Option<String> {
        let flavour = self.kvm.as_ref().filter(|_| self.kvm_interprets)?;
        Some(format!(
            "this host's KVM ({flavour}) has no hardware to run on and interprets the guest"
        ))
    }
}

/// A run, judged.
#[derive(Clone, Debug, Serialize)]
pub struct RunResult {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// Whether the verdict and all else is as declared.
    pub as_expected: bool,
    /// What is not as declared, a sentence each.
    pub deviations: Vec<String>,
    /// The host's part.
    #[serde(flatten)]
    pub context: Context,
    /// The rendezvous protocol.
    pub protocol: Option<String>,
    /// What took the write.
    #[serde(serialize_with = "text_or_null")]
    pub hardware: Option<HardwareKind>,
    /// Vendor of the control CPU.
    #[serde(serialize_with = "text_or_null")]
    pub vendor: Option<Vendor>,
    /// CPUID leaf 1 EAX of the control CPU.
    #[serde(serialize_with = "text_or_null")]
    pub signature: Option<Hex32>,
    /// What the CPU says it runs under.
    pub hypervisor: Option<String>,
    /// The revision that the CPUs should have ended on, when it is one.
    #[serde(serialize_with = "text_or_null")]
    pub target_revision: Option<Hex32>,
    /// Where the guest found the microcode.
    #[serde(serialize_with = "text_or_null")]
    pub initrd_source: Option<InitrdSource>,
    /// Candidates and what became of them.
    pub candidates: Vec<CandidateResult>,
    /// What the cache held after the request.
    pub cached: Vec<CachedResult>,
    /// Damages that the guest found in the microcode.
    pub findings: Vec<FindingResult>,
    /// How each CPU ended, by number.
    pub cpus: Vec<CpuResult>,
    /// What the machine runs after the load: CPUs by kind and revision.
    pub revisions: Vec<RevisionResult>,
    /// What should be done about it, a sentence each.
    pub advice: Vec<String>,
    /// Feature words that the load changed.
    pub features: Vec<FeatureResult>,
    /// CPUs that came online after the loads.
    pub arrivals: Vec<ArrivalResult>,
    /// CPUs that did not come up.
    pub absent: Vec<AbsentResult>,
    /// Writes of the load register, as the machine saw them.
    pub loads: Vec<LoadResult>,
    /// What the machine saw that a loader must not do.
    pub misuses: Vec<MisuseResult>,
    /// What each CPU did in all, as the machine or the model in the guest
    /// counted it.
    pub tallies: Vec<TallyResult>,
    /// How long the monitor took to the guest's first instruction, in ns.
    pub entered_ns: Option<u64>,
    /// How often each CPU left the guest, where a monitor counts that.
    pub exits: Vec<ExitsResult>,
    /// What many loads came to; null where there was one.
    pub repeat: Option<RepeatResult>,
    /// Control CPUs that did not come back.
    pub handovers: Vec<HandoverResult>,
    /// What it cost.
    pub timing: Timing,
    /// The guest's tests.
    pub tests: Vec<TestResult>,
}

/// A candidate.
#[derive(Clone, Debug, Serialize)]
pub struct CandidateResult {
    /// Position in the initrd, from 0.
    pub index: u32,
    /// Format.
    #[serde(serialize_with = "text")]
    pub vendor: Vendor,
    /// The CPU that it is for, as far as it names one.
    #[serde(serialize_with = "text_or_null")]
    pub signature: Option<Hex32>,
    /// Revision or patch level.
    #[serde(serialize_with = "text")]
    pub revision: Hex32,
    /// Total size in bytes.
    pub bytes: u32,
    /// What became of it.
    #[serde(serialize_with = "text")]
    pub verdict: CandidateVerdict,
}

/// The cached update of one kind of CPU.
#[derive(Clone, Debug, Serialize)]
pub struct CachedResult {
    /// The kind's vendor.
    #[serde(serialize_with = "text")]
    pub vendor: Vendor,
    /// The kind's CPUID leaf 1 EAX.
    #[serde(serialize_with = "text")]
    pub signature: Hex32,
    /// The kind's platform id.
    pub platform_id: u8,
    /// Revision or patch level.
    #[serde(serialize_with = "text")]
    pub revision: Hex32,
    /// What became of it when it was offered.
    pub inserted: String,
    /// What the load made of it.
    pub state: String,
}

/// A damage in the microcode.
#[derive(Clone, Debug, Serialize)]
pub struct FindingResult {
    /// Byte offset from the start of the initrd.
    pub offset: u64,
    /// What is wrong, in one word.
    pub kind: String,
    /// What is wrong, in a sentence.
    pub message: String,
}

/// A test of the guest's plan.
#[derive(Clone, Debug, Serialize)]
pub struct TestResult {
    /// One of [`report::TESTS`].
    pub name: String,
    /// `PASS`, `FAIL`, `SKIP` or `ERROR`.
    #[serde(serialize_with = "status_name")]
    pub status: Status,
    /// Why; empty for a pass.
    pub reason: String,
}

impl RunResult {
    /// The machine's name, for a person.
    #[must_use]
    pub fn machine_name(&self) -> &'static str {
        self.context.machine.map_or("unknown", Machine::name)
    }

    /// Puts a judgement and its context together; whether it is as declared
    /// is for [`crate::scenario::Expectation`] to say.
    #[must_use]
    pub fn new(judgement: &Judgement<'_>, context: Context) -> Self {
        let (stream, machine) = (&judgement.stream, &judgement.machine);
        let header = stream.header;
        let cpus = CpuResult::all(stream);
        let revisions = RevisionResult::all(&cpus);
        // A dry run leaves the machine as it was, and a hypervisor that ignores
        // writes needs other advice, which its verdict gives.
        let is_judged = matches!(judgement.verdict, Verdict::Pass | Verdict::Fail);
        let needs_advice = stream.job().is_none() && is_judged;
        Self {
            schema_version: SCHEMA_VERSION,
            verdict: judgement.verdict,
            reason: judgement.reason.clone(),
            as_expected: false,
            deviations: Vec::new(),
            protocol: header.map(|h| h.protocol.to_owned()),
            hardware: header.map(|h| h.hardware),
            vendor: header.map(|h| h.vendor),
            signature: header.map(|h| h.signature),
            hypervisor: header.and_then(|h| h.hypervisor).map(str::to_owned),
            target_revision: one_target(&stream.cpus),
            initrd_source: stream.initrd.map(|i| i.source),
            candidates: stream.candidates.iter().map(CandidateResult::new).collect(),
            cached: stream.cached.iter().map(CachedResult::new).collect(),
            findings: stream
                .findings
                .iter()
                .map(|f| FindingResult {
                    offset: f.offset,
                    kind: f.kind.to_owned(),
                    message: f.message.to_owned(),
                })
                .collect(),
            advice: if needs_advice {
                standing::advice(&cpus, &revisions)
            } else {
                Vec::new()
            },
            revisions,
            cpus,
            features: FeatureResult::all(stream),
            arrivals: ArrivalResult::all(stream),
            absent: AbsentResult::all(stream),
            loads: machine.loads.iter().map(LoadResult::new).collect(),
            misuses: machine.misuses.iter().map(MisuseResult::new).collect(),
            tallies: stream
                .tallies
                .iter()
                .chain(&machine.tallies)
                .map(TallyResult::new)
                .collect(),
            entered_ns: machine.entered.map(|entered| entered.after_ns),
            exits: machine.exits.iter().map(ExitsResult::new).collect(),
            repeat: RepeatResult::new(stream),
            handovers: HandoverResult::all(stream),
            timing: Timing::new(stream),
            tests: stream
                .tests
                .iter()
                .map(|t| TestResult {
                    name: t.name.to_owned(),
                    status: t.status,
                    reason: t.reason.to_owned(),
                })
                .collect(),
            context,
        }
    }
}

impl CandidateResult {
    fn new(candidate: &report::record::Candidate) -> Self {
        Self {
            index: candidate.index,
            vendor: candidate.vendor,
            signature: candidate.signature,
            revision: candidate.revision,
            bytes: candidate.nr_bytes,
            verdict: candidate.verdict,
        }
    }
}

impl CachedResult {
    fn new(cached: &report::record::Cached<'_>) -> Self {
        Self {
            vendor: cached.vendor,
            signature: cached.signature,
            platform_id: cached.platform,
            revision: cached.revision,
            inserted: cached.inserted.to_owned(),
            state: cached.state.to_owned(),
        }
    }
}

fn one_target(cpus: &[Cpu]) -> Option<Hex32> {
    let mut targets = cpus.iter().filter_map(|cpu| cpu.target);
    let first = targets.next()?;
    targets.all(|target| target == first).then_some(first)
}

/// The name of a test's status in JSON and on the screen.
#[must_use]
pub const fn status_word(status: Status) -> &'static str {
    match status {
        Status::Pass => "PASS",
        Status::Fail => "FAIL",
        Status::Skip => "SKIP",
        Status::Error => "ERROR",
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde calls")]
fn status_name<S: Serializer>(status: &Status, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(status_word(*status))
}

fn text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[expect(clippy::ref_option, reason = "the shape serde calls")]
fn text_or_null<T: Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => text(value, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
