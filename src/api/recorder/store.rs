//! The store: the journeys that are remembered, and which are forgotten first.

use super::RecorderBound;
use super::journey::{Journey, Origin};
use crate::port::{Fact, MessageRef, What};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What was forgotten, since it was too much. The [`Ledger`](crate::Ledger) counts it all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Forgotten {
    /// Journeys that were over.
    pub finished: u64,
    /// Journeys that were not over: so many messages are in queues at once.
    pub unfinished: u64,
    /// Facts that are in no journey that is remembered, forgotten with a journey aside: those left out of the middle of a
    /// long one, those of messages that were forgotten, and old ones of queues, consumers, exchanges and bindings.
    pub facts: u64,
}

/// What is forgotten, to be dropped without a lock: the owner of a body may run foreign code.
#[derive(Debug, Default)]
pub(super) struct Freed {
    journeys: Vec<Journey>,
    facts: Vec<Fact>,
}

/// Journeys within a bound. Invariants: `numbers` has each journey once, under its message; `finished` are those that are
/// over, `facts` and `bytes` the sums over all.
#[derive(Debug, Default)]
pub(super) struct Store {
    bound: RecorderBound,
    journeys: BTreeMap<u64, Journey>,
    numbers: HashMap<MessageRef, u64>,
    /// In the order in which they ended.
    finished: VecDeque<u64>,
    is_finished: BTreeSet<u64>,
    /// Facts that are about no message.
    apart: VecDeque<Fact>,
    facts: usize,
    bytes: u64,
    pub(super) forgotten: Forgotten,
}

impl Store {
    pub(super) fn new(bound: RecorderBound) -> Self {
        Self { bound, ..Self::default() }
    }

    /// Something happened. What is forgotten for it goes into `freed`.
    pub(super) fn take(&mut self, fact: &Fact, freed: &mut Freed) {
        let Some(message) = &fact.message else { return self.take_apart(fact) };
        if matches!(fact.what, What::Published { .. } | What::Unpublished { .. } | What::Replied { .. }) {
            self.begin(fact, message, None);
        }
        let number = self.numbers.get(message).copied();
        match number.and_then(|number| self.journeys.get_mut(&number).map(|journey| (number, journey))) {
            None => self.forgotten.facts += 1,
            Some((number, journey)) => {
                match journey.take(fact) {
                    None => self.facts += 1,
                    Some(omitted) => {
                        self.forgotten.facts += 1;
                        freed.facts.push(omitted);
                    }
                }
                // A direct reply that is published after it was handed over goes on.
                if journey.is_finished() && self.is_finished.insert(number) {
                    self.finished.push_back(number);
                }
            }
        }
        if let What::DeadLettered { next, reason, queues, .. } = &fact.what
            && let Some(queue) = fact.queue.clone()
        {
            let letter = self.begin(fact, next, Some(Origin { journey: number, queue, reason: *reason }));
            if let Some(journey) = self.journeys.get_mut(&letter) {
                journey.sent_to(queues);
            }
        }
        while self.is_over() {
            let Some(journey) = self.forget() else { break };
            freed.journeys.push(journey);
        }
    }

    /// The number of a message's journey, which begins now where it has none.
    fn begin(&mut self, fact: &Fact, message: &MessageRef, origin: Option<Origin>) -> u64 {
        if let Some(number) = self.numbers.get(message) {
            return *number;
        }
        let journey = Journey::begin(fact.number, fact.at, message.clone(), origin);
        self.bytes += journey.bytes();
        self.numbers.insert(message.clone(), fact.number);
        self.journeys.insert(fact.number, journey);
        fact.number
    }

    fn take_apart(&mut self, fact: &Fact) {
        self.apart.push_back(fact.clone());
        if self.apart.len() > self.bound.facts / 4 {
            self.apart.pop_front();
            self.forgotten.facts += 1;
        }
    }

    fn is_over(&self) -> bool {
        let RecorderBound { messages, facts, bytes, .. } = self.bound;
        self.journeys.len() > messages || self.facts + self.apart.len() > facts || self.bytes > bytes
    }

    /// Forgets the journey that has been over for longest; where none is over, the oldest.
    fn forget(&mut self) -> Option<Journey> {
        let number = match self.finished.pop_front() {
            Some(number) => number,
            None => *self.journeys.first_key_value()?.0,
        };
        self.is_finished.remove(&number);
        let journey = self.journeys.remove(&number)?;
        self.numbers.remove(journey.message());
        self.facts -= journey.facts().len();
        self.bytes -= journey.bytes();
        match journey.is_finished() {
            true => self.forgotten.finished += 1,
            false => self.forgotten.unfinished += 1,
        }
        Some(journey)
    }

    /// All journeys, in the order in which they began.
    pub(super) fn journeys(&self) -> Vec<Journey> {
        self.journeys.values().cloned().collect()
    }

    /// The facts that are about no message.
    pub(super) fn apart(&self) -> Vec<Fact> {
        self.apart.iter().cloned().collect()
    }
}
