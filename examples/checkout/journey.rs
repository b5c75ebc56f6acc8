//! Journeys: every event of an order in the order in which they were published, held together by the correlation id.
//!
//! The log may see two of them in another order: a message comes to its queues one after the other, and whoever got it
//! first may have answered before the log got it. So each event carries the moment at which it was published.
//!
//! Pure, as the account is. Only the first orders of a large input are followed, and one that was asked for, so that
//! memory stays bounded.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// One event of a journey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// When it was published, since the shop opened.
    pub(crate) at: Duration,
    /// The routing key.
    pub(crate) key: String,
    /// Who published it.
    pub(crate) by: String,
    /// What was said with it.
    pub(crate) note: Option<String>,
}

/// The journeys of the orders that are followed, by line.
#[derive(Debug)]
pub(crate) struct Journeys {
    followed: u32,
    wanted: Option<u32>,
    steps: BTreeMap<u32, Vec<Step>>,
}

impl Journeys {
    /// Follows the first `followed` lines, and the line `wanted`.
    pub(crate) fn new(followed: u32, wanted: Option<u32>) -> Self {
        Self { followed, wanted, steps: BTreeMap::new() }
    }

    /// Enters a step.
    pub(crate) fn record(&mut self, line: u32, step: Step) {
        if line <= self.followed || self.wanted == Some(line) {
            let steps = self.steps.entry(line).or_default();
            if steps.len() < MOST_STEPS {
                let place = steps.partition_point(|earlier| earlier.at <= step.at);
                steps.insert(place, step);
            }
        }
    }

    /// The steps of this line.
    pub(crate) fn of(&self, line: u32) -> &[Step] {
        self.steps.get(&line).map_or(&[], Vec::as_slice)
    }

    /// The line to show if none was asked for: among those that `fit`, the one with the most steps, and the first of
    /// several.
    pub(crate) fn most_eventful(&self, fit: impl Fn(u32) -> bool) -> Option<u32> {
        let fitting = self.steps.iter().filter(|(line, _)| fit(**line));
        fitting.max_by_key(|(line, steps)| (steps.len(), std::cmp::Reverse(**line))).map(|(line, _)| *line)
    }
}

/// A journey as it is printed.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    /// The line of the input.
    pub(crate) line: u32,
    /// Its order's id.
    pub(crate) order: &'a str,
    /// What happened.
    pub(crate) steps: &'a [Step],
    /// What became of it.
    pub(crate) end: String,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the journey of order {} (correlation id line-{}):", self.order, self.line)?;
        let start = self.steps.first().map_or(Duration::ZERO, |step| step.at);
        for step in self.steps {
            let millis = step.at.saturating_sub(start).as_secs_f64() * 1e3;
            write!(f, "  {millis:>9.1} ms  {:<22} by {:<12}", step.key, step.by)?;
            match &step.note {
                Some(note) => writeln!(f, "  {note}")?,
                None => writeln!(f)?,
            }
        }
        write!(f, "        end: {}", self.end)
    }
}

/// The most steps that are kept of one journey.
const MOST_STEPS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn step(millis: u64, key: &str) -> Step {
        Step { at: Duration::from_millis(millis), key: key.into(), by: "order".into(), note: None }
    }

    #[test]
    fn the_most_eventful_journey_is_told() {
        let mut journeys = Journeys::new(2, Some(9));
        for line in [1, 2, 3, 9] {
            journeys.record(line, step(10, "order.eu.created"));
        }
        journeys.record(2, step(30, "payment.captured"));
        journeys.record(2, step(25, "inventory.reserved"));
        assert!(journeys.of(3).is_empty());
        assert_eq!((journeys.of(9).len(), journeys.most_eventful(|_| true)), (1, Some(2)));
        assert_eq!(journeys.most_eventful(|line| line != 2), Some(1));
        let told = Told { line: 2, order: "A-2", steps: journeys.of(2), end: "completed".into() }.to_string();
        assert!(told.contains("0.0 ms  order.eu.created") && told.contains("15.0 ms  inventory.reserved"), "{told}");
        assert!(told.find("inventory.reserved") < told.find("payment.captured"), "{told}");
    }
}
