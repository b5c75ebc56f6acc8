//! The quorum queue: RabbitMQ's replicated queue as seen by its clients, with one replica.
//!
//! It differs from a classic queue in whom it serves (`consumers.rs`), in where a message goes that comes back
//! (`ready.rs`: before all new ones, in the order of return), in counting returns (`x-delivery-count`, and a limit at
//! which the message dies), in looking at its length only after consumers were served, in how it refuses
//! publishers (`publishers.rs`), and in that it can keep a dead letter until somebody has taken it. How messages leave it
//! other than to a consumer, by length, time and death, is in `leaving.rs`.

mod consumers;
mod dying;
mod forecast;
mod leaving;
mod publishers;
mod ready;
#[cfg(feature = "testing")]
mod restart;

use super::effect::{
    AttachError, Claim, ConsumerId, ConsumerSpec, DeliveryRef, Effect, Handout, Note, Offered, Outbox, QueueLimits,
    Settlement,
};
use super::entry::{Entry, Freed, FreedEnvelopes, Unacked, note_all};
use super::spec::{Overflow, Settings};
use super::totals::{Counts, Totals};
use crate::base::{Moment, SessionId};
use crate::message::{Reason, SharedEnvelope};
use consumers::{Consumers, Served};
use dying::{Dying, Letter};
use publishers::Publishers;
use ready::Ready;
use smallvec::SmallVec;
use std::num::NonZeroU64;
use std::sync::Arc;

/// A quorum queue. Invariants (asserted by `check`): what came in is ready, out, dying, or gone and counted; no
/// consumer has more out than its prefetch; no message waits while a consumer has credit.
#[derive(Debug)]
pub(crate) struct QuorumQueue {
    settings: Arc<Settings>,
    limits: QueueLimits,
    ready: Ready,
    unacked: Unacked,
    freed: Freed,
    /// How many are out by `take`; RabbitMQ counts each as a consumer.
    got: usize,
    consumers: Consumers,
    publishers: Publishers,
    dying: Dying,
    totals: Totals,
    next_seq: u64,
    used: Moment,
    /// Whether something that can expire came in since the queue was last empty.
    timed: bool,
}

impl QuorumQueue {
    pub(crate) fn new(now: Moment, settings: Arc<Settings>, limits: QueueLimits) -> Self {
        let consumers = Consumers::new(settings.single_active);
        Self {
            settings,
            limits,
            ready: Ready::default(),
            unacked: Unacked::default(),
            freed: Freed::default(),
            got: 0,
            consumers,
            publishers: Publishers::new(),
            dying: Dying::default(),
            totals: Totals::default(),
            next_seq: 0,
            used: now,
            timed: false,
        }
    }

    pub(crate) fn offer(
        &mut self,
        now: Moment,
        publisher: Option<SessionId>,
        envelope: SharedEnvelope,
        fx: &mut impl Outbox,
    ) -> Offered {
        self.catch_up(now, fx);
        let over = self.is_over();
        if self.settings.overflow == Overflow::RejectPublish && self.publishers.refuses(publisher, over) {
            self.totals.refused += 1;
            return Offered::Refused;
        }
        self.enqueue(now, envelope, fx)
    }

    /// A dead letter comes in that its queue does not keep. RabbitMQ refuses publishers at their channels, and this one
    /// has none.
    pub(crate) fn offer_letter(&mut self, now: Moment, envelope: SharedEnvelope, fx: &mut impl Outbox) -> Offered {
        self.catch_up(now, fx);
        self.enqueue(now, envelope, fx)
    }

    fn enqueue(&mut self, now: Moment, envelope: SharedEnvelope, fx: &mut impl Outbox) -> Offered {
        if self.limits.is_full(self.ready.len(), self.ready.bytes(), envelope.body().len() as u64) {
            self.totals.full += 1;
            return Offered::Full;
        }
        self.totals.enqueued += 1;
        fx.note(&envelope, Note::Enqueued);
        self.timed &= self.ready.len() + self.unacked.len() > 0;
        let failures = envelope.failures();
        let entry = Entry { failures, ..Entry::new(self.next_seq, envelope, &self.settings, 1, now) };
        self.timed |= entry.expires != Moment::MAX;
        self.ready.push(entry);
        self.next_seq += 1;
        self.checkout(now, fx);
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
        let mut handout = entry.handout(session, None, true);
        if no_ack {
            self.totals.acknowledged += 1;
        } else {
            self.got += 1;
            handout.claim = Claim::Kept(self.unacked.put(entry, session, None));
        }
        let left = self.ready.len();
        self.checkout(now, fx);
        // Only where it is settled at once has RabbitMQ looked for what expires next before it counts.
        Some((handout, if no_ack { self.ready.len() } else { left }))
    }

