//! Choices: the numbers that decide a run.
//!
//! Each time that something may go one way or another, one number is taken, below the number of ways. 0 is always the plain
//! way: whoever has waited longest goes first, nothing goes wrong, time stands still. The numbers come from a list, and
//! behind its end from a seeded generator, or are 0. So a list of numbers is a run, and a shorter or smaller list a simpler
//! one. Where there is only one way, no number is taken.

use crate::testing::faults::SplitMix;
use std::fmt;
use std::str::FromStr;

/// One fault in so many chances, where the seed decides.
const ODDS: u32 = 6;

/// Where numbers come from, and which were taken.
#[derive(Debug)]
pub(super) struct Choices {
    given: Vec<u32>,
    random: Option<SplitMix>,
    made: Vec<u32>,
}

impl Choices {
    /// Those of a seed.
    pub(super) fn of_seed(seed: u64) -> Self {
        Self { given: Vec::new(), random: Some(SplitMix::new(seed)), made: Vec::new() }
    }

    /// These, and then zeros.
    pub(super) fn of_list(list: &List) -> Self {
        Self { given: list.0.clone(), random: None, made: Vec::new() }
    }

    /// Takes one of so many ways.
    pub(super) fn pick(&mut self, ways: usize) -> usize {
        let ways = u32::try_from(ways).unwrap_or(u32::MAX);
        self.take(ways, |random| random.below(ways))
    }

    /// Takes one of so many faults, from 1; mostly 0, for none.
    pub(super) fn pick_fault(&mut self, faults: usize) -> usize {
        let faults = u32::try_from(faults).unwrap_or(u32::MAX - 1);
        self.take(faults + 1, |random| if random.below(ODDS) == 0 { 1 + random.below(faults) } else { 0 })
    }

    fn take(&mut self, ways: u32, draw: impl FnOnce(&mut SplitMix) -> u32) -> usize {
        if ways < 2 {
            return 0;
        }
        let picked = match self.given.get(self.made.len()) {
            Some(given) => (*given).min(ways - 1),
            None => self.random.as_mut().map_or(0, draw),
        };
        self.made.push(picked);
        picked as usize
    }

    /// What was taken.
    pub(super) fn made(&self) -> List {
        List::new(self.made.clone())
    }
}

/// A list of choices, without zeros at its end. Its text can be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List(Vec<u32>);

impl List {
    pub(super) fn new(mut numbers: Vec<u32>) -> Self {
        let end = numbers.iter().rposition(|number| *number != 0).map_or(0, |last| last + 1);
        numbers.truncate(end);
        Self(numbers)
    }

    pub(super) fn numbers(&self) -> &[u32] {
        &self.0
    }

    /// How much there is to it: what is not plain, then its length, then how large the numbers are.
    pub(super) fn measure(&self) -> (usize, usize, u64) {
        let odd = self.0.iter().filter(|number| **number != 0).count();
        (odd, self.0.len(), self.0.iter().map(|number| u64::from(*number)).sum())
    }
}

/// Numbers with points between; zeros that follow each other are told once, with their count.
impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.0.chunk_by(|a, b| *a == 0 && *b == 0);
        runs.enumerate().try_for_each(|(at, run)| {
            let point = if at > 0 { "." } else { "" };
            match run {
                [one] => write!(f, "{point}{one}"),
                zeros => write!(f, "{point}0x{}", zeros.len()),
            }
        })
    }
}

/// No list of choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoList(String);

impl fmt::Display for NoList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is no list of choices; take the text that a failing exploration prints", self.0)
    }
}

impl FromStr for List {
    type Err = NoList;

    fn from_str(text: &str) -> Result<Self, NoList> {
        // More choices than any run has.
        const MOST: usize = 1 << 20;
        let no_list = || NoList(text.to_owned());
        let mut numbers = Vec::new();
        for part in text.split('.').filter(|_| !text.is_empty()) {
            match part.strip_prefix("0x") {
                Some(count) => {
                    let count: usize = count.parse().map_err(|_| no_list())?;
                    let end = numbers.len().saturating_add(count);
                    if end > MOST {
                        return Err(no_list());
                    }
                    numbers.resize(end, 0);
                }
                None => numbers.push(part.parse().map_err(|_| no_list())?),
            }
        }
        Ok(Self::new(numbers))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Choices, List};

    #[test]
    fn lists_are_read_as_they_are_written() {
        for (numbers, text) in [
            (vec![], ""),
            (vec![0, 0, 0], ""),
            (vec![1], "1"),
            (vec![0, 2], "0.2"),
            (vec![0, 0, 0, 2, 0, 0, 1, 0], "0x3.2.0x2.1"),
        ] {
            let list = List::new(numbers);
            assert_eq!(list.to_string(), text);
            assert_eq!(text.parse::<List>().unwrap(), list);
        }
        for text in ["a", "1.", "1..2", "-1", "0x", "0x99999999999", "1,2"] {
            assert!(text.parse::<List>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_goes_on_with_zeros_and_a_seed_with_itself() {
        let mut choices = Choices::of_list(&List::new(vec![1, 9]));
        assert_eq!([choices.pick(3), choices.pick(1), choices.pick(3), choices.pick(3)], [1, 0, 2, 0]);
        assert_eq!(choices.made().numbers(), [1, 2]);
        let drawn = |seed| {
            let mut choices = Choices::of_seed(seed);
            (0..50).map(|_| choices.pick(4) + choices.pick_fault(3)).collect::<Vec<_>>()
        };
        assert_eq!(drawn(3), drawn(3));
        assert_ne!(drawn(3), drawn(4));
    }
}
