//! Fates: what became of one message in one queue, or without one.

use crate::base::Name;
use crate::message::Reason;
use crate::port::{Cause, Dropping, Leaving, Refusing, What};
use std::fmt;

/// What became of a message in one queue, or without any queue. It has exactly one at a time.
///
/// The first few are states that pass; all others are for good ([`Fate::is_final`]).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It was sent to the queue and has not come there yet.
    OnItsWay,
    /// It is ready in the queue.
    Ready,
    /// It is out with a consumer.
    Unacked {
        /// The consumer's tag; none for `get`.
        consumer: Option<Name>,
    },
    /// It died in the queue and has not gone on yet; an at-least-once queue keeps it until it has.
    Dying {
        /// Why it died.
        reason: Reason,
    },
    /// It was acknowledged.
    Acked {
        /// No acknowledgement was due.
        automatic: bool,
    },
    /// It died in the queue, or was refused by it, and went on as another message.
    DeadLettered {
        /// Why it died.
        reason: Reason,
        /// The exchange it went on through.
        exchange: Name,
        /// Under which key.
        routing_key: Name,
        /// To which queues.
        queues: Vec<Name>,
    },
    /// It died in the queue and did not go on.
    Dropped {
        /// Why it died: [`Reason::Expired`], for one.
        reason: Reason,
        /// Why it did not go on.
        why: Dropping,
    },
    /// It was purged.
    Purged,
    /// It went with its queue; or the broker restarted, and it was in a durable queue but not persistent.
    LostWithQueue {
        /// Why the queue went.
        cause: Cause,
        /// Whether the queue was durable.
        durable: bool,
    },
    /// The queue did not take it.
    Refused {
        /// Why not.
        why: Refusing,
    },
    /// A dead letter that the queue was not given, since it would go round for ever.
    Cut,
    /// No queue was bound for it, and its publisher got it back.
    Returned,
    /// No queue was bound for it, and it is gone.
    Unroutable,
    /// It was a direct reply.
    Replied {
        /// Whether its receiver had room for it.
        taken: bool,
    },
    /// It was not published: there is no such exchange, or an internal one.
    NotPublished {
        /// Whether the exchange is there, and internal.
        internal: bool,
    },
}

impl Fate {
    /// Whether it stays so for good.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::OnItsWay | Self::Ready | Self::Unacked { .. } | Self::Dying { .. })
    }

    /// Whether the message is gone from here without that anybody processed it, has it as a dead letter, or got it back.
    /// A purge is meant, and counts as no loss; nor does a refusal, which the publisher is told of.
    #[must_use]
    pub const fn is_loss(&self) -> bool {
        matches!(
            self,
            Self::Dropped { .. }
                | Self::LostWithQueue { .. }
                | Self::Cut
                | Self::Unroutable
                | Self::Replied { taken: false }
        )
    }

    /// Its name, in a word or two.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OnItsWay => "on its way",
            Self::Ready => "ready",
            Self::Unacked { .. } => "unacknowledged",
            Self::Dying { .. } => "dying",
            Self::Acked { .. } => "acknowledged",
            Self::DeadLettered { .. } => "dead-lettered",
            Self::Dropped { .. } => "dropped",
            Self::Purged => "purged",
            Self::LostWithQueue { .. } => "lost with queue",
            Self::Refused { .. } => "refused",
            Self::Cut => "cut",
            Self::Returned => "returned",
            Self::Unroutable => "unroutable",
            Self::Replied { .. } => "replied",
            Self::NotPublished { .. } => "not published",
        }
    }

    /// The fate after something more happened to the message here; `None` where it is the same. `attempt` is where a
    /// letter is that its queue keeps until it has arrived.
    pub(super) fn after(what: &What, attempt: &mut Option<Self>) -> Option<Self> {
        Some(match what {
            What::Enqueued | What::Requeued { .. } => Self::Ready,
            What::Delivered { consumer, .. } => Self::Unacked { consumer: consumer.clone() },
            What::Acknowledged { automatic } => Self::Acked { automatic: *automatic },
            What::Died { reason } => Self::Dying { reason: *reason },
            What::DeadLettered { reason, next, queues, leaving } => {
                let (exchange, routing_key) = (next.exchange().clone(), next.routing_key().clone());
                let gone = Self::DeadLettered { reason: *reason, exchange, routing_key, queues: queues.clone() };
                if *leaving == Leaving::Kept {
                    *attempt = Some(gone);
                    return None;
                }
                gone
            }
            What::Dropped { leaving: Leaving::Kept, .. } => return None,
            What::Dropped { reason, why, .. } => Self::Dropped { reason: *reason, why: *why },
            What::Buried => return attempt.take(),
            What::Purged => Self::Purged,
            What::Lost { cause, durable, .. } => Self::LostWithQueue { cause: *cause, durable: *durable },
            What::Refused { why } => Self::Refused { why: *why },
            What::Cut => Self::Cut,
            What::Returned => Self::Returned,
            What::Unroutable => Self::Unroutable,
            What::Replied { taken, .. } => Self::Replied { taken: *taken },
            What::Unpublished { internal } => Self::NotPublished { internal: *internal },
            _ => return None,
        })
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unacked { consumer: Some(tag) } => write!(f, "unacknowledged, with '{tag}'"),
            Self::Unacked { consumer: None } => f.write_str("unacknowledged, taken by get"),
            Self::Dying { reason } => write!(f, "dying ({reason})"),
            Self::Acked { automatic: true } => f.write_str("done, with no acknowledgement due"),
            Self::DeadLettered { reason, exchange, routing_key, .. } => {
                write!(f, "dead-lettered ({reason}) to '{exchange}' with key '{routing_key}'")
            }
            Self::Dropped { reason, why } => write!(f, "dropped ({reason}): {why}"),
            Self::LostWithQueue { cause: Cause::BrokerRestarted, durable: true } => {
                f.write_str("lost in a restart: it is not persistent")
            }
            Self::LostWithQueue { cause, .. } => write!(f, "lost with the queue: {cause}"),
            Self::Refused { why } => write!(f, "refused: {why}"),
            Self::Cut => f.write_str("cut: it would go round for ever"),
            Self::Returned => f.write_str("returned to its publisher"),
            Self::Unroutable => f.write_str("dropped: no queue is bound for it"),
            Self::Replied { taken: true } => f.write_str("handed over as a direct reply"),
            Self::Replied { taken: false } => f.write_str("dropped as a direct reply: its receiver had no room"),
            Self::NotPublished { internal: true } => f.write_str("not published: the exchange is internal"),
            Self::NotPublished { internal: false } => f.write_str("not published: there is no such exchange"),
            other => f.write_str(other.name()),
        }
    }
}
