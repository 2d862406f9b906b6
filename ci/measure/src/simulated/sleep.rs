//! Waits that are not looked into round by round.
//!
//! A CPU that waits looks at a word, pauses and looks again, and after so many rounds
//! reads the clock. As long as it has its copy of the word's line, all that is known
//! before: when each round begins, and which look at the clock is the one behind the
//! deadline. So it sleeps until it loses the copy, goes on with the round that is the
//! first to miss it, and ends where it would have ended.

/// Rounds between two looks at the clock, as in [`rendezvous::Machine::wait`].
pub(super) const LOOKS_PER_CLOCK: u64 = rendezvous::LOOKS_PER_CLOCK as u64;

/// A CPU that has its copy and waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sleep {
    /// When its next round begins, in ns.
    pub(super) next_ns: u64,
    /// Rounds since it looked at the clock.
    pub(super) nr_looks: u64,
    /// How long a round takes, in ns, at least one.
    pub(super) round_ns: u64,
    /// What it costs to read the clock, in ns.
    pub(super) clock_ns: u64,
    /// On the machine's clock.
    pub(super) deadline_ns: u64,
}

impl Sleep {
    /// How long it takes from one look at the clock to the next.
    fn turn_ns(&self) -> u64 {
        LOOKS_PER_CLOCK * self.round_ns + self.clock_ns
    }

    /// When it has looked at the clock and found the deadline passed; the end of
    /// time if that never comes.
    pub(super) fn times_out_ns(&self) -> u64 {
        let nr_left = LOOKS_PER_CLOCK - self.nr_looks;
        let first_ns = self.next_ns + nr_left * self.round_ns + self.clock_ns;
        if first_ns > self.deadline_ns {
            return first_ns;
        }
        let nr_more = (self.deadline_ns - first_ns) / self.turn_ns() + 1;
        first_ns.saturating_add(nr_more.saturating_mul(self.turn_ns()))
    }

    /// The first round that begins at a time, in ns, or later: it as the next one.
    pub(super) fn skip_to(self, at_ns: u64) -> Self {
        if at_ns <= self.next_ns {
            return self;
        }
        // From the round that followed the last look at the clock.
        let gone_ns = at_ns - self.next_ns + self.nr_looks * self.round_ns;
        let turns = gone_ns / self.turn_ns();
        let nr_looks = (gone_ns % self.turn_ns()).div_ceil(self.round_ns);
        let (turns, nr_looks) = if nr_looks < LOOKS_PER_CLOCK {
            (turns, nr_looks)
        } else {
            (turns + 1, 0)
        };
        let from_turn_ns = turns * self.turn_ns() + nr_looks * self.round_ns;
        Self {
            next_ns: self.next_ns + from_turn_ns - self.nr_looks * self.round_ns,
            nr_looks,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, round by round: when it times out, and each round's begin.
    fn rounds(sleep: Sleep) -> (Vec<(u64, u64)>, u64) {
        let (mut now_ns, mut nr_looks) = (sleep.next_ns, sleep.nr_looks);
        let mut begins = Vec::new();
        loop {
            begins.push((now_ns, nr_looks));
            now_ns += sleep.round_ns;
            nr_looks += 1;
            if nr_looks == LOOKS_PER_CLOCK {
                now_ns += sleep.clock_ns;
                if now_ns > sleep.deadline_ns {
                    return (begins, now_ns);
                }
                nr_looks = 0;
            }
        }
    }

    #[test]
    fn whoever_sleeps_wakes_in_the_round_and_at_the_time_that_counting_gives() {
        for nr_looks in [0, 1, 15] {
            for (round_ns, clock_ns) in [(1, 0), (3, 2), (47, 100)] {
                for deadline_ns in [0, 120, 121, 500, 2600] {
                    let sleep = Sleep {
                        next_ns: 100,
                        nr_looks,
                        round_ns,
                        clock_ns,
                        deadline_ns,
                    };
                    let (begins, end_ns) = rounds(sleep);
                    assert_eq!(sleep.times_out_ns(), end_ns, "{sleep:?}");
                    let &(last_ns, _) = begins.last().unwrap();
                    for at_ns in 90..=last_ns {
                        let first = begins.iter().find(|(begin_ns, _)| *begin_ns >= at_ns);
                        let skipped = sleep.skip_to(at_ns);
                        assert_eq!(Some(&(skipped.next_ns, skipped.nr_looks)), first);
                    }
                    assert!(sleep.skip_to(last_ns + 1).next_ns >= end_ns);
                }
            }
        }
    }

    #[test]
    fn a_deadline_beyond_the_end_of_time_never_passes() {
        let sleep = Sleep {
            next_ns: 5,
            nr_looks: 3,
            round_ns: 47,
            clock_ns: 10,
            deadline_ns: u64::MAX,
        };
        assert_eq!(sleep.times_out_ns(), u64::MAX);
    }
}
