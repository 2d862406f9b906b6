//! The worst ways, played through, and the text.

use std::collections::BTreeMap;

use oorandom::Rand64;
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

/// The setting with these faults: how long a CPU takes at the longest whose own write
/// ends in time, from its call-in until it is out, and what the budget says.
fn play(mut setting: Setting, faults: &[(u32, Fault)]) -> (Us, Us) {
    let worst = worst::total(&worst::worst(&setting).parts);
    setting.faults = faults.to_vec();
    let load = &records(&setting, 1).unwrap()[0];
    let is_slow = |cpu: u32| {
        let mut own = faults.iter().filter(|(of, _)| *of == cpu);
        own.any(|(_, fault)| matches!(fault, Fault::Slow(_)))
    };
    let sound = iteration(&setting, load).cpus.into_iter();
    let sound = sound.filter(|cpu| !is_slow(cpu.cpu));
    let took = sound.filter_map(|cpu| cpu.left_ns?.checked_sub(cpu.called_in_ns?));
    (Us(took.max().unwrap_or(0) / 1000), worst)
}

/// What CPUs do between their waits, in µs.
const WORK: Us = Us(100);

/// Each protocol's longest ways, as nearly as CPUs that are late and slow can bring
/// them about.
fn longest_ways() -> Vec<(Setting, Vec<(u32, Fault)>)> {
    let (call_in, update, load) = (1_000, 10_000, 500);
    let of_amd = |setting: &Setting| Setting {
        is_amd: true,
        ..setting.clone()
    };
    let slow = |cpu, us| (cpu, Fault::Slow(us));
    let late = |cpu| (cpu, Fault::Late(before(call_in)));
    let hung = |cpu| (cpu, NEVER_BACK);
    let mut muster = setting(Name::Muster, 2, 2);
    muster.options.election = Election::Lowest;
    let mut canary = muster.clone();
    canary.options.order = Order::Canary;
    let mut serial = setting(Name::Muster, 4, 1);
    serial.options.order = Order::Serial;
    let long_write = Setting {
        load_us: 3 * update,
        ..serial.clone()
    };
    let linux = setting(Name::Linux, 2, 2);
    let mut in_batches = vec![slow(0, before(call_in + 3 * update))];
    in_batches.extend((1..7).map(|cpu| slow(cpu, update)));
    vec![
        // Others wait for a leader that does not come back.
        (muster.clone(), vec![late(3), hung(2)]),
        // The leader ends just before its follower's time is over, which then writes.
        (of_amd(&muster), vec![late(1), slow(2, before(update))]),
        // The canary takes all of its step, then a leader of the other core does.
        (
            of_amd(&canary),
            vec![
                late(1),
                slow(0, before(update / 2)),
                slow(1, before(update / 2)),
                slow(2, before(update)),
            ],
        ),
        (serial, vec![late(1), hung(0)]),
        // Each core takes all of its step, and the last one's leader begins to write.
        (
            long_write,
            vec![
                late(1),
                slow(0, before(update)),
                slow(1, before(update)),
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
                hung(3),
            ],
        ),
        // A sibling waits for its own leader as well.
        (
            setting(Name::XenV5, 2, 2),
            vec![late(3), slow(2, before(update)), hung(0)],
        ),
        (setting(Name::XenV5, 1, 3), vec![late(1), hung(0)]),
        (
            setting(Name::Xen, 4, 1),
            vec![
                slow(0, before(call_in + 5 * update)),
                slow(1, before(load + update)),
                hung(3),
            ],
        ),
        // Its own write takes longer than the control thread has patience for another.
        (
            Setting {
                load_us: 25_000,
                ..setting(Name::Xen, 5, 1)
            },
            vec![
                slow(0, before(call_in + 6 * update)),
                slow(1, before(update)),
                slow(2, 2 * before(update)),
                hung(4),
            ],
        ),
        // Nobody sets the state that the others wait for.
        (setting(Name::Xen, 2, 1), vec![hung(0)]),
        (setting(Name::Xen, 1, 2), vec![hung(0)]),
        // A sibling waits for its leader in vain, or gets its turn at the last moment
        // and another core's never ends.
        (linux.clone(), vec![late(2), hung(0)]),
        (
            of_amd(&linux),
            vec![late(1), slow(2, before(update)), hung(1)],
        ),
        (
            of_amd(&setting(Name::Linux, 1, 3)),
            vec![late(1), slow(0, before(update)), hung(1)],
        ),
        (setting(Name::Linux, 2, 1), vec![late(1), hung(1)]),
        (
            setting(Name::SerialChain, 3, 1),
            vec![slow(1, before(call_in + 2 * update - 2 * load))],
        ),
        (setting(Name::Batches, 8, 1), in_batches),
        // The control CPU waits for one of the first batch to the end.
        (setting(Name::Batches, 3, 1), vec![hung(1)]),
    ]
}

