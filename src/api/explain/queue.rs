//! What a queue would do with a message, and where its dead letters would go.

use crate::engine::cell::QueueCell;
use crate::engine::{Engine, LetterTold};
use crate::message::{Reason, SharedEnvelope};
use crate::queue::{DeadLetter, Fate, Forecast, Length, QueueKind};
use crate::route::Quoted;
use std::fmt;
use std::sync::Arc;

/// A queue that a message reaches, and what it would do with it now. Displayed in lines, the first about itself.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ExplainedQueue {
    /// Its name.
    pub name: String,
    /// `classic` or `quorum`.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::api::words::serialize"))]
    pub kind: QueueKind,
    /// What becomes of the message.
    pub fate: Fate,
    /// Messages that are ready now.
    pub ready: u64,
    /// Consumers.
    pub consumers: u64,
    /// Ready messages that have expired and would be removed first.
    pub expired_first: u64,
    /// What is dropped to make room, if anything is.
    pub makes_room: Option<MadeRoom>,
    /// When the message would expire here; `None` where it would not.
    pub expiry: Option<Expiry>,
    /// The message's priority; 0 where it has none.
    pub given_priority: u8,
    /// The priority that counts here: in a classic queue at most its `x-max-priority`; `None` where it has none. A quorum
    /// queue has two: up to 4, and from 5 on.
    pub priority: Option<u8>,
    /// Where the message would go if it died here; `None` where the queue has no dead-letter exchange. It is told for the
    /// death that is foreseen, or else for an expiry, or else for a rejection.
    pub dead_letter: Option<ExplainedDeadLetter>,
}

/// The heads of a queue that are dropped to make room for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MadeRoom {
    /// How many.
    pub dropped: u64,
    /// The length that the queue is held to.
    pub length: Length,
    /// Where the first of them would go; `None` where the queue has no dead-letter exchange, and they are gone.
    pub dead_letter: Option<ExplainedDeadLetter>,
}

/// A time to live. Displayed as where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Expiry {
    /// Milliseconds that the message may wait: the lesser of its own time and the queue's.
    pub millis: u64,
    /// Its own `expiration`, in milliseconds.
    pub of_message: Option<u64>,
    /// The queue's `x-message-ttl`, or its policy's.
    pub of_queue: Option<u64>,
}

/// Where a message would go that died in a queue: one step, to the queues that would be offered it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ExplainedDeadLetter {
    /// The dead-letter exchange.
    pub exchange: String,
    /// The keys that it would be published with there.
    pub keys: Vec<String>,
    /// Where that leads.
    pub end: DeadLetterEnd,
}

/// Where a dead letter ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum DeadLetterEnd {
    /// It is dropped: there is no such exchange.
    NoExchange,
    /// It is dropped: no queue is bound there for its keys.
    Unroutable,
    /// Queues are bound for it.
    Queues {
        /// Those that are offered it.
        offered: Vec<String>,
        /// Those that are not, since it would go round for ever (RabbitMQ: "Dead Letter Exchanges", cycles).
        cut: Vec<String>,
    },
}

impl ExplainedQueue {
    pub(super) fn of(engine: &Engine, cell: &Arc<QueueCell>, envelope: &SharedEnvelope) -> Self {
        let mut forecast = engine.forecast(cell, envelope);
        if cell.is_closed() {
            forecast.fate = Fate::Gone;
        }
        let expiry = Expiry::of(cell.spec.kind, envelope.expiration_millis(), forecast.queue_ttl_millis);
        let reason = match (&forecast.fate, &expiry) {
            (Fate::Refused { .. } | Fate::Dropped { .. }, _) => Reason::MaxLength,
            (_, Some(_)) => Reason::Expired,
            (_, None) => Reason::Rejected,
        };
        let Forecast { fate, expired, dropped, head, over, counts, dead_letter, priority, .. } = forecast;
        let follow = |envelope, reason| {
            let tell = |dead_letter: &DeadLetter| engine.tell_letter(cell, envelope, reason, dead_letter).into();
            dead_letter.as_ref().map(tell)
        };
        let makes_room = over.filter(|_| dropped > 0).map(|length| MadeRoom {
            dropped: dropped as u64,
            length,
            dead_letter: head.as_ref().and_then(|head| follow(head, Reason::MaxLength)),
        });
        Self {
            name: cell.spec.name.to_string(),
            kind: cell.spec.kind,
            fate,
            ready: counts.ready as u64,
            consumers: counts.consumers as u64,
            expired_first: expired as u64,
            makes_room,
            expiry,
            given_priority: envelope.priority(),
            priority,
            dead_letter: follow(envelope, reason),
        }
    }

    /// Whether the queue would take the message and lose it at once: dropped over its length, or expired.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        matches!(self.fate, Fate::Dropped { .. } | Fate::Expired)
    }

    /// Whether the queue would refuse the message.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self.fate, Fate::Refused { .. } | Fate::Full { .. })
    }
}

impl Expiry {
    fn of(kind: QueueKind, of_message: Option<u64>, of_queue: Option<u64>) -> Option<Self> {
        let millis = of_message.into_iter().chain(of_queue).min()?;
        // A quorum queue looks at the time after it has served whoever waits.
        let least = u64::from(kind == QueueKind::Quorum);
        Some(Self { millis: millis.max(least), of_message, of_queue })
    }
}

