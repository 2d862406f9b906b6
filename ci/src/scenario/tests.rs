use proptest::prelude::*;

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

#[test]
fn a_file_is_named_by_its_stem_and_found_by_name_or_path() {
    let dir = folder(&[("one.toml", "summary = \"a\""), ("README.md", "")]);
    let by_name = Scenario::load(dir.path(), "one").unwrap();
    let path = dir.path().join("one.toml");
    let by_path = Scenario::load(Path::new("/nonexistent"), path.to_str().unwrap()).unwrap();
    assert_eq!(by_name.name, "one");
    assert_eq!(by_path.name, "one");
    assert_eq!(Scenario::list(dir.path()).unwrap(), [path]);
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let dir = folder(&[("one.toml", ""), ("two.toml", "")]);
    for name in ["three", "../one", ""] {
        let error = Scenario::load(dir.path(), name).unwrap_err().to_string();
        assert!(error.ends_with("there are: one, two"), "{error}");
    }
}

#[test]
fn a_mistake_is_reported_with_file_and_line() {
    for (text, line) in [
        ("summary = \"a\"\n[machine]\ncpuss = 1", "line 3"),
        ("summary = \"a\"\n[guest]\nfaults = [\"fire\"]", "line 3"),
        ("summary = \"a\"\n\n[expect]\nverdict = \"GOOD\"", "line 4"),
        (
            "summary = \"a\"\n[expect]\nverdict = \"FAIL\"\noutcomes = [\"x\"]",
            "line 4",
        ),
        ("summary = \"a\"\n[machine]\ncpu = \"0xzz\"", "line 3"),
        ("groups = []", ""),
    ] {
        let dir = folder(&[("bad.toml", text)]);
        let error = Scenario::load(dir.path(), "bad").unwrap_err().to_string();
        assert!(
            error.contains("bad.toml") && error.contains(line),
            "{error}"
        );
    }
}

#[test]
fn a_scenario_that_contradicts_itself_is_refused_by_name() {
    for (text, reason) in [
        ("[machine]\ncpus = 3\nthreads = 2", "multiple"),
        ("[machine]\ncpus = 256", "1 to 255"),
        ("[guest]\nfaults = [\"dead:9\"]", "dead:9"),
        ("[firmware]\nbytes = []\npath = \"/x\"", "only one"),
        ("[machine]\naccel = \"kvm\"", "tcg"),
        ("[machine]\nkind = \"kvm-qemu\"\naccel = \"tcg\"", "kvm"),
        ("[machine]\ntimeout_s = 0", "timeout"),
        ("[guest]\nrepeat = 0", "guest.repeat = 0"),
        ("[guest]\nrepeat = 1000001", "1 to 1000000"),
        ("[guest]\nrepeat = 2\njob = \"dry-run\"", "guest.job out"),
        (
            "[guest]\nonline = 2\nhardware = \"engine\"",
            "guest.online out",
        ),
    ] {
        let dir = folder(&[("bad.toml", &format!("summary = \"a\"\n{text}"))]);
        let error = Scenario::load(dir.path(), "bad").unwrap_err().to_string();
        assert!(error.contains("bad") && error.contains(reason), "{error}");
    }
}

#[test]
fn loads_can_be_repeated_and_cpus_come_later_where_nothing_speaks_against_it() {
    for guest in [
        "repeat = 1000000",
        "repeat = 2\nhardware = \"engine\"",
        "online = 2",
    ] {
        let text = format!("summary = \"a\"\n[guest]\n{guest}");
        let dir = folder(&[("good.toml", &text)]);
        let read = Scenario::load(dir.path(), "good");
        assert!(read.is_ok(), "{guest}: {read:?}");
    }
}

#[test]
fn every_scenario_of_the_checkout_can_be_run_as_it_stands() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/scenarios");
    let paths = Scenario::list(&folder).unwrap();
    assert!(paths.len() > 1);
    for path in paths {
        let scenario = Scenario::read(&path).unwrap();
        assert!(!scenario.summary.is_empty(), "{}", scenario.name);
        assert!(!scenario.groups.is_empty(), "{}", scenario.name);
    }
}

#[test]
fn more_cpus_are_given_more_time_unless_the_time_is_said() {
    let table = |cpus, timeout_s| MachineTable {
        cpus,
        timeout_s,
        ..MachineTable::default()
    };
    assert!(table(255, None).timeout() > table(1, None).timeout());
    assert_eq!(table(255, Some(3)).timeout(), Duration::from_secs(3));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_fail_otherwise_than_by_an_error(text in "[\\PC\n]{0,200}") {
        let _ = toml::from_str::<Scenario>(&text);
    }
}
