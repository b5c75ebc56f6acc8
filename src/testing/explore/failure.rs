//! What an exploration found.

use super::choices::List;
use super::control::Step;
use std::fmt;

/// What an exploration that found nothing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Explored {
    /// How many runs there were: one for each seed.
    pub runs: u64,
    /// How many steps they had in all.
    pub steps: u64,
    /// How many faults were chosen in all.
    pub faults: u64,
}

/// A run that failed, and the simplest one found that fails as well.
///
/// Its text tells that one step by step, with a star where the choice was not the plain one, and the line that runs it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    // Behind a pointer, so that a result is small.
    told: Box<Told>,
}

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) seed: Option<u64>,
    pub(super) runs: u64,
    pub(super) message: String,
    pub(super) first_message: String,
    pub(super) first: List,
    pub(super) list: List,
    pub(super) steps: Vec<Step>,
    pub(super) history: Vec<String>,
}

impl Failure {
    pub(super) fn new(told: Told) -> Self {
        Self { told: Box::new(told) }
    }

    /// The seed whose run failed first; none in a replay of choices.
    #[must_use]
    pub fn seed(&self) -> Option<u64> {
        self.told.seed
    }

    /// How many runs there were up to and including the one that failed, those that made it simpler apart.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.told.runs
    }

    /// What the test said in the simplest run that fails: its panic with the place, or its error.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.told.message
    }

    /// The choices of the simplest run that fails, without those at the end that are plain.
    #[must_use]
    pub fn choices(&self) -> &[u32] {
        self.told.list.numbers()
    }

    /// The choices of the run that failed first.
    #[must_use]
    pub fn first_choices(&self) -> &[u32] {
        self.told.first.numbers()
    }

    /// The choices of the simplest run that fails as text, for [`replay`](super::replay).
    #[must_use]
    pub fn token(&self) -> String {
        self.told.list.to_string()
    }

    /// What happened in the simplest run that fails: who acted, what was chosen to go wrong.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        self.told.steps.iter().map(|step| step.text.as_str())
    }

    /// Everything that the broker did in the simplest run that fails: its facts in words.
    #[must_use]
    pub fn history(&self) -> &[String] {
        &self.told.history
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.told.seed {
            Some(seed) => write!(f, "seed {seed} fails, in run {}", self.told.runs)?,
            None => f.write_str("the choices fail")?,
        }
        writeln!(f, ": {}", self.told.message)?;
        if self.told.first_message != self.told.message {
            writeln!(f, "before it was made simpler: {}", self.told.first_message)?;
        }
        let (list, first) = (self.told.list.measure().0, self.told.first.measure().0);
        writeln!(f, "the simplest run that fails, with {list} of {first} choices that are not plain:")?;
        let shown = self.told.steps.iter().zip(1..).filter(|(_, number)| {
            let number: usize = *number;
            number <= SHOWN || number + SHOWN > self.told.steps.len()
        });
        let mut before = 0;
        for (step, number) in shown {
            if number > before + 1 {
                writeln!(f, "    … {} steps …", number - before - 1)?;
            }
            before = number;
            writeln!(f, "  {} {number:>3}  {}", if step.chosen { "*" } else { " " }, step.text)?;
        }
        write!(f, "again: leveret::testing::explore::replay(\"{}\", |t| …)", self.told.list)
    }
}

impl std::error::Error for Failure {}

/// So many steps are shown at the beginning, and at the end.
const SHOWN: usize = 40;
