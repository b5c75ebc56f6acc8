//! Ready messages of a classic queue: by priority, then by their place in the queue.
//!
//! The head is the oldest message of the highest priority. A requeued message takes its old place, in whatever order
//! messages come back (RabbitMQ: "Consumer Acknowledgements", as recorded).

use crate::queue::entry::{Entry, Freed};
use std::collections::VecDeque;

/// Ready messages. Invariants: each level is sorted by `seq`; `count` and `bytes` are the sums over the levels.
#[derive(Debug)]
pub(crate) struct Ready {
    /// One level for each priority, the lowest first; a queue without priorities has one.
    levels: Vec<VecDeque<Entry>>,
    count: usize,
    bytes: u64,
}

impl Ready {
    /// Nothing ready, with priorities up to `max_priority`.
    pub(crate) fn new(max_priority: Option<u8>) -> Self {
        let levels = usize::from(max_priority.unwrap_or(0)) + 1;
        Self { levels: (0..levels).map(|_| VecDeque::new()).collect(), count: 0, bytes: 0 }
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether one that comes later may go before one that is here.
    pub(crate) fn has_priorities(&self) -> bool {
        self.levels.len() > 1
    }

    /// Bytes of their bodies.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts an entry in its place: at the end of its level where it is new, in its old place where it comes back.
    pub(crate) fn insert(&mut self, entry: Entry) {
        self.count += 1;
        self.bytes += entry.bytes();
        let highest = self.levels.len() - 1;
        let Some(level) = self.levels.get_mut(usize::from(entry.envelope.priority()).min(highest)) else { return };
        if level.back().is_none_or(|last| last.seq < entry.seq) {
            level.push_back(entry);
        } else {
            let at = level.partition_point(|known| known.seq < entry.seq);
            level.insert(at, entry);
        }
    }

    /// The head.
    pub(crate) fn head(&self) -> Option<&Entry> {
        if self.count == 0 {
            return None;
        }
        self.levels.iter().rev().find_map(VecDeque::front)
    }

    /// Takes the head.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        if self.count == 0 {
            return None;
        }
        let entry = self.levels.iter_mut().rev().find_map(VecDeque::pop_front)?;
        self.count -= 1;
        self.bytes -= entry.bytes();
        if self.count == 0 {
            self.release();
        }
        Some(entry)
    }

    /// Everything, in the order in which it would be delivered.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.levels.iter().rev().flatten()
    }

    /// How many would go before a new one of this priority.
    pub(crate) fn before(&self, priority: u8) -> usize {
        let level = usize::from(priority).min(self.levels.len() - 1);
        self.levels.iter().skip(level).map(VecDeque::len).sum()
    }

    /// Forgets everything, and says how many there were.
    pub(crate) fn clear(&mut self, freed: &mut Freed) -> usize {
        freed.reserve(self.count);
        let entries = self.levels.iter_mut().flat_map(|level| level.drain(..));
        entries.for_each(|entry| freed.put(entry.envelope));
        self.bytes = 0;
        self.release();
        std::mem::take(&mut self.count)
    }

    /// Takes out what is not persistent, the lowest priority first.
    #[cfg(feature = "testing")]
    pub(crate) fn take_transient(&mut self) -> Vec<Entry> {
        let mut taken = Vec::new();
        for level in &mut self.levels {
            let is_kept = |entry: &Entry| entry.envelope.properties().is_persistent();
            let (kept, transient): (VecDeque<Entry>, VecDeque<Entry>) = level.drain(..).partition(is_kept);
            *level = kept;
            taken.extend(transient);
        }
        self.count -= taken.len();
        self.bytes -= taken.iter().map(Entry::bytes).sum::<u64>();
        taken
    }

    /// Gives memory back that a past backlog needed.
    fn release(&mut self) {
        for level in &mut self.levels {
            if level.capacity() > 1_024 {
                *level = VecDeque::with_capacity(64);
            }
        }
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn check(&self) -> Result<(), String> {
        for level in &self.levels {
            if !level.iter().is_sorted_by(|a, b| a.seq < b.seq) {
                return Err("ready messages are not in the order of their places".to_owned());
            }
        }
        let (count, bytes) = self.iter().fold((0, 0), |(count, bytes), entry| (count + 1, bytes + entry.bytes()));
        if (count, bytes) != (self.count, self.bytes) {
            return Err(format!("ready counts {} ({} B), holds {count} ({bytes} B)", self.count, self.bytes));
        }
        Ok(())
    }
}