#[test]
fn each_protocols_worst_way_can_be_gone_nearly_to_its_end() {
    for (setting, faults) in longest_ways() {
        let (protocol, nr_cpus) = (setting.protocol, setting.nr_cpus());
        let (took, worst) = play(setting, &faults);
        let words = format!("{protocol:?} of {nr_cpus}: {took} of {worst}, {faults:?}");
        assert!(took <= worst + WORK, "{words}");
        // Seven times, a CPU is a little earlier than it could be.
        assert!(took + Us(500) >= worst, "{words}");
    }
}

/// One of some things, by chance.
fn pick<T: Copy>(random: &mut Rand64, from: &[T]) -> T {
    let place = random.rand_range(0..from.len() as u64);
    from[usize::try_from(place).unwrap()]
}

/// A machine of some CPUs, and what goes wrong on it, by chance.
fn by_chance(random: &mut Rand64) -> (Setting, Vec<(u32, Fault)>) {
    let protocol = pick(random, Name::ALL);
    let (nr_cores, nr_threads) = (pick(random, &[1, 2, 3, 4]), pick(random, &[1, 2, 3]));
    let mut setting = setting(protocol, nr_cores, nr_threads);
    setting.is_amd = pick(random, &[false, true]);
    setting.options.election = pick(random, Election::ALL);
    setting.options.order = pick(random, Order::ALL);
    setting.load_us = pick(random, &[500, 500, 15_000, 200_000]);
    let Timeouts {
        call_in_us,
        update_us,
        ..
    } = setting.timeouts;
    let mut faults = Vec::new();
    for cpu in 0..setting.nr_cpus() {
        let steps_us = pick(random, &[0, 0, 1, 2, 3, 4, 6, 9]) * update_us;
        let more_us = pick(random, &[0, 0, call_in_us, setting.load_us]);
        let us = (steps_us + more_us).saturating_sub(pick(random, &[0, 60, 60, 700]));
        match random.rand_range(0..8) {
            0 => faults.push((cpu, NEVER_BACK)),
            1..=3 => faults.push((cpu, Fault::Slow(us))),
            4 => faults.push((cpu, Fault::Late(us))),
            5 => faults.push((cpu, Fault::Late(before(call_in_us)))),
            _ => {}
        }
    }
    if setting.nr_cpus() > 1 && random.rand_range(0..8) == 0 {
        faults.push((1, Fault::NeverArrives));
    }
    (setting, faults)
}

