//! The file that says what the CPUs are.

use std::fs;
use std::path::{Path, PathBuf};

use engine::{Config, ConfigError, Engine};

/// Why a file describes no CPUs.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// It cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is no configuration; the message has the line.
    #[error("{}: {error}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        error: Box<toml::de::Error>,
    },
    /// There can be no such CPUs.
    #[error("{}: {error}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        error: ConfigError,
    },
}

/// Reads what the CPUs are, and makes them: an [`engine::Config`] in TOML.
pub fn configuration(path: &Path) -> Result<Engine, ConfigurationError> {
    let own = || path.to_owned();
    let text = fs::read_to_string(path)
        .map_err(|error| ConfigurationError::Read { path: own(), error })?;
    let config: Config = toml::from_str(&text).map_err(|error| ConfigurationError::Parse {
        path: own(),
        error: Box::new(error),
    })?;
    Engine::new(config).map_err(|error| ConfigurationError::Config { path: own(), error })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_is_no_configuration_is_refused_with_its_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let text = "vendor = \"intel\"\nsignature = 1\ncpus = 2\nthreads = 2\n";
        file.write_all(text.as_bytes()).unwrap();
        assert_eq!(configuration(file.path()).unwrap().config().cpus, 2);
        file.write_all(b"colour = 1\n").unwrap();
        let error = configuration(file.path()).unwrap_err().to_string();
        assert!(
            error.contains("line 5") && error.contains("colour"),
            "{error}"
        );
        let error = configuration(Path::new("/nonexistent/c")).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/c: "));
    }
}
