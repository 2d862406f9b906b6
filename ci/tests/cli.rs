//! The program as a script sees it: exit codes, what goes where, no colours
//! in a pipe. What needs a guest is in `scenarios.rs`.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value, json};

const PASSED: &str = "\
KTAP version 1
# muster version=0.1.0 schema=1 protocol=muster hw=msr vendor=amd sig=0x00800f12 platform=0 \
cpus=1 cores=1 tsc_khz=1000000 tsc_source=pit entry_us=1
1..5
# cpu id=0 apic=0 package=0 core=0 thread=0 role=leader before=0x08001200 after=0x0800126e \
target=0x0800126e outcome=updated
# time id=0 called_in_ns=1 gate_ns=2 load_start_ns=3 load_end_ns=4 left_ns=5
# guard allocations=0 writes=0 nmis=0
ok 1 initrd
ok 2 cache
ok 3 rendezvous
ok 4 load
ok 5 verify
# Totals: pass:5 fail:0 xfail:0 xpass:0 skip:0 error:0
";

fn muster(line: &str) -> Command {
    let mut command = Command::cargo_bin("muster").unwrap();
    command.args(line.split_whitespace());
    command
}

fn stdout(line: &str, code: i32) -> String {
    let output = muster(line).assert().code(code).get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

fn stderr(line: &str, code: i32) -> String {
    let output = muster(line).assert().code(code).get_output().clone();
    String::from_utf8(output.stderr).unwrap()
}

fn log(folder: &Path, text: &str) -> String {
    let path = folder.join("console.log");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_wrong_command_line_is_usage_and_names_what_is_wrong() {
    for (line, word) in [
        ("walk", "walk"),
        ("run --cpu 0xzz", "0xzz"),
        ("run --fault fire", "fire"),
        ("run --cpus 3 --threads 2", "multiple"),
        ("run --cpus 256", "255"),
        ("run --fault never-arrives:4", "never-arrives:4"),
        ("run --online 0", "give 1 to 4"),
        ("run --online 5", "give 1 to 4"),
        ("run --offline 4", "1 to 3"),
        ("run --repeat 2 --dry-run", "--dry-run"),
        ("run --accel kvm", "kvm"),
        ("run nothing-of-this-name", "default"),
        ("run --firmware /nonexistent", "/nonexistent"),
        ("suite nothing-of-this-name", "default"),
        ("suite -g nothing-of-this-name", "smoke"),
        ("suite -j 0", "-j"),
        ("suite --list --junit x.xml", "--junit"),
        ("suite --random 0", "1..=1000"),
        ("suite --random 1001", "1..=1000"),
        ("suite --random 2 intel-2", "--random"),
        ("suite --random 2 -g smoke", "--group"),
        ("suite --random 2 --on sparc", "intel-2x2"),
        ("suite --seed 3", "--random"),
        ("suite --on intel-2x2", "--random"),
        ("peer hurd", "linux"),
        ("peer xen nothing-of-this-name", "intel-good"),
        ("replay /nonexistent", "/nonexistent"),
        ("compare HEAD nothing-of-this-name", "nothing-of-this-name"),
        ("compare Cargo.toml HEAD", "two files or two revisions"),
        ("compare src src", "run-1.json"),
        ("compare HEAD HEAD --threshold=-1", "--threshold"),
        ("compare HEAD HEAD --threshold=x", "such as 10"),
        ("compare HEAD HEAD --runs 0", "1..=100"),
        ("compare HEAD HEAD --bench=--json", "--json"),
        ("bench walk", "simulated"),
        ("bench native --loads 0", "--loads"),
        ("bench simulated --cpus 8192", "2..=4096"),
        ("bench simulated --cpus 3 --threads 2", "3 CPUs"),
        ("bench simulated --costs /nonexistent", "TOML file"),
        ("budget --cpus 0", "1..=4096"),
        ("budget --cpus 3 --threads 2", "3 CPUs"),
        ("budget --cpus 4 --load-us 99999999999999", "a day"),
        ("budget --cpus 4 --limit 20s", "watchdog=20s"),
        ("budget --cpus 4 --costs /nonexistent", "TOML file"),
        ("man walk", "walk"),
    ] {
        let said = stderr(line, 2);
        assert!(said.contains(word), "{line}: {said}");
    }
}

#[test]
fn a_log_from_elsewhere_is_judged_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = log(folder.path(), PASSED);
    let text = stdout(&format!("replay {path}"), 0);
    assert!(
        text.contains("PASS: 1 CPU ended on revision 0x0800126e"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "colour in a pipe: {text}");
    let path = log(folder.path(), &PASSED.replace("pass:5", "pass:4"));
    assert!(stdout(&format!("replay {path}"), 4).contains("totals"));
    let path = log(folder.path(), "");
    assert!(stdout(&format!("replay {path}"), 6).contains("CRASH"));
}

#[test]
fn json_is_alone_on_the_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let path = log(folder.path(), PASSED);
    let json: Value = serde_json::from_str(&stdout(&format!("replay {path} --json"), 0)).unwrap();
    assert_eq!(json["verdict"], "PASS");
    assert_eq!(json["cpus"][0]["outcome"], "updated");
    assert_eq!(json["machine"], Value::Null);
    let file = folder.path().join("r.json");
    let junit = folder.path().join("r.xml");
    let line = format!(
        "replay {path} --json={} --junit {}",
        file.display(),
        junit.display()
    );
    assert!(stdout(&line, 0).contains("PASS"));
    let written: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(written, json);
    assert!(fs::read_to_string(junit).unwrap().contains("testcase"));
}

#[test]
fn a_budget_is_kept_or_broken_at_the_worst() {
    let line = "budget --cpus 64 --protocol muster,xen-v5 --limit watchdog=20s";
    let text = stdout(line, 5);
    for words in ["kept          watchdog's", "BROKEN        watchdog's"] {
        assert!(text.contains(words), "{text}");
    }
    let json: Value = serde_json::from_str(&stdout(&format!("{line} --json"), 5)).unwrap();
    let worst_us = json[0]["worst_us"].as_u64().unwrap();
    let of_parts = json[0]["parts"].as_array().unwrap().iter();
    let of_parts = of_parts.map(|part| part["at_most_us"].as_u64().unwrap());
    assert_eq!(of_parts.sum::<u64>(), worst_us);
    assert_eq!(json[0]["limits"][0]["limit"]["at_most_us"], 20_000_000);
    let kept = |of: usize| &json[of]["limits"][0]["at_worst"];
    assert_eq!([kept(0), kept(1)], [true, false]);
    stdout("budget --cpus 64 --protocol muster --limit watchdog=20s", 0);
}

#[test]
fn the_costs_of_a_budget_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("costs.toml");
    let line = format!(
        "budget --cpus 4 --protocol muster --json --costs {}",
        path.display()
    );
    let expected_us = |costs: &str| {
        fs::write(&path, costs).unwrap();
        let json: Value = serde_json::from_str(&stdout(&line, 0)).unwrap();
        json[0]["expected_us"].as_u64().unwrap()
    };
    assert!(expected_us("revision = 500_000") > expected_us("") + 400);
    fs::write(&path, "revision = -1").unwrap();
    assert!(stderr(&line, 2).contains("revision"));
    fs::write(&path, "hit = 0\npause = 0").unwrap();
    assert!(stderr(&line, 2).contains("pause"));
}

