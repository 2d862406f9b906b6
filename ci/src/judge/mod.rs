//! Judges a run from what it left behind: a pure function, so that every rule
//! is tested on text and a saved log can be judged again.
//!
//! ```text
//! console.log ─┐
//! serial.log  ─┼─▶ Evidence ─▶ Stream ─▶ charges ─▶ the worst one decides
//! machine.log ─┤
//! vmm.log     ─┤
//! exit status ─┘
//! ```
//!
//! Every rule looks at the evidence alone and may bring a *charge*: a verdict
//! with its reason. The worst charge is the verdict, the first of equals, so
//! severity can only worsen and the order of the rules cannot hide anything.
//! Without a charge the run passed, or there was nothing to do.
//!
//! The report decides and the exit status corroborates: a status that
//! contradicts a complete report makes things worse, never better. Success
//! read from an exit status alone was rejected, as a guest that dies early
//! can produce any status.

mod cpus;
mod evidence;
mod machine;
mod rounds;
mod stream;
mod swallowed;

pub use evidence::{Ending, Evidence};
pub use stream::Stream;

use report::{DRY_RUN, Outcome, REPEAT, SCHEMA, Status, Totals};
use vmm::CRASHED;

use crate::verdict::Verdict;

/// The test that says whether the CPUs ended where they should.
const DECISIVE_TEST: &str = "verify";
/// The tests that a write without effect fails, and that fail for nothing
/// else when [`swallowed`] says so.
const EFFECT_TESTS: [&str; 3] = ["load", DECISIVE_TEST, REPEAT];

/// A verdict with its reason, and what it was read from.
#[derive(Clone, Debug)]
pub struct Judgement<'a> {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// The guest's report.
    pub stream: Stream<'a>,
    /// The machine's own log, empty where there is none.
    pub machine: Stream<'a>,
}

/// Judges a run.
#[must_use]
pub fn judge<'a>(evidence: &Evidence<'a>) -> Judgement<'a> {
    let stream = Stream::read(evidence.stream_text());
    let machine = Stream::read(evidence.machine_log);
    let mut charges = Charges::default();
    ending(evidence, &stream, &mut charges);
    structure(&stream, &mut charges);
    cpus::absents(&stream, &mut charges);
    tests(&stream, &machine, &mut charges);
    cpus::judge(&stream, &mut charges);
    rounds::judge(&stream, &mut charges);
    cpus::arrivals(&stream, &mut charges);
    if stream.is_complete() {
        machine::compare(&stream, &machine, &mut charges);
    }
    let (verdict, reason) = charges.worst.unwrap_or_else(|| conclusion(&stream));
    Judgement {
        verdict,
        reason,
        stream,
        machine,
    }
}

/// The worst charge so far.
#[derive(Default)]
struct Charges {
    worst: Option<(Verdict, String)>,
}

impl Charges {
    fn bring(&mut self, verdict: Verdict, reason: impl Into<String>) {
        let severity = |verdict: Verdict| verdict.severity();
        if self
            .worst
            .as_ref()
            .is_none_or(|worst| severity(worst.0) < severity(verdict))
        {
            self.worst = Some((verdict, reason.into()));
        }
    }
}

/// How the machine ended, against how far the report came.
fn ending(evidence: &Evidence<'_>, stream: &Stream<'_>, charges: &mut Charges) {
    let ending = evidence.ending;
    let refused = matches!(ending, Ending::Exited { status: 1 } | Ending::Killed { .. });
    match ending {
        // A guest that was cut off cannot have completed its plan.
        Ending::TimedOut { .. } => charges.bring(Verdict::Timeout, cut_off(evidence)),
        _ if refused && evidence.is_silent() => {
            // The guest cannot cause status 1; QEMU and the monitor use it for
            // themselves.
            let complaint = evidence.complaint().map(|c| format!(": {c}"));
            let complaint = complaint.unwrap_or_default();
            charges.bring(
                Verdict::Error,
                format!("the guest was not started ({ending}){complaint}"),
            );
        }
        _ if !stream.is_complete() => {
            let gap = gap(stream);
            let words = last_words(evidence);
            charges.bring(Verdict::Crash, format!("{ending}, {gap}{words}"));
        }
        Ending::Exited {
            status: evidence::DONE,
        }
        | Ending::Unknown => {}
        _ => {
            let words = last_words(evidence);
            charges.bring(
                Verdict::Crash,
                format!("the report is complete, but {ending}{words}"),
            );
        }
    }
}

fn cut_off(evidence: &Evidence<'_>) -> String {
    let words = match evidence.complaint() {
        Some(complaint) => format!("; the machine says: {complaint}"),
        None => last_words(evidence),
    };
    format!("{}{words}", evidence.ending)
}

/// What the guest said last, or the monitor of a CPU that crashed.
fn last_words(evidence: &Evidence<'_>) -> String {
    if let (Ending::Exited { status: CRASHED }, Some(complaint)) =
        (evidence.ending, evidence.complaint())
    {
        return format!("; {complaint}");
    }
    evidence
        .last_words()
        .map(|words| format!("; the serial log says: {words}"))
        .unwrap_or_default()
}

/// Where an incomplete report stops.
fn gap(stream: &Stream<'_>) -> String {
    match (stream.nr_starts, stream.plan, stream.first_missing()) {
        (0, None, _) => "without a report".to_owned(),
        (_, None, _) => "before the report's plan".to_owned(),
        (_, Some(plan), Some(missing)) => {
            let name = usize::try_from(missing - 1)
                .ok()
                .filter(|_| stream.job().is_none())
                .and_then(|index| report::TESTS.get(index))
                .map(|name| format!(" ({name})"))
                .unwrap_or_default();
            format!("before test {missing}{name} of {plan}")
        }
        (_, Some(_), None) => "before the report's last line".to_owned(),
    }
}

