//! The data of the reference broker, how a channel numbers what it gets, and how a message looks as text: what happens to
//! it is in `broker.rs` and `queue.rs`.

use leveret::{Overflow, Reason, Table};

/// What a queue is declared with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spec {
    pub(crate) quorum: bool,
    pub(crate) auto_delete: bool,
    pub(crate) ttl: Option<u64>,
    pub(crate) expires: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) overflow: Overflow,
    /// Exchange, and routing key where another is set.
    pub(crate) dead_letter: Option<(String, Option<String>)>,
    pub(crate) max_priority: Option<u8>,
    pub(crate) single_active: bool,
    pub(crate) delivery_limit: Option<u32>,
}

/// One entry of a message's death history.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Death {
    pub(crate) queue: String,
    pub(crate) reason: Reason,
    pub(crate) count: u64,
    pub(crate) exchange: String,
    pub(crate) key: String,
    pub(crate) expiration: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Msg {
    pub(crate) body: String,
    pub(crate) exchange: String,
    pub(crate) key: String,
    pub(crate) headers: Table,
    pub(crate) priority: u8,
    pub(crate) expiration: Option<u64>,
    /// The latest first.
    pub(crate) deaths: Vec<Death>,
    /// How often a delivery failed in the quorum queues that it came from: was rejected, or its channel ended.
    pub(crate) failures: u32,
}

/// A message in a queue. The least rank is the head.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) msg: Msg,
    pub(crate) id: u64,
    pub(crate) rank: (u64, u64),
    pub(crate) dies: Option<u64>,
    pub(crate) returns: u32,
}

impl Entry {
    /// A quorum queue's count of deliveries: its own returns, or else the failures that the message came with.
    pub(crate) fn count(&self, quorum: bool) -> u32 {
        if quorum && self.returns == 0 { self.msg.failures } else { self.returns }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Out {
    pub(crate) entry: Entry,
    pub(crate) channel: u64,
    pub(crate) consumer: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub(crate) tag: String,
    pub(crate) channel: u64,
    pub(crate) prefetch: u64,
    pub(crate) priority: i64,
    pub(crate) no_ack: bool,
    pub(crate) exclusive: bool,
}

/// What follows from a verb.
pub(crate) enum Effect {
    Deliver { channel: u64, consumer: String, no_ack: bool, entry: Entry },
    Died(Msg, Reason),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Ack,
    Requeue,
    Reject,
}

/// What a channel receives, as text; and the answers to its publishes.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    pub(crate) id: u64,
    pub(crate) events: Vec<String>,
    pub(crate) answers: Vec<(u64, bool)>,
    pub(crate) confirms: Option<u64>,
    pub(crate) next_tag: u64,
    pub(crate) unsettled: Vec<Unsettled>,
}

#[derive(Clone, Debug)]
pub(crate) struct Unsettled {
    pub(crate) tag: u64,
    pub(crate) queue: String,
    pub(crate) serial: u64,
    pub(crate) consumer: Option<String>,
    pub(crate) id: u64,
}

/// What an operation gives: text, or the reply code that closes the channel.
pub(crate) type Reply = Result<String, u16>;

impl Channel {
    /// The tag of the delivery; it is remembered, where it is to be settled.
    pub(crate) fn enter(
        &mut self,
        queue: &str,
        serial: u64,
        consumer: Option<String>,
        entry: &Entry,
        no_ack: bool,
    ) -> u64 {
        self.next_tag += 1;
        if !no_ack {
            let (tag, queue, id) = (self.next_tag, queue.to_owned(), entry.id);
            self.unsettled.push(Unsettled { tag, queue, serial, consumer, id });
        }
        self.next_tag
    }

    /// What is out.
    pub(crate) fn tags(&self) -> Vec<u64> {
        self.unsettled.iter().map(|one| one.tag).collect()
    }
}

/// How a message and the way it came look to whoever receives it.
pub(crate) fn shown(msg: &Msg, redelivered: bool, count: Option<u32>) -> String {
    let mut text = format!("{} {redelivered} '{}' '{}' {count:?}", msg.body, msg.exchange, msg.key);
    for d in &msg.deaths {
        let Death { queue, reason, count, exchange, key, expiration } = d;
        text += &format!(" [{queue} {} {count} '{exchange}' '{key}' {expiration:?}]", reason.as_str());
    }
    text
}

pub(crate) fn told(entry: &Entry, counted: bool) -> String {
    let count = entry.count(counted);
    shown(&entry.msg, count > 0, Some(count).filter(|count| counted && *count > 0))
}

/// Headers as the model's operations give them.
pub(crate) fn headers(which: u8) -> Table {
    let table = Table::new();
    match which % 4 {
        0 => table,
        1 => table.with("colour", "red"),
        2 => table.with("colour", "blue").with("size", 1),
        _ => table.with("size", 1),
    }
}
