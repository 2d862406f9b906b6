//! Every order of steps of each protocol, on two and three CPUs, with time-outs
//! at any moment: this project's own never does what it must not, and each
//! peer's known flaw is found. NMIs come at any moment where a case says so.
//!
//! Prints the number of states of each. `cargo test -p simulator --test explore
//! -- NAME` tries one; a counter-example is printed with its steps.

use libtest_mimic::{Arguments, Failed, Trial};
use rendezvous::{CallIn, Election, Name, Named, Nmi, OnHang, Order};
use simulator::{Bounds, Setup, Violation, Write, explore};

/// What is tried and what must come of it.
struct Case {
    name: String,
    setup: Setup,
    /// Whether it is the violation that must be found.
    flaw: Option<fn(&Violation) -> bool>,
}

/// Tries every order and prints how many states there were.
fn run(case: &Case) -> Result<(), Failed> {
    let explored = explore(&case.setup, Bounds::default());
    let found = explored.counter_example.as_ref();
    println!(
        "{}: {} states, {} steps, the longest run {}{}",
        case.name,
        explored.nr_states,
        explored.nr_steps,
        explored.longest,
        found.map_or(String::new(), |found| format!(
            ": {:?} after {} steps",
            found.violation,
            found.steps.len()
        ))
    );
    match (found, case.flaw) {
        (None, None) if explored.is_cut => Err("there were more states than the bound".into()),
        (None, None) => Ok(()),
        (Some(found), Some(is_it)) if is_it(&found.violation) => Ok(()),
        (Some(found), _) => Err(format!("it must not do this:\n{found}").into()),
        (None, Some(_)) => Err("the known flaw was not found".into()),
    }
}

/// A setup with the leaps of time that are tried at any moment.
fn setup(protocol: Name, nr_cores: u32, nr_threads: u32, nr_leaps: u32) -> Setup {
    Setup {
        nr_leaps,
        ..Setup::new(protocol, nr_cores, nr_threads)
    }
}

/// `muster`, in every arrangement and with every choice: nothing is found.
fn sound() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: String, setup| {
        cases.push(Case {
            name: format!("muster {name}"),
            setup,
            flaw: None,
        });
    };
    for (what, writes) in [
        ("", vec![]),
        (" where a write faults", vec![(0, Write::Faults)]),
        (" where a write has no effect", vec![(0, Write::Ignored)]),
        (" where a write garbles", vec![(1, Write::Garbles)]),
        (" where a write hangs", vec![(0, Write::Hangs)]),
        (
            " where both hang",
            vec![(0, Write::Hangs), (1, Write::Hangs)],
        ),
    ] {
        for &order in Order::ALL {
            for &election in Election::ALL {
                for (machine, nr_cores, is_amd) in [
                    ("2 cores", 2, false),
                    ("2 Intel threads", 1, false),
                    ("2 AMD threads", 1, true),
                ] {
                    let mut setup = setup(Name::Muster, nr_cores, 2 / nr_cores, 2);
                    setup.is_amd = is_amd;
                    setup.writes.clone_from(&writes);
                    setup.options.order = order;
                    setup.options.election = election;
                    let name = format!("{machine} {} {}{what}", order.name(), election.name());
                    add(name, setup);
                }
            }
        }
    }
    for &call_in in CallIn::ALL {
        let mut three = setup(Name::Muster, 3, 1, 0);
        three.options.call_in = call_in;
        add(format!("3 cores {}", call_in.name()), three);
    }
    add("3 cores, time passing".into(), setup(Name::Muster, 3, 1, 1));
    for (machine, is_amd) in [("Intel", false), ("AMD", true)] {
        for (what, writes) in [
            ("", vec![]),
            (" where a write hangs", vec![(1, Write::Hangs)]),
        ] {
            let mut threads = setup(Name::Muster, 1, 3, 0);
            threads.is_amd = is_amd;
            threads.writes = writes;
            add(format!("3 {machine} threads{what}"), threads);
        }
    }
    let mut threads = setup(Name::Muster, 1, 3, 1);
    threads.is_amd = true;
    threads.options.election = Election::Lowest;
    add("3 AMD threads, time passing".into(), threads);
    let mut missing = setup(Name::Muster, 3, 1, 2);
    missing.missing = vec![2];
    add("3 cores, one never comes".into(), missing);
    let mut absent = setup(Name::Muster, 3, 1, 2);
    absent.absent = vec![0];
    absent.control = 1;
    add("3 cores, the first is absent".into(), absent);
    let mut held = setup(Name::Muster, 2, 2, 0);
    held.held = vec![1, 3];
    add("2 cores with held siblings".into(), held.clone());
    held.missing = vec![3];
    add("2 cores, a held sibling does not answer".into(), held);
    cases
}

