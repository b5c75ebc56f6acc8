//! Listening: the ear of one queue.
//!
//! It stands beside the queue's sinks, under the queue's lock. The machine says to it what becomes of messages, and it adds
//! what the machine does not know: tags, causes, and where a message was published to.

use super::cell::QueueCell;
use super::facts::{Ear, names};
use crate::base::{Name, SessionId};
use crate::message::SharedEnvelope;
use crate::port::{Cause, Dropping, Leaving, Refusing, What};
use crate::queue::QueueSpec;
use crate::queue::effect::{ConsumerId, Note, Offered};
use std::sync::Arc;

/// The ear of one queue.
#[derive(Debug)]
pub(crate) struct Listening {
    ear: Arc<Ear>,
    queue: Name,
    /// Whether the queue is durable.
    durable: bool,
    /// Why what comes back now comes back.
    cause: Cause,
    /// What is said of the message that comes in, before it is.
    announce: Announce,
    /// The consumer that is coming in.
    coming: Option<(Name, SessionId)>,
    /// Those that are here.
    here: Vec<(ConsumerId, Name, SessionId)>,
}

/// What is said of a message before it comes in.
#[derive(Debug, Default)]
enum Announce {
    /// That it was published, to this queue alone.
    #[default]
    Here,
    /// That it was published, to these.
    To(Vec<Name>),
    /// Nothing: it was said already.
    Nothing,
}

impl Listening {
    /// The ear of this queue, which nobody has used yet.
    pub(crate) fn new(ear: &Arc<Ear>, spec: &QueueSpec) -> Self {
        let (ear, queue, durable) = (Arc::clone(ear), spec.name.clone(), spec.durable);
        Self { ear, queue, durable, cause: Cause::Asked, announce: Announce::Here, coming: None, here: Vec::new() }
    }

    /// What comes back from now on comes back for this cause.
    pub(crate) fn because(&mut self, cause: Cause) {
        self.cause = cause;
    }

    /// The message that comes in next goes to these queues; where nothing is given, that was said already.
    pub(crate) fn announce(&mut self, route: Option<&[Arc<QueueCell>]>) {
        self.announce = route.map_or(Announce::Nothing, |route| Announce::To(names(route)));
    }

    /// A consumer is about to come in.
    pub(crate) fn coming(&mut self, tag: &Name, session: SessionId) {
        self.coming = Some((tag.clone(), session));
    }

    /// It was let in.
    pub(crate) fn attached(&mut self, consumer: ConsumerId) {
        let Some((tag, session)) = self.coming.take() else { return };
        self.say(None, What::ConsumerAttached { tag: tag.clone(), session: session.0 });
        self.here.push((consumer, tag, session));
    }

    /// A consumer went. One that is known to have gone is passed over.
    pub(crate) fn detached(&mut self, consumer: ConsumerId, cause: Cause) {
        if let Some(at) = self.here.iter().position(|(known, ..)| *known == consumer) {
            let (_, tag, session) = self.here.remove(at);
            self.say(None, What::ConsumerDetached { tag, session: session.0, cause });
        }
    }

    /// The queue ended a consumer: it is being deleted, or the broker stops.
    pub(crate) fn ended(&mut self, consumer: ConsumerId) {
        let cause = if self.cause == Cause::BrokerStopped { self.cause } else { Cause::QueueDeleted };
        self.detached(consumer, cause);
    }

    /// All consumers of a session go.
    pub(crate) fn session_left(&mut self, session: SessionId, cause: Cause) {
        while let Some((consumer, ..)) = self.here.iter().find(|(.., known)| *known == session) {
            self.detached(*consumer, cause);
        }
    }

    /// All consumers go.
    #[cfg(feature = "testing")]
    pub(crate) fn all_left(&mut self) {
        while let Some((consumer, ..)) = self.here.first() {
            self.ended(*consumer);
        }
    }

    /// The machine says what became of a message.
    pub(crate) fn note(&mut self, envelope: &SharedEnvelope, note: Note) {
        let what = match note {
            Note::Enqueued => {
                let queues = match std::mem::take(&mut self.announce) {
                    Announce::Here => Some(vec![self.queue.clone()]),
                    Announce::To(queues) => Some(queues),
                    Announce::Nothing => None,
                };
                if let Some(queues) = queues {
                    self.say(Some(envelope), What::Published { queues, session: None });
                }
                What::Enqueued
            }
            Note::Delivered { session, consumer, attempt, no_ack } => {
                let tag = |id| self.here.iter().find(|(known, ..)| *known == id).map(|(_, tag, _)| tag.clone());
                let consumer = consumer.and_then(tag);
                What::Delivered { consumer, session: session.0, attempt, no_ack }
            }
            Note::Acknowledged { automatic } => What::Acknowledged { automatic },
            Note::Requeued => What::Requeued { cause: self.cause },
            Note::Died(reason) => What::Died { reason },
            Note::Buried => What::Buried,
            Note::Forgotten { reason, with_queue } => {
                let why = match self.cause {
                    _ if !with_queue => Dropping::Forgotten,
                    Cause::BrokerStopped => Dropping::BrokerStopped,
                    _ => Dropping::QueueDeleted,
                };
                What::Dropped { reason, why, leaving: Leaving::Died }
            }
            Note::Purged => What::Purged,
            Note::Lost { unacked } => What::Lost { cause: self.cause, unacked, durable: self.durable },
        };
        self.say(Some(envelope), what);
    }

    /// The queue was offered the message that was announced.
    pub(crate) fn taken(&mut self, envelope: &SharedEnvelope, offered: Offered) {
        self.announce = Announce::Here;
        let why = match offered {
            Offered::Taken => return,
            Offered::Refused => Refusing::Overflow,
            Offered::Full => Refusing::Full,
            Offered::Gone => Refusing::Gone,
        };
        self.say(Some(envelope), What::Refused { why });
    }

    /// Something happened here.
    pub(crate) fn say(&self, envelope: Option<&SharedEnvelope>, what: What) {
        self.ear.note(Some(&self.queue), envelope, what);
    }
}
