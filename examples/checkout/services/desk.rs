//! What a service's thread works with: the message in hand as a job, and a desk with its publishers.

use crate::names::EVENTS;
use crate::orders::Order;
use crate::retry::Failure;
use crate::shop::Shop;
use bytes::Bytes;
use leveret::{Delivery, Message, Properties, PublishErrorKind, Publisher, Value};

/// A message in hand.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// The order's line in the input, which its correlation id tells.
    pub(crate) line: u32,
    /// What happened: the routing key of the event.
    pub(crate) key: String,
    /// Which attempt at it this is.
    pub(crate) attempt: u32,
    /// How often it crashed the service.
    pub(crate) crashes: u32,
    /// The order as it was sent.
    pub(crate) body: Bytes,
    /// Where an answer is to go.
    pub(crate) reply_to: Option<String>,
    /// What ties the message to its order.
    pub(crate) correlation_id: Option<String>,
}

impl Job {
    /// Reads a delivery of this line.
    pub(crate) fn of(delivery: &Delivery, line: u32, crashes: u32) -> Self {
        let properties = delivery.properties();
        let text = |name: &str| delivery.header(name).and_then(Value::as_str);
        let attempt = delivery.header("attempt").and_then(Value::as_integer);
        Self {
            line,
            key: text("event").unwrap_or_else(|| delivery.routing_key().as_str()).to_owned(),
            attempt: attempt.and_then(|attempt| u32::try_from(attempt).ok()).unwrap_or(1),
            crashes,
            body: delivery.body().clone(),
            reply_to: properties.reply_to.as_deref().map(str::to_owned),
            correlation_id: properties.correlation_id.as_deref().map(str::to_owned),
        }
    }

    /// The order in it.
    ///
    /// # Errors
    ///
    /// What is wrong with it; trying again is no use.
    pub(crate) fn order(&self) -> Result<Order, Failure> {
        Order::parse(&self.body).map_err(Failure::Never)
    }
}

/// The line of the input that a message belongs to: `line-42` and everything beneath it, such as `line-42/1`.
pub(crate) fn line_of(properties: &Properties) -> Option<u32> {
    let id = properties.correlation_id.as_deref()?.strip_prefix("line-")?;
    id.split('/').next()?.parse().ok()
}

/// The correlation id of a line.
pub(crate) fn correlation_id(line: u32) -> String {
    format!("line-{line}")
}

/// A service's thread's place: the shop, and publishers of its own.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    shop: &'a Shop,
    service: &'static str,
    events: Publisher,
    queues: Publisher,
}

impl<'a> Desk<'a> {
    /// Takes place.
    ///
    /// # Errors
    ///
    /// What the broker says.
    pub(crate) fn open(shop: &'a Shop, service: &'static str) -> Result<Self, PublishErrorKind> {
        let (events, queues) = (shop.broker.publisher(EVENTS)?, shop.broker.publisher("")?);
        Ok(Self { shop, service, events: events.mandatory(), queues: queues.mandatory() })
    }

    /// The shop.
    pub(crate) fn shop(&self) -> &'a Shop {
        self.shop
    }

    /// Tells everyone whom it concerns what happened to an order. Waits where a queue is full.
    ///
    /// # Errors
    ///
    /// [`Failure::Closing`] where the shop closes; [`Failure::Never`] where the event cannot be told.
    pub(crate) fn tell(&mut self, job: &Job, key: &str, note: Option<&str>) -> Result<(), Failure> {
        let id = correlation_id(job.line);
        let mut message = Message::new(job.body.clone())
            .content_type("application/json")
            .message_id(format!("{id}/{key}/{}", job.attempt))
            .correlation_id(id)
            .app_id(self.service)
            .header("attempt-made", i64::from(job.attempt))
            .header("at-micros", i64::try_from(self.shop.age().as_micros()).unwrap_or(i64::MAX));
        if let Some(note) = note {
            message = message.header("reason", note);
        }
        self.events.blocking_send(key, message).map(drop).map_err(|error| failure(error.kind()))
    }

    /// Sends a message to one queue. Waits where it is full.
    ///
    /// # Errors
    ///
    /// As [`Desk::tell`].
    pub(crate) fn send(&mut self, queue: &str, message: Message) -> Result<(), Failure> {
        self.queues.blocking_send(queue, message).map(drop).map_err(|error| failure(error.kind()))
    }
}

/// A publish that did not work.
fn failure(error: &PublishErrorKind) -> Failure {
    match error {
        PublishErrorKind::Closed => Failure::Closing,
        other => Failure::Never(other.to_string()),
    }
}
