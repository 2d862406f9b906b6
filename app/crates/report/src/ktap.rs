//! The lines of the stream: KTAP version 1 around the records.

use core::fmt;

use crate::logfmt::Value;
use crate::record::{
    Absent, Arrival, Cached, Candidate, Cpu, Deviation, Entered, Exits, Feature, Final, Finding,
    Guard, Handover, Header, Initrd, Load, Machine, Misuse, Prepare, Round, Tally, Time,
};

/// The first line of the stream.
pub const VERSION_LINE: &str = "KTAP version 1";

/// What a test ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The matter under test is right.
    Pass,
    /// The matter under test is wrong.
    Fail,
    /// The test does not apply here.
    Skip,
    /// The test itself, or what it needs, is wrong.
    Error,
}

/// `ok 3 rendezvous # SKIP nothing to load`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestLine<'a> {
    /// Number in the plan, from 1.
    pub number: u32,
    /// Name, one of [`crate::TESTS`].
    pub name: &'a str,
    /// What it ended with.
    pub status: Status,
    /// Why; empty for a pass.
    pub reason: &'a str,
}

impl fmt::Display for TestLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, mark) = match self.status {
            Status::Pass => ("ok", ""),
            Status::Fail => ("not ok", ""),
            Status::Skip => ("ok", "SKIP "),
            Status::Error => ("not ok", "ERROR "),
        };
        write!(f, "{word} {} {}", self.number, self.name)?;
        if mark.is_empty() && self.reason.is_empty() {
            return Ok(());
        }
        write!(f, " # {mark}{}", self.reason)
    }
}

impl<'a> TestLine<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (passed, rest) = match line.strip_prefix("not ok ") {
            Some(rest) => (false, rest),
            None => (true, line.strip_prefix("ok ")?),
        };
        let (test, note) = rest.split_once(" # ").unwrap_or((rest, ""));
        let (number, name) = test.split_once(' ')?;
        let (status, reason) = match (passed, note.split_once(' ').unwrap_or((note, ""))) {
            (true, ("SKIP", reason)) => (Status::Skip, reason),
            (false, ("ERROR", reason)) => (Status::Error, reason),
            (true, _) => (Status::Pass, note),
            (false, _) => (Status::Fail, note),
        };
        Some(Self {
            number: number.parse().ok()?,
            name,
            status,
            reason,
        })
    }
}

/// The last line: how many tests ended in what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tests that passed.
    pub nr_pass: u32,
    /// Tests that failed.
    pub nr_fail: u32,
    /// Tests that did not apply.
    pub nr_skip: u32,
    /// Tests that could not be made.
    pub nr_error: u32,
}

impl Totals {
    const PREFIX: &'static str = "# Totals: ";

    /// Counts one more test.
    pub fn count(&mut self, status: Status) {
        match status {
            Status::Pass => self.nr_pass += 1,
            Status::Fail => self.nr_fail += 1,
            Status::Skip => self.nr_skip += 1,
            Status::Error => self.nr_error += 1,
        }
    }

    fn read(line: &str) -> Option<Self> {
        let mut totals = Self::default();
        let mut nr_words = 0;
        for word in line.strip_prefix(Self::PREFIX)?.split(' ') {
            let (key, count) = word.split_once(':')?;
            let count = u32::read(count)?;
            nr_words += 1;
            match key {
                "pass" => totals.nr_pass = count,
                "fail" => totals.nr_fail = count,
                "skip" => totals.nr_skip = count,
                "error" => totals.nr_error = count,
                "xfail" | "xpass" => {}
                _ => return None,
            }
        }
        (nr_words == 6).then_some(totals)
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whether a failure was expected is for the host to say.
        write!(
            f,
            "{}pass:{} fail:{} xfail:0 xpass:0 skip:{} error:{}",
            Self::PREFIX,
            self.nr_pass,
            self.nr_fail,
            self.nr_skip,
            self.nr_error
        )
    }
}

/// The plan: `1..5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many tests follow.
    pub nr_tests: u32,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1..{}", self.nr_tests)
    }
}

