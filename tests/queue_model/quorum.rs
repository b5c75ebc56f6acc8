//! A naive quorum queue: RabbitMQ's replicated state machine restated with lists, command by command.
//!
//! Every verb first does what the expiry timer would have done until now, then is one command: it changes something,
//! and ends with a checkout (serve, then look at the length).

use super::harness::{Answer, Asked, Gate, Handed, Model, RETRY, Step, Verb};
use super::ops::Setup;
use leveret::internals::effect::{AttachError, Offered, Settlement};
use leveret::internals::{Counts, Settings};
use leveret::{Overflow, Reason, Strategy};
use std::cmp::Reverse;
use std::collections::BTreeMap;

#[derive(Clone)]
struct Msg {
    id: u64,
    /// Counts enqueuing commands: which of two is older.
    index: u64,
    bytes: u64,
    dies: Option<u64>,
    returns: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Status {
    Up,
    Waiting,
    Fading,
    Cancelled,
}

struct Con {
    number: usize,
    asked: Asked,
    prefetch: u32,
    credit: u32,
    status: Status,
}

/// A dead letter that the queue keeps.
struct Kept {
    id: u64,
    bytes: u64,
    reason: Reason,
    retry: u64,
}

pub(crate) struct Naive {
    setup: Setup,
    settings: Settings,
    used: u64,
    index: u64,
    returned: Vec<Msg>,
    high: Vec<Msg>,
    normal: Vec<Msg>,
    counter: u8,
    out: Vec<(Msg, Handed)>,
    /// In the order of consuming.
    consumers: Vec<Con>,
    next: usize,
    /// The service queue: priority and consumer.
    service: Vec<(i64, usize)>,
    kept: Vec<Kept>,
    publishers: BTreeMap<u64, bool>,
    was_low: bool,
    gates: BTreeMap<u64, Gate>,
    step: Step,
}

impl Model for Naive {
    fn new(setup: &Setup) -> Self {
        let (setup, settings) = (setup.clone(), setup.settings.clone());
        let (returned, high, normal, out, consumers) = (vec![], vec![], vec![], vec![], vec![]);
        let (service, kept, publishers, gates) = (vec![], vec![], BTreeMap::new(), BTreeMap::new());
        let (used, index, counter, next, was_low, step) = (0, 0, 0, 0, true, Step::default());
        Self {
            setup,
            settings,
            used,
            index,
            returned,
            high,
            normal,
            counter,
            out,
            consumers,
            next,
            service,
            kept,
            publishers,
            was_low,
            gates,
            step,
        }
    }

    fn gates(&mut self) -> &mut BTreeMap<u64, Gate> {
        &mut self.gates
    }

