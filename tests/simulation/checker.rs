//! The checker: what must be true after every step, told from the facts, from what clients see, and from the counts.
//!
//! It knows nothing of how the engine works. It keeps how many copies of which message are ready and out in which queue, by
//! what the facts say came in and went; a copy that goes without being there is *unexpected*, one that is there in the
//! end and cannot be received is *lost*.
//!
//! Rules were seen to fail on bugs planted in the engine, under 100 seeds unless said:
//!
//! | planted | told as |
//! |---|---|
//! | an arrival gets an older place; an arrival counts twice; a return over the length stays | `check_invariants`; without it: order; counts; limit |
//! | `reject-publish` takes one more; a delivery limit is one more; a full consumer is served | limit |
//! | a nack becomes an ack | confirm |
//! | a channel's inbox leaves out a delivery; has one twice | lost; unexpected or duplicated |
//! | a channel that ends forgets a delivery; a rejection is a return | settlement |
//! | the last of more than three queues of a route is left out | route |
//! | `get` leaves the last message of a quorum queue | lost, in the end |
//! | the recorder does not count purges (400 seeds) | ledger |
//!
//! Not seen to fail: a delivery after its time to live, an expiry without one, a copy that leaves a queue that it is not in,
//! and one that comes to a queue that it was not sent to.

use crate::naive::graph::Naive;
use leveret::{Broker, Cause, DeadLetterStats, Dropping, Fact, PublishStats, Reason, Table, Totals, What};
use std::collections::{BTreeMap, VecDeque};

/// Queues are named `q0` to `q7`.
pub(crate) const QUEUES: usize = 8;

/// What a queue is declared with, as far as it binds the queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) quorum: bool,
    pub(crate) ttl: Option<u64>,
    pub(crate) expires: Option<u64>,
    pub(crate) max_length: Option<i64>,
    pub(crate) reject: bool,
    pub(crate) priority: bool,
    pub(crate) delivery_limit: Option<u32>,
    pub(crate) dead_letter: Option<&'static str>,
    pub(crate) auto_delete: bool,
    pub(crate) single_active: bool,
}

/// A copy of a message in a queue: which queue, and which message by what is in its body.
pub(crate) type Copy = (usize, u32);

#[derive(Default)]
struct Copies {
    ready: i64,
    out: i64,
    /// On the way there.
    due: i64,
    /// When the last of them dies, and whether one does.
    dies: u64,
    mortal: bool,
}

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) alive: bool,
    /// Which queue of this name it is.
    pub(crate) life: u32,
    ready: i64,
    out: i64,
    copies: BTreeMap<u32, Copies>,
    totals: Totals,
    consumers: i64,
    /// The last number of each publisher that went out for the first time, as it was published.
    last: BTreeMap<u8, u32>,
}

/// A copy that was handed to a client, and which it has not received yet.
pub(crate) struct Flying {
    copy: Copy,
    life: u32,
    tag: String,
}

/// A consumer as clients know it.
pub(crate) struct Reader {
    pub(crate) client: usize,
    pub(crate) queue: usize,
    pub(crate) life: u32,
    pub(crate) prefetch: i64,
    pub(crate) out: i64,
}

/// What a step must have done to deliveries, and what it did.
#[derive(Default)]
pub(crate) struct Settled {
    pub(crate) acked: Vec<Copy>,
    pub(crate) rejected: Vec<Copy>,
    pub(crate) back: Vec<Copy>,
}

#[derive(Default)]
pub(crate) struct Checker {
    pub(crate) rules: Vec<Rules>,
    pub(crate) queues: Vec<Tally>,
    pub(crate) readers: BTreeMap<String, Reader>,
    /// By client: what was handed to it and not yet received.
    pub(crate) flights: BTreeMap<usize, VecDeque<Flying>>,
    /// What the broker must count.
    pub(crate) publishes: PublishStats,
    letters: DeadLetterStats,
    pub(crate) expected: Settled,
    seen: Settled,
    /// Where this step's publish must go, and what became of it.
    pub(crate) route: Option<Vec<usize>>,
    pub(crate) taken: usize,
    pub(crate) refused: usize,
    deleted: Vec<usize>,
    /// Who goes in this step. What it is handed while it goes, since other queues of its let go first, comes back as well.
    pub(crate) going: Option<usize>,
    /// Copies that somebody was handed, and nobody put there.
    pub(crate) unexpected: u64,
    pub(crate) lost: u64,
}

