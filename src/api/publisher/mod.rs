//! Publishers: handles to one exchange that remember where their keys lead.

mod error;
#[cfg(feature = "testing")]
mod faulty;
mod many;
mod route_cache;
mod send;

pub use error::{PublishError, PublishErrorKind, SendManyError};
pub use many::RoutedMany;

use crate::api::recorded::publishing::{Asked, told_attempt};
use crate::base::Name;
use crate::engine::cell::QueueCell;
use crate::engine::{Engine, NoRoute, Outcome};
use crate::message::{Envelope, Message, Properties, SharedEnvelope};
use route_cache::{At, RouteCache};
use send::First;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A handle for publishing to one exchange, made by [`Broker::publisher`](crate::Broker::publisher).
///
/// It remembers where its keys lead: a key that was used before is routed without a lock, and every change of the
/// topology is seen by the next message. For that it takes `&mut self`; give each thread or task a clone of its own,
/// which costs next to nothing.
///
/// Four ways to publish, of which one waits for nothing and three wait for room:
///
/// | | waits | where a queue is full |
/// |---|---|---|
/// | [`try_send`](Publisher::try_send) | never | as RabbitMQ: each queue decides by its `x-overflow`; the error gives the message back |
/// | [`send`](Publisher::send) | as a task | waits until every queue has room |
/// | [`blocking_send`](Publisher::blocking_send) | as a thread | waits until every queue has room |
/// | [`send_timeout`](Publisher::send_timeout) | as a thread, for a while | waits, then gives the message back |
///
/// **The guarantee of those that wait.** No queue gets the message before every queue has room for it, and `Ok` says
/// that every queue took it, once. Where other publishers take the room in the very moment in between, those queues that
/// have taken it keep it and the send waits on for the rest; only a time-out, a shutdown or a dropped future in that
/// moment leaves it in some of them. To one queue it is all or nothing, always. Waiting senders have no order among each
/// other. A message that a queue could not hold even if it were empty is refused at once.
///
/// A queue that drops at its head has always room within the broker's own bound.
///
/// **Many at once.** [`try_send_many`](Publisher::try_send_many), [`send_many`](Publisher::send_many) and
/// [`blocking_send_many`](Publisher::blocking_send_many) do the same for many messages of one key, for less.
///
/// ```
/// use leveret::{Broker, Message, QueueDeclare};
///
/// let broker = Broker::new();
/// broker.declare_queue(&QueueDeclare::new("orders"))?;
/// let mut to_queues = broker.publisher("")?.mandatory();
///
/// let routed = to_queues.try_send("orders", Message::new("one"))?;
/// assert_eq!(routed.queues, 1);
/// let unroutable = to_queues.try_send("odrers", Message::new("two")).unwrap_err();
/// assert_eq!(&unroutable.into_message().body()[..], b"two");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Publisher {
    engine: Arc<Engine>,
    exchange: Name,
    mandatory: bool,
    routes: RouteCache,
    /// The channel that stands for it in a log.
    label: Option<Box<str>>,
}

/// Where a message went: the confirm. It is in every queue that it should be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Routed {
    /// How many queues took it. 0: no queue is bound for it, and it is gone. A direct reply goes to whoever waits for it
    /// and to no queue: 0 as well.
    pub queues: usize,
}

impl Publisher {
    /// A publisher to an exchange that is there now.
    pub(super) fn new(engine: &Arc<Engine>, exchange: &str) -> Result<Self, PublishErrorKind> {
        if engine.is_stopped() {
            return Err(PublishErrorKind::Closed);
        }
        let exchange = Name::new(exchange).map_err(PublishErrorKind::NameTooLong)?;
        {
            let topology = engine.topology.read();
            let spec = topology.graph.find(&exchange).and_then(|id| topology.graph.exchange(id));
            match spec {
                None => return Err(PublishErrorKind::NoExchange(exchange.to_string())),
                Some(spec) if spec.internal => return Err(PublishErrorKind::Internal(exchange.to_string())),
                Some(_) => {}
            }
        }
        let routes = RouteCache::new(engine.limits.cached_routes);
        let label = new_label(engine);
        Ok(Self { engine: Arc::clone(engine), exchange, mandatory: false, routes, label })
    }

