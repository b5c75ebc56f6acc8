//! The reference broker: channels, topology, publishing and dead letters over naive queues.
//!
//! A restatement of RabbitMQ's rules for whoever doubts the engine: everything goes by name, nothing is shared, every
//! question is a scan. It is written from what the recorded traces of RabbitMQ show, not from the engine.

use crate::naive::graph::{Bound, Naive, To};
use crate::queue::Queue;
use crate::terms::{Channel, Consumer, Death, Effect, Kind, Msg, Reply, Spec, Unsettled, shown, told};
use leveret::{DeadLetterStats, PublishStats, Reason};
use std::collections::VecDeque;

#[derive(Default)]
pub(crate) struct Broker {
    pub(crate) now: u64,
    pub(crate) graph: Naive,
    internal: Vec<String>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) channels: Vec<Channel>,
    serials: u64,
    pub(crate) publishes: PublishStats,
    pub(crate) letters: DeadLetterStats,
    dead: VecDeque<(String, Spec, Msg, Reason)>,
}

impl Broker {
    pub(crate) fn open_channel(&mut self) {
        self.serials += 1;
        self.channels.push(Channel { id: self.serials, ..Channel::default() });
    }

    /// The channel ends, and another takes its place. Queue by queue what it held comes back, with all that follows: first
    /// where it consumes, by tag, then where it only has something out. RabbitMQ leaves that order open. Where a mistake
    /// ends the whole connection, classic queues have back what was out before the others hear of it.
    pub(crate) fn close_channel(&mut self, at: usize, with_connection: bool) {
        self.serials += 1;
        let old = std::mem::replace(&mut self.channels[at], Channel { id: self.serials, ..Channel::default() });
        let all = self.queues.iter().flat_map(|queue| queue.consumers.iter().map(move |c| (c, queue.serial)));
        let mut consuming: Vec<_> =
            all.filter(|(c, _)| c.channel == old.id).map(|(c, serial)| (&c.tag, serial)).collect();
        consuming.sort();
        let mut concerned: Vec<u64> = consuming.iter().map(|(_, serial)| *serial).collect();
        concerned.extend(old.unsettled.iter().map(|one| one.serial));
        let is_quorum = |serial: &u64| self.queues.iter().any(|queue| queue.serial == *serial && queue.spec.quorum);
        concerned.sort_by_key(|serial| with_connection && is_quorum(serial));
        for (place, serial) in concerned.iter().enumerate() {
            let known = self.queues.iter_mut().find(|queue| queue.serial == *serial);
            let Some(queue) = known.filter(|_| !concerned[..place].contains(serial)) else { continue };
            let had = queue.consumers.iter().any(|consumer| consumer.channel == old.id);
            let name = queue.name.clone();
            queue.leave(self.now, old.id);
            self.follow(&name, had);
        }
    }

    pub(crate) fn declare_exchange(&mut self, declared: crate::naive::graph::Declared, internal: bool) -> Reply {
        if self.graph.exchange(&declared.name).is_none() {
            self.internal.retain(|name| *name != declared.name);
            self.internal.extend(internal.then(|| declared.name.clone()));
            self.graph.exchanges.push(declared);
        }
        Ok(String::new())
    }

    pub(crate) fn delete_exchange(&mut self, name: &str, if_unused: bool) -> Reply {
        if if_unused && self.graph.bindings.iter().any(|bound| bound.from == name) {
            return Err(406);
        }
        self.graph.remove(name);
        Ok(String::new())
    }

    pub(crate) fn bind(&mut self, bound: Bound) -> Reply {
        let there = match &bound.to {
            To::Queue(name) => self.find(name).is_some(),
            To::Exchange(name) => self.graph.exchange(name).is_some(),
        };
        if !there || self.graph.exchange(&bound.from).is_none() {
            return Err(404);
        }
        self.graph.bind(bound);
        Ok(String::new())
    }

    /// Undoing what is not there succeeds.
    pub(crate) fn unbind(&mut self, bound: &Bound) -> Reply {
        self.graph.unbind(|known| known == bound);
        Ok(String::new())
    }

    pub(crate) fn declare_queue(&mut self, name: &str, spec: &Spec) -> Reply {
        let now = self.now;
        if self.find(name).is_none() {
            self.serials += 1;
            self.graph.queues.push(name.to_owned());
            self.queues.push(Queue::new(name, self.serials, spec.clone(), now));
        }
        let queue = self.queue(name);
        queue.used = now;
        Ok(format!("{} {}", queue.ready.len(), consumer_count(queue)))
    }

    pub(crate) fn delete_queue(&mut self, name: &str, if_unused: bool, if_empty: bool) -> Reply {
        let Some(queue) = self.find(name) else { return Ok("0".to_owned()) };
        if queue.spec.quorum && (if_unused || if_empty) {
            return Err(540);
        }
        if if_unused && !queue.consumers.is_empty() || if_empty && !queue.ready.is_empty() {
            return Err(406);
        }
        let count = queue.ready.len();
        self.remove_queue(name);
        Ok(count.to_string())
    }

