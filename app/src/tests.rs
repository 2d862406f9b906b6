//! The tests of a job: their plan, and their ends one by one.

use alloc::string::String;
use alloc::vec::Vec;

use report::ktap::{Plan, TestLine};
use report::{Status, Totals};

use crate::console::emit;

/// The current test's end when no later one can be made.
#[derive(Debug)]
pub(crate) struct Stop(pub(crate) Status, pub(crate) String);

/// Tests by name, in their order.
#[derive(Debug)]
pub(crate) struct Tests {
    names: Vec<&'static str>,
    nr_done: usize,
    totals: Totals,
}

impl Tests {
    /// Announces the tests.
    pub(crate) fn plan(names: impl IntoIterator<Item = &'static str>) -> Self {
        let names: Vec<_> = names.into_iter().collect();
        emit(&Plan {
            nr_tests: names.len() as u32,
        });
        Self {
            names,
            nr_done: 0,
            totals: Totals::default(),
        }
    }

    /// The next test has ended.
    pub(crate) fn end(&mut self, status: Status, reason: &str) {
        self.totals.count(status);
        emit(&TestLine {
            number: self.nr_done as u32 + 1,
            name: self.names[self.nr_done],
            status,
            reason,
        });
        self.nr_done += 1;
    }

    /// Whether all of them have ended.
    pub(crate) fn are_over(&self) -> bool {
        self.nr_done == self.names.len()
    }

    /// The next test passes if there is nothing to say against it.
    pub(crate) fn check(&mut self, complaint: Option<String>) {
        match complaint {
            None => self.end(Status::Pass, ""),
            Some(complaint) => self.end(Status::Fail, &complaint),
        }
    }

    /// The next test ends so, and those behind it cannot be made for the same
    /// reason.
    pub(crate) fn stop(&mut self, status: Status, reason: &str) {
        let mut status = status;
        while !self.are_over() {
            self.end(status, reason);
            status = Status::Skip;
        }
    }

    /// The last line.
    pub(crate) fn close(self) {
        emit(&self.totals);
    }
}
