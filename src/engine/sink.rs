//! Sinks: where a queue's deliveries go. A channel or a plain consumer implements one.

use super::cell::QueueCell;
use super::waiter::Waiter;
use crate::base::{Name, SessionId};
use crate::queue::effect::{ConsumerId, Handout};
use std::fmt;
use std::sync::Arc;

/// Whoever receives deliveries. Its methods are called under the lock of a queue: they only put something down, and
/// return whoever waits for it, to be woken when the lock is free.
pub(crate) trait Sink: Send + Sync + fmt::Debug {
    /// A delivery for the consumer `tag` arrived. Deliveries of one queue arrive in their order.
    fn deliver(&self, queue: &Arc<QueueCell>, tag: &Name, handout: Handout) -> Option<Waiter>;

    /// The queue cancelled a consumer: it was deleted.
    fn cancelled(&self, queue: &Arc<QueueCell>, consumer: ConsumerId, tag: &Name) -> Option<Waiter>;
}

/// A consumer as its queue's cell knows it.
#[derive(Clone, Debug)]
pub(crate) struct SinkOf {
    /// Which consumer it is of.
    pub(crate) consumer: ConsumerId,
    /// Whose it is.
    pub(crate) session: SessionId,
    /// Its tag.
    pub(crate) tag: Name,
    /// Where its deliveries go.
    pub(crate) sink: Arc<dyn Sink>,
}
