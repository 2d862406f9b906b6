//! `metrics.json`: series of raw values with all their dimensions.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the layout.
pub const SCHEMA_VERSION: u32 = 1;

/// All that was measured in one go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What made it: commit, host CPU and the like.
    pub provenance: Value,
    /// The clock that the times were read from; none for virtual time and counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Value>,
    /// What could not be measured, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_measured: Vec<String>,
    /// The series.
    pub series: Vec<Series>,
}

/// One metric under one set of circumstances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// What was measured.
    pub metric: Metric,
    /// In what.
    pub unit: Unit,
    /// Under what circumstances.
    pub dimensions: Dimensions,
    /// Each value, in the order that they were measured.
    pub values: Vec<u64>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// From the first to the last call-in.
    CallInSkew,
    /// From the last call-in to the first CPU that sees the gate open.
    Gate,
    /// The write of one leader.
    Load,
    /// How long one follower waits for its leader's write, from its gate on.
    Follow,
    /// From the end of the last write to a CPU's being out.
    Leave,
    /// From the first call-in to the last CPU's being out; of one CPU, from its own
    /// to its own.
    Stall,
    /// All of a request, from its first look at the microcode on.
    Request,
    /// Reading and checking the initrd.
    Scan,
    /// Judging the candidates.
    Judge,
    /// Copying what was chosen.
    Cache,
    /// Guest instructions of a request.
    RequestInstructions,
    /// Those while CPUs are stopped.
    StoppedInstructions,
    /// A cache line's way from one CPU to another.
    Transfer,
    /// What reading the clock costs.
    Stamp,
}

/// In what a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Guest instructions.
    Instructions,
}

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The unikernel in a virtual machine.
    Guest,
    /// The same protocols on pinned threads of the host.
    Native,
    /// The same protocols in virtual time.
    Simulated,
}

/// What times were read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockKind {
    /// The CPUs' time-stamp counter.
    Tsc,
    /// QEMU's count of instructions.
    Icount,
    /// Virtual time.
    Virtual,
}

/// Under what circumstances a series was measured. Two series are comparable only
/// where all of them are the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dimensions {
    /// Where it comes from.
    pub stage: Stage,
    /// The machine, by its name on the command line; for the other stages none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The protocol, or what it is held against (`std-barrier`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// How CPUs announce themselves: `tree` or `flat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_in: Option<String>,
    /// Which thread of a core leads: `first` or `lowest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub election: Option<String>,
    /// Number of CPUs.
    pub cpus: u32,
    /// Threads of each core.
    pub threads: u32,
    /// Packages.
    pub packages: u32,
    /// How long a modelled write takes, in µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_us: Option<u64>,
    /// What takes the write: `msr` or `engine`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<String>,
    /// What times were read from.
    pub clock: ClockKind,
    /// The CPU, of a series that is one CPU's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// From which CPU a cache line came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u32>,
    /// To which it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
}

impl Metric {
    /// The name in `metrics.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallInSkew => "call_in_skew",
            Self::Gate => "gate",
            Self::Load => "load",
            Self::Follow => "follow",
            Self::Leave => "leave",
            Self::Stall => "stall",
            Self::Request => "request",
            Self::Scan => "scan",
            Self::Judge => "judge",
            Self::Cache => "cache",
            Self::RequestInstructions => "request_instructions",
            Self::StoppedInstructions => "stopped_instructions",
            Self::Transfer => "transfer",
            Self::Stamp => "stamp",
        }
    }

    /// In what it is.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::RequestInstructions | Self::StoppedInstructions => Unit::Instructions,
            _ => Unit::Ns,
        }
    }
}

impl Unit {
    /// The name in `metrics.json` and in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::Instructions => "instructions",
        }
    }
}

impl Stage {
    /// The name in `metrics.json` and wherever a figure is shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Native => "native",
            Self::Simulated => "simulated",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Dimensions {
    /// Of so many CPUs; what else there is to say is filled in.
    #[must_use]
    pub const fn new(
        stage: Stage,
        clock: ClockKind,
        cpus: u32,
        threads: u32,
        packages: u32,
    ) -> Self {
        Self {
            stage,
            machine: None,
            protocol: None,
            call_in: None,
            election: None,
            cpus,
            threads,
            packages,
            load_us: None,
            hardware: None,
            clock,
            cpu: None,
            from: None,
            to: None,
        }
    }

    /// The same for one CPU.
    #[must_use]
    pub fn of_cpu(&self, cpu: u32) -> Self {
        Self {
            cpu: Some(cpu),
            ..self.clone()
        }
    }
}

impl Series {
    /// A series in the metric's own unit.
    #[must_use]
    pub const fn new(metric: Metric, dimensions: Dimensions, values: Vec<u64>) -> Self {
        Self {
            metric,
            unit: metric.unit(),
            dimensions,
            values,
        }
    }
}

/// Why a file of metrics is of no use.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// It cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is no file of metrics, or a part of one.
    #[error("{}: it is no metrics.json, or is cut short ({error}): measure anew", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Where it goes wrong.
        error: serde_json::Error,
    },
    /// It is of another version.
    #[error(
        "{}: its layout is of version {found}, and this program reads {SCHEMA_VERSION}: measure anew",
        path.display()
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
}

impl Metrics {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, MetricsError> {
        let own = || path.to_owned();
        let text =
            fs::read_to_string(path).map_err(|error| MetricsError::Io { path: own(), error })?;
        let metrics: Self = serde_json::from_str(&text)
            .map_err(|error| MetricsError::Damaged { path: own(), error })?;
        if metrics.schema_version != SCHEMA_VERSION {
            return Err(MetricsError::Version {
                path: own(),
                found: metrics.schema_version,
            });
        }
        Ok(metrics)
    }

    /// Writes a file.
    pub fn write(&self, path: &Path) -> Result<(), MetricsError> {
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other);
        text.and_then(|text| fs::write(path, text + "\n"))
            .map_err(|error| MetricsError::Io {
                path: path.to_owned(),
                error,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Metrics {
        let dimensions = Dimensions::new(Stage::Native, ClockKind::Tsc, 2, 1, 1);
        Metrics {
            schema_version: SCHEMA_VERSION,
            provenance: Value::Null,
            clock: None,
            not_measured: vec!["the rest".to_owned()],
            series: vec![Series::new(
                Metric::CallInSkew,
                dimensions.of_cpu(1),
                vec![3, 1],
            )],
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_names_are_those_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.json");
        metrics().write(&path).unwrap();
        assert_eq!(Metrics::read(&path).unwrap(), metrics());
        let json: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let series = &json["series"][0];
        assert_eq!(series["metric"], Metric::CallInSkew.name());
        assert_eq!(series["unit"], Unit::Ns.name());
        assert_eq!(series["dimensions"]["stage"], Stage::Native.name());
        assert_eq!(series["dimensions"]["cpu"], 1);
        assert!(series["dimensions"].get("machine").is_none());
    }

    #[test]
    fn a_file_that_is_cut_or_of_another_version_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.json");
        let text = serde_json::to_string(&metrics()).unwrap();
        for (text, word) in [
            (text[..text.len() / 2].to_owned(), "cut short"),
            (
                text.replace("\"schema_version\":1", "\"schema_version\":2"),
                "version 2",
            ),
            (text.replace("call_in_skew", "mood"), "mood"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Metrics::read(&path).unwrap_err().to_string();
            assert!(
                error.contains(word) && error.contains("measure anew"),
                "{error}"
            );
        }
        let error = Metrics::read(&folder.path().join("none")).unwrap_err();
        assert!(error.to_string().contains("none"));
    }
}
