//! Why the topology was not changed, in RabbitMQ's words.

use crate::base::{NameTooLong, ReplyCode};
use crate::message::Value;
use crate::queue::{Inequivalent, InvalidPolicy, InvalidQueue};
use crate::route::{BindError, UnknownKind};
use std::fmt;

/// Why an exchange, queue, binding or policy was not declared, deleted, bound, purged or looked up.
///
/// Displayed as RabbitMQ's text, without the name of the reply code before it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TopologyError {
    /// There is no such queue. 404.
    NoQueue {
        /// The name asked for.
        queue: String,
    },
    /// There is no such exchange. 404.
    NoExchange {
        /// The name asked for.
        exchange: String,
    },
    /// The default exchange can be neither declared nor deleted nor bound. 403.
    DefaultExchange,
    /// Names of new exchanges must not begin with `amq.`. 403.
    ReservedExchange {
        /// The name asked for.
        exchange: String,
    },
    /// Names of queues must not begin with `amq.`. 403.
    ReservedQueue {
        /// The name asked for.
        queue: String,
    },
    /// Exchanges whose names begin with `amq.` cannot be deleted. 403.
    SystemExchange {
        /// The name asked for.
        exchange: String,
    },
    /// The queue belongs to another connection, or it was asked for exclusively and is shared, or the reverse. 405.
    Locked {
        /// The queue.
        queue: String,
    },
    /// An exclusive queue was asked for without a connection that it could belong to. 405.
    ExclusiveWithoutConnection {
        /// The name asked for.
        queue: String,
    },
    /// No exchange type of this name. 406.
    UnknownKind(UnknownKind),
    /// It exists, and not as it was asked for. 406.
    Inequivalent(Box<Inequivalent>),
    /// An argument of an exchange has a type that it may not have. 406.
    ExchangeArgument {
        /// The exchange.
        exchange: String,
        /// The argument.
        argument: &'static str,
        /// RabbitMQ's name of its type.
        type_name: &'static str,
    },
    /// The queue cannot be as it was asked for. 406.
    InvalidQueue(Box<InvalidQueue>),
    /// The binding's `x-match` is not what a headers exchange reads. 406.
    InvalidMatch {
        /// What was given.
        value: Value,
        /// What RabbitMQ says of it.
        reason: String,
    },
    /// The queue has consumers. 406.
    QueueInUse {
        /// The queue.
        queue: String,
    },
    /// The queue holds messages. 406.
    QueueNotEmpty {
        /// The queue.
        queue: String,
    },
    /// Bindings lead from the exchange. 406.
    ExchangeInUse {
        /// The exchange.
        exchange: String,
    },
    /// RabbitMQ does not delete quorum queues under a condition. 540, which ends an AMQP connection.
    ConditionalDelete {
        /// The queue.
        queue: String,
        /// The condition: `if-unused` or `if-empty`.
        condition: &'static str,
    },
    /// A policy that RabbitMQ, or this crate, does not take. 406.
    InvalidPolicy(Box<InvalidPolicy>),
    /// A name or key of more than 255 bytes, which AMQP cannot say. 502.
    NameTooLong(NameTooLong),
    /// It would be one too many for the broker's limits; raise the limit in the builder, or delete some. 506.
    LimitReached {
        /// What there are too many of: `exchanges`, `queues`, `bindings`, `policies`, `consumers of a queue`, or
        /// `unsettled deliveries`; of arguments it is their fields, bytes or levels.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The broker was shut down. 320.
    Closed,
}