    pub(crate) fn settle(&mut self, now: Moment, refs: &[DeliveryRef], settlement: Settlement, fx: &mut impl Outbox) {
        self.catch_up(now, fx);
        if settlement == Settlement::Requeue && self.settings.delivery_limit.is_none() {
            return self.requeue_last(now, refs, fx);
        }
        let mut credits: SmallVec<[(Option<ConsumerId>, u32); 1]> = SmallVec::new();
        for reference in refs {
            let Some(out) = self.unacked.take(*reference) else { continue };
            match credits.iter_mut().find(|(known, _)| *known == out.consumer) {
                Some((_, count)) => *count += 1,
                None => credits.push((out.consumer, 1)),
            }
            match settlement {
                Settlement::Ack => {
                    self.totals.acknowledged += 1;
                    fx.note(&out.entry.envelope, Note::Acknowledged { automatic: false });
                    self.freed.put(out.entry.envelope);
                }
                Settlement::Requeue => self.return_entry(now, out.entry, fx),
                Settlement::Reject => {
                    let failures = out.entry.failures.saturating_add(1);
                    self.die(now, Entry { failures, ..out.entry }, Reason::Rejected, fx);
                }
            }
        }
        for (consumer, count) in credits {
            self.credit(now, consumer, count, settlement != Settlement::Requeue);
        }
        self.checkout(now, fx);
    }

    /// Without a delivery limit RabbitMQ puts each returned message to the end, as a command of its own: the next one
    /// comes back only after everybody was served and the length was looked at.
    fn requeue_last(&mut self, now: Moment, refs: &[DeliveryRef], fx: &mut impl Outbox) {
        for reference in refs {
            // What was handed out in between has another reference and is not meant.
            let Some(mut out) = self.unacked.take(*reference) else { continue };
            self.totals.requeued += 1;
            fx.note(&out.entry.envelope, Note::Requeued);
            out.entry.returns = out.entry.returns.saturating_add(1);
            out.entry.seq = self.next_seq;
            self.next_seq += 1;
            self.ready.put_last(out.entry);
            self.credit(now, out.consumer, 1, false);
            self.checkout(now, fx);
        }
    }

    /// Gives credit back for what was settled. Whoever has nothing more to do goes, which renews the queue.
    fn credit(&mut self, now: Moment, consumer: Option<ConsumerId>, count: u32, activates: bool) {
        let has_gone = match consumer {
            Some(id) => self.consumers.settled(id, count, activates),
            None => {
                self.got = self.got.saturating_sub(count as usize);
                true
            }
        };
        if has_gone {
            self.used = now;
        }
    }

    pub(crate) fn attach(
        &mut self,
        now: Moment,
        spec: ConsumerSpec,
        fx: &mut impl Outbox,
    ) -> Result<ConsumerId, AttachError> {
        self.catch_up(now, fx);
        if self.consumers.len() >= self.limits.consumers {
            return Err(AttachError::TooMany);
        }
        let id = self.consumers.insert(spec);
        fx.attached(id);
        self.checkout(now, fx);
        Ok(id)
    }

    pub(crate) fn detach(&mut self, now: Moment, consumer: ConsumerId, fx: &mut impl Outbox) -> bool {
        self.catch_up(now, fx);
        let was_here = self.consumers.cancel(consumer);
        if was_here {
            self.used = now;
            self.checkout(now, fx);
        }
        was_here
    }

    pub(crate) fn detach_all(&mut self, now: Moment, fx: &mut impl Outbox) {
        for (consumer, session) in self.consumers.all() {
            self.consumers.cancel(consumer);
            self.used = now;
            fx.push(Effect::Detached { consumer, session });
        }
    }

