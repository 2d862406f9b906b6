//! Recognises a hypervisor that ignores the microcode write.
//!
//! Every common hypervisor accepts the write and drops it, so the loader does
//! all right and the revision stays. That is neither a failure of the loader
//! nor a pass, and has a verdict of its own; but only when nothing else is
//! wrong, lest a real damage hides behind it.

use report::{HardwareKind, Outcome, Role};

use super::{Stream, counted};

/// The sentence for the screen, if that is what happened: real MSRs, a CPU
/// that says it is virtual, and every core that loaded saw no effect, while
/// no CPU ended otherwise than without effect or without a need.
pub(super) fn explain(stream: &Stream<'_>) -> Option<String> {
    let header = stream.header?;
    let hypervisor = header.hypervisor?;
    let leaders = || stream.cpus.iter().filter(|cpu| cpu.role == Role::Leader);
    let swallowed = header.hardware == HardwareKind::Msr
        && leaders().any(|cpu| cpu.outcome == Outcome::NotTaken)
        && stream.cpus.iter().all(|cpu| {
            matches!(
                cpu.outcome,
                Outcome::NotTaken | Outcome::Already | Outcome::Parked
            )
        });
    let nr_cores = leaders()
        .filter(|cpu| cpu.outcome == Outcome::NotTaken)
        .count();
    let cores = counted(nr_cores as u64, "core");
    swallowed.then(|| {
        format!(
            "the write was made on {cores} and the revision stayed: the hypervisor \
             ({hypervisor}) ignores microcode updates"
        )
    })
}
