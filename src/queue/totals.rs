//! Counts: what a queue holds, and what became of everything it was given.

use crate::message::Reason;

/// What became of the messages of a queue since it was declared. The sums close: every message that came in (taken or
/// redelivered aside) is still there, or was acknowledged, died, was purged or was deleted with the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Totals {
    /// Messages that came in, dead letters of other queues included.
    pub enqueued: u64,
    /// Messages handed to consumers and by `get`, redeliveries included.
    pub delivered: u64,
    /// Deliveries that had been out before.
    pub redelivered: u64,
    /// Messages acknowledged, or handed over where no acknowledgement was due.
    pub acknowledged: u64,
    /// Deliveries that came back to be delivered again.
    pub requeued: u64,
    /// Messages rejected by a consumer without requeueing.
    pub rejected: u64,
    /// Messages whose time to live ended.
    pub expired: u64,
    /// Messages dropped at the head since the queue was over its length.
    pub max_length: u64,
    /// Messages that came back too often.
    pub delivery_limit: u64,
    /// Publishes that the queue refused (`x-overflow`), which never came in.
    pub refused: u64,
    /// Publishes refused at the broker's own bound, which never came in.
    pub full: u64,
    /// Messages purged.
    pub purged: u64,
    /// Messages that a restart of the broker lost: transient ones, in a durable classic queue.
    pub lost: u64,
}

impl Totals {
    /// Counts a death.
    pub(crate) fn died(&mut self, reason: Reason) {
        match reason {
            Reason::Rejected => self.rejected += 1,
            Reason::Expired => self.expired += 1,
            Reason::MaxLength => self.max_length += 1,
            Reason::DeliveryLimit => self.delivery_limit += 1,
        }
    }

    /// Messages that came in and are gone.
    pub(crate) fn gone(&self) -> u64 {
        self.acknowledged
            + self.rejected
            + self.expired
            + self.max_length
            + self.delivery_limit
            + self.purged
            + self.lost
    }
}

/// What a queue holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages ready for delivery.
    pub ready: usize,
    /// Bytes of their bodies.
    pub ready_bytes: u64,
    /// Messages out and not settled.
    pub unacked: usize,
    /// Bytes of their bodies.
    pub unacked_bytes: u64,
    /// Dead letters kept until somebody has taken them.
    pub dying: usize,
    /// Consumers, as `queue.declare-ok` counts them.
    pub consumers: usize,
}
