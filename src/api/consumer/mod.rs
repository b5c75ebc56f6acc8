//! Consumers: deliveries of one queue, for a thread or for a task.

mod builder;
mod stream;

pub use builder::{ConsumeError, ConsumerBuilder};
pub use stream::Iter;

use super::channel::TryRecvError;
use super::deliveries::Deliveries;
use super::delivery::{Delivery, show_count};
use super::recorded;
use super::source::Source;
use crate::base::{Credit, Name, SessionId};
use crate::engine::mailbox::{Fetched, Ring};
use crate::engine::waiter::{Waiter, soon};
use crate::port::Cause;
use crate::queue::effect::{ConsumerId, Handout};
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
    ring: Ring,
    /// Fetched from behind the ring and not yet received: older than what is in it.
    drained: VecDeque<Handout>,
    /// Nothing more comes than what is drained.
    cancelled: bool,
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
        self.poll_ready(context).map(|ready| ready.ok().and_then(|()| self.pop()))
    }

    /// Blocks until the next delivery. `None` at the end: the queue is deleted, the broker closed, or this cancelled.
    ///
    /// Not for asynchronous code, where it would block the executor's thread.
    pub fn blocking_recv(&mut self) -> Option<Delivery> {
        self.wait_by(None).ok()?;
        self.pop()
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
        self.wait_by(Some(span))?;
        self.pop().ok_or(TryRecvError::Empty)
    }

    /// The next delivery, if it is here. Never waits.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] where there is none now, [`TryRecvError::Closed`] where there will be none.
    pub fn try_recv(&mut self) -> Result<Delivery, TryRecvError> {
        self.ready(None)?;
        self.pop().ok_or(TryRecvError::Empty)
    }

    /// Waits for deliveries and gives all that are here, at most `limit` (0 is taken as 1), oldest first. `None` at the
    /// end, as [`Consumer::recv`].
    ///
    /// Receiving and settling many at a time costs about half as much for each. It waits for the first only, never for
    /// more.
    ///
    /// # Cancel safety
    ///
    /// As [`Consumer::recv`].
    ///
    /// ```
    /// # use leveret::{Broker, Message, QueueDeclare};
    /// # let broker = Broker::new();
    /// # broker.declare_queue(&QueueDeclare::new("orders"))?;
    /// # broker.publish("", "orders", Message::new("one"))?;
    /// let mut orders = broker.consumer("orders").open()?;
    /// # smol::block_on(async {
    /// if let Some(batch) = orders.recv_many(32).await {
    ///     batch.ack();
    /// }
    /// # });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn recv_many(&mut self, limit: usize) -> Option<Deliveries> {
        poll_fn(|context| self.poll_ready(context)).await.ok()?;
        Some(self.take_many(limit))
    }

    /// As [`Consumer::recv_many`], blocking the thread.
    pub fn blocking_recv_many(&mut self, limit: usize) -> Option<Deliveries> {
        self.wait_by(None).ok()?;
        Some(self.take_many(limit))
    }

    /// The deliveries that are here, at most `limit` (0 is taken as 1), oldest first. Never waits, and never empty.
    ///
    /// # Errors
    ///
    /// As [`Consumer::try_recv`].
    pub fn try_recv_many(&mut self, limit: usize) -> Result<Deliveries, TryRecvError> {
        self.ready(None)?;
        Ok(self.take_many(limit))
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
        if !self.cancelled {
            self.cancelled = true;
            let source = Arc::clone(&self.source);
            let _deferred = source.engine.quietly();
            recorded::consuming::told_cancel(&source, &self.tag, || {
                let mut behind = VecDeque::new();
                self.source.engine.detach(&self.source.cell, self.id, &mut behind);
                self.drained.extend(std::iter::from_fn(|| self.ring.pop()));
                self.drained.append(&mut behind);
            });
        }
    }

    /// Whether something can be received now.
    #[cfg(feature = "testing")]
    pub(crate) fn has_mail(&mut self) -> Result<bool, TryRecvError> {
        match self.ready(None) {
            Ok(()) => Ok(true),
            Err(TryRecvError::Empty) => Ok(false),
            Err(closed) => Err(closed),
        }
    }

    /// Takes the oldest that is here, if one is.
    #[inline]
    fn pop(&mut self) -> Option<Delivery> {
        let handout = self.next_handout()?;
        Some(Delivery::new(Arc::clone(&self.source), handout))
    }

    /// Takes the oldest that are here.
    fn take_many(&mut self, limit: usize) -> Deliveries {
        let deferred = self.source.engine.quietly();
        let limit = limit.max(1);
        let mut here = VecDeque::with_capacity(limit.min(self.drained.len().max(self.ring.len())));
        // What was acknowledged may make room for more.
        let next = || self.next_handout().or_else(|| self.ready(None).ok().and_then(|()| self.next_handout()));
        here.extend(std::iter::from_fn(next).take(limit));
        here.iter_mut().for_each(show_count);
        let here = Deliveries::new(&self.source, here);
        drop(deferred);
        here
    }

    #[inline]
    fn next_handout(&mut self) -> Option<Handout> {
        let handout = match self.drained.is_empty() {
            true => self.ring.pop(),
            false => self.drained.pop_front(),
        }?;
        if self.credit.leave_window(1) { self.resume_with(handout) } else { Some(handout) }
    }

    /// Lets the queue go on. The delivery that is in the consumer's hands comes back if foreign code panics.
    fn resume_with(&self, handout: Handout) -> Option<Handout> {
        let Source { engine, cell, .. } = &*self.source;
        if !engine.is_heard() {
            engine.aside(|| engine.resume(cell, self.session));
            return Some(handout);
        }
        let mut held = Deliveries::new(&self.source, VecDeque::from([handout]));
        engine.resume(cell, self.session);
        held.take_first()
    }

    /// Sees to it that something is here; where nothing can be, `waiter` is registered.
    #[inline]
    fn ready(&mut self, waiter: Option<Waiter>) -> Result<(), TryRecvError> {
        if self.drained.is_empty() && self.ring.is_empty() { self.fetch(waiter) } else { Ok(()) }
    }

    /// As [`Consumer::ready`], for a task.
    fn poll_ready(&mut self, context: &Context<'_>) -> Poll<Result<(), TryRecvError>> {
        match self.ready(None) {
            Err(TryRecvError::Empty) => {}
            ready => return Poll::Ready(ready),
        }
        match self.ready(Some(Waiter::Task(context.waker().clone()))) {
            Err(TryRecvError::Empty) => Poll::Pending,
            ready => Poll::Ready(ready),
        }
    }

    /// Looks behind the ring.
    fn fetch(&mut self, waiter: Option<Waiter>) -> Result<(), TryRecvError> {
        if self.cancelled {
            return Err(TryRecvError::Closed);
        }
        let Source { engine, cell, .. } = &*self.source;
        // What was acknowledged may make room for more.
        if waiter.is_none() && !self.ring.is_stirred() && !cell.owes() {
            return Err(TryRecvError::Empty);
        }
        match engine.fetch(cell, self.id, &mut self.drained, waiter) {
            Fetched::Some => Ok(()),
            Fetched::Nothing => Err(TryRecvError::Empty),
            Fetched::Ended => Err(TryRecvError::Closed),
        }
    }

    /// As [`Consumer::ready`], blocking for it.
    #[inline]
    fn wait_by(&mut self, span: Option<Duration>) -> Result<(), TryRecvError> {
        match self.ready(None) {
            Err(TryRecvError::Empty) => self.wait_longer_by(span),
            ready => ready,
        }
    }

    fn wait_longer_by(&mut self, span: Option<Duration>) -> Result<(), TryRecvError> {
        let engine = Arc::clone(&self.source.engine);
        let deadline = span.map(|span| engine.now() + span);
        let once = |ready| (ready != Err(TryRecvError::Empty)).then_some(ready);
        // A delivery that is about to come is cheaper to wait for awake.
        if let Some(ready) = soon(|| once(self.ready(None))) {
            return ready;
        }
        let ready = engine.block(deadline, || once(self.ready(Some(Waiter::this_thread()))));
        ready.unwrap_or(Err(TryRecvError::Empty))
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _deferred = self.source.engine.quietly();
        self.cancel();
        Deliveries::new(&self.source, std::mem::take(&mut self.drained)).give_back(Cause::ConsumerCancelled);
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("queue", self.queue()).field("tag", &self.tag).finish_non_exhaustive()
    }
}
