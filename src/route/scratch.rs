//! Scratch: the buffers of a walk, reused, so that routing allocates nothing and changes nothing in the graph.

use super::hits::Hit;
use super::spec::{Destination, Targets};
use super::topic::Walk;
use crate::base::ExchangeId;

/// The buffers of a router's user. Any number of them may walk one graph at the same time, each with its own.
///
/// A scratch belongs to no graph; it may be used with one after another.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The states of a topic's walk.
    pub(super) walk: Walk,
    /// The bindings that match at the exchange that is looked at.
    pub(super) hits: Vec<Hit>,
    /// Exchanges in the order in which they are looked at; those looked at stay.
    pub(super) worklist: Vec<ExchangeId>,
    exchanges: Seen,
    queues: Seen,
    /// How many of the targets are in `queues`: the first ones.
    marked: usize,
}

impl Scratch {
    /// Empty buffers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The exchanges that the last walk looked at, in order. A message to the default exchange needs no walk and leaves
    /// those of the one before.
    #[must_use]
    pub fn visited(&self) -> &[ExchangeId] {
        &self.worklist
    }

    /// Makes ready for a walk.
    pub(super) fn begin(&mut self) {
        self.worklist.clear();
        self.exchanges.begin();
    }

    /// Puts an exchange on the worklist, unless it was there before.
    pub(super) fn visit(&mut self, exchange: ExchangeId) {
        if self.exchanges.enter(exchange.0) {
            self.worklist.push(exchange);
        }
    }

    /// Adds where these hits lead: queues to the targets, exchanges to the worklist, each unless it is there.
    ///
    /// A few targets are looked through; for more, those that are there are marked.
    pub(super) fn follow(&mut self, hits: &[Hit], out: &mut Targets) {
        if out.is_empty() {
            self.marked = 0;
        }
        let (few, many) = hits.split_at(FEW.saturating_sub(out.len()).min(hits.len()));
        for hit in few {
            match hit.to {
                Destination::Queue(queue) if out.contains(&queue) => {}
                Destination::Queue(queue) => out.push(queue),
                Destination::Exchange(exchange) => self.visit(exchange),
            }
        }
        if many.is_empty() {
            return;
        }
        if self.marked == 0 {
            self.queues.begin();
        }
        out.iter().skip(self.marked).for_each(|queue| _ = self.queues.enter(queue.0));
        out.reserve(many.len());
        for hit in many {
            match hit.to {
                Destination::Queue(queue) if self.queues.enter(queue.0) => out.push(queue),
                Destination::Queue(_) => {}
                Destination::Exchange(exchange) => self.visit(exchange),
            }
        }
        self.marked = out.len();
    }
}

/// A set of small numbers that is emptied by counting up.
#[derive(Debug, Default)]
pub(super) struct Seen {
    stamps: Vec<u32>,
    now: u32,
}

impl Seen {
    /// Empties the set.
    pub(super) fn begin(&mut self) {
        self.now = self.now.wrapping_add(1);
        if self.now == 0 {
            self.stamps.fill(0);
            self.now = 1;
        }
    }

    /// Puts a number in; whether it was new.
    #[inline]
    pub(super) fn enter(&mut self, number: u32) -> bool {
        let at = number as usize;
        if at >= self.stamps.len() {
            self.stamps.resize(at + 1, 0);
        }
        self.stamps.get_mut(at).is_some_and(|stamp| std::mem::replace(stamp, self.now) != self.now)
    }
}

/// Up to so many targets, looking through them costs less than a mark in memory that is seldom at hand.
const FEW: usize = 16;
