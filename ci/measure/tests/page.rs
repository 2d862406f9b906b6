//! The page of figures that look like those of a benchmark. It is left below
//! `target/tmp/page`, to be looked at.

mod sample;

use std::fs;
use std::path::{Path, PathBuf};

use measure::metrics::{ClockKind, Dimensions, Metric, Metrics, Series, Stage};
use measure::page::{self, Timeline};
use roxmltree::Document;
use serde_json::{Value, json};

fn empty() -> Metrics {
    Metrics::new(Value::Null, Vec::new())
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn written(metrics: &Metrics, timelines: &[Timeline]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let files = page::write(folder.path(), metrics, timelines).unwrap();
    (folder, files)
}

fn names(files: &[PathBuf]) -> Vec<&str> {
    let names = files.iter().map(|path| path.file_name().unwrap());
    names.map(|name| name.to_str().unwrap()).collect()
}

/// What is read in a drawing.
fn read(svg: &Document<'_>) -> Vec<String> {
    let texts = svg
        .descendants()
        .filter(|node| node.has_tag_name("text") || node.tag_name().name() == "text");
    texts
        .filter_map(|node| Some(node.text()?.trim().to_owned()))
        .collect()
}

#[test]
fn the_sample_has_every_kind_of_plot_once_per_stage_that_has_the_data() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    let metrics = sample::metrics();
    let files = page::write(&folder, &metrics, &sample::timelines()).unwrap();
    metrics.write(&folder.join("metrics.json")).unwrap();
    assert_eq!(
        names(&files),
        [
            "report.html",
            "trace.json",
            "stall-native.svg",
            "stall-percentiles-native.svg",
            "gate-percentiles-native.svg",
            "gate-floor-native.svg",
            "transfer-native.svg",
            "stall-simulated.svg",
            "stall-percentiles-simulated.svg",
            "gate-simulated.svg",
            "gate-percentiles-simulated.svg",
            "gate-floor-simulated.svg",
            "transfer-simulated.svg",
            "timeline-1-native-muster-2-cpus.svg",
            "timeline-2-simulated-muster-16-cpus.svg",
            "timeline-3-simulated-serial-chain-16-cpus.svg",
            "timeline-4-simulated-linux-512-cpus.svg",
        ]
    );
}

#[test]
fn every_drawing_is_sound_and_says_its_stage_and_units_in_letters() {
    let (_folder, files) = written(&sample::metrics(), &sample::timelines());
    let drawings = files
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "svg"));
    let mut seen = 0;
    for path in drawings {
        let svg = text(path);
        for number in ["NaN", "inf"] {
            assert!(!svg.contains(number), "{}: {number}", path.display());
        }
        let document = Document::parse(&svg).unwrap();
        let texts = read(&document);
        let has = |word: &str| texts.iter().any(|text| text.contains(word));
        let name = path.display();
        assert!(
            has("native: this host's threads") || has("simulated: virtual time"),
            "{name}"
        );
        assert!(has(" ns") || has(" µs") || has(" ms"), "{name}: {texts:?}");
        // Nothing is drawn outside of what is shown.
        let view = document.root_element().attribute("viewBox").unwrap();
        let sizes: Vec<f64> = view.split(' ').map(|n| n.parse().unwrap()).collect();
        for node in document.descendants() {
            let place = |name| {
                node.attribute(name)
                    .map(|n: &str| n.parse::<f64>().unwrap())
            };
            let inside = |at: Option<f64>, most| at.is_none_or(|at| (0.0..=most).contains(&at));
            assert!(
                inside(place("x"), sizes[2]) && inside(place("y"), sizes[3]),
                "{name}: {node:?}"
            );
        }
        seen += 1;
    }
    assert!(seen > 10);
}

#[test]
fn plots_of_protocols_name_every_protocol() {
    let (folder, _) = written(&sample::metrics(), &[]);
    for name in [
        "stall-native.svg",
        "stall-simulated.svg",
        "gate-percentiles-native.svg",
        "gate-floor-native.svg",
    ] {
        let svg = text(&folder.path().join(name));
        let texts = read(&Document::parse(&svg).unwrap());
        for protocol in [
            "muster",
            "xen-v5",
            "xen",
            "linux",
            "serial-chain",
            "batches",
            "std-barrier",
        ] {
            assert!(
                texts
                    .iter()
                    .any(|text| text.split(' ').next() == Some(protocol)),
                "{name}: {protocol}"
            );
        }
    }
}

