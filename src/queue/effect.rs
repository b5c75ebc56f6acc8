//! What goes into a queue's verbs and what comes out: identities, outcomes and effects.
//!
//! A queue causes nothing itself. Its verbs append effects; whoever called carries them out, in order.

use super::spec::Settings;
use crate::base::{Credit, Moment, SessionId};
use crate::message::{Reason, SharedEnvelope};
use std::num::NonZeroU64;
use std::sync::Arc;

/// A consumer of a queue: its place, and a serial that tells it from a later one in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerId {
    /// Its place. Places of consumers that went are used again.
    pub slot: u32,
    /// Counts the consumers of the queue, from 1.
    pub serial: NonZeroU64,
}

/// A delivery that is out: its place, and a serial that tells it from a later one in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryRef {
    /// Its place among what is out.
    pub slot: u32,
    /// Counts the deliveries of the queue.
    pub serial: u64,
}

/// A message that was lent: what its queue needs to know, beside the message, to take it back into its old place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loan {
    /// Its place in the queue.
    pub seq: u64,
    /// When it expires; [`Moment::MAX`] where it does not.
    pub expires: Moment,
}

/// How a delivery is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Not at all: no acknowledgement is due.
    None,
    /// The queue keeps the message while it is out, and knows it by this reference.
    Kept(DeliveryRef),
    /// The receiver keeps the message for the queue, and gives it back or says that it is done, once.
    Lent(Loan),
}

impl Claim {
    /// The reference, where the queue keeps the message.
    #[must_use]
    pub fn reference(self) -> Option<DeliveryRef> {
        match self {
            Self::Kept(reference) => Some(reference),
            Self::None | Self::Lent(_) => None,
        }
    }
}

/// Lent messages that are acknowledged together: the queue need not see them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Who had them.
    pub consumer: ConsumerId,
    /// How many.
    pub count: u32,
    /// How many bytes their bodies have.
    pub bytes: u64,
}

/// Who wants to consume, and how.
#[derive(Clone, Debug)]
pub struct ConsumerSpec {
    /// The channel or plain consumer that receives.
    pub session: SessionId,
    /// The credit that the session shares among its queues.
    pub credit: Arc<Credit>,
    /// Deliveries need no acknowledgement.
    pub no_ack: bool,
    /// Wants to be the only one.
    pub exclusive: bool,
    /// `x-priority`: higher is served first.
    pub priority: i64,
    /// How many unsettled deliveries it takes; 0 is no limit of its own.
    pub prefetch: u32,
    /// Its consumer tag, by which returned groups of a quorum queue are ordered.
    pub tag: crate::base::Name,
    /// Keeps what it has out itself ([`Claim::Lent`]), where the kind of queue lets it: a classic one. So an
    /// acknowledgement is a number to the queue, and a message has one owner at a time.
    pub keeps: bool,
}

/// Why a consumer was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachError {
    /// It wants to be the only one and is not, or another is the only one (403).
    ExclusiveUse,
    /// The queue has `Limits::consumers_per_queue` already.
    TooMany,
    /// The queue is being deleted.
    Gone,
}

/// What becomes of deliveries that are out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Done: forget it.
    Ack,
    /// Back into the queue.
    Requeue,
    /// Not wanted: dead-letter or drop it.
    Reject,
}

/// How a queue took a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It has it, or had it and dropped it by its own rules.
    Taken,
    /// It refused, since its `x-overflow` says so: the publisher gets a nack.
    Refused,
    /// It is at the broker's own bound (`Limits::ready_messages`, `ready_bytes`).
    Full,
    /// It is deleted.
    Gone,
}

/// A message on its way to a session.
#[derive(Clone, Debug)]
pub struct Handout {
    /// Who receives it.
    pub session: SessionId,
    /// For which consumer; none for `basic.get`.
    pub consumer: Option<ConsumerId>,
    /// How it is settled.
    pub claim: Claim,
    /// The message.
    pub envelope: SharedEnvelope,
    /// Whether it was out before.
    pub redelivered: bool,
    /// How often it came back.
    pub returns: u32,
    /// Whether the queue shows `returns` as the header `x-delivery-count`.
    pub counted: bool,
}

impl Handout {
    /// That it is acknowledged, for a queue that lent it.
    #[must_use]
    pub fn done(&self) -> Option<Done> {
        Some(Done { consumer: self.consumer?, count: 1, bytes: self.envelope.body().len() as u64 })
    }
}

