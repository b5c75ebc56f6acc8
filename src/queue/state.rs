//! The queue as the engine sees it: one machine, of either kind.
//!
//! Every verb takes the moment at which it happens and a list that effects are appended to. Nothing else goes in or
//! comes out: no lock, no clock, no waker. The same verbs in the same order have the same effects.

use super::classic::ClassicQueue;
#[cfg(feature = "testing")]
use super::effect::Effect;
use super::effect::{
    AttachError, ConsumerId, ConsumerSpec, DeliveryRef, Done, Handout, Offered, Outbox, QueueLimits, Settlement,
};
use super::entry::FreedEnvelopes;
use super::forecast::Forecast;
use super::quorum::QuorumQueue;
#[cfg(feature = "testing")]
use super::spec::Overflow;
use super::spec::{QueueKind, Settings};
use super::totals::{Counts, Totals};
use crate::base::{Moment, SessionId};
#[cfg(feature = "testing")]
use crate::message::Reason;
use crate::message::{Envelope, SharedEnvelope};
use std::sync::Arc;

/// A queue, classic or quorum.
#[derive(Debug)]
pub struct QueueState {
    kind: Kind,
}

// The common kind is kept in place, for it is on every message's way.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
enum Kind {
    Classic(ClassicQueue),
    Quorum(Box<QuorumQueue>),
}

macro_rules! each {
    ($self:ident, $queue:ident => $verb:expr) => {
        match &mut $self.kind {
            Kind::Classic($queue) => $verb,
            Kind::Quorum($queue) => $verb,
        }
    };
    (ref $self:ident, $queue:ident => $verb:expr) => {
        match &$self.kind {
            Kind::Classic($queue) => $verb,
            Kind::Quorum($queue) => $verb,
        }
    };
}

impl QueueState {
    /// An empty queue, made now. Many queues have the same settings, and may share them.
    #[must_use]
    pub fn new(now: Moment, kind: QueueKind, settings: impl Into<Arc<Settings>>, limits: QueueLimits) -> Self {
        let settings = settings.into();
        let kind = match kind {
            QueueKind::Classic => Kind::Classic(ClassicQueue::new(now, settings, limits)),
            QueueKind::Quorum => Kind::Quorum(Box::new(QuorumQueue::new(now, settings, limits))),
        };
        Self { kind }
    }

    /// A message comes in. `publisher` is the channel it came through, if it came through one.
    #[inline]
    pub fn offer(
        &mut self,
        now: Moment,
        publisher: Option<SessionId>,
        envelope: SharedEnvelope,
        fx: &mut impl Outbox,
    ) -> Offered {
        match &mut self.kind {
            Kind::Classic(queue) => queue.offer(now, envelope, fx),
            Kind::Quorum(queue) => queue.offer(now, publisher, envelope, fx),
        }
    }

    /// A dead letter comes in. One that its queue keeps until it arrives (`is_kept`) may be refused as any message is; a
    /// quorum queue takes every other.
    pub fn offer_letter(
        &mut self,
        now: Moment,
        envelope: SharedEnvelope,
        is_kept: bool,
        fx: &mut impl Outbox,
    ) -> Offered {
        match &mut self.kind {
            Kind::Classic(queue) => queue.offer(now, envelope, fx),
            Kind::Quorum(queue) if is_kept => queue.offer(now, None, envelope, fx),
            Kind::Quorum(queue) => queue.offer_letter(now, envelope, fx),
        }
    }

    /// Takes the head for `basic.get`, and says how many are left; `None` where nothing is ready.
    pub fn take(
        &mut self,
        now: Moment,
        session: SessionId,
        no_ack: bool,
        fx: &mut impl Outbox,
    ) -> Option<(Handout, usize)> {
        each!(self, queue => queue.take(now, session, no_ack, fx))
    }

    /// Settles deliveries, in the order given. What is not out any more is passed over.
    pub fn settle(&mut self, now: Moment, refs: &[DeliveryRef], settlement: Settlement, fx: &mut impl Outbox) {
        each!(self, queue => queue.settle(now, refs, settlement, fx));
    }

    /// Lent messages are acknowledged, in the order given. Only a classic queue lends.
    pub fn done(&mut self, now: Moment, done: &[Done], fx: &mut impl Outbox) {
        if let Kind::Classic(queue) = &mut self.kind {
            queue.done(now, done, fx);
        }
    }

    /// Lent messages come back, in the order given.
    pub fn give_back(&mut self, now: Moment, handouts: Vec<Handout>, settlement: Settlement, fx: &mut impl Outbox) {
        if let Kind::Classic(queue) = &mut self.kind {
            queue.give_back(now, handouts, settlement, fx);
        }
    }

