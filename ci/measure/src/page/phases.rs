//! One CPU's part of a load as phases that follow each other.

use crate::iteration::{CpuTimes, Iteration};

/// What a CPU does while it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has called in, and others have not.
    Wait,
    /// All have called in, and it has not seen the gate open.
    Gate,
    /// It writes.
    Load,
    /// It stands still while its core is written to by another thread.
    Follow,
    /// All is written, and it is on its way out.
    Leave,
}

/// A phase of one CPU, in ns of the iteration's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PhaseSpan {
    /// Which.
    pub(super) phase: Phase,
    /// When it begins.
    pub(super) from_ns: u64,
    /// When it ends, not before it begins.
    pub(super) to_ns: u64,
}

impl Phase {
    /// All, in the order that they come in.
    pub(super) const ALL: [Self; 5] = [
        Self::Wait,
        Self::Gate,
        Self::Load,
        Self::Follow,
        Self::Leave,
    ];

    /// What legends and traces call it.
    #[must_use]
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait for the others",
            Self::Gate => "gate",
            Self::Load => "load",
            Self::Follow => "follow",
            Self::Leave => "leave",
        }
    }
}

/// The phases of one CPU, as far as its moments are known. What lies between two of
/// them, such as waiting for other cores' writes, has no name of its own.
#[must_use]
pub(super) fn phases(iteration: &Iteration, cpu: &CpuTimes) -> Vec<PhaseSpan> {
    let last =
        |moment: fn(&CpuTimes) -> Option<u64>| iteration.cpus.iter().filter_map(moment).max();
    let last_call_ns = last(|cpu| cpu.called_in_ns);
    let all_loaded_ns = last(|cpu| cpu.load_end_ns);
    let of_core = iteration.cpus.iter().filter(|other| other.core == cpu.core);
    let core_loaded_ns = of_core.filter_map(|other| other.load_end_ns).max();

    // Where there is no gate, a CPU waits for its turn.
    let let_in_ns = cpu.gate_ns.or(cpu.load_start_ns);
    let wait_end_ns = let_in_ns.map(|at| last_call_ns.map_or(at, |last| at.min(last)));
    let gate_start_ns = last_call_ns.max(cpu.called_in_ns);
    // A thread that left while its core still loaded stood still no longer.
    let until_ns = core_loaded_ns.map(|at| cpu.left_ns.map_or(at, |left| at.min(left)));
    let followed_ns = until_ns.filter(|_| cpu.follows);
    let own_end_ns = cpu.load_end_ns.or(followed_ns);
    // One that need not wait for other cores' writes is on its way from its own on.
    let early = cpu.left_ns < all_loaded_ns;
    let leave_start_ns = if early { own_end_ns } else { all_loaded_ns };

    [
        (Phase::Wait, cpu.called_in_ns, wait_end_ns),
        (Phase::Gate, gate_start_ns, cpu.gate_ns),
        (Phase::Load, cpu.load_start_ns, cpu.load_end_ns),
        (Phase::Follow, cpu.gate_ns, followed_ns),
        (Phase::Leave, leave_start_ns, cpu.left_ns),
    ]
    .into_iter()
    .filter_map(|(phase, from_ns, to_ns)| {
        let (from_ns, to_ns) = (from_ns?, to_ns?);
        (from_ns <= to_ns).then_some(PhaseSpan {
            phase,
            from_ns,
            to_ns,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iteration::tests::iteration;

    fn of(iteration: &Iteration, cpu: usize) -> Vec<(&'static str, u64, u64)> {
        let spans = phases(iteration, &iteration.cpus[cpu]);
        let parts = spans.into_iter();
        parts
            .map(|span| (span.phase.name(), span.from_ns, span.to_ns))
            .collect()
    }

    #[test]
    fn phases_follow_each_other_within_the_stall() {
        let iteration = iteration();
        assert_eq!(
            of(&iteration, 0),
            [
                ("wait for the others", 100, 150),
                ("gate", 150, 220),
                ("load", 230, 330),
                ("leave", 330, 360),
            ]
        );
        assert_eq!(
            of(&iteration, 1),
            [
                ("wait for the others", 150, 150),
                ("gate", 150, 210),
                ("follow", 210, 330),
                ("leave", 330, 400),
            ]
        );
    }

    #[test]
    fn a_thread_that_leaves_while_its_core_loads_follows_until_then() {
        let mut iteration = iteration();
        iteration.cpus[1].left_ns = Some(300);
        assert_eq!(
            of(&iteration, 1)[2..],
            [("follow", 210, 300), ("leave", 300, 300)]
        );
    }

    #[test]
    fn a_cpu_that_leaves_before_the_last_write_leaves_after_its_own() {
        let mut iteration = iteration();
        iteration.cpus[1] = CpuTimes {
            cpu: 1,
            core: 1,
            called_in_ns: Some(150),
            load_start_ns: Some(400),
            load_end_ns: Some(500),
            left_ns: Some(510),
            ..CpuTimes::default()
        };
        assert!(of(&iteration, 0).contains(&("leave", 330, 360)));
        // Without a gate it waited for its turn, as far as others were missing.
        assert_eq!(of(&iteration, 1)[0], ("wait for the others", 150, 150));
        iteration.cpus[1].called_in_ns = None;
        assert_eq!(of(&iteration, 1)[0].0, "load");
    }
}
