//! The classic queue.
//!
//! A message comes in by `offer`: it is refused, or handed straight to a consumer that has room, or put into its place
//! among the ready ones, where the head makes room if the queue is over its length. It goes out to consumers in turn
//! (`consumers.rs`) or by `take`, stays among what is out until it is settled, and then is gone, or dies, or returns
//! to its old place. Time ends at the head only: an expired message behind a live one waits for it, as in RabbitMQ.

mod back;
mod consumers;
mod forecast;
mod ready;
#[cfg(feature = "testing")]
mod restart;

use super::effect::{
    AttachError, Claim, ConsumerId, ConsumerSpec, Effect, Handout, Loan, Note, Offered, Outbox, QueueLimits,
    over_length,
};
use super::entry::{Entry, Freed, FreedEnvelopes, Unacked, expiry, note_all};
use super::spec::{Overflow, Settings};
use super::totals::{Counts, Totals};
use crate::base::{Moment, SessionId};
use crate::message::{Reason, SharedEnvelope};
use consumers::{Consumers, Served};
use ready::Ready;
use std::sync::Arc;

/// A classic queue. Invariants (asserted by `check`): what came in is ready, out, or gone and counted; no consumer is
/// beyond a gate; no message waits while a consumer could take it; the head is not over the length.
#[derive(Debug)]
pub(crate) struct ClassicQueue {
    settings: Arc<Settings>,
    limits: QueueLimits,
    ready: Ready,
    unacked: Unacked,
    lent: Lent,
    freed: Freed,
    consumers: Consumers,
    totals: Totals,
    next_seq: u64,
    used: Moment,
    /// When the head is looked at next, [`Moment::MAX`] for never. It is set by a look, for the head that this left.
    timer: Moment,
    /// Whether something that can expire came in since the queue was last empty.
    timed: bool,
}

/// What is out with consumers that keep it themselves.
#[derive(Clone, Copy, Debug, Default)]
struct Lent {
    count: usize,
    bytes: u64,
}

