//! How messages leave a quorum queue other than to a consumer: over its length, at the end of their time, by death.

use super::QuorumQueue;
use super::dying::Letter;
use crate::base::Moment;
use crate::message::{Reason, SharedEnvelope};
use crate::queue::effect::{Effect, Note, Outbox, over_length};
use crate::queue::entry::Entry;
use crate::queue::spec::{Overflow, Strategy};

impl QuorumQueue {
    /// Looks at the length: drops at the head, or closes and opens publishers.
    pub(super) fn keep_length(&mut self, now: Moment, fx: &mut impl Outbox) {
        if self.settings.overflow == Overflow::RejectPublish {
            let (over, ready, bytes) = (self.is_over(), self.ready.len() + self.dying.len(), self.held_bytes());
            self.publishers.look(&self.settings, ready, bytes, over);
            return;
        }
        let mut dropped = Vec::new();
        while self.is_over() {
            let Some(entry) = self.ready.pop() else { break };
            fx.note(&entry.envelope, Note::Died(Reason::MaxLength));
            dropped.push(self.death(now, entry, Reason::MaxLength));
        }
        // RabbitMQ 4.0 dead-letters what one command drops with the last first.
        dropped.into_iter().rev().for_each(|effect| fx.push(effect));
    }

    pub(super) fn is_over(&self) -> bool {
        over_length(&self.settings, self.ready.len() + self.dying.len(), self.held_bytes())
    }

    pub(super) fn held_bytes(&self) -> u64 {
        self.ready.bytes() + self.dying.bytes()
    }

    /// What the expiry timer would have done until now, as a command of its own. Every verb begins with it, so what is
    /// overdue is never seen.
    pub(super) fn catch_up(&mut self, now: Moment, fx: &mut impl Outbox) {
        if self.ready.head().is_some_and(|head| head.is_expired(now)) {
            self.checkout(now, fx);
        }
    }

    pub(super) fn expire(&mut self, now: Moment, fx: &mut impl Outbox) {
        while self.ready.head().is_some_and(|head| head.is_expired(now)) {
            let Some(entry) = self.ready.pop() else { return };
            self.die(now, entry, Reason::Expired, fx);
        }
    }

    pub(super) fn die(&mut self, now: Moment, entry: Entry, reason: Reason, fx: &mut impl Outbox) {
        fx.note(&entry.envelope, Note::Died(reason));
        let death = self.death(now, entry, reason);
        fx.push(death);
    }

    fn death(&mut self, now: Moment, entry: Entry, reason: Reason) -> Effect {
        self.totals.died(reason);
        let Entry { envelope, failures, .. } = entry;
        let burial = self.keeps_letters().then(|| {
            let retry = now.plus_millis(self.limits.dead_letter_retry_millis);
            self.dying.keep(Letter { envelope: SharedEnvelope::clone(&envelope), reason, failures, retry })
        });
        Effect::Die { envelope, reason, burial, failures, refused: false }
    }

    /// Whether dead letters are kept until somebody has taken them.
    pub(super) fn keeps_letters(&self) -> bool {
        self.settings.strategy == Strategy::AtLeastOnce
            && self.settings.overflow == Overflow::RejectPublish
            && self.settings.dead_letter.is_some()
    }
}
