//! What libFuzzer writes, read.

use std::path::PathBuf;

/// The figures of one target's run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Inputs that were run.
    pub nr_runs: u64,
    /// Inputs a second.
    pub runs_a_second: u64,
    /// Inputs kept, since each showed something new.
    pub nr_kept: u64,
    /// Features: edges of the code, and how often each was passed.
    pub nr_features: u64,
    /// The most memory that it used, in MiB.
    pub peak_mib: u64,
}

impl Stats {
    /// The figures in a log; `None` if the target did not count to its end.
    pub(super) fn read(log: &str) -> Option<Self> {
        let figure = |name: &str| -> Option<u64> {
            let mut lines = log.lines().rev();
            let text = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            text.trim().parse().ok()
        };
        // #3204577 DONE cov: 250 ft: 725 corp: 239/362Kb lim: 8192 exec/s: …
        let progress = log
            .lines()
            .rev()
            .find(|line| line.starts_with('#') && line.contains(" ft: "));
        let of_progress = |name: &str| -> Option<u64> {
            let mut words = progress?
                .split_whitespace()
                .skip_while(|word| *word != name);
            words.nth(1)?.split('/').next()?.parse().ok()
        };
        Some(Self {
            nr_runs: figure("stat::number_of_executed_units")?,
            runs_a_second: figure("stat::average_exec_per_sec")?,
            // A target whose very first input breaks something has none.
            nr_kept: of_progress("corp:").unwrap_or(0),
            nr_features: of_progress("ft:").unwrap_or(0),
            peak_mib: figure("stat::peak_rss_mb")?,
        })
    }
}

/// The file of the input that breaks something.
pub(super) fn input(log: &str) -> Option<PathBuf> {
    let line = log
        .lines()
        .find(|line| line.contains("Test unit written to "))?;
    let (_, path) = line.split_once("Test unit written to ")?;
    Some(PathBuf::from(path.trim()))
}

/// What an input breaks: the panic's message, else libFuzzer's own word.
pub(super) fn message(log: &str) -> String {
    let mut lines = log.lines();
    let panic = lines
        .find(|line| line.contains(" panicked at "))
        .and_then(|line| {
            let (_, place) = line.split_once(" panicked at ")?;
            Some(format!("{place} {}", lines.next().unwrap_or_default()))
        });
    let error = || log.lines().find_map(|line| line.split_once("ERROR: "));
    panic
        .or_else(|| Some(error()?.1.to_owned()))
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: &str = "\
stat::number_of_executed_units: 3204577
stat::average_exec_per_sec:     356064
stat::new_units_added:          295
stat::slowest_unit_time_sec:    0
stat::peak_rss_mb:              28
";

    #[test]
    fn the_figures_of_a_run_are_those_at_its_end() {
        let log = format!(
            "INFO: Seed: 1\n\
             #2\tINITED cov: 20 ft: 21 corp: 1/1b exec/s: 0 rss: 27Mb\n\
             #3204577\tDONE   cov: 250 ft: 725 corp: 239/362Kb lim: 8192 exec/s: 356064 rss: 28Mb\n\
             {STATS}Done 3204577 runs in 9 second(s)\n"
        );
        let stats = Stats {
            nr_runs: 3_204_577,
            runs_a_second: 356_064,
            nr_kept: 239,
            nr_features: 725,
            peak_mib: 28,
        };
        assert_eq!(Stats::read(&log), Some(stats));
        assert_eq!(input(&log), None);
        assert_eq!(Stats::read(&log.replace("stat::number", "number")), None);
    }

    #[test]
    fn a_panic_gives_its_place_its_message_and_the_input() {
        let log = format!(
            "thread '<unnamed>' (11521) panicked at ci/fuzz/src/lib.rs:24:9:\n\
             offset 0x70: it is not so\n\
             ==11521== ERROR: libFuzzer: deadly signal\n\
             artifact_prefix='a b/'; Test unit written to a b/crash-05dc\n\
             Base64: MDcw\n{STATS}"
        );
        assert_eq!(
            message(&log),
            "ci/fuzz/src/lib.rs:24:9: offset 0x70: it is not so"
        );
        assert_eq!(input(&log), Some("a b/crash-05dc".into()));
        assert_eq!(Stats::read(&log).unwrap().nr_features, 0);
    }

    #[test]
    fn an_input_that_takes_too_long_gives_what_libfuzzer_says() {
        let log = "==7== ERROR: libFuzzer: timeout after 10 seconds\n";
        assert_eq!(message(log), "libFuzzer: timeout after 10 seconds");
        assert_eq!(message(""), "no message");
    }
}
