//! Thousands of CPUs in random orders.

use rendezvous::{CallIn, Name, Named, Order};
use simulator::{Setup, Write, shuffle};

/// Fails with the seed that found something.
fn check(setup: &Setup, seeds: std::ops::Range<u64>, leap_every: u32) {
    let shuffled = shuffle(setup, seeds, leap_every);
    if let Some((seed, found)) = shuffled.counter_example {
        panic!("seed {seed}: {found}");
    }
}

#[test]
fn thousands_of_cpus_all_load_or_none_does() {
    for (nr_cores, nr_threads, is_amd) in [(1024, 2, false), (1024, 2, true), (2048, 1, false)] {
        for &call_in in CallIn::ALL {
            let mut setup = Setup::new(Name::Muster, nr_cores, nr_threads);
            setup.is_amd = is_amd;
            setup.options.call_in = call_in;
            // About once before the last one has come, or not at all.
            check(&setup, 0..2, 100_000);
        }
    }
}

#[test]
fn among_hundreds_nothing_that_goes_wrong_is_worse_than_it_must_be() {
    for (seed, order) in (0..60).zip(Order::ALL.iter().cycle()) {
        let mut random = oorandom::Rand32::new(seed);
        let mut setup = Setup::new(Name::Muster, 64, 2);
        setup.is_amd = seed % 2 == 0;
        setup.options.order = *order;
        for cpu in 0..setup.nr_cpus() {
            let write = match random.rand_range(0..40) {
                0 => Write::Faults,
                1 => Write::Ignored,
                2 => Write::Garbles,
                3 => Write::Hangs,
                _ => continue,
            };
            setup.writes.push((cpu, write));
        }
        check(&setup, seed..seed + 1, 4000);
    }
}

#[test]
fn a_flaw_of_a_peer_is_met_by_chance_too() {
    let setup = Setup::new(Name::XenV5, 8, 1);
    assert!(shuffle(&setup, 0..200, 200).counter_example.is_some());
}
