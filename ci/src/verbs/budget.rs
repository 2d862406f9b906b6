//! What the verb `budget` does.

use std::fs;
use std::path::Path;

use measure::budget::Budget;
use measure::simulated::{CostModel, Setting};
use rendezvous::{Name, Named};

use super::answer;
use crate::cli::BudgetArgs;
use crate::exit::Exit;
use crate::machine::TopologyError;

/// Loads from which the expected stall is a median.
const NR_LOADS: u32 = 9;

pub(super) fn act(args: &BudgetArgs) -> anyhow::Result<Exit> {
    let protocols = match args.protocols[..] {
        [] => Name::ALL,
        _ => &args.protocols,
    };
    let nr_cores = cores(args.cpus, args.threads, args.packages)?;
    let costs = costs(args.costs.as_deref())?;
    let mut budgets = Vec::new();
    for &protocol in protocols {
        let mut setting = Setting::new(protocol, args.packages, nr_cores, args.threads)?;
        setting.load_us = args.load_us;
        setting.is_amd = args.amd;
        setting.costs = costs.clone();
        let timeouts = &mut setting.timeouts;
        timeouts.call_in_us = args.callin_us.map_or(timeouts.call_in_us, u64::from);
        timeouts.update_us = args.update_us.map_or(timeouts.update_us, u64::from);
        budgets.push(Budget::new(&setting, &args.limits, NR_LOADS)?);
    }
    let texts = || {
        let texts = budgets.iter().map(ToString::to_string);
        texts.collect::<Vec<_>>().join("\n")
    };
    answer(&args.json, &budgets, texts)?;
    let mut kept = budgets.iter().flat_map(|budget| &budget.limits);
    Ok(if kept.all(|limit| limit.at_worst) {
        Exit::Success
    } else {
        Exit::Fail
    })
}

/// The cores of each package.
pub(super) fn cores(nr_cpus: u32, nr_threads: u32, nr_packages: u32) -> Result<u32, TopologyError> {
    let cores = nr_threads
        .checked_mul(nr_packages)
        .filter(|&each| each > 0 && nr_cpus.is_multiple_of(each))
        .map(|each| nr_cpus / each);
    cores.ok_or(TopologyError::Uneven {
        nr_cpus,
        nr_threads,
        nr_packages,
    })
}

/// A file of costs that is of no use.
#[derive(Debug, thiserror::Error)]
#[error("--costs {path}: {why}: give a TOML file with numbers of ns, such as `package = 60`")]
pub(super) struct CostsError {
    path: String,
    why: String,
}

/// What caches cost: the model's own numbers, or some of a file.
pub(super) fn costs(path: Option<&Path>) -> Result<CostModel, CostsError> {
    let Some(path) = path else {
        return Ok(CostModel::default());
    };
    let wrong = |why: String| CostsError {
        path: path.display().to_string(),
        why: why.trim_end().to_owned(),
    };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    toml::from_str(&text).map_err(|error| wrong(error.to_string()))
}
