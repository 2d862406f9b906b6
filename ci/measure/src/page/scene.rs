//! The series of a file sorted into what belongs on one plot and in one table.

use std::collections::{BTreeMap, BTreeSet};

use crate::metrics::{ClockKind, Dimensions, Metric, Metrics, Series, Stage};
use crate::summary::median;

use super::row::{Row, rows};

/// All of one stage, and of one machine where the stage has several.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) stage: Stage,
    /// What it is called wherever a figure of it is shown.
    pub(super) name: String,
    /// A part of file names.
    pub(super) slug: String,
    pub(super) setups: Vec<Setup>,
    /// The median one-way transfer in ns, by the CPUs that a line went from and to.
    pub(super) transfers: BTreeMap<(u32, u32), u64>,
    /// The series that belong to no protocol's load.
    pub(super) others: Vec<Series>,
}

/// Loads whose times can be held against each other.
#[derive(Debug)]
pub(super) struct Setup {
    /// What tells it from the scene's other setups; empty of the only one.
    pub(super) slug: String,
    /// Its clock and its loads, in words.
    pub(super) detail: String,
    /// By protocol, then by number of CPUs.
    pub(super) rows: Vec<Row>,
}

/// What must agree for two series to be of one setup.
type SetupKey = (ClockKind, Option<String>, Option<u64>);

impl Setup {
    /// The rows that have values of a metric.
    pub(super) fn with(&self, metric: Metric) -> impl Iterator<Item = &Row> {
        self.rows
            .iter()
            .filter(move |row| !row.values(metric).is_empty())
    }

    /// The numbers of CPUs that a metric has values for.
    pub(super) fn counts(&self, metric: Metric) -> BTreeSet<u32> {
        self.with(metric).map(|row| row.cpus).collect()
    }

    /// The number of CPUs at which protocols are held against each other: the
    /// largest that the most of them have.
    pub(super) fn shared_count(&self, metric: Metric) -> Option<u32> {
        let labels = |count| {
            self.with(metric)
                .filter(move |row| row.cpus == count)
                .count()
        };
        let counts = self.counts(metric).into_iter();
        counts.max_by_key(|&count| (labels(count), count))
    }
}

impl Scene {
    /// The CPUs that a transfer is known of.
    pub(super) fn matrix_cpus(&self) -> BTreeSet<u32> {
        let ways = self.transfers.keys();
        ways.flat_map(|&(from, to)| [from, to]).collect()
    }

    /// The median of all ways between two CPUs, in ns.
    pub(super) fn usual_transfer(&self) -> Option<u64> {
        median(&self.transfers.values().copied().collect::<Vec<_>>())
    }
}

/// All scenes of a file, in the order of the stages.
pub(super) fn scenes(metrics: &Metrics) -> Vec<Scene> {
    let mut by_scene: BTreeMap<(Stage, Option<&str>), Vec<&Series>> = BTreeMap::new();
    let shown = |series: &&Series| !series.values.is_empty() && !is_own_stall(series);
    for series in metrics.series.iter().filter(shown) {
        let dimensions = &series.dimensions;
        let key = (dimensions.stage, dimensions.machine.as_deref());
        by_scene.entry(key).or_default().push(series);
    }
    let scenes = by_scene.into_iter();
    scenes
        .map(|((stage, machine), series)| scene(stage, machine, &series))
        .collect()
}

fn scene(stage: Stage, machine: Option<&str>, all: &[&Series]) -> Scene {
    let (loads, rest): (Vec<&Series>, Vec<&Series>) = all.iter().partition(|s| is_of_a_load(s));
    let (ways, others): (Vec<&Series>, Vec<&Series>) =
        rest.into_iter().partition(|s| way(&s.dimensions).is_some());
    let mut by_setup: BTreeMap<SetupKey, Vec<&Series>> = BTreeMap::new();
    for series in loads {
        let Dimensions {
            clock,
            hardware,
            load_us,
            ..
        } = series.dimensions.clone();
        by_setup
            .entry((clock, hardware, load_us))
            .or_default()
            .push(series);
    }
    join_barriers(&mut by_setup);
    let alone = by_setup.len() == 1;
    let setups = by_setup.into_iter();
    Scene {
        stage,
        name: name(stage, machine),
        slug: slug(&format!("{stage} {}", machine.unwrap_or_default())),
        setups: setups
            .map(|(key, series)| setup(key, &series, alone))
            .collect(),
        transfers: transfers(&ways),
        others: others.into_iter().cloned().collect(),
    }
}

/// Barriers load nothing, by nothing: they belong beside every protocol of their clock.
fn join_barriers(by_setup: &mut BTreeMap<SetupKey, Vec<&Series>>) {
    let clocks: BTreeSet<_> = by_setup.keys().map(|(clock, ..)| *clock).collect();
    for clock in clocks {
        let of_barriers = (clock, None, None);
        let has_others = |key: &SetupKey| key.0 == clock && *key != of_barriers;
        if !by_setup.keys().any(has_others) {
            continue;
        }
        let barriers = by_setup.remove(&of_barriers).unwrap_or_default();
        for (_, series) in by_setup.iter_mut().filter(|(key, _)| has_others(key)) {
            series.extend(&barriers);
        }
    }
}

/// What a stage is, in words.
pub(super) fn name(stage: Stage, machine: Option<&str>) -> String {
    match (stage, machine) {
        (Stage::Guest, Some(machine)) => format!("guest on {machine}"),
        (Stage::Guest, None) => "guest".to_owned(),
        (Stage::Native, None) => "native: this host's threads".to_owned(),
        (Stage::Native, Some(machine)) => format!("native: threads of {machine}"),
        (Stage::Simulated, None) => "simulated: virtual time".to_owned(),
        (Stage::Simulated, Some(machine)) => format!("simulated: virtual time, {machine}"),
    }
}