    pub(crate) fn close_session(&mut self, now: Moment, session: SessionId, fx: &mut impl Outbox) {
        self.catch_up(now, fx);
        let mut outs = self.unacked.of_session(session);
        // Consumers in the order in which they came, then what was fetched; each in the order of delivery.
        outs.sort_by_key(|(_, consumer)| consumer.map_or(NonZeroU64::MAX, |id| id.serial));
        for (reference, consumer) in outs {
            let Some(out) = self.unacked.take(reference) else { continue };
            if consumer.is_none() {
                self.credit(now, None, 1, false);
            }
            let failures = out.entry.failures.saturating_add(1);
            self.return_entry(now, Entry { failures, ..out.entry }, fx);
        }
        for id in self.consumers.of_session(session) {
            self.consumers.forget(id);
            self.used = now;
        }
        self.consumers.activate();
        self.publishers.forget(session);
        self.checkout(now, fx);
    }

    pub(crate) fn resume(&mut self, now: Moment, session: SessionId, fx: &mut impl Outbox) {
        self.catch_up(now, fx);
        self.consumers.resume(session);
        self.checkout(now, fx);
    }

    pub(crate) fn purge(&mut self, now: Moment, fx: &mut impl Outbox) -> usize {
        self.catch_up(now, fx);
        note_all(self.ready.iter(), Note::Purged, fx);
        let purged = self.ready.clear(&mut self.freed);
        self.totals.purged += purged as u64;
        self.keep_length(now, fx);
        purged
    }

    pub(crate) fn advance(&mut self, now: Moment, fx: &mut impl Outbox) {
        self.checkout(now, fx);
        let retry = now.plus_millis(self.limits.dead_letter_retry_millis);
        for (burial, letter) in self.dying.due(now, retry) {
            let Letter { envelope, reason, failures, .. } = letter;
            fx.push(Effect::Die { envelope, reason, burial: Some(burial), failures, refused: false });
        }
        if self.unused_until().is_some_and(|end| end <= now) {
            fx.push(Effect::Expired);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        let head = self.ready.head().map(|entry| entry.expires).filter(|expires| *expires != Moment::MAX);
        [head, self.dying.next_retry(), self.unused_until()].into_iter().flatten().min()
    }

    /// Somebody has taken this dead letter.
    pub(crate) fn bury(&mut self, now: Moment, burial: u64, fx: &mut impl Outbox) {
        self.catch_up(now, fx);
        if let Some(letter) = self.dying.bury(burial) {
            fx.note(&letter.envelope, Note::Buried);
            self.freed.put(letter.envelope);
        }
        self.checkout(now, fx);
    }

    pub(crate) fn apply_settings(&mut self, now: Moment, settings: Settings, fx: &mut impl Outbox) {
        self.catch_up(now, fx);
        self.settings = Arc::new(Settings { single_active: self.settings.single_active, ..settings });
        if !self.keeps_letters() {
            // As RabbitMQ: what was promised under the old strategy is forgotten with it.
            self.dying.note_forgotten(false, fx);
            self.dying.clear(&mut self.freed);
        }
        self.checkout(now, fx);
    }

    pub(crate) fn close(&mut self, fx: &mut impl Outbox) -> usize {
        note_all(self.ready.iter(), Note::Lost { unacked: false }, fx);
        self.unacked.note_lost(fx);
        self.dying.note_forgotten(true, fx);
        for (consumer, session) in self.consumers.all() {
            fx.push(Effect::Detached { consumer, session });
        }
        self.consumers = Consumers::new(self.settings.single_active);
        self.unacked.clear(&mut self.freed);
        self.dying.clear(&mut self.freed);
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
            unacked: self.unacked.len(),
            unacked_bytes: self.unacked.bytes(),
            dying: self.dying.len(),
            consumers: self.consumers.counted() + self.got,
        }
    }