    /// Lets a consumer in and serves it.
    ///
    /// # Errors
    ///
    /// [`AttachError`] where it may not come in.
    pub fn attach(&mut self, now: Moment, spec: ConsumerSpec, fx: &mut impl Outbox) -> Result<ConsumerId, AttachError> {
        each!(self, queue => queue.attach(now, spec, fx))
    }

    /// A consumer is cancelled by its client. What it has out stays out. False where it is not here.
    pub fn detach(&mut self, now: Moment, consumer: ConsumerId, fx: &mut impl Outbox) -> bool {
        each!(self, queue => queue.detach(now, consumer, fx))
    }

    /// Every consumer is cancelled by the broker, and told so. What they have out stays out.
    pub fn detach_all(&mut self, now: Moment, fx: &mut impl Outbox) {
        each!(self, queue => queue.detach_all(now, fx));
    }

    /// A session ends: its consumers go and what it has out comes back.
    pub fn close_session(&mut self, now: Moment, session: SessionId, fx: &mut impl Outbox) {
        each!(self, queue => queue.close_session(now, session, fx));
    }

    /// The session's shared credit has room again: serve its consumers.
    pub fn resume(&mut self, now: Moment, session: SessionId, fx: &mut impl Outbox) {
        each!(self, queue => queue.resume(now, session, fx));
    }

    /// Throws away what is ready, and says how many that were.
    pub fn purge(&mut self, now: Moment, fx: &mut impl Outbox) -> usize {
        each!(self, queue => queue.purge(now, fx))
    }

    /// The broker has come back after a restart: no consumer is left, what was out has returned, and a classic queue has
    /// lost what is not persistent. Tells how many it lost.
    #[cfg(feature = "testing")]
    pub fn restart(&mut self, now: Moment, fx: &mut impl Outbox) -> usize {
        match &mut self.kind {
            Kind::Classic(queue) => queue.restart(now, fx),
            Kind::Quorum(queue) => {
                queue.restart(now, fx);
                0
            }
        }
    }

    /// Counts a message as refused that was never offered.
    #[cfg(feature = "testing")]
    pub fn count_refusal(&mut self) {
        each!(self, queue => queue.totals_mut()).refused += 1;
    }

    /// Refuses a message as if the queue were at its limit: by its own `x-overflow` where that refuses publishes, else as at
    /// the broker's own bound.
    #[cfg(feature = "testing")]
    pub fn refuse(&mut self, envelope: SharedEnvelope, fx: &mut impl Outbox) -> Offered {
        let overflow = self.settings().overflow;
        let totals = each!(self, queue => queue.totals_mut());
        if overflow == Overflow::DropHead {
            totals.full += 1;
            return Offered::Full;
        }
        totals.refused += 1;
        if overflow == Overflow::RejectPublishDlx {
            let (failures, reason) = (envelope.failures(), Reason::MaxLength);
            fx.push(Effect::Die { envelope, reason, burial: None, failures, refused: true });
        }
        Offered::Refused
    }

