//! A queue of the reference broker: lists, and linear scans through them. Times are in milliseconds.
//!
//! Classic and quorum queues differ in three rules only, for the model keeps to what is simple of quorum queues (no time to
//! live, no length, no consumer that need not acknowledge): where what comes back goes to, when a consumer without room
//! leaves the turn, and that a return too many is a death.

use crate::terms::{Consumer, Effect, Entry, Kind, Msg, Out, Spec};
use leveret::{Overflow, Reason, Totals};

#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) serial: u64,
    pub(crate) spec: Spec,
    pub(crate) ready: Vec<Entry>,
    pub(crate) out: Vec<Out>,
    pub(crate) consumers: Vec<Consumer>,
    /// Tags of consumers: in turn, and out of turn for want of room.
    turns: Vec<String>,
    blocked: Vec<String>,
    active: Option<String>,
    pub(crate) used: u64,
    /// When the head was last seen to expire.
    timer: Option<u64>,
    next: u64,
    pub(crate) totals: Totals,
    pub(crate) effects: Vec<Effect>,
}

impl Queue {
    pub(crate) fn new(name: &str, serial: u64, spec: Spec, now: u64) -> Self {
        Self { name: name.to_owned(), serial, spec, used: now, ..Self::default() }
    }

    /// Takes a message in, unless it refuses it.
    pub(crate) fn offer(&mut self, now: u64, msg: Msg) -> bool {
        // A dead letter may come at the very moment for which this queue's own timer is set.
        self.run_timer(now);
        if self.refuses(msg.body.len() as u64) {
            self.totals.refused += 1;
            if self.spec.overflow == Overflow::RejectPublishDlx {
                self.effects.push(Effect::Died(msg, Reason::MaxLength));
            }
            return false;
        }
        self.totals.enqueued += 1;
        self.next += 1;
        let level = u64::from(msg.priority.min(self.spec.max_priority.unwrap_or(0)));
        let ttl = self.spec.ttl.into_iter().chain(msg.expiration).min();
        let (id, rank, dies) =
            (self.next, (255 - level, self.next), ttl.map(|ttl| now + ttl.max(self.spec.quorum.into())));
        let entry = Entry { msg, id, rank, dies, returns: 0 };
        // Whoever has room comes before the queue.
        let was_empty = self.ready.is_empty();
        match if was_empty { self.whose_turn() } else { None } {
            Some(tag) => self.hand(entry, &tag),
            None => {
                self.ready.push(entry);
                if self.drop_heads() || self.ready.len() == 1 {
                    self.expire(now);
                }
            }
        }
        true
    }

    /// `basic.get`: the message, and how many are left. Of a quorum queue those are left too that are about to expire.
    pub(crate) fn take(&mut self, now: u64, channel: u64, no_ack: bool) -> Option<(Entry, usize)> {
        self.used = now;
        let entry = self.pop()?;
        self.count_delivery(&entry, no_ack);
        if !no_ack {
            self.out.push(Out { entry: entry.clone(), channel, consumer: None });
        }
        let before = self.ready.len();
        self.expire(now);
        Some((entry, if self.spec.quorum && !no_ack { before } else { self.ready.len() }))
    }

    /// Whether the consumer was let in.
    pub(crate) fn attach(&mut self, now: u64, consumer: Consumer) -> bool {
        let alone = self.consumers.iter().any(|c| c.exclusive);
        if alone || consumer.exclusive && (!self.consumers.is_empty() || self.spec.single_active) {
            return false;
        }
        self.turns.push(consumer.tag.clone());
        self.consumers.push(consumer);
        self.elect();
        self.pump(now);
        true
    }

    pub(crate) fn detach(&mut self, now: u64, tag: &str) {
        self.remove(now, tag);
        self.pump(now);
    }

    fn remove(&mut self, now: u64, tag: &str) {
        let left = self.out.iter().any(|out| out.consumer.as_deref() == Some(tag));
        // A quorum queue forgets a consumer when all that it had is settled.
        if !self.spec.quorum || !left {
            self.used = now;
        }
        self.consumers.retain(|consumer| consumer.tag != tag);
        self.turns.retain(|known| known != tag);
        self.blocked.retain(|known| known != tag);
        self.active = self.active.take().filter(|active| active != tag);
        self.elect();
    }