    fn act(&mut self, now: u64, verb: &Verb) -> Step {
        self.step = Step::default();
        if !matches!(verb, Verb::Touch | Verb::Close) && self.is_due(now) {
            self.checkout(now);
        }
        let answer = self.verb(now, verb);
        let gets = self.out.iter().filter(|(_, handed)| handed.consumer.is_none()).count();
        let consumers = self.consumers.iter().filter(|c| c.status != Status::Waiting).count() + gets;
        let unacked_bytes = self.out.iter().map(|(message, _)| message.bytes).sum();
        let (ready, ready_bytes) = self.ready();
        if !matches!(verb, Verb::Close) {
            let (unacked, dying) = (self.out.len(), self.kept.len());
            self.step.counts = Counts { ready, ready_bytes, unacked, unacked_bytes, dying, consumers };
        }
        let head = self.next_message().and_then(|message| message.dies);
        let retry = self.kept.iter().map(|kept| kept.retry).min();
        self.step.deadline = head.into_iter().chain(retry).chain(self.unused_until()).min();
        self.step.room = !(self.rejects() && self.is_over()) && ready < self.setup.ready_messages;
        Step { answer, ..std::mem::take(&mut self.step) }
    }
}

impl Naive {
    fn verb(&mut self, now: u64, verb: &Verb) -> Answer {
        match verb {
            Verb::Offer { publisher, letter, id, priority, expiration, bytes } => {
                let ttl = self.settings.message_ttl_millis.into_iter().chain(*expiration).min();
                // No time at all is one millisecond.
                let dies = ttl.map(|millis| now + millis.max(1));
                let message = Msg { id: *id, index: self.index, bytes: *bytes, dies, returns: 0 };
                return Answer::Offered(self.offer(now, *publisher, *letter, message, *priority >= 5));
            }
            Verb::Take { session, no_ack } => {
                self.used = now;
                let Some(message) = self.take_next() else { return Answer::Took(None) };
                let (id, session, returns, owed) = (message.id, *session, message.returns, !no_ack);
                let handed = Handed { id, session, consumer: None, owed, returns };
                self.out.extend(owed.then_some((message, handed)));
                let before = self.ready().0;
                self.checkout(now);
                return Answer::Took(Some((handed, if *no_ack { self.ready().0 } else { before })));
            }
            Verb::Attach(asked) => return Answer::Attached(self.attach(now, asked)),
            Verb::Detach(number) => {
                let live = |c: &&mut Con| c.number == *number && c.status != Status::Cancelled;
                let Some(consumer) = self.consumers.iter_mut().find(live) else { return Answer::Detached(false) };
                (consumer.status, consumer.credit) = (Status::Cancelled, 0);
                self.forget_settled(now, *number);
                self.activate();
                self.checkout(now);
                return Answer::Detached(true);
            }
            Verb::Settle(ids, kind) => self.settle(now, ids, *kind),
            Verb::CloseSession(session) => self.close_session(now, *session),
            Verb::Resume(session) => {
                for number in self.numbers(*session) {
                    self.enqueue(number);
                }
                self.checkout(now);
            }
            Verb::Purge => {
                let count = self.ready().0;
                (self.returned, self.high, self.normal, self.counter) = (vec![], vec![], vec![], 0);
                self.limit();
                return Answer::Count(count);
            }
            Verb::Advance => {
                self.checkout(now);
                for kept in self.kept.iter_mut().filter(|kept| kept.retry <= now) {
                    kept.retry = now + RETRY;
                    self.step.died.push((kept.id, kept.reason, true));
                }
                self.step.expired = self.unused_until().is_some_and(|end| end <= now);
            }
            Verb::Apply(settings) => {
                self.settings = Settings { single_active: self.settings.single_active, ..settings.clone() };
                if settings.strategy != Strategy::AtLeastOnce {
                    self.kept.clear();
                }
                self.checkout(now);
            }
            Verb::Touch => {}
            Verb::Bury(id) => {
                self.kept.retain(|kept| kept.id != *id);
                self.checkout(now);
            }
            Verb::Close => {
                self.consumers.retain(|consumer| consumer.status != Status::Cancelled);
                self.consumers.sort_by_key(|consumer| (consumer.asked.tag, consumer.number));
                self.step.cancelled = self.consumers.drain(..).map(|consumer| consumer.number).collect();
                let count = self.ready().0;
                (self.returned, self.high, self.normal) = (vec![], vec![], vec![]);
                (self.out, self.kept) = (vec![], vec![]);
                return Answer::Count(count);
            }
        }
        Answer::Nothing
    }

    /// A publisher asks with its first message, and then is refused while it is blocked.
    fn offer(&mut self, now: u64, publisher: Option<u64>, letter: bool, message: Msg, high: bool) -> Offered {
        // A dead letter asks nobody.
        if self.rejects() && !letter {
            let over = self.is_over();
            if publisher.map_or(over, |session| *self.publishers.entry(session).or_insert(over)) {
                return Offered::Refused;
            }
        }
        if self.ready().0 >= self.setup.ready_messages {
            return Offered::Full;
        }
        self.index += 1;
        if high {
            self.high.push(message)
        } else {
            self.normal.push(message)
        }
        self.checkout(now);
        Offered::Taken
    }

    fn attach(&mut self, now: u64, asked: &Asked) -> Result<usize, AttachError> {
        if self.consumers.iter().filter(|c| c.status != Status::Cancelled).count() >= self.setup.consumers {
            return Err(AttachError::TooMany);
        }
        let prefetch = if asked.prefetch == 0 { 2_000 } else { asked.prefetch };
        let status = if self.settings.single_active { Status::Waiting } else { Status::Up };
        let same = |c: &Con| (c.asked.session, c.asked.tag) == (asked.session, asked.tag);
        let number = match self.consumers.iter().position(same) {
            Some(at) => {
                let number = self.consumers[at].number;
                let credit = prefetch.saturating_sub(self.out_of(number));
                self.consumers[at] = Con { number, asked: asked.clone(), prefetch, credit, status };
                number
            }
            None => {
                self.next += 1;
                let number = self.next - 1;
                self.consumers.push(Con { number, asked: asked.clone(), prefetch, credit: prefetch, status });
                number
            }
        };
        self.enqueue(number);
        self.activate();
        self.checkout(now);
        Ok(number)
    }

    fn settle(&mut self, now: u64, ids: &[u64], kind: Settlement) {
        // Without a limit each goes back as a command of its own, as if it came in now.
        if kind == Settlement::Requeue && self.settings.delivery_limit.is_none() {
            for id in ids {
                let Some((mut message, handed)) = self.take_out(*id) else { continue };
                (message.returns, message.index) = (message.returns + 1, self.index);
                self.index += 1;
                self.normal.push(message);
                self.credit(now, handed.consumer, 1);
                self.checkout(now);
            }
            return;
        }
        let outs: Vec<_> = ids.iter().filter_map(|id| self.take_out(*id)).collect();
        let Some(consumer) = outs.first().map(|(_, handed)| handed.consumer) else { return };
        let count = outs.len() as u32;
        for (message, _) in outs {
            match kind {
                Settlement::Ack => {}
                Settlement::Reject => self.die(now, &message, Reason::Rejected),
                Settlement::Requeue => self.give_back(now, message),
            }
        }
        self.credit(now, consumer, count);
        if kind != Settlement::Requeue {
            self.activate();
        }
        self.checkout(now);
    }

