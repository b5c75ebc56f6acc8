//! A queue as data.

use super::topology::Binding;
use crate::message::{Table, Value};
use crate::queue::{Overflow, Strategy, number, whole_millis};
use std::time::Duration;

/// A queue that a program wants: classic, durable and kept unless said.
///
/// Nothing is checked before [`Broker::declare`](crate::Broker::declare), which refuses what RabbitMQ refuses.
///
/// What is set here becomes the queue's arguments, by RabbitMQ's names for them; [`argument`](Queue::argument) sets what
/// has no method.
///
/// ```
/// use std::time::Duration;
/// use leveret::{Overflow, Queue};
///
/// let orders = Queue::new("orders")
///     .bind("events", "order.*.created")
///     .message_ttl(Duration::from_secs(60))
///     .max_length(10_000, Overflow::RejectPublish)
///     .dead_letter_exchange("dead")
///     .dead_letter_routing_key("orders");
/// assert_eq!(orders.arguments().get("x-message-ttl").and_then(|v| v.as_integer()), Some(60_000));
///
/// let payments = Queue::new("payments").quorum().delivery_limit(5).dead_letter_to("payments.dlq");
/// assert_eq!(payments.arguments().get("x-dead-letter-routing-key").and_then(|v| v.as_str()), Some("payments.dlq"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Queue {
    pub(super) name: String,
    #[cfg_attr(feature = "serde", serde(default = "super::words::yes"))]
    pub(super) durable: bool,
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) auto_delete: bool,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Table::is_empty"))]
    pub(super) arguments: Table,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub(super) bindings: Vec<Binding>,
}

impl Queue {
    /// A queue of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), durable: true, auto_delete: false, arguments: Table::new(), bindings: Vec::new() }
    }

    /// Makes it a quorum queue: it counts deliveries and ends endless returns (RabbitMQ: "Quorum Queues"). Here it has one
    /// replica, which is this process.
    #[must_use]
    pub fn quorum(self) -> Self {
        self.argument("x-queue-type", "quorum")
    }

    /// Lets it end with the broker: RabbitMQ's `durable: false`.
    #[must_use]
    pub const fn transient(mut self) -> Self {
        self.durable = false;
        self
    }

    /// Lets it go with its last consumer. One that never had a consumer stays.
    #[must_use]
    pub const fn auto_delete(mut self) -> Self {
        self.auto_delete = true;
        self
    }

    /// Binds it to an exchange: what is published there with a fitting key comes here.
    #[must_use]
    pub fn bind(self, exchange: impl Into<String>, key: impl Into<String>) -> Self {
        self.binding(Binding::to(exchange).key(key))
    }

    /// Binds it to an exchange, with arguments where the binding has them.
    #[must_use]
    pub fn binding(mut self, binding: Binding) -> Self {
        self.bindings.push(binding);
        self
    }

    /// Sends its dead to this queue, through the default exchange (RabbitMQ: "Dead Letter Exchanges"). Where that queue
    /// does not exist when a message dies, the message is dropped and counted.
    #[must_use]
    pub fn dead_letter_to(self, queue: impl AsRef<str>) -> Self {
        self.dead_letter_exchange("").dead_letter_routing_key(queue)
    }

    /// Sends its dead to this exchange, with their own keys unless one is set (RabbitMQ: "Dead Letter Exchanges"). It
    /// need not exist; then they are dropped and counted.
    #[must_use]
    pub fn dead_letter_exchange(self, exchange: impl AsRef<str>) -> Self {
        self.argument("x-dead-letter-exchange", exchange.as_ref())
    }

    /// Publishes its dead with this key. Needs a dead-letter exchange.
    #[must_use]
    pub fn dead_letter_routing_key(self, key: impl AsRef<str>) -> Self {
        self.argument("x-dead-letter-routing-key", key.as_ref())
    }

    /// Says how surely its dead arrive (RabbitMQ: "At-Least-Once Dead Lettering"). Quorum queues only.
    #[must_use]
    pub fn dead_letter_strategy(self, strategy: Strategy) -> Self {
        self.argument("x-dead-letter-strategy", strategy.as_str())
    }

    /// Limits ready messages, and says what it does when it is full (RabbitMQ: "Queue Length Limit"). What is out with
    /// consumers does not count. A later call with another overflow decides for both limits.
    #[must_use]
    pub fn max_length(self, messages: u64, overflow: Overflow) -> Self {
        self.argument("x-max-length", number(messages)).overflow(overflow)
    }

    /// Limits bytes of ready bodies, and says what it does when it is full, as [`max_length`](Queue::max_length).
    #[must_use]
    pub fn max_length_bytes(self, bytes: u64, overflow: Overflow) -> Self {
        self.argument("x-max-length-bytes", number(bytes)).overflow(overflow)
    }

    /// The default needs no word, and so the queue equals one that never had it.
    fn overflow(mut self, overflow: Overflow) -> Self {
        if overflow == Overflow::DropHead {
            self.arguments.remove("x-overflow");
            return self;
        }
        self.argument("x-overflow", overflow.as_str())
    }

    /// Lets messages expire that waited this long (RabbitMQ: "Time-To-Live and Expiration"). Parts of a millisecond are
    /// cut off; with zero, a message that no consumer takes at once expires.
    #[must_use]
    pub fn message_ttl(self, ttl: Duration) -> Self {
        self.argument("x-message-ttl", whole_millis(ttl))
    }

    /// Lets the queue go, with its messages, when it was unused this long: no consumers, no `get`, not declared again
    /// (RabbitMQ: "Time-To-Live and Expiration"). Parts of a millisecond are cut off; zero is refused.
    #[must_use]
    pub fn expires(self, unused: Duration) -> Self {
        self.argument("x-expires", whole_millis(unused))
    }

    /// Serves higher priorities first, from 0 to `highest`; a higher one counts as `highest` (RabbitMQ: "Classic Queues
    /// Support Priorities"). Classic queues only.
    #[must_use]
    pub fn max_priority(self, highest: u8) -> Self {
        self.argument("x-max-priority", i64::from(highest))
    }

    /// Serves one consumer at a time; the next takes over when it goes (RabbitMQ: "Single Active Consumer").
    #[must_use]
    pub fn single_active_consumer(self) -> Self {
        self.argument("x-single-active-consumer", true)
    }

    /// Lets messages die after this many returns (RabbitMQ: "Quorum Queues", poison messages). Quorum queues only;
    /// theirs is 20 unless said.
    #[must_use]
    pub fn delivery_limit(self, returns: u32) -> Self {
        self.argument("x-delivery-limit", i64::from(returns))
    }

    /// Sets one argument.
    #[must_use]
    pub fn argument(mut self, name: impl AsRef<str>, value: impl Into<Value>) -> Self {
        self.arguments.insert(name, value);
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its arguments.
    #[must_use]
    pub const fn arguments(&self) -> &Table {
        &self.arguments
    }

    /// The bindings that lead to it.
    pub fn bindings(&self) -> impl ExactSizeIterator<Item = &Binding> {
        self.bindings.iter()
    }
}
