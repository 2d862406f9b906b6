//! What can be chosen: protocols, orders, elections.

use std::vec;
use std::vec::Vec;

use super::machine::{TARGET, Write};
use super::run::{Run, outcomes};
use crate::{CallIn, Election, Name, Named, Nmi, OnHang, Options, Order, Outcome, Record, Role};

/// Every choice of the protocol, on both vendors' CPUs.
#[test]
fn whatever_is_chosen_every_cpu_ends_on_the_target() {
    for &call_in in CallIn::ALL {
        for &election in Election::ALL {
            for &order in Order::ALL {
                for followers_load in [false, true] {
                    let mut run = Run::new(3, 2);
                    run.followers_load = followers_load;
                    run.options = Options {
                        call_in,
                        election,
                        order,
                        on_hang: OnHang::Panic,
                        nmi: Nmi::Hold,
                    };
                    let (_, records) = run.go();
                    let on_target = |r: &Record| r.after == Some(TARGET);
                    assert!(
                        records.iter().all(on_target),
                        "{:?} {records:?}",
                        run.options
                    );
                    if election == Election::Lowest {
                        let leads = |r: &Record| r.role == Role::Leader;
                        assert!(records.chunks(2).all(|core| leads(&core[0])));
                    }
                }
            }
        }
    }
}

#[test]
fn serial_cores_load_one_after_another() {
    let mut run = Run::new(4, 1);
    run.options.order = Order::Serial;
    run.writes = vec![Write::Slow(2); 4];
    let (_, records) = run.go();
    let moments = |r: &Record| (r.moments.load_start_ns, r.moments.load_end_ns);
    let spans: Vec<_> = records.iter().map(moments).collect();
    assert!(
        spans.windows(2).all(|pair| pair[0].1 <= pair[1].0),
        "{spans:?}"
    );
}

#[test]
fn a_canary_that_fails_keeps_the_others_untouched() {
    for write in [Write::Faults, Write::Ignored, Write::Garbles] {
        let mut run = Run::new(3, 1);
        run.options.order = Order::Canary;
        run.writes = vec![write];
        let (_, records) = run.go();
        assert!(!matches!(records[0].outcome, Outcome::Updated));
        assert_eq!(outcomes(&records)[1..], [Outcome::Aborted; 2]);
        assert!(
            records[1..]
                .iter()
                .all(|r| r.moments.load_start_ns.is_none())
        );
    }
}

#[test]
fn a_canary_that_hangs_keeps_the_others_untouched() {
    let mut run = Run::new(3, 1);
    run.options.order = Order::Canary;
    run.timeouts.update_us = 30_000;
    run.writes = vec![Write::Slow(600)];
    let (_, records) = run.go();
    assert_eq!(outcomes(&records)[1..], [Outcome::Aborted; 2]);
}

#[test]
fn each_protocol_brings_all_cores_to_the_target() {
    for &protocol in Name::ALL {
        let mut run = Run::new(4, 1);
        run.protocol = protocol;
        let (rendezvous, records) = run.go();
        assert_eq!(outcomes(&records), [Outcome::Updated; 4], "{protocol:?}");
        assert_eq!(rendezvous.name(), protocol);
    }
}
