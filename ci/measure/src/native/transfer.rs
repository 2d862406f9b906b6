//! The floor: how long one CPU's store takes to be seen by another.
//!
//! Two threads pass one cache line to and fro, and half of a round trip is one way.
//! Nothing that CPUs agree by can be faster than one of them. They look without a
//! pause, so that nothing but the line is in it, and the clock is read only after
//! several round trips, so that reading it is not in it either.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use cpu::registers::{Native, Registers};
use cpu::tsc::Clock;
use crossbeam_utils::CachePadded;

use super::cpus::HostCpu;
use super::team;

/// Round trips between two looks at the clock.
const NR_ROUND_TRIPS: u32 = 8;

/// Lines that take so many times longer go between other places: those between the
/// same two vary by a half on a busy host, and two threads of a core, two cores and two
/// packages are further apart than this.
const MOVED: u64 = 2;

/// Whether two medians of transfers, in ns, are so far apart that the CPUs have moved: a
/// hypervisor may put them elsewhere.
#[must_use]
pub fn have_moved([one_ns, other_ns]: [u64; 2]) -> bool {
    let least_ns = one_ns.min(other_ns);
    one_ns.max(other_ns) > least_ns.saturating_mul(MOVED)
}

/// One-way transfers from one CPU to another, each the mean of a few round trips' halves, in
/// ns.
pub fn measure(
    from: HostCpu,
    to: HostCpu,
    clock: Clock,
    nr_samples: usize,
) -> io::Result<Vec<u64>> {
    let ball = CachePadded::new(AtomicU32::new(0));
    let nr_all = u32::try_from(nr_samples)
        .ok()
        .and_then(|nr_samples| nr_samples.checked_mul(NR_ROUND_TRIPS));
    let nr_all = nr_all.ok_or(io::ErrorKind::InvalidInput)?;
    // Release and Acquire: as the protocols announce something.
    let wait_for = |value| while ball.load(Ordering::Acquire) != value {};
    let serve = || {
        let mut values = Vec::with_capacity(nr_samples);
        let mut thrown = 0_u32;
        for _ in 0..nr_samples {
            let start = Native.read_tsc();
            for _ in 0..NR_ROUND_TRIPS {
                ball.store(thrown.wrapping_add(1), Ordering::Release);
                thrown = thrown.wrapping_add(2);
                wait_for(thrown);
            }
            let ticks = Native.read_tsc().saturating_sub(start);
            values.push(clock.ns(ticks) / u64::from(2 * NR_ROUND_TRIPS));
        }
        values
    };
    let give_back = || {
        let mut seen = 0_u32;
        for _ in 0..nr_all {
            wait_for(seen.wrapping_add(1));
            seen = seen.wrapping_add(2);
            ball.store(seen, Ordering::Release);
        }
    };
    team::pair([from, to], serve, give_back)
}
