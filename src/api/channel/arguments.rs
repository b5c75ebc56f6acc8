//! The arguments of the basic methods, as values.

use crate::message::{Table, Value};

/// Where and how a message is published: the arguments of AMQP's `basic.publish`. Can be used again and again.
///
/// ```
/// use leveret::Publish;
///
/// let created = Publish::new("events", "order.created").mandatory();
/// assert_eq!(created, created.clone());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    pub(crate) exchange: Result<crate::base::Name, crate::base::NameTooLong>,
    pub(crate) routing_key: Result<crate::base::Name, crate::base::NameTooLong>,
    pub(crate) mandatory: bool,
    pub(crate) immediate: bool,
}

impl Publish {
    /// To `exchange`, with `routing_key`. The exchange named `""` leads to the queue that the key names.
    #[must_use]
    pub fn new(exchange: impl AsRef<str>, routing_key: impl AsRef<str>) -> Self {
        Self {
            exchange: crate::base::Name::new(exchange),
            routing_key: crate::base::Name::new(routing_key),
            mandatory: false,
            immediate: false,
        }
    }

    /// Asks for the message back where no queue gets it.
    #[must_use]
    pub fn mandatory(mut self) -> Self {
        self.mandatory = true;
        self
    }

    /// Asks for what RabbitMQ does not implement: the connection ends with 540.
    #[must_use]
    pub fn immediate(mut self) -> Self {
        self.immediate = true;
        self
    }
}

/// A consumer to start: the arguments of AMQP's `basic.consume`.
///
/// ```
/// use leveret::Consume;
///
/// let consumer = Consume::new("orders").tag("worker-1").argument("x-priority", 10);
/// assert_eq!(consumer, consumer.clone());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Consume {
    pub(crate) queue: String,
    pub(crate) tag: String,
    pub(crate) no_ack: bool,
    pub(crate) no_local: bool,
    pub(crate) exclusive: bool,
    pub(crate) arguments: Table,
}

impl Consume {
    /// From `queue`; `""` is the queue declared last on the channel.
    #[must_use]
    pub fn new(queue: impl Into<String>) -> Self {
        Self { queue: queue.into(), ..Self::default() }
    }

    /// Under this consumer tag. Without one, or with `""`, the broker makes one.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = tag.into();
        self
    }

    /// Deliveries need no acknowledgement: a message is done with once it is delivered.
    #[must_use]
    pub fn no_ack(mut self) -> Self {
        self.no_ack = true;
        self
    }

    /// Accepted without effect, as in RabbitMQ.
    #[must_use]
    pub fn no_local(mut self) -> Self {
        self.no_local = true;
        self
    }

    /// As the only consumer of the queue.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// Sets one argument, such as `x-priority`.
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

/// How much a channel holds unsettled: the arguments of AMQP's `basic.qos`.
///
/// ```
/// use leveret::Qos;
///
/// let one_each = Qos::new(1);
/// let ten_in_all = Qos::new(10).global();
/// assert_ne!(one_each, ten_in_all);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qos {
    pub(crate) count: u16,
    pub(crate) size: u32,
    pub(crate) global: bool,
}

impl Qos {
    /// At most `count` unsettled deliveries for each consumer that starts from now on; 0 is no limit.
    #[must_use]
    pub const fn new(count: u16) -> Self {
        Self { count, size: 0, global: false }
    }

    /// Asks for a limit in bytes, which RabbitMQ does not implement: the connection ends with 540, except for 0.
    #[must_use]
    pub const fn size(mut self, size: u32) -> Self {
        self.size = size;
        self
    }

    /// Makes it the limit of all the channel's consumers together (RabbitMQ: "Consumer Prefetch").
    #[must_use]
    pub const fn global(mut self) -> Self {
        self.global = true;
        self
    }
}

/// Which deliveries are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tags {
    /// The delivery of this tag.
    One(u64),
    /// All up to and including the delivery of this tag; 0 means all there are. AMQP's `multiple`.
    UpTo(u64),
}

impl From<u64> for Tags {
    fn from(tag: u64) -> Self {
        Self::One(tag)
    }
}

/// Whether a message that is not wanted goes back to its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// Back to its queue.
    Yes,
    /// It dies: to the dead-letter exchange, where the queue has one.
    No,
}

/// Whether a fetched message must be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledge {
    /// It stays out until it is settled.
    Yes,
    /// It is done with once it is fetched: AMQP's `no_ack`.
    No,
}