    /// Whose these deliveries are, and what they are of: those that are out.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn out(&self, refs: &[DeliveryRef]) -> Vec<(DeliveryRef, SessionId, SharedEnvelope)> {
        let unacked = each!(ref self, queue => queue.unacked());
        let found = refs.iter().filter_map(|reference| {
            let out = unacked.get(*reference)?;
            Some((*reference, out.session, SharedEnvelope::clone(&out.entry.envelope)))
        });
        found.collect()
    }

    /// Time has come to `now`: expire what is due.
    pub fn advance(&mut self, now: Moment, fx: &mut impl Outbox) {
        each!(self, queue => queue.advance(now, fx));
    }

    /// When `advance` would next do something.
    #[must_use]
    #[inline]
    pub fn next_deadline(&self) -> Option<Moment> {
        each!(ref self, queue => queue.next_deadline())
    }

    /// The queue was declared anew: a classic one counts that as use (RabbitMQ: "Queue TTL").
    pub fn touch(&mut self, now: Moment) {
        if let Kind::Classic(queue) = &mut self.kind {
            queue.touch(now);
        }
    }

    /// Somebody has taken a dead letter that the queue kept.
    pub fn bury(&mut self, now: Moment, burial: u64, fx: &mut impl Outbox) {
        if let Kind::Quorum(queue) = &mut self.kind {
            queue.bury(now, burial, fx);
        }
    }

    /// Other settings are in force: a policy came or went.
    pub fn apply_settings(&mut self, now: Moment, settings: Settings, fx: &mut impl Outbox) {
        each!(self, queue => queue.apply_settings(now, settings, fx));
    }

    /// The queue is deleted: consumers are told, everything is thrown away. Returns how many were ready.
    pub fn close(&mut self, fx: &mut impl Outbox) -> usize {
        each!(self, queue => queue.close(fx))
    }

    /// Whether there are messages that the queue is done with.
    #[inline]
    pub(crate) fn has_freed(&self) -> bool {
        each!(ref self, queue => queue.has_freed())
    }

    /// The messages that the queue is done with, to be dropped by whoever holds no lock: the owner of a body may run
    /// foreign code. Those that somebody else still has are not among them.
    pub(crate) fn take_freed(&mut self) -> FreedEnvelopes {
        each!(self, queue => queue.take_freed())
    }

    /// The settings in force.
    #[must_use]
    #[inline]
    pub fn settings(&self) -> &Settings {
        each!(ref self, queue => queue.settings())
    }

    /// What the queue holds.
    #[must_use]
    pub fn counts(&self) -> Counts {
        each!(ref self, queue => queue.counts())
    }

    /// What became of its messages.
    #[must_use]
    pub fn totals(&self) -> Totals {
        each!(ref self, queue => queue.totals())
    }

    /// How many consumers are of this session, and how many of others.
    #[must_use]
    pub fn consumers_besides(&self, session: SessionId) -> (usize, usize) {
        let all = each!(ref self, queue => queue.consumer_sessions());
        let own = all.iter().filter(|other| **other == session).count();
        (own, all.len() - own)
    }

    /// Whether the queue's time without use has ended.
    #[must_use]
    pub fn is_unused_at(&self, now: Moment) -> bool {
        each!(ref self, queue => queue.unused_until()).is_some_and(|end| end <= now)
    }

    /// Whether a body of `bytes` would be taken now, and not refused.
    #[must_use]
    #[inline]
    pub fn has_room(&self, bytes: u64) -> bool {
        each!(ref self, queue => queue.has_room(bytes))
    }

    /// How a body of `bytes` would be refused even if nothing were ready; `None` where it would be taken.
    #[must_use]
    pub fn never_takes(&self, bytes: u64) -> Option<Offered> {
        each!(ref self, queue => queue.never_takes(bytes))
    }

    /// The first `count` ready messages, and whether each would be delivered as redelivered.
    #[must_use]
    pub fn peek(&self, count: usize) -> Vec<(SharedEnvelope, bool)> {
        let peeked = |entry: &super::entry::Entry| (SharedEnvelope::clone(&entry.envelope), entry.shown() > 0);
        each!(ref self, queue => queue.ready().take(count).map(peeked).collect())
    }

    /// Whether the moment matters to this queue now: something in it can expire, or may if it takes `envelope`.
    #[must_use]
    #[inline]
    pub fn wants_clock(&self, envelope: Option<&Envelope>) -> bool {
        let settings = self.settings();
        settings.message_ttl_millis.is_some()
            || settings.expires_millis.is_some()
            || envelope.is_some_and(|envelope| envelope.expiration_millis().is_some())
            || each!(ref self, queue => queue.is_timed())
            || settings.strategy == super::spec::Strategy::AtLeastOnce
    }

    /// What the queue would do with a message that comes now, other than through a channel. Changes nothing.
    #[must_use]
    pub(crate) fn forecast(&self, now: Moment, envelope: &SharedEnvelope) -> Forecast {
        each!(ref self, queue => queue.forecast(now, envelope))
    }

    /// Whether a message waits.
    #[must_use]
    #[inline]
    pub fn has_ready(&self) -> bool {
        each!(ref self, queue => queue.has_ready())
    }

    /// Whether it matters when an acknowledgement is carried out, for a reason that lies in the queue.
    #[must_use]
    #[inline]
    pub fn needs_acks_at_once(&self) -> bool {
        match &self.kind {
            Kind::Classic(queue) => queue.needs_acks_at_once() || self.wants_clock(None),
            Kind::Quorum(_) => true,
        }
    }

    /// Whether acknowledgements may matter to a message that comes in, for some number of them.
    #[must_use]
    #[inline]
    pub fn may_need_acks(&self) -> bool {
        match &self.kind {
            Kind::Classic(queue) => queue.may_need_acks(),
            Kind::Quorum(_) => true,
        }
    }

    /// Whether so many acknowledgements that came before matter to a message of `bytes` that comes in: to who gets it, or to
    /// whether it is taken. Only a classic queue is ever asked, for only it lends.
    #[must_use]
    #[inline]
    pub fn needs_acks(&self, acks: u32, bytes: u64) -> bool {
        match &self.kind {
            Kind::Classic(queue) => queue.needs_acks(acks, bytes),
            Kind::Quorum(_) => true,
        }
    }

    /// Asserts the invariants.
    ///
    /// # Errors
    ///
    /// What does not hold, in words.
    pub fn check(&self) -> Result<(), String> {
        each!(ref self, queue => queue.check())
    }
}
