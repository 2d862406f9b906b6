//! The verbs for microcode files as a script sees them: what is on which
//! stream, the shape of the JSON, exit codes, and bad input.

use std::fs;
use std::path::Path;
use std::process::Command as Process;

use assert_cmd::Command;
use microcode::synth::{self, Defect};
use serde_json::{Value, json};

/// `muster blob …` in a folder; words are separated by blanks.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Two updates of Intel's and one of AMD's.
    fn with_set() -> Self {
        let folder = Self::new();
        let skylake = synth::intel(0x0005_06e3, 0x36, 0xf0)
            .extended(&[(0x0005_06e3, 0x36), (0x0004_06e3, 0xc0)])
            .minimum_revision(0xe0);
        folder.write("set/intel-ucode/06-5e-03", &skylake.build());
        let haswell = synth::intel(0x0003_06c3, 0x32, 0x28);
        folder.write("set/intel-ucode/06-3c-03", &haswell.build());
        let milan = synth::amd(0x00a0_0f11, 0x0a00_11de)
            .minimum_revision(0x0a00_11d9)
            .load_control(2);
        folder.write("set/amd-ucode/microcode_amd_fam19h.bin", &milan.build());
        folder.write("set/README", b"nothing to see");
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn run(&self, line: &str) -> assert_cmd::assert::Assert {
        let mut command = Command::cargo_bin("muster").unwrap();
        command.current_dir(self.path()).arg("blob");
        command.args(line.split_whitespace()).assert()
    }

    fn stdout(&self, line: &str, code: i32) -> String {
        let output = self.run(line).code(code).get_output().clone();
        String::from_utf8(output.stdout).unwrap()
    }

    fn stderr(&self, line: &str, code: i32) -> String {
        let output = self.run(line).code(code).get_output().clone();
        String::from_utf8(output.stderr).unwrap()
    }

    fn json(&self, line: &str, code: i32) -> Value {
        serde_json::from_str(&self.stdout(line, code)).unwrap()
    }
}

#[test]
fn list_has_the_documented_json() {
    let rows = Folder::with_set().json("list set --json", 0);
    let files: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["file"])
        .collect();
    assert_eq!(
        files,
        [
            "amd-ucode/microcode_amd_fam19h.bin",
            "intel-ucode/06-3c-03",
            "intel-ucode/06-5e-03"
        ]
    );
    let mut skylake = rows[2].clone();
    let digest = skylake.as_object_mut().unwrap().remove("sha256").unwrap();
    assert_eq!(digest.as_str().unwrap().len(), 64);
    let entry = |signature, flags| json!({ "signature": signature, "flags": flags });
    assert_eq!(
        skylake,
        json!({
            "file": "intel-ucode/06-5e-03",
            "offset": 0,
            "vendor": "intel",
            "signatures": [
                entry("0x000506e3", "0x36"),
                entry("0x000506e3", "0x36"),
                entry("0x000406e3", "0xc0"),
            ],
            "revision": "0x000000f0",
            "date": "2026-01-01",
            "size": 3072,
            "checksum_ok": true,
            "minimum_revision": "0x000000e0",
            "load_control": null,
            "damage": null,
        })
    );
    assert_eq!(rows[0]["signatures"][0]["flags"], Value::Null);
    assert_eq!(rows[0]["checksum_ok"], Value::Null);
    assert_eq!(rows[0]["offset"], 12 + 2 * 16 + 8);
    let control = json!({ "serialized": false, "on_both_threads": true });
    assert_eq!(rows[0]["load_control"], control);
}

#[test]
fn tables_fit_100_columns_and_have_no_colour_in_a_pipe() {
    let folder = Folder::with_set();
    for line in [
        "list set",
        "explain set --cpu 0x506e3:0x02",
        "diff set set/intel-ucode",
    ] {
        let text = folder.run(line).get_output().stdout.clone();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
        assert!(!text.contains('\u{1b}') && !text.contains(" \n"), "{text}");
    }
}

