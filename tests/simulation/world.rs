//! The world: who acts, what they do, and the checker at their side.
//!
//! Publishers, plain consumers, channels that come and go, a topology that changes, and time that moves. A seed chooses
//! the queues' rules, and then who acts next and how.

use crate::checker::{Checker, Copy, QUEUES, Reader, Rules, id_of, queue_of, route};
use crate::naive::graph::{Bound, Declared, Naive, To};
use crate::random::Random;
use leveret::internals::ExchangeKind;
use leveret::{
    Acknowledge, Broker, Channel, ChannelEvent, Connection, Consume, Consumer, Delivery, ExchangeDeclare,
    ExchangeDelete, Fact, Message, Publish, PublishErrorKind, Publisher, Qos, QueueBinding, QueueDeclare, QueueDelete,
    Recorder, RecorderBound, Requeue, Table, Tags, Tap, What,
};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const EXCHANGES: [(&str, ExchangeKind); 3] =
    [("all", ExchangeKind::Fanout), ("keys", ExchangeKind::Direct), ("topics", ExchangeKind::Topic)];
const KEYS: [&str; 10] = ["q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "a.b", "a"];
const PATTERNS: [&str; 6] = ["a.*", "#", "a", "q1", "q2", "*.b"];
const PUBLISHERS: usize = 4;
const CHANNELS: usize = 3;

/// The facts of the step at hand.
#[derive(Clone, Debug, Default)]
struct Ear(Arc<Mutex<Vec<Fact>>>);

impl Tap for Ear {
    fn saw(&self, facts: &[Fact]) {
        self.0.lock().unwrap().extend_from_slice(facts);
    }
}

/// FNV-1a over what is written.
pub(crate) struct Digest(pub(crate) u64);

impl std::fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        }
        Ok(())
    }
}

/// A plain consumer, with what it has received and not settled.
struct Plain {
    client: usize,
    tag: String,
    queue: usize,
    life: u32,
    consumer: Consumer,
}

/// A delivery in the hands of a client that settles it as it is.
struct Held {
    copy: Copy,
    life: u32,
    tag: Option<String>,
    delivery: Delivery,
}

/// A channel on a connection of its own.
struct Line {
    client: usize,
    connection: Connection,
    channel: Channel,
    /// Delivery tag, copy, life of the queue, consumer.
    unsettled: Vec<(u64, Copy, u32, Option<String>)>,
    tags: Vec<String>,
    confirms: bool,
    published: u64,
    /// The answers that are due, in their order.
    answers: VecDeque<(u64, bool)>,
}

pub(crate) struct World {
    random: Random,
    broker: Broker,
    ear: Ear,
    recorder: Option<Recorder>,
    checker: Checker,
    graph: Naive,
    publishers: Vec<[Publisher; 4]>,
    numbers: [u32; PUBLISHERS + CHANNELS],
    plain: Vec<Plain>,
    held: Vec<Held>,
    lines: Vec<Line>,
    clients: usize,
    pub(crate) digest: Digest,
}

/// What a seed came to.
pub(crate) struct Outcome {
    pub(crate) digest: u64,
    pub(crate) lost: u64,
    pub(crate) unexpected: u64,
    pub(crate) failure: Option<String>,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, operations: u64) -> Outcome {
    let mut world = World::new(seed);
    let mut failure = None;
    for at in 0..operations {
        if let Err(why) = world.step() {
            failure = Some(format!("operation {at}: {why}"));
            break;
        }
    }
    if failure.is_none() {
        failure = world.drain().err().map(|why| format!("in the end: {why}"));
    }
    let World { checker, digest, .. } = world;
    Outcome { digest: digest.0, lost: checker.lost, unexpected: checker.unexpected, failure }
}

