//! What is asked of the topology: the arguments of AMQP's exchange and queue methods as values.
//!
//! They are plain data. Names are checked when the request is carried out, in RabbitMQ's order, so that one with two
//! mistakes fails with the one that RabbitMQ would name.

use crate::base::Name;
use crate::message::{Table, Value};

/// A request to declare an exchange: AMQP's `exchange.declare`.
///
/// Neither durable, auto-deleted nor internal unless said.
///
/// ```
/// use leveret::ExchangeDeclare;
///
/// let events = ExchangeDeclare::new("events", "topic").durable().argument("alternate-exchange", "unrouted");
/// assert_eq!(events, events.clone());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ExchangeDeclare {
    pub(crate) exchange: String,
    pub(crate) kind: String,
    pub(crate) passive: bool,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) internal: bool,
    pub(crate) arguments: Table,
}

impl ExchangeDeclare {
    /// Asks for an exchange of this name and type: `direct`, `fanout`, `topic` or `headers`.
    #[must_use]
    pub fn new(exchange: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            exchange: exchange.into(),
            kind: kind.into(),
            passive: false,
            durable: false,
            auto_delete: false,
            internal: false,
            arguments: Table::new(),
        }
    }

    /// Asks only whether it exists; type, flags and arguments are not looked at.
    #[must_use]
    pub const fn passive(mut self) -> Self {
        self.passive = true;
        self
    }

    /// Makes it outlive a restart.
    #[must_use]
    pub const fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Lets it go with the last binding from it.
    #[must_use]
    pub const fn auto_delete(mut self) -> Self {
        self.auto_delete = true;
        self
    }

    /// Keeps publishers out: only bindings, alternates and dead letters lead to it.
    #[must_use]
    pub const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// Sets one argument.
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
}

/// A request to delete an exchange: AMQP's `exchange.delete`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeDelete {
    pub(crate) exchange: String,
    pub(crate) if_unused: bool,
}

impl ExchangeDelete {
    /// Asks for the exchange of this name to go. One that is not there is no error.
    #[must_use]
    pub fn new(exchange: impl Into<String>) -> Self {
        Self { exchange: exchange.into(), if_unused: false }
    }

    /// Refuses while bindings from it are left.
    #[must_use]
    pub const fn if_unused(mut self) -> Self {
        self.if_unused = true;
        self
    }
}

/// A binding from one exchange to another, to make or to undo: AMQP's `exchange.bind` and `exchange.unbind`.
///
/// ```
/// use leveret::ExchangeBinding;
///
/// let audit = ExchangeBinding::new("audit", "events").key("#");
/// # let _ = audit;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ExchangeBinding {
    pub(crate) destination: String,
    pub(crate) source: String,
    pub(crate) key: String,
    pub(crate) arguments: Table,
}

impl ExchangeBinding {
    /// A binding to `destination` from `source`, with the empty key: the order of AMQP's own arguments.
    #[must_use]
    pub fn new(destination: impl Into<String>, source: impl Into<String>) -> Self {
        Self { destination: destination.into(), source: source.into(), key: String::new(), arguments: Table::new() }
    }

    /// Sets its key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// Sets one argument.
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
}

/// A request to declare a queue: AMQP's `queue.declare`.
///
/// Classic and neither durable, exclusive nor auto-deleted unless said. The empty name asks the broker for one.
///
/// ```
/// use leveret::QueueDeclare;
///
/// let orders = QueueDeclare::new("orders").durable().argument("x-queue-type", "quorum");
/// let reply_queue = QueueDeclare::new("").exclusive();
/// assert_ne!(orders, reply_queue);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueDeclare {
    pub(crate) queue: String,
    pub(crate) passive: bool,
    pub(crate) durable: bool,
    pub(crate) exclusive: bool,
    pub(crate) auto_delete: bool,
    pub(crate) arguments: Table,
}

impl QueueDeclare {
    /// Asks for a queue of this name.
    #[must_use]
    pub fn new(queue: impl Into<String>) -> Self {
        Self { queue: queue.into(), ..Self::default() }
    }

    /// Asks only whether it exists; flags and arguments are not looked at.
    #[must_use]
    pub const fn passive(mut self) -> Self {
        self.passive = true;
        self
    }

    /// Makes it outlive a restart.
    #[must_use]
    pub const fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Gives it to the connection that declares it: no other may use it, and it goes with that connection.
    #[must_use]
    pub const fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// Lets it go with its last consumer.
    #[must_use]
    pub const fn auto_delete(mut self) -> Self {
        self.auto_delete = true;
        self
    }

    /// Sets one argument.
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
}

/// What a queue declaration gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueDeclared {
    /// The queue's name: the broker's choice where none was given.
    pub queue: Name,
    /// Messages that are ready; those out with consumers are not counted.
    pub message_count: u64,
    /// Consumers.
    pub consumer_count: u64,
}

/// A binding from an exchange to a queue, to make or to undo: AMQP's `queue.bind` and `queue.unbind`.
///
/// ```
/// use leveret::QueueBinding;
///
/// let binding = QueueBinding::new("orders", "events").key("order.*.created");
/// # let _ = binding;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct QueueBinding {
    pub(crate) queue: String,
    pub(crate) exchange: String,
    pub(crate) key: String,
    pub(crate) arguments: Table,
}

impl QueueBinding {
    /// A binding of `queue` to `exchange`, with the empty key.
    #[must_use]
    pub fn new(queue: impl Into<String>, exchange: impl Into<String>) -> Self {
        Self { queue: queue.into(), exchange: exchange.into(), key: String::new(), arguments: Table::new() }
    }

    /// Sets its key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// Sets one argument.
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
}

/// A request to delete a queue: AMQP's `queue.delete`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDelete {
    pub(crate) queue: String,
    pub(crate) if_unused: bool,
    pub(crate) if_empty: bool,
}

impl QueueDelete {
    /// Asks for the queue of this name to go. One that is not there is no error.
    #[must_use]
    pub fn new(queue: impl Into<String>) -> Self {
        Self { queue: queue.into(), if_unused: false, if_empty: false }
    }

    /// Refuses while it has consumers.
    #[must_use]
    pub const fn if_unused(mut self) -> Self {
        self.if_unused = true;
        self
    }

    /// Refuses while messages are ready in it.
    #[must_use]
    pub const fn if_empty(mut self) -> Self {
        self.if_empty = true;
        self
    }
}
