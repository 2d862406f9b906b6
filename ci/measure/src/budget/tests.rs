//! The worst ways, played through, and the text.

use rendezvous::{Election, Options, Order, Timeouts};

use super::*;
use crate::simulated::Fault;

/// Long enough to be missed by everybody.
const NEVER_BACK: Fault = Fault::Slow(3_600_000_000);

/// Time-outs of 1 ms for the call-in and of 10 ms for an update.
fn setting(protocol: Name, nr_cores: u32, nr_threads: u32) -> Setting {
    let mut setting = Setting::new(protocol, 1, nr_cores, nr_threads).unwrap();
    setting.load_us = 500;
    setting.timeouts = Timeouts {
        call_in_us: 1_000,
        update_us: 10_000,
        ..setting.timeouts
    };
    setting.costs.call_spread = 0;
    setting
}

/// Just before another moment, in µs.
fn before(us: u64) -> u64 {
    us - 60
}

/// The setting with these faults: how long it takes until the last is out whose own
/// write ends in time, and what the budget says.
fn play(mut setting: Setting, faults: &[(u32, Fault)]) -> (Us, Us) {
    setting.faults = faults.to_vec();
    let load = &simulate(&setting, 1).unwrap()[0];
    let is_slow = |cpu: u32| {
        let own = faults.iter().filter(|(of, _)| *of == cpu);
        own.into_iter()
            .any(|(_, fault)| matches!(fault, Fault::Slow(_)))
    };
    let sound = load.cpus.iter().filter(|cpu| !is_slow(cpu.cpu));
    let left_ns = sound.filter_map(|cpu| cpu.left_ns).max().unwrap();
    let budget = Budget::new(&setting, &[], 1).unwrap();
    (Us(left_ns / 1000), budget.worst)
}

#[test]
fn each_protocols_worst_way_can_be_gone_nearly_to_its_end_and_not_beyond() {
    let (call_in, update, load) = (1_000, 10_000, 500);
    let mut muster = setting(Name::Muster, 2, 2);
    muster.is_amd = true;
    muster.options.election = Election::Lowest;
    let mut canary = muster.clone();
    canary.options.order = Order::Canary;
    let mut linux = setting(Name::Linux, 2, 2);
    linux.is_amd = true;
    let slow = |cpu, us| (cpu, Fault::Slow(us));
    let late = |cpu| (cpu, Fault::Late(before(call_in)));
    let mut in_batches = vec![slow(0, before(call_in + 3 * update))];
    in_batches.extend((1..7).map(|cpu| slow(cpu, update)));
    for (setting, faults) in [
        // The leader ends just before its follower's time is over, which then writes.
        (muster, vec![late(3), slow(2, before(update))]),
        // The canary takes all of its step, then a leader of the other core does.
        (
            canary,
            vec![
                late(3),
                slow(0, before(update / 2)),
                slow(1, before(update / 2)),
                slow(2, before(update)),
            ],
        ),
        // One comes out after another, and the last does not.
        (
            setting(Name::XenV5, 4, 1),
            vec![
                late(3),
                slow(1, load + before(update)),
                slow(2, load + 2 * before(update)),
                (3, NEVER_BACK),
            ],
        ),
        (
            setting(Name::Xen, 4, 1),
            vec![
                slow(0, before(call_in + 5 * update)),
                slow(1, before(load + update)),
                (3, NEVER_BACK),
            ],
        ),
        // A sibling gets its turn at the last moment, and another core's never ends.
        (
            linux,
            vec![late(1), slow(2, before(update)), (1, NEVER_BACK)],
        ),
        (
            setting(Name::SerialChain, 3, 1),
            vec![slow(1, before(call_in + 2 * update - 2 * load))],
        ),
        (setting(Name::Batches, 8, 1), in_batches),
    ] {
        let protocol = setting.protocol;
        let (took, worst) = play(setting, &faults);
        // A few rounds of a wait, and what the lines cost.
        assert!(took <= worst + Us(20), "{protocol:?}: {took} of {worst}");
        assert!(
            took >= Us(worst.0 * 9 / 10),
            "{protocol:?}: {took} of {worst}"
        );
    }
}