pub(crate) fn queue_of(name: &str) -> usize {
    name.as_bytes().get(1).map_or(QUEUES, |digit| usize::from(digit - b'0'))
}

pub(crate) fn id_of(body: &[u8]) -> u32 {
    body.get(..4).and_then(|id| id.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Where a message must go.
pub(crate) fn route(graph: &Naive, exchange: &str, key: &str) -> Vec<usize> {
    graph.route(exchange, &[key], &Table::new()).iter().map(|name| queue_of(name)).collect()
}

impl Checker {
    pub(crate) fn new(rules: Vec<Rules>) -> Self {
        let queues = (0..QUEUES).map(|_| Tally::default()).collect();
        Self { rules, queues, ..Self::default() }
    }

    /// Takes the facts of one step in. The graph says where a dead letter must go, and loses the queues that went.
    pub(crate) fn hear(&mut self, facts: &[Fact], graph: &mut Naive) -> Result<(), String> {
        for fact in facts {
            self.hear_one(fact, graph).map_err(|why| format!("{why}; by fact {}: {fact}", fact.number))?;
        }
        Ok(())
    }

    fn hear_one(&mut self, fact: &Fact, graph: &mut Naive) -> Result<(), String> {
        let queue = fact.queue.as_ref().map_or(QUEUES, |name| queue_of(name));
        let message = fact.message.as_ref();
        let id = message.map_or(0, |message| id_of(message.body()));
        let copy = (queue, id);
        match &fact.what {
            What::Published { queues, .. } => {
                self.publishes.published += 1;
                let queues: Vec<usize> = queues.iter().map(|name| queue_of(name)).collect();
                let expected = self.route.take().ok_or("unexpected: nobody published")?;
                self.publishes.unroutable += u64::from(queues.is_empty());
                self.sent(id, queues, expected)?;
            }
            What::DeadLettered { next, queues, .. } => {
                let queues: Vec<usize> = queues.iter().map(|name| queue_of(name)).collect();
                let expected = route(graph, next.exchange(), next.routing_key());
                if id_of(next.body()) != id {
                    return Err("unexpected: a dead letter with another body".to_owned());
                }
                self.sent(id, queues, expected)?;
            }
            What::Enqueued => {
                self.arrive(copy)?;
                let first = message.is_some_and(|message| message.deaths().is_none());
                self.taken += usize::from(first && self.route.is_none());
                self.letters.arrived += u64::from(!first);
                let own = message.and_then(|message| message.properties().expiration.as_deref());
                let own = own.and_then(|text| text.parse::<u64>().ok());
                let ttl = self.rules[queue].ttl.into_iter().chain(own).min();
                let dies = ttl.map_or(u64::MAX, |ttl| fact.at.as_millis() + ttl);
                let tally = &mut self.queues[queue];
                tally.totals.enqueued += 1;
                let copies = tally.copies.entry(id).or_default();
                copies.dies = copies.dies.max(dies);
                copies.mortal |= ttl.is_some();
                self.change(copy, 1, 0)?;
                let rules = &self.rules[queue];
                let most = rules.max_length.filter(|_| rules.reject && !rules.quorum && first);
                // A dead letter or a return may bring it above.
                if most.is_some_and(|most| self.queues[queue].ready > most) {
                    return Err("limit: a full queue took a message".to_owned());
                }
            }
            What::Refused { .. } => {
                self.arrive(copy)?;
                self.queues[queue].totals.refused += 1;
                let first = message.is_some_and(|message| message.deaths().is_none());
                self.refused += usize::from(first);
                self.letters.refused += u64::from(!first);
            }
            What::Cut => {
                self.arrive(copy)?;
                self.letters.cycles += 1;
            }
            What::Delivered { consumer, attempt, no_ack, .. } => {
                self.delivered(fact, copy, consumer.as_deref(), (*attempt, *no_ack))?;
            }
            What::Acknowledged { automatic } => {
                self.change(copy, 0, -1)?;
                self.queues[queue].totals.acknowledged += 1;
                if !automatic {
                    self.seen.acked.push(copy);
                }
            }
            What::Requeued { .. } => {
                self.change(copy, 1, -1)?;
                self.queues[queue].totals.requeued += 1;
                self.seen.back.push(copy);
            }
            What::Died { reason } => self.died(copy, *reason)?,
            What::Dropped { why, .. } => match why {
                Dropping::NoDeadLetterExchange => self.letters.no_dead_letter_exchange += 1,
                Dropping::NoSuchExchange => self.letters.no_such_exchange += 1,
                Dropping::Unroutable => self.letters.unroutable += 1,
                _ => return Err("unexpected: dropped".to_owned()),
            },
            What::Purged => {
                self.change(copy, -1, 0)?;
                self.queues[queue].totals.purged += 1;
            }
            What::Lost { unacked, cause, .. } => {
                if *cause == Cause::BrokerRestarted {
                    return Err("unexpected: a restart".to_owned());
                }
                let (ready, out) = if *unacked { (0, -1) } else { (-1, 0) };
                self.change(copy, ready, out)?;
            }
            What::QueueDeclared { .. } => {
                let life = self.queues[queue].life + 1;
                self.queues[queue] = Tally { alive: true, life, ..Tally::default() };
            }
            What::QueueDeleted { ready, unacked, .. } => {
                let tally = &mut self.queues[queue];
                if (*ready as i64, *unacked as i64) != (tally.ready, tally.out) {
                    return Err(format!("counts: deleted with {} ready and {} out", tally.ready, tally.out));
                }
                tally.alive = false;
                graph.remove_queue(&format!("q{queue}"));
                self.deleted.push(queue);
            }
            What::ConsumerAttached { .. } => self.queues[queue].consumers += 1,
            What::ConsumerDetached { .. } => self.queues[queue].consumers -= 1,
            _ => {}
        }
        Ok(())
    }

    fn sent(&mut self, id: u32, mut queues: Vec<usize>, mut expected: Vec<usize>) -> Result<(), String> {
        for queue in &queues {
            self.queues[*queue].copies.entry(id).or_default().due += 1;
        }
        queues.sort_unstable();
        expected.sort_unstable();
        if queues != expected {
            return Err(format!("route: sent to {queues:?} and not to {expected:?}"));
        }
        Ok(())
    }

    fn arrive(&mut self, (queue, id): Copy) -> Result<(), String> {
        let copies = self.queues[queue].copies.entry(id).or_default();
        copies.due -= 1;
        if copies.due < 0 {
            self.unexpected += 1;
            return Err("unexpected: it came to a queue that it was not sent to".to_owned());
        }
        Ok(())
    }

    /// Moves a copy in a queue.
    fn change(&mut self, (queue, id): Copy, ready: i64, out: i64) -> Result<(), String> {
        let tally = &mut self.queues[queue];
        let copies = tally.copies.entry(id).or_default();
        copies.ready += ready;
        copies.out += out;
        tally.ready += ready;
        tally.out += out;
        let bad = copies.ready < 0 || copies.out < 0;
        let gone = copies.ready + copies.out + copies.due == 0;
        if bad {
            self.unexpected += 1;
            return Err("unexpected or duplicated: there is no such copy in the queue".to_owned());
        }
        if gone {
            tally.copies.remove(&id);
        }
        Ok(())
    }

    fn delivered(
        &mut self,
        fact: &Fact,
        copy: Copy,
        consumer: Option<&str>,
        (attempt, no_ack): (u32, bool),
    ) -> Result<(), String> {
        let (queue, id) = copy;
        self.change(copy, -1, 1)?;
        let first_life = fact.message.as_ref().is_some_and(|message| message.deaths().is_none());
        let rules = &self.rules[queue];
        let tally = &mut self.queues[queue];
        tally.totals.delivered += 1;
        tally.totals.redelivered += u64::from(attempt > 1);
        // In a priority queue RabbitMQ's timer is that of an earlier head.
        let is_late = |copies: &Copies| fact.at.as_millis() >= copies.dies && copies.dies > 0;
        if !rules.priority && tally.copies.get(&id).is_some_and(is_late) {
            return Err("limit: it was delivered after its time to live".to_owned());
        }
        if first_life && rules.delivery_limit.is_some_and(|limit| attempt > limit + 1) {
            return Err(format!("limit: attempt {attempt}"));
        }
        let (publisher, number) = ((id >> 24) as u8, id & 0xFF_FFFF);
        if first_life && attempt == 1 && !rules.priority {
            let last = tally.last.entry(publisher).or_default();
            if *last >= number {
                return Err(format!("order: {number} of publisher {publisher} went out after {last}"));
            }
            *last = number;
        }
        if let Some(tag) = consumer {
            let reader = self.readers.get_mut(tag).ok_or("unexpected: nobody consumes by that tag")?;
            self.flights.entry(reader.client).or_default().push_back(Flying {
                copy,
                life: reader.life,
                tag: tag.to_owned(),
            });
            if !no_ack {
                reader.out += 1;
                if reader.prefetch > 0 && reader.out > reader.prefetch {
                    return Err(format!("limit: '{tag}' has {} out", reader.out));
                }
            }
        }
        Ok(())
    }

    fn died(&mut self, copy: Copy, reason: Reason) -> Result<(), String> {
        let totals = &mut self.queues[copy.0].totals;
        let (count, ready) = match reason {
            Reason::Rejected => (&mut totals.rejected, 0),
            Reason::Expired => (&mut totals.expired, -1),
            Reason::MaxLength => (&mut totals.max_length, -1),
            Reason::DeliveryLimit => (&mut totals.delivery_limit, 0),
        };
        *count += 1;
        match reason {
            Reason::Rejected => self.seen.rejected.push(copy),
            Reason::DeliveryLimit => self.seen.back.push(copy),
            Reason::Expired if self.queues[copy.0].copies.get(&copy.1).is_some_and(|copies| !copies.mortal) => {
                return Err("limit: it expired without a time to live".to_owned());
            }
            _ => {}
        }
        self.change(copy, ready, -1 - ready)
    }

    /// A consumer's copy is settled: it has room again.
    pub(crate) fn release(&mut self, tag: &str) {
        if let Some(reader) = self.readers.get_mut(tag) {
            reader.out -= 1;
        }
    }

    /// A client went, with these on the way to it that are still out.
    pub(crate) fn flown(&mut self, client: usize) -> Vec<Copy> {
        let flight = self.flights.remove(&client).unwrap_or_default().into_iter();
        let is_out = |one: &Flying| self.queues[one.copy.0].alive && self.queues[one.copy.0].life == one.life;
        flight.filter(is_out).map(|one| one.copy).collect()
    }

    /// What a client received must be what that consumer of it was handed first. (What a quorum queue hands out in one go
    /// comes to a channel consumer by consumer.)
    pub(crate) fn received(&mut self, client: usize, received: Option<(Copy, &str)>) -> Result<(), String> {
        let flight = self.flights.entry(client).or_default();
        let of_it = |one: &Flying| received.is_none_or(|(_, tag)| one.tag == tag);
        let next = flight.iter().position(of_it).and_then(|at| flight.remove(at)).map(|one| one.copy);
        let copy = received.map(|(copy, _)| copy);
        match (copy, next) {
            (Some(seen), Some(next)) if seen == next => Ok(()),
            (None, None) => Ok(()),
            (None, Some(next)) => {
                self.lost += 1;
                Err(format!("lost: client {client} was handed {next:?} and does not receive it"))
            }
            (Some(seen), next) => {
                self.unexpected += 1;
                Err(format!("unexpected or duplicated: client {client} received {seen:?} and not {next:?}"))
            }
        }
    }

    /// What must be true between two steps.
    pub(crate) fn check(&mut self, broker: &Broker) -> Result<(), String> {
        self.check_settled()?;
        broker.check_invariants()?;
        self.publishes.refused += u64::from(self.refused > 0);
        (self.taken, self.refused) = (0, 0);
        let stats = broker.stats();
        let now = broker.now().as_millis();
        let mut alive = 0;
        for (at, tally) in self.queues.iter().enumerate() {
            let name = format!("q{at}");
            let there = stats.queues.iter().find(|queue| *queue.name == *name);
            alive += usize::from(tally.alive);
            let Some(queue) = there.filter(|_| tally.alive) else {
                if tally.alive || tally.ready + tally.out != 0 {
                    return Err(format!("lost: {name} is gone, and {} messages with it", tally.ready + tally.out));
                }
                continue;
            };
            if (queue.ready as i64, queue.unacked as i64) != (tally.ready, tally.out) {
                return Err(format!("counts: {queue:?} against {} ready and {} out", tally.ready, tally.out));
            }
            let mut totals = tally.totals;
            if self.rules[at].quorum {
                // A dead letter that failed elsewhere is redelivered to its reader, and not to this count.
                totals.redelivered = queue.totals.redelivered;
            }
            if queue.totals != totals {
                return Err(format!("counts: {name} says {:?}, it is {totals:?}", queue.totals));
            }
            self.check_limits(at, now)?;
            if tally.copies.values().any(|copies| copies.due != 0) {
                return Err(format!("lost: a copy never came to {name}"));
            }
        }
        if alive != stats.queues.len() {
            return Err("counts: queues that nobody declared".to_owned());
        }
        if stats.publishes != self.publishes {
            return Err(format!("counts: {:?} and not {:?}", stats.publishes, self.publishes));
        }
        if stats.dead_letters != self.letters {
            return Err(format!("counts: {:?} and not {:?}", stats.dead_letters, self.letters));
        }
        Ok(())
    }

    fn check_limits(&self, at: usize, now: u64) -> Result<(), String> {
        let (rules, tally) = (&self.rules[at], &self.queues[at]);
        if rules.max_length.is_some_and(|most| !rules.reject && tally.ready > most) {
            return Err(format!("limit: {} ready in q{at}", tally.ready));
        }
        let _ = now;
        Ok(())
    }

    /// Acks, rejections and returns: what clients asked for happened, and nothing else did.
    fn check_settled(&mut self) -> Result<(), String> {
        if let Some(client) = self.going.take() {
            let handed = self.flown(client);
            self.expected.back.extend(handed);
        }
        let (expected, seen) = (std::mem::take(&mut self.expected), std::mem::take(&mut self.seen));
        let deleted = std::mem::take(&mut self.deleted);
        let sides = [
            ("acknowledged", expected.acked, seen.acked),
            ("rejected", expected.rejected, seen.rejected),
            ("given back", expected.back, seen.back),
        ];
        for (what, mut expected, mut seen) in sides {
            // What was out of a queue that went in this very step is told as lost with it.
            expected.retain(|(queue, _)| !deleted.contains(queue));
            seen.retain(|(queue, _)| !deleted.contains(queue));
            expected.sort_unstable();
            seen.sort_unstable();
            if expected != seen {
                return Err(format!("settlement: {what} were {seen:?} and should be {expected:?}"));
            }
        }
        Ok(())
    }

    /// How many copies are left, when everything should have been received.
    pub(crate) fn left(&mut self) -> u64 {
        let left: i64 = self.queues.iter().filter(|queue| queue.alive).map(|queue| queue.ready + queue.out).sum();
        self.lost += left as u64;
        left as u64
    }
}
