use super::*;

fn synthetic(text: &str) -> Synthetic {
    toml::from_str(text).unwrap()
}

#[test]
fn every_field_reaches_the_update() {
    let intel = synthetic(
        "signature = 0x50654\nrevision = 5\nflags = 0xb7\nminimum_revision = 3\n\
         date = \"2024-02-29\"\ndata_bytes = 5000\nextended = [\"0x50657:0x2\"]\n\
         metadata = [\"3:0x10\"]",
    );
    let (_, bytes) = intel.build().unwrap();
    let scan = microcode::scan(&bytes);
    assert_eq!(scan.findings, []);
    let update = &scan.candidates[0].update;
    assert_eq!(update.flags(), Some(0xb7));
    assert_eq!(update.minimum_revision(), Some(3));
    assert_eq!(update.date().to_string(), "2024-02-29");
    assert!(update.size() >= 5048);
    assert_eq!(update.targets().count(), 2);

    let amd = synthetic(
        "signature = 0xa00f11\nrevision = 0x0a0011de\nminimum_revision = 0x0a0011d9\n\
         data_bytes = 300\nextended = [\"0xa00f10\"]\nload_control = 2\nno_sentinel = true",
    );
    let (_, bytes) = amd.build().unwrap();
    let scan = microcode::scan(&bytes);
    assert_eq!(scan.findings, []);
    let microcode::Update::Amd(patch) = scan.candidates[0].update else {
        panic!("it is AMD's");
    };
    assert_eq!(patch.size(), 300);
    assert_eq!(patch.table().len(), 2);
    assert_eq!(patch.minimum_revision(), Some(0x0a00_11d9));
    assert!(patch.load_control().unwrap().on_both_threads);
}

#[test]
fn every_defect_of_either_vendor_can_be_asked_for() {
    let intel = Defect::ALL.map(|defect| (0x0005_0654, 5, defect.name()));
    let amd = ContainerDefect::ALL.map(|defect| {
        let old = !defect.suits(0x0080_0f12);
        let cpu = if old {
            (0x0010_0f62, 0x0100_00c7)
        } else {
            (0x0080_0f12, 0x0800_126f)
        };
        (cpu.0, cpu.1, defect.name())
    });
    for (signature, revision, defect) in intel.into_iter().chain(amd) {
        let update = Synthetic {
            signature,
            revision,
            defect: Some(defect.to_owned()),
            ..Synthetic::default()
        };
        let initrd = pack(&[update]).unwrap();
        assert!(!microcode::scan(&initrd).findings.is_empty(), "{defect}");
    }
}

#[test]
fn what_cannot_be_made_is_refused_with_the_field() {
    let error = |text: &str| synthetic(text).check().unwrap_err().to_string();
    for (text, word) in [
        (
            "signature = 0x50654\nrevision = 1\ndefect = \"ugly\"",
            "entry-checksum",
        ),
        (
            "signature = 0x50654\nrevision = 1\nload_control = 1",
            "load-control",
        ),
        (
            "signature = 0x50654\nrevision = 1\nextended = [\"1\"]",
            "extended",
        ),
        (
            "signature = 0x50654\nrevision = 1\ndata_bytes = 99999999",
            "data-bytes",
        ),
        (
            "signature = 0x50654\nrevision = 1\nmetadata = [\"0:1\"]",
            "type 0",
        ),
        ("signature = 0x800f12\nrevision = 1\nflags = 1", "flags"),
        ("signature = 0x800f12\nrevision = 1\ndata_bytes = 63", "64"),
        (
            "signature = 0x800f12\nrevision = 1\ndefect = \"patch-checksum\"",
            "not-mapped",
        ),
        ("signature = 1\nrevision = 1", "family"),
    ] {
        assert!(error(text).contains(word), "{}", error(text));
    }
}
