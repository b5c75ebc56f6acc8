//! What goes wrong on a channel: the close of a channel or connection, and what a publish or a poll can answer beside.

use crate::base::{Name, ReplyCode};
use crate::message::Message;
use std::fmt;

/// What a close takes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The channel: its consumers end and what it held goes back; the connection and its other channels live on.
    Channel,
    /// The connection with all its channels.
    Connection,
}

/// Why a channel or a connection was closed: AMQP's `channel.close` and `connection.close` as the broker sends them.
///
/// ```
/// use leveret::{Broker, QueueDeclare, ReplyCode, Scope};
///
/// let broker = Broker::new();
/// let connection = broker.connect()?;
/// let channel = connection.open_channel()?;
/// let close = channel.queue_declare(&QueueDeclare::new("nowhere").passive()).unwrap_err();
/// assert_eq!((close.scope, close.code, close.method), (Scope::Channel, ReplyCode::NotFound, "queue.declare"));
/// assert_eq!(close.to_string(), "NOT_FOUND - no queue 'nowhere' in vhost '/'");
/// # Ok::<(), leveret::Close>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Close {
    /// What it takes down.
    pub scope: Scope,
    /// The reply code.
    pub code: ReplyCode,
    /// The method that was the cause, such as `queue.declare`.
    pub method: &'static str,
    /// RabbitMQ's text: the code's name and what was wrong, of at most 255 bytes.
    pub text: String,
}

impl Close {
    pub(crate) fn new(scope: Scope, code: ReplyCode, method: &'static str, what: impl fmt::Display) -> Self {
        Self { scope, code, method, text: short(format!("{code} - {what}")) }
    }
}

/// The reply text of AMQP is a short string. RabbitMQ cuts a longer one and puts points behind it.
fn short(mut text: String) -> String {
    if text.len() > Name::MAX_BYTES {
        let end = (0..=Name::MAX_BYTES - 3).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push_str("...");
    }
    text
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Close {}

/// What is wrong with a request, before it is said which method it was.
#[derive(Debug)]
pub(crate) struct Fault {
    code: ReplyCode,
    text: String,
}

impl Fault {
    pub(crate) fn new(code: ReplyCode, what: impl fmt::Display) -> Self {
        Self { code, text: what.to_string() }
    }

    /// A precondition that does not hold: 406.
    pub(crate) fn precondition(what: impl fmt::Display) -> Self {
        Self::new(ReplyCode::PreconditionFailed, what)
    }

    /// The close that this fault in `method` leads to. The code decides what it takes down.
    pub(crate) fn into_close(self, method: &'static str) -> Close {
        let scope = if self.code.is_hard() { Scope::Connection } else { Scope::Channel };
        Close::new(scope, self.code, method, self.text)
    }
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryRecvError {
    /// Nothing has come, yet or within the time.
    Empty,
    /// Nothing will come: it is closed and all was received.
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "nothing has come yet; try again, or wait longer",
            Self::Closed => "closed, and all was received",
        })
    }
}

impl std::error::Error for TryRecvError {}

/// A message that a channel did not take, and why.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChannelPublishError {
    /// The message, given back as it was. Where a queue was full, others may have taken it nevertheless.
    pub message: Message,
    /// Why it was not taken.
    pub reason: NotPublished,
}

/// Why a channel did not take a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotPublished {
    /// The channel or connection is closed, or was closed for this publish.
    Closed(Close),
    /// A queue is at the broker's own bound (`Limits::ready_messages`, `Limits::ready_bytes`); the channel lives on.
    /// In confirm mode the publish is taken and answered with a nack instead.
    QueueFull,
    /// Too many events wait for this channel's poll (`Limits::channel_events`): receive some. The channel lives on.
    EventsFull,
    /// The transaction is at `Limits::transaction_operations`: commit or roll back. The channel lives on.
    TransactionFull,
}

impl fmt::Display for ChannelPublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            NotPublished::Closed(close) => write!(f, "the message was not published: {close}"),
            NotPublished::QueueFull => {
                f.write_str("a queue is at the broker's bound; consume from it, or raise the limits")
            }
            NotPublished::EventsFull => f.write_str("too many events wait on the channel; receive some first"),
            NotPublished::TransactionFull => f.write_str("the transaction holds too much; commit or roll back first"),
        }
    }
}

impl std::error::Error for ChannelPublishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            NotPublished::Closed(close) => Some(close),
            _ => None,
        }
    }
}