#[test]
fn explain_has_the_documented_json_and_a_reason_for_every_candidate() {
    let folder = Folder::with_set();
    let answer = folder.json("explain set --cpu 0x506e3:0x02:0xea --json", 0);
    assert_eq!(answer["cpu"]["signature"], "0x000506e3");
    assert_eq!(answer["cpu"]["platform_id"], 1);
    assert_eq!(answer["profile"], "sdm");
    let verdicts: Vec<_> = answer["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["signature", "signature", "chosen"]);
    assert_eq!(
        answer["chosen"],
        json!({ "file": "intel-ucode/06-5e-03", "offset": 0, "revision": "0x000000f0" })
    );
    let none = folder.json("explain set --cpu 0x506e3:0x02:0xdf --json", 3);
    assert_eq!(none["chosen"], Value::Null);
    assert_eq!(none["candidates"][2]["verdict"], "min-revision");
    let reason = none["candidates"][2]["reason"].as_str().unwrap();
    assert!(reason.contains("0x000000e0"), "{reason}");
    // Linux does not ask for a minimum revision.
    let linux = &none["profiles"][2];
    assert_eq!(linux["profile"], "linux");
    assert_eq!(linux["chosen"]["revision"], "0x000000f0");
    folder.stdout("explain set --cpu 0x506e3:0x02:0xdf --profile linux", 0);
    folder.stdout("explain set --cpu 0x506e3:0x02:0xdf --minimum ignored", 0);
    folder.stdout("explain set --cpu 0x506e3:0x02:0xf0", 3);
    folder.stdout("explain set --cpu 0x506e3:0x02:0xf0 --force", 0);
    folder.stdout("explain set --cpu 0x506e3:0x02:0xea --loading-disabled", 3);
    folder.stdout("explain set --cpu 0xa00f11::0x0a0011da", 0);
}

#[test]
fn explain_asks_for_a_platform_only_where_it_matters() {
    let folder = Folder::new();
    let update = |flags, revision| synth::intel(0x0005_06e3, flags, revision).build();
    folder.write("one", &[update(0x36, 1), update(0x02, 2)].concat());
    folder.write("two", &[update(0x04, 1), update(0x02, 2)].concat());
    let text = folder.stdout("explain one --cpu 0x506e3", 0);
    assert!(
        text.contains("platform id 1") && text.contains("note:"),
        "{text}"
    );
    let text = folder.stderr("explain two --cpu 0x506e3", 2);
    assert!(text.contains("0x02, 0x04"), "{text}");
    folder.stdout("explain two --cpu 0x506e3:0x04", 0);
}

#[test]
fn explain_checks_amds_digests_against_a_list() {
    let folder = Folder::with_set();
    let rows = folder.json("list set/amd-ucode --json", 0);
    let digest = rows[0]["sha256"].as_str().unwrap();
    folder.write("known", format!("0x0a0011de {digest}\n").as_bytes());
    folder.write(
        "other",
        format!("0x0a0011de {}\n", "0".repeat(64)).as_bytes(),
    );
    folder.write("none", b"nonsense here too");
    let line = "explain set --cpu 0xa00f11::0x0a0011da --digests";
    folder.stdout(&format!("{line} known"), 0);
    let text = folder.stdout(&format!("{line} other"), 3);
    assert!(text.contains("altered"), "{text}");
    let text = folder.stderr(&format!("{line} none"), 2);
    assert!(text.contains("none: line 1"), "{text}");
}

#[test]
fn this_machines_cpu_can_be_asked_about() {
    let folder = Folder::with_set();
    let output = folder
        .run("explain set --cpu host --json")
        .get_output()
        .clone();
    match output.status.code() {
        Some(0 | 3) => {
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert!(
                answer["cpu"]["signature"]
                    .as_str()
                    .unwrap()
                    .starts_with("0x")
            );
        }
        code => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(code == Some(2) && said.contains("--cpu"), "{said}");
        }
    }
}

