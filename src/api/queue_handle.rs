//! A handle to one queue: look, purge, delete.

use super::broker::Broker;
use super::recorded::calls::told_call;
use super::recorded::requests::counted;
use super::source::Source;
use super::stats::QueueStats;
use crate::base::Name;
use crate::engine::{TopologyError, With};
use crate::message::Envelope;
use crate::port::Cause;
use crate::queue::QueueKind;
use std::fmt;
use std::sync::Arc;

/// A queue that is there, made by [`Broker::queue`].
///
/// The handle stays with this very queue: when it is deleted, and even if another of its name is declared, the handle
/// answers that it is gone. It does not keep the queue or the broker open.
///
/// ```
/// use leveret::{Broker, Message, QueueDeclare};
///
/// let broker = Broker::new();
/// broker.declare_queue(&QueueDeclare::new("orders"))?;
/// broker.publish("", "orders", Message::new("one"))?;
///
/// let orders = broker.queue("orders")?;
/// assert_eq!(orders.stats().ready, 1);
/// assert_eq!(&orders.peek(10)[0].message.body()[..], b"one");
/// assert_eq!(orders.purge()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct QueueHandle {
    source: Source,
}

/// A message seen in a queue.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Peeked {
    /// The message.
    pub message: Arc<Envelope>,
    /// Whether it would be delivered as redelivered: it was out before, here or in the quorum queue where it died.
    pub redelivered: bool,
}

impl Broker {
    /// A handle to a queue. One that is exclusive to a connection can be looked at, and nothing else.
    ///
    /// # Errors
    ///
    /// [`TopologyError::NoQueue`], or [`TopologyError::Closed`] where the broker has ended.
    pub fn queue(&self, name: &str) -> Result<QueueHandle, TopologyError> {
        Ok(QueueHandle { source: Source::find(self.engine(), name)? })
    }

    /// The first `count` messages that are ready in a queue, as [`QueueHandle::peek`] gives them. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Broker::queue`].
    ///
    /// ```
    /// use leveret::{Broker, Message, QueueDeclare};
    ///
    /// let broker = Broker::new();
    /// broker.declare_queue(&QueueDeclare::new("orders"))?;
    /// broker.publish("", "orders", Message::new("one"))?;
    /// assert_eq!(&broker.peek("orders", 10)?[0].message.body()[..], b"one");
    /// assert_eq!(broker.peek("orders", 10)?.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peek(&self, queue: &str, count: usize) -> Result<Vec<Peeked>, TopologyError> {
        Ok(self.queue(queue)?.peek(count))
    }
}

impl QueueHandle {
    /// The queue's name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.source.cell.spec.name
    }

    /// The queue's kind.
    #[must_use]
    pub fn kind(&self) -> QueueKind {
        self.source.cell.spec.kind
    }

    /// Whether the queue was deleted, or the broker closed.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.source.cell.is_closed()
    }

    /// What the queue holds, and what became of everything it was given. Of a queue that is gone: what it was given.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        QueueStats::of(&self.source.engine, &self.source.cell)
    }

    /// The first `count` messages that are ready, in the order in which they would be delivered. Changes nothing. What
    /// has expired and was not yet removed is not shown where the broker's own timer runs.
    #[must_use]
    pub fn peek(&self, count: usize) -> Vec<Peeked> {
        let seen = self.source.cell.read(&self.source.engine, |state| state.peek(count));
        seen.into_iter()
            .map(|(message, redelivered)| Peeked { message: Arc::new(Envelope::clone(&message)), redelivered })
            .collect()
    }

    /// Throws away what is ready, and says how many messages that were. What is out stays out; nothing is dead-lettered.
    ///
    /// # Errors
    ///
    /// [`TopologyError::NoQueue`] where the queue is gone, [`TopologyError::Locked`] where it is exclusive to a
    /// connection, [`TopologyError::Closed`] where the broker has ended.
    pub fn purge(&self) -> Result<u64, TopologyError> {
        let Source { engine, cell, .. } = &self.source;
        let work = || self.purge_now();
        if cell.is_closed() {
            return work();
        }
        let with = |with: &mut With| {
            with.text("queue", self.name());
        };
        told_call(engine, "queue.purge", with, |count, fields| counted(count, fields, "queue.purge-ok"), work)
    }

    fn purge_now(&self) -> Result<u64, TopologyError> {
        let Source { engine, cell, .. } = &self.source;
        cell.check_owner(None)?;
        let purged = engine.act(cell, |state, effects| {
            let now = engine.now_for(state, None);
            state.purge(now, effects)
        });
        Ok(purged.ok_or_else(|| self.source.gone())? as u64)
    }

    /// Deletes the queue with its messages, and says how many were ready. Its consumers end; nothing is dead-lettered.
    /// For conditions, see [`Broker::delete_queue`].
    ///
    /// # Errors
    ///
    /// As [`QueueHandle::purge`].
    pub fn delete(self) -> Result<u64, TopologyError> {
        let work = || self.delete_now();
        if self.is_gone() {
            return work();
        }
        let with = |with: &mut With| {
            with.text("queue", self.name());
        };
        let reply = |count: &u64, fields: &mut With| counted(count, fields, "queue.delete-ok");
        told_call(&self.source.engine, "queue.delete", with, reply, work)
    }

    fn delete_now(&self) -> Result<u64, TopologyError> {
        self.source.cell.check_owner(None)?;
        let Source { engine, cell, .. } = &self.source;
        let removed = engine.remove_queue(cell, Cause::Asked, |_| Ok::<(), TopologyError>(()))?;
        removed.map(|ready| ready as u64).ok_or_else(|| self.source.gone())
    }
}

impl fmt::Debug for QueueHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueHandle").field("name", self.name()).finish_non_exhaustive()
    }
}
