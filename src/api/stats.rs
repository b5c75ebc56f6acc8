//! Statistics: what is where, and where everything went.

use super::broker::Broker;
use crate::base::Name;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::engine::Engine;
use crate::engine::cell::QueueCell;
use crate::queue::{Counts, QueueKind, Totals};
use std::sync::Arc;

/// What a queue holds, and what became of everything it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct QueueStats {
    /// The queue's name.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_text"))]
    pub name: Name,
    /// `classic` or `quorum`.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_word"))]
    pub kind: QueueKind,
    /// Messages ready for delivery.
    pub ready: u64,
    /// Bytes of their bodies.
    pub ready_bytes: u64,
    /// Messages out with consumers and not settled.
    pub unacked: u64,
    /// Bytes of their bodies.
    pub unacked_bytes: u64,
    /// Dead letters that an at-least-once queue keeps until somebody has taken them.
    pub dying: u64,
    /// Consumers.
    pub consumers: u64,
    /// What became of its messages since it was declared.
    pub totals: Totals,
}

/// A broker's queues and its totals.
///
/// With the totals of the queues, the question "where did my message go" has an answer: a publish is in `publishes`
/// (routed, unroutable or refused); what a queue took is ready, out, or counted in its totals by what became of it; what
/// died there is in `dead_letters` by where it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BrokerStats {
    /// All queues, in the order in which they were declared.
    pub queues: Vec<QueueStats>,
    /// Exchanges, the predeclared ones included.
    pub exchanges: u64,
    /// Bindings, the implied ones of the default exchange not included.
    pub bindings: u64,
    /// What became of publishes.
    pub publishes: PublishStats,
    /// What became of the dead.
    pub dead_letters: DeadLetterStats,
}

/// What became of a broker's publishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PublishStats {
    /// Messages published, those included that came nowhere.
    pub published: u64,
    /// Messages that no queue was bound for.
    pub unroutable: u64,
    /// Messages that at least one queue refused by its `x-overflow`.
    pub refused: u64,
    /// Messages that at least one queue refused at the broker's own bound, or that found no room in time.
    pub full: u64,
}

/// What became of a broker's dead letters. A message that dies again is counted again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DeadLetterStats {
    /// Arrived in a queue, counted for each.
    pub arrived: u64,
    /// Dropped: they died in a queue without a dead-letter exchange.
    pub no_dead_letter_exchange: u64,
    /// Dropped: the queue's dead-letter exchange does not exist.
    pub no_such_exchange: u64,
    /// Dropped: no queue is bound to the dead-letter exchange for their key.
    pub unroutable: u64,
    /// Dropped for a queue, since they would go round for ever (RabbitMQ: "Dead Letter Exchanges", cycles).
    pub cycles: u64,
    /// Refused by a queue that is full, by its own arguments or at the broker's bound, counted for each.
    pub refused: u64,
}

impl Broker {
    /// What is in this broker now, and what became of everything.
    ///
    /// The queues are read one after the other: with publishers and consumers at work, two queues may show two moments.
    ///
    /// ```
    /// use leveret::{Broker, Message, QueueDeclare};
    ///
    /// let broker = Broker::new();
    /// broker.declare_queue(&QueueDeclare::new("orders"))?;
    /// broker.publish("", "orders", Message::new("one"))?;
    /// broker.publish("", "odrers", Message::new("lost"))?;
    ///
    /// let stats = broker.stats();
    /// assert_eq!((&*stats.queues[0].name, stats.queues[0].ready), ("orders", 1));
    /// assert_eq!((stats.publishes.published, stats.publishes.unroutable), (2, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> BrokerStats {
        BrokerStats::of(self.engine())
    }
}

impl BrokerStats {
    /// What is in a broker.
    pub(super) fn of(engine: &Engine) -> Self {
        let queues = engine.cells().iter().map(|cell| QueueStats::of(engine, cell)).collect();
        let (publishes, letters) = (&engine.publishes, &engine.letters);
        let (exchanges, bindings, published) = {
            // No queue is deleted meanwhile, so that each publish is counted by its queue or by the engine.
            let topology = engine.topology.read();
            let given: u64 = topology.queues.iter().flatten().map(|cell| cell.given()).sum();
            let published = given + read(&publishes.published);
            (topology.graph.len() as u64, topology.graph.binding_count() as u64, published)
        };
        Self {
            queues,
            exchanges,
            bindings,
            publishes: PublishStats {
                published,
                unroutable: read(&publishes.unroutable),
                refused: read(&publishes.refused),
                full: read(&publishes.full),
            },
            dead_letters: DeadLetterStats {
                arrived: read(&letters.arrived),
                no_dead_letter_exchange: read(&letters.no_dead_letter),
                no_such_exchange: read(&letters.no_exchange),
                unroutable: read(&letters.unroutable),
                cycles: read(&letters.cycles),
                refused: read(&letters.refused),
            },
        }
    }
}

impl QueueStats {
    pub(super) fn of(engine: &Engine, cell: &Arc<QueueCell>) -> Self {
        let (counts, totals) = cell.read(engine, |state| (state.counts(), state.totals()));
        let Counts { ready, ready_bytes, unacked, unacked_bytes, dying, consumers } = counts;
        Self {
            name: cell.spec.name.clone(),
            kind: cell.spec.kind,
            ready: ready as u64,
            ready_bytes,
            unacked: unacked as u64,
            unacked_bytes,
            dying: dying as u64,
            consumers: consumers as u64,
            totals,
        }
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// A name as serde writes it.
#[cfg(feature = "serde")]
pub(super) fn as_text<S: serde::Serializer>(name: &Name, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name)
}

#[cfg(feature = "serde")]
fn as_word<S: serde::Serializer>(kind: &QueueKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}
