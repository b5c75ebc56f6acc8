//! Sending many messages under one key: one route, and the queue asked once for many of them.
//!
//! A batch goes in parts. Of each part all messages are checked and frozen first; then the queue, if it is one, takes
//! as many as it has room for. Whatever is not that plain (several queues, a full one, `CC`, a direct reply) leaves the
//! part as a single message and goes the way of [`Publisher::try_send`] or of a send that waits. Between parts, and
//! after each single message, the route is found again, so a change of the topology is seen as soon as anywhere else.

use super::{At, PublishError, PublishErrorKind, Publisher, Routed, SendManyError, freeze};
use crate::base::Name;
use crate::message::{Envelope, Message, SharedEnvelope};
use std::collections::VecDeque;

/// How many messages a part has at most: those who wait for the first of them are not to wait for long.
const PART: usize = 64;

/// What was published of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoutedMany {
    /// How many messages were published, those that no queue is bound for included.
    pub messages: usize,
    /// How often a queue took one of them: a message that goes to three queues counts three times.
    pub queues: usize,
}

/// A batch that is being sent.
struct Batch<I> {
    /// What was not looked at yet.
    rest: I,
    /// The part: frozen, and taken by nobody.
    part: VecDeque<SharedEnvelope>,
    /// What comes after the part, where that is something special.
    next: Option<Next>,
    routed: RoutedMany,
}

/// A message that ends a part.
enum Next {
    /// It has routing keys of its own beside the common one.
    Apart(SharedEnvelope),
    /// It cannot be published.
    Wrong(PublishError),
}

impl Publisher {
    /// Publishes many messages under one key, in order, without waiting; ends at the first that is not taken.
    ///
    /// It is as if [`try_send`](Publisher::try_send) were called for each, and cheaper: the key's route is found once
    /// for many messages. The batch is not all or nothing, and others may publish in between.
    ///
    /// # Errors
    ///
    /// [`SendManyError`] with the reason of the first message that could not be published, one of those of
    /// [`Publisher::try_send`]; with what was published before; and with the messages that were not, that one first.
    /// For that it takes the rest out of the iterator.
    ///
    /// ```
    /// use leveret::{Broker, Message, Overflow, Queue, Topology};
    ///
    /// let broker = Broker::new();
    /// broker.declare(&Topology::new().queue(Queue::new("orders").max_length(2, Overflow::RejectPublish)))?;
    /// let mut to_queues = broker.publisher("")?;
    ///
    /// let error = to_queues.try_send_many("orders", ["1", "2", "3", "4"].map(Message::new)).unwrap_err();
    /// assert_eq!(error.published().messages, 2);
    /// let left: Vec<_> = error.into_unsent().into_iter().map(|message| message.body().clone()).collect();
    /// assert_eq!(left, ["3", "4"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_send_many(
        &mut self,
        key: &str,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<RoutedMany, SendManyError> {
        self.send_each(key, messages, Self::give_now)
    }

    /// Publishes many messages under one key, in order, waiting for room in every queue.
    ///
    /// It is as if [`send`](Publisher::send) were called for each, and cheaper: the key's route is found once for many
    /// messages. The batch is not all or nothing, and others may publish in between.
    ///
    /// # Errors
    ///
    /// [`SendManyError`] with the reason of the first message that could not be published, one of those of
    /// [`Publisher::send`]; with what was published before; and with the messages that were not, that one first. For
    /// that it takes the rest out of the iterator.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is done drops the messages that were not yet sent. Those before them are published
    /// and stay so; how many that were is not told.
    ///
    /// ```
    /// # use leveret::{Broker, Message, QueueDeclare};
    /// # let broker = Broker::new();
    /// # broker.declare_queue(&QueueDeclare::new("orders"))?;
    /// let mut to_queues = broker.publisher("")?;
    /// # smol::block_on(async {
    /// let routed = to_queues.send_many("orders", (0..100).map(|n| Message::new(format!("{n}")))).await?;
    /// assert_eq!((routed.messages, routed.queues), (100, 100));
    /// # Ok::<(), leveret::SendManyError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn send_many(
        &mut self,
        key: &str,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<RoutedMany, SendManyError> {
        let mut batch = Batch::new(messages);
        loop {
            match self.advance(key, &mut batch) {
                Ok(None) => return Ok(batch.routed),
                Ok(Some((envelope, at))) => match self.send_waiting(envelope, at).await {
                    Ok(routed) => batch.routed.count(routed),
                    Err(error) => return Err(batch.fail(error)),
                },
                Err(error) => return Err(batch.fail(error)),
            }
        }
    }

