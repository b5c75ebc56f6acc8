//! Dead letters that a queue keeps until somebody has taken them (RabbitMQ: "at-least-once dead lettering").
//!
//! They count towards the queue's length. One that nobody took is tried again after a time, in the order of death.

use crate::base::Moment;
use crate::message::{Reason, SharedEnvelope};
use crate::queue::effect::{Note, Outbox};
use crate::queue::entry::Freed;
use std::collections::{BTreeMap, BTreeSet};

/// Letters kept, by the number under which each is buried. Invariants: `retries` has each letter once, under its
/// moment; `bytes` is the sum over the bodies.
#[derive(Debug, Default)]
pub(crate) struct Dying {
    letters: BTreeMap<u64, Letter>,
    /// When each is tried again, the earliest first.
    retries: BTreeSet<(Moment, u64)>,
    bytes: u64,
    next: u64,
}

/// One letter.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) envelope: SharedEnvelope,
    pub(super) reason: Reason,
    /// How often its delivery failed.
    pub(super) failures: u32,
    /// When it is tried again.
    pub(super) retry: Moment,
}

impl Dying {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.letters.len()
    }

    /// Bytes of their bodies.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When the next is tried again.
    pub(crate) fn next_retry(&self) -> Option<Moment> {
        self.retries.first().map(|(retry, _)| *retry)
    }

    /// Keeps a letter. Returns its number.
    pub(super) fn keep(&mut self, letter: Letter) -> u64 {
        let burial = self.next;
        self.next += 1;
        self.bytes += letter.envelope.body().len() as u64;
        self.retries.insert((letter.retry, burial));
        self.letters.insert(burial, letter);
        burial
    }

    /// Somebody has it: it is given back, if it is still kept.
    pub(super) fn bury(&mut self, burial: u64) -> Option<Letter> {
        let letter = self.letters.remove(&burial)?;
        self.retries.remove(&(letter.retry, burial));
        self.bytes -= letter.envelope.body().len() as u64;
        Some(letter)
    }

    /// Says, to whoever listens, that none is kept any longer, in the order of death.
    pub(super) fn note_forgotten(&self, with_queue: bool, fx: &mut impl Outbox) {
        for letter in self.letters.values() {
            fx.note(&letter.envelope, Note::Forgotten { reason: letter.reason, with_queue });
        }
    }

    /// Whatever is to be tried again now, in the order of death; after that it waits until `retry`.
    pub(super) fn due(&mut self, now: Moment, retry: Moment) -> Vec<(u64, Letter)> {
        let mut due = Vec::new();
        while let Some((moment, burial)) = self.retries.first().copied().filter(|(moment, _)| *moment <= now) {
            self.retries.remove(&(moment, burial));
            due.push(burial);
        }
        due.sort_unstable();
        let mut letters = Vec::with_capacity(due.len());
        for burial in due {
            if let Some(letter) = self.letters.get_mut(&burial) {
                letter.retry = retry;
                self.retries.insert((retry, burial));
                letters.push((burial, letter.clone()));
            }
        }
        letters
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self, freed: &mut Freed) {
        std::mem::take(&mut self.letters).into_values().for_each(|letter| freed.put(letter.envelope));
        self.retries.clear();
        self.bytes = 0;
    }

    /// What is wrong, if anything is.
    pub(crate) fn check(&self) -> Result<(), String> {
        let bytes: u64 = self.letters.values().map(|letter| letter.envelope.body().len() as u64).sum();
        let listed = self.letters.iter().all(|(burial, letter)| self.retries.contains(&(letter.retry, *burial)));
        if bytes != self.bytes || !listed || self.retries.len() != self.letters.len() {
            return Err(format!(
                "{} letters are kept, {} are to be tried again",
                self.letters.len(),
                self.retries.len()
            ));
        }
        Ok(())
    }
}