#[test]
fn whatever_others_do_no_cpu_takes_longer_than_the_worst() {
    let mut random = Rand64::new(7);
    let mut nr_near = BTreeMap::new();
    for _ in 0..6_000 {
        let (setting, faults) = by_chance(&mut random);
        let (took, worst) = play(setting.clone(), &faults);
        assert!(
            took <= worst + WORK,
            "{took} of {worst}: {setting:?} {faults:?}"
        );
        let is_near = took + Us(setting.timeouts.call_in_us) > worst;
        *nr_near.entry(setting.protocol.name()).or_insert(0) += u32::from(is_near);
    }
    // Chance comes near the worst of each, so that this could fail.
    assert_eq!(nr_near.len(), Name::ALL.len());
    assert!(nr_near.values().all(|&nr| nr > 10), "{nr_near:?}");
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
    // The call-in and a second for each step.
    assert_eq!(worst(Name::Muster, Order::Parallel), Us(30 * ms + s));
    assert_eq!(worst(Name::Muster, Order::Canary), Us(30 * ms + 2 * s));
    assert_eq!(worst(Name::Muster, Order::Serial), Us(30 * ms + 8 * s));
    // A second after each core that writes, and once more for each CPU to leave.
    assert_eq!(worst(Name::XenV5, Order::Parallel), Us(60 * ms + 24 * s));
    assert_eq!(worst(Name::Xen, Order::Parallel), Us(61 * ms + 39 * s));
    assert_eq!(worst(Name::Linux, Order::Parallel), Us(19 * s));
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
        let at_least = Us(500 * nr_writes);
        let expected = budget.expected.unwrap();
        assert!(expected > at_least, "{protocol:?}");
        assert!(expected < at_least + Us(300), "{protocol:?}: {budget}");
        assert!(expected < budget.worst);
    }
}

#[test]
fn limits_are_held_against_the_time_that_a_cpu_stands_still() {
    let limits = ["watchdog=20s", "tick=4ms", "blink=1us"].map(|text| text.parse().unwrap());
    let kept = |protocol| {
        let mut setting = Setting::new(protocol, 1, 16, 2).unwrap();
        setting.load_us = 1_000;
        let budget = Budget::new(&setting, &limits, 1).unwrap();
        let pair = |kept: &Kept| (kept.at_worst, kept.as_expected.unwrap());
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
fn time_outs_that_are_too_short_for_a_load_let_nothing_be_expected() {
    let limits = ["watchdog=20s", "blink=1us"].map(|text| text.parse().unwrap());
    let call_in = |timeouts: &mut Timeouts| timeouts.call_in_us = 1;
    let update = |timeouts: &mut Timeouts| timeouts.update_us = 1;
    for (protocol, nr_threads, change) in [
        (Name::Muster, 2, call_in as fn(&mut Timeouts)),
        (Name::Muster, 2, update),
        // Nobody is aborted, but one is missed.
        (Name::Xen, 1, update),
    ] {
        let mut setting = setting(protocol, 4 / nr_threads, nr_threads);
        setting.costs.call = 50_000;
        change(&mut setting.timeouts);
        let budget = Budget::new(&setting, &limits, 3).unwrap();
        assert_eq!(budget.expected, None);
        assert!(budget.limits.iter().all(|kept| kept.as_expected.is_none()));
        let text = budget.to_string();
        assert!(text.contains("Nothing is expected"), "{text}");
        assert!(text.contains("broken by"), "{text}");
    }
}

#[test]
fn a_limit_below_what_is_expected_is_broken_though_no_time_out_says_so() {
    // The work alone takes longer than all time-outs.
    let mut setting = setting(Name::Muster, 4, 1);
    setting.load_us = 0;
    (setting.timeouts.call_in_us, setting.timeouts.update_us) = (3, 3);
    setting.costs.call = 2_000;
    setting.costs.revision = 2_000_000;
    let limits = ["blink=1ms".parse().unwrap()];
    let budget = Budget::new(&setting, &limits, 1).unwrap();
    assert!(worst::total(&budget.parts) < Us(1_000), "{budget}");
    assert!(!budget.limits[0].at_worst, "{budget}");
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
            &budget.expected.unwrap().to_string(),
            &budget.worst.to_string(),
        ] {
            assert!(text.contains(words), "{words} in {text}");
        }
    }
}
