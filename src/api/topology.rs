//! A topology as data: what exchanges, queues, bindings and policies a program wants.
//!
//! A value of its own rather than a list of calls, so that it can be compared with what there is before anything is
//! changed, kept in a file, and read from RabbitMQ's definitions files. Everything in it is durable unless it says
//! otherwise. Names and arguments are checked when it is declared; then every mistake is reported, not only the first.

use super::exchange::Exchange;
use super::queue::Queue;
use crate::message::{Table, Value};
use crate::queue::Policy;

/// The exchanges, queues, bindings and policies that a program wants.
///
/// ```
/// use leveret::{Exchange, Overflow, Queue, Topology};
///
/// let topology = Topology::new()
///     .exchange(Exchange::topic("events").alternate("unrouted"))
///     .exchange(Exchange::fanout("unrouted"))
///     .queue(Queue::new("orders").bind("events", "order.*.created").dead_letter_to("orders.dlq"))
///     .queue(Queue::new("orders.dlq").max_length(10_000, Overflow::DropHead))
///     .queue(Queue::new("unrouted").bind("unrouted", ""));
/// assert_eq!(topology.queues().count(), 3);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Topology {
    pub(super) policies: Vec<Policy>,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) queues: Vec<Queue>,
}

impl Topology {
    /// Wants nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wants this exchange too.
    #[must_use]
    pub fn exchange(mut self, exchange: Exchange) -> Self {
        self.exchanges.push(exchange);
        self
    }

    /// Wants this queue too.
    #[must_use]
    pub fn queue(mut self, queue: Queue) -> Self {
        self.queues.push(queue);
        self
    }

    /// Wants this policy too.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// The exchanges, in the order in which they were put in.
    pub fn exchanges(&self) -> impl ExactSizeIterator<Item = &Exchange> {
        self.exchanges.iter()
    }

    /// The queues, in the order in which they were put in.
    pub fn queues(&self) -> impl ExactSizeIterator<Item = &Queue> {
        self.queues.iter()
    }

    /// The policies, in the order in which they were put in.
    pub fn policies(&self) -> impl ExactSizeIterator<Item = &Policy> {
        self.policies.iter()
    }
}

/// A binding, seen from the queue or exchange that it leads to.
///
/// ```
/// use leveret::Binding;
///
/// let vip = Binding::to("by-attributes").argument("x-match", "all").argument("tier", "vip");
/// assert_eq!(vip.source(), "by-attributes");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Binding {
    pub(super) source: String,
    pub(super) key: String,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Table::is_empty"))]
    pub(super) arguments: Table,
}

impl Binding {
    /// A binding to this exchange: what is published there comes. With the empty key and no arguments.
    #[must_use]
    pub fn to(source: impl Into<String>) -> Self {
        Self { source: source.into(), ..Self::default() }
    }

    /// Sets its key: a pattern for a topic exchange, nothing for a fanout or headers exchange.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// Sets one argument: what a headers exchange compares.
    #[must_use]
    pub fn argument(mut self, name: impl AsRef<str>, value: impl Into<Value>) -> Self {
        self.arguments.insert(name, value);
        self
    }

    /// Sets all arguments at once, in the place of those there were.
    #[must_use]
    pub fn arguments(mut self, arguments: Table) -> Self {
        self.arguments = arguments;
        self
    }

    /// The exchange that it comes from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its key.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        &self.key
    }

    /// Its arguments.
    #[must_use]
    pub const fn table(&self) -> &Table {
        &self.arguments
    }
}
