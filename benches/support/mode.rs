//! What a bench was asked to do by its arguments.

use super::rounds::Plan;
use criterion::Criterion;
use std::time::Duration;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Criterion's groups: the default under `cargo bench`.
    Groups,
    /// `--summary`: rows for a script, from interleaved rounds.
    Summary,
    /// `--figures`: as `--summary`, and draws them into `benches/figures/`.
    Figures,
    /// `--test`, or run by `cargo test`: everything once, small, to see that it works.
    Test,
}

/// The arguments of a bench.
#[derive(Debug)]
pub(crate) struct Asked {
    /// What to do.
    pub(crate) mode: Mode,
    /// Words that are no options: only rows whose name has one of them are wanted.
    words: Vec<String>,
}

impl Asked {
    /// Reads the arguments of this process.
    pub(crate) fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let has = |option: &str| arguments.iter().any(|argument| argument == option);
        let mode = match () {
            () if has("--test") || !has("--bench") => Mode::Test,
            () if has("--figures") => Mode::Figures,
            () if has("--summary") => Mode::Summary,
            () => Mode::Groups,
        };
        let words = arguments.into_iter().filter(|argument| !argument.starts_with('-')).collect();
        Self { mode, words }
    }

    /// Whether the row of this name is wanted.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| row.contains(word.as_str()))
    }

    /// How the rounds of this run are.
    pub(crate) fn plan(&self) -> Plan {
        if self.mode == Mode::Test { Plan::ONCE } else { Plan::MEASURE }
    }

    /// Whether all is to run just once.
    pub(crate) fn is_test(&self) -> bool {
        self.mode == Mode::Test
    }
}

/// Runs criterion's groups, each sample short, since what decides is in the summaries.
pub(crate) fn run_groups(groups: impl FnOnce(&mut Criterion)) {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    groups(&mut criterion);
    criterion.final_summary();
}
