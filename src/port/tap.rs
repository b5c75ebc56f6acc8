//! Taps: whoever listens to what a broker does.
//!
//! A broker that has a tap notes every step of every message as a [`Fact`], under the lock of the queue it is about, into
//! one list. So facts have one order and gapless numbers, and those of one queue stand in the order in which they
//! happened. When the call at hand holds no lock any more, the list goes to the tap. A broker without a tap notes nothing.

use crate::base::{Moment, Name};
use crate::message::{Envelope, Reason, SharedEnvelope};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// Listens to what a broker does; given to [`Builder::tap`](crate::Builder::tap).
///
/// **When it is called.** After the fact, by the thread that caused it, when that holds no lock: the tap may call the
/// broker again. What such a call causes is handed over after the tap has returned. Where another thread is in the tap
/// at that moment, that one hands over these facts as well, in their order; so a tap is never called by two threads at
/// once, and a call that returns may have its facts on their way with another thread.
///
/// **What it must not do.** Wait for another thread that uses the broker: with very many facts on their way that one may
/// wait for the tap. A tap that publishes whenever it hears of a publish never ends.
///
/// **If it panics**, the call at hand panics, after it has done its work; or goes on, where its thread panics already.
/// The facts that the tap was given are not given again. No message is lost, and the broker goes on.
///
/// A broker with a tap carries out every acknowledgement at once, which is slower; nobody can tell otherwise.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use leveret::{Broker, Fact, Message, Queue, Tap, Topology, What};
///
/// #[derive(Clone, Debug, Default)]
/// struct Lines(Arc<Mutex<Vec<String>>>);
///
/// impl Tap for Lines {
///     fn saw(&self, facts: &[Fact]) {
///         let about_messages = facts.iter().filter(|fact| fact.message.is_some());
///         self.0.lock().unwrap().extend(about_messages.map(ToString::to_string));
///     }
/// }
///
/// let lines = Lines::default();
/// let broker = Broker::builder().tap(lines.clone()).build();
/// broker.declare(&Topology::new().queue(Queue::new("orders")))?;
/// broker.publish("", "orders", Message::new("one"))?;
/// broker.get("orders")?.ok_or("one is ready")?.ack();
/// assert_eq!(*lines.0.lock().unwrap(), [
///     "published to '' with key 'orders', for 'orders'",
///     "enqueued in 'orders'",
///     "delivered from 'orders' by get, attempt 1",
///     "acknowledged in 'orders'",
/// ]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Tap: Send + Sync + fmt::Debug {
    /// These facts were noted, in the order of their numbers, right behind those of the call before.
    fn saw(&self, facts: &[Fact]);
}

/// One tap may be shared.
impl<T: Tap + ?Sized> Tap for Arc<T> {
    fn saw(&self, facts: &[Fact]) {
        (**self).saw(facts);
    }
}

/// Something that a broker did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fact {
    /// Counts the facts of the broker, from 0, without gaps.
    pub number: u64,
    /// When it was, on the broker's clock.
    pub at: Moment,
    /// The queue it is about, if it is about one.
    pub queue: Option<Name>,
    /// The message it is about, if it is about one.
    pub message: Option<MessageRef>,
    /// What it was.
    pub what: What,
}

impl Fact {
    /// A fact. Its number and moment are those of the list that it is put into.
    pub(crate) fn new(number: u64, at: Moment, queue: Option<Name>, message: Option<MessageRef>, what: What) -> Self {
        Self { number, at, queue, message, what }
    }
}

/// A message as facts name it: a shared hold on it, by which it can be told from every other one.
///
/// Two are equal where they are the same message, not where they have the same content. A publish makes one message,
/// whatever number of queues it goes to; a dead letter is another message than the one that died
/// ([`What::DeadLettered`] has both). Holding it holds the message in memory.
#[derive(Clone, Debug)]
pub struct MessageRef(SharedEnvelope);

impl MessageRef {
    /// A hold on this message.
    pub(crate) fn new(envelope: &SharedEnvelope) -> Self {
        Self(SharedEnvelope::clone(envelope))
    }

    /// Whether both are the same message. So says `==`.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        SharedEnvelope::ptr_eq(&self.0, &other.0)
    }

    /// The message: where it was published to, properties, body, its deaths.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.0
    }
}

impl Deref for MessageRef {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        &self.0
    }
}

impl PartialEq for MessageRef {
    fn eq(&self, other: &Self) -> bool {
        self.same_as(other)
    }
}

impl Eq for MessageRef {}

impl Hash for MessageRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        SharedEnvelope::as_ptr(&self.0).hash(state);
    }
}

