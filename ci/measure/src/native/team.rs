//! Threads that are kept on their CPUs while they work together.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::cpus::{self, HostCpu};

/// Whether the threads may begin.
const WAIT: u32 = 0;
const GO: u32 = 1;
const CANCEL: u32 = 2;

/// How often whoever waits for them looks after them. Each look takes one of them
/// its CPU for a moment.
const WATCH: Duration = Duration::from_millis(200);

/// Has a thread for each CPU do its part of `work`; one without a CPU runs wherever it
/// may. `watch` is called now and then meanwhile. None of them begins unless all
/// were started: one would wait for another for good.
pub(super) fn together<T: Send>(
    cpus: &[Option<u32>],
    work: impl Fn(usize) -> T + Sync,
    watch: &mut dyn FnMut(),
) -> io::Result<Vec<T>> {
    let may_begin = AtomicU32::new(WAIT);
    let nr_ended = AtomicUsize::new(0);
    let caller = thread::current();
    let part = |index: usize, cpu: Option<u32>| {
        // Where it cannot be kept on its CPU it works all the same, since the others
        // wait for it, and what came of it is thrown away.
        let pinned = cpu.map_or(Ok(()), cpus::pin);
        // Relaxed: starting a thread hands over all that there is.
        while may_begin.load(Ordering::Relaxed) == WAIT {
            thread::yield_now();
        }
        let goes = may_begin.load(Ordering::Relaxed) == GO;
        let done = goes.then(|| work(index));
        // Release pairs with the Acquire below: whoever counts all of them joins them
        // without a wait.
        nr_ended.fetch_add(1, Ordering::Release);
        caller.unpark();
        pinned.map(|()| done)
    };
    thread::scope(|scope| {
        let part = &part;
        let mut threads = Vec::with_capacity(cpus.len());
        for (index, &cpu) in cpus.iter().enumerate() {
            let started = thread::Builder::new().spawn_scoped(scope, move || part(index, cpu));
            match started {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    may_begin.store(CANCEL, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        may_begin.store(GO, Ordering::Relaxed);
        while nr_ended.load(Ordering::Acquire) < threads.len()
            && !threads.iter().all(thread::ScopedJoinHandle::is_finished)
        {
            watch();
            thread::park_timeout(WATCH);
        }
        let ended_early = || io::Error::other("a thread ended early");
        let results = threads.into_iter().map(|thread| {
            let done = thread.join().map_err(|_| ended_early())??;
            done.ok_or_else(ended_early)
        });
        results.collect()
    })
}

/// Has two CPUs do something together; what came of the first one's part.
pub(super) fn pair<T: Send>(
    cpus: [HostCpu; 2],
    first: impl Fn() -> T + Sync,
    second: impl Fn() + Sync,
) -> io::Result<T> {
    let work = |index| {
        if index == 0 {
            return Some(first());
        }
        second();
        None
    };
    let results = together(&cpus.map(|cpu| Some(cpu.number)), work, &mut || {})?;
    let result = results.into_iter().flatten().next();
    result.ok_or_else(|| io::Error::other("a thread ended early"))
}