impl Lent {
    /// So many are not out any more.
    fn end(&mut self, count: u32, bytes: u64) {
        self.count = self.count.saturating_sub(count as usize);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl ClassicQueue {
    pub(crate) fn new(now: Moment, settings: Arc<Settings>, limits: QueueLimits) -> Self {
        let max_priority = settings.max_priority;
        let consumers = Consumers::new(settings.single_active);
        Self {
            settings,
            limits,
            ready: Ready::new(max_priority),
            unacked: Unacked::default(),
            lent: Lent::default(),
            freed: Freed::default(),
            consumers,
            totals: Totals::default(),
            next_seq: 0,
            used: now,
            timer: Moment::MAX,
            timed: false,
        }
    }

    #[inline]
    pub(crate) fn offer(&mut self, now: Moment, envelope: SharedEnvelope, fx: &mut impl Outbox) -> Offered {
        self.catch_up(now, fx);
        let bytes = envelope.body().len() as u64;
        if self.settings.overflow != Overflow::DropHead
            && over_length(&self.settings, self.ready.len() + 1, self.ready.bytes() + bytes)
        {
            self.totals.refused += 1;
            if self.settings.overflow == Overflow::RejectPublishDlx {
                let failures = envelope.failures();
                let reason = Reason::MaxLength;
                fx.push(Effect::Die { envelope, reason, burial: None, failures, refused: true });
            }
            return Offered::Refused;
        }
        if self.limits.is_full(self.ready.len(), self.ready.bytes(), bytes) {
            self.totals.full += 1;
            return Offered::Full;
        }
        self.totals.enqueued += 1;
        self.timed &= self.held() > 0;
        let expires = expiry(&envelope, &self.settings, 0, now);
        self.timed |= expires != Moment::MAX;
        let seq = self.next_seq;
        self.next_seq += 1;
        let served = if self.ready.is_empty() { self.consumers.serve() } else { None };
        match served {
            // Nearly all go this way: nothing is built that is not handed over.
            Some(Served { id, session, no_ack: false, keeps: true }) => {
                self.totals.delivered += 1;
                self.lend(envelope, Loan { seq, expires }, 0, (session, id), fx);
            }
            Some(served) => {
                fx.note(&envelope, Note::Enqueued);
                self.hand_over(Entry { seq, expires, returns: 0, failures: 0, envelope }, served, fx);
            }
            None => {
                fx.note(&envelope, Note::Enqueued);
                self.ready.insert(Entry { seq, expires, returns: 0, failures: 0, envelope });
                // RabbitMQ looks at the head only where it may be another one; that a higher priority may have overtaken
                // the one that its timer is set for, it does not see.
                let dropped = self.drop_over_length(fx);
                if dropped || self.ready.len() == 1 {
                    self.expire(now, fx);
                }
            }
        }
        Offered::Taken
    }

    pub(crate) fn take(
        &mut self,
        now: Moment,
        session: SessionId,
        no_ack: bool,
        fx: &mut impl Outbox,
    ) -> Option<(Handout, usize)> {
        self.catch_up(now, fx);
        self.used = now;
        let entry = self.ready.pop()?;
        self.count_delivery(&entry);
        entry.note_delivery(session, None, no_ack, fx);
        let handout = if no_ack {
            self.totals.acknowledged += 1;
            entry.handout(session, None, false)
        } else {
            let mut handout = entry.handout(session, None, false);
            handout.claim = Claim::Kept(self.unacked.put(entry, session, None));
            handout
        };
        self.expire(now, fx);
        Some((handout, self.ready.len()))
    }

    pub(crate) fn attach(
        &mut self,
        now: Moment,
        spec: ConsumerSpec,
        fx: &mut impl Outbox,
    ) -> Result<ConsumerId, AttachError> {
        self.catch_up(now, fx);
        if !self.consumers.admits(spec.exclusive) {
            return Err(AttachError::ExclusiveUse);
        }
        if self.consumers.len() >= self.limits.consumers {
            return Err(AttachError::TooMany);
        }
        self.used = now;
        let id = self.consumers.insert(spec, self.limits.unacked_messages);
        fx.attached(id);
        self.pump(now, fx);
        Ok(id)
    }

    pub(crate) fn detach(&mut self, now: Moment, consumer: ConsumerId, fx: &mut impl Outbox) -> bool {
        self.catch_up(now, fx);
        let was_here = self.consumers.remove(consumer);
        if was_here {
            self.used = now;
            self.pump(now, fx);
        }
        was_here
    }

    pub(crate) fn detach_all(&mut self, now: Moment, fx: &mut impl Outbox) {
        for (consumer, session) in self.consumers.all() {
            self.consumers.remove(consumer);
            self.used = now;
            fx.push(Effect::Detached { consumer, session });
        }
    }

    pub(crate) fn close_session(&mut self, now: Moment, session: SessionId, fx: &mut impl Outbox) {
        self.catch_up(now, fx);
        for consumer in self.consumers.of_session(session) {
            self.consumers.remove(consumer);
            self.used = now;
        }
        self.consumers.forget_departed(session);
        for (reference, _) in self.unacked.of_session(session) {
            if let Some(out) = self.unacked.take(reference) {
                self.put_back(out.entry, fx);
            }
        }
        self.settle_down(now, fx);
    }

    pub(crate) fn resume(&mut self, now: Moment, session: SessionId, fx: &mut impl Outbox) {
        self.catch_up(now, fx);
        self.consumers.resume(session);
        self.pump(now, fx);
    }

    pub(crate) fn purge(&mut self, now: Moment, fx: &mut impl Outbox) -> usize {
        self.catch_up(now, fx);
        note_all(self.ready.iter(), Note::Purged, fx);
        let purged = self.ready.clear(&mut self.freed);
        self.timer = Moment::MAX;
        self.totals.purged += purged as u64;
        purged
    }

    pub(crate) fn advance(&mut self, now: Moment, fx: &mut impl Outbox) {
        self.catch_up(now, fx);
        if self.unused_until().is_some_and(|end| end <= now) {
            fx.push(Effect::Expired);
        }
    }

    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        let timer = (self.timer != Moment::MAX).then_some(self.timer);
        [timer, self.unused_until()].into_iter().flatten().min()
    }

    pub(crate) fn touch(&mut self, now: Moment) {
        self.used = now;
    }

    pub(crate) fn apply_settings(&mut self, now: Moment, settings: Settings, fx: &mut impl Outbox) {
        self.catch_up(now, fx);
        // Levels of priority and the single active consumer are set once, by arguments; a policy cannot change them.
        let (max_priority, single_active) = (self.settings.max_priority, self.settings.single_active);
        self.settings = Arc::new(Settings { max_priority, single_active, ..settings });
        self.used = now;
        self.settle_down(now, fx);
    }

    pub(crate) fn close(&mut self, fx: &mut impl Outbox) -> usize {
        note_all(self.ready.iter(), Note::Lost { unacked: false }, fx);
        self.unacked.note_lost(fx);
        self.detach_all(self.used, fx);
        self.unacked.clear(&mut self.freed);
        self.lent = Lent::default();
        self.ready.clear(&mut self.freed)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    #[cfg(feature = "testing")]
    pub(crate) fn totals_mut(&mut self) -> &mut Totals {
        &mut self.totals
    }

    #[cfg(feature = "testing")]
    pub(crate) fn unacked(&self) -> &Unacked {
        &self.unacked
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            ready: self.ready.len(),
            ready_bytes: self.ready.bytes(),
            unacked: self.unacked.len() + self.lent.count,
            unacked_bytes: self.unacked.bytes() + self.lent.bytes,
            dying: 0,
            consumers: self.consumers.len(),
        }
    }

    /// Whether a body of `bytes` would be taken now.
    #[inline]
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        let rejects = self.settings.overflow != Overflow::DropHead;
        let over = over_length(&self.settings, self.ready.len() + 1, self.ready.bytes() + bytes);
        let full = self.limits.is_full(self.ready.len(), self.ready.bytes(), bytes);
        !(full || rejects && over)
    }