/// One line of the stream, recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// [`VERSION_LINE`].
    Version,
    /// The plan.
    Plan(Plan),
    /// A test's end.
    Test(TestLine<'a>),
    /// The header.
    Header(Header<'a>),
    /// Where the microcode came from.
    Initrd(Initrd),
    /// A damage in it.
    Finding(Finding<'a>),
    /// A candidate in it.
    Candidate(Candidate),
    /// What the cache holds.
    Cached(Cached<'a>),
    /// What the preparation took.
    Prepare(Prepare),
    /// A CPU's end.
    Cpu(Cpu),
    /// A CPU's times.
    Time(Time),
    /// A feature word that changed.
    Feature(Feature<'a>),
    /// A CPU that did not come up.
    Absent(Absent<'a>),
    /// A CPU that came online later.
    Arrival(Arrival),
    /// What the guard saw.
    Guard(Guard),
    /// One load of many.
    Round(Round),
    /// A CPU that one of them went wrong on.
    Deviation(Deviation),
    /// Another CPU goes on.
    Handover(Handover),
    /// A CPU's end after many loads.
    Final(Final),
    /// What stands behind the guest's CPUs.
    Machine(Machine<'a>),
    /// A write of a load register, as the machine saw it.
    Load(Load<'a>),
    /// A misuse that the machine saw.
    Misuse(Misuse<'a>),
    /// What a CPU did in all, as the machine saw it.
    Tally(Tally),
    /// When the first instruction ran.
    Entered(Entered),
    /// How often a CPU left the guest.
    Exits(Exits),
    /// The last line.
    Totals(Totals),
    /// Anything else: comments, torn lines, what a later version may add.
    Other(&'a str),
}

impl<'a> Line<'a> {
    /// Recognises one line; line ends are cut off.
    #[must_use]
    pub fn parse(line: &'a str) -> Self {
        let line = line.trim_end_matches(['\r', '\n']);
        Self::recognise(line).unwrap_or(Line::Other(line))
    }

    fn recognise(line: &'a str) -> Option<Self> {
        if line == VERSION_LINE {
            return Some(Line::Version);
        }
        if let Some(nr_tests) = line.strip_prefix("1..") {
            return nr_tests
                .parse()
                .ok()
                .map(|nr_tests| Line::Plan(Plan { nr_tests }));
        }
        let Some(comment) = line.strip_prefix("# ") else {
            return TestLine::read(line).map(Line::Test);
        };
        let (kind, fields) = comment.split_once(' ')?;
        match kind {
            Header::KIND => Header::read(fields).map(Line::Header),
            Initrd::KIND => Initrd::read(fields).map(Line::Initrd),
            Finding::KIND => Finding::read(fields).map(Line::Finding),
            Candidate::KIND => Candidate::read(fields).map(Line::Candidate),
            Cached::KIND => Cached::read(fields).map(Line::Cached),
            Prepare::KIND => Prepare::read(fields).map(Line::Prepare),
            Cpu::KIND => Cpu::read(fields).map(Line::Cpu),
            Time::KIND => Time::read(fields).map(Line::Time),
            Feature::KIND => Feature::read(fields).map(Line::Feature),
            Absent::KIND => Absent::read(fields).map(Line::Absent),
            Arrival::KIND => Arrival::read(fields).map(Line::Arrival),
            Guard::KIND => Guard::read(fields).map(Line::Guard),
            Round::KIND => Round::read(fields).map(Line::Round),
            Deviation::KIND => Deviation::read(fields).map(Line::Deviation),
            Final::KIND => Final::read(fields).map(Line::Final),
            Handover::KIND => Handover::read(fields).map(Line::Handover),
            Machine::KIND => Machine::read(fields).map(Line::Machine),
            Load::KIND => Load::read(fields).map(Line::Load),
            Misuse::KIND => Misuse::read(fields).map(Line::Misuse),
            Tally::KIND => Tally::read(fields).map(Line::Tally),
            Entered::KIND => Entered::read(fields).map(Line::Entered),
            Exits::KIND => Exits::read(fields).map(Line::Exits),
            "Totals:" => Totals::read(line).map(Line::Totals),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::{String, ToString};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_test_line_survives_the_wire() {
        for (status, reason) in [
            (Status::Pass, ""),
            (Status::Fail, "2 of 4 CPUs were late"),
            (Status::Skip, "nothing applies"),
            (Status::Error, "the initrd is empty"),
        ] {
            let test = TestLine {
                number: 3,
                name: "rendezvous",
                status,
                reason,
            };
            assert_eq!(Line::parse(&test.to_string()), Line::Test(test));
        }
    }

    #[test]
    fn the_totals_line_is_the_one_that_kernel_tools_read() {
        let mut totals = Totals::default();
        totals.count(Status::Pass);
        totals.count(Status::Error);
        let line = "# Totals: pass:1 fail:0 xfail:0 xpass:0 skip:0 error:1";
        assert_eq!(totals.to_string(), line);
        assert_eq!(Line::parse(line), Line::Totals(totals));
        assert!(matches!(
            Line::parse(&line[..line.len() - 2]),
            Line::Other(_)
        ));
    }

    #[test]
    fn unknown_lines_are_kept_as_they_are() {
        assert_eq!(
            Line::parse("# weather fine=yes\r\n"),
            Line::Other("# weather fine=yes")
        );
        assert_eq!(Line::parse(""), Line::Other(""));
        assert_eq!(Line::parse("ok"), Line::Other("ok"));
    }

    proptest! {
        #[test]
        fn no_line_can_make_the_reader_fail(line in any::<String>()) {
            let _ = Line::parse(&line);
        }
    }
}