impl From<LetterTold> for ExplainedDeadLetter {
    fn from(told: LetterTold) -> Self {
        let LetterTold { letter, targets } = told;
        let end = match targets {
            None => DeadLetterEnd::NoExchange,
            Some(targets) if targets.is_empty() => DeadLetterEnd::Unroutable,
            Some(targets) => {
                let named = |is_cut: bool| {
                    let those = targets.iter().filter(|(_, cut)| *cut == is_cut);
                    those.map(|(name, _)| name.to_string()).collect()
                };
                DeadLetterEnd::Queues { offered: named(false), cut: named(true) }
            }
        };
        let keys = letter.keys().map(ToString::to_string).collect();
        Self { exchange: letter.exchange().to_string(), keys, end }
    }
}

impl fmt::Display for ExplainedQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} queue {}: ", self.kind, Quoted(&self.name))?;
        self.tell_fate(f)?;
        match self.expired_first {
            0 => {}
            1 => f.write_str("\n  1 ready message has expired and goes first")?,
            many => write!(f, "\n  {many} ready messages have expired and go first")?,
        }
        if let Some(room) = &self.makes_room {
            write!(f, "\n  {room}")?;
        }
        if let Some(expiry) = self.expiry.filter(|_| matches!(self.fate, Fate::Ready { .. })) {
            // The head alone is looked at.
            let at_head = if matches!(self.fate, Fate::Ready { ahead: 1.. }) { ", once it is the head" } else { "" };
            write!(f, "\n  expires after {} ms{at_head}: {expiry}", expiry.millis)?;
        }
        match (self.kind, self.given_priority, self.priority) {
            (_, 0, _) => {}
            (QueueKind::Quorum, 5.., _) => write!(f, "\n  priority {}: a high one", self.given_priority)?,
            (QueueKind::Quorum, given, _) => write!(f, "\n  priority {given}: as none, a high one begins at 5")?,
            (_, given, None) => write!(f, "\n  priority {given} does not count: the queue has no x-max-priority")?,
            (_, given, Some(counts)) if counts < given => write!(f, "\n  priority {given}, taken as {counts}")?,
            (_, given, _) => write!(f, "\n  priority {given}")?,
        }
        f.write_str("\n  dead letters: ")?;
        match (&self.dead_letter, &self.fate) {
            (_, Fate::Refused { dies: false, .. } | Fate::Full { .. }) => f.write_str("none, for it does not come in"),
            (Some(dead_letter), _) => write!(f, "{dead_letter}"),
            (None, _) => f.write_str("lost, the queue has no dead-letter exchange"),
        }
    }
}

impl ExplainedQueue {
    fn tell_fate(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fate {
            Fate::Delivered { consumer } => write!(f, "straight to its consumer {}", Quoted(consumer)),
            Fate::Ready { ahead } => {
                match ahead {
                    0 => f.write_str("ready, the next to be delivered")?,
                    1 => f.write_str("ready, behind 1 message")?,
                    ahead => write!(f, "ready, behind {ahead} messages")?,
                }
                match self.consumers {
                    0 => f.write_str("; it has no consumers"),
                    1 => f.write_str("; its consumer has no room now"),
                    consumers => write!(f, "; none of its {consumers} consumers has room now"),
                }
            }
            Fate::Refused { length, dies: false } => write!(f, "refuses it, held to {length}"),
            Fate::Refused { length, dies: true } => write!(f, "refuses it, held to {length}, and dead-letters it"),
            Fate::Full { length } => write!(f, "refuses it at the broker's own bound of {length}"),
            Fate::Dropped { length } => {
                write!(f, "takes it and drops it at once: held to {length}, and it is the head itself")
            }
            Fate::Expired => f.write_str("takes it and it expires at once: it may not wait, and no consumer has room"),
            Fate::Gone => f.write_str("was deleted meanwhile"),
        }
    }
}

impl fmt::Display for MadeRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dropped {
            1 => write!(f, "its head is dropped to make room, held to {}: ", self.length)?,
            many => write!(f, "its first {many} messages are dropped to make room, held to {}: ", self.length)?,
        }
        match &self.dead_letter {
            Some(dead_letter) => write!(f, "{dead_letter}"),
            None => f.write_str("lost, the queue has no dead-letter exchange"),
        }
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.of_message, self.of_queue) {
            (Some(own), Some(queue)) => write!(f, "its own time is {own} ms, the queue's {queue} ms"),
            (Some(_), None) => f.write_str("its own time, the queue has none"),
            (None, _) => f.write_str("the queue's time, it has none of its own"),
        }
    }
}

impl fmt::Display for ExplainedDeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.end {
            DeadLetterEnd::NoExchange => write!(f, "lost, there is no exchange {}", Quoted(&self.exchange)),
            DeadLetterEnd::Unroutable => {
                f.write_str("lost, no queue is bound: ")?;
                self.tell_way(f)
            }
            DeadLetterEnd::Queues { offered, cut } => {
                self.tell_way(f)?;
                for (at, name) in offered.iter().enumerate() {
                    write!(f, "{}{}", if at == 0 { " -> queue " } else { ", queue " }, Quoted(name))?;
                }
                for name in cut {
                    write!(f, ", not to queue {} where it would go round for ever", Quoted(name))?;
                }
                Ok(())
            }
        }
    }
}

impl ExplainedDeadLetter {
    fn tell_way(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.exchange {
            "" => f.write_str("through the default exchange")?,
            name => write!(f, "through exchange {}", Quoted(name))?,
        }
        for (at, key) in self.keys.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { " with " } else { " and " }, Quoted(key))?;
        }
        Ok(())
    }
}
