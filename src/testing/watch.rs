//! The watch: a tap that knows what is out, and wakes whoever waits for that to change.
//!
//! Every delivery that is to be acknowledged is *out* from its fact on until the fact that ends it. A message that is
//! published or dead-lettered is *coming* until each of its queues has said whether it takes it, and one that died is
//! *going* until it is said where. A message that goes
//! round and round, requeued or dead-lettered back, has a count of its deliveries, which a dead letter takes over from
//! the message that died; the count begins anew with each wait ([`Watch::begin`]).

use super::known::{Known, Named, Unknown};
use crate::base::sync::{Mutex, Rank};
use crate::base::{Moment, Name};
use crate::engine::replies::ADDRESS;
use crate::engine::waiter::{WaitList, Waiter, free, wake_all};
use crate::message::Envelope;
use crate::port::{Fact, MessageRef, Tap, What};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What all clones share.
#[derive(Clone, Debug)]
pub(super) struct Watch(Arc<Mutex<Seen>>);

/// A delivery that nobody has settled.
#[derive(Clone, Debug)]
pub(super) struct Out {
    pub(super) queue: Name,
    /// The consumer's tag; none for `get`.
    pub(super) consumer: Option<Name>,
    pub(super) session: u64,
    pub(super) message: MessageRef,
    pub(super) since: Moment,
    pub(super) attempt: u32,
}

/// A request that asks for a direct reply.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) message: MessageRef,
    pub(super) since: Moment,
}

impl Request {
    /// Where the reply is to come to; none for a message that asks for no direct reply.
    pub(super) fn address_of(message: &Envelope) -> Option<&str> {
        message.properties().reply_to.as_deref().filter(|address| address.starts_with(ADDRESS))
    }
}

/// So many requests without a reply are remembered.
const REQUESTS: usize = 1_024;

/// A message that was delivered too often in one wait.
#[derive(Clone, Debug)]
pub(super) struct Endless {
    pub(super) queue: Name,
    pub(super) consumer: Option<Name>,
    pub(super) message: MessageRef,
    pub(super) deliveries: u32,
}

#[derive(Debug, Default)]
struct Seen {
    /// By the number of the fact that they were handed out in.
    out: BTreeMap<u64, Out>,
    places: HashMap<(Name, MessageRef), u64>,
    /// How many queues have not said yet whether they take a message.
    coming: HashMap<MessageRef, usize>,
    /// What died where, and has not been said to go on or not.
    going: HashSet<(Name, MessageRef)>,
    /// Requests whose direct replies have not come, the oldest first.
    requests: Vec<Request>,
    rounds: Rounds,
    endless: Option<Endless>,
    waiting: WaitList,
    until: u64,
    known: Known,
    /// What was seen since somebody began to listen.
    log: Option<Vec<Fact>>,
}

/// How often messages were delivered since the wait began.
#[derive(Debug, Default)]
struct Rounds {
    /// Whether somebody waits.
    counting: bool,
    counts: HashMap<MessageRef, u32>,
    most: u32,
}

impl Watch {
    /// A watch that has seen nothing. More than `most` deliveries of one message in one wait are too many.
    pub(super) fn new(most: u32) -> Self {
        let rounds = Rounds { most, ..Rounds::default() };
        Self(Arc::new(Mutex::new(Rank::Leaf, Seen { rounds, ..Seen::default() })))
    }

    /// Begins a wait: counts of before are forgotten.
    pub(super) fn begin(&self) {
        let mut seen = self.0.lock();
        seen.rounds.counting = true;
        seen.endless = None;
        let forgotten = std::mem::take(&mut seen.rounds.counts);
        drop(seen);
        drop(forgotten);
    }

    /// Sets how many deliveries of one message in one wait are too many.
    pub(super) fn set_most(&self, most: u32) {
        self.0.lock().rounds.most = most;
    }

    /// Lets somebody wait for the next change. Returns the number by which he leaves.
    pub(super) fn wait(&self, number: Option<u64>, waiter: Waiter) -> u64 {
        let (number, replaced) = self.0.lock().waiting.put(number, waiter);
        drop(replaced);
        number
    }

    /// Somebody waits no longer.
    pub(super) fn leave(&self, number: Option<u64>) {
        if let Some(number) = number {
            let left = self.0.lock().waiting.leave(number);
            drop(left);
        }
    }

    /// Something changed that is no fact.
    pub(super) fn stir(&self) {
        let wakes = self.0.lock().waiting.take_all().collect();
        wake_all(wakes);
    }

    /// Everything that is out, the oldest first.
    pub(super) fn out(&self) -> Vec<Out> {
        self.0.lock().out.values().cloned().collect()
    }

    /// Whether nothing is out, and nothing moves.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().out.is_empty() && !self.is_moving()
    }

    /// Whether something is on its way into a queue, or from one to another.
    pub(super) fn is_moving(&self) -> bool {
        let seen = self.0.lock();
        !(seen.coming.is_empty() && seen.going.is_empty())
    }

    /// The number of the fact that comes next.
    pub(super) fn until(&self) -> u64 {
        self.0.lock().until
    }

    /// The requests whose direct replies have not come, the oldest first.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.0.lock().requests.clone()
    }

    /// What goes round and round, if something does.
    pub(super) fn endless(&self) -> Option<Endless> {
        self.0.lock().endless.clone()
    }

    /// Says of a name that there never was anything of it.
    pub(super) fn miss(&self, named: &Named) -> Option<Unknown> {
        self.0.lock().known.miss(named)
    }

    /// Keeps the facts that come from now on.
    pub(super) fn begin_log(&self) {
        self.0.lock().log = Some(Vec::new());
    }

    /// The facts that came since then.
    pub(super) fn take_log(&self) -> Vec<Fact> {
        self.0.lock().log.take().unwrap_or_default()
    }
}