    /// Whether a body of `bytes` from a new publisher would be taken now.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        let refuses = self.settings.overflow == Overflow::RejectPublish && self.is_over();
        !refuses && !self.limits.is_full(self.ready.len(), self.ready.bytes(), bytes)
    }

    /// What keeps out a body of `bytes` even if nothing is ready. The queue's own length is looked at before one comes in,
    /// so it always lets in one.
    pub(crate) fn never_takes(&self, bytes: u64) -> Option<Offered> {
        self.limits.is_full(0, 0, bytes).then_some(Offered::Full)
    }

    pub(crate) fn ready(&self) -> impl Iterator<Item = &Entry> {
        self.ready.iter()
    }

    /// Serves consumers while there are messages and credit, then looks at the length.
    ///
    /// A consumer that acknowledges nothing has its prefetch as credit, too: RabbitMQ settles for it, by commands that
    /// come after this one.
    fn checkout(&mut self, now: Moment, fx: &mut impl Outbox) {
        loop {
            let settled = self.serve(now, fx);
            if settled.is_empty() {
                return;
            }
            for id in settled {
                self.consumers.settled(id, 1, true);
            }
        }
    }

    /// One command's serving. The channel sees what it hands out consumer by consumer. Returns to whom something went
    /// that needs no acknowledgement.
    fn serve(&mut self, now: Moment, fx: &mut impl Outbox) -> SmallVec<[ConsumerId; 1]> {
        let mut settled = SmallVec::new();
        // Mostly one message goes out, or none.
        let mut handouts: SmallVec<[(NonZeroU64, Handout); 1]> = SmallVec::new();
        loop {
            self.expire(now, fx);
            if self.ready.is_empty() {
                break;
            }
            let Some(served) = self.consumers.serve() else { break };
            let Some(entry) = self.ready.pop() else { break };
            handouts.push((served.id.serial, self.hand_over(entry, served, fx)));
            if served.no_ack {
                settled.push(served.id);
            }
        }
        handouts.sort_by_key(|(serial, _)| *serial);
        handouts.into_iter().for_each(|(_, handout)| fx.deliver(handout));
        self.keep_length(now, fx);
        settled
    }

    fn hand_over(&mut self, entry: Entry, served: Served, fx: &mut impl Outbox) -> Handout {
        self.count_delivery(&entry);
        entry.note_delivery(served.session, Some(served.id), served.no_ack, fx);
        let mut handout = entry.handout(served.session, Some(served.id), true);
        if served.no_ack {
            self.totals.acknowledged += 1;
        } else {
            handout.claim = Claim::Kept(self.unacked.put(entry, served.session, Some(served.id)));
        }
        handout
    }

    /// Counts a return; over the limit it is the last.
    fn return_entry(&mut self, now: Moment, mut entry: Entry, fx: &mut impl Outbox) {
        entry.returns = entry.returns.saturating_add(1);
        if self.settings.delivery_limit.is_some_and(|limit| u64::from(entry.returns) > limit) {
            return self.die(now, entry, Reason::DeliveryLimit, fx);
        }
        self.totals.requeued += 1;
        fx.note(&entry.envelope, Note::Requeued);
        self.ready.put_back(entry);
    }

    fn count_delivery(&mut self, entry: &Entry) {
        self.totals.delivered += 1;
        self.totals.redelivered += u64::from(entry.returns > 0);
    }

    pub(crate) fn has_freed(&self) -> bool {
        !self.freed.is_empty()
    }

    pub(crate) fn take_freed(&mut self) -> FreedEnvelopes {
        self.freed.take()
    }

    /// Whether a message waits.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether something that can expire may be here, or whoever settles next may leave, which is a use of the queue.
    pub(crate) fn is_timed(&self) -> bool {
        let expires = self.timed && self.ready.len() + self.unacked.len() > 0;
        expires || self.got > 0 || self.consumers.has_cancelled()
    }

    /// Whose consumers there are, each by its session.
    pub(crate) fn consumer_sessions(&self) -> Vec<SessionId> {
        self.consumers.all().into_iter().map(|(_, session)| session).collect()
    }

    /// When the queue's time without use ends.
    pub(crate) fn unused_until(&self) -> Option<Moment> {
        let expires = self.settings.expires_millis?;
        let unused = self.consumers.is_empty() && self.got == 0;
        unused.then(|| self.used.plus_millis(expires)).filter(|end| *end != Moment::MAX)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        self.ready.check()?;
        self.dying.check()?;
        let out = |id| self.unacked.iter().filter(|(_, out)| out.consumer == Some(id)).count();
        self.consumers.check(out, !self.ready.is_empty())?;
        let held = (self.ready.len() + self.unacked.len()) as u64;
        if self.totals.enqueued != held + self.totals.gone() {
            return Err(format!("{} came in, {held} are here, {} are gone", self.totals.enqueued, self.totals.gone()));
        }
        if self.settings.overflow != Overflow::RejectPublish && self.is_over() {
            return Err("the queue is over its length".to_owned());
        }
        if self.got != self.unacked.iter().filter(|(_, out)| out.consumer.is_none()).count() {
            return Err(format!("{} counted as taken by get", self.got));
        }
        Ok(())
    }
}