    /// Settles what one consumer has out, or one message that was fetched.
    pub(crate) fn settle(&mut self, now: u64, ids: &[u64], kind: Kind) {
        let (mut freed, mut rejected) = (Vec::new(), Vec::new());
        for id in ids {
            let Some(at) = self.out.iter().position(|out| out.entry.id == *id) else { continue };
            let had_room = self.out[at].consumer.clone().is_none_or(|tag| self.has_room(&tag));
            let out = self.out.remove(at);
            if !had_room {
                freed.push(out.channel);
            }
            match kind {
                Kind::Ack => self.totals.acknowledged += 1,
                Kind::Requeue => self.give_back(out.entry),
                Kind::Reject => rejected.push(out.entry),
            }
        }
        freed.into_iter().for_each(|channel| self.unblock(channel));
        rejected.sort_by_key(|entry| if self.spec.quorum { 0 } else { entry.rank.0 });
        for mut entry in rejected {
            entry.msg.failures += u32::from(self.spec.quorum);
            self.die(entry, Reason::Rejected);
        }
        if kind == Kind::Requeue { self.calm(now) } else { self.pump(now) }
    }

    /// A channel went: its consumers go, and what it had out comes back.
    pub(crate) fn leave(&mut self, now: u64, channel: u64) {
        let mut tags: Vec<_> = self.consumers.iter().filter(|c| c.channel == channel).map(|c| c.tag.clone()).collect();
        tags.iter().for_each(|tag| self.remove(now, tag));
        if self.is_abandoned(!tags.is_empty()) {
            return;
        }
        if self.spec.quorum {
            // Consumer by consumer, those that were cancelled too, and what was fetched last.
            let others = self.out.iter().filter(|out| out.channel == channel).filter_map(|out| out.consumer.clone());
            tags.extend(others);
            tags.sort();
            tags.dedup();
        }
        for by in if self.spec.quorum { tags.into_iter().map(Some).chain([None]).collect() } else { vec![None] } {
            let quorum = self.spec.quorum;
            let of = |out: &Out| out.channel == channel && (!quorum || out.consumer == by);
            while let Some(at) = self.out.iter().position(&of) {
                let mut entry = self.out.remove(at).entry;
                entry.msg.failures += u32::from(quorum);
                self.give_back(entry);
            }
        }
        self.calm(now);
    }

    /// Whether it is an auto-delete queue whose last consumer went.
    pub(crate) fn is_abandoned(&self, one_went: bool) -> bool {
        self.spec.auto_delete && one_went && self.consumers.is_empty()
    }

    pub(crate) fn purge(&mut self) -> u64 {
        self.timer = None;
        let count = self.ready.len() as u64;
        self.totals.purged += count;
        self.ready.clear();
        count
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        self.timer.into_iter().chain(self.unused_until()).min()
    }

    pub(crate) fn unused_until(&self) -> Option<u64> {
        self.spec.expires.filter(|_| self.consumers.is_empty()).map(|millis| self.used + millis)
    }

    /// Ready messages, the head first.
    pub(crate) fn in_order(&self) -> Vec<&Entry> {
        let mut all: Vec<&Entry> = self.ready.iter().collect();
        all.sort_by_key(|entry| entry.rank);
        all
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.ready.iter().map(|entry| entry.msg.body.len() as u64).sum()
    }

    /// What a timer does: the head may have died, if it is the head that the timer was set for.
    pub(crate) fn run_timer(&mut self, now: u64) {
        if self.timer.is_some_and(|timer| timer <= now) {
            self.expire(now);
        }
    }

    /// The head dies as long as its time is over; then it says when to look again.
    fn expire(&mut self, now: u64) {
        while self.in_order().first().is_some_and(|head| head.dies.is_some_and(|dies| dies <= now)) {
            let entry = self.pop().expect("there is a head");
            self.die(entry, Reason::Expired);
        }
        self.timer = self.in_order().first().and_then(|head| head.dies);
    }

    fn pop(&mut self) -> Option<Entry> {
        let at = (0..self.ready.len()).min_by_key(|at| self.ready[*at].rank)?;
        Some(self.ready.remove(at))
    }

    fn give_back(&mut self, mut entry: Entry) {
        entry.returns += 1;
        let limit = self.spec.delivery_limit.unwrap_or(20);
        if self.spec.quorum && entry.returns > limit {
            return self.die(entry, Reason::DeliveryLimit);
        }
        self.totals.requeued += 1;
        if self.spec.quorum {
            // To the front, behind what came back before.
            self.next += 1;
            entry.rank = (0, self.next);
        }
        self.ready.push(entry);
    }

