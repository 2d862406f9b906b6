//! The file that metrics are kept in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Metric, Metrics, SCHEMA_VERSION};

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
    /// A series' passes are not those of its values.
    #[error(
        "{}: a series of {metric} has {nr_values} values and passes of {nr_of_passes}: measure anew",
        path.display()
    )]
    Passes {
        /// Which file.
        path: PathBuf,
        /// The series' metric.
        metric: Metric,
        /// Its values.
        nr_values: usize,
        /// Those that its passes are said to have.
        nr_of_passes: usize,
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

/// What a file of any layout has.
#[derive(Deserialize)]
struct Head {
    schema_version: u32,
}

impl Metrics {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, MetricsError> {
        let own = || path.to_owned();
        let text =
            fs::read_to_string(path).map_err(|error| MetricsError::Io { path: own(), error })?;
        let damaged = |error| MetricsError::Damaged { path: own(), error };
        // Of another layout nothing else needs to be there.
        let Head { schema_version } = serde_json::from_str(&text).map_err(damaged)?;
        if schema_version != SCHEMA_VERSION {
            return Err(MetricsError::Version {
                path: own(),
                found: schema_version,
            });
        }
        let metrics: Self = serde_json::from_str(&text).map_err(damaged)?;
        for series in &metrics.series {
            let nr_of_passes = series
                .passes
                .iter()
                .fold(0, |sum: usize, &nr| sum.saturating_add(nr));
            let nr_values = series.values.len();
            if !series.passes.is_empty() && nr_of_passes != nr_values {
                return Err(MetricsError::Passes {
                    path: own(),
                    metric: series.metric,
                    nr_values,
                    nr_of_passes,
                });
            }
        }
        Ok(metrics)
    }

    /// Writes a file.
    pub fn write(&self, path: &Path) -> Result<(), MetricsError> {
        let text = serde_json::to_string(self).map_err(io::Error::other);
        text.and_then(|text| fs::write(path, text + "\n"))
            .map_err(|error| MetricsError::Io {
                path: path.to_owned(),
                error,
            })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::metrics::{ClockKind, Dimensions, Series, Stage, Unit};

    fn metrics() -> Metrics {
        let dimensions = Dimensions::new(Stage::Native, ClockKind::Tsc, 2, 1, 1).of_cpu(1);
        let passes = [vec![3, 1], vec![2]];
        let series = Series::of_passes(Metric::CallInSkew, dimensions, &passes);
        let mut metrics = Metrics::new(Value::Null, vec![series]);
        metrics.not_measured.push("the rest".to_owned());
        metrics
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
                r#"{"schema_version": 2, "all": "else"}"#.to_owned(),
                "version 2",
            ),
            (text.replace("call_in_skew", "mood"), "mood"),
            (text.replace("[2,1]", "[2,2]"), "passes of 4"),
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