    fn take_out(&mut self, id: u64) -> Option<(Msg, Handed)> {
        let at = self.out.iter().position(|(message, _)| message.id == id)?;
        Some(self.out.remove(at))
    }

    fn close_session(&mut self, now: u64, session: u64) {
        let by: Vec<_> = self.numbers(session).into_iter().map(Some).chain([None]).collect();
        for consumer in by {
            let of = |(_, handed): &(Msg, Handed)| (handed.session, handed.consumer) == (session, consumer);
            if consumer.is_some() || self.out.iter().any(of) {
                self.used = now;
            }
            while let Some(at) = self.out.iter().position(of) {
                let (message, _) = self.out.remove(at);
                self.give_back(now, message);
            }
        }
        self.consumers.retain(|consumer| consumer.asked.session != session);
        self.publishers.remove(&session);
        self.activate();
        self.checkout(now);
    }

    /// A return is counted; one too many is the last.
    fn give_back(&mut self, now: u64, mut message: Msg) {
        message.returns += 1;
        match self.settings.delivery_limit.is_some_and(|limit| u64::from(message.returns) > limit) {
            true => self.die(now, &message, Reason::DeliveryLimit),
            false => self.returned.push(message),
        }
    }

    /// Credit back for what was settled; a get has no more to do.
    fn credit(&mut self, now: u64, consumer: Option<usize>, count: u32) {
        let Some(number) = consumer else {
            self.used = now;
            return;
        };
        let left = self.out_of(number);
        let Some(consumer) = self.consumers.iter_mut().find(|c| c.number == number) else { return };
        if consumer.status != Status::Cancelled {
            consumer.credit = consumer.prefetch.min(consumer.credit + count);
        }
        if consumer.status == Status::Fading && left == 0 {
            consumer.status = Status::Waiting;
        }
        self.forget_settled(now, number);
        self.enqueue(number);
    }

    fn forget_settled(&mut self, now: u64, number: usize) {
        let left = self.out_of(number);
        let count = self.consumers.len();
        self.consumers.retain(|c| c.number != number || c.status != Status::Cancelled || left > 0);
        self.used = if self.consumers.len() < count { now } else { self.used };
    }

    fn out_of(&self, number: usize) -> u32 {
        self.out.iter().filter(|(_, handed)| handed.consumer == Some(number)).count() as u32
    }

    fn numbers(&self, session: u64) -> Vec<usize> {
        self.consumers.iter().filter(|c| c.asked.session == session).map(|c| c.number).collect()
    }

    fn enqueue(&mut self, number: usize) {
        let able = |c: &&Con| c.number == number && c.status == Status::Up && c.credit > 0;
        let Some(consumer) = self.consumers.iter().find(able) else { return };
        if !self.service.iter().any(|(_, known)| *known == number) {
            self.service.push((consumer.asked.priority, number));
        }
    }

    /// Single active consumer: the best of the waiting comes, or the active one fades for it.
    fn activate(&mut self) {
        let rank = |c: &Con| (c.asked.priority, c.credit, Reverse(c.number));
        let waiting = self.consumers.iter().filter(|c| c.status == Status::Waiting).max_by_key(|c| rank(c));
        let Some((next, priority)) = waiting.map(|c| (c.number, c.asked.priority)) else { return };
        let is_active = |c: &Con| matches!(c.status, Status::Up | Status::Fading);
        if let Some(at) = self.consumers.iter().position(is_active) {
            if self.consumers[at].asked.priority >= priority {
                return;
            }
            if self.out_of(self.consumers[at].number) > 0 {
                self.consumers[at].status = Status::Fading;
                return;
            }
            self.consumers[at].status = Status::Waiting;
        }
        self.consumers.iter_mut().find(|c| c.number == next).expect("waiting").status = Status::Up;
        self.enqueue(next);
    }

    /// Who acknowledges nothing has a credit, too, which comes back by a later command.
    fn checkout(&mut self, now: u64) {
        loop {
            let free = self.serve(now);
            if free.is_empty() {
                return;
            }
            for number in free {
                if let Some(consumer) = self.consumers.iter_mut().find(|c| c.number == number) {
                    let most = if consumer.asked.prefetch == 0 { 2_000 } else { consumer.asked.prefetch };
                    consumer.credit = most.min(consumer.credit + 1);
                }
                self.enqueue(number);
            }
            self.activate();
        }
    }

