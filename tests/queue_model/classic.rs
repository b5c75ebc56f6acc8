//! A naive classic queue: RabbitMQ's rules in the order in which its documentation and traces give them.
//!
//! One list of ready messages, searched for its head; one list of consumers in turn, one of the blocked. Every verb
//! first does what a timer would have done until now.

use super::harness::{Answer, Asked, Gate, Handed, Model, Step, Verb};
use super::ops::Setup;
use leveret::internals::effect::{AttachError, Offered, Settlement};
use leveret::internals::{Counts, Settings};
use leveret::{Overflow, Reason};
use std::cmp::Reverse;
use std::collections::BTreeMap;

#[derive(Clone)]
struct Msg {
    id: u64,
    level: u8,
    bytes: u64,
    dies: Option<u64>,
    returns: u32,
}

struct Con {
    number: usize,
    asked: Asked,
    /// None: it acknowledges nothing.
    credit: Option<u32>,
}

pub(crate) struct Naive {
    setup: Setup,
    settings: Settings,
    used: u64,
    ready: Vec<Msg>,
    out: Vec<(Msg, Handed, Option<u8>)>,
    consumers: Vec<Con>,
    next: usize,
    turns: Vec<usize>,
    blocked: Vec<usize>,
    /// Sessions whose channel-wide limit refused this queue.
    suspended: Vec<u64>,
    single: Option<usize>,
    gates: BTreeMap<u64, Gate>,
    timer: Option<u64>,
    step: Step,
}

impl Model for Naive {
    fn new(setup: &Setup) -> Self {
        let (setup, settings) = (setup.clone(), setup.settings.clone());
        let (ready, out, consumers, turns) = (vec![], vec![], vec![], vec![]);
        let (blocked, suspended, single, gates) = (vec![], vec![], None, BTreeMap::new());
        let (used, next, timer, step) = (0, 0, None, Step::default());
        Self {
            setup,
            settings,
            used,
            ready,
            out,
            consumers,
            next,
            turns,
            blocked,
            suspended,
            single,
            gates,
            timer,
            step,
        }
    }

    fn gates(&mut self) -> &mut BTreeMap<u64, Gate> {
        &mut self.gates
    }

    fn act(&mut self, now: u64, verb: &Verb) -> Step {
        self.step = Step::default();
        let due = self.timer.is_some_and(|timer| timer <= now);
        if due && !matches!(verb, Verb::Touch | Verb::Close) {
            self.expire(now);
        }
        let answer = self.verb(now, verb);
        let (ready, unacked) = (self.sum(0).0, self.out.len());
        let unacked_bytes = self.out.iter().map(|(message, ..)| message.bytes).sum();
        let (ready_bytes, consumers) = (self.sum(0).1, self.consumers.len());
        if !matches!(verb, Verb::Close) {
            self.step.counts = Counts { ready, ready_bytes, unacked, unacked_bytes, dying: 0, consumers };
        }
        let idle = self.settings.expires_millis.filter(|_| consumers == 0).map(|millis| self.used + millis);
        self.step.deadline = self.timer.into_iter().chain(idle).min();
        self.step.room = !self.refuses(0) && ready < self.setup.ready_messages;
        Step { answer, ..std::mem::take(&mut self.step) }
    }
}

