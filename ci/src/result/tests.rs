use serde_json::{Value, to_value};

use super::*;
use crate::judge::{Evidence, judge};

const PASSED: &str = "\
KTAP version 1
# muster version=0.1.0 schema=1 protocol=muster hw=msr vendor=intel sig=0x000506e3 platform=1 \
cpus=2 cores=1 tsc_khz=1000000 tsc_source=pit entry_us=204800
1..5
# initrd source=embedded bytes=2048 candidates=1 findings=0
# candidate idx=0 vendor=intel sig=0x000506e3 flags=0x00000036 rev=0x000000f0 date=2021-11-12 \
bytes=108544 verdict=chosen
ok 1 initrd
ok 2 cache
# guard allocations=0 writes=0 nmis=0
ok 3 rendezvous
# cpu id=1 apic=1 package=0 core=0 thread=1 role=follower before=0x000000ea after=0x000000f0 \
target=0x000000f0 outcome=followed
# cpu id=0 apic=0 package=0 core=0 thread=0 role=leader before=0x000000ea after=0x000000f0 \
target=0x000000f0 outcome=updated
# time id=0 called_in_ns=100 gate_ns=310 load_start_ns=320 load_end_ns=900 left_ns=1000
# time id=1 called_in_ns=300 gate_ns=315 left_ns=1001
ok 4 load
ok 5 verify
# Totals: pass:5 fail:0 xfail:0 xpass:0 skip:0 error:0
";

pub(crate) fn context() -> Context {
    Context {
        scenario: "sample".to_owned(),
        machine: Some(Machine::Tcg),
        expected: vec![Verdict::Pass],
        firmware: Some(firmware::Record {
            source: "a folder".to_owned(),
            file: "06-5e-03".to_owned(),
            sha256: "00".repeat(32),
        }),
        ending: Ending::Exited { status: 33 },
        accel: Some("tcg,thread=multi".to_owned()),
        started: Some("2026-01-01T00:00:00Z".to_owned()),
        seconds: 0.25,
        provenance: Provenance::default(),
    }
}

pub(crate) fn result_of(console: &str) -> RunResult {
    let evidence = Evidence {
        console,
        serial: "",
        machine_log: "",
        vmm_log: "",
        ending: Ending::Exited { status: 33 },
    };
    RunResult::new(&judge(&evidence), context())
}

/// The same with further lines of the guest's.
pub(crate) fn passed_with(lines: &str) -> RunResult {
    result_of(&PASSED.replacen("ok 4 load\n", &format!("{lines}ok 4 load\n"), 1))
}

/// Two threads of one core, updated.
pub(crate) fn passed() -> RunResult {
    result_of(PASSED)
}

/// The same under a hypervisor that ignores the write.
pub(crate) fn swallowed() -> RunResult {
    let console = PASSED
        .replace("tsc_source=pit", "tsc_source=pit hypervisor=KVMKVMKVM")
        .replace("after=0x000000f0", "after=0x000000ea")
        .replace("outcome=followed", "outcome=not-taken")
        .replace("outcome=updated", "outcome=not-taken")
        .replace("ok 4 load", "not ok 4 load # no effect")
        .replace("ok 5 verify", "not ok 5 verify # off target")
        .replace("pass:5 fail:0", "pass:3 fail:2");
    result_of(&console)
}

#[test]
fn the_json_has_the_documented_fields() {
    let json = to_value(passed()).unwrap();
    let expected = [
        ("/schema_version", Value::from(1)),
        ("/verdict", "PASS".into()),
        ("/scenario", "sample".into()),
        ("/machine", "tcg".into()),
        ("/protocol", "muster".into()),
        ("/hardware", "msr".into()),
        ("/vendor", "intel".into()),
        ("/signature", "0x000506e3".into()),
        ("/target_revision", "0x000000f0".into()),
        ("/firmware/file", "06-5e-03".into()),
        ("/candidates/0/index", 0.into()),
        ("/candidates/0/revision", "0x000000f0".into()),
        ("/candidates/0/verdict", "chosen".into()),
        ("/cpus/0/id", 0.into()),
        ("/cpus/0/role", "leader".into()),
        ("/cpus/0/load_end_ns", 900.into()),
        ("/cpus/1/apic_id", 1.into()),
        ("/cpus/1/before", "0x000000ea".into()),
        ("/cpus/1/outcome", "followed".into()),
        ("/cpus/1/load_end_ns", Value::Null),
        ("/timing/call_in_skew_ns", 200.into()),
        ("/timing/gate_ns", 10.into()),
        ("/timing/load_ns", 580.into()),
        ("/timing/stall_ns", 901.into()),
        ("/timing/boot_ms", 204.into()),
        ("/timing/modelled_load", false.into()),
        ("/tests/3/name", "load".into()),
        ("/tests/3/status", "PASS".into()),
        ("/provenance/commit", Value::Null),
    ];
    for (pointer, value) in expected {
        assert_eq!(json.pointer(pointer), Some(&value), "{pointer}");
    }
}

#[test]
fn a_run_without_a_report_still_has_every_field() {
    let empty = to_value(result_of("")).unwrap();
    let full = to_value(passed()).unwrap();
    let keys = |json: &Value| {
        json.as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&empty), keys(&full));
    assert_eq!(empty["verdict"], "CRASH");
    assert_eq!(empty["vendor"], Value::Null);
}

#[test]
fn the_context_is_read_back_from_a_result() {
    let json = serde_json::to_string(&passed()).unwrap();
    let read: Context = serde_json::from_str(&json).unwrap();
    assert_eq!(to_value(read).unwrap(), to_value(context()).unwrap());
}

#[test]
fn different_targets_are_no_single_target_revision() {
    let console = PASSED.replacen("target=0x000000f0", "target=0x000000f1", 1);
    assert_eq!(result_of(&console).target_revision, None);
}