#[test]
fn verify_has_the_documented_json_and_fails_on_errors_alone() {
    let folder = Folder::with_set();
    let sound = folder.json("verify set --json", 0);
    assert_eq!(sound, json!({ "files": 3, "updates": 3, "findings": [] }));
    let odd = synth::intel(1, 1, 1).defect(Defect::Date);
    folder.write("set/intel-ucode/06-00-01", &odd.build());
    let warned = folder.json("verify set --json", 0);
    assert_eq!(warned["findings"][0]["severity"], "warning");
    let bad = synth::intel(1, 1, 1).defect(Defect::Checksum);
    folder.write("set/intel-ucode/06-00-01", &bad.build());
    let failed = folder.json("verify set --json", 5);
    assert_eq!(failed["updates"], 4);
    let finding = &failed["findings"][0];
    assert_eq!(finding["file"], "intel-ucode/06-00-01");
    assert_eq!(finding["offset"], 0);
    assert_eq!(finding["severity"], "error");
    assert_eq!(finding["kind"], "checksum");
    let text = folder.stdout("verify set", 5);
    assert!(text.contains("06-00-01:0x0: error: "), "{text}");
}

#[test]
fn pack_is_reproducible_aligned_and_reads_back_as_what_went_in() {
    let folder = Folder::with_set();
    folder.stdout("pack set -o a.img", 0);
    folder.stdout("pack set -o b.img", 0);
    let [a, b] = ["a.img", "b.img"].map(|name| fs::read(folder.path().join(name)).unwrap());
    assert_eq!(a, b);
    let digests = |line: &str| {
        let rows = folder.json(line, 0);
        let rows = rows.as_array().unwrap().clone();
        let mut digests: Vec<_> = rows.iter().map(|row| row["sha256"].to_string()).collect();
        digests.sort();
        digests
    };
    assert_eq!(digests("list a.img --json"), digests("list set --json"));
    for row in folder.json("list a.img --json", 0).as_array().unwrap() {
        let is_intel = row["vendor"] == "intel";
        let offset = row["offset"].as_u64().unwrap();
        assert!(!is_intel || offset.is_multiple_of(16), "{row}");
    }
    // What is packed can be packed again, with more.
    folder.stdout("pack a.img -o c.img", 0);
    assert_eq!(a, fs::read(folder.path().join("c.img")).unwrap());
}

#[test]
fn pack_refuses_damage_unless_forced_and_what_has_no_place() {
    let folder = Folder::new();
    let bad = synth::intel(1, 1, 1).defect(Defect::Checksum);
    folder.write("bad", &bad.build());
    folder.write("text", b"no microcode at all");
    let said = folder.stderr("pack bad -o x.img", 2);
    assert!(said.contains("bad") && said.contains("--force"), "{said}");
    assert!(!folder.path().join("x.img").exists());
    folder.stdout("pack bad -o x.img --force", 0);
    let said = folder.stderr("pack text -o y.img", 2);
    assert!(said.contains("text"), "{said}");
}

#[test]
fn synth_makes_what_it_was_told_and_appends_containers() {
    let folder = Folder::new();
    folder.stdout(
        "synth 0x506e3 --revision 0xf0 --flags 0x36 --minimum-revision 0xe0 --extended 0x406e3:0xc0 \
         --metadata 3:0x10 --date 2024-02-29 --data-bytes 5000 -o u.bin",
        0,
    );
    let rows = folder.json("list u.bin --json", 0);
    assert_eq!(rows[0]["revision"], "0x000000f0");
    assert_eq!(rows[0]["date"], "2024-02-29");
    assert_eq!(rows[0]["signatures"][1]["flags"], "0xc0");
    folder.stdout("synth 0xa00f11 --revision 0x0a0011d5 -o a.bin", 0);
    folder.stdout("synth 0x830f10 --revision 0x0830107c -o a.bin --append", 0);
    let rows = folder.json("list a.bin --json", 0);
    assert_eq!(rows.as_array().unwrap().len(), 2);
    folder.stdout(
        "synth 0x506e3 --revision 1 --defect checksum --initrd -o b.img",
        0,
    );
    let failed = folder.json("verify b.img --json", 5);
    assert_eq!(failed["findings"][0]["kind"], "checksum");
    let said = folder.stderr("synth 0x506e3 --revision 1 --defect ugly -o c.bin", 2);
    assert!(said.contains("table-checksum"), "{said}");
}