/// What a broker did. The queue and the message it did it with are in the [`Fact`].
///
/// The way of one message: [`Published`](Self::Published), then for each queue there either [`Enqueued`](Self::Enqueued)
/// or [`Refused`](Self::Refused) (or, for a dead letter, [`Cut`](Self::Cut)), and without a queue one of [`Returned`](Self::Returned) and
/// [`Unroutable`](Self::Unroutable). In a queue it is [`Delivered`](Self::Delivered) and [`Requeued`](Self::Requeued) any
/// number of times, and leaves it by exactly one of [`Acknowledged`](Self::Acknowledged), [`Died`](Self::Died),
/// [`Purged`](Self::Purged) and [`Lost`](Self::Lost). A death is followed by [`DeadLettered`](Self::DeadLettered) or
/// [`Dropped`](Self::Dropped); for the new message that a dead letter is, all begins again, for each of its queues.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum What {
    /// A message was published, to the exchange and with the key that it carries.
    Published {
        /// The queues that it goes to, each once. What each of them says of it follows.
        queues: Vec<Name>,
        /// The channel it was published on; none for a [`Publisher`](crate::Publisher) and for
        /// [`Broker::publish`](crate::Broker::publish).
        session: Option<u64>,
    },
    /// A message was not published: there is no such exchange, or clients may not publish to it.
    Unpublished {
        /// Whether there is an exchange of that name: then it is an internal one.
        internal: bool,
    },
    /// No queue was bound for a message, and its publisher got it back since it was mandatory.
    Returned,
    /// No queue was bound for a message, and it is gone.
    Unroutable,
    /// A message went to whoever waits for direct replies at the address that is its key. It went to no queue for that.
    Replied {
        /// The consumer that waits there.
        consumer: Name,
        /// Whether it had room.
        taken: bool,
    },
    /// The queue did not take a message.
    Refused {
        /// Why not.
        why: Refusing,
    },
    /// The queue took a message in.
    Enqueued,
    /// The queue handed a message out.
    Delivered {
        /// The consumer's tag; none for `get`.
        consumer: Option<Name>,
        /// The channel or plain consumer that has it: each has a number of its own in its broker.
        session: u64,
        /// Which attempt at it this is: 1 at first.
        attempt: u32,
        /// No acknowledgement is due: [`What::Acknowledged`] follows at once.
        no_ack: bool,
    },
    /// A message is done: its receiver said so, or none had to.
    Acknowledged {
        /// Nobody had to say so.
        automatic: bool,
    },
    /// A message that was out came back, to be delivered again.
    Requeued {
        /// Why it came back.
        cause: Cause,
    },
    /// A message left the queue without being acknowledged, to be dead-lettered or dropped.
    Died {
        /// Why.
        reason: Reason,
    },
    /// A message that died in the queue, or that the queue refused and dead-letters, goes on as another one, through the
    /// exchange and with the key that this one carries.
    DeadLettered {
        /// Why it died.
        reason: Reason,
        /// The message that goes on.
        next: MessageRef,
        /// The queues that it goes to, each once. What each of them says of it follows.
        queues: Vec<Name>,
        /// How the queue let it go.
        leaving: Leaving,
    },
    /// A message that died does not go on.
    Dropped {
        /// Why it died.
        reason: Reason,
        /// Why it does not go on.
        why: Dropping,
        /// How the queue let it go. One that is kept will be tried again.
        leaving: Leaving,
    },
    /// A dead letter was not given to the queue, where it died before: it would go round for ever (RabbitMQ: "Dead Letter
    /// Exchanges", cycles).
    Cut,
    /// A dead letter that the queue kept has arrived everywhere, and is kept no longer.
    Buried,
    /// A message that was ready was purged.
    Purged,
    /// A message went with its queue; or the broker restarted, and it was in a durable queue but not persistent.
    Lost {
        /// Why the queue went.
        cause: Cause,
        /// Whether it was out, and not ready.
        unacked: bool,
        /// Whether the queue was durable.
        durable: bool,
    },
    /// A queue was made.
    QueueDeclared {
        /// Whether it would outlive its broker, were there a disk.
        durable: bool,
        /// `classic` or `quorum`.
        kind: &'static str,
    },
    /// A queue is gone, and [`What::Lost`] follows for every message that was in it.
    QueueDeleted {
        /// Why.
        cause: Cause,
        /// How many messages were ready.
        ready: u64,
        /// How many were out.
        unacked: u64,
    },
    /// A consumer came.
    ConsumerAttached {
        /// Its tag.
        tag: Name,
        /// The channel or plain consumer.
        session: u64,
    },
    /// A consumer went.
    ConsumerDetached {
        /// Its tag.
        tag: Name,
        /// The channel or plain consumer.
        session: u64,
        /// Why.
        cause: Cause,
    },
    /// An exchange was made.
    ExchangeDeclared {
        /// Its name.
        exchange: Name,
        /// `direct`, `fanout`, `topic` or `headers`.
        kind: &'static str,
    },
    /// An exchange was deleted.
    ExchangeDeleted {
        /// Its name.
        exchange: Name,
    },
    /// A binding was made. The fact's queue is what it leads to, if it leads to a queue.
    Bound {
        /// The exchange it comes from.
        source: Name,
        /// The exchange it leads to, if it leads to one.
        exchange: Option<Name>,
        /// Its key.
        key: Name,
    },
    /// A binding was undone, by name. Those that go with an exchange or a queue are not told.
    Unbound {
        /// The exchange it came from.
        source: Name,
        /// The exchange it led to, if it led to one.
        exchange: Option<Name>,
        /// Its key.
        key: Name,
    },
}

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
}

/// How a queue let a message go that is to be dead-lettered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Leaving {
    /// It died there ([`What::Died`]).
    Died,
    /// It died there, and is kept until it has arrived ([`What::Buried`]): at-least-once dead-lettering, which tries again
    /// until then.
    Kept,
    /// It never came in ([`What::Refused`]): `reject-publish-dlx`.
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
            Self::QueueDeleted => "queue deleted",
            Self::NoConsumers => "last consumer gone",
            Self::Unused => "unused for too long",
            Self::BrokerStopped => "broker stopped",
            Self::BrokerRestarted => "broker restarted",
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
