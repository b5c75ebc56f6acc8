//! How a consumer is asked for.

use super::Consumer;
use crate::api::recorded::consuming::{Asked, told_open};
use crate::api::source::Source;
use crate::base::{Credit, Name, NameTooLong};
use crate::engine::mailbox::Mailbox;
use crate::engine::proxy::Proxy;
use crate::engine::replies::REPLY_TO;
use crate::engine::sink::Place;
use crate::engine::{Engine, Recording, TopologyError};
use crate::queue::effect::{AttachError, ConsumerSpec};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// How many windows of undrained deliveries a prefetch may be, to be bound enough by itself.
const WINDOWS: usize = 8;

/// A consumer to be opened; made by [`Broker::consumer`](crate::Broker::consumer).
///
/// ```
/// use leveret::{Broker, QueueDeclare};
///
/// let broker = Broker::new();
/// broker.declare_queue(&QueueDeclare::new("orders"))?;
/// let orders = broker.consumer("orders").prefetch(10).priority(5).tag("billing").open()?;
/// assert_eq!(orders.tag(), "billing");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is consumed until it is opened"]
pub struct ConsumerBuilder<'a> {
    engine: &'a Arc<Engine>,
    queue: &'a str,
    prefetch: u32,
    exclusive: bool,
    priority: i64,
    tag: Option<String>,
    no_ack: bool,
}

impl<'a> ConsumerBuilder<'a> {
    pub(in crate::api) fn new(engine: &'a Arc<Engine>, queue: &'a str) -> Self {
        let prefetch = engine.limits.default_prefetch;
        Self { engine, queue, prefetch, exclusive: false, priority: 0, tag: None, no_ack: false }
    }

    /// How many unsettled deliveries the consumer takes at most (RabbitMQ: "Consumer Prefetch"). The default is
    /// [`Limits::default_prefetch`](crate::Limits::default_prefetch); 0 is no limit but the broker's own.
    pub fn prefetch(mut self, count: u32) -> Self {
        self.prefetch = count;
        self
    }

    /// Asks to be the queue's only consumer, now and as long as it lasts.
    pub fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// Consumers of a higher priority are served first, as long as they have room (RabbitMQ: "Consumer Priorities").
    pub fn priority(mut self, priority: i64) -> Self {
        self.priority = priority;
        self
    }

    /// Names the consumer, at most 255 bytes; else the broker does.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Takes messages as acknowledged from the moment they are handed over. They need no settlement, and what is handed
    /// over and not received is lost when the consumer is dropped.
    pub fn no_ack(mut self) -> Self {
        self.no_ack = true;
        self
    }

    /// Opens the consumer. What is ready is handed over before this returns.
    ///
    /// # Errors
    ///
    /// [`ConsumeError::Queue`] where it is not there, exclusive to a connection, or the broker has ended or is shutting
    /// down; [`ConsumeError::ExclusiveUse`], [`ConsumeError::TooMany`], [`ConsumeError::Tag`].
    pub fn open(self) -> Result<Consumer, ConsumeError> {
        let engine = self.engine;
        if engine.is_stopped() {
            return Err(ConsumeError::Queue(TopologyError::Closed));
        }
        match &engine.recording {
            None => self.attach(None),
            // A channel has an answer to these names.
            Some(_) if self.queue.is_empty() || self.queue == REPLY_TO => self.attach(None),
            Some(recording) => {
                let tag = self.tag.clone();
                let asked = Asked {
                    queue: self.queue,
                    tag: tag.as_deref(),
                    no_ack: self.no_ack,
                    exclusive: self.exclusive,
                    priority: self.priority,
                    prefetch: self.prefetch,
                };
                told_open(recording, engine, &asked, |label| self.attach(Some((recording, label))))
            }
        }
    }

    /// Opens the consumer; with a log, under this label.
    fn attach(self, recorded: Option<(&Arc<Recording>, &str)>) -> Result<Consumer, ConsumeError> {
        let engine = self.engine;
        let mut source = Source::find_shared(engine, self.queue)?;
        let tag = match self.tag {
            Some(tag) => Name::new(tag)?,
            None => Name::known(&format!("amq.ctag-{}", engine.next_name())),
        };
        source.proxy = recorded
            .map(|(recording, label)| Arc::new(Proxy::of_consumer(recording, label, source.cell.serial, tag.clone())));
        let source = Arc::new(source);
        let session = engine.next_session();
        // A prefetch of some windows bounds well enough how much one act hands over.
        let window = engine.limits.undrained_deliveries;
        let bounded = !self.no_ack && self.prefetch > 0 && self.prefetch as usize / WINDOWS <= window;
        let credit = Arc::new(if bounded { Credit::unbounded() } else { Credit::new(window) });
        let (mailbox, ring) = Mailbox::new(self.prefetch, source.proxy.clone());
        let spec = ConsumerSpec {
            session,
            credit: Arc::clone(&credit),
            no_ack: self.no_ack,
            exclusive: self.exclusive,
            priority: self.priority,
            prefetch: self.prefetch,
            tag: tag.clone(),
            // Where somebody listens, every settlement goes through the queue.
            keeps: !engine.is_heard(),
        };
        let deferred = engine.quietly();
        let attached = engine.attach(&source.cell, spec, Place::Mailbox(mailbox));
        let id = attached.map_err(|refused| ConsumeError::of(refused, &source))?;
        let drained = VecDeque::new();
        let consumer = Consumer { source, session, id, tag, credit, ring, drained, cancelled: false };
        // A shutdown that began in between has cancelled the consumers that it found.
        if engine.is_stopped() {
            return Err(ConsumeError::Queue(TopologyError::Closed));
        }
        drop(deferred);
        Ok(consumer)
    }
}

/// Why a consumer was not opened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConsumeError {
    /// Something is wrong with the queue.
    Queue(TopologyError),
    /// The queue has an exclusive consumer, or has consumers where an exclusive one was asked for.
    ExclusiveUse(String),
    /// The queue has [`Limits::consumers_per_queue`](crate::Limits::consumers_per_queue) consumers.
    TooMany(String),
    /// The tag has more than 255 bytes.
    Tag(NameTooLong),
}

impl ConsumeError {
    fn of(refused: AttachError, source: &Source) -> Self {
        let queue = source.cell.spec.name.to_string();
        match refused {
            AttachError::ExclusiveUse => Self::ExclusiveUse(queue),
            AttachError::TooMany => Self::TooMany(queue),
            AttachError::Gone => Self::Queue(source.gone()),
        }
    }
}

impl From<TopologyError> for ConsumeError {
    fn from(error: TopologyError) -> Self {
        Self::Queue(error)
    }
}

impl From<NameTooLong> for ConsumeError {
    fn from(error: NameTooLong) -> Self {
        Self::Tag(error)
    }
}

impl fmt::Display for ConsumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(error) => error.fmt(f),
            Self::ExclusiveUse(queue) => {
                write!(f, "queue '{queue}' is in exclusive use, or has consumers; wait until they are cancelled")
            }
            Self::TooMany(queue) => {
                write!(f, "queue '{queue}' has as many consumers as the limits allow; raise consumers_per_queue")
            }
            Self::Tag(error) => write!(f, "invalid consumer tag: {error}"),
        }
    }
}

impl std::error::Error for ConsumeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Queue(error) => Some(error),
            Self::Tag(error) => Some(error),
            Self::ExclusiveUse(_) | Self::TooMany(_) => None,
        }
    }
}