#[test]
fn diff_tells_what_came_went_and_changed() {
    let folder = Folder::with_set();
    folder.write(
        "new/06-5e-03",
        &synth::intel(0x0005_06e3, 0x36, 0xf4).build(),
    );
    folder.write(
        "new/06-97-02",
        &synth::intel(0x0009_0672, 0x07, 0x38).build(),
    );
    folder.write(
        "new/06-3c-03",
        &synth::intel(0x0003_06c3, 0x32, 0x28).build(),
    );
    let answer = folder.json("diff set/intel-ucode new --json", 0);
    let changes: Vec<_> = answer["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| {
            (
                d["signature"].as_str().unwrap(),
                d["change"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(changes, [("0x000506e3", "newer"), ("0x00090672", "added")]);
    assert_eq!(answer["same"], 1);
    folder.stdout("diff set/intel-ucode new --exit-code", 5);
    let text = folder.stdout("diff new new --exit-code", 0);
    assert!(text.contains("no difference"), "{text}");
}

#[test]
fn archives_in_archives_are_gone_through() {
    let folder = Folder::with_set();
    let tar = |arguments: &[&str]| {
        let status = Process::new("tar")
            .current_dir(folder.path())
            .args(arguments)
            .status()
            .unwrap();
        assert!(status.success());
    };
    tar(&["-czf", "inner.tar.gz", "set"]);
    tar(&["-cf", "outer.tar", "inner.tar.gz"]);
    let rows = folder.json("list outer.tar --json", 0);
    let files: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["file"])
        .collect();
    assert_eq!(files.len(), 3);
    assert!(
        files.iter().all(|f| f
            .as_str()
            .unwrap()
            .starts_with("outer.tar!inner.tar.gz!set/")),
        "{files:?}"
    );
}

#[test]
fn bad_input_is_told_without_a_hang_or_a_panic() {
    let folder = Folder::with_set();
    // What is named itself is usage; what lies on the way is part of the answer.
    let said = folder.stderr("list /nonexistent", 2);
    assert!(said.contains("/nonexistent"), "{said}");
    fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(
        folder
            .stderr("list empty", 2)
            .contains("no microcode in empty")
    );
    assert!(
        folder
            .stderr("verify empty", 2)
            .contains("no microcode in empty")
    );
    let text = folder.stdout("verify set/README", 5);
    assert!(text.contains("unknown-format"), "{text}");

    let sparse = fs::File::create(folder.path().join("sparse")).unwrap();
    sparse.set_len(2 << 30).unwrap();
    let said = folder.stderr("verify sparse", 2);
    assert!(said.contains("sparse has more than 256 MiB"), "{said}");

    let status = Process::new("mkfifo")
        .arg(folder.path().join("set/fifo"))
        .status();
    assert!(status.unwrap().success());
    let said = folder.stderr("list set/fifo", 2);
    assert!(said.contains("set/fifo") && said.contains("pipe"), "{said}");
    // In a folder it is passed by, with a word.
    let output = folder.run("list set").code(0).get_output().clone();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("fifo"), "{said}");

    std::os::unix::fs::symlink("/nowhere", folder.path().join("set/broken")).unwrap();
    let failed = folder.json("verify set --json", 5);
    let findings = failed["findings"].as_array().unwrap();
    assert!(
        findings
            .iter()
            .any(|f| f["file"] == "broken" && f["kind"] == "unread")
    );
}