/// `muster` where NMIs come at any moment and are contained.
///
/// `Nmi::Rendezvous` is none of them: there the CPUs attend in an NMI's handler,
/// no other NMI comes before its IRET, and what is left is the cases without.
fn with_nmis() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, nr_nmis, setup| {
        let plural = if nr_nmis == 1 { "" } else { "s" };
        cases.push(Case {
            name: format!("muster with {nr_nmis} NMI{plural} on {name}"),
            setup: Setup { nr_nmis, ..setup },
            flaw: None,
        });
    };
    for (machine, nr_cores, is_amd) in [
        ("2 cores", 2, false),
        ("2 Intel threads", 1, false),
        ("2 AMD threads", 1, true),
    ] {
        for (what, writes) in [
            ("", vec![]),
            (" where a write hangs", vec![(1, Write::Hangs)]),
        ] {
            for (time, nr_nmis, nr_leaps) in [(", in time", 2, 0), ("", 1, 1)] {
                let mut two = setup(Name::Muster, nr_cores, 2 / nr_cores, nr_leaps);
                two.is_amd = is_amd;
                two.writes.clone_from(&writes);
                add(&format!("{machine}{what}{time}"), nr_nmis, two);
            }
        }
    }
    let mut three = setup(Name::Muster, 1, 3, 0);
    add("3 Intel threads, in time", 1, three.clone());
    three.is_amd = true;
    add("3 AMD threads, in time", 1, three);
    for (time, nr_nmis, nr_leaps) in [(", in time", 2, 0), ("", 1, 2)] {
        let mut held = setup(Name::Muster, 1, 2, nr_leaps);
        held.held = vec![1];
        add(
            &format!("a core with a held thread{time}"),
            nr_nmis,
            held.clone(),
        );
        held.writes = vec![(0, Write::Hangs)];
        let name = format!("a core with a held thread where a write hangs{time}");
        add(&name, nr_nmis, held);
    }
    let mut held = setup(Name::Muster, 2, 2, 0);
    held.held = vec![1, 3];
    add("2 cores with a held thread each, in time", 1, held);
    cases
}

/// Peers where nothing goes wrong: they do what they are for.
fn peers() -> Vec<Case> {
    let others = || Name::ALL.iter().filter(|&&name| name != Name::Muster);
    let with_absent = others().map(|&protocol| {
        let mut setup = setup(protocol, 3, 1, 0);
        setup.absent = vec![0];
        setup.control = 2;
        Case {
            name: format!("{} 3 cores in time, the first is absent", protocol.name()),
            setup,
            flaw: None,
        }
    });
    let in_time = others().map(|&protocol| Case {
        name: format!("{} 2 cores in time", protocol.name()),
        setup: setup(protocol, 2, 1, 0),
        flaw: None,
    });
    let faulting = [
        (Name::Xen, "xen 2 cores, the control thread's write faults"),
        (
            Name::SerialChain,
            "serial-chain 2 cores, the first write faults",
        ),
    ];
    let faulting = faulting.map(|(protocol, name)| {
        let mut setup = setup(protocol, 2, 1, 0);
        setup.writes = vec![(0, Write::Faults)];
        Case {
            name: name.into(),
            setup,
            flaw: None,
        }
    });
    in_time.chain(with_absent).chain(faulting).collect()
}

/// Peers' known flaws, and what containing NMIs is for.
fn flawed() -> Vec<Case> {
    let case = |name: &str, setup, flaw| Case {
        name: name.into(),
        setup,
        flaw: Some(flaw),
    };
    let panicking = |mut setup: Setup| {
        setup.options.on_hang = OnHang::Panic;
        setup
    };
    let on_amd = |mut setup: Setup| {
        setup.is_amd = true;
        setup
    };
    let with_an_nmi = |mut setup: Setup| {
        setup.options.nmi = Nmi::Off;
        setup.nr_nmis = 1;
        setup
    };
    let mut held = setup(Name::Linux, 2, 2, 0);
    held.held = vec![1, 3];
    vec![
        case(
            "muster off, an NMI: its handler reads registers while an Intel core loads",
            with_an_nmi(setup(Name::Muster, 1, 2, 0)),
            |v| matches!(v, Violation::SiblingActivity { .. }),
        ),
        case(
            "muster off, an NMI: its handler reads registers while an AMD core loads",
            with_an_nmi(on_amd(setup(Name::Muster, 1, 2, 0))),
            |v| matches!(v, Violation::SiblingActivity { .. }),
        ),
        case(
            "xen-v5: one gives up, the last one comes, the other goes on",
            setup(Name::XenV5, 2, 1, 1),
            |v| matches!(v, Violation::Split { .. }),
        ),
        case(
            "xen-v5: and panics, as nobody else is left to come out",
            panicking(setup(Name::XenV5, 2, 1, 1)),
            |v| matches!(v, Violation::Panicked { .. }),
        ),
        case(
            "xen-v5: a sibling reads registers while its core loads",
            setup(Name::XenV5, 1, 2, 0),
            |v| matches!(v, Violation::SiblingActivity { .. }),
        ),
        case(
            "xen-v5: AMD's second thread stays behind",
            on_amd(setup(Name::XenV5, 1, 2, 0)),
            |v| matches!(v, Violation::LeftBehind { .. }),
        ),
        case(
            "xen: both AMD threads of a core write at once",
            on_amd(setup(Name::Xen, 2, 2, 0)),
            |v| {
                matches!(
                    v,
                    Violation::TwoThreadsInside { .. } | Violation::SiblingActivity { .. }
                )
            },
        ),
        case(
            "linux: the last one comes between the last look and the counting up",
            setup(Name::Linux, 2, 1, 1),
            |v| {
                matches!(
                    v,
                    Violation::Split { .. } | Violation::LoadWhileNotAllStopped { .. }
                )
            },
        ),
        case(
            "linux: held siblings go while another core loads",
            held,
            |v| matches!(v, Violation::ReleasedDuringLoad { .. }),
        ),
        case(
            "batches: a sibling writes while its core still loads",
            on_amd(setup(Name::Batches, 2, 2, 1)),
            |v| {
                matches!(
                    v,
                    Violation::TwoThreadsInside { .. } | Violation::SiblingActivity { .. }
                )
            },
        ),
    ]
}

fn main() {
    let cases = [sound(), with_nmis(), peers(), flawed()]
        .into_iter()
        .flatten();
    let trials = cases
        .map(|case| Trial::test(case.name.clone(), move || run(&case)))
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
