//! Confirms: the numbers of a channel's publishes, and when each may be answered.
//!
//! Numbers count up from 1. Answers may come in any order; where an ack comes and nothing before it is open, it may be
//! told together with the acks before it, as AMQP's `multiple` says.

use std::collections::VecDeque;

/// The publish numbers of a channel in confirm mode.
///
/// Invariants: `open` holds one mark for each number from `first` to the last one given, set where it is answered; its
/// front, if there is one, is not answered.
#[derive(Clone, Debug)]
pub struct Confirms {
    first: u64,
    open: VecDeque<bool>,
}

/// The answer to one publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The publish's number.
    pub number: u64,
    /// Whether it was taken: ack, else nack.
    pub taken: bool,
    /// Whether all numbers before it are answered, so that an ack may stand for the acks before it.
    pub complete: bool,
}

impl Default for Confirms {
    fn default() -> Self {
        Self { first: 1, open: VecDeque::new() }
    }
}

impl Confirms {
    /// Gives a publish its number.
    pub fn publish(&mut self) -> u64 {
        self.open.push_back(false);
        self.first + self.open.len() as u64 - 1
    }

    /// How many publishes wait for their answer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.open.iter().filter(|answered| !**answered).count()
    }

    /// Answers a publish. `None` where the number was never given or is answered.
    pub fn answer(&mut self, number: u64, taken: bool) -> Option<Answer> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let mark = self.open.get_mut(at).filter(|answered| !**answered)?;
        *mark = true;
        while let Some(true) = self.open.front() {
            self.open.pop_front();
            self.first += 1;
        }
        Some(Answer { number, taken, complete: number < self.first })
    }
}

impl Answer {
    /// Whether this answer may be told together with the ack of `earlier` told just before it: both are acks, and
    /// nothing up to this one is open.
    #[must_use]
    pub fn covers(&self, earlier: u64) -> bool {
        self.taken && self.complete && earlier < self.number
    }
}