impl Naive {
    fn verb(&mut self, now: u64, verb: &Verb) -> Answer {
        match verb {
            Verb::Offer { id, priority, expiration, bytes, .. } => {
                let ttl = self.settings.message_ttl_millis.into_iter().chain(*expiration).min();
                let level = (*priority).min(self.settings.max_priority.unwrap_or(0));
                let dies = ttl.map(|millis| now + millis);
                return Answer::Offered(self.offer(now, Msg { id: *id, level, bytes: *bytes, dies, returns: 0 }));
            }
            Verb::Take { session, no_ack } => {
                self.used = now;
                let Some(at) = self.head() else { return Answer::Took(None) };
                let message = self.ready.remove(at);
                let (id, session, returns, owed) = (message.id, *session, message.returns, !no_ack);
                let handed = Handed { id, session, consumer: None, owed, returns };
                self.out.extend(owed.then_some((message, handed, None)));
                self.expire(now);
                return Answer::Took(Some((handed, self.ready.len())));
            }
            Verb::Attach(asked) => return Answer::Attached(self.attach(now, asked)),
            Verb::Detach(number) => {
                let here = self.consumers.iter().any(|consumer| consumer.number == *number);
                if here {
                    self.remove(now, *number);
                    self.pump(now);
                }
                return Answer::Detached(here);
            }
            Verb::Settle(ids, kind) => self.settle(now, ids, *kind),
            Verb::CloseSession(session) => {
                for number in self.numbers(*session) {
                    self.remove(now, number);
                }
                while let Some(at) = self.out.iter().position(|(_, handed, _)| handed.session == *session) {
                    let (mut message, ..) = self.out.remove(at);
                    message.returns += 1;
                    self.ready.push(message);
                }
                self.calm(now);
            }
            Verb::Resume(session) => {
                self.suspended.retain(|known| known != session);
                self.unblock(*session);
                self.pump(now);
            }
            Verb::Purge => {
                self.timer = None;
                return Answer::Count(std::mem::take(&mut self.ready).len());
            }
            Verb::Advance => {
                let idle = self.settings.expires_millis.filter(|_| self.consumers.is_empty());
                self.step.expired = idle.is_some_and(|millis| self.used + millis <= now);
            }
            Verb::Apply(settings) => {
                let (max_priority, single_active) = (self.settings.max_priority, self.settings.single_active);
                self.settings = Settings { max_priority, single_active, ..settings.clone() };
                self.used = now;
                self.calm(now);
            }
            Verb::Touch => self.used = now,
            Verb::Bury(_) => {}
            Verb::Close => {
                self.consumers.sort_by_key(|consumer| (consumer.asked.tag, consumer.number));
                self.step.cancelled = self.consumers.drain(..).map(|consumer| consumer.number).collect();
                return Answer::Count(std::mem::take(&mut self.ready).len());
            }
        }
        Answer::Nothing
    }

    /// Refusal is looked at before consumers are; whoever has room comes before the queue.
    fn offer(&mut self, now: u64, message: Msg) -> Offered {
        if self.refuses(message.bytes) {
            if self.settings.overflow == Overflow::RejectPublishDlx {
                self.step.died.push((message.id, Reason::MaxLength, false));
            }
            return Offered::Refused;
        }
        if self.ready.len() >= self.setup.ready_messages {
            return Offered::Full;
        }
        match if self.ready.is_empty() { self.serve() } else { None } {
            Some(number) => self.hand(message, number),
            None => {
                self.ready.push(message);
                if self.drop_heads() || self.ready.len() == 1 {
                    self.expire(now);
                }
            }
        }
        Offered::Taken
    }

    fn attach(&mut self, now: u64, asked: &Asked) -> Result<usize, AttachError> {
        let taken = self.consumers.iter().any(|consumer| consumer.asked.exclusive);
        if taken || asked.exclusive && (self.settings.single_active || !self.consumers.is_empty()) {
            return Err(AttachError::ExclusiveUse);
        }
        if self.consumers.len() >= self.setup.consumers {
            return Err(AttachError::TooMany);
        }
        let number = self.next;
        self.next += 1;
        let credit = if asked.prefetch == 0 { self.setup.unacked } else { asked.prefetch };
        let credit = (!asked.no_ack).then_some(credit);
        self.consumers.push(Con { number, asked: asked.clone(), credit });
        self.turns.push(number);
        self.elect();
        self.pump(now);
        Ok(number)
    }

    /// Credit is kept by tag: whoever has the tag now gets it. Where somebody had none, all of the session come back.
    fn settle(&mut self, now: u64, ids: &[u64], kind: Settlement) {
        let (mut freed, mut rejected) = (None, Vec::new());
        for id in ids {
            let Some(at) = self.out.iter().position(|(message, ..)| message.id == *id) else { continue };
            let (mut message, handed, tag) = self.out.remove(at);
            let by_tag = |c: &&mut Con| Some(c.asked.tag) == tag && c.asked.session == handed.session;
            if let Some(credit) = self.consumers.iter_mut().find(by_tag).and_then(|c| c.credit.as_mut()) {
                freed = freed.or((*credit == 0).then_some(handed.session));
                *credit += 1;
            }
            match kind {
                Settlement::Ack => {}
                Settlement::Reject => rejected.push(message),
                Settlement::Requeue => {
                    message.returns += 1;
                    self.ready.push(message);
                }
            }
        }
        if let Some(session) = freed {
            self.unblock(session);
        }
        rejected.sort_by_key(|message| Reverse(message.level));
        self.step.died.extend(rejected.iter().map(|message| (message.id, Reason::Rejected, false)));
        if kind == Settlement::Requeue { self.calm(now) } else { self.pump(now) }
    }

    fn numbers(&self, session: u64) -> Vec<usize> {
        self.consumers.iter().filter(|c| c.asked.session == session).map(|c| c.number).collect()
    }