    /// Publishes many messages under one key, in order, blocking until there is room in every queue.
    ///
    /// Not for asynchronous code, where it would block the executor's thread; else as [`Publisher::send_many`].
    ///
    /// # Errors
    ///
    /// As [`Publisher::send_many`].
    ///
    /// ```
    /// # use leveret::{Broker, Message, QueueDeclare};
    /// # let broker = Broker::new();
    /// # broker.declare_queue(&QueueDeclare::new("orders"))?;
    /// let mut to_queues = broker.publisher("")?;
    /// let routed = to_queues.blocking_send_many("orders", ["one", "two"].map(Message::new))?;
    /// assert_eq!(routed.messages, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn blocking_send_many(
        &mut self,
        key: &str,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<RoutedMany, SendManyError> {
        self.send_each(key, messages, |publisher, envelope, at| publisher.send_by(envelope, at, None))
    }

    /// Publishes all, those that do not go plainly by `send`.
    fn send_each(
        &mut self,
        key: &str,
        messages: impl IntoIterator<Item = Message>,
        send: impl Fn(&mut Self, SharedEnvelope, At) -> Result<Routed, PublishError>,
    ) -> Result<RoutedMany, SendManyError> {
        let mut batch = Batch::new(messages);
        loop {
            match self.advance(key, &mut batch) {
                Ok(None) => return Ok(batch.routed),
                Ok(Some((envelope, at))) => match send(self, envelope, at) {
                    Ok(routed) => batch.routed.count(routed),
                    Err(error) => return Err(batch.fail(error)),
                },
                Err(error) => return Err(batch.fail(error)),
            }
        }
    }

    /// Publishes as many messages as go without waiting. `None` where that was all; else the next message and its route,
    /// for the caller to publish by itself.
    fn advance(
        &mut self,
        key: &str,
        batch: &mut Batch<impl Iterator<Item = Message>>,
    ) -> Result<Option<(SharedEnvelope, At)>, PublishError> {
        loop {
            if batch.part.is_empty() {
                match batch.next.take() {
                    Some(Next::Apart(envelope)) => return self.route(envelope).map(Some),
                    Some(Next::Wrong(error)) => return Err(error),
                    None => {}
                }
                if !self.fill(key, batch)? {
                    return Ok(None);
                }
            }
            let Some(first) = batch.part.pop_front() else { continue };
            if self.engine.is_stopped() {
                return Err(PublishError::new(PublishErrorKind::Closed, Envelope::give_back(first)));
            }
            let (first, at) = match self.routes.find(key) {
                Some((_, at)) => (first, at),
                None => self.route(first)?,
            };
            // A route that is not remembered is that message's alone; a direct reply goes elsewhere as well.
            // A log has each message as a step of its own.
            let is_plain = self.label.is_none() && matches!(at, At::Place(_)) && !self.engine.may_be_reply(&first);
            let [cell] = self.routes.cells(at).as_slice() else { return Ok(Some((first, at))) };
            if !is_plain {
                return Ok(Some((first, at)));
            }
            batch.part.push_front(first);
            let given = self.engine.give_many(&mut batch.part, cell);
            batch.routed.messages += given;
            batch.routed.queues += given;
            if let Some(left) = batch.part.pop_front() {
                return Ok(Some((left, at)));
            }
        }
    }

    /// Checks and freezes the next part. False where there is nothing any more.
    fn fill(&self, key: &str, batch: &mut Batch<impl Iterator<Item = Message>>) -> Result<bool, PublishError> {
        let Some(first) = batch.rest.next() else { return Ok(false) };
        let key = match Name::new(key) {
            Ok(key) => key,
            Err(error) => return Err(PublishError::new(PublishErrorKind::NameTooLong(error), first)),
        };
        let mut message = Some(first);
        while let Some(next) = message {
            match freeze(&self.engine, &self.exchange, &key, next) {
                Ok(envelope) if envelope.has_carbon() => batch.next = Some(Next::Apart(envelope)),
                Ok(envelope) => batch.part.push_back(envelope),
                Err(error) => batch.next = Some(Next::Wrong(error)),
            }
            let is_full = batch.part.len() == PART || batch.next.is_some();
            message = if is_full { None } else { batch.rest.next() };
        }
        Ok(true)
    }
}

impl<I: Iterator<Item = Message>> Batch<I> {
    fn new(messages: impl IntoIterator<IntoIter = I>) -> Self {
        let rest = messages.into_iter();
        let part = VecDeque::with_capacity(rest.size_hint().0.min(PART));
        Self { rest, part, next: None, routed: RoutedMany::default() }
    }

    /// The end of the batch at a message that was not published. Nothing is lost, and the order is kept.
    fn fail(self, error: PublishError) -> SendManyError {
        let (kind, message) = error.into_parts();
        let mut unsent = vec![message];
        unsent.extend(self.part.into_iter().map(Envelope::give_back));
        unsent.extend(self.next.map(|next| match next {
            Next::Apart(envelope) => Envelope::give_back(envelope),
            Next::Wrong(error) => error.into_message(),
        }));
        unsent.extend(self.rest);
        SendManyError::new(kind, self.routed, unsent)
    }
}

impl RoutedMany {
    /// One more message.
    fn count(&mut self, routed: Routed) {
        self.messages += 1;
        self.queues += routed.queues;
    }
}