#[test]
fn whoever_never_comes_holds_the_others_for_no_longer_than_the_worst() {
    for &protocol in Name::ALL {
        for nr_threads in [1, 2] {
            for fault in [Fault::NeverArrives, NEVER_BACK] {
                for cpu in 1..4 {
                    let setting = setting(protocol, 4 / nr_threads, nr_threads);
                    let (took, worst) = play(setting, &[(cpu, fault)]);
                    assert!(took <= worst + Us(20), "{protocol:?}: {took} of {worst}");
                }
            }
        }
    }
}

#[test]
fn the_worst_of_the_origins_time_outs_is_what_their_descriptions_say() {
    let worst = |protocol, order| {
        let mut setting = Setting::new(protocol, 1, 8, 2).unwrap();
        setting.options = Options {
            order,
            ..Options::default()
        };
        Budget::new(&setting, &[], 1).unwrap().worst
    };
    let (ms, s) = (1_000, 1_000_000);
    // The call-in, a second for each step, and a write that has begun.
    assert_eq!(worst(Name::Muster, Order::Parallel), Us(31 * ms + s));
    assert_eq!(worst(Name::Muster, Order::Canary), Us(31 * ms + 2 * s));
    assert_eq!(worst(Name::Muster, Order::Serial), Us(31 * ms + 8 * s));
    // A second after each of the others, and once more for each to leave.
    assert_eq!(worst(Name::XenV5, Order::Parallel), Us(61 * ms + 31 * s));
    assert_eq!(worst(Name::Xen, Order::Parallel), Us(61 * ms + 40 * s));
    assert_eq!(worst(Name::Linux, Order::Parallel), Us(ms + 19 * s));
    // Eight batches of 10 ms and what a CPU waits beyond its own; the blob again.
    assert_eq!(worst(Name::Batches, Order::Parallel), Us(121 * ms));
    let parse_us = 30;
    let chain = worst(Name::SerialChain, Order::Parallel);
    assert_eq!(chain, Us(31 * ms + 15 * s + parse_us));
}

#[test]
fn what_is_expected_is_a_write_and_little_more_but_of_a_chain() {
    for &protocol in Name::ALL {
        let budget = Budget::new(&setting(protocol, 4, 2), &[], 3).unwrap();
        let nr_writes = match protocol {
            Name::Muster | Name::Linux | Name::XenV5 => 1,
            // The control thread first; the batches of the first threads.
            Name::Xen => 2,
            Name::Batches | Name::SerialChain => 4,
        };
        let expected = Us(500 * nr_writes);
        assert!(budget.expected > expected, "{protocol:?}");
        assert!(
            budget.expected < expected + Us(300),
            "{protocol:?}: {budget}"
        );
        assert!(budget.expected < budget.worst);
    }
}

#[test]
fn limits_are_held_against_the_time_that_a_cpu_stands_still() {
    let limits = ["watchdog=20s", "tick=4ms", "blink=1us"].map(|text| text.parse().unwrap());
    let kept = |protocol| {
        let mut setting = Setting::new(protocol, 1, 16, 2).unwrap();
        setting.load_us = 1_000;
        let budget = Budget::new(&setting, &limits, 1).unwrap();
        let pair = |kept: &Kept| (kept.at_worst, kept.as_expected);
        budget.limits.iter().map(pair).collect::<Vec<_>>()
    };
    assert_eq!(
        kept(Name::Muster),
        [(true, true), (false, true), (false, false)]
    );
    assert_eq!(
        kept(Name::XenV5),
        [(false, true), (false, true), (false, false)]
    );
    // Who waits for the chain runs on meanwhile.
    assert_eq!(
        kept(Name::SerialChain),
        [(true, true), (true, true), (false, false)]
    );
}

#[test]
fn the_text_says_it_all_in_no_more_than_a_hundred_columns() {
    let limits = ["watchdog=20s", "storage=30s"].map(|text| text.parse().unwrap());
    for &protocol in Name::ALL {
        let mut setting = Setting::new(protocol, 2, 64, 2).unwrap();
        setting.timeouts.update_us = 1_234_567;
        let budget = Budget::new(&setting, &limits, 1).unwrap();
        let text = budget.to_string();
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
        for part in &budget.parts {
            assert!(text.contains(&part.at_most.to_string()), "{text}");
        }
        for words in [
            protocol.name(),
            "256 CPUs: 2 packages of 64 cores of 2 threads",
            "watchdog's limit of 20 s",
            "storage's limit of 30 s",
            &budget.expected.to_string(),
            &budget.worst.to_string(),
        ] {
            assert!(text.contains(words), "{words} in {text}");
        }
    }
}