    pub(crate) fn purge(&mut self, name: &str) -> Reply {
        self.find(name).ok_or(404_u16)?;
        Ok(self.queue(name).purge().to_string())
    }

    pub(crate) fn confirm_select(&mut self, at: usize) -> Reply {
        self.channels[at].confirms.get_or_insert(0);
        Ok(String::new())
    }

    pub(crate) fn publish(&mut self, at: usize, msg: Msg, mandatory: bool) -> Reply {
        if !msg.exchange.is_empty() && self.graph.exchange(&msg.exchange).is_none() {
            return Err(404);
        }
        if self.internal.contains(&msg.exchange) {
            return Err(403);
        }
        self.publishes.published += 1;
        let route = self.graph.route(&msg.exchange, &[&msg.key], &msg.headers);
        if route.is_empty() {
            self.publishes.unroutable += 1;
            if mandatory {
                self.channels[at].events.push(format!("return {}", shown(&msg, false, None)));
            }
        }
        let mut taken = true;
        for name in route {
            taken &= self.offer(&name, msg.clone());
        }
        self.publishes.refused += u64::from(!taken);
        let channel = &mut self.channels[at];
        if let Some(number) = &mut channel.confirms {
            *number += 1;
            channel.answers.push((*number, taken));
        }
        self.bury_all();
        Ok(String::new())
    }

    pub(crate) fn get(&mut self, at: usize, name: &str, no_ack: bool) -> Reply {
        let (now, id) = (self.now, self.channels[at].id);
        self.find(name).ok_or(404_u16)?;
        let queue = self.queue(name);
        let taken = queue.take(now, id, no_ack);
        let (serial, counted) = (queue.serial, queue.spec.quorum);
        let reply = taken.map(|(entry, left)| {
            let tag = self.channels[at].enter(name, serial, None, &entry, no_ack);
            format!("{tag} {} {left}", told(&entry, counted))
        });
        self.follow(name, false);
        Ok(reply.unwrap_or_else(|| "empty".to_owned()))
    }

    pub(crate) fn consume(&mut self, at: usize, name: &str, mut consumer: Consumer) -> Reply {
        consumer.channel = self.channels[at].id;
        self.find(name).ok_or(404_u16)?;
        let now = self.now;
        if !self.queue(name).attach(now, consumer) {
            return Err(403);
        }
        self.follow(name, false);
        Ok(String::new())
    }

    pub(crate) fn cancel(&mut self, at: usize, tag: &str) -> Reply {
        let (now, id) = (self.now, self.channels[at].id);
        let of = |queue: &&mut Queue| queue.consumers.iter().any(|c| c.tag == tag && c.channel == id);
        if let Some(queue) = self.queues.iter_mut().find(of) {
            let name = queue.name.clone();
            queue.detach(now, tag);
            self.follow(&name, true);
        }
        Ok(String::new())
    }

    /// `multiple` with 0 means all, and never fails.
    pub(crate) fn settle(&mut self, at: usize, tag: u64, multiple: bool, kind: Kind) -> Reply {
        let unsettled = &mut self.channels[at].unsettled;
        let all = multiple && tag == 0;
        if !all && !unsettled.iter().any(|one| one.tag == tag) {
            return Err(406);
        }
        let picked = |one: &Unsettled| all || one.tag == tag || multiple && one.tag < tag;
        let (picked, left): (Vec<_>, Vec<_>) = unsettled.drain(..).partition(picked);
        *unsettled = left;
        self.settle_each(picked, kind);
        Ok(String::new())
    }

    pub(crate) fn recover(&mut self, at: usize) -> Reply {
        let all = std::mem::take(&mut self.channels[at].unsettled);
        self.settle_each(all, Kind::Requeue);
        Ok(String::new())
    }

    /// Queue by queue, there what was fetched one by one, then consumer by consumer.
    fn settle_each(&mut self, mut picked: Vec<Unsettled>, kind: Kind) {
        let now = self.now;
        picked.retain(|one| self.queues.iter().any(|queue| queue.serial == one.serial));
        picked.sort_by_key(|one| (one.queue.clone(), one.consumer.clone(), one.tag));
        let together =
            |a: &Unsettled, b: &Unsettled| a.serial == b.serial && a.consumer.is_some() && a.consumer == b.consumer;
        for group in picked.chunk_by(together) {
            let ids: Vec<u64> = group.iter().map(|one| one.id).collect();
            self.queue(&group[0].queue).settle(now, &ids, kind);
            self.follow(&group[0].queue, false);
        }
    }

