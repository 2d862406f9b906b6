//! What the simulation promises, and what it shows.

use rendezvous::{CallIn, Election, Name, Named, Options, Order, Outcome, Role};

use super::*;

fn setting(protocol: Name, nr_packages: u32, nr_cores: u32, nr_threads: u32) -> Setting {
    let mut setting = Setting::new(protocol, nr_packages, nr_cores, nr_threads).unwrap();
    setting.load_us = 100;
    setting
}

/// Every protocol, and `muster` with each of its options.
fn all(nr_packages: u32, nr_cores: u32, nr_threads: u32) -> Vec<Setting> {
    let mut all = Vec::new();
    for &protocol in Name::ALL {
        all.push(setting(protocol, nr_packages, nr_cores, nr_threads));
    }
    for &call_in in CallIn::ALL {
        for &election in Election::ALL {
            for &order in Order::ALL {
                let mut muster = setting(Name::Muster, nr_packages, nr_cores, nr_threads);
                muster.options = Options {
                    call_in,
                    election,
                    order,
                    ..Options::default()
                };
                all.push(muster);
            }
        }
    }
    let of_amd = all.clone().into_iter().map(|setting| Setting {
        is_amd: true,
        ..setting
    });
    all.extend(of_amd.collect::<Vec<_>>());
    all
}

fn median(setting: &Setting, span: fn(&Iteration) -> Option<u64>) -> u64 {
    let loads = simulate(setting, 3).unwrap();
    let mut spans: Vec<_> = loads.iter().filter_map(span).collect();
    spans.sort_unstable();
    spans[spans.len() / 2]
}

/// Of a protocol on cores of two threads.
fn gate(protocol: Name, call_in: CallIn, nr_cpus: u32, costs: &CostModel) -> u64 {
    let mut setting = setting(protocol, 1, nr_cpus / 2, 2);
    setting.options.call_in = call_in;
    setting.costs = costs.clone();
    median(&setting, Iteration::gate)
}