    fn die(&mut self, entry: Entry, reason: Reason) {
        match reason {
            Reason::Rejected => self.totals.rejected += 1,
            Reason::Expired => self.totals.expired += 1,
            Reason::MaxLength => self.totals.max_length += 1,
            Reason::DeliveryLimit => self.totals.delivery_limit += 1,
        }
        self.effects.push(Effect::Died(entry.msg, reason));
    }

    fn calm(&mut self, now: u64) {
        self.drop_heads();
        self.expire(now);
        self.pump(now);
    }

    fn drop_heads(&mut self) -> bool {
        let before = self.ready.len();
        while self.spec.overflow == Overflow::DropHead && self.over(self.ready.len() as u64, self.bytes()) {
            let entry = self.pop().expect("too many is some");
            self.die(entry, Reason::MaxLength);
        }
        self.ready.len() < before
    }

    fn refuses(&self, bytes: u64) -> bool {
        self.spec.overflow != Overflow::DropHead && self.over(self.ready.len() as u64 + 1, self.bytes() + bytes)
    }

    fn over(&self, count: u64, bytes: u64) -> bool {
        self.spec.max_length.is_some_and(|max| count > max) || self.spec.max_bytes.is_some_and(|max| bytes > max)
    }

    fn pump(&mut self, now: u64) {
        let before = self.effects.len();
        while !self.ready.is_empty() {
            let Some(tag) = self.whose_turn() else { break };
            let entry = self.pop().expect("not empty");
            self.hand(entry, &tag);
            self.expire(now);
        }
        if self.spec.quorum {
            // A channel sees what one command hands out consumer by consumer, as they came.
            let place = |effect: &Effect| match effect {
                Effect::Deliver { consumer, .. } => self.consumers.iter().position(|c| c.tag == *consumer),
                Effect::Died(..) => None,
            };
            self.effects[before..].sort_by_key(place);
        }
    }

    fn hand(&mut self, entry: Entry, tag: &str) {
        let consumer = self.consumer(tag).clone();
        self.count_delivery(&entry, consumer.no_ack);
        if !consumer.no_ack {
            self.out.push(Out { entry: entry.clone(), channel: consumer.channel, consumer: Some(tag.to_owned()) });
        }
        if self.spec.quorum && !self.has_room(tag) {
            self.turns.retain(|known| known != tag);
            self.blocked.push(tag.to_owned());
        }
        let (channel, no_ack) = (consumer.channel, consumer.no_ack);
        self.effects.push(Effect::Deliver { channel, consumer: consumer.tag, no_ack, entry });
    }

    fn count_delivery(&mut self, entry: &Entry, no_ack: bool) {
        self.totals.delivered += 1;
        self.totals.redelivered += u64::from(entry.returns > 0);
        self.totals.acknowledged += u64::from(no_ack);
    }

    /// The consumer that is next: the highest priority, then the longest in turn. Who has no room leaves the turn.
    fn whose_turn(&mut self) -> Option<String> {
        if self.spec.single_active {
            return self.active.clone().filter(|tag| self.has_room(tag));
        }
        while let Some(tag) = self.first() {
            self.turns.retain(|known| *known != tag);
            if self.has_room(&tag) {
                self.turns.push(tag.clone());
                return Some(tag);
            }
            self.blocked.push(tag);
        }
        None
    }

    fn first(&self) -> Option<String> {
        let highest = self.turns.iter().map(|tag| self.consumer(tag).priority).max()?;
        self.turns.iter().find(|tag| self.consumer(tag).priority == highest).cloned()
    }

    fn elect(&mut self) {
        if self.spec.single_active && self.active.is_none() {
            self.active = self.first();
        }
    }

    /// A classic queue looks at all blocked consumers of a channel, when one of them has room again.
    fn unblock(&mut self, channel: u64) {
        let freed = |tag: &String| self.consumer(tag).channel == channel && self.has_room(tag);
        let (freed, blocked): (Vec<_>, Vec<_>) = self.blocked.iter().cloned().partition(freed);
        self.turns.extend(freed);
        self.blocked = blocked;
    }

    fn has_room(&self, tag: &str) -> bool {
        let Some(consumer) = self.consumers.iter().find(|consumer| consumer.tag == tag) else { return true };
        let held = self.out.iter().filter(|out| out.consumer.as_deref() == Some(tag)).count() as u64;
        consumer.prefetch == 0 || held < consumer.prefetch
    }

    fn consumer(&self, tag: &str) -> &Consumer {
        self.consumers.iter().find(|consumer| consumer.tag == tag).expect("a consumer that is here")
    }
}
