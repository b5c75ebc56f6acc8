//! What a broker does once: publish, get, declare, bind, delete; and the handles that it gives.

use super::broker::Broker;
use super::channel::declared_fields;
use super::consumer::ConsumerBuilder;
use super::delivery::Delivery;
use super::publisher::{PublishError, PublishErrorKind, Publisher, Routed, publish};
use super::recorded::calls::{told_call, told_get};
use super::recorded::publishing::{self, told_attempt};
use super::recorded::requests::{
    bind_parameters, counted, delete_parameters, exchange_delete_parameters, exchange_parameters, queue_parameters,
};
use super::source::Source;
use super::topology::Binding;
use crate::engine::replies::REPLY_TO;
use crate::engine::{
    End, ExchangeDeclare, ExchangeDelete, GetMode, Got, QueueDeclare, QueueDeclared, QueueDelete, TopologyError, With,
};
use crate::message::Message;
use crate::queue::effect::Handout;
use std::sync::Arc;

impl Broker {
    /// Publishes one message, without waiting. For many to one exchange, a [`Publisher`] is faster.
    ///
    /// `Ok` with no queues says that no queue is bound for the message and that it is gone, as in RabbitMQ without
    /// `mandatory` (RabbitMQ: "Publishers", unroutable messages). [`Publisher::mandatory`] makes an error of that. A
    /// queue that drops at its head takes the message and drops another (RabbitMQ: "Queue Length Limit").
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the message. Its kind is [`NoExchange`](PublishErrorKind::NoExchange) or
    /// [`Internal`](PublishErrorKind::Internal) for the exchange, [`Invalid`](PublishErrorKind::Invalid) or
    /// [`NameTooLong`](PublishErrorKind::NameTooLong) for what AMQP cannot carry, [`Refused`](PublishErrorKind::Refused)
    /// where a queue is full by its own arguments, [`Full`](PublishErrorKind::Full) where it is at the broker's bound,
    /// or [`Closed`](PublishErrorKind::Closed).
    ///
    /// ```
    /// use leveret::{Broker, Message, QueueDeclare};
    ///
    /// let broker = Broker::new();
    /// broker.declare_queue(&QueueDeclare::new("orders"))?;
    /// assert_eq!(broker.publish("", "orders", Message::new("one"))?.queues, 1);
    /// assert_eq!(broker.publish("", "nobody", Message::new("two"))?.queues, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish(&self, exchange: &str, key: &str, message: Message) -> Result<Routed, PublishError> {
        let engine = self.engine();
        let Some(recording) = engine.recording() else { return publish(engine, exchange, key, message) };
        let (properties, body) = (message.properties().clone(), message.body().clone());
        let asked = publishing::Asked {
            label: None,
            exchange,
            routing_key: key,
            properties: &properties,
            body: &body,
            mandatory: false,
        };
        let publish = || publish(engine, exchange, key, message);
        told_attempt(engine, recording, &asked, publish, |done| Some(done.as_ref().copied()))
    }

    /// A handle for publishing to one exchange. The empty name is the default exchange, whose keys are queue names (AMQP
    /// 0-9-1 section 3.1.3.1).
    ///
    /// # Errors
    ///
    /// [`PublishErrorKind::NoExchange`], [`PublishErrorKind::Internal`], [`PublishErrorKind::NameTooLong`] or
    /// [`PublishErrorKind::Closed`].
    pub fn publisher(&self, exchange: &str) -> Result<Publisher, PublishErrorKind> {
        Publisher::new(self.engine(), exchange)
    }

    /// A consumer of a queue, to be opened with [`ConsumerBuilder::open`].
    ///
    /// ```
    /// use leveret::{Broker, QueueDeclare};
    ///
    /// let broker = Broker::new();
    /// broker.declare_queue(&QueueDeclare::new("orders"))?;
    /// let mut orders = broker.consumer("orders").prefetch(10).open()?;
    /// assert!(orders.try_recv().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn consumer<'a>(&'a self, queue: &'a str) -> ConsumerBuilder<'a> {
        ConsumerBuilder::new(self.engine(), queue)
    }

    /// Takes one message from a queue, if one is ready: `basic.get`. For more than a few, a consumer is better.
    ///
    /// # Errors
    ///
    /// [`TopologyError::NoQueue`], [`TopologyError::Locked`] for one that is exclusive to a connection,
    /// [`TopologyError::NameTooLong`], [`TopologyError::LimitReached`] where
    /// [`Limits::unacked_messages`](crate::Limits::unacked_messages) of it are out, [`TopologyError::Closed`] also while
    /// the broker shuts down.
    ///
    /// ```
    /// use leveret::{Broker, Message, QueueDeclare};
    ///
    /// let broker = Broker::new();
    /// broker.declare_queue(&QueueDeclare::new("orders"))?;
    /// assert!(broker.get("orders")?.is_none());
    /// broker.publish("", "orders", Message::new("one"))?;
    /// broker.get("orders")?.ok_or("one is ready")?.ack();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self, queue: &str) -> Result<Option<Delivery>, TopologyError> {
        let engine = self.engine();
        if engine.is_stopped() {
            return Err(TopologyError::Closed);
        }
        if engine.recording().is_none() && !engine.is_heard() {
            let source = Source::find_shared(engine, queue)?;
            let handout = get_from(&source, |handout, _| handout)?;
            return Ok(handout.map(|handout| Delivery::new(Arc::new(source), handout)));
        }
        let deferred = engine.quietly();
        let got = told_get(engine, queue, |source, tell| {
            get_from(source, |handout, left| {
                tell(source, &handout, left);
                handout
            })
        });
        let got = got.map(|got| got.map(|(source, handout)| Delivery::new(source, handout)));
        drop(deferred);
        got
    }

    /// Declares a queue. One that is there just so stays as it is. The empty name asks the broker for one.
    ///
    /// An exclusive queue belongs to a connection; declare it with
    /// [`Channel::queue_declare`](crate::Channel::queue_declare).
    ///
    /// # Errors
    ///
    /// [`TopologyError::Inequivalent`] where it exists and differs, [`TopologyError::InvalidQueue`] for arguments that
    /// RabbitMQ does not take, [`TopologyError::ReservedQueue`], [`TopologyError::NameTooLong`],
    /// [`TopologyError::ExclusiveWithoutConnection`], [`TopologyError::Locked`] for one of a connection,
    /// [`TopologyError::NoQueue`] for a passive request, [`TopologyError::LimitReached`], [`TopologyError::Closed`].
    pub fn declare_queue(&self, request: &QueueDeclare) -> Result<QueueDeclared, TopologyError> {
        if request.queue.starts_with(REPLY_TO) {
            // A channel has an answer to this.
            return self.engine().queue_declare(None, request);
        }
        let reply = |declared: &QueueDeclared, fields: &mut With| {
            declared_fields(fields, declared);
            "queue.declare-ok"
        };
        let with = |with: &mut With| queue_parameters(with, request);
        told_call(self.engine(), "queue.declare", with, reply, || self.engine().queue_declare(None, request))
    }

    /// Declares an exchange. One that is there just so stays as it is.
    ///
    /// # Errors
    ///
    /// [`TopologyError::Inequivalent`] where it exists and differs, [`TopologyError::UnknownKind`],
    /// [`TopologyError::ReservedExchange`], [`TopologyError::DefaultExchange`], [`TopologyError::ExchangeArgument`],
    /// [`TopologyError::NameTooLong`], [`TopologyError::NoExchange`] for a passive request,
    /// [`TopologyError::LimitReached`], [`TopologyError::Closed`].
    ///
    /// ```
    /// use leveret::{Broker, ExchangeDeclare};
    ///
    /// let broker = Broker::new();
    /// broker.declare_exchange(&ExchangeDeclare::new("events", "topic").durable())?;
    /// assert!(broker.declare_exchange(&ExchangeDeclare::new("events", "fanout").durable()).is_err());
    /// # Ok::<(), leveret::TopologyError>(())
    /// ```
    pub fn declare_exchange(&self, request: &ExchangeDeclare) -> Result<(), TopologyError> {
        let with = |with: &mut With| exchange_parameters(with, request);
        let work = || self.engine().exchange_declare(request);
        told_call(self.engine(), "exchange.declare", with, |(), _| "exchange.declare-ok", work)
    }

    /// Binds a queue to an exchange. Doing it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`TopologyError::NoQueue`], [`TopologyError::NoExchange`], [`TopologyError::DefaultExchange`],
    /// [`TopologyError::InvalidMatch`] for what a headers exchange cannot read, [`TopologyError::Locked`] for a queue of a
    /// connection, [`TopologyError::NameTooLong`], [`TopologyError::LimitReached`], [`TopologyError::Closed`].
    ///
    /// ```
    /// use leveret::{Binding, Broker, Message, QueueDeclare};
    ///
    /// let broker = Broker::new();
    /// broker.declare_queue(&QueueDeclare::new("orders"))?;
    /// broker.bind("orders", &Binding::to("amq.topic").key("order.#"))?;
    /// assert_eq!(broker.publish("amq.topic", "order.eu.created", Message::new("one"))?.queues, 1);
    /// broker.unbind("orders", &Binding::to("amq.topic").key("order.#"))?;
    /// assert_eq!(broker.publish("amq.topic", "order.eu.created", Message::new("two"))?.queues, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bind(&self, queue: &str, binding: &Binding) -> Result<(), TopologyError> {
        let end = End::Queue(queue);
        let work = || self.engine().bind(None, binding.asked(end));
        let with = |with: &mut With| bind_parameters(with, end, binding);
        told_call(self.engine(), "queue.bind", with, |(), _| "queue.bind-ok", work)
    }

    /// Undoes a binding of a queue. That there is none, or that one of its ends is not there, is no error.
    ///
    /// # Errors
    ///
    /// [`TopologyError::DefaultExchange`], [`TopologyError::Locked`] for a queue of a connection,
    /// [`TopologyError::NameTooLong`], [`TopologyError::LimitReached`] for arguments, [`TopologyError::Closed`].
    pub fn unbind(&self, queue: &str, binding: &Binding) -> Result<(), TopologyError> {
        let end = End::Queue(queue);
        let work = || self.engine().unbind(None, binding.asked(end));
        let with = |with: &mut With| bind_parameters(with, end, binding);
        told_call(self.engine(), "queue.unbind", with, |(), _| "queue.unbind-ok", work)
    }

    /// Binds an exchange to another: what comes to the binding's source comes to `exchange` too (RabbitMQ: "Exchange to
    /// Exchange Bindings"). Cycles are allowed and end; a queue gets one copy.
    ///
    /// # Errors
    ///
    /// As [`Broker::bind`], but for what concerns queues.
    pub fn bind_exchange(&self, exchange: &str, binding: &Binding) -> Result<(), TopologyError> {
        let end = End::Exchange(exchange);
        let with = |with: &mut With| bind_parameters(with, end, binding);
        let work = || self.engine().bind(None, binding.asked(end));
        told_call(self.engine(), "exchange.bind", with, |(), _| "exchange.bind-ok", work)
    }

    /// Undoes a binding of an exchange to another. That there is none, or that one of its ends is not there, is no error.
    ///
    /// # Errors
    ///
    /// As [`Broker::unbind`], but for what concerns queues.
    pub fn unbind_exchange(&self, exchange: &str, binding: &Binding) -> Result<(), TopologyError> {
        let end = End::Exchange(exchange);
        let with = |with: &mut With| bind_parameters(with, end, binding);
        let work = || self.engine().unbind(None, binding.asked(end));
        told_call(self.engine(), "exchange.unbind", with, |(), _| "exchange.unbind-ok", work)
    }

    /// Deletes a queue with its messages, and says how many were ready. Its consumers end. One that is not there is no
    /// error. Nothing is dead-lettered.
    ///
    /// # Errors
    ///
    /// [`TopologyError::QueueInUse`] or [`TopologyError::QueueNotEmpty`] where a condition of the request does not hold,
    /// [`TopologyError::ConditionalDelete`] for any condition on a quorum queue, [`TopologyError::Locked`] for one of a
    /// connection, [`TopologyError::NameTooLong`].
    pub fn delete_queue(&self, request: &QueueDelete) -> Result<u64, TopologyError> {
        let with = |with: &mut With| delete_parameters(with, request);
        let work = || self.engine().queue_delete(None, request);
        told_call(self.engine(), "queue.delete", with, |count, fields| counted(count, fields, "queue.delete-ok"), work)
    }

    /// Deletes an exchange with its bindings. One that is not there is no error.
    ///
    /// # Errors
    ///
    /// [`TopologyError::SystemExchange`] or [`TopologyError::DefaultExchange`] for a predeclared one,
    /// [`TopologyError::ExchangeInUse`] where the request asked for an unused one, [`TopologyError::NameTooLong`],
    /// [`TopologyError::Closed`].
    pub fn delete_exchange(&self, request: &ExchangeDelete) -> Result<(), TopologyError> {
        let with = |with: &mut With| exchange_delete_parameters(with, request);
        let work = || self.engine().exchange_delete(request);
        told_call(self.engine(), "exchange.delete", with, |(), _| "exchange.delete-ok", work)
    }
}

/// Takes one message, which goes through `receive` under the queue's lock, with the number of those that are left.
#[inline]
fn get_from(
    source: &Source,
    receive: impl FnOnce(Handout, usize) -> Handout,
) -> Result<Option<Handout>, TopologyError> {
    let (engine, limit) = (&source.engine, source.engine.limits.unacked_messages);
    match engine.get(&source.cell, engine.next_session(), GetMode::Within(limit), receive) {
        Got::Message(handout) => Ok(Some(handout)),
        Got::Nothing => Ok(None),
        Got::TooManyOut => Err(TopologyError::LimitReached { what: "unsettled deliveries", limit }),
        Got::Gone => Err(source.gone()),
    }
}
