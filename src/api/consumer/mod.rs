//! Consumers: deliveries of one queue, for a thread or for a task.

mod builder;
mod mailbox;
mod stream;

pub use builder::{ConsumeError, ConsumerBuilder};
pub use stream::Iter;

use super::channel::TryRecvError;
use super::delivery::Delivery;
use super::source::Source;
use crate::base::{Credit, Name, SessionId};
use crate::engine::waiter::{Waiter, soon};
use crate::queue::effect::{ConsumerId, Handout, Settlement};
use mailbox::{Fetched, Mailbox};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A consumer of one queue, made by [`Broker::consumer`](crate::Broker::consumer).
///
/// The queue hands messages over as soon as they come, in order, up to the prefetch; several consumers of a queue take
/// turns, as in RabbitMQ ("Consumers", "Consumer Priorities"). Receive with [`recv`](Consumer::recv),
/// [`blocking_recv`](Consumer::blocking_recv), [`try_recv`](Consumer::try_recv),
/// [`recv_timeout`](Consumer::recv_timeout), [`iter`](Consumer::iter), or as a [`Stream`](futures_core::Stream); all
/// may be mixed.
///
/// Receiving ends with `None` when the queue is deleted or the broker is closed, after what was handed over before. Such
/// late deliveries are settled without effect, for their queue is gone.
///
/// Dropping a consumer cancels it and requeues what was handed over but not received. Deliveries that were received live
/// on and settle themselves. An auto-delete queue goes with its last consumer.
///
/// ```
/// use leveret::{Broker, Message, QueueDeclare};
///
/// let broker = Broker::new();
/// broker.declare_queue(&QueueDeclare::new("orders"))?;
/// let mut orders = broker.consumer("orders").prefetch(1).open()?;
/// broker.publish("", "orders", Message::new("one"))?;
///
/// let delivery = orders.blocking_recv().expect("the queue is there");
/// assert_eq!(&delivery.body()[..], b"one");
/// delivery.ack();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Consumer {
    source: Arc<Source>,
    session: SessionId,
    id: ConsumerId,
    tag: Name,
    credit: Arc<Credit>,
    mailbox: Arc<Mailbox>,
    /// Fetched from the mailbox and not yet received.
    drained: VecDeque<Handout>,
}

impl Consumer {
    /// The queue's name.
    #[must_use]
    pub fn queue(&self) -> &Name {
        &self.source.cell.spec.name
    }

    /// The consumer tag.
    #[must_use]
    pub fn tag(&self) -> &Name {
        &self.tag
    }

    /// Waits for the next delivery. `None` at the end: the queue is deleted, the broker closed, or this cancelled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: a delivery is taken only in the poll that returns it.
    ///
    /// ```
    /// # use leveret::{Broker, Message, QueueDeclare};
    /// # let broker = Broker::new();
    /// # broker.declare_queue(&QueueDeclare::new("orders"))?;
    /// # broker.publish("", "orders", Message::new("one"))?;
    /// let mut orders = broker.consumer("orders").open()?;
    /// # smol::block_on(async {
    /// if let Some(delivery) = orders.recv().await {
    ///     delivery.ack();
    /// }
    /// # });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn recv(&mut self) -> Option<Delivery> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// Polls for the next delivery, for futures written by hand. `Ready(None)` at the end.
    ///
    /// A consumer has one waiter: the latest poll's task is woken.
    ///
    /// # Cancel safety
    ///
    /// As [`Consumer::recv`].
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        match self.try_recv() {
            Ok(delivery) => return Poll::Ready(Some(delivery)),
            Err(TryRecvError::Closed) => return Poll::Ready(None),
            Err(TryRecvError::Empty) => {}
        }
        match self.take(Some(Waiter::Task(context.waker().clone()))) {
            Ok(delivery) => Poll::Ready(Some(delivery)),
            Err(TryRecvError::Closed) => Poll::Ready(None),
            Err(TryRecvError::Empty) => {
                self.source.engine.carry_out_acks(&self.source.cell);
                Poll::Pending
            }
        }
    }

    /// Blocks until the next delivery. `None` at the end: the queue is deleted, the broker closed, or this cancelled.
    ///
    /// Not for asynchronous code, where it would block the executor's thread.
    pub fn blocking_recv(&mut self) -> Option<Delivery> {
        self.receive_by(None).ok()
    }

    /// Blocks until the next delivery, at most for `span` on the broker's clock.
    ///
    /// With a manual clock, only [`Broker::advance`](crate::Broker::advance) makes time pass: the thread sleeps until a
    /// delivery comes or another thread has advanced far enough.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] where none came in time, [`TryRecvError::Closed`] where none will come.
    pub fn recv_timeout(&mut self, span: Duration) -> Result<Delivery, TryRecvError> {
        self.receive_by(Some(span))
    }

    /// The next delivery, if it is here. Never waits.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] where there is none now, [`TryRecvError::Closed`] where there will be none.
    pub fn try_recv(&mut self) -> Result<Delivery, TryRecvError> {
        self.take(None)
    }

    /// Iterates over deliveries, blocking for each; ends where [`blocking_recv`](Consumer::blocking_recv) gives `None`.
    pub fn iter(&mut self) -> Iter<'_> {
        Iter::new(self)
    }

    /// Stops taking from the queue, as `basic.cancel`. What was handed over already can still be received; then
    /// receiving ends. Cancelling again does nothing.
    ///
    /// An auto-delete queue goes with its last consumer.
    pub fn cancel(&mut self) {
        self.source.engine.detach(&self.source.cell, self.id);
        self.mailbox.end();
    }

    /// What is drained already, or what a fetch from the mailbox gives; `waiter` is registered where there is nothing.
    fn take(&mut self, waiter: Option<Waiter>) -> Result<Delivery, TryRecvError> {
        if self.drained.is_empty() {
            match self.mailbox.fetch(&mut self.drained, waiter) {
                Fetched::Nothing => return Err(TryRecvError::Empty),
                Fetched::Ended => return Err(TryRecvError::Closed),
                Fetched::Some(count) => {
                    if self.credit.leave_window(count) {
                        self.source.engine.resume(&self.source.cell, self.session);
                    }
                }
            }
        }
        let handout = self.drained.pop_front().ok_or(TryRecvError::Empty)?;
        Ok(Delivery::new(&self.source, handout))
    }

    /// Blocks for a delivery.
    fn receive_by(&mut self, span: Option<Duration>) -> Result<Delivery, TryRecvError> {
        match self.try_recv() {
            Err(TryRecvError::Empty) => {}
            received => return received,
        }
        let engine = Arc::clone(&self.source.engine);
        let deadline = span.map(|span| engine.clock.now() + span);
        // A delivery that is about to come is cheaper to wait for awake.
        if let Some(delivery) = soon(|| self.try_recv().ok()) {
            return Ok(delivery);
        }
        engine.carry_out_acks(&self.source.cell);
        let received = engine.block(deadline, || match self.take(Some(Waiter::this_thread())) {
            Err(TryRecvError::Empty) => None,
            received => Some(received),
        });
        received.unwrap_or(Err(TryRecvError::Empty))
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.cancel();
        let mut refs: Vec<_> = self.drained.drain(..).filter_map(|handout| handout.reference).collect();
        let mut rest = VecDeque::new();
        let _ = self.mailbox.fetch(&mut rest, None);
        refs.extend(rest.into_iter().filter_map(|handout| handout.reference));
        if !refs.is_empty() {
            self.source.engine.settle(&self.source.cell, &refs, Settlement::Requeue);
        }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("queue", self.queue()).field("tag", &self.tag).finish_non_exhaustive()
    }
}
