//! Taps: whoever listens to what a broker does.
//!
//! A broker that has a tap notes every step of every message as a [`Fact`], under the lock of the queue it is about, into
//! one list. So facts have one order and gapless numbers, and those of one queue stand in the order in which they
//! happened. When the call at hand holds no lock any more, the list goes to the tap. A broker without a tap notes nothing.

use super::injected::Injected;
use super::tap_words::{Cause, Dropping, Leaving, Refusing};
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
/// The facts that the tap was given are not given again. No message is lost, and the broker goes on. A call that is several
/// ends there: of a batch the rest is not sent, and a shutdown that drains leaves the broker stopped, for a new one to close.
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
    /// An exchange was deleted, by name or with its last binding where it is an auto-delete one.
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
    /// A binding was undone. Those that go with their exchange or queue are not told.
    Unbound {
        /// The exchange it came from.
        source: Name,
        /// The exchange it led to, if it led to one.
        exchange: Option<Name>,
        /// Its key.
        key: Name,
    },
    /// A test had this fault happen (feature `testing`). What follows from it is told as ever: so the ways of messages are
    /// as they are without it.
    Fault {
        /// What happened.
        fault: Injected,
        /// The number of the rule that asked for it, from 0 in the order in which they were made; none where an exploration did.
        rule: Option<u32>,
    },
}