    /// What keeps out a body of `bytes` even if nothing is ready: looked at in the order of `offer`.
    pub(crate) fn never_takes(&self, bytes: u64) -> Option<Offered> {
        if self.settings.overflow != Overflow::DropHead && over_length(&self.settings, 1, bytes) {
            return Some(Offered::Refused);
        }
        self.limits.is_full(0, 0, bytes).then_some(Offered::Full)
    }

    pub(crate) fn ready(&self) -> impl Iterator<Item = &Entry> {
        self.ready.iter()
    }

    /// What follows where something came back or other settings are in force: drop what is over, expire what is due, hand
    /// out what can be.
    fn settle_down(&mut self, now: Moment, fx: &mut impl Outbox) {
        self.drop_over_length(fx);
        self.expire(now, fx);
        self.pump(now, fx);
    }

    /// Hands out while a message waits and a consumer has room.
    fn pump(&mut self, now: Moment, fx: &mut impl Outbox) {
        while !self.ready.is_empty() {
            let Some(served) = self.consumers.serve() else { return };
            let Some(entry) = self.ready.pop() else { return };
            self.hand_over(entry, served, fx);
            self.expire(now, fx);
        }
    }

    #[inline(always)]
    fn hand_over(&mut self, entry: Entry, served: Served, fx: &mut impl Outbox) {
        self.count_delivery(&entry);
        let Served { id, session, no_ack, keeps } = served;
        if keeps && !no_ack {
            let Entry { seq, expires, returns, envelope, .. } = entry;
            return self.lend(envelope, Loan { seq, expires }, returns, (session, id), fx);
        }
        entry.note_delivery(session, Some(id), no_ack, fx);
        let mut handout = entry.handout(session, Some(id), false);
        if no_ack {
            self.totals.acknowledged += 1;
        } else {
            handout.claim = Claim::Kept(self.unacked.put(entry, session, Some(id)));
        }
        fx.deliver(handout);
    }

