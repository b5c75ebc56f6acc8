//! Receiving: the one ordered poll of a channel, for threads and for tasks.

use super::inbox::{Arrival, Look, Place};
use super::{Channel, ChannelEvent, TryRecvError};
use crate::base::Moment;
use crate::engine::waiter::{Waiter, soon};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

impl Channel {
    /// Takes the next event, if one has come.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`], or [`TryRecvError::Closed`] where the channel is closed and all was received.
    pub fn try_recv(&self) -> Result<ChannelEvent, TryRecvError> {
        match self.look(Place::None, None) {
            Poll::Ready(event) => event.ok_or(TryRecvError::Closed),
            Poll::Pending => Err(TryRecvError::Empty),
        }
    }

    /// Blocks the thread until an event comes. `None` where the channel is closed and all was received. Not for
    /// asynchronous code.
    #[must_use]
    pub fn blocking_recv(&self) -> Option<ChannelEvent> {
        self.block(None).ok()
    }

    /// Blocks the thread until an event comes, at most for `timeout` of the broker's time. With a manual clock, only
    /// [`Broker::advance`](crate::Broker::advance) makes time pass.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] where nothing came in time, [`TryRecvError::Closed`] where the channel is closed and all
    /// was received.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<ChannelEvent, TryRecvError> {
        self.block(Some(self.engine().now() + timeout))
    }

    /// Waits for the next event, on any executor. `None` where the channel is closed and all was received.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: an event leaves the channel only when the future is ready. Of several that wait, each event wakes
    /// one; where that one is dropped, the next is woken.
    ///
    /// ```
    /// # use leveret::{Broker, ChannelEvent, Consume, Message, Publish, QueueDeclare};
    /// # let broker = Broker::new();
    /// # let connection = broker.connect()?;
    /// let channel = connection.open_channel()?;
    /// channel.queue_declare(&QueueDeclare::new("orders"))?;
    /// channel.basic_consume(&Consume::new("orders"))?;
    /// channel.basic_publish(&Publish::new("", "orders"), Message::new("one")).unwrap();
    /// # smol::block_on(async {
    /// while let Some(event) = channel.recv().await {
    ///     if let ChannelEvent::Deliver(delivery) = event {
    ///         channel.basic_ack(delivery.delivery_tag)?;
    ///         # break;
    ///     }
    /// }
    /// # Ok::<(), leveret::Close>(())
    /// # })?;
    /// # Ok::<(), leveret::Close>(())
    /// ```
    pub fn recv(&self) -> RecvChannelEvent<'_> {
        RecvChannelEvent { channel: self, number: None }
    }

    /// As a future would: the next event, or the task is woken once there is one. `None` where the channel is closed
    /// and all was received. For hand-written futures: of several tasks that wait so, only the one that polled last is
    /// woken.
    ///
    /// # Cancel safety
    ///
    /// As [`Channel::recv`].
    pub fn poll_recv(&self, context: &mut Context<'_>) -> Poll<Option<ChannelEvent>> {
        self.look(Place::Polled, Some(Waiter::Task(context.waker().clone())))
    }

    fn block(&self, deadline: Option<Moment>) -> Result<ChannelEvent, TryRecvError> {
        let received = soon(|| match self.try_recv() {
            Err(TryRecvError::Empty) => None,
            received => Some(received),
        });
        if let Some(received) = received {
            return received;
        }
        // Its drop gives up the thread's place.
        let mut waiting = self.recv();
        let attempt = || match self.look(Place::Own(&mut waiting.number), Some(Waiter::this_thread())) {
            Poll::Ready(event) => Some(event),
            Poll::Pending => None,
        };
        match self.engine().block(deadline, attempt) {
            Some(event) => event.ok_or(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Takes the next event, or leaves the waiter in this place.
    fn look(&self, place: Place<'_>, waiter: Option<Waiter>) -> Poll<Option<ChannelEvent>> {
        let inbox = &self.cell.inbox;
        let waits = waiter.is_some();
        match inbox.look(place, waiter) {
            Look::Found { arrival, next } => {
                if let Some(next) = next {
                    next.wake();
                }
                if matches!(arrival, Arrival::Delivery { .. }) && inbox.received() {
                    self.engine().aside(|| self.resume());
                }
                Poll::Ready(Some(arrival.into()))
            }
            Look::Nothing { .. } => {
                if waits {
                    self.engine().awaited();
                }
                Poll::Pending
            }
            Look::Ended => Poll::Ready(None),
        }
    }
}

/// Waits for the next event of a channel; made by [`Channel::recv`].
///
/// # Cancel safety
///
/// Dropping it loses nothing, see there.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct RecvChannelEvent<'a> {
    channel: &'a Channel,
    number: Option<u64>,
}

impl Future for RecvChannelEvent<'_> {
    type Output = Option<ChannelEvent>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.channel.look(Place::Own(&mut this.number), Some(Waiter::Task(context.waker().clone())))
    }
}

impl Drop for RecvChannelEvent<'_> {
    /// Gives up its place. Where it was woken and did not receive, the next one is.
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let (_own, next) = self.channel.cell.inbox.leave(number);
        if let Some(next) = next {
            next.wake();
        }
    }
}