impl TopologyError {
    /// The reply code with which RabbitMQ closes the channel.
    #[must_use]
    pub const fn reply_code(&self) -> ReplyCode {
        match self {
            Self::NoQueue { .. } | Self::NoExchange { .. } => ReplyCode::NotFound,
            Self::DefaultExchange
            | Self::ReservedExchange { .. }
            | Self::ReservedQueue { .. }
            | Self::SystemExchange { .. } => ReplyCode::AccessRefused,
            Self::Locked { .. } | Self::ExclusiveWithoutConnection { .. } => ReplyCode::ResourceLocked,
            Self::UnknownKind(_)
            | Self::Inequivalent(_)
            | Self::ExchangeArgument { .. }
            | Self::InvalidQueue(_)
            | Self::InvalidMatch { .. }
            | Self::QueueInUse { .. }
            | Self::QueueNotEmpty { .. }
            | Self::ExchangeInUse { .. }
            | Self::InvalidPolicy(_) => ReplyCode::PreconditionFailed,
            Self::ConditionalDelete { .. } => ReplyCode::NotImplemented,
            Self::NameTooLong(_) => ReplyCode::SyntaxError,
            Self::LimitReached { .. } => ReplyCode::ResourceError,
            Self::Closed => ReplyCode::ConnectionForced,
        }
    }
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoQueue { queue } => write!(f, "no queue '{queue}' in vhost '/'"),
            Self::NoExchange { exchange } => write!(f, "no exchange '{exchange}' in vhost '/'"),
            Self::DefaultExchange => f.write_str("operation not permitted on the default exchange"),
            Self::ReservedExchange { exchange } => {
                write!(f, "exchange name '{exchange}' contains reserved prefix 'amq.*'")
            }
            Self::ReservedQueue { queue } => write!(f, "queue name '{queue}' contains reserved prefix 'amq.*'"),
            Self::SystemExchange { exchange } => {
                write!(f, "deletion of system exchange '{exchange}' in vhost '/' not allowed")
            }
            Self::Locked { queue } => write!(
                f,
                "cannot obtain exclusive access to locked queue '{queue}' in vhost '/'. It could be originally declared \
                 on another connection or the exclusive property value does not match that of the original declaration."
            ),
            Self::ExclusiveWithoutConnection { queue } => {
                write!(f, "queue '{queue}' cannot be exclusive without a connection; declare it on a channel")
            }
            Self::UnknownKind(error) => error.fmt(f),
            Self::Inequivalent(error) => error.fmt(f),
            Self::ExchangeArgument { exchange, argument, type_name } => {
                write!(f, "invalid type '{type_name}' for arg '{argument}' in exchange '{exchange}' in vhost '/'")
            }
            Self::InvalidQueue(error) => error.fmt(f),
            Self::InvalidMatch { reason, .. } => f.write_str(reason),
            Self::QueueInUse { queue } => write!(f, "queue '{queue}' in vhost '/' in use"),
            Self::QueueNotEmpty { queue } => write!(f, "queue '{queue}' in vhost '/' not empty"),
            Self::ExchangeInUse { exchange } => write!(f, "exchange '{exchange}' in vhost '/' in use"),
            Self::ConditionalDelete { queue, condition } => write!(
                f,
                "cannot delete queue '{queue}' in vhost '/'. queue.delete operations with {condition} flag set are not \
                 supported by quorum queues"
            ),
            Self::InvalidPolicy(error) => error.fmt(f),
            Self::NameTooLong(error) => error.fmt(f),
            Self::LimitReached { what, limit } => {
                write!(
                    f,
                    "more than {limit} {what} are not allowed by the broker's limits; raise the limit or delete some"
                )
            }
            Self::Closed => f.write_str("the broker was shut down"),
        }
    }
}

impl std::error::Error for TopologyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::UnknownKind(error) => Some(error),
            Self::Inequivalent(error) => Some(error),
            Self::InvalidQueue(error) => Some(error),
            Self::InvalidPolicy(error) => Some(error),
            Self::NameTooLong(error) => Some(error),
            _ => None,
        }
    }
}

impl From<NameTooLong> for TopologyError {
    fn from(error: NameTooLong) -> Self {
        Self::NameTooLong(error)
    }
}

impl From<UnknownKind> for TopologyError {
    fn from(error: UnknownKind) -> Self {
        Self::UnknownKind(error)
    }
}

impl From<Inequivalent> for TopologyError {
    fn from(error: Inequivalent) -> Self {
        Self::Inequivalent(Box::new(error))
    }
}

impl From<InvalidQueue> for TopologyError {
    fn from(error: InvalidQueue) -> Self {
        Self::InvalidQueue(Box::new(error))
    }
}

impl From<BindError> for TopologyError {
    fn from(error: BindError) -> Self {
        let reason = error.to_string();
        match error {
            BindError::MatchValue(value) | BindError::MatchType(value) => Self::InvalidMatch { value, reason },
            // Both ends were looked up before; the graph would say so a second time.
            _ => Self::InvalidMatch { value: Value::Void, reason },
        }
    }
}

impl From<InvalidPolicy> for TopologyError {
    fn from(error: InvalidPolicy) -> Self {
        Self::InvalidPolicy(Box::new(error))
    }
}
