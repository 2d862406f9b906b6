//! Several at a time: workers that take the next piece of work, and places
//! that work of different weight shares.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Does `work` on every item, up to `nr_workers` at a time and in their order;
/// what came of each, in the same order.
pub fn run<T: Sync, R: Send>(
    items: &[T],
    nr_workers: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return done;
            };
            done.push((index, work(item)));
        }
    };
    thread::scope(|scope| {
        let nr_workers = nr_workers.clamp(1, items.len().max(1));
        let workers: Vec<_> = (0..nr_workers).map(|_| scope.spawn(worker)).collect();
        let mut done = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(part) => done.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done.sort_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, result)| result).collect()
    })
}

/// Places that work is done in. Whoever comes first is served first: work that
/// needs many places is not overtaken until it is forgotten.
#[derive(Debug)]
pub struct Places {
    nr_all: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    nr_free: usize,
    /// Tickets handed out, and the one whose turn it is.
    nr_tickets: usize,
    turn: usize,
}

/// Places that are taken until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Taken<'a> {
    places: &'a Places,
    nr_taken: usize,
}

impl Places {
    /// So many places, one at least.
    #[must_use]
    pub const fn new(nr_places: usize) -> Self {
        let nr_places = if nr_places == 0 { 1 } else { nr_places };
        Self {
            nr_all: nr_places,
            state: Mutex::new(State {
                nr_free: nr_places,
                nr_tickets: 0,
                turn: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits for so many places and takes them; who wants more than there are
    /// is given all.
    pub fn take(&self, nr_wanted: usize) -> Taken<'_> {
        let nr_taken = nr_wanted.min(self.nr_all);
        let mut state = self.state();
        let ticket = state.nr_tickets;
        state.nr_tickets += 1;
        let mut state = self
            .changed
            .wait_while(state, |state| {
                state.turn != ticket || state.nr_free < nr_taken
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.nr_free -= nr_taken;
        state.turn += 1;
        self.changed.notify_all();
        Taken {
            places: self,
            nr_taken,
        }
    }

    /// Nothing that holds the lock can panic halfway.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.places.state().nr_free += self.nr_taken;
        self.places.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_the_results_keep_the_order() {
        for nr_workers in [0, 1, 3, 100] {
            let items: Vec<_> = (0..20).collect();
            let doubled = run(&items, nr_workers, |item| 2 * item);
            assert_eq!(doubled, items.iter().map(|i| 2 * i).collect::<Vec<_>>());
        }
        assert!(run(&[], 2, |item: &u8| *item).is_empty());
    }

    #[test]
    fn no_more_places_are_taken_than_there_are() {
        let places = Places::new(3);
        let nr_busy = AtomicUsize::new(0);
        run(&[1, 3, 1, 2, 9, 1, 2, 3], 4, |&wanted| {
            let _taken = places.take(wanted);
            let nr_taken = wanted.min(3);
            let nr_busy_now = nr_busy.fetch_add(nr_taken, Ordering::SeqCst) + nr_taken;
            assert!(nr_busy_now <= 3, "{nr_busy_now}");
            thread::yield_now();
            nr_busy.fetch_sub(nr_taken, Ordering::SeqCst);
        });
        assert_eq!(places.state().nr_free, 3);
    }

    #[test]
    fn who_needs_many_places_is_not_overtaken() {
        let places = Places::new(2);
        let order = Mutex::new(Vec::new());
        let one = places.take(1);
        thread::scope(|scope| {
            let nr_waiting = |nr| {
                while places.state().nr_tickets < nr {
                    thread::yield_now();
                }
            };
            for (nr_tickets, wanted) in [(2, 2), (3, 1)] {
                let (places, order) = (&places, &order);
                scope.spawn(move || {
                    let _taken = places.take(wanted);
                    order.lock().unwrap().push(wanted);
                });
                nr_waiting(nr_tickets);
            }
            assert!(order.lock().unwrap().is_empty(), "one place was free");
            drop(one);
        });
        assert_eq!(*order.lock().unwrap(), [2, 1]);
    }
}