    fn remove(&mut self, now: u64, number: usize) {
        self.used = now;
        self.consumers.retain(|consumer| consumer.number != number);
        self.turns.retain(|known| *known != number);
        self.blocked.retain(|known| *known != number);
        // A session without consumers is forgotten, and with it that it was refused.
        let consumers = &self.consumers;
        self.suspended.retain(|session| consumers.iter().any(|c| c.asked.session == *session));
        self.single = self.single.filter(|known| *known != number);
        self.elect();
    }

    fn elect(&mut self) {
        if self.settings.single_active && self.single.is_none() {
            self.single = self.first();
        }
    }

    fn con(&self, number: usize) -> &Con {
        self.consumers.iter().find(|consumer| consumer.number == number).expect("a consumer that is here")
    }

    /// Who is next: the highest priority, then the longest in turn.
    fn first(&self) -> Option<usize> {
        let highest = self.turns.iter().map(|number| self.con(*number).asked.priority).max()?;
        self.turns.iter().copied().find(|number| self.con(*number).asked.priority == highest)
    }

    fn serve(&mut self) -> Option<usize> {
        if self.settings.single_active {
            return self.single.filter(|number| self.may_take(*number));
        }
        while let Some(number) = self.first() {
            self.turns.retain(|known| *known != number);
            if self.may_take(number) {
                self.turns.push(number);
                return Some(number);
            }
            self.blocked.push(number);
        }
        None
    }

    fn may_take(&mut self, number: usize) -> bool {
        let (session, credit) = (self.con(number).asked.session, self.con(number).credit);
        let gate = &self.gates[&session];
        if self.suspended.contains(&session) || gate.undrained >= gate.window || credit == Some(0) {
            return false;
        }
        if gate.reached() {
            self.suspended.push(session);
            return false;
        }
        true
    }

    fn hand(&mut self, message: Msg, number: usize) {
        let consumer = self.consumers.iter_mut().find(|c| c.number == number).expect("served");
        consumer.credit = consumer.credit.map(|credit| credit - 1);
        let (owed, session, tag) = (!consumer.asked.no_ack, consumer.asked.session, consumer.asked.tag);
        self.gates.get_mut(&session).expect("a gate").hand(owed);
        let (id, returns, consumer) = (message.id, message.returns, Some(number));
        let handed = Handed { id, session, consumer, owed, returns };
        self.step.handed.push(handed);
        self.out.extend(owed.then_some((message, handed, Some(tag))));
    }

    fn unblock(&mut self, session: u64) {
        let all = std::mem::take(&mut self.blocked);
        let freed = |number: &usize| self.con(*number).asked.session == session && self.con(*number).credit != Some(0);
        let (freed, blocked): (Vec<_>, Vec<_>) = all.into_iter().partition(freed);
        self.turns.extend(freed);
        self.blocked = blocked;
    }

    /// The head: the highest level, then the oldest.
    fn head(&self) -> Option<usize> {
        (0..self.ready.len()).max_by_key(|at| (self.ready[*at].level, Reverse(self.ready[*at].id)))
    }

    fn sum(&self, bytes: u64) -> (usize, u64) {
        (self.ready.len(), self.ready.iter().map(|message| message.bytes).sum::<u64>() + bytes)
    }

    fn refuses(&self, bytes: u64) -> bool {
        self.settings.overflow != Overflow::DropHead && self.over(self.ready.len() + 1, self.sum(bytes).1)
    }

    fn over(&self, count: usize, bytes: u64) -> bool {
        self.settings.max_length.is_some_and(|max| count as u64 > max)
            || self.settings.max_length_bytes.is_some_and(|max| bytes > max)
    }

    fn calm(&mut self, now: u64) {
        self.drop_heads();
        self.expire(now);
        self.pump(now);
    }

    fn drop_heads(&mut self) -> bool {
        let before = self.ready.len();
        while self.settings.overflow == Overflow::DropHead && self.over(self.sum(0).0, self.sum(0).1) {
            let head = self.head().expect("too many is some");
            let message = self.ready.remove(head);
            self.step.died.push((message.id, Reason::MaxLength, false));
        }
        self.ready.len() < before
    }

    /// A look at the head, which sets the timer for the next one.
    fn expire(&mut self, now: u64) {
        while let Some(head) = self.head().filter(|at| self.ready[*at].dies.is_some_and(|dies| dies <= now)) {
            let message = self.ready.remove(head);
            self.step.died.push((message.id, Reason::Expired, false));
        }
        self.timer = self.head().and_then(|at| self.ready[at].dies);
    }

    fn pump(&mut self, now: u64) {
        while !self.ready.is_empty() {
            let Some(number) = self.serve() else { return };
            let head = self.head().expect("not empty");
            let message = self.ready.remove(head);
            self.hand(message, number);
            self.expire(now);
        }
    }
}