    /// The exchange's name.
    #[must_use]
    pub fn exchange(&self) -> &Name {
        &self.exchange
    }

    /// From now on a message that no queue is bound for is an error that gives it back, instead of `Ok` with no queues.
    #[must_use]
    pub fn mandatory(mut self) -> Self {
        self.mandatory = true;
        self
    }

    /// Publishes without waiting.
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the message: of the kinds of [`Broker::publish`](crate::Broker::publish), and
    /// [`Unroutable`](PublishErrorKind::Unroutable) on a mandatory publisher. [`Refused`](PublishErrorKind::Refused) and
    /// [`Full`](PublishErrorKind::Full) say how many other queues have it nevertheless, as in RabbitMQ.
    pub fn try_send(&mut self, key: &str, message: Message) -> Result<Routed, PublishError> {
        match self.send_first(key, message)? {
            First::Sent(routed) => Ok(routed),
            First::Waits(envelope, at) => self.give_now(envelope, at),
        }
    }

    /// Publishes a message without waiting, by its route.
    fn give_now(&mut self, envelope: SharedEnvelope, at: At) -> Result<Routed, PublishError> {
        if self.label.is_none() {
            return self.give_untold(envelope, at);
        }
        let given = SharedEnvelope::clone(&envelope);
        self.told(&given, |publisher| publisher.give_untold(envelope, at), |given| Some(given.as_ref().copied()))
    }

    fn give_untold(&mut self, envelope: SharedEnvelope, at: At) -> Result<Routed, PublishError> {
        let published = publish_now(&self.engine, envelope, self.routes.cells(at), self.mandatory);
        self.release(at);
        published
    }

