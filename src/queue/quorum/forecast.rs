//! What a quorum queue would do with a message: the way of `offer`, looked at only.

use super::QuorumQueue;
use crate::base::Moment;
use crate::message::SharedEnvelope;
use crate::queue::entry::expiry;
use crate::queue::forecast::{Fate, Forecast, Length, Line, Newcomer};
use crate::queue::spec::{Overflow, QueueKind};

impl QuorumQueue {
    /// For a publisher that is not a channel. One that is may be refused by what the queue told it before.
    pub(crate) fn forecast(&self, now: Moment, envelope: &SharedEnvelope) -> Forecast {
        let settings = &*self.settings;
        let mut told = Forecast::new(QueueKind::Quorum, settings, self.counts(), envelope);
        let more = envelope.body().len() as u64;
        let mut turn = self.ready.in_turn();
        let (mut ready, mut bytes) = (self.ready.len(), self.ready.bytes());
        // As `catch_up`.
        while let Some(entry) = turn.next_expired(now) {
            told.expired += 1;
            ready -= 1;
            bytes -= entry.bytes();
        }
        // What expires there stays as a dead letter, where those are kept.
        let kept = self.keeps_letters();
        let (mut dying, mut dying_bytes) = (self.dying.len(), self.dying.bytes());
        if kept {
            dying += told.expired;
            dying_bytes += self.ready.bytes() - bytes;
        }
        let refuses = settings.overflow == Overflow::RejectPublish;
        if let Some(length) = Length::over(settings, ready + dying, bytes + dying_bytes).filter(|_| refuses) {
            return told.with(Fate::Refused { length, dies: false });
        }
        if let Some(length) = Length::full(&self.limits, ready, bytes, more) {
            return told.with(Fate::Full { length });
        }
        if ready == 0
            && let Some(consumer) = self.consumers.next_served()
        {
            return told.delivered(consumer);
        }
        turn.push(envelope.priority());
        let newcomer = Newcomer { bytes: more, expires: expiry(envelope, settings, 1, now) };
        let (all, all_bytes) = (ready + dying + 1, bytes + dying_bytes + more);
        let mut line = Line::new(turn, newcomer, all, all_bytes);
        let over = Length::over(settings, all, all_bytes).filter(|_| !refuses);
        let dropped = !refuses && line.keep_length(settings);
        told.dropped = line.went;
        told.head = line.first.map(|entry| SharedEnvelope::clone(&entry.envelope));
        told.over = over;
        let fate = match over.filter(|_| dropped) {
            Some(length) => Fate::Dropped { length },
            None => Fate::Ready { ahead: line.ahead() },
        };
        told.with(fate)
    }
}