/// Whether the report is what this program can read, and agrees with itself.
fn structure(stream: &Stream<'_>, charges: &mut Charges) {
    if stream.nr_starts > 1 {
        let reason = format!("the guest started {} times", stream.nr_starts);
        charges.bring(Verdict::Crash, reason);
    }
    if !stream.is_complete() {
        // The gap was judged with the machine's end.
        return;
    }
    match stream.header {
        // A guest that could not even say who it is says why.
        None if stream.tests.iter().any(|test| test.status == Status::Error) => {}
        None => charges.bring(Verdict::Error, "the report has no readable header line"),
        Some(header) if header.schema != SCHEMA => charges.bring(
            Verdict::Error,
            format!(
                "the guest writes report schema {}, this program reads {SCHEMA}: build both from \
                 one tree",
                header.schema
            ),
        ),
        Some(_) => {}
    }
    let plan = stream.plan.unwrap_or_default();
    for (index, test) in stream.tests.iter().enumerate() {
        let twice = stream.tests[..index]
            .iter()
            .any(|t| t.number == test.number);
        if twice || !(1..=plan).contains(&test.number) {
            let reason = format!("test {} {} is not in the plan", test.number, test.name);
            charges.bring(Verdict::Error, reason);
        }
    }
    let mut counted = Totals::default();
    for test in &stream.tests {
        counted.count(test.status);
    }
    if stream.totals.is_some_and(|totals| totals != counted) {
        let reason = "the report's totals are not those of its tests: lines were lost";
        charges.bring(Verdict::Error, reason);
    }
    if stream.job().is_none() && stream.test(DECISIVE_TEST).is_none() {
        let reason = format!("the report has no test named {DECISIVE_TEST}");
        charges.bring(Verdict::Error, reason);
    }
}

/// What the guest's tests say.
fn tests(stream: &Stream<'_>, machine: &Stream<'_>, charges: &mut Charges) {
    // A machine with a log of its own ignores nothing.
    let swallowed = swallowed::explain(stream).filter(|_| machine.machine.is_none());
    for test in &stream.tests {
        let because = |word| match test.reason {
            "" => format!("{} {word}", test.name),
            reason => format!("{} {word}: {reason}", test.name),
        };
        match test.status {
            Status::Fail if swallowed.is_some() && EFFECT_TESTS.contains(&test.name) => {}
            Status::Fail => charges.bring(Verdict::Fail, because("failed")),
            Status::Error => charges.bring(Verdict::Error, because("could not be made")),
            Status::Skip if test.reason.is_empty() => charges.bring(
                Verdict::Error,
                format!("{} was skipped without a reason", test.name),
            ),
            Status::Pass | Status::Skip => {}
        }
    }
    if let Some(reason) = swallowed {
        charges.bring(Verdict::Swallowed, reason);
    }
}

/// The verdict of a run without a charge.
fn conclusion(stream: &Stream<'_>) -> (Verdict, String) {
    if stream.job() == Some(DRY_RUN) {
        return dry_run(stream);
    }
    if let Some(job) = stream.job() {
        let tests = counted(stream.tests.len() as u64, "test");
        return (Verdict::Pass, format!("{job}: {tests} passed"));
    }
    let targets = || stream.cpus.iter().filter_map(|cpu| cpu.target);
    match stream.test(DECISIVE_TEST) {
        Some(test) if test.status == Status::Skip => (Verdict::Skip, test.reason.to_owned()),
        _ => match targets().next() {
            None => (
                Verdict::Error,
                format!("{DECISIVE_TEST} passed, but no CPU had a target revision"),
            ),
            Some(first) => {
                let cpus = counted(targets().count() as u64, "CPU");
                let reason = if targets().all(|target| target == first) {
                    format!("{cpus} ended on revision {first}")
                } else {
                    format!("{cpus} ended on their target revisions")
                };
                let later = match stream.arrivals.len() as u64 {
                    0 => String::new(),
                    nr_later => format!(", {} more came online with it", counted(nr_later, "CPU")),
                };
                (Verdict::Pass, reason + &rounds::addition(stream) + &later)
            }
        },
    }
}

/// What would have been done.
fn dry_run(stream: &Stream<'_>) -> (Verdict, String) {
    if let Some(test) = stream.tests.iter().find(|test| test.status == Status::Skip) {
        return (Verdict::Skip, test.reason.to_owned());
    }
    let planned = || {
        stream
            .cpus
            .iter()
            .filter(|cpu| cpu.outcome == Outcome::Planned)
    };
    let nr_planned = planned().count();
    let mut targets = planned().filter_map(|cpu| cpu.target);
    let what = match targets.next() {
        None => "nobody would get anything".to_owned(),
        Some(first) if targets.all(|target| target == first) => {
            format!(
                "{nr_planned} of {} would get revision {first}",
                counted(stream.cpus.len() as u64, "CPU")
            )
        }
        Some(_) => format!(
            "{nr_planned} of {} would get an update",
            counted(stream.cpus.len() as u64, "CPU")
        ),
    };
    (
        Verdict::Done,
        format!("a dry run: {what}; nobody was stopped"),
    )
}

/// `1 CPU`, `4 CPUs`.
fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests;
