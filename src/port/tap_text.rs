//! Facts in words: one line each.

use super::tap::{Fact, What};
use super::tap_words::{Cause, Leaving};
use crate::base::Name;
use std::fmt;

/// What it was, with its queue; not when, and not which message.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = self.queue.as_ref().map_or("", Name::as_str);
        match (&self.what, &self.message) {
            (What::Published { queues, .. }, Some(message)) => {
                let (exchange, key) = (message.exchange(), message.routing_key());
                write!(f, "published to '{exchange}' with key '{key}', for {}", Quoted(queues))
            }
            (What::DeadLettered { reason, next, queues, .. }, _) => {
                let (exchange, key) = (next.exchange(), next.routing_key());
                write!(
                    f,
                    "dead-lettered from '{queue}' ({reason}) to '{exchange}' with key '{key}', for {}",
                    Quoted(queues)
                )
            }
            (what, _) => what.write(f, queue),
        }
    }
}

impl What {
    /// Its name in one word or two, as in `dead-lettered`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Published { .. } => "published",
            Self::Unpublished { .. } => "not published",
            Self::Returned => "returned",
            Self::Unroutable => "unroutable",
            Self::Replied { .. } => "replied",
            Self::Refused { .. } => "refused",
            Self::Enqueued => "enqueued",
            Self::Delivered { .. } => "delivered",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Requeued { .. } => "requeued",
            Self::Died { .. } => "died",
            Self::DeadLettered { .. } => "dead-lettered",
            Self::Dropped { .. } => "dropped",
            Self::Cut => "cut",
            Self::Buried => "buried",
            Self::Purged => "purged",
            Self::Lost { .. } => "lost",
            Self::QueueDeclared { .. } => "queue declared",
            Self::QueueDeleted { .. } => "queue deleted",
            Self::ConsumerAttached { .. } => "consumer attached",
            Self::ConsumerDetached { .. } => "consumer detached",
            Self::ExchangeDeclared { .. } => "exchange declared",
            Self::ExchangeDeleted { .. } => "exchange deleted",
            Self::Bound { .. } => "bound",
            Self::Unbound { .. } => "unbound",
            Self::Fault { .. } => "fault",
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, queue: &str) -> fmt::Result {
        match self {
            Self::Published { queues, .. } => write!(f, "published, for {}", Quoted(queues)),
            Self::Unpublished { internal: true } => f.write_str("not published: the exchange is internal"),
            Self::Unpublished { internal: false } => f.write_str("not published: there is no such exchange"),
            Self::Returned => f.write_str("returned to its publisher: no queue is bound for it"),
            Self::Unroutable => f.write_str("dropped: no queue is bound for it"),
            Self::Replied { consumer, taken: true } => write!(f, "handed to '{consumer}' as a direct reply"),
            Self::Replied { consumer, taken: false } => {
                write!(f, "dropped as a direct reply: '{consumer}' has too much waiting")
            }
            Self::Refused { why } => write!(f, "refused by '{queue}': {why}"),
            Self::Enqueued => write!(f, "enqueued in '{queue}'"),
            Self::Delivered { consumer: Some(tag), attempt, .. } => {
                write!(f, "delivered from '{queue}' to '{tag}', attempt {attempt}")
            }
            Self::Delivered { consumer: None, attempt, .. } => {
                write!(f, "delivered from '{queue}' by get, attempt {attempt}")
            }
            Self::Acknowledged { automatic: false } => write!(f, "acknowledged in '{queue}'"),
            Self::Acknowledged { automatic: true } => write!(f, "done in '{queue}': no acknowledgement was due"),
            Self::Requeued { cause } => write!(f, "requeued in '{queue}': {cause}"),
            Self::Died { reason } => write!(f, "died in '{queue}': {reason}"),
            Self::DeadLettered { reason, queues, .. } => {
                write!(f, "dead-lettered from '{queue}' ({reason}), for {}", Quoted(queues))
            }
            Self::Dropped { why, leaving: Leaving::Kept, .. } => {
                write!(f, "kept by '{queue}' to be tried again: {why}")
            }
            Self::Dropped { reason, why, .. } => write!(f, "dropped from '{queue}' ({reason}): {why}"),
            Self::Cut => write!(f, "not given to '{queue}', where it died before: it would go round for ever"),
            Self::Buried => write!(f, "kept by '{queue}' no longer: it has arrived"),
            Self::Purged => write!(f, "purged from '{queue}'"),
            Self::Lost { cause: Cause::BrokerRestarted, durable: true, .. } => {
                write!(f, "lost from '{queue}' in a restart: it is not persistent")
            }
            Self::Lost { cause, .. } => write!(f, "lost with '{queue}': {cause}"),
            _ => self.write_entity(f, queue),
        }
    }

    fn write_entity(&self, f: &mut fmt::Formatter<'_>, queue: &str) -> fmt::Result {
        match self {
            Self::QueueDeclared { durable, kind } => {
                let durable = if *durable { "durable" } else { "transient" };
                write!(f, "queue '{queue}' declared: {durable}, {kind}")
            }
            Self::QueueDeleted { cause, ready, unacked } => {
                write!(f, "queue '{queue}' deleted ({cause}) with {ready} ready, {unacked} unacknowledged")
            }
            Self::ConsumerAttached { tag, .. } => write!(f, "consumer '{tag}' attached to '{queue}'"),
            Self::ConsumerDetached { tag, cause, .. } => write!(f, "consumer '{tag}' detached from '{queue}': {cause}"),
            Self::ExchangeDeclared { exchange, kind } => write!(f, "exchange '{exchange}' declared: {kind}"),
            Self::ExchangeDeleted { exchange } => write!(f, "exchange '{exchange}' deleted"),
            Self::Bound { source, exchange, key } => {
                let to = exchange.as_ref().map_or(queue, Name::as_str);
                write!(f, "'{to}' bound to '{source}' with key '{key}'")
            }
            Self::Unbound { source, exchange, key } => {
                let to = exchange.as_ref().map_or(queue, Name::as_str);
                write!(f, "'{to}' unbound from '{source}' with key '{key}'")
            }
            Self::Fault { fault, .. } if queue.is_empty() => write!(f, "fault: {fault}"),
            Self::Fault { fault, .. } => write!(f, "fault in '{queue}': {fault}"),
            _ => Ok(()),
        }
    }
}

/// Names in quotes, or that there are none.
struct Quoted<'a>(&'a [Name]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no queue");
        }
        self.0.iter().enumerate().try_for_each(|(at, name)| {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}'{name}'")
        })
    }
}
