//! What follows the plugin's file on QEMU's command line.

use std::path::PathBuf;

use engine::Engine;
use stand_in::{ConfigurationError, Topology, TopologyError, configuration};

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
    /// Set where one host thread runs all CPUs.
    pub(crate) topology: Option<Topology>,
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
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error(transparent)]
    Topology(#[from] TopologyError),
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
        let engine = configuration(&config.ok_or(Error::Missing("config"))?)?;
        let (cpus, threads) = (engine.config().cpus, engine.config().threads);
        let arranged = |cores: u32| {
            // More cores than there are make no package.
            let packages = cpus / threads.saturating_mul(cores);
            Topology::new(cpus, threads, packages)
        };
        Ok(Self::Run(Box::new(Run {
            engine,
            log: log.ok_or(Error::Missing("log"))?,
            topology: cores.map(arranged).transpose()?,
        })))
    }
}

#[cfg(test)]
mod tests {
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
}