#[test]
fn every_protocol_brings_every_cpu_to_the_target() {
    for setting in all(2, 3, 2) {
        for load in run(&setting, 3, false).unwrap() {
            // The lowest threads alone are written by this one.
            let leaves_siblings = setting.is_amd && setting.protocol == Name::XenV5;
            for (cpu, record) in load.iter().enumerate() {
                let is_left = leaves_siblings && cpu % 2 == 1;
                let is_done = matches!(record.outcome, Outcome::Updated | Outcome::Followed);
                assert_eq!(is_done, !is_left, "CPU {cpu}: {record:?} of {setting:?}");
                assert!(record.moments.left_ns.is_some());
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_and_another_one_something_else() {
    for setting in all(2, 3, 2) {
        let first = run(&setting, 3, false).unwrap();
        assert_eq!(first, run(&setting, 3, false).unwrap());
        assert_ne!(first[0], first[1], "each load has its own draw");
        let other = Setting {
            seed: setting.seed + 1,
            ..setting
        };
        assert_ne!(first, run(&other, 3, false).unwrap());
    }
}

#[test]
fn sleeping_cpus_do_to_the_nanosecond_what_those_do_that_look_round_by_round() {
    let mut late = setting(Name::Muster, 1, 3, 1);
    late.timeouts.call_in_us = 50;
    late.faults = vec![(2, Fault::Late(70))];
    let mut never = setting(Name::Linux, 1, 3, 1);
    never.timeouts.call_in_us = 50;
    never.faults = vec![(1, Fault::NeverArrives)];
    let mut slow = setting(Name::Xen, 1, 2, 2);
    slow.timeouts.update_us = 120;
    slow.faults = vec![(2, Fault::Slow(500))];
    let mut tight = setting(Name::XenV5, 2, 2, 2);
    tight.costs.call_spread = 0;
    let others = all(2, 2, 2).into_iter().chain(all(1, 5, 1));
    for mut setting in others.chain([late, never, slow, tight]) {
        setting.timeouts.update_us = setting.timeouts.update_us.min(1_000);
        let slept = run(&setting, 2, false).unwrap();
        assert_eq!(slept, run(&setting, 2, true).unwrap(), "{setting:?}");
    }
}

#[test]
fn the_gate_of_two_cpus_costs_what_the_model_says() {
    let mut setting = setting(Name::Muster, 1, 2, 1);
    setting.costs.call_spread = 0;
    let CostModel {
        hit,
        package,
        atomic,
        clock,
        call,
        ..
    } = setting.costs;
    let load = &simulate(&setting, 1).unwrap()[0];
    // The request is one look at the clock; each CPU stamps its call-in.
    assert_eq!(load.cpus[0].called_in_ns, Some(clock));
    assert_eq!(load.cpus[1].called_in_ns, Some(call + clock));
    // CPU 1 counts itself in, on a line of CPU 0's, and opens by that. Then it looks
    // at the clock.
    let opens = package + atomic + clock;
    assert_eq!(load.gate(), Some(opens));
    // On one core the same lines come from the sibling.
    let mut core = setting.clone();
    (core.nr_cores, core.nr_threads) = (1, 2);
    let of_core = simulate(&core, 1).unwrap()[0].gate();
    let sibling = setting.costs.sibling;
    assert_eq!(of_core, Some(opens - (package - sibling)));
    // CPU 0 misses the line in its next round, and gets it when it is free: CPU 1's
    // exchange began one clock and one access earlier.
    let opened_ns = load.cpus[1].gate_ns.unwrap() - clock;
    let seen_ns = load.cpus[0].gate_ns.unwrap();
    let round_ns = hit + setting.costs.pause;
    assert!(seen_ns >= opened_ns + package + clock);
    assert!(seen_ns <= opened_ns + package + clock + round_ns);
}

#[test]
fn one_thread_of_each_core_is_inside_at_a_time_and_a_follower_never() {
    let mut intel = setting(Name::Muster, 2, 4, 4);
    for is_amd in [false, true] {
        intel.is_amd = is_amd;
        for load in run(&intel, 3, false).unwrap() {
            for core in load.chunks(4) {
                let mut spans: Vec<_> = core
                    .iter()
                    .filter_map(|r| r.moments.load_start_ns.zip(r.moments.load_end_ns))
                    .collect();
                assert_eq!(spans.len(), if is_amd { 4 } else { 1 });
                spans.sort_unstable();
                assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0));
                let wrote = |r: &Record| r.moments.load_start_ns.is_some();
                let followers = core.iter().filter(|r| r.role == Role::Follower);
                assert!(is_amd || !followers.clone().any(wrote));
                // None leaves before its leader is out of the load.
                let last_ns = spans.iter().map(|span| span.1).max();
                assert!(core.iter().all(|r| r.moments.left_ns > last_ns));
            }
        }
    }
}

#[test]
fn those_who_wait_for_a_late_cpu_leave_at_their_deadline_and_it_when_it_comes() {
    let mut setting = setting(Name::Muster, 1, 4, 2);
    let patience_us = setting.timeouts.call_in_us;
    setting.faults = vec![(5, Fault::Late(patience_us + 100))];
    let load = &run(&setting, 1, false).unwrap()[0];
    let deadline_ns = patience_us * 1000;
    for (cpu, record) in load.iter().enumerate() {
        let left_ns = record.moments.left_ns.unwrap();
        assert_eq!(record.moments.load_start_ns, None);
        if cpu == 5 {
            assert_eq!(record.outcome, Outcome::Late);
            assert!(left_ns > deadline_ns + 100_000 && left_ns < deadline_ns + 110_000);
        } else {
            assert_eq!(record.outcome, Outcome::Aborted);
            // As many rounds as they look into between two looks at the clock.
            assert!(left_ns > deadline_ns && left_ns < deadline_ns + 5_000);
        }
    }
    setting.faults = vec![(5, Fault::NeverArrives)];
    let load = &run(&setting, 1, false).unwrap()[0];
    assert_eq!(load[5].moments.called_in_ns, None);
    assert_eq!(load[5].moments.left_ns, None);
}

#[test]
fn a_tree_grows_with_its_levels() {
    // All come at once, so that nothing of the gate hides behind late calls.
    let costs = CostModel {
        call_spread: 0,
        ..CostModel::default()
    };
    let gate = |nr_cpus| gate(Name::Muster, CallIn::Tree, nr_cpus, &costs);
    let (few, many) = (gate(16), gate(1024));
    assert!(many <= 3 * few, "{few} ns of 16 CPUs, {many} ns of 1024");
}

#[test]
fn counters_that_all_share_grow_with_the_cpus() {
    let costs = CostModel {
        call_spread: 0,
        ..CostModel::default()
    };
    for (protocol, call_in) in [
        (Name::Muster, CallIn::Flat),
        (Name::Linux, CallIn::Tree),
        (Name::Xen, CallIn::Tree),
        (Name::XenV5, CallIn::Tree),
    ] {
        let gate = |nr_cpus| gate(protocol, call_in, nr_cpus, &costs);
        let (few, many) = (gate(128), gate(1024));
        assert!(
            (5 * few..12 * few).contains(&many),
            "{protocol:?}: {few} ns of 128 CPUs, {many} ns of 1024"
        );
    }
}

#[test]
fn a_tree_is_cheaper_than_a_counter_where_there_are_many() {
    let costs = CostModel::default();
    let tree = gate(Name::Muster, CallIn::Tree, 512, &costs);
    for (protocol, call_in) in [(Name::Muster, CallIn::Flat), (Name::Linux, CallIn::Tree)] {
        assert!(gate(protocol, call_in, 512, &costs) > 5 * tree);
    }
}

#[test]
fn as_many_cpus_as_there_may_be_are_simulated() {
    let mut most = setting(Name::Muster, 2, 1024, 2);
    assert_eq!(most.nr_cpus(), MOST_CPUS);
    let load = &run(&most, 1, false).unwrap()[0];
    let is_done = |r: &Record| matches!(r.outcome, Outcome::Updated | Outcome::Followed);
    assert!(load.iter().all(is_done));
    most.nr_cores += 1;
    let error = simulate(&most, 1).unwrap_err();
    assert_eq!(error, SettingError::TooManyCpus { cpus: 4100 }.into());
}

#[test]
fn nonsense_is_refused_with_what_is_wrong() {
    let new = |packages, cores, threads| Setting::new(Name::Muster, packages, cores, threads);
    for (setting, words) in [
        (new(1, 0, 2), "0 cores"),
        (new(2, 2048, 2), "8192 CPUs are too many"),
        (new(u32::MAX, u32::MAX, u32::MAX), "too many"),
    ] {
        let error = setting.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let change = |change: fn(&mut Setting)| {
        let mut setting = setting(Name::Muster, 1, 2, 2);
        change(&mut setting);
        simulate(&setting, 1).unwrap_err().to_string()
    };
    for (error, words) in [
        (change(|s| s.costs.package = u64::MAX), "package is"),
        (change(|s| (s.costs.hit, s.costs.pause) = (0, 0)), "pause"),
        (change(|s| s.load_us = u64::MAX), "load_us"),
        (change(|s| s.timeouts.call_in_us = u64::MAX), "call-in"),
        (
            change(|s| (s.costs.hit, s.costs.pause) = (u64::MAX, 1)),
            "hit is",
        ),
    ] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_panic_that_is_asked_for_is_an_error_and_the_next_simulation_is_sound() {
    let mut setting = setting(Name::XenV5, 1, 2, 1);
    setting.options.on_hang = rendezvous::OnHang::Panic;
    let sound = run(&setting, 1, false).unwrap();
    setting.faults = vec![(1, Fault::Slow(3_000_000))];
    let error = simulate(&setting, 1).unwrap_err();
    assert!(
        matches!(error, SimulatedError::Panicked { cpu: 0, .. }),
        "{error}"
    );
    setting.faults.clear();
    assert_eq!(run(&setting, 1, false).unwrap(), sound);
}

#[test]
fn the_dimensions_say_what_was_simulated() {
    let mut setting = setting(Name::Muster, 2, 3, 2);
    setting.options.call_in = CallIn::Flat;
    let all = setting.dimensions();
    assert_eq!((all.cpus, all.threads, all.packages), (12, 2, 2));
    assert_eq!(all.call_in.as_deref(), Some("flat"));
    assert_eq!(all.load_us, Some(100));
    setting.protocol = Name::Linux;
    let of_linux = setting.dimensions();
    assert_eq!(of_linux.protocol.as_deref(), Some("linux"));
    assert_eq!((of_linux.call_in, of_linux.election), (None, None));
}

#[test]
fn a_file_names_the_costs_that_it_changes_and_no_others() {
    let costs: CostModel = serde_json::from_str(r#"{"package": 90}"#).unwrap();
    let expected = CostModel {
        package: 90,
        ..CostModel::default()
    };
    assert_eq!(costs, expected);
    let written = serde_json::to_string(&costs).unwrap();
    assert_eq!(serde_json::from_str::<CostModel>(&written).unwrap(), costs);
    assert!(serde_json::from_str::<CostModel>(r#"{"pakage": 90}"#).is_err());
}
