//! Direct replies: messages that go to a waiting session without a queue (RabbitMQ: "Direct Reply-to").
//!
//! An address is a routing key of the default exchange. It is no queue: a mandatory message that reaches only an address
//! still comes back to its publisher, as in RabbitMQ. A reply arrives at most once, and is dropped where nobody waits
//! any more or where the session has too much waiting.

use super::Engine;
use super::waiter::{Waiter, Wakes, wake_all};
use crate::base::Name;
use crate::base::sync::{Mutex, Rank};
use crate::message::{Envelope, SharedEnvelope};
use crate::port::What;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Weak;

/// What a session puts into `reply_to` and into `basic.consume`, to have the broker put an address in its place.
pub(crate) const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// What every address begins with.
pub(crate) const ADDRESS: &str = "amq.rabbitmq.reply-to.";

/// Whoever waits for direct replies.
pub(crate) trait ReplySink: Send + Sync + fmt::Debug {
    /// A reply arrived for the consumer `tag`. Returns whoever waits for it, to be woken without a lock; the outer `None`
    /// is a reply that is not taken.
    fn reply(&self, tag: &Name, envelope: SharedEnvelope) -> Option<Option<Waiter>>;

    /// Whether somebody waits here.
    #[cfg(feature = "testing")]
    fn is_awaited(&self) -> bool;
}

/// The addresses at which somebody waits.
#[derive(Debug)]
pub(crate) struct Replies {
    open: Mutex<BTreeMap<Name, Waiting>>,
}

#[derive(Clone, Debug)]
struct Waiting {
    tag: Name,
    sink: Weak<dyn ReplySink>,
}

impl Replies {
    /// Nobody waits.
    pub(crate) fn new() -> Self {
        Self { open: Mutex::new(Rank::Leaf, BTreeMap::new()) }
    }

    /// Makes an address at which `sink` waits.
    pub(crate) fn open(&self, number: u64, tag: Name, sink: Weak<dyn ReplySink>) -> Name {
        let address = Name::generated(ADDRESS, number);
        self.open.lock().insert(address.clone(), Waiting { tag, sink });
        address
    }

    /// Nobody waits at this address any more.
    pub(crate) fn close(&self, address: &str) {
        self.open.lock().remove(address);
    }

    /// Whether somebody waits at this address.
    pub(crate) fn is_open(&self, address: &str) -> bool {
        self.open.lock().contains_key(address)
    }

    /// Whether somebody waits at this address, at this moment.
    #[cfg(feature = "testing")]
    pub(crate) fn is_awaited(&self, address: &str) -> bool {
        let waiting = self.open.lock().get(address).cloned();
        waiting.and_then(|waiting| waiting.sink.upgrade()).is_some_and(|sink| sink.is_awaited())
    }

    /// The part of a message's keys that are addresses, each once.
    fn find(&self, envelope: &Envelope) -> Vec<Waiting> {
        let open = self.open.lock();
        let mut seen: Vec<&Name> = Vec::new();
        for key in envelope.keys().filter(|key| key.starts_with(ADDRESS)) {
            if !seen.contains(&key) {
                seen.push(key);
            }
        }
        seen.into_iter().filter_map(|key| open.get(key).cloned()).collect()
    }
}

impl Engine {
    /// Whether somebody may wait for a message as a direct reply.
    #[inline]
    pub(crate) fn may_be_reply(&self, envelope: &Envelope) -> bool {
        envelope.exchange().is_empty() && envelope.keys().any(|key| key.starts_with(ADDRESS))
    }

    /// Hands a message to those who wait for it as a direct reply. It goes its way to queues all the same. True where
    /// somebody waits.
    pub(crate) fn reply(&self, envelope: &SharedEnvelope) -> bool {
        if !self.may_be_reply(envelope) {
            return false;
        }
        let mut is_reply = false;
        let mut wakes = Wakes::new();
        for waiting in self.replies.find(envelope) {
            if let Some(sink) = waiting.sink.upgrade() {
                is_reply = true;
                let taken = sink.reply(&waiting.tag, SharedEnvelope::clone(envelope));
                self.say_of(envelope, || What::Replied { consumer: waiting.tag.clone(), taken: taken.is_some() });
                wakes.extend(taken.flatten());
            }
        }
        wake_all(wakes);
        is_reply
    }
}
