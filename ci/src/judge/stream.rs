//! The guest's stream, sorted by kind of line.
//!
//! Reading never fails: a torn or unknown line is passed over here, and the
//! rules notice what is missing.

use report::record::{
    Absent, Arrival, Cached, Candidate, Cpu, Deviation, Entered, Exits, Feature, Final, Finding,
    Guard, Handover, Header, Initrd, Load, Machine, Misuse, Prepare, Round, Tally, Time,
};
use report::{Line, Totals, ktap::TestLine};

/// All that the guest said, in the order in which it said it; CPUs and times
/// by the kernel's number.
#[derive(Clone, Debug, Default)]
pub struct Stream<'a> {
    /// Version lines: more than one means that the guest started again.
    pub nr_starts: usize,
    /// Number of tests in the plan.
    pub plan: Option<u32>,
    /// Who reports.
    pub header: Option<Header<'a>>,
    /// Where the microcode came from.
    pub initrd: Option<Initrd>,
    /// Damages in it.
    pub findings: Vec<Finding<'a>>,
    /// Candidates in it.
    pub candidates: Vec<Candidate>,
    /// What the cache held after the request.
    pub cached: Vec<Cached<'a>>,
    /// What it took to get to a plan.
    pub prepare: Option<Prepare>,
    /// How each CPU ended.
    pub cpus: Vec<Cpu>,
    /// When each CPU did what.
    pub times: Vec<Time>,
    /// Those of loads after the first.
    pub further_times: Vec<Time>,
    /// Feature words that changed.
    pub features: Vec<Feature<'a>>,
    /// CPUs that did not come up.
    pub absents: Vec<Absent<'a>>,
    /// CPUs that came online later.
    pub arrivals: Vec<Arrival>,
    /// What the guard saw.
    pub guard: Option<Guard>,
    /// Each load of a run that loads more than once.
    pub rounds: Vec<Round>,
    /// CPUs that the later ones of them went wrong on.
    pub deviations: Vec<Deviation>,
    /// How each CPU ended after all of them.
    pub finals: Vec<Final>,
    /// Control CPUs that did not come back.
    pub handovers: Vec<Handover>,
    /// What stands behind the CPUs.
    pub machine: Option<Machine<'a>>,
    /// Writes of the load register, as the machine saw them.
    pub loads: Vec<Load<'a>>,
    /// Misuses that the machine saw.
    pub misuses: Vec<Misuse<'a>>,
    /// What each CPU did in all, as the machine saw it.
    pub tallies: Vec<Tally>,
    /// When the first instruction ran, as the machine saw it.
    pub entered: Option<Entered>,
    /// How often each CPU left the guest.
    pub exits: Vec<Exits>,
    /// Tests that ended.
    pub tests: Vec<TestLine<'a>>,
    /// The last line.
    pub totals: Option<Totals>,
}

impl<'a> Stream<'a> {
    /// Reads a console or serial log.
    #[must_use]
    pub fn read(log: &'a str) -> Self {
        let mut stream = Self::default();
        for line in log.lines() {
            match Line::parse(line) {
                Line::Version => stream.nr_starts += 1,
                Line::Plan(plan) => stream.plan = Some(plan.nr_tests),
                Line::Header(header) => stream.header = Some(header),
                Line::Initrd(initrd) => stream.initrd = Some(initrd),
                Line::Finding(finding) => stream.findings.push(finding),
                Line::Candidate(candidate) => stream.candidates.push(candidate),
                Line::Cached(cached) => stream.cached.push(cached),
                Line::Prepare(prepare) => stream.prepare = Some(prepare),
                Line::Cpu(cpu) => stream.cpus.push(cpu),
                Line::Time(time) if time.load.is_some() => stream.further_times.push(time),
                Line::Time(time) => stream.times.push(time),
                Line::Feature(feature) => stream.features.push(feature),
                Line::Absent(absent) => stream.absents.push(absent),
                Line::Arrival(arrival) => stream.arrivals.push(arrival),
                Line::Guard(guard) => stream.guard = Some(guard),
                Line::Round(round) => stream.rounds.push(round),
                Line::Deviation(deviation) => stream.deviations.push(deviation),
                Line::Final(end) => stream.finals.push(end),
                Line::Handover(handover) => stream.handovers.push(handover),
                Line::Machine(machine) => stream.machine = Some(machine),
                Line::Load(load) => stream.loads.push(load),
                Line::Misuse(misuse) => stream.misuses.push(misuse),
                Line::Tally(tally) => stream.tallies.push(tally),
                Line::Entered(entered) => stream.entered = Some(entered),
                Line::Exits(exits) => stream.exits.push(exits),
                Line::Test(test) => stream.tests.push(test),
                Line::Totals(totals) => stream.totals = Some(totals),
                Line::Other(_) => {}
            }
        }
        stream.cpus.sort_by_key(|cpu| cpu.id);
        stream.times.sort_by_key(|time| time.id);
        stream
    }

    /// The first and the last load of many that went well: the heap must be the
    /// same after both.
    #[must_use]
    pub fn good_rounds(&self) -> Option<(&Round, &Round)> {
        let mut good = self.rounds.iter().filter(|round| round.nr_failed == 0);
        let first = good.next()?;
        Some((first, good.next_back().unwrap_or(first)))
    }

    /// What was done, if not a load.
    #[must_use]
    pub fn job(&self) -> Option<&'a str> {
        self.header?.job
    }

    /// The test of that name.
    #[must_use]
    pub fn test(&self, name: &str) -> Option<&TestLine<'a>> {
        self.tests.iter().find(|test| test.name == name)
    }

    /// The number of the first test of the plan that never ended.
    #[must_use]
    pub fn first_missing(&self) -> Option<u32> {
        // A torn plan may name billions: look no further than one past what
        // was reported.
        let nr_reported = u32::try_from(self.tests.len()).unwrap_or(u32::MAX);
        let last = self.plan?.min(nr_reported.saturating_add(1));
        (1..=last).find(|&number| self.tests.iter().all(|test| test.number != number))
    }

    /// Whether the guest reported all that its plan announced, to the last
    /// line.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.plan.is_some() && self.first_missing().is_none() && self.totals.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_missing_test_is_found_in_the_middle_and_at_the_end() {
        let missing = |text| Stream::read(text).first_missing();
        assert_eq!(missing("1..3\nok 1 a\nok 3 c"), Some(2));
        assert_eq!(missing("1..3\nok 1 a\nok 2 b"), Some(3));
        assert_eq!(missing("1..3\nok 3 c\nok 1 a\nok 2 b"), None);
        assert_eq!(missing("1..4294967295\nok 1 a"), Some(2));
    }

    #[test]
    fn a_stream_without_its_last_line_is_incomplete() {
        let totals = "# Totals: pass:1 fail:0 xfail:0 xpass:0 skip:0 error:0\n";
        assert!(!Stream::read("1..1\nok 1 a\n").is_complete());
        assert!(Stream::read(&format!("1..1\nok 1 a\n{totals}")).is_complete());
        assert!(!Stream::read(totals).is_complete());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fail(text in any::<String>()) {
            let stream = Stream::read(&text);
            let _ = stream.is_complete();
        }
    }
}