    /// Every deadline on the way at its own moment, the older queue first.
    pub(crate) fn advance(&mut self, millis: u64) {
        let target = self.now + millis;
        loop {
            let due = |queue: &Queue| {
                queue.deadline().filter(|at| *at <= target).map(|at| (at, queue.serial, queue.name.clone()))
            };
            let Some((at, _, name)) = self.queues.iter().filter_map(due).min() else { break };
            self.now = self.now.max(at);
            let now = self.now;
            let queue = self.queue(&name);
            queue.run_timer(now);
            let unused = queue.unused_until().is_some_and(|end| end <= now);
            self.follow(&name, false);
            if unused {
                self.remove_queue(&name);
            }
        }
        self.now = target;
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    fn queue(&mut self, name: &str) -> &mut Queue {
        self.queues.iter_mut().find(|queue| queue.name == name).expect("a queue that is there")
    }

    /// Its consumers are told; what was out may still be settled, without effect.
    fn remove_queue(&mut self, name: &str) {
        self.carry_out(name);
        let at = self.queues.iter().position(|queue| queue.name == name).expect("a queue that is there");
        for consumer in self.queues.remove(at).consumers {
            if let Some(channel) = self.channels.iter_mut().find(|channel| channel.id == consumer.channel) {
                channel.events.push(format!("cancel {}", consumer.tag));
            }
        }
        self.graph.remove_queue(name);
    }

    fn offer(&mut self, name: &str, msg: Msg) -> bool {
        let now = self.now;
        let taken = self.queue(name).offer(now, msg);
        self.carry_out(name);
        taken
    }

    /// What follows from a verb on a queue; from its end too, where one of its consumers went and it goes with the last.
    fn follow(&mut self, name: &str, one_went: bool) {
        match self.find(name) {
            Some(queue) if queue.is_abandoned(one_went) => self.remove_queue(name),
            _ => self.carry_out(name),
        }
        self.bury_all();
    }

    /// Gives out what a queue hands out, and takes the dead from it.
    fn carry_out(&mut self, name: &str) {
        let Some(queue) = self.queues.iter_mut().find(|queue| queue.name == name) else { return };
        let (serial, spec, effects) = (queue.serial, queue.spec.clone(), std::mem::take(&mut queue.effects));
        for effect in effects {
            match effect {
                Effect::Died(msg, reason) => self.dead.push_back((name.to_owned(), spec.clone(), msg, reason)),
                Effect::Deliver { channel, consumer, no_ack, entry } => {
                    // One that is closing is not told.
                    let Some(channel) = self.channels.iter_mut().find(|known| known.id == channel) else { continue };
                    let tag = channel.enter(name, serial, Some(consumer.clone()), &entry, no_ack);
                    channel.events.push(format!("deliver {consumer} {tag} {}", told(&entry, spec.quorum)));
                }
            }
        }
    }

    /// The dead set out in the order in which they died, when what killed them is done.
    fn bury_all(&mut self) {
        while let Some((queue, spec, msg, reason)) = self.dead.pop_front() {
            self.bury(&queue, &spec, msg, reason);
        }
    }

    fn bury(&mut self, queue: &str, spec: &Spec, mut msg: Msg, reason: Reason) {
        let Some((exchange, key)) = &spec.dead_letter else {
            self.letters.no_dead_letter_exchange += 1;
            return;
        };
        if !exchange.is_empty() && self.graph.exchange(exchange).is_none() {
            self.letters.no_such_exchange += 1;
            return;
        }
        // One entry for each queue and reason, as it was at first; the latest comes to the front and counts up.
        let before = msg.deaths.iter().position(|death| (&*death.queue, death.reason) == (queue, reason));
        let mut death = match before {
            Some(at) => msg.deaths.remove(at),
            None => {
                let (exchange, key, expiration) = (msg.exchange.clone(), msg.key.clone(), msg.expiration);
                Death { queue: queue.to_owned(), reason, count: 0, exchange, key, expiration }
            }
        };
        death.count += 1;
        msg.deaths.insert(0, death);
        msg.expiration = None;
        msg.exchange = exchange.clone();
        msg.key = key.clone().unwrap_or(msg.key);
        let route = self.graph.route(&msg.exchange, &[&msg.key], &msg.headers);
        if route.is_empty() {
            self.letters.unroutable += 1;
        }
        for name in route {
            if is_cycle(&msg, &name) {
                self.letters.cycles += 1;
            } else if self.offer(&name, msg.clone()) {
                self.letters.arrived += 1;
            } else {
                self.letters.refused += 1;
            }
        }
    }
}

/// Who has something out of a quorum queue counts as a consumer of it: who fetched it, and who was cancelled since.
pub(crate) fn consumer_count(queue: &Queue) -> u64 {
    let is_live = |tag: &String| queue.consumers.iter().any(|consumer| consumer.tag == *tag);
    let others = queue.out.iter().filter(|out| queue.spec.quorum && !out.consumer.as_ref().is_some_and(is_live));
    let mut others: Vec<_> = others.map(|out| (out.consumer.clone(), out.entry.id)).collect();
    others.sort();
    others.dedup_by(|a, b| a.0.is_some() && a.0 == b.0);
    (queue.consumers.len() + others.len()) as u64
}

/// It died in this queue, and since then nobody rejected it.
fn is_cycle(msg: &Msg, queue: &str) -> bool {
    let since = msg.deaths.iter().position(|death| death.queue == queue);
    since.is_some_and(|at| msg.deaths[..=at].iter().all(|death| death.reason != Reason::Rejected))
}