impl Tap for Watch {
    fn saw(&self, facts: &[Fact]) {
        let (wakes, freed) = {
            let mut seen = self.0.lock();
            // Bodies are foreign, and freed without the lock.
            let freed: Vec<MessageRef> = facts.iter().filter_map(|fact| seen.take_in(fact)).collect();
            (seen.waiting.take_all().collect(), freed)
        };
        wake_all(wakes);
        free(freed);
    }
}

impl Seen {
    /// Takes one fact in. What is returned is held no longer.
    fn take_in(&mut self, fact: &Fact) -> Option<MessageRef> {
        self.until = fact.number + 1;
        if let Some(log) = &mut self.log {
            log.push(fact.clone());
        }
        self.known.take_in(fact);
        let Some(message) = &fact.message else { return None };
        self.track(fact.queue.as_ref(), message, fact);
        let queue = fact.queue.as_ref()?;
        match &fact.what {
            What::Delivered { consumer, session, attempt, no_ack } => {
                let out = Out {
                    queue: queue.clone(),
                    consumer: consumer.clone(),
                    session: *session,
                    message: message.clone(),
                    since: fact.at,
                    attempt: *attempt,
                };
                if let Some(deliveries) = self.rounds.delivered(message) {
                    let (queue, consumer, message) = (out.queue.clone(), out.consumer.clone(), message.clone());
                    self.endless.get_or_insert(Endless { queue, consumer, message, deliveries });
                }
                if !no_ack {
                    self.places.insert((queue.clone(), message.clone()), fact.number);
                    self.out.insert(fact.number, out);
                }
                None
            }
            What::DeadLettered { next, .. } => {
                self.rounds.goes_on(message, next);
                None
            }
            What::Requeued { .. } => self.end(queue, message),
            What::Acknowledged { .. } | What::Purged | What::Lost { .. } | What::Dropped { .. } | What::Died { .. } => {
                if !matches!(fact.what, What::Died { .. }) {
                    self.rounds.counts.remove(message);
                }
                self.end(queue, message)
            }
            _ => None,
        }
    }

    /// Keeps account of what is coming and going.
    fn track(&mut self, queue: Option<&Name>, message: &MessageRef, fact: &Fact) {
        let (what, at) = (&fact.what, fact.at);
        let place = || queue.map(|queue| (queue.clone(), message.clone()));
        match what {
            What::Published { queues, .. } => {
                self.announce(message, queues.len());
                if Request::address_of(message).is_some() {
                    // Those that were never answered; the oldest is waited for least.
                    if self.requests.len() >= REQUESTS {
                        self.requests.remove(0);
                    }
                    self.requests.push(Request { message: message.clone(), since: at });
                }
            }
            What::Replied { .. } => self.replied(message),
            What::Enqueued | What::Refused { .. } | What::Cut => self.arrive(message),
            What::Died { .. } => self.going.extend(place()),
            What::DeadLettered { next, queues, .. } => {
                self.announce(next, queues.len());
                place().into_iter().for_each(|place| _ = self.going.remove(&place));
            }
            What::Dropped { .. } => place().into_iter().for_each(|place| _ = self.going.remove(&place)),
            _ => {}
        }
    }

    /// A direct reply came: the request is done that it says it is for, or else the oldest from there.
    fn replied(&mut self, reply: &MessageRef) {
        let address = reply.routing_key().as_str();
        let from_there = |request: &Request| Request::address_of(&request.message) == Some(address);
        let is_for = |request: &Request| {
            from_there(request) && request.message.properties().correlation_id == reply.properties().correlation_id
        };
        let found = self.requests.iter().position(is_for).or_else(|| self.requests.iter().position(from_there));
        found.into_iter().for_each(|at| _ = self.requests.remove(at));
    }

    fn announce(&mut self, message: &MessageRef, queues: usize) {
        if queues > 0 {
            *self.coming.entry(message.clone()).or_default() += queues;
        }
    }

    fn arrive(&mut self, message: &MessageRef) {
        if let Some(left) = self.coming.get_mut(message) {
            *left -= 1;
            if *left == 0 {
                self.coming.remove(message);
            }
        }
    }

    /// The delivery of this message is out no longer.
    fn end(&mut self, queue: &Name, message: &MessageRef) -> Option<MessageRef> {
        let number = self.places.remove(&(queue.clone(), message.clone()))?;
        self.out.remove(&number).map(|out| out.message)
    }
}

impl Rounds {
    /// One delivery more; how many there were, where that is too many.
    fn delivered(&mut self, message: &MessageRef) -> Option<u32> {
        if !self.counting {
            return None;
        }
        let count = self.counts.entry(message.clone()).or_default();
        *count = count.saturating_add(1);
        Some(*count).filter(|count| *count > self.most)
    }

    /// A dead letter takes over the count of what died.
    fn goes_on(&mut self, message: &MessageRef, next: &MessageRef) {
        if let Some(count) = self.counts.remove(message) {
            self.counts.insert(next.clone(), count);
        }
    }
}
