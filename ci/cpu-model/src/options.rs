//! What follows the plugin's file on QEMU's command line.

use std::fs;
use std::path::PathBuf;

use engine::{Config, ConfigError, Engine};

use crate::apic::ApicIds;

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Options {
    /// Say whether this QEMU will do.
    Probe,
    /// Model the CPUs.
    Run(Box<Run>),
}

/// The CPUs, and where their log goes.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) engine: Engine,
    pub(crate) log: PathBuf,
    pub(crate) apic_ids: Option<ApicIds>,
}

/// What is wrong with them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "there is no option {0:?}: give config=FILE and log=FILE, and cores=N (cores a package) \
         where one host thread runs all CPUs; or probe=on"
    )]
    Unknown(String),
    #[error("{0}=FILE is missing")]
    Missing(&'static str),
    #[error("cores={0}: give the number of cores a package")]
    Cores(String),
    #[error("{}: {error}", path.display())]
    Read {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{}: {error}", path.display())]
    Parse {
        path: PathBuf,
        error: Box<toml::de::Error>,
    },
    #[error("{}: {error}", path.display())]
    Config { path: PathBuf, error: ConfigError },
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Error> {
        let (mut config, mut log, mut cores) = (None, None, None);
        for argument in arguments {
            match argument.split_once('=') {
                Some(("probe", "on")) => return Ok(Self::Probe),
                Some(("config", path)) => config = Some(PathBuf::from(path)),
                Some(("log", path)) => log = Some(PathBuf::from(path)),
                Some(("cores", number)) => match number.parse() {
                    Ok(number) if number > 0 => cores = Some(number),
                    _ => return Err(Error::Cores(number.to_owned())),
                },
                _ => return Err(Error::Unknown(argument.clone())),
            }
        }
        let engine = read(config.ok_or(Error::Missing("config"))?)?;
        let threads = engine.config().threads;
        Ok(Self::Run(Box::new(Run {
            engine,
            log: log.ok_or(Error::Missing("log"))?,
            apic_ids: cores.map(|cores| ApicIds::new(threads, cores)),
        })))
    }
}

fn read(path: PathBuf) -> Result<Engine, Error> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Err(Error::Read { path, error }),
    };
    let config: Config = match toml::from_str(&text) {
        Ok(config) => config,
        Err(error) => {
            let error = Box::new(error);
            return Err(Error::Parse { path, error });
        }
    };
    Engine::new(config).map_err(|error| Error::Config { path, error })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn parse(words: &[&str]) -> Result<Options, Error> {
        let words: Vec<_> = words.iter().map(ToString::to_string).collect();
        Options::parse(&words)
    }

    #[test]
    fn each_mistake_is_named() {
        let message = |words: &[&str]| parse(words).unwrap_err().to_string();
        assert!(message(&["colour=red"]).contains("colour=red"));
        assert!(message(&["cores=0"]).contains("cores=0"));
        assert!(message(&["log=x"]).contains("config=FILE is missing"));
        assert!(message(&["config=/nonexistent/c", "log=x"]).starts_with("/nonexistent/c: "));
        assert!(matches!(parse(&["probe=on"]), Ok(Options::Probe)));
    }

    #[test]
    fn a_file_that_is_no_configuration_is_refused_with_its_line() {
        let dir = std::env::temp_dir().join(format!("cpu-model-{}", std::process::id()));
        let mut file = fs::File::create(&dir).unwrap();
        let text = "vendor = \"intel\"\nsignature = 1\ncpus = 2\nthreads = 2\n";
        file.write_all(text.as_bytes()).unwrap();
        let config = format!("config={}", dir.display());
        assert!(matches!(parse(&[&config, "log=x"]), Ok(Options::Run(_))));
        file.write_all(b"colour = 1\n").unwrap();
        let error = parse(&[&config, "log=x"]).unwrap_err().to_string();
        assert!(
            error.contains("line 5") && error.contains("colour"),
            "{error}"
        );
        fs::remove_file(dir).unwrap();
    }
}