#[test]
fn a_suite_is_listed_as_a_table_or_as_json() {
    let text = stdout("suite --list -g smoke intel-16", 0);
    for word in ["summary", "intel-16", "smoke", "amd-2"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("never-arrives"), "{text}");
    let json: Value = serde_json::from_str(&stdout("suite --list intel-16 --json", 0)).unwrap();
    assert_eq!(json[0]["name"], "intel-16");
    assert_eq!(json.as_array().unwrap().len(), 1);
}

#[test]
fn the_plans_of_a_seed_are_listed_the_same_each_time() {
    let line = "suite --random 2 --seed 7 --on amd-2x2 --on intel-8x2 --list --json";
    let text = stdout(line, 0);
    assert_eq!(text, stdout(line, 0));
    let json: Value = serde_json::from_str(&text).unwrap();
    let names = json.as_array().unwrap().iter().map(|entry| &entry["name"]);
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            "plan-7-amd-2x2",
            "plan-7-intel-8x2",
            "plan-8-amd-2x2",
            "plan-8-intel-8x2"
        ]
    );
}

#[test]
fn a_suite_whose_scenarios_cannot_be_run_is_an_error_with_a_row_each() {
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("j.xml");
    let scenario = folder.path().join("no-firmware.toml");
    fs::write(
        &scenario,
        "summary = \"no firmware\"\n[firmware]\npath = \"/nonexistent\"",
    )
    .unwrap();
    let line = format!(
        "suite {} --json --junit {}",
        scenario.display(),
        junit.display()
    );
    let output = muster(&line)
        .env("MUSTER_NO_SETUP", "1")
        .assert()
        .code(4)
        .get_output()
        .clone();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["verdict"], "ERROR");
    assert_eq!(json["counts"]["error"], 1);
    assert_eq!(json["scenarios"][0]["name"], "no-firmware");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("0 of 1 as expected"), "{said}");
    let junit = fs::read_to_string(junit).unwrap();
    assert!(junit.contains("/nonexistent"), "{junit}");
}

