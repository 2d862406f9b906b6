//! Bits of CPUID that come and go with a revision.

use std::vec;

use super::*;

/// Bits of leaf 7 EDX appear and vanish.
fn with_feature(config: Config, from: &str) -> Engine {
    let feature = std::format!("leaf=0x7,register=edx,set=0x400,clear=0x800{from}");
    engine(Config {
        feature: vec![feature.parse().unwrap()],
        ..config
    })
}

fn edx(engine: &Engine, thread: u32) -> u32 {
    engine.cpuid_change(thread, 7, 0).apply([0, 0, 0, 0x801])[3]
}

#[test]
fn a_core_shows_its_new_bits_with_its_new_revision_and_no_sooner() {
    let engine = with_feature(intel(2), "");
    let load = engine.begin_load(0, &intel_update(9)).load.unwrap();
    assert_eq!((edx(&engine, 0), edx(&engine, 1)), (0x801, 0x801));
    engine.finish(&load);
    assert_eq!((edx(&engine, 0), edx(&engine, 1)), (0x401, 0x401));
    assert_eq!(edx(&engine, 2), 0x801, "another core");
}

#[test]
fn each_thread_has_its_own_bits_where_each_has_its_own_revision() {
    let engine = with_feature(amd(2), "");
    let patch = amd_patch(AMD, 0x0800_126e);
    assert_eq!(engine.load_all(0, &patch), Ok(0x0800_126e));
    assert_eq!((edx(&engine, 0), edx(&engine, 1)), (0x401, 0x801));
}

#[test]
fn an_update_that_is_not_taken_changes_no_bit_and_the_same_again_does() {
    let engine = with_feature(intel(1), "");
    assert!(engine.load_all(0, &intel_update(0)).is_err());
    assert_eq!(edx(&engine, 0), 0x801);
    assert_eq!(engine.load_all(0, &intel_update(OLD)), Ok(OLD));
    assert_eq!(edx(&engine, 0), 0x401);
}

#[test]
fn a_first_revision_shows_its_bits_whether_it_was_loaded_or_not() {
    let engine = with_feature(intel(1), ",from=0x9");
    assert_eq!(engine.load_all(0, &intel_update(8)), Ok(8));
    assert_eq!(edx(&engine, 0), 0x801);
    assert_eq!(engine.load_all(0, &intel_update(10)), Ok(10));
    assert_eq!(edx(&engine, 0), 0x401);
    let newer = Config {
        revision: 9,
        ..intel(1)
    };
    assert_eq!(edx(&with_feature(newer, ",from=0x9"), 0), 0x401);
}
