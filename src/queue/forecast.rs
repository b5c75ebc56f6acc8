//! Forecasts: what a queue would do with a message, asked without giving it one.
//!
//! Each kind of queue goes the way of its own `offer` here, and changes nothing: what is due is passed over, who would be
//! served is looked for, and where heads would have to go they are counted in a [`Line`], which is the ready messages as
//! they would stand with the new one among them. A test holds forecasts against what queues do.

use super::effect::{QueueLimits, over_length};
use super::entry::Entry;
use super::spec::{DeadLetter, Overflow, QueueKind, Settings};
use super::totals::Counts;
use crate::base::{Moment, Name};
use crate::message::{Envelope, SharedEnvelope};
use std::fmt;
use std::iter::Peekable;

/// What a queue would do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Fate {
    /// It hands it straight to the consumer of this tag.
    Delivered {
        /// The consumer's tag; one that the broker made, for a plain consumer.
        consumer: String,
    },
    /// It keeps it among the ready ones.
    Ready {
        /// How many of them stand before it.
        ahead: u64,
    },
    /// It refuses it, since its `x-overflow` says so.
    Refused {
        /// The length that it is at.
        length: Length,
        /// Whether the message is dead-lettered all the same (`reject-publish-dlx`).
        dies: bool,
    },
    /// It refuses it at the broker's own bound.
    Full {
        /// The bound ([`Limits::ready_messages`](crate::Limits::ready_messages) or `ready_bytes`).
        length: Length,
    },
    /// It takes it and drops it at once: over the length, it is the head itself.
    Dropped {
        /// The length that it would be over.
        length: Length,
    },
    /// It takes it, and its time to live ends at once: no consumer can take it now.
    Expired,
    /// The queue was deleted meanwhile.
    Gone,
}

/// A length that a queue is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Length {
    /// Ready messages.
    Messages {
        /// The most there may be.
        most: u64,
    },
    /// Bytes of ready bodies.
    Bytes {
        /// The most there may be.
        most: u64,
    },
}

/// All that a queue says of a message to come.
#[derive(Clone, Debug)]
pub(crate) struct Forecast {
    pub(crate) fate: Fate,
    /// How many ready messages have expired and go first.
    pub(crate) expired: usize,
    /// How many heads are dropped to make room, itself not counted.
    pub(crate) dropped: usize,
    /// The first of them.
    pub(crate) head: Option<SharedEnvelope>,
    /// The length that they are dropped for.
    pub(crate) over: Option<Length>,
    /// What the queue holds now.
    pub(crate) counts: Counts,
    /// Where its dead go.
    pub(crate) dead_letter: Option<DeadLetter>,
    /// The time to live that the queue gives to a message.
    pub(crate) queue_ttl_millis: Option<u64>,
    /// The priority that counts here; `None` where there are no priorities.
    pub(crate) priority: Option<u8>,
}

/// The message in question, as a queue sees it.
#[derive(Clone, Copy)]
pub(crate) struct Newcomer {
    pub(crate) bytes: u64,
    pub(crate) expires: Moment,
}

/// Ready messages in the order in which they would go, the new one (`None`) among them.
pub(crate) struct Line<'a, I: Iterator<Item = Option<&'a Entry>>> {
    rest: Peekable<I>,
    newcomer: Newcomer,
    ready: usize,
    bytes: u64,
    /// How many went, the new one not counted.
    pub(crate) went: usize,
    /// The first that went.
    pub(crate) first: Option<&'a Entry>,
}

impl<'a, I: Iterator<Item = Option<&'a Entry>>> Line<'a, I> {
    /// `ready` and `bytes` with the new one.
    pub(crate) fn new(rest: I, newcomer: Newcomer, ready: usize, bytes: u64) -> Self {
        Self { rest: rest.peekable(), newcomer, ready, bytes, went: 0, first: None }
    }

    /// Lets heads go while there are too many. True where the new one is among them.
    pub(crate) fn keep_length(&mut self, settings: &Settings) -> bool {
        let mut newcomer_went = false;
        while over_length(settings, self.ready, self.bytes) {
            match self.rest.next() {
                None => break,
                Some(None) => {
                    newcomer_went = true;
                    self.bytes = self.bytes.saturating_sub(self.newcomer.bytes);
                }
                Some(Some(entry)) => {
                    self.first.get_or_insert(entry);
                    self.went += 1;
                    self.bytes = self.bytes.saturating_sub(entry.bytes());
                }
            }
            self.ready = self.ready.saturating_sub(1);
        }
        newcomer_went
    }

    /// Lets heads go that have expired: how many, and whether the new one is among them.
    pub(crate) fn expire(&mut self, now: Moment) -> (usize, bool) {
        let newcomer = self.newcomer;
        let over = |head: &Option<&Entry>| match head {
            Some(entry) => entry.is_expired(now),
            None => newcomer.expires <= now && newcomer.expires != Moment::MAX,
        };
        let (mut expired, mut newcomer_went) = (0, false);
        while let Some(head) = self.rest.next_if(over) {
            match head {
                Some(_) => expired += 1,
                None => newcomer_went = true,
            }
            self.ready = self.ready.saturating_sub(1);
        }
        (expired, newcomer_went)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ready
    }

    /// How many stand before the new one.
    pub(crate) fn ahead(self) -> u64 {
        self.rest.take_while(Option::is_some).count() as u64
    }
}

impl Forecast {
    /// A forecast that is not told yet.
    pub(crate) fn new(kind: QueueKind, settings: &Settings, counts: Counts, envelope: &Envelope) -> Self {
        let given = envelope.priority();
        let priority = match kind {
            QueueKind::Classic => settings.max_priority.map(|highest| given.min(highest)),
            QueueKind::Quorum => Some(given),
        };
        Self {
            fate: Fate::Gone,
            expired: 0,
            dropped: 0,
            head: None,
            over: None,
            counts,
            dead_letter: settings.dead_letter.clone(),
            queue_ttl_millis: settings.message_ttl_millis,
            priority,
        }
    }

    /// Told: this becomes of it.
    pub(crate) fn with(self, fate: Fate) -> Self {
        Self { fate, ..self }
    }

    /// Told: it goes straight to a consumer.
    pub(crate) fn delivered(self, consumer: &Name) -> Self {
        self.with(Fate::Delivered { consumer: consumer.to_string() })
    }
}

impl Length {
    /// The length of its own that a queue is over with so many.
    pub(crate) fn over(settings: &Settings, ready: usize, bytes: u64) -> Option<Self> {
        if let Some(most) = settings.max_length.filter(|most| ready as u64 > *most) {
            return Some(Self::Messages { most });
        }
        settings.max_length_bytes.filter(|most| bytes > *most).map(|most| Self::Bytes { most })
    }

    /// The broker's bound that a queue would be over with one more body of `more` bytes.
    pub(crate) fn full(limits: &QueueLimits, ready: usize, bytes: u64, more: u64) -> Option<Self> {
        if !limits.is_full(ready, bytes, more) {
            return None;
        }
        let messages = limits.ready_messages as u64;
        Some(match ready as u64 >= messages {
            true => Self::Messages { most: messages },
            false => Self::Bytes { most: limits.ready_bytes },
        })
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages { most } => write!(f, "{most} ready message{}", if *most == 1 { "" } else { "s" }),
            Self::Bytes { most } => write!(f, "{most} byte{} of ready bodies", if *most == 1 { "" } else { "s" }),
        }
    }
}

/// Whether a queue makes room at its head.
pub(crate) fn drops_heads(settings: &Settings) -> bool {
    settings.overflow == Overflow::DropHead
}