    /// Publishes, waiting for room in every queue.
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the message. Its kind is [`NoExchange`](PublishErrorKind::NoExchange) where the exchange was
    /// deleted, [`Unroutable`](PublishErrorKind::Unroutable) on a mandatory publisher,
    /// [`Invalid`](PublishErrorKind::Invalid), [`NameTooLong`](PublishErrorKind::NameTooLong),
    /// [`Refused`](PublishErrorKind::Refused) where a queue could never hold it by its own length,
    /// [`Full`](PublishErrorKind::Full) where it could not by the broker's bound, or [`Closed`](PublishErrorKind::Closed),
    /// also while it waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is done drops the message; no queue has it, but for the moment that the
    /// [type](Publisher) tells of.
    ///
    /// ```
    /// # use leveret::{Broker, Message, QueueDeclare};
    /// # let broker = Broker::new();
    /// # broker.declare_queue(&QueueDeclare::new("orders"))?;
    /// let mut to_queues = broker.publisher("")?;
    /// # smol::block_on(async {
    /// to_queues.send("orders", Message::new("one")).await?;
    /// # Ok::<(), leveret::PublishError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn send(&mut self, key: &str, message: Message) -> Result<Routed, PublishError> {
        match self.send_first(key, message)? {
            First::Sent(routed) => Ok(routed),
            First::Waits(envelope, at) => self.send_waiting(envelope, at).await,
        }
    }

    /// Publishes, blocking until there is room in every queue.
    ///
    /// Not for asynchronous code, where it would block the executor's thread.
    ///
    /// # Errors
    ///
    /// As [`Publisher::send`].
    pub fn blocking_send(&mut self, key: &str, message: Message) -> Result<Routed, PublishError> {
        match self.send_first(key, message)? {
            First::Sent(routed) => Ok(routed),
            First::Waits(envelope, at) => self.send_by(envelope, at, None),
        }
    }

    /// Publishes, blocking until there is room in every queue, at most for `span` on the broker's clock.
    ///
    /// With a manual clock, only [`Broker::advance`](crate::Broker::advance) makes time pass.
    ///
    /// # Errors
    ///
    /// As [`Publisher::send`], and [`Timeout`](PublishErrorKind::Timeout) with the message.
    pub fn send_timeout(&mut self, key: &str, message: Message, span: Duration) -> Result<Routed, PublishError> {
        let deadline = self.engine.now() + span;
        match self.send_first(key, message)? {
            First::Sent(routed) => Ok(routed),
            First::Waits(envelope, at) => self.send_by(envelope, at, Some(deadline)),
        }
    }

    /// How many queues a remembered route has: a publish to a known key, as far as the route. For benches.
    pub(crate) fn known_route(&self, key: &str) -> Option<usize> {
        let (_, at) = self.routes.find(key)?;
        Some(self.routes.cells(at).len())
    }

    /// Freezes the message and finds its route, which is mostly remembered.
    #[inline(always)]
    fn prepare(&mut self, key: &str, message: Message) -> Result<(SharedEnvelope, At), PublishError> {
        if !self.engine.is_stopped()
            && let Some((key, at)) = self.routes.find(key)
        {
            let envelope = freeze(&self.engine, &self.exchange, key, message)?;
            return if envelope.has_carbon() { self.route(envelope) } else { Ok((envelope, at)) };
        }
        self.prepare_anew(key, message)
    }

    /// As [`Publisher::prepare`], with a route that is not remembered.
    fn prepare_anew(&mut self, key: &str, message: Message) -> Result<(SharedEnvelope, At), PublishError> {
        if self.engine.is_stopped() {
            return Err(PublishError::new(PublishErrorKind::Closed, message));
        }
        let key = match Name::new(key) {
            Ok(key) => key,
            Err(error) => return Err(PublishError::new(PublishErrorKind::NameTooLong(error), message)),
        };
        let envelope = freeze(&self.engine, &self.exchange, &key, message)?;
        self.route(envelope)
    }

    /// Finds the route of a message anew.
    fn route(&mut self, envelope: SharedEnvelope) -> Result<(SharedEnvelope, At), PublishError> {
        match self.routes.take(&self.engine, &self.exchange, &envelope) {
            Ok(at) => Ok((envelope, at)),
            Err(why) => Err(no_route(&self.engine, why, envelope)),
        }
    }

    /// Makes an attempt to publish, as a step of the log. `ended` tells whether it came to an end, and how.
    #[cold]
    fn told<T>(
        &mut self,
        envelope: &SharedEnvelope,
        attempt: impl FnOnce(&mut Self) -> T,
        ended: impl FnOnce(&T) -> Option<Result<Routed, &PublishError>>,
    ) -> T {
        let given = envelope.as_given();
        self.told_of(envelope.routing_key(), given.properties(), given.body(), attempt, ended)
    }

    /// As [`Publisher::told`], of a message that is not frozen.
    fn told_of<T>(
        &mut self,
        key: &str,
        properties: &Properties,
        body: &[u8],
        attempt: impl FnOnce(&mut Self) -> T,
        ended: impl FnOnce(&T) -> Option<Result<Routed, &PublishError>>,
    ) -> T {
        let engine = Arc::clone(&self.engine);
        let (exchange, label, mandatory) = (self.exchange.clone(), self.label.clone(), self.mandatory);
        let Some(recording) = engine.recording() else { return attempt(self) };
        let label = label.as_deref();
        let asked = Asked { label, exchange: &exchange, routing_key: key, properties, body, mandatory };
        told_attempt(&engine, recording, &asked, || attempt(self), ended)
    }

    /// Lets go of a route that is not remembered.
    #[inline]
    fn release(&mut self, at: At) {
        if matches!(at, At::Passing) {
            self.routes.release();
        }
    }
}

/// What a log calls a new publisher, if there is a log.
fn new_label(engine: &Engine) -> Option<Box<str>> {
    engine.recording().map(|recording| recording.next_proxy('p').into())
}

impl Drop for Publisher {
    /// Has the log forget it.
    fn drop(&mut self) {
        if let (Some(recording), Some(label)) = (self.engine.recording(), &self.label) {
            recording.forget(label);
        }
    }
}

