//! Proxies: the channels that stand in a trace for handles which are none.
//!
//! Each remembers what a channel would: whether it is open, the numbers of its publishes, and under which delivery tag
//! it has what is out.

use super::log::Log;
use serde_json::Map;
use std::collections::BTreeMap;

/// By what a delivery is known that is out: the age of its queue, how it is held, and where.
pub(crate) type Key = (u64, u8, u64, u64);

/// All of them, by label.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    known: BTreeMap<String, Proxy>,
    next: BTreeMap<char, u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Proxy {
    /// A mistake has closed it.
    pub(crate) is_closed: bool,
    /// It is in confirm mode.
    pub(crate) confirms: bool,
    published: u64,
    delivered: u64,
    out: BTreeMap<Key, u64>,
}

impl Proxies {
    /// The label of a new one of this kind.
    pub(crate) fn next(&mut self, kind: char) -> String {
        let next = self.next.entry(kind).or_default();
        *next += 1;
        format!("{PLAIN}/{kind}{next}")
    }

    /// The proxy of this label.
    pub(crate) fn of(&mut self, label: &str) -> &mut Proxy {
        self.known.entry(label.to_owned()).or_default()
    }

    /// Nobody uses it any more.
    pub(crate) fn forget(&mut self, label: &str) {
        self.known.remove(label);
    }
}

impl Proxy {
    /// The number of the next publish.
    pub(crate) fn publish(&mut self) -> u64 {
        self.published += 1;
        self.published
    }

    /// Whether it has published.
    pub(crate) fn has_published(&self) -> bool {
        self.published > 0
    }

    /// The last publish did not happen.
    pub(crate) fn take_back_publish(&mut self) {
        self.published -= 1;
    }

    /// The tag of the next delivery; it is out where it has a key.
    pub(crate) fn deliver(&mut self, key: Option<Key>) -> u64 {
        self.delivered += 1;
        self.out.extend(key.map(|key| (key, self.delivered)));
        self.delivered
    }

    /// Settles what is out under this key, and gives its tag.
    pub(crate) fn settle(&mut self, key: Key) -> Option<u64> {
        self.out.remove(&key)
    }

    /// The tag up to which exactly these are out, if there is one.
    pub(crate) fn up_to(&self, keys: &[Key]) -> Option<u64> {
        let last = keys.iter().map(|key| self.out.get(key).copied()).max()??;
        let all = self.out.values().filter(|tag| **tag <= last).count();
        (all == keys.len() && keys.iter().all(|key| self.out.contains_key(key))).then_some(last)
    }
}

impl Log {
    /// The label of a new proxy.
    pub(crate) fn next_proxy(&mut self, kind: char) -> String {
        self.proxies.next(kind)
    }

    /// A proxy is about to be used: one that a mistake has closed is opened again.
    pub(crate) fn ready(&mut self, label: &str) {
        if std::mem::take(&mut self.proxies.of(label).is_closed) {
            self.plain_step(label, "channel.open", "channel.open-ok");
        }
    }

    /// A proxy is to be one that has not published yet: queues may remember publishers, and a handle that is no channel is
    /// not remembered.
    pub(crate) fn renew(&mut self, label: &str) {
        if self.proxies.of(label).has_published() {
            self.plain_step(label, "channel.close", "channel.close-ok");
            self.lost(label);
        }
    }

    /// As [`Log::ready`], for a publish, which is to be confirmed. Gives its number.
    pub(crate) fn ready_to_publish(&mut self, label: &str) -> u64 {
        self.ready(label);
        if !std::mem::replace(&mut self.proxies.of(label).confirms, true) {
            self.plain_step(label, "confirm.select", "confirm.select-ok");
        }
        self.proxies.of(label).publish()
    }

    /// The publish that a proxy was about to make did not happen.
    pub(crate) fn take_back_publish(&mut self, label: &str) {
        self.proxies.of(label).take_back_publish();
    }

    /// A mistake has closed a proxy.
    pub(crate) fn lost(&mut self, label: &str) {
        self.proxies.forget(label);
        self.proxies.of(label).is_closed = true;
    }

    /// The tag of a delivery to a proxy.
    pub(crate) fn delivered(&mut self, label: &str, key: Option<Key>) -> u64 {
        self.proxies.of(label).deliver(key)
    }

    /// A proxy settles a delivery; gives its tag.
    pub(crate) fn settled_tag(&mut self, label: &str, key: Key) -> Option<u64> {
        self.proxies.of(label).settle(key)
    }

    /// A proxy settles these, if they are all it has up to a tag, which is given.
    pub(crate) fn settled_up_to(&mut self, label: &str, keys: &[Key]) -> Option<u64> {
        let proxy = self.proxies.of(label);
        let tag = proxy.up_to(keys)?;
        for key in keys {
            proxy.settle(*key);
        }
        Some(tag)
    }

    /// Nobody uses a proxy any more.
    pub(crate) fn forget_proxy(&mut self, label: &str) {
        self.proxies.forget(label);
    }

    fn plain_step(&mut self, label: &str, operation: &'static str, reply: &str) {
        self.open(label, operation, Map::new());
        self.reply(reply, Map::new());
        self.close();
    }
}

/// The connection that all of them are of.
const PLAIN: &str = "plain";