    #[inline(always)]
    fn lend(
        &mut self,
        envelope: SharedEnvelope,
        loan: Loan,
        returns: u32,
        (session, id): (SessionId, ConsumerId),
        fx: &mut impl Outbox,
    ) {
        self.lent.count += 1;
        self.lent.bytes += envelope.body().len() as u64;
        fx.deliver(Handout {
            session,
            consumer: Some(id),
            claim: Claim::Lent(loan),
            redelivered: returns > 0,
            returns,
            counted: false,
            envelope,
        });
    }

    /// Over its length, the head makes room; a queue that refuses publishes lets in what comes back. True where it had to.
    fn drop_over_length(&mut self, fx: &mut impl Outbox) -> bool {
        let mut dropped = false;
        while self.settings.overflow == Overflow::DropHead
            && over_length(&self.settings, self.ready.len(), self.ready.bytes())
        {
            let Some(entry) = self.ready.pop() else { break };
            self.die(entry, Reason::MaxLength, fx);
            dropped = true;
        }
        dropped
    }

    /// Does what the timer would have done by now.
    #[inline]
    fn catch_up(&mut self, now: Moment, fx: &mut impl Outbox) {
        if self.timer <= now && self.timer != Moment::MAX {
            self.expire(now, fx);
        }
    }

    /// Looks at the head, and sets the timer for it.
    fn expire(&mut self, now: Moment, fx: &mut impl Outbox) {
        while self.ready.head().is_some_and(|head| head.is_expired(now)) {
            let Some(entry) = self.ready.pop() else { break };
            self.die(entry, Reason::Expired, fx);
        }
        self.timer = self.ready.head().map_or(Moment::MAX, |head| head.expires);
    }

    fn die(&mut self, entry: Entry, reason: Reason, fx: &mut impl Outbox) {
        self.totals.died(reason);
        fx.note(&entry.envelope, Note::Died(reason));
        let failures = entry.envelope.failures();
        fx.push(Effect::Die { envelope: entry.envelope, reason, burial: None, failures, refused: false });
    }

    #[inline]
    fn count_delivery(&mut self, entry: &Entry) {
        self.totals.delivered += 1;
        self.totals.redelivered += u64::from(entry.returns > 0);
    }

    #[inline]
    pub(crate) fn has_freed(&self) -> bool {
        !self.freed.is_empty()
    }

    pub(crate) fn take_freed(&mut self) -> FreedEnvelopes {
        self.freed.take()
    }

    /// Whether something that can expire may be here.
    #[inline]
    pub(crate) fn is_timed(&self) -> bool {
        self.timed && self.held() > 0
    }

    /// Whether a message waits.
    #[inline]
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// How many messages are here or out.
    #[inline]
    fn held(&self) -> usize {
        self.ready.len() + self.unacked.len() + self.lent.count
    }

    /// Whose consumers there are, each by its session.
    pub(crate) fn consumer_sessions(&self) -> Vec<SessionId> {
        self.consumers.all().into_iter().map(|(_, session)| session).collect()
    }

    /// When the queue's time without use ends.
    #[inline]
    pub(crate) fn unused_until(&self) -> Option<Moment> {
        let expires = self.settings.expires_millis?;
        (self.consumers.len() == 0).then(|| self.used.plus_millis(expires)).filter(|end| *end != Moment::MAX)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        self.ready.check()?;
        let kept = |id| self.unacked.iter().filter(|(_, out)| out.consumer == Some(id)).count();
        self.consumers.check(kept, !self.ready.is_empty())?;
        let (here, left) = self.consumers.lent();
        if self.lent.count < here || self.lent.count > here + left {
            return Err(format!("{} are lent, of which {here} to consumers here, {left} to others", self.lent.count));
        }
        let held = self.held() as u64;
        if self.totals.enqueued != held + self.totals.gone() {
            return Err(format!("{} came in, {held} are here, {} are gone", self.totals.enqueued, self.totals.gone()));
        }
        if self.settings.overflow == Overflow::DropHead
            && over_length(&self.settings, self.ready.len(), self.ready.bytes())
        {
            return Err("the queue is over its length".to_owned());
        }
        Ok(())
    }
}
