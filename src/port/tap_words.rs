//! The reasons that facts give, and how each is said.

use std::fmt;

/// Why a queue did not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Refusing {
    /// It is full, by its own `x-overflow`.
    Overflow,
    /// It is at the broker's own bound.
    Full,
    /// It could not hold the message even if it were empty.
    TooLarge,
    /// It had no room, and the publisher did not wait any longer.
    Timeout,
    /// It was deleted meanwhile.
    Gone,
}

/// Why a message that died does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dropping {
    /// Its queue has no dead-letter exchange.
    NoDeadLetterExchange,
    /// The dead-letter exchange does not exist.
    NoSuchExchange,
    /// No queue is bound to the dead-letter exchange for its key.
    Unroutable,
    /// Its queue kept it, and need not any more: another strategy is in force.
    Forgotten,
    /// Its queue kept it until another one would have taken it, and was deleted.
    QueueDeleted,
    /// The broker stopped while it was on its way, or while its queue kept it.
    BrokerStopped,
}

/// How a queue let a message go that is to be dead-lettered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Leaving {
    /// It died there ([`What::Died`](crate::What::Died)).
    Died,
    /// It died there, and is kept until it has arrived ([`What::Buried`](crate::What::Buried)): at-least-once dead-lettering, which tries again
    /// until then.
    Kept,
    /// It never came in ([`What::Refused`](crate::What::Refused)): `reject-publish-dlx`.
    Refused,
}

/// Why something came back, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// Somebody asked for just that: a nack or reject that requeues, a delete.
    Asked,
    /// The channel asked for all that it had out (`basic.recover`).
    Recovered,
    /// A delivery was dropped unsettled.
    Dropped,
    /// The consumer was cancelled or dropped.
    ConsumerCancelled,
    /// The channel was closed.
    ChannelClosed,
    /// The connection was closed.
    ConnectionClosed,
    /// The program that had it died: a test had that happen (feature `testing`).
    ProgramDied,
    /// The queue was deleted.
    QueueDeleted,
    /// An auto-delete queue lost its last consumer.
    NoConsumers,
    /// The queue was unused for longer than its `x-expires`.
    Unused,
    /// The broker stopped.
    BrokerStopped,
    /// The broker restarted.
    BrokerRestarted,
    /// Its settlement was lost, since a test asked for that ([`What::Fault`](crate::What::Fault)).
    SettlementLost,
}

impl Refusing {
    /// Why, in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overflow => "it is full",
            Self::Full => "the broker's own bound is reached",
            Self::TooLarge => "it could never hold it",
            Self::Timeout => "it had no room in time",
            Self::Gone => "it was deleted meanwhile",
        }
    }
}

impl Dropping {
    /// Why, in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoDeadLetterExchange => "the queue has no dead-letter exchange",
            Self::NoSuchExchange => "the dead-letter exchange does not exist",
            Self::Unroutable => "no queue is bound to the dead-letter exchange for its key",
            Self::Forgotten => "the queue need not keep it any more",
            Self::QueueDeleted => "the queue that kept it was deleted",
            Self::BrokerStopped => "the broker stopped before it could go on",
        }
    }
}

impl Cause {
    /// Why, in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked for",
            Self::Recovered => "recovered",
            Self::Dropped => "delivery dropped unsettled",
            Self::ConsumerCancelled => "consumer cancelled",
            Self::ChannelClosed => "channel closed",
            Self::ConnectionClosed => "connection closed",
            Self::ProgramDied => "its program died",
            Self::QueueDeleted => "queue deleted",
            Self::NoConsumers => "last consumer gone",
            Self::Unused => "unused for too long",
            Self::BrokerStopped => "broker stopped",
            Self::BrokerRestarted => "broker restarted",
            Self::SettlementLost => "its settlement was lost",
        }
    }
}

macro_rules! display_as_words {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

display_as_words!(Refusing, Dropping, Cause);