/// A publisher to the same exchange, mandatory if this one is. It finds its own routes.
impl Clone for Publisher {
    fn clone(&self) -> Self {
        Self {
            engine: Arc::clone(&self.engine),
            exchange: self.exchange.clone(),
            mandatory: self.mandatory,
            routes: self.routes.fresh(),
            label: new_label(&self.engine),
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Publisher");
        debug.field("exchange", &self.exchange).field("mandatory", &self.mandatory).finish_non_exhaustive()
    }
}

/// Publishes once, without remembering anything and without waiting.
pub(super) fn publish(engine: &Engine, exchange: &str, key: &str, message: Message) -> Result<Routed, PublishError> {
    if engine.is_stopped() {
        return Err(PublishError::new(PublishErrorKind::Closed, message));
    }
    let names = Name::new(exchange).and_then(|exchange| Ok((exchange, Name::new(key)?)));
    let (exchange, key) = match names {
        Ok(names) => names,
        Err(error) => return Err(PublishError::new(PublishErrorKind::NameTooLong(error), message)),
    };
    let envelope = freeze(engine, &exchange, &key, message)?;
    let cells = match engine.route(envelope.exchange(), &envelope) {
        Ok(cells) => cells,
        Err(why) => return Err(no_route(engine, why, envelope)),
    };
    publish_now(engine, envelope, &cells, false)
}

/// Brings a message to its queues, and says what that means.
fn publish_now(
    engine: &Engine,
    envelope: SharedEnvelope,
    cells: &[Arc<QueueCell>],
    mandatory: bool,
) -> Result<Routed, PublishError> {
    #[cfg(feature = "testing")]
    if let Some(faulty) = faulty::Faulty::of(engine, &envelope, cells) {
        return faulty.publish(engine, cells, mandatory);
    }
    let outcome = deliver(engine, &envelope, cells, mandatory);
    conclude(engine, &outcome, envelope, mandatory)
}

/// Brings a message to its queues.
fn deliver(engine: &Engine, envelope: &SharedEnvelope, cells: &[Arc<QueueCell>], mandatory: bool) -> Outcome {
    if !engine.is_heard() {
        let outcome = engine.deliver(None, envelope, cells);
        engine.reply(envelope);
        return outcome;
    }
    deliver_heard(engine, envelope, cells, mandatory)
}

/// As [`deliver`], where somebody listens.
#[cold]
fn deliver_heard(engine: &Engine, envelope: &SharedEnvelope, cells: &[Arc<QueueCell>], mandatory: bool) -> Outcome {
    let _deferred = engine.quietly();
    engine.announce(None, envelope, cells);
    let outcome = engine.deliver(None, envelope, cells);
    let is_reply = engine.reply(envelope);
    if cells.is_empty() && (mandatory || !is_reply) {
        engine.unroutable(envelope, mandatory);
    }
    outcome
}

#[inline]
fn freeze(engine: &Engine, exchange: &Name, key: &Name, message: Message) -> Result<SharedEnvelope, PublishError> {
    Envelope::freeze(exchange, key, message, &engine.limits).map_err(|refused| {
        let (error, message) = *refused;
        PublishError::new(PublishErrorKind::Invalid(error), message)
    })
}

/// The error for a message without a route. A shutdown takes every exchange away: then that is the reason.
fn no_route(engine: &Engine, why: NoRoute, envelope: SharedEnvelope) -> PublishError {
    engine.unpublished(&envelope, why);
    let kind = match (engine.is_closed(), why) {
        (true, _) => PublishErrorKind::Closed,
        (false, NoRoute::NoExchange) => PublishErrorKind::NoExchange(envelope.exchange().to_string()),
        (false, NoRoute::Internal) => PublishErrorKind::Internal(envelope.exchange().to_string()),
    };
    PublishError::new(kind, Envelope::give_back(envelope))
}

/// Says what the outcome means to the publisher.
fn conclude(
    engine: &Engine,
    outcome: &Outcome,
    envelope: SharedEnvelope,
    mandatory: bool,
) -> Result<Routed, PublishError> {
    let Outcome { taken, refused, full, .. } = *outcome;
    let kind = if refused > 0 {
        PublishErrorKind::Refused { refused, taken }
    } else if full > 0 {
        PublishErrorKind::Full { full, taken }
    } else if taken == 0 && engine.is_closed() {
        PublishErrorKind::Closed
    } else if taken == 0 && mandatory {
        let (exchange, routing_key) = (envelope.exchange().to_string(), envelope.routing_key().to_string());
        PublishErrorKind::Unroutable { exchange, routing_key }
    } else {
        return Ok(Routed { queues: taken });
    };
    Err(PublishError::new(kind, Envelope::give_back(envelope)))
}
