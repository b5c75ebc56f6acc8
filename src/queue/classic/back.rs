//! The way back: how what is out of a classic queue is settled.
//!
//! What the queue kept comes back by reference, what it lent by itself, or by number where it is acknowledged. All of one
//! settlement is taken in before anybody is served.

use super::ClassicQueue;
use crate::base::{Moment, SessionId};
use crate::message::Reason;
use crate::queue::effect::{DeliveryRef, Done, Handout, Note, Outbox, Settlement, over_length};
use crate::queue::entry::{Entry, Out};
use smallvec::SmallVec;

impl ClassicQueue {
    pub(crate) fn settle(&mut self, now: Moment, refs: &[DeliveryRef], settlement: Settlement, fx: &mut impl Outbox) {
        self.catch_up(now, fx);
        let unacked = &mut self.unacked;
        let outs: SmallVec<[Out; 1]> = refs.iter().filter_map(|reference| unacked.take(*reference)).collect();
        self.end(now, outs, settlement, fx);
    }

    /// What was lent comes back.
    pub(crate) fn give_back(
        &mut self,
        now: Moment,
        handouts: Vec<Handout>,
        settlement: Settlement,
        fx: &mut impl Outbox,
    ) {
        self.catch_up(now, fx);
        let outs: SmallVec<[Out; 1]> = handouts.into_iter().filter_map(Out::returned).collect();
        outs.iter().for_each(|out| self.lent.end(1, out.entry.bytes()));
        self.end(now, outs, settlement, fx);
    }

    /// What was lent is acknowledged, in order: whoever has room again is served before the next settlement counts.
    #[inline]
    pub(crate) fn done(&mut self, now: Moment, done: &[Done], fx: &mut impl Outbox) {
        self.catch_up(now, fx);
        for Done { consumer, count, bytes } in done {
            self.totals.acknowledged += u64::from(*count);
            self.lent.end(*count, *bytes);
            if let Some(session) = self.consumers.settled(*consumer, *count) {
                self.consumers.unblock(session);
            }
            // Also where none was full: one may have drained some since its window was asked.
            self.pump(now, fx);
        }
    }

    /// What was out is out no longer.
    fn end(&mut self, now: Moment, outs: SmallVec<[Out; 1]>, settlement: Settlement, fx: &mut impl Outbox) {
        let mut opened: SmallVec<[SessionId; 1]> = SmallVec::new();
        let mut rejected = Vec::new();
        if settlement == Settlement::Ack {
            self.freed.reserve(outs.len());
        }
        for out in outs {
            let session = out.consumer.and_then(|consumer| self.consumers.settled(consumer, 1));
            opened.extend(session.filter(|session| !opened.contains(session)));
            match settlement {
                Settlement::Ack => {
                    self.totals.acknowledged += 1;
                    fx.note(&out.entry.envelope, Note::Acknowledged { automatic: false });
                    self.freed.put(out.entry.envelope);
                }
                Settlement::Requeue => self.put_back(out.entry, fx),
                Settlement::Reject => rejected.push(out.entry),
            }
        }
        self.reject(rejected, fx);
        for session in opened {
            self.consumers.unblock(session);
        }
        match settlement {
            Settlement::Requeue => self.settle_down(now, fx),
            Settlement::Ack | Settlement::Reject => self.pump(now, fx),
        }
    }

    /// Several rejected at once die by priority, the highest first, and then in the order given.
    fn reject(&mut self, mut entries: Vec<Entry>, fx: &mut impl Outbox) {
        if let Some(max) = self.settings.max_priority {
            entries.sort_by_key(|entry| std::cmp::Reverse(entry.envelope.priority().min(max)));
        }
        for entry in entries {
            self.die(entry, Reason::Rejected, fx);
        }
    }

    pub(super) fn put_back(&mut self, mut entry: Entry, fx: &mut impl Outbox) {
        self.totals.requeued += 1;
        fx.note(&entry.envelope, Note::Requeued);
        entry.returns = entry.returns.saturating_add(1);
        self.ready.insert(entry);
    }

    /// Whether an acknowledgement may do more than give its own credit: whoever drains its window before it is carried out
    /// would get more by it.
    #[inline]
    pub(crate) fn needs_acks_at_once(&self) -> bool {
        self.consumers.has_windows()
    }

    /// Whether acknowledgements may matter to a message that comes in: somebody is full.
    #[inline]
    pub(crate) fn may_need_acks(&self) -> bool {
        !self.ready.is_empty() || self.consumers.has_full()
    }

    /// Whether so many acknowledgements that came before matter to a message of `bytes` that comes in. Where nobody is full
    /// they open nothing. Where messages wait, all are full, and each acknowledgement takes one of those: so they matter
    /// only if there are more of them, if it could go before those that wait, or if it might have no room.
    pub(crate) fn needs_acks(&self, acks: u32, bytes: u64) -> bool {
        if self.ready.is_empty() {
            return self.consumers.has_full();
        }
        let over = over_length(&self.settings, self.ready.len() + 1, self.ready.bytes() + bytes);
        acks as usize > self.ready.len()
            || self.ready.has_priorities()
            || over
            || self.limits.is_full(self.ready.len(), self.ready.bytes(), bytes)
    }
}
