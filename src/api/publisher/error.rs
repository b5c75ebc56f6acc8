//! Why a message was not published, with the message.

use super::RoutedMany;
use crate::base::NameTooLong;
use crate::message::{InvalidMessage, Message};
use std::fmt;

/// A message that was not published as it should be, given back with the reason.
///
/// ```
/// use leveret::{Broker, Message, PublishErrorKind};
///
/// let broker = Broker::new();
/// let error = broker.publish("no-such-exchange", "key", Message::new("kept")).unwrap_err();
/// assert!(matches!(error.kind(), PublishErrorKind::NoExchange(name) if name == "no-such-exchange"));
/// assert_eq!(&error.into_message().body()[..], b"kept");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PublishError {
    // Behind a pointer, so that a result is small.
    inner: Box<(PublishErrorKind, Message)>,
}

/// A batch that ended before its end: why, what was published of it, and the messages that were not.
///
/// ```
/// use leveret::{Broker, Message, PublishErrorKind, QueueDeclare};
///
/// let broker = Broker::new();
/// broker.declare_queue(&QueueDeclare::new("orders"))?;
/// let mut to_queues = broker.publisher("")?;
/// let wrong = Message::new("two").message_id("x".repeat(256));
/// let error = to_queues.try_send_many("orders", [Message::new("one"), wrong, Message::new("three")]).unwrap_err();
///
/// assert!(matches!(error.kind(), PublishErrorKind::Invalid(_)));
/// assert_eq!(error.published().messages, 1);
/// assert_eq!(error.unsent().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SendManyError {
    // Behind a pointer, so that a result is small.
    inner: Box<(PublishErrorKind, RoutedMany, Vec<Message>)>,
}

/// Why a message was not published as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishErrorKind {
    /// It was published as mandatory, and no queue is bound for it.
    Unroutable {
        /// The exchange.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// Queues that are full refused it, since their `x-overflow` says so. RabbitMQ answers this with a nack.
    Refused {
        /// How many queues refused it.
        refused: usize,
        /// How many queues have it nevertheless: sending it again gives it to them twice.
        taken: usize,
    },
    /// Queues are at the broker's own bound ([`Limits::ready_messages`](crate::Limits::ready_messages) or
    /// `ready_bytes`).
    Full {
        /// How many queues are full.
        full: usize,
        /// How many queues have it nevertheless: sending it again gives it to them twice.
        taken: usize,
    },
    /// There was no room in every queue in time.
    Timeout {
        /// How many queues have it nevertheless: other publishers took the room in the rest. Mostly 0.
        taken: usize,
    },
    /// There is no exchange of this name: it was never declared, or is deleted.
    NoExchange(String),
    /// The exchange of this name is internal: only other exchanges may feed it.
    Internal(String),
    /// The message is one that the broker cannot carry.
    Invalid(InvalidMessage),
    /// The routing key, or the exchange's name, has more than 255 bytes.
    NameTooLong(NameTooLong),
    /// The broker was shut down or is shutting down, or its last handle was dropped.
    Closed,
}

impl PublishError {
    pub(super) fn new(kind: PublishErrorKind, message: Message) -> Self {
        Self { inner: Box::new((kind, message)) }
    }

    /// The reason.
    #[must_use]
    pub fn kind(&self) -> &PublishErrorKind {
        &self.inner.0
    }

    /// The message, as it was given.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.inner.1
    }

    /// Gives the message back.
    #[must_use]
    pub fn into_message(self) -> Message {
        self.inner.1
    }

    /// Gives the reason and the message back.
    #[must_use]
    pub fn into_parts(self) -> (PublishErrorKind, Message) {
        *self.inner
    }
}

impl SendManyError {
    /// `unsent` begins with the message that could not be published.
    pub(super) fn new(kind: PublishErrorKind, published: RoutedMany, unsent: Vec<Message>) -> Self {
        Self { inner: Box::new((kind, published, unsent)) }
    }

    /// Why the first of the messages that are left could not be published.
    #[must_use]
    pub fn kind(&self) -> &PublishErrorKind {
        &self.inner.0
    }

    /// What was published before.
    #[must_use]
    pub fn published(&self) -> RoutedMany {
        self.inner.1
    }

    /// The messages that were not published as they should be, as they were given and in order: first the one that
    /// ended the batch, of which [`kind`](SendManyError::kind) may say that some queues have it nevertheless.
    #[must_use]
    pub fn unsent(&self) -> &[Message] {
        &self.inner.2
    }

    /// Gives back what [`unsent`](SendManyError::unsent) shows.
    #[must_use]
    pub fn into_unsent(self) -> Vec<Message> {
        self.inner.2
    }

    /// Gives back the reason, what was published, and what was not.
    #[must_use]
    pub fn into_parts(self) -> (PublishErrorKind, RoutedMany, Vec<Message>) {
        *self.inner
    }
}

impl fmt::Display for SendManyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (published, unsent) = (self.published().messages, self.unsent().len());
        write!(f, "{published} messages were published and {unsent} were not: {}", self.kind())
    }
}

impl std::error::Error for SendManyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.kind().cause()
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}

impl std::error::Error for PublishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.kind().cause()
    }
}

impl PublishErrorKind {
    /// What is behind it.
    fn cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Invalid(error) => Some(error),
            Self::NameTooLong(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for PublishErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unroutable { exchange, routing_key } => {
                write!(f, "no queue is bound to exchange '{exchange}' for key '{routing_key}'; bind one first")
            }
            Self::Refused { refused, taken } => {
                write!(
                    f,
                    "{refused} full queues refused the message and {taken} took it; consume, or raise x-max-length"
                )
            }
            Self::Full { full, taken } => write!(
                f,
                "{full} queues are at the broker's bound and {taken} took the message; consume, wait for room with `send`, or \
                 raise the limits"
            ),
            Self::Timeout { taken: 0 } => {
                f.write_str("no room came in time; try again, wait longer, or consume faster")
            }
            Self::Timeout { taken } => {
                write!(f, "no room came in time in every queue, and {taken} took the message; consume faster")
            }
            Self::NoExchange(exchange) => write!(f, "there is no exchange '{exchange}'; declare it first"),
            Self::Internal(exchange) => {
                write!(f, "exchange '{exchange}' is internal; publish to an exchange that is bound to it")
            }
            Self::Invalid(error) => write!(f, "the broker cannot carry the message: {error}"),
            Self::NameTooLong(error) => error.fmt(f),
            Self::Closed => f.write_str("the broker is closed; make a new one"),
        }
    }
}

impl std::error::Error for PublishErrorKind {}
