//! Publishing: from an exchange and a key to the queues, and into them.
//!
//! A warm publisher holds its targets and comes straight to [`Engine::deliver`], or [`Engine::offer_into_room`] where it
//! would wait for room; a cold route shares one read lock.

use super::Engine;
use super::cell::QueueCell;
use super::work::Work;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::{ExchangeId, SessionId};
use crate::message::{Envelope, SharedEnvelope};
use crate::port::{Refusing, What};
use crate::queue::effect::Offered;
use crate::route::{ExchangeKind, Graph, Scratch, Targets};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;

/// The queues that a message goes to, each once.
pub(crate) type Cells = SmallVec<[Arc<QueueCell>; 2]>;

/// Why a message has no route at all (an empty one is a route).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    /// There is no such exchange.
    NoExchange,
    /// The exchange takes no publishes.
    Internal,
}

/// A route that a publisher may remember.
#[derive(Debug)]
pub(crate) struct Route {
    /// The queues.
    pub(crate) cells: Cells,
    /// Whether the key alone decides: no headers exchange was looked at.
    pub(crate) by_key: bool,
    /// Counts the changes of the exchange.
    pub(crate) generation: Arc<AtomicU64>,
    /// What it counted when the route was taken.
    pub(crate) counted: u64,
}

/// How the queues took a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// How many have it.
    pub(crate) taken: usize,
    /// How many refused it by their `x-overflow`.
    pub(crate) refused: usize,
    /// How many are at the broker's own bound.
    pub(crate) full: usize,
    /// How many were deleted meanwhile.
    pub(crate) gone: usize,
}

/// What became of publishes. All only count up.
#[derive(Debug, Default)]
pub(crate) struct PublishCounts {
    /// Messages published, but those that were given to their only queue: it counts them, under the lock that is taken
    /// anyway, and when it is deleted they are added here.
    pub(crate) published: AtomicU64,
    /// Messages that no queue was bound for.
    pub(crate) unroutable: AtomicU64,
    /// Messages that at least one queue refused by its `x-overflow`.
    pub(crate) refused: AtomicU64,
    /// Messages that at least one queue refused at the broker's own bound.
    pub(crate) full: AtomicU64,
}

impl PublishCounts {
    /// Counts one publish.
    pub(crate) fn count(&self, outcome: &Outcome) {
        let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        count(&self.published);
        if *outcome == Outcome::default() {
            count(&self.unroutable);
        }
        if outcome.refused > 0 {
            count(&self.refused);
        }
        if outcome.full > 0 {
            count(&self.full);
        }
    }
}

impl Engine {
    /// Where a message goes that is published to `exchange`.
    pub(crate) fn route(&self, exchange: &str, envelope: &Envelope) -> Result<Cells, NoRoute> {
        self.with_scratch(|scratch| {
            let topology = self.topology.read();
            let id = publishable_in(&topology, exchange)?;
            Ok(route_in(&topology, id, envelope, scratch))
        })
    }

    /// As [`Engine::route`], with what is needed to remember it.
    pub(crate) fn route_to_keep(&self, exchange: &str, envelope: &Envelope) -> Result<Route, NoRoute> {
        self.with_scratch(|scratch| {
            let topology = self.topology.read();
            let id = publishable_in(&topology, exchange)?;
            let generation = topology.graph.generation(id);
            let counted = generation.load(Ordering::Acquire);
            let cells = route_in(&topology, id, envelope, scratch);
            let by_headers =
                |id: &ExchangeId| topology.graph.exchange(*id).is_some_and(|spec| spec.kind == ExchangeKind::Headers);
            let by_key = id == Graph::DEFAULT || !scratch.visited().iter().any(by_headers);
            Ok(Route { cells, by_key, generation, counted })
        })
    }

    /// Whether messages may be published to `exchange`.
    pub(crate) fn publishable(&self, exchange: &str) -> Result<(), NoRoute> {
        publishable_in(&self.topology.read(), exchange).map(drop)
    }

    /// Where a dead letter goes; `None` where its exchange does not exist.
    pub(crate) fn route_letter(&self, letter: &Envelope) -> Option<Cells> {
        self.with_scratch(|scratch| {
            let topology = self.topology.read();
            let id = topology.graph.find(letter.exchange())?;
            Some(route_in(&topology, id, letter, scratch))
        })
    }

    /// Offers a message to its queues, in their order, and carries whatever follows.
    pub(crate) fn deliver(
        &self,
        publisher: Option<SessionId>,
        envelope: &SharedEnvelope,
        cells: &[Arc<QueueCell>],
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut work = Work::default();
        for cell in cells {
            match cell.offer(self, &mut work, publisher, envelope) {
                Offered::Taken => outcome.taken += 1,
                Offered::Refused => outcome.refused += 1,
                Offered::Full => outcome.full += 1,
                Offered::Gone => {
                    self.say_with(cell, envelope, || What::Refused { why: Refusing::Gone });
                    outcome.gone += 1;
                }
            }
        }
        self.publishes.count(&outcome);
        self.finish(work);
        outcome
    }

    /// Gives a message to its only queue, if that has room; gives it back where not, and where it may be a direct reply.
    #[inline]
    pub(crate) fn give(&self, envelope: SharedEnvelope, cell: &Arc<QueueCell>) -> Result<(), SharedEnvelope> {
        if self.may_be_reply(&envelope) {
            return Err(envelope);
        }
        let mut work = Work::default();
        let given = cell.give(self, &mut work, envelope);
        self.finish(work);
        given
    }

    /// Gives messages to their only queue, in order, as many as it takes; returns how many that were. None of them may be
    /// a direct reply.
    pub(crate) fn give_many(&self, envelopes: &mut VecDeque<SharedEnvelope>, cell: &Arc<QueueCell>) -> usize {
        let mut all = 0;
        loop {
            let mut work = Work::default();
            let given = cell.give_many(self, &mut work, envelopes);
            self.finish(work);
            all += given;
            if given == 0 || envelopes.is_empty() {
                return all;
            }
        }
    }

    /// Whether every message goes the way on which a test's faults are asked for.
    #[inline]
    pub(crate) fn goes_slowly(&self) -> bool {
        #[cfg(feature = "testing")]
        return self.faults.is_armed();
        #[cfg(not(feature = "testing"))]
        false
    }

    /// Lends one of the router's buffers.
    fn with_scratch<R>(&self, work: impl FnOnce(&mut Scratch) -> R) -> R {
        let mut scratch = self.scratches.lock().pop().unwrap_or_default();
        let result = work(&mut scratch);
        self.scratches.lock().push(scratch);
        result
    }
}

/// The exchange, if publishes may come to it.
pub(super) fn publishable_in(topology: &super::Topology, exchange: &str) -> Result<ExchangeId, NoRoute> {
    let id = topology.graph.find(exchange).ok_or(NoRoute::NoExchange)?;
    match topology.graph.exchange(id) {
        Some(spec) if spec.internal => Err(NoRoute::Internal),
        _ => Ok(id),
    }
}

/// Routes by all keys of the message and finds the cells.
pub(crate) fn route_in(
    topology: &super::Topology,
    exchange: ExchangeId,
    envelope: &Envelope,
    scratch: &mut Scratch,
) -> Cells {
    let mut targets = Targets::new();
    let keys = envelope.keys().map(crate::base::Name::as_str);
    topology.graph.route(exchange, keys, envelope.properties().headers.as_ref(), scratch, &mut targets);
    targets.iter().filter_map(|queue| topology.cell(*queue).cloned()).collect()
}
