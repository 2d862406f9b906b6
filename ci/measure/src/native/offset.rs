//! How far the counters of two CPUs may be apart.
//!
//! One asks the other for its time and looks at its own before and after (Cristian's
//! way): the answer was read somewhere in between. So the middle is a guess of the
//! difference, half of the round trip is how far the guess may be off, and the
//! fastest of many round trips is the best.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use cpu::registers::{Native, Registers};
use cpu::tsc::Clock;
use crossbeam_utils::CachePadded;
use serde::{Deserialize, Serialize};

use super::cpus::HostCpu;
use super::team;

/// Questions of one CPU to another.
const NR_QUESTIONS: u32 = 2000;

/// How far one CPU's counter is ahead of another's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    /// The CPU that asked.
    pub from: u32,
    /// The one that answered.
    pub to: u32,
    /// By how much the answering counter is ahead, in ns.
    pub offset_ns: i64,
    /// How far that may be off, in ns.
    pub bound_ns: u64,
}

impl Offset {
    /// The most by which a difference between times of the two may be wrong, in ns.
    #[must_use]
    pub const fn error_ns(self) -> u64 {
        self.offset_ns.unsigned_abs().saturating_add(self.bound_ns)
    }

    /// Whether nothing speaks against their being one clock.
    #[must_use]
    pub const fn may_be_none(self) -> bool {
        self.offset_ns.unsigned_abs() <= self.bound_ns
    }
}

/// Question and answer lie on one line, which goes to and fro once a question.
#[derive(Default)]
struct Talk {
    question: AtomicU32,
    answer: AtomicU64,
}

/// How far two CPUs are apart.
pub(super) fn measure(from: HostCpu, to: HostCpu, clock: Clock) -> io::Result<Offset> {
    let talk = CachePadded::<Talk>::default();
    let ask = || {
        let mut best: Option<[u64; 3]> = None;
        let mut last_answer = 0;
        for question in 1..=NR_QUESTIONS {
            let before = Native.read_tsc();
            // Release pairs with the Acquire in `answer`: it is read afterwards.
            talk.question.store(question, Ordering::Release);
            let answer = loop {
                // Acquire pairs with the Release in `answer`.
                let answer = talk.answer.load(Ordering::Acquire);
                if answer != last_answer {
                    break answer;
                }
            };
            let round = [before, answer, Native.read_tsc()];
            last_answer = answer;
            if best.is_none_or(|best| length(round) < length(best)) {
                best = Some(round);
            }
        }
        best
    };
    let answer = || {
        let mut last_answer = 0;
        for question in 1..=NR_QUESTIONS {
            // Acquire pairs with the Release in `ask`.
            while talk.question.load(Ordering::Acquire) != question {}
            // Counters of two CPUs may show the same; an answer has to be another.
            last_answer = Native.read_tsc().max(last_answer + 1);
            // Release pairs with the Acquire in `ask`.
            talk.answer.store(last_answer, Ordering::Release);
        }
    };
    let best = team::pair([from, to], ask, answer)?.unwrap_or_default();
    let (offset_ns, bound_ns) = judge(best, clock);
    Ok(Offset {
        from: from.number,
        to: to.number,
        offset_ns,
        bound_ns,
    })
}

fn length([before, _, after]: [u64; 3]) -> u64 {
    after.saturating_sub(before)
}

/// The difference and how far it may be off, from one round trip.
fn judge(round @ [before, answer, _]: [u64; 3], clock: Clock) -> (i64, u64) {
    let half = length(round).div_ceil(2);
    let middle = before + half;
    let ns = clock.ns(answer.abs_diff(middle));
    let ns = i64::try_from(ns).unwrap_or(i64::MAX);
    // Up, so that a bound is one.
    let bound_ns = clock.ns(half) + 1;
    (if answer < middle { -ns } else { ns }, bound_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_round_trip_is_the_guess_and_half_of_it_the_bound() {
        let clock = Clock::new(2_000_000);
        let offset = |round| {
            let (offset_ns, bound_ns) = judge(round, clock);
            Offset {
                offset_ns,
                bound_ns,
                ..Offset::default()
            }
        };
        let together = offset([1000, 1100, 1200]);
        assert!(together.may_be_none() && together.offset_ns == 0);
        assert!((50..=51).contains(&together.bound_ns), "{together:?}");
        // Within the round trip, wherever it was.
        for answer in [1000, 1200] {
            assert!(offset([1000, answer, 1200]).may_be_none());
        }
        let ahead = offset([1000, 5100, 1200]);
        assert!(!ahead.may_be_none() && (1999..=2000).contains(&ahead.offset_ns));
        assert!(ahead.error_ns() >= 2049, "{ahead:?}");
        let behind = offset([9000, 5100, 9200]);
        assert!(!behind.may_be_none() && behind.offset_ns < 0);
    }
}
