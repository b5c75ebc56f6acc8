//! What a classic queue would do with a message: the way of `offer`, looked at only.

use super::ClassicQueue;
use crate::base::Moment;
use crate::message::SharedEnvelope;
use crate::queue::entry::expiry;
use crate::queue::forecast::{Fate, Forecast, Length, Line, Newcomer, drops_heads};
use crate::queue::spec::{Overflow, QueueKind};

impl ClassicQueue {
    pub(crate) fn forecast(&self, now: Moment, envelope: &SharedEnvelope) -> Forecast {
        let settings = &*self.settings;
        let mut told = Forecast::new(QueueKind::Classic, settings, self.counts(), envelope);
        let more = envelope.body().len() as u64;
        let (mut ready, mut bytes) = (self.ready.len(), self.ready.bytes());
        // As `catch_up`.
        if self.timer <= now && self.timer != Moment::MAX {
            for entry in self.ready.iter().take_while(|entry| entry.is_expired(now)) {
                told.expired += 1;
                ready -= 1;
                bytes -= entry.bytes();
            }
        }
        let over = Length::over(settings, ready + 1, bytes + more);
        if let Some(length) = over.filter(|_| !drops_heads(settings)) {
            return told.with(Fate::Refused { length, dies: settings.overflow == Overflow::RejectPublishDlx });
        }
        if let Some(length) = Length::full(&self.limits, ready, bytes, more) {
            return told.with(Fate::Full { length });
        }
        if ready == 0
            && let Some(consumer) = self.consumers.next_served()
        {
            return told.delivered(consumer);
        }
        let before = self.ready.before(envelope.priority()).saturating_sub(told.expired);
        let left = || self.ready.iter().skip(told.expired).map(Some);
        let expires = expiry(envelope, settings, 0, now);
        let line = left().take(before).chain(std::iter::once(None)).chain(left().skip(before));
        let mut line = Line::new(line, Newcomer { bytes: more, expires }, ready + 1, bytes + more);
        let dropped = drops_heads(settings) && line.keep_length(settings);
        let went = line.went > 0 || dropped;
        told.dropped = line.went;
        told.head = line.first.map(|entry| SharedEnvelope::clone(&entry.envelope));
        told.over = over.filter(|_| went);
        let (expired, newcomer_expired) = if went || line.len() == 1 { line.expire(now) } else { (0, false) };
        told.expired += expired;
        let fate = match over.filter(|_| dropped) {
            Some(length) => Fate::Dropped { length },
            None if newcomer_expired => Fate::Expired,
            None => Fate::Ready { ahead: line.ahead() },
        };
        told.with(fate)
    }
}