#[test]
fn a_matrix_has_its_numbers_in_the_cells_where_there_is_room() {
    let way = |from, to, value| {
        let dimensions = Dimensions {
            from: Some(from),
            to: Some(to),
            ..Dimensions::new(Stage::Native, ClockKind::Tsc, 100, 1, 1)
        };
        Series::new(Metric::Transfer, dimensions, vec![value])
    };
    let small = Metrics {
        series: vec![way(0, 1, 57), way(1, 0, 61)],
        ..empty()
    };
    let (folder, _) = written(&small, &[]);
    let svg = text(&folder.path().join("transfer-native.svg"));
    let texts = read(&Document::parse(&svg).unwrap());
    assert!(
        texts.contains(&"57".to_owned()) && texts.contains(&"61".to_owned()),
        "{texts:?}"
    );

    let ways = (0..100).flat_map(|from| (0..100).map(move |to| (from, to)));
    let large = Metrics {
        series: ways.map(|(from, to)| way(from, to, 1057)).collect(),
        ..empty()
    };
    let (folder, _) = written(&large, &[]);
    let svg = text(&folder.path().join("transfer-native.svg"));
    assert!(!read(&Document::parse(&svg).unwrap()).contains(&"1.1".to_owned()));
    assert!(
        text(&folder.path().join("report.html"))
            .contains("100 CPUs are put together in blocks of 2")
    );
}

#[test]
fn the_page_names_every_stage_and_what_was_not_measured() {
    let (folder, files) = written(&sample::metrics(), &sample::timelines());
    let page = text(&folder.path().join("report.html"));
    for words in [
        "guest on tcg",
        "native: this host’s threads",
        "simulated: virtual time",
        "guest under KVM: this host has no /dev/kvm",
        "Example CPU @ 2.60 GHz",
        "request instructions",
        "176,900 instr.",
    ] {
        assert!(page.replace('\'', "’").contains(words), "{words}");
    }
    for name in names(&files).into_iter().skip(1).chain(["metrics.json"]) {
        assert!(page.contains(&format!("href=\"{name}\"")), "{name}");
    }
    for foreign in ["<script", "<link", "<img", "src=", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn without_a_figure_the_page_says_so_and_nothing_is_plotted() {
    let (folder, files) = written(&empty(), &[]);
    assert_eq!(names(&files), ["report.html"]);
    let page = text(&folder.path().join("report.html"));
    assert!(page.contains("Nothing was measured"));
    for stage in [
        "guest: no figures",
        "native: this host's threads: no",
        "simulated: virtual time: no",
    ] {
        assert!(page.contains(stage), "{stage}");
    }
    assert!(!page.contains("<svg") && !page.contains("trace.json"));
}

#[test]
fn names_from_elsewhere_are_text_and_never_markup() {
    let evil = "<b onload=\"x\">&'";
    let dimensions = |cpus| Dimensions {
        protocol: Some(evil.to_owned()),
        machine: Some(evil.to_owned()),
        ..Dimensions::new(Stage::Guest, ClockKind::Tsc, cpus, 1, 1)
    };
    let metrics = Metrics {
        provenance: json!({evil: evil}),
        not_measured: vec![evil.to_owned()],
        series: [2, 4]
            .map(|n| Series::new(Metric::Stall, dimensions(n), vec![5; 20]))
            .to_vec(),
        ..empty()
    };
    let timeline = Timeline {
        title: evil.to_owned(),
        stage: Stage::Guest,
        iteration: sample::iteration("muster", 2, 10.0, &mut sample::Chance::new(1)),
    };
    let (folder, files) = written(&metrics, &[timeline]);
    let page = text(&folder.path().join("report.html"));
    assert!(page.contains("&lt;b onload"));
    assert!(!page.contains("<b "));
    for path in files
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "svg"))
    {
        assert_eq!(path.parent(), Some(folder.path()));
        let svg = text(path);
        assert!(
            read(&Document::parse(&svg).unwrap())
                .iter()
                .any(|t| t.contains(evil)),
            "{svg}"
        );
    }
}

#[test]
fn machines_whose_names_differ_in_signs_alone_have_files_of_their_own() {
    let stall = |machine: &str, cpus| {
        let dimensions = Dimensions {
            protocol: Some("muster".to_owned()),
            machine: Some(machine.to_owned()),
            ..Dimensions::new(Stage::Guest, ClockKind::Tsc, cpus, 1, 1)
        };
        Series::new(Metric::Stall, dimensions, vec![5])
    };
    let metrics = Metrics {
        series: vec![stall("a b", 2), stall("a-b", 2)],
        ..empty()
    };
    let (_folder, files) = written(&metrics, &[]);
    assert_eq!(
        names(&files),
        [
            "report.html",
            "stall-guest-a-b.svg",
            "stall-guest-a-b--2.svg"
        ]
    );
}

#[test]
fn times_of_zero_and_single_values_are_drawn_within_the_plot() {
    let series = |metric, cpus, values: Vec<u64>| {
        let dimensions = Dimensions {
            protocol: Some("muster".to_owned()),
            ..Dimensions::new(Stage::Simulated, ClockKind::Virtual, cpus, 1, 1)
        };
        Series::new(metric, dimensions, values)
    };
    let metrics = Metrics {
        series: vec![
            series(Metric::Gate, 1, vec![0; 12]),
            series(Metric::Gate, 8, vec![0]),
            series(Metric::Stall, 1, vec![u64::MAX; 12]),
            series(Metric::Stall, 2, vec![0]),
        ],
        ..empty()
    };
    let (_folder, files) = written(&metrics, &[]);
    assert!(files.len() > 2);
    for path in &files {
        let text = text(path);
        assert!(!text.contains("NaN") && !text.contains(">inf") && !text.contains("\"inf"));
    }
}