/// A text as a part of a file's name: small letters, digits and single dashes.
pub(super) fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").to_ascii_lowercase()
}

fn is_of_a_load(series: &Series) -> bool {
    let whole = matches!(
        series.metric,
        Metric::CallInSkew | Metric::Gate | Metric::GateLast | Metric::Stall
    );
    let of_cpus = matches!(series.metric, Metric::Load | Metric::Follow | Metric::Leave);
    let dimensions = &series.dimensions;
    dimensions.protocol.is_some() && (of_cpus || whole && dimensions.cpu.is_none())
}

/// A CPU's own stall says less than that of all, which is shown.
fn is_own_stall(series: &Series) -> bool {
    series.metric == Metric::Stall && series.dimensions.cpu.is_some()
}

fn way(dimensions: &Dimensions) -> Option<(u32, u32)> {
    dimensions.from.zip(dimensions.to)
}

fn transfers(ways: &[&Series]) -> BTreeMap<(u32, u32), u64> {
    // Ways of machines of different sizes do not belong in one matrix.
    let most = ways.iter().map(|series| series.dimensions.cpus).max();
    let of_largest = ways.iter().filter(|s| Some(s.dimensions.cpus) == most);
    let mut values: BTreeMap<(u32, u32), Vec<u64>> = BTreeMap::new();
    for series in of_largest.filter(|s| s.metric == Metric::Transfer) {
        if let Some(way) = way(&series.dimensions) {
            values.entry(way).or_default().extend(&series.values);
        }
    }
    let medians = values.iter();
    let medians = medians.filter_map(|(&way, values)| Some((way, median(values)?)));
    medians.collect()
}

fn setup(key: SetupKey, series: &[&Series], alone: bool) -> Setup {
    let (clock, hardware, load_us) = key;
    let clock_name = match clock {
        ClockKind::Tsc => Some("clock: time-stamp counter"),
        ClockKind::Icount => Some("clock: instructions, one a ns"),
        // The stage says so.
        ClockKind::Virtual => None,
    };
    let load = match load_us {
        Some(0) => Some("loads that take no time".to_owned()),
        Some(us) => Some(format!("modelled loads of {us} µs")),
        None => None,
    };
    let hardware_name = hardware.as_deref().map(|name| match name {
        "msr" => "writes of the register".to_owned(),
        other => format!("hardware: {other}"),
    });
    let parts: Vec<_> = load.into_iter().chain(hardware_name).collect();
    let detail = parts.into_iter().chain(clock_name.map(str::to_owned));
    let slug = if alone {
        String::new()
    } else {
        let load = load_us.map(|us| format!("load {us}us")).unwrap_or_default();
        let clock = format!("{clock:?}");
        slug(&format!("{load} {} {clock}", hardware.unwrap_or_default()))
    };
    Setup {
        slug,
        detail: detail.collect::<Vec<_>>().join(", "),
        rows: rows(series),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn of(series: Vec<Series>) -> Vec<Scene> {
        scenes(&Metrics::new(Value::Null, series))
    }

    fn dimensions(stage: Stage, protocol: &str, cpus: u32) -> Dimensions {
        Dimensions {
            protocol: Some(protocol.to_owned()),
            ..Dimensions::new(stage, ClockKind::Tsc, cpus, 1, 1)
        }
    }

    fn stall(dimensions: Dimensions) -> Series {
        Series::new(Metric::Stall, dimensions, vec![3, 1, 2])
    }

    #[test]
    fn loads_of_different_lengths_are_not_held_against_each_other() {
        let of_us = |load_us| Dimensions {
            load_us: Some(load_us),
            ..dimensions(Stage::Native, "muster", 2)
        };
        let scenes = of(vec![
            stall(of_us(0)),
            stall(of_us(200)),
            stall(dimensions(Stage::Native, "std-barrier", 2)),
            stall(dimensions(Stage::Simulated, "muster", 2)),
        ]);
        assert_eq!(scenes.len(), 2);
        let slugs: Vec<_> = scenes[0].setups.iter().map(|setup| &setup.slug).collect();
        assert_eq!(slugs, ["load-0us-tsc", "load-200us-tsc"]);
        // What loads nothing stands beside both.
        for setup in &scenes[0].setups {
            assert!(setup.rows.iter().any(|row| row.protocol == "std-barrier"));
        }
        assert_eq!(scenes[1].setups[0].slug, "");
        assert_eq!(scenes[1].setups[0].rows[0].values(Metric::Stall), [1, 2, 3]);
    }

    #[test]
    fn one_cpus_stall_is_not_taken_for_that_of_all() {
        let all = dimensions(Stage::Native, "muster", 2);
        let own = Series::new(Metric::Stall, all.of_cpu(1), vec![99]);
        let load = |cpu| Series::new(Metric::Load, all.of_cpu(cpu), vec![u64::from(cpu)]);
        let scenes = of(vec![own, stall(all.clone()), load(1), load(0)]);
        let row = &scenes[0].setups[0].rows[0];
        assert_eq!(row.values(Metric::Stall), [1, 2, 3]);
        assert_eq!(row.values(Metric::Load), [0, 1]);
        assert!(scenes[0].others.is_empty());
    }

    #[test]
    fn a_file_name_has_nothing_that_a_shell_or_a_folder_minds() {
        assert_eq!(slug("../a b & <C>/é 7"), "a-b-c-7");
        assert_eq!(slug("guest kvm-qemu"), "guest-kvm-qemu");
    }
}
