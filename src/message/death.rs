//! Deaths: why a message left a queue without being acknowledged, and the history it carries on.
//!
//! The rules are RabbitMQ's ("Dead Letter Exchanges", and as recorded): one entry for each pair of queue and reason; a
//! further death of the same pair is counted in its entry, which moves to the front; `x-first-death-*` never change,
//! `x-last-death-*` always do.

use super::{ShortStr, Table, Value};
use crate::base::Name;
use std::fmt;

/// Why a message died in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A consumer rejected it without requeueing.
    Rejected,
    /// Its time to live ended.
    Expired,
    /// The queue was over its length.
    MaxLength,
    /// It came back more often than the queue's delivery limit allows.
    DeliveryLimit,
}

impl Reason {
    /// RabbitMQ's word in `x-death`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One entry of `x-death`: how often a message died in one queue for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Death {
    /// The queue it died in.
    pub queue: Name,
    /// Why.
    pub reason: Reason,
    /// How often.
    pub count: u64,
    /// When it first did, in seconds since 1970.
    pub time: u64,
    /// The exchange it had been published to before the first of these deaths.
    pub exchange: Name,
    /// The keys it had then: routing key and `CC`.
    pub routing_keys: Vec<Name>,
    /// The `expiration` it had then, if it had one.
    pub original_expiration: Option<ShortStr>,
}

/// The death history of a message: entries with the latest first, and the first and last death.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deaths {
    entries: Vec<Death>,
    first: (Name, Reason, Name),
    last: (Name, Reason, Name),
}

impl Deaths {
    /// The history of a message that dies for the first time.
    #[must_use]
    pub fn first(death: Death) -> Self {
        let pair = (death.queue.clone(), death.reason, death.exchange.clone());
        Self { entries: vec![death], first: pair.clone(), last: pair }
    }

    /// Records one more death. An entry of the same queue and reason is counted up and moved to the front, keeping its
    /// time, exchange and keys; else `death` is put there. At `limit` entries the oldest is forgotten.
    pub fn record(&mut self, death: Death, limit: usize) {
        self.last = (death.queue.clone(), death.reason, death.exchange.clone());
        let same = |known: &Death| known.queue == death.queue && known.reason == death.reason;
        let entry = match self.entries.iter().position(same) {
            Some(at) => {
                let mut known = self.entries.remove(at);
                known.count = known.count.saturating_add(1);
                known
            }
            None => death,
        };
        self.entries.insert(0, entry);
        self.entries.truncate(limit.max(1));
    }

    /// The entries, latest death first.
    #[must_use]
    pub fn entries(&self) -> &[Death] {
        &self.entries
    }

    /// How often it died, in all queues.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.entries.iter().fold(0, |sum, death| sum.saturating_add(death.count))
    }

    /// Whether going to `queue` now would close a cycle in which nobody rejected the message: it died there before,
    /// and no death since (nor that one) was a rejection.
    #[must_use]
    pub fn is_cycle(&self, queue: &str) -> bool {
        for death in &self.entries {
            if death.reason == Reason::Rejected {
                return false;
            }
            if death.queue == *queue {
                return true;
            }
        }
        false
    }

    /// Writes the history into headers, in the place of whatever stands there.
    pub(crate) fn write_headers(&self, headers: &mut Table) {
        headers.insert("x-death", Value::Array(self.entries.iter().map(entry_table).collect()));
        for (which, (queue, reason, exchange)) in [("first", &self.first), ("last", &self.last)] {
            headers.insert(format!("x-{which}-death-reason"), reason.as_str());
            headers.insert(format!("x-{which}-death-queue"), queue.as_str());
            headers.insert(format!("x-{which}-death-exchange"), exchange.as_str());
        }
    }
}

fn entry_table(death: &Death) -> Value {
    let keys: Vec<Value> = death.routing_keys.iter().map(Value::text).collect();
    let mut table = Table::new()
        .with("count", i64::try_from(death.count).unwrap_or(i64::MAX))
        .with("reason", death.reason.as_str())
        .with("queue", death.queue.as_str())
        .with("time", Value::Timestamp(death.time))
        .with("exchange", death.exchange.as_str())
        .with("routing-keys", keys);
    if let Some(expiration) = &death.original_expiration {
        table.insert("original-expiration", &**expiration);
    }
    Value::Table(table)
}
