//! Ready messages of a quorum queue: what came back first, then two levels of priority.
//!
//! Whatever comes back goes to the end of the returned ones, and these precede all else. Of the two levels, high
//! (priority 5 and up) is served twice for each normal one, unless the high head is older anyway. The count of that
//! moves with every message taken from the levels, whichever it was taken from. (RabbitMQ: "Quorum Queues",
//! priorities.)

use crate::queue::entry::{Entry, Freed};
use std::collections::VecDeque;

/// From which priority on a message is a high one.
const HIGH: u8 = 5;

/// Ready messages. Invariants: both levels are sorted by `seq`; `bytes` is the sum over all.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    returned: VecDeque<Entry>,
    high: VecDeque<Entry>,
    normal: VecDeque<Entry>,
    taken: u8,
    bytes: u64,
}

/// Where the next message stands.
#[derive(Clone, Copy)]
enum Next {
    Returned,
    High,
    Normal,
}

impl Ready {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.returned.len() + self.high.len() + self.normal.len()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of their bodies.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts a new message at the end of its level.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        if entry.envelope.priority() >= HIGH { self.high.push_back(entry) } else { self.normal.push_back(entry) }
    }

    /// Puts a message that came back behind those that came back before.
    pub(crate) fn put_back(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.returned.push_back(entry);
    }

    /// Puts a message that came back at the very end, where a high one becomes a normal one.
    pub(crate) fn put_last(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.normal.push_back(entry);
    }

    /// The next message.
    pub(crate) fn head(&self) -> Option<&Entry> {
        match self.next()? {
            Next::Returned => self.returned.front(),
            Next::High => self.high.front(),
            Next::Normal => self.normal.front(),
        }
    }

    /// Takes the next message.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let next = self.next()?;
        let entry = match next {
            Next::Returned => self.returned.pop_front(),
            Next::High => self.high.pop_front(),
            Next::Normal => self.normal.pop_front(),
        }?;
        if !matches!(next, Next::Returned) {
            self.taken = if self.taken == 2 { 0 } else { self.taken + 1 };
        }
        self.bytes -= entry.bytes();
        if self.is_empty() {
            self.release();
        }
        Some(entry)
    }

    /// Everything: what came back, the high ones, the normal ones.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.returned.iter().chain(&self.high).chain(&self.normal)
    }

    /// Forgets everything, and says how many there were.
    pub(crate) fn clear(&mut self, freed: &mut Freed) -> usize {
        let count = self.len();
        freed.reserve(count);
        let Self { returned, high, normal, .. } = std::mem::take(self);
        returned.into_iter().chain(high).chain(normal).for_each(|entry| freed.put(entry.envelope));
        count
    }

    /// Gives memory back that a past backlog needed.
    fn release(&mut self) {
        for level in [&mut self.returned, &mut self.high, &mut self.normal] {
            if level.capacity() > 1_024 {
                *level = VecDeque::with_capacity(64);
            }
        }
    }

    fn next(&self) -> Option<Next> {
        if !self.returned.is_empty() {
            return Some(Next::Returned);
        }
        match (self.high.front(), self.normal.front()) {
            (None, None) => None,
            (Some(_), None) => Some(Next::High),
            (None, Some(_)) => Some(Next::Normal),
            (Some(high), Some(normal)) if self.taken == 2 && high.seq > normal.seq => Some(Next::Normal),
            (Some(_), Some(_)) => Some(Next::High),
        }
    }

    /// What is wrong, if anything is.
    pub(crate) fn check(&self) -> Result<(), String> {
        let bytes: u64 = self.iter().map(Entry::bytes).sum();
        if bytes != self.bytes {
            return Err(format!("ready counts {} B, holds {bytes} B", self.bytes));
        }
        if !self.high.iter().is_sorted_by(|a, b| a.seq < b.seq) {
            return Err("high messages are not in the order in which they came".to_owned());
        }
        Ok(())
    }
}
