//! Ready messages of a quorum queue: what came back first, then two levels of priority.
//!
//! Whatever comes back goes to the end of the returned ones, and these precede all else. Of the two levels, high
//! (priority 5 and up) is served twice for each normal one, unless the high head is older anyway. The count of that
//! moves with every message taken from the levels, whichever it was taken from. (RabbitMQ: "Quorum Queues",
//! priorities.)

use crate::base::Moment;
use crate::queue::entry::{Entry, Freed};
use std::collections::VecDeque;
use std::collections::vec_deque::Iter;

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

/// From which level the next one is, by the places of the first ones of both.
fn choose(high: Option<u64>, normal: Option<u64>, taken: u8) -> Option<Next> {
    match (high, normal) {
        (None, None) => None,
        (Some(_), None) => Some(Next::High),
        (None, Some(_)) => Some(Next::Normal),
        (Some(high), Some(normal)) if taken == 2 && high > normal => Some(Next::Normal),
        (Some(_), Some(_)) => Some(Next::High),
    }
}

/// Where the next message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Returned,
    High,
    Normal,
}

/// Messages in the order in which they go, while nothing comes but perhaps one new one (`None`). Nothing is taken.
#[derive(Clone, Debug)]
pub(crate) struct InTurn<'a> {
    returned: Iter<'a, Entry>,
    /// The high ones and the normal ones.
    levels: [Iter<'a, Entry>; 2],
    /// Where the new one stands last.
    newcomer: Option<Next>,
    taken: u8,
}

impl<'a> InTurn<'a> {
    /// A new message comes to the end of its level.
    pub(crate) fn push(&mut self, priority: u8) {
        self.newcomer = Some(if priority >= HIGH { Next::High } else { Next::Normal });
    }

    /// The next one, if it has expired.
    pub(crate) fn next_expired(&mut self, now: Moment) -> Option<&'a Entry> {
        let mut ahead = self.clone();
        let entry = ahead.next().flatten().filter(|entry| entry.is_expired(now))?;
        *self = ahead;
        Some(entry)
    }

    /// The place of the first one of a level: the new one comes after all others.
    fn seq(&self, level: &Iter<'a, Entry>, which: Next) -> Option<u64> {
        let newcomer = (self.newcomer == Some(which)).then_some(u64::MAX);
        level.clone().next().map(|entry| entry.seq).or(newcomer)
    }
}

impl<'a> Iterator for InTurn<'a> {
    type Item = Option<&'a Entry>;

    fn next(&mut self) -> Option<Option<&'a Entry>> {
        if let Some(entry) = self.returned.next() {
            return Some(Some(entry));
        }
        let [high, normal] = &self.levels;
        let next = choose(self.seq(high, Next::High), self.seq(normal, Next::Normal), self.taken)?;
        self.taken = if self.taken == 2 { 0 } else { self.taken + 1 };
        let [high, normal] = &mut self.levels;
        let entry = if next == Next::High { high.next() } else { normal.next() };
        if entry.is_none() {
            self.newcomer = None;
        }
        Some(entry)
    }
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

    /// The messages in the order in which `pop` would give them.
    pub(crate) fn in_turn(&self) -> InTurn<'_> {
        InTurn {
            returned: self.returned.iter(),
            levels: [self.high.iter(), self.normal.iter()],
            newcomer: None,
            taken: self.taken,
        }
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
        let seq = |level: &VecDeque<Entry>| level.front().map(|entry| entry.seq);
        choose(seq(&self.high), seq(&self.normal), self.taken)
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