/// What a queue wants done.
#[derive(Debug)]
pub enum Effect {
    /// Hand this over.
    Deliver(Handout),
    /// This died: dead-letter it, or drop it where there is nowhere to. With `burial`, the queue keeps it until it is
    /// told that somebody has it (at-least-once).
    Die {
        /// What died.
        envelope: SharedEnvelope,
        /// Why.
        reason: Reason,
        /// By which number to bury it.
        burial: Option<u64>,
        /// How often its delivery failed, here and in the quorum queues it died in before.
        failures: u32,
        /// It never came in: the queue refuses it, and dead-letters it.
        refused: bool,
    },
    /// This consumer was cancelled by the queue.
    Detached {
        /// Which.
        consumer: ConsumerId,
        /// Of whom.
        session: SessionId,
    },
    /// The queue's time without use has ended: delete it.
    Expired,
}

/// Effects in order.
pub type Effects = Vec<Effect>;

/// Where a queue's effects go, in order.
pub trait Outbox {
    /// This is to be done.
    fn push(&mut self, effect: Effect);

    /// This is to be handed over. Most effects are that, so whoever can do it at once does.
    fn deliver(&mut self, handout: Handout) {
        self.push(Effect::Deliver(handout));
    }

    /// Whether somebody listens to what is noted. Mostly nobody does.
    fn is_heard(&self) -> bool {
        false
    }

    /// This became of a message. What is lent is not noted: where somebody listens, no consumer keeps anything.
    fn note(&mut self, _envelope: &SharedEnvelope, _note: Note) {}

    /// This consumer was let in, and is served from now on.
    fn attached(&mut self, _consumer: ConsumerId) {}
}

/// What became of a message in its queue, for whoever listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// It came in.
    Enqueued,
    /// It goes out.
    Delivered {
        /// Who receives it.
        session: SessionId,
        /// For which consumer; none for `basic.get`.
        consumer: Option<ConsumerId>,
        /// Which attempt this is, from 1.
        attempt: u32,
        /// No acknowledgement is due.
        no_ack: bool,
    },
    /// It is done.
    Acknowledged {
        /// Nobody had to say so.
        automatic: bool,
    },
    /// It came back, to go out again.
    Requeued,
    /// It died.
    Died(Reason),
    /// Somebody has taken the dead letter that was kept.
    Buried,
    /// The dead letter that was kept is kept no longer.
    Forgotten {
        /// What it had died of.
        reason: Reason,
        /// It goes with its queue, and not for another strategy.
        with_queue: bool,
    },
    /// It was purged.
    Purged,
    /// It goes with its queue.
    Lost {
        /// It is out, and not ready.
        unacked: bool,
    },
}

impl Outbox for Effects {
    fn push(&mut self, effect: Effect) {
        Vec::push(self, effect);
    }
}

/// What both kinds of queue need to know of their surroundings.
#[derive(Clone, Debug)]
pub struct QueueLimits {
    /// See `Limits::ready_messages`.
    pub ready_messages: usize,
    /// See `Limits::ready_bytes`.
    pub ready_bytes: u64,
    /// See `Limits::unacked_messages`.
    pub unacked_messages: u32,
    /// See `Limits::consumers_per_queue`.
    pub consumers: usize,
    /// See `Limits::dead_letter_retry_millis`.
    pub dead_letter_retry_millis: u64,
}

impl From<&crate::base::Limits> for QueueLimits {
    fn from(limits: &crate::base::Limits) -> Self {
        Self {
            ready_messages: limits.ready_messages,
            ready_bytes: limits.ready_bytes,
            unacked_messages: u32::try_from(limits.unacked_messages).unwrap_or(u32::MAX).max(1),
            consumers: limits.consumers_per_queue,
            // Never at once, or time would not go on.
            dead_letter_retry_millis: limits.dead_letter_retry_millis.max(1),
        }
    }
}

impl QueueLimits {
    /// Whether one more body of `bytes` would go over the broker's own bound.
    pub(crate) fn is_full(&self, ready: usize, ready_bytes: u64, bytes: u64) -> bool {
        ready >= self.ready_messages || ready_bytes.saturating_add(bytes) > self.ready_bytes
    }
}

/// Whether `ready` messages of `bytes` are over the queue's own length.
pub(crate) fn over_length(settings: &Settings, ready: usize, bytes: u64) -> bool {
    settings.max_length.is_some_and(|max| ready as u64 > max)
        || settings.max_length_bytes.is_some_and(|max| bytes > max)
}