/// The queues' rules. Each shape has its place; how much of it there is, the seed says.
fn rules(random: &mut Random) -> Vec<Rules> {
    let mut letters = || [None, Some("q7"), Some("q0"), Some("q5")][random.below(4)];
    let letters = [letters(), letters(), letters(), letters(), letters()];
    let mut small = || random.below(6) as u64;
    let plain = Rules::default();
    vec![
        Rules { ttl: (small() < 2).then(|| 20 + small()), dead_letter: letters[0], ..plain.clone() },
        Rules { ttl: Some(5 + small() * 9), dead_letter: letters[1], ..plain.clone() },
        Rules { max_length: Some(small() as i64), dead_letter: letters[2], ..plain.clone() },
        Rules { max_length: Some(small() as i64), reject: true, dead_letter: letters[3], ..plain.clone() },
        Rules { priority: true, single_active: small() == 0, ..plain.clone() },
        Rules {
            quorum: true,
            delivery_limit: Some(small() as u32),
            dead_letter: letters[4].filter(|to| *to != "q5"),
            ..plain.clone()
        },
        Rules { auto_delete: small() < 3, expires: (small() < 3).then(|| 30 + small() * 10), ..plain.clone() },
        Rules { single_active: small() < 2, ..plain },
    ]
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let rules = rules(&mut random);
        let ear = Ear::default();
        // One in sixteen worlds has a recorder, which must agree.
        let recorder = random.once_in(16).then(|| Recorder::new(RecorderBound::default()));
        let builder = Broker::builder().manual_time().tap(ear.clone());
        let broker = match &recorder {
            Some(recorder) => builder.record(recorder.clone()).build(),
            None => builder.build(),
        };
        let lines = (0..CHANNELS).map(|client| line(&broker, client)).collect();
        let mut world = Self {
            random,
            broker,
            ear,
            recorder,
            checker: Checker::new(rules),
            graph: Naive::default(),
            publishers: Vec::new(),
            numbers: [0; PUBLISHERS + CHANNELS],
            plain: Vec::new(),
            held: Vec::new(),
            lines,
            clients: CHANNELS,
            digest: Digest(0xCBF2_9CE4_8422_2325),
        };
        for exchange in 0..EXCHANGES.len() {
            world.declare_exchange(exchange);
        }
        for queue in 0..QUEUES {
            world.declare_queue(queue);
        }
        for _ in 0..6 {
            world.bind();
        }
        let publisher = |exchange: &str| world.broker.publisher(exchange).unwrap();
        world.publishers = (0..PUBLISHERS).map(|_| ["", "all", "keys", "topics"].map(publisher)).collect();
        world
    }

    /// Somebody acts; then all that must be true is.
    fn step(&mut self) -> Result<(), String> {
        match self.random.below(100) {
            0..=24 => self.publish()?,
            25..=34 => self.channel_publish()?,
            35..=50 => self.receive()?,
            51..=62 => self.channel_receive()?,
            63..=72 => self.settle(),
            73..=79 => self.channel_settle(),
            80..=83 => self.get()?,
            84..=86 => self.open(),
            87..=89 => self.channel_consume(),
            90 => self.cancel(),
            91 => self.close(),
            92..=95 => self.broker.advance(Duration::from_millis(self.random.below(25) as u64)),
            96 => self.declare_queue_by_chance(),
            _ => self.change(),
        }
        self.look()
    }

    fn look(&mut self) -> Result<(), String> {
        self.hear()?;
        self.forget_the_dead();
        self.checker.check(&self.broker)?;
        match &self.recorder {
            Some(recorder) => recorder.ledger().check().map_err(|imbalance| format!("ledger: {imbalance}")),
            None => Ok(()),
        }
    }

    /// Hears what the broker says it did.
    fn hear(&mut self) -> Result<(), String> {
        let facts = std::mem::take(&mut *self.ear.0.lock().unwrap());
        for fact in &facts {
            let session = match &fact.what {
                What::Delivered { session, .. } => *session,
                _ => 0,
            };
            let _ = writeln!(self.digest, "{} {:?} {session} {fact}", fact.number, fact.at);
        }
        if std::env::var_os("SIMULATION_TELL").is_some() {
            facts.iter().for_each(|fact| println!("{} {:?} {fact}", fact.number, fact.at));
        }
        self.checker.hear(&facts, &mut self.graph)
    }

    /// A plain consumer ends with its queue.
    fn forget_the_dead(&mut self) {
        let queues = &self.checker.queues;
        let is_there = |one: &Plain| queues[one.queue].alive && queues[one.queue].life == one.life;
        let (there, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.plain).into_iter().partition(is_there);
        self.plain = there;
        for one in gone {
            self.checker.flights.remove(&one.client);
        }
    }

    /// The next message of a publisher, which counts from 1.
    fn message(&mut self, publisher: usize) -> Message {
        self.numbers[publisher] += 1;
        let id = (publisher as u32) << 24 | self.numbers[publisher];
        let mut body = id.to_le_bytes().to_vec();
        body.resize(4 + self.random.below(8), b'.');
        let mut message = Message::new(body);
        if self.random.once_in(6) {
            message = message.expires_in(Duration::from_millis(1 + self.random.below(60) as u64));
        }
        if self.random.once_in(4) { message.priority(self.random.below(5) as u8) } else { message }
    }

    fn publish(&mut self) -> Result<(), String> {
        let (publisher, exchange) = (self.random.below(PUBLISHERS), self.random.below(5).min(3));
        let key = KEYS[self.random.below(KEYS.len())];
        let message = self.message(publisher);
        let name = ["", "all", "keys", "topics"][exchange];
        let there = exchange == 0 || self.graph.exchange(name).is_some();
        let route = route(&self.graph, name, key);
        let routed = route.len();
        self.checker.route = there.then_some(route);
        let sent = self.publishers[publisher][exchange].try_send(key, message);
        self.hear()?;
        let (taken, refused) = (self.checker.taken, self.checker.refused);
        let told = match &sent {
            Ok(done) => (done.queues, 0),
            Err(error) => match error.kind() {
                PublishErrorKind::Refused { refused, taken } => (*taken, *refused),
                PublishErrorKind::NoExchange(_) if !there => (0, 0),
                other => return Err(format!("confirm: {other}")),
            },
        };
        if told != (taken, refused) || taken + refused != if there { routed } else { 0 } {
            return Err(format!("confirm: {told:?} is told, {taken} took it and {refused} refused"));
        }
        Ok(())
    }

    fn channel_publish(&mut self) -> Result<(), String> {
        let at = self.random.below(CHANNELS);
        let exchange = ["", "", "all", "topics"][self.random.below(4)];
        let key = KEYS[self.random.below(KEYS.len())];
        if !exchange.is_empty() && self.graph.exchange(exchange).is_none() {
            return Ok(());
        }
        if !self.lines[at].confirms && self.random.once_in(4) {
            self.lines[at].confirms = true;
            self.lines[at].channel.confirm_select().unwrap();
        }
        let message = self.message(PUBLISHERS + at);
        self.checker.route = Some(route(&self.graph, exchange, key));
        self.lines[at].channel.basic_publish(&Publish::new(exchange, key), message).map_err(|e| e.to_string())?;
        self.hear()?;
        let (taken, line) = (self.checker.refused == 0, &mut self.lines[at]);
        line.published += u64::from(line.confirms);
        line.answers.extend(line.confirms.then_some((line.published, taken)));
        Ok(())
    }

    fn receive(&mut self) -> Result<(), String> {
        if self.plain.is_empty() {
            return Ok(());
        }
        let at = self.random.below(self.plain.len());
        let one = &mut self.plain[at];
        let delivery = one.consumer.try_recv().ok();
        let copy = delivery.as_ref().map(|delivery| (queue_of(delivery.queue()), id_of(delivery.body())));
        self.checker.received(one.client, copy.map(|copy| (copy, &*one.tag)))?;
        let (tag, life) = (Some(one.tag.clone()), one.life);
        if let (Some(delivery), Some(copy)) = (delivery, copy) {
            self.held.push(Held { copy, life, tag, delivery });
        }
        Ok(())
    }

    fn channel_receive(&mut self) -> Result<(), String> {
        let at = self.random.below(CHANNELS);
        let all = self.random.once_in(4);
        // Room in the channel lets its queues hand out more at once, and that is to be heard before it is received.
        while self.receive_one(at)? && all {
            self.look()?;
        }
        Ok(())
    }

    /// Whether something came.
    fn receive_one(&mut self, at: usize) -> Result<bool, String> {
        let line = &mut self.lines[at];
        match line.channel.try_recv() {
            Ok(ChannelEvent::Deliver(delivery)) => {
                let tag = delivery.consumer_tag.as_deref().unwrap_or_default().to_owned();
                let queue = self.checker.readers.get(&tag).map_or(QUEUES, |reader| reader.queue);
                let life = self.checker.readers.get(&tag).map_or(0, |reader| reader.life);
                let copy = (queue, id_of(delivery.message.body()));
                self.checker.received(line.client, Some((copy, &tag)))?;
                line.unsettled.push((delivery.delivery_tag, copy, life, Some(tag)));
                Ok(true)
            }
            Ok(ChannelEvent::Ack { tag, multiple }) => self.answered(at, (tag, multiple), true),
            Ok(ChannelEvent::Nack { tag, multiple }) => self.answered(at, (tag, multiple), false),
            Ok(ChannelEvent::Cancel { consumer_tag }) => {
                line.tags.retain(|tag| **tag != *consumer_tag);
                Ok(true)
            }
            Ok(other) => Err(format!("unexpected: {other:?}")),
            Err(_) => {
                self.checker.received(line.client, None)?;
                match self.lines[at].answers.front() {
                    Some((number, _)) => Err(format!("confirm: publish {number} is not answered")),
                    None => Ok(false),
                }
            }
        }
    }

    /// Each publish is answered once; an answer may stand for all before it that are not answered yet.
    fn answered(&mut self, at: usize, (number, multiple): (u64, bool), taken: bool) -> Result<bool, String> {
        let answers = &mut self.lines[at].answers;
        if !answers.contains(&(number, taken)) {
            return Err(format!("confirm: {number} {taken}, due is {answers:?}"));
        }
        let covered = |due: &(u64, bool)| due.0 == number || multiple && due.0 < number;
        if answers.iter().any(|due| covered(due) && due.1 != taken) {
            return Err(format!("confirm: {number} {taken} up to there, due is {answers:?}"));
        }
        answers.retain(|due| !covered(due));
        Ok(true)
    }

    /// Whether the queue that it is out of is still there.
    fn lives(&self, (queue, _): Copy, life: u32) -> bool {
        self.checker.queues[queue].alive && self.checker.queues[queue].life == life
    }

    fn settle(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let at = self.random.below(self.held.len());
        let Held { copy, life, tag, delivery } = self.held.remove(at);
        if let Some(tag) = &tag {
            self.checker.release(tag);
        }
        let lives = self.lives(copy, life).then_some(copy);
        let expected = &mut self.checker.expected;
        match self.random.below(8) {
            0 => {
                expected.rejected.extend(lives);
                delivery.reject();
            }
            1 => {
                expected.back.extend(lives);
                delivery.requeue();
            }
            2 => {
                expected.back.extend(lives);
                drop(delivery);
            }
            _ => {
                expected.acked.extend(lives);
                delivery.ack();
            }
        }
    }

    fn channel_settle(&mut self) {
        let at = self.random.below(CHANNELS);
        if self.lines[at].unsettled.is_empty() {
            return;
        }
        let which = self.random.below(self.lines[at].unsettled.len());
        let (tag, multiple) = (self.lines[at].unsettled[which].0, self.random.once_in(3));
        let picked = |one: &(u64, Copy, u32, Option<String>)| one.0 == tag || multiple && one.0 < tag;
        let all = std::mem::take(&mut self.lines[at].unsettled);
        let (picked, left): (Vec<_>, Vec<_>) = all.into_iter().partition(picked);
        self.lines[at].unsettled = left;
        let copies: Vec<Copy> = picked.iter().filter(|one| self.lives(one.1, one.2)).map(|one| one.1).collect();
        picked.iter().filter_map(|one| one.3.as_ref()).for_each(|tag| self.checker.release(tag));
        let (tags, channel) = (if multiple { Tags::UpTo(tag) } else { Tags::One(tag) }, &self.lines[at].channel);
        let settled = match self.random.below(6) {
            0 => {
                self.checker.expected.back.extend(copies);
                channel.basic_nack(tags, Requeue::Yes)
            }
            1 | 2 => {
                self.checker.expected.rejected.extend(copies);
                channel.basic_nack(tags, Requeue::No)
            }
            _ => {
                self.checker.expected.acked.extend(copies);
                channel.basic_ack(tags)
            }
        };
        settled.unwrap();
    }

    fn get(&mut self) -> Result<(), String> {
        let queue = self.random.below(QUEUES);
        if !self.checker.queues[queue].alive {
            return Ok(());
        }
        let (name, life) = (format!("q{queue}"), self.checker.queues[queue].life);
        if self.random.once_in(2) {
            let got = self.broker.get(&name).unwrap();
            self.held.extend(got.map(|delivery| {
                let copy = (queue, id_of(delivery.body()));
                Held { copy, life, tag: None, delivery }
            }));
            return Ok(());
        }
        let at = self.random.below(CHANNELS);
        // What was sent to the channel before comes before, and has lower tags.
        while self.receive_one(at)? {
            self.look()?;
        }
        let no_ack = self.random.once_in(3);
        let acknowledge = if no_ack { Acknowledge::No } else { Acknowledge::Yes };
        let got = self.lines[at].channel.basic_get(&name, acknowledge).unwrap();
        if let Some(got) = got.filter(|_| !no_ack) {
            let copy = (queue, id_of(got.delivery.message.body()));
            self.lines[at].unsettled.push((got.delivery.delivery_tag, copy, life, None));
        }
        Ok(())
    }

    fn open(&mut self) {
        let (queue, prefetch) = (self.random.below(QUEUES), 1 + self.random.below(4));
        if !self.checker.queues[queue].alive || self.plain.len() > 6 {
            return;
        }
        let tag = self.reader(queue, prefetch as i64);
        let name = format!("q{queue}");
        let consumer = self.broker.consumer(&name).tag(&*tag).prefetch(prefetch as u32).open().unwrap();
        let (client, life) = (self.clients, self.checker.queues[queue].life);
        self.plain.push(Plain { client, tag, queue, life, consumer });
    }

    /// A client of its own, and its tag.
    fn reader(&mut self, queue: usize, prefetch: i64) -> String {
        self.clients += 1;
        let life = self.checker.queues[queue].life;
        let (tag, client) = (format!("t{}", self.clients), self.clients);
        self.checker.readers.insert(tag.clone(), Reader { client, queue, life, prefetch, out: 0 });
        tag
    }

    fn channel_consume(&mut self) {
        let (at, queue, prefetch) = (self.random.below(CHANNELS), self.random.below(QUEUES), self.random.below(4));
        if !self.checker.queues[queue].alive || self.lines[at].tags.len() > 3 {
            return;
        }
        let tag = self.reader(queue, prefetch as i64);
        self.checker.readers.get_mut(&tag).unwrap().client = self.lines[at].client;
        let line = &mut self.lines[at];
        line.channel.basic_qos(Qos::new(prefetch as u16)).unwrap();
        line.channel.basic_consume(&Consume::new(format!("q{queue}")).tag(&*tag)).unwrap();
        line.tags.push(tag);
    }

    /// A plain consumer goes, and what it did not receive goes back.
    fn cancel(&mut self) {
        if self.random.once_in(2) {
            let at = self.random.below(CHANNELS);
            if let Some(tag) = self.lines[at].tags.pop() {
                self.lines[at].channel.basic_cancel(&tag).unwrap();
            }
            return;
        }
        if !self.plain.is_empty() {
            let at = self.random.below(self.plain.len());
            let one = self.plain.remove(at);
            let flight = self.checker.flown(one.client);
            self.checker.expected.back.extend(flight);
            self.checker.readers.get_mut(&one.tag).unwrap().out = 0;
            drop(one);
        }
    }

    /// A channel dies, one way or another, with all that it has out.
    fn close(&mut self) {
        let at = self.random.below(CHANNELS);
        self.clients += 1;
        let new = line(&self.broker, self.clients);
        let old = std::mem::replace(&mut self.lines[at], new);
        let held = old.unsettled.iter().filter(|one| self.lives(one.1, one.2)).map(|one| one.1);
        let mut back: Vec<Copy> = held.collect();
        back.extend(self.checker.flown(old.client));
        self.checker.going = Some(old.client);
        self.checker.expected.back.extend(back);
        match self.random.below(3) {
            0 => old.connection.close(),
            1 => drop(old.channel),
            _ => assert!(old.channel.basic_ack(u64::MAX).is_err(), "nothing has that tag"),
        }
    }

    fn declare_queue_by_chance(&mut self) {
        let queue = self.random.below(QUEUES);
        self.declare_queue(queue);
    }

    fn declare_queue(&mut self, queue: usize) {
        let (name, rules) = (format!("q{queue}"), &self.checker.rules[queue]);
        let mut request = QueueDeclare::new(&name);
        if rules.quorum {
            request = request.durable().argument("x-queue-type", "quorum");
        }
        request = if rules.auto_delete { request.auto_delete() } else { request };
        let numbers = [
            ("x-message-ttl", rules.ttl.map(|ttl| ttl as i64)),
            ("x-expires", rules.expires.map(|expires| expires as i64)),
            ("x-max-length", rules.max_length),
            ("x-max-priority", rules.priority.then_some(4)),
            ("x-delivery-limit", rules.delivery_limit.map(i64::from)),
        ];
        for (argument, value) in numbers {
            request = value.into_iter().fold(request, |request, value| request.argument(argument, value));
        }
        request = if rules.reject { request.argument("x-overflow", "reject-publish") } else { request };
        if let Some(to) = rules.dead_letter {
            request = request.argument("x-dead-letter-exchange", "").argument("x-dead-letter-routing-key", to);
        }
        request = if rules.single_active { request.argument("x-single-active-consumer", true) } else { request };
        self.broker.declare_queue(&request).unwrap();
        if !self.graph.queues.contains(&name) {
            self.graph.queues.push(name);
        }
    }

    fn declare_exchange(&mut self, which: usize) {
        let (name, kind) = EXCHANGES[which];
        let word = ["fanout", "direct", "topic"][which];
        self.broker.declare_exchange(&ExchangeDeclare::new(name, word)).unwrap();
        if self.graph.exchange(name).is_none() {
            let declared = Declared { name: name.to_owned(), kind, auto_delete: false, alternate: None };
            self.graph.exchanges.push(declared);
        }
    }

    fn change(&mut self) {
        match self.random.below(12) {
            0 => {
                let queue = self.random.below(QUEUES);
                if self.checker.queues[queue].alive {
                    self.broker.queue(&format!("q{queue}")).unwrap().purge().unwrap();
                }
            }
            1 => {
                let request = QueueDelete::new(format!("q{}", self.random.below(QUEUES)));
                self.broker.delete_queue(&request).unwrap();
            }
            2 => {
                let (name, _) = EXCHANGES[self.random.below(EXCHANGES.len())];
                self.broker.delete_exchange(&ExchangeDelete::new(name)).unwrap();
                self.graph.remove(name);
            }
            3..=6 => {
                let which = self.random.below(EXCHANGES.len());
                self.declare_exchange(which);
            }
            7..=8 if !self.graph.bindings.is_empty() => {
                let bound = self.graph.bindings[self.random.below(self.graph.bindings.len())].clone();
                let To::Queue(queue) = &bound.to else { return };
                let binding = QueueBinding::new(queue, &bound.from).key(&bound.key);
                self.lines[0].channel.queue_unbind(&binding).unwrap();
                self.graph.unbind(|known| *known == bound);
            }
            _ => self.bind(),
        }
    }

    fn bind(&mut self) {
        let (queue, (from, _)) = (self.random.below(QUEUES), EXCHANGES[self.random.below(EXCHANGES.len())]);
        let (name, key) = (format!("q{queue}"), PATTERNS[self.random.below(PATTERNS.len())]);
        if !self.graph.queues.contains(&name) || self.graph.exchange(from).is_none() {
            return;
        }
        self.lines[0].channel.queue_bind(&QueueBinding::new(&name, from).key(key)).unwrap();
        let (to, key, arguments) = (To::Queue(name), key.to_owned(), Table::new());
        self.graph.bind(Bound { from: from.to_owned(), to, key, arguments });
    }

    /// All clients go, and every message that is left is received once and acknowledged: then nothing is left.
    fn drain(&mut self) -> Result<(), String> {
        for at in 0..CHANNELS {
            while self.receive_one(at)? {
                self.look()?;
            }
        }
        while !self.held.is_empty() {
            self.settle();
            self.look()?;
        }
        for one in std::mem::take(&mut self.plain) {
            self.plain.push(one);
            let one = self.plain.pop().unwrap();
            let flight = self.checker.flown(one.client);
            self.checker.expected.back.extend(flight);
            drop(one);
            self.look()?;
        }
        for _ in 0..CHANNELS * 8 {
            self.close();
            self.look()?;
        }
        for at in 0..CHANNELS {
            let new = line(&self.broker, usize::MAX - at);
            let old = std::mem::replace(&mut self.lines[at], new);
            let held: Vec<Copy> =
                old.unsettled.iter().filter(|one| self.lives(one.1, one.2)).map(|one| one.1).collect();
            self.checker.expected.back.extend(held);
            self.checker.going = Some(old.client);
            drop(old);
            self.look()?;
        }
        for queue in (0..QUEUES).chain(0..QUEUES) {
            while self.checker.queues[queue].alive {
                let Some(delivery) = self.broker.get(&format!("q{queue}")).map_err(|error| error.to_string())? else {
                    break;
                };
                self.checker.expected.acked.push((queue, id_of(delivery.body())));
                delivery.ack();
                self.look()?;
            }
        }
        match self.checker.left() {
            0 => Ok(()),
            left => Err(format!("lost: {left} messages are left and cannot be received")),
        }
    }
}

fn line(broker: &Broker, client: usize) -> Line {
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    let (unsettled, tags, answers) = (Vec::new(), Vec::new(), VecDeque::new());
    Line { client, connection, channel, unsettled, tags, confirms: false, published: 0, answers }
}