    fn serve(&mut self, now: u64) -> Vec<usize> {
        let (mut handed, mut free) = (Vec::new(), Vec::new());
        loop {
            while self.is_due(now) {
                let message = self.take_next().expect("due");
                self.die(now, &message, Reason::Expired);
            }
            let Some(highest) = self.service.iter().map(|(priority, _)| *priority).max() else { break };
            let at = self.service.iter().position(|(priority, _)| *priority == highest).expect("the highest");
            if self.next_message().is_none() {
                break;
            }
            let (_, number) = self.service.remove(at);
            let Some(consumer) = self.consumers.iter_mut().find(|c| c.number == number) else { continue };
            let gate = self.gates.get_mut(&consumer.asked.session).expect("a gate");
            if consumer.credit == 0 || consumer.status != Status::Up || gate.undrained >= gate.window {
                continue;
            }
            gate.undrained += 1;
            let (owed, session) = (!consumer.asked.no_ack, consumer.asked.session);
            consumer.credit -= 1;
            free.extend((!owed).then_some(number));
            let message = self.take_next().expect("there is one");
            let (id, returns, consumer) = (message.id, message.returns, Some(number));
            handed.push(Handed { id, session, consumer, owed, returns });
            self.out.extend(owed.then_some((message, handed[handed.len() - 1])));
            self.enqueue(number);
        }
        // A channel sees what one command hands out consumer by consumer.
        handed.sort_by_key(|handed| handed.consumer);
        self.step.handed.extend(handed);
        self.limit();
        free
    }

    /// The length, after everybody was served: refuse publishers, or drop what is next, the last dropped dying first.
    fn limit(&mut self) {
        let (count, bytes) = self.held();
        let low = |max: Option<u64>, is: u64| max.is_none_or(|max| is <= max * 4 / 5);
        let is_low = low(self.settings.max_length, count) && low(self.settings.max_length_bytes, bytes);
        if self.rejects() {
            if self.is_over() {
                self.publishers.values_mut().for_each(|blocked| *blocked = true);
            } else if is_low && !self.was_low {
                self.publishers.values_mut().for_each(|blocked| *blocked = false);
            }
            self.was_low = is_low;
            return;
        }
        let before = self.step.died.len();
        while self.is_over() {
            let message = self.take_next().expect("too many is some");
            self.step.died.push((message.id, Reason::MaxLength, false));
        }
        self.step.died[before..].reverse();
    }

    fn die(&mut self, now: u64, message: &Msg, reason: Reason) {
        let sure = self.settings.strategy == Strategy::AtLeastOnce;
        if sure {
            self.kept.push(Kept { id: message.id, bytes: message.bytes, reason, retry: now + RETRY });
        }
        self.step.died.push((message.id, reason, sure));
    }

    fn rejects(&self) -> bool {
        self.settings.overflow == Overflow::RejectPublish
    }

    fn ready(&self) -> (usize, u64) {
        let all = || self.returned.iter().chain(&self.high).chain(&self.normal);
        (all().count(), all().map(|message| message.bytes).sum())
    }

    fn held(&self) -> (u64, u64) {
        let (count, bytes) = self.ready();
        ((count + self.kept.len()) as u64, bytes + self.kept.iter().map(|kept| kept.bytes).sum::<u64>())
    }

    fn is_over(&self) -> bool {
        let (count, bytes) = self.held();
        self.settings.max_length.is_some_and(|max| count > max)
            || self.settings.max_length_bytes.is_some_and(|max| bytes > max)
    }

    fn is_due(&self, now: u64) -> bool {
        self.next_message().is_some_and(|message| message.dies.is_some_and(|dies| dies <= now))
    }

    fn unused_until(&self) -> Option<u64> {
        let gets = self.out.iter().any(|(_, handed)| handed.consumer.is_none());
        let unused = self.consumers.is_empty() && !gets;
        self.settings.expires_millis.filter(|_| unused).map(|millis| self.used + millis)
    }

    /// Whether the next of the two levels is the normal one: its turn has come, and the high head is not older.
    fn normal_next(&self) -> bool {
        match (self.high.first(), self.normal.first()) {
            (Some(high), Some(normal)) => self.counter == 2 && high.index > normal.index,
            (high, _) => high.is_none(),
        }
    }

    fn next_message(&self) -> Option<&Msg> {
        let level = if self.normal_next() { &self.normal } else { &self.high };
        self.returned.first().or(level.first())
    }

    fn take_next(&mut self) -> Option<Msg> {
        self.next_message()?;
        if !self.returned.is_empty() {
            return Some(self.returned.remove(0));
        }
        let normal = self.normal_next();
        self.counter = (self.counter + 1) % 3;
        Some(if normal { self.normal.remove(0) } else { self.high.remove(0) })
    }
}