#[test]
fn a_result_that_is_none_is_refused_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path(), PASSED);
    fs::write(folder.path().join("result.json"), "{}").unwrap();
    let said = stderr(&format!("replay {}", folder.path().display()), 2);
    assert!(said.contains("result.json"), "{said}");
}

#[test]
fn completions_and_manual_pages_are_generated() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&format!("completions {shell}"), 0).contains("replay"));
    }
    assert!(stdout("man", 0).contains(".TH"));
    assert!(stdout("man run", 0).contains("firmware"));
}

#[test]
fn the_cases_of_a_peer_are_listed_as_text_and_as_json() {
    let text = stdout("peer linux --list", 0);
    assert!(text.contains("\namd-vendor "), "{text}");
    let entries: Value =
        serde_json::from_str(&stdout("peer xen amd-good --list --json", 0)).unwrap();
    assert_eq!(entries[0]["name"], "amd-good");
    assert_eq!(entries.as_array().unwrap().len(), 1);
}

/// A file of metrics: so many instructions on so many CPUs, and times.
fn metrics(folder: &Path, name: &str, cpus: u32, instructions: u64) -> String {
    let series = |metric, unit, clock, values: Vec<u64>| {
        json!({
            "metric": metric, "unit": unit, "values": values,
            "dimensions": {
                "stage": "guest", "machine": "model", "protocol": "muster", "cpus": cpus,
                "threads": 1, "packages": 1, "hardware": "msr", "clock": clock,
            },
        })
    };
    let counts = vec![instructions; 50];
    let times = (0..200).map(|n| 20_000 + n * 7919 % 1_000).collect();
    let json = json!({
        "schema_version": 1, "provenance": null,
        "series": [
            series("request_instructions", "instructions", "icount", counts),
            series("stall", "ns", "tsc", times),
        ],
    });
    let path = folder.join(name);
    fs::write(&path, json.to_string()).unwrap();
    path.display().to_string()
}

#[test]
fn a_measurement_is_the_same_as_itself_and_what_is_slower_is_5() {
    let folder = tempfile::tempdir().unwrap();
    let a = metrics(folder.path(), "metrics.json", 4, 27_000);
    let text = stdout(&format!("compare {a} {a}"), 0);
    assert!(
        text.contains("NOT SLOWER: no series is slower in B by more than 10 %"),
        "{text}"
    );
    assert!(text.contains("2 same"), "{text}");
    assert!(!text.contains('\u{1b}'), "colour in a pipe: {text}");

    let b = metrics(folder.path(), "b.json", 4, 36_000);
    // A folder has its metrics.json.
    let line = format!("compare {} {b}", folder.path().display());
    let text = stdout(&line, 5);
    assert!(text.contains("SLOWER: 1 series is slower"), "{text}");
    assert!(text.contains("1.333"), "{text}");
    stdout(&format!("compare {b} {a}"), 0);
    stdout(&format!("{line} --threshold 40"), 0);

    let output = muster(&format!("{line} --json"))
        .assert()
        .code(5)
        .get_output()
        .clone();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["slower"], true);
    let series = json["series"].as_array().unwrap();
    let verdicts = series
        .iter()
        .map(|series| (&series["metric"], &series["verdict"]));
    assert_eq!(
        verdicts.collect::<Vec<_>>(),
        [
            (&json!("stall"), &json!("same")),
            (&json!("request_instructions"), &json!("slower"))
        ]
    );
    assert!(String::from_utf8(output.stderr).unwrap().contains("SLOWER"));
    let file = folder.path().join("comparison.json");
    stdout(&format!("{line} --json={}", file.display()), 5);
    let written: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(written, json);
}

#[test]
fn measurements_that_cannot_be_compared_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let a = metrics(folder.path(), "a.json", 4, 27_000);
    let b = metrics(folder.path(), "b.json", 8, 27_000);
    let said = stderr(&format!("compare {a} {b}"), 2);
    assert!(said.contains("cpus: 4 in A, 8 in B"), "{said}");
    let text = fs::read_to_string(&a).unwrap();
    fs::write(&b, &text[..text.len() / 2]).unwrap();
    let said = stderr(&format!("compare {a} {b}"), 2);
    assert!(
        said.contains("b.json") && said.contains("cut short"),
        "{said}"
    );
}
