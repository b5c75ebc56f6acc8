//! What is explained is what happens: random topologies, random queues, random messages; each is explained, then published,
//! and what came of it is compared with every count there is. And explaining changes nothing.

use leveret::explain::{DeadLetterEnd, ExplainedDeadLetter, ExplainedQueue, Fate, Reached, Verdict};
use leveret::{
    ApplyTo, Binding, Broker, BrokerStats, Channel, Connection, Consume, Consumer, Delivery, Exchange, ExchangeKind,
    Explanation, Limits, ManualClock, Message, Miss, Moment, Overflow, Policy, PublishErrorKind, Qos, Queue, QueueKind,
    QueueStats, Strategy as Letters, Table, Topology, Value,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use std::time::Duration;

const QUEUES: usize = 5;

#[derive(Clone, Debug)]
struct World {
    exchanges: Vec<(ExchangeKind, Option<u8>)>,
    queues: Vec<Kept>,
    bindings: Vec<Bound>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Bound {
    from: usize,
    to: Result<usize, usize>,
    key: &'static str,
    arguments: Table,
}

/// How a queue is declared.
#[derive(Clone, Debug)]
struct Kept {
    quorum: bool,
    max_length: Option<u64>,
    max_bytes: Option<u64>,
    overflow: Overflow,
    ttl: Option<u64>,
    priorities: Option<u8>,
    single_active: bool,
    dead_letter: u8,
    consumer: Option<Eats>,
}

#[derive(Clone, Copy, Debug)]
struct Eats {
    prefetch: u32,
    no_ack: bool,
    /// On a channel with this limit, shared with nobody.
    channel: Option<u16>,
}

#[derive(Clone, Debug)]
enum Step {
    Publish(Published),
    /// Time goes on, with deadlines.
    Advance(u64),
    /// Time goes on, and nobody has looked yet.
    Drift(u64),
    Receive(usize, u8),
    Get(usize, u8),
    /// A policy comes over all queues.
    Policy(Option<u64>),
}

#[derive(Clone, Debug)]
struct Published {
    exchange: u8,
    key: &'static str,
    carbon: Vec<&'static str>,
    headers: Vec<(&'static str, Value)>,
    bytes: usize,
    priority: u8,
    expiration: Option<u64>,
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "a", "a.b", "a.b.c", "b", "q0", "q1", "q2", "q3", "q4", "q9"])
}

fn pattern() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "a", "a.b", "#", "*", "*.b", "a.#", "#.c", "q0", "*.*.*", "a.#.b"])
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let value =
        prop::sample::select(vec![Value::text("1"), Value::I32(1), Value::I64(1), Value::Void, Value::Bool(true)]);
    vec((prop::sample::select(vec!["h", "i", "x-j"]), value), 0..3)
}

fn arguments() -> impl Strategy<Value = Table> {
    let modes = vec!["all", "any", "all-with-x", "any-with-x"];
    (prop::option::of(prop::sample::select(modes)), headers()).prop_map(|(mode, headers)| {
        let mut table: Table = headers.into_iter().collect();
        if let Some(mode) = mode {
            table.insert("x-match", mode);
        }
        table
    })
}

fn kept() -> impl Strategy<Value = Kept> {
    let overflow = prop::sample::select(vec![
        Overflow::DropHead,
        Overflow::DropHead,
        Overflow::RejectPublish,
        Overflow::RejectPublishDlx,
    ]);
    let eats = (1..4_u32, prop::bool::weighted(0.2), prop::option::weighted(0.4, 1..3_u16))
        .prop_map(|(prefetch, no_ack, channel)| Eats { prefetch, no_ack, channel });
    (
        any::<bool>(),
        prop::option::weighted(0.6, 0..4_u64),
        prop::option::weighted(0.2, 0..30_u64),
        overflow,
        prop::option::weighted(0.4, prop::sample::select(vec![0, 1, 5, 50])),
        prop::option::weighted(0.4, 1..6_u8),
        prop::bool::weighted(0.2),
        0..6_u8,
        prop::option::weighted(0.4, eats),
    )
        .prop_map(
            |(quorum, max_length, max_bytes, overflow, ttl, priorities, single_active, dead_letter, consumer)| Kept {
                quorum,
                max_length,
                max_bytes,
                overflow,
                ttl,
                priorities,
                single_active,
                dead_letter,
                consumer,
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    let ttl = prop::option::weighted(0.4, prop::sample::select(vec![0, 1, 5, 50]));
    let published = (0..8_u8, key(), vec(key(), 0..2), headers(), 0..20_usize, 0..8_u8, ttl).prop_map(
        |(exchange, key, carbon, headers, bytes, priority, expiration)| Published {
            exchange,
            key,
            carbon,
            headers,
            bytes,
            priority,
            expiration,
        },
    );
    let millis = || prop::sample::select(vec![1, 5, 60]);
    prop_oneof![
        12 => published.prop_map(Step::Publish),
        1 => millis().prop_map(Step::Advance),
        1 => millis().prop_map(Step::Drift),
        2 => (0..QUEUES, 0..3_u8).prop_map(|(queue, how)| Step::Receive(queue, how)),
        1 => (0..QUEUES, 0..3_u8).prop_map(|(queue, how)| Step::Get(queue, how)),
        1 => prop::option::of(0..4_u64).prop_map(Step::Policy),
    ]
}

fn world() -> impl Strategy<Value = World> {
    use ExchangeKind::{Direct, Fanout, Headers, Topic};
    let exchange =
        (prop::sample::select(vec![Direct, Fanout, Topic, Topic, Headers]), prop::option::weighted(0.4, 0..8_u8));
    let bound = (0..6_usize, any::<bool>(), 0..6_usize, pattern(), arguments()).prop_map(
        |(from, to_queue, to, key, arguments)| {
            let to = if to_queue { Ok(to % QUEUES) } else { Err(to) };
            Bound { from, to, key, arguments }
        },
    );
    (vec(exchange, 6), vec(kept(), QUEUES), vec(bound, 0..24), vec(step(), 1..40))
        .prop_map(|(exchanges, queues, bindings, steps)| World { exchanges, queues, bindings, steps })
}

/// The exchange of a number: those declared, one that is not there, the default exchange.
fn exchange_name(number: u8) -> String {
    match number {
        7 => String::new(),
        number => format!("x{number}"),
    }
}

impl Kept {
    fn declared(&self, name: String) -> Queue {
        let mut queue = Queue::new(name);
        if self.quorum {
            queue = queue.quorum();
        }
        if let Some(most) = self.max_length {
            queue = queue.max_length(most, self.overflow);
        }
        if let Some(most) = self.max_bytes {
            queue = queue.max_length_bytes(most, self.overflow);
        }
        if let Some(ttl) = self.ttl {
            queue = queue.message_ttl(Duration::from_millis(ttl));
        }
        if let Some(highest) = self.priorities.filter(|_| !self.quorum) {
            queue = queue.max_priority(highest);
        }
        if self.single_active {
            queue = queue.single_active_consumer();
        }
        let queue = match self.dead_letter {
            0 | 1 => return queue,
            2 => queue.dead_letter_exchange("dlx"),
            3 => queue.dead_letter_exchange("nowhere"),
            4 => queue.dead_letter_exchange("hole").dead_letter_routing_key("k"),
            _ => queue.dead_letter_exchange("").dead_letter_routing_key("dead"),
        };
        if self.quorum { queue.dead_letter_strategy(Letters::AtLeastOnce) } else { queue }
    }
}

/// A broker in which all of that is under way.
struct Run {
    broker: Broker,
    clock: ManualClock,
    consumers: Vec<Option<Consumer>>,
    _channels: Vec<(Connection, Channel)>,
    out: Vec<Delivery>,
    published: usize,
    /// What was met.
    met: BTreeSet<&'static str>,
}

impl Run {
    fn new(world: &World) -> Self {
        let mut limits = Limits::default();
        limits.ready_messages = 5;
        limits.ready_bytes = 60;
        limits.undrained_deliveries = 3;
        let clock = ManualClock::new();
        let broker = Broker::builder().limits(limits).manual_clock(clock.clone()).build();
        let mut topology = Topology::new()
            .exchange(Exchange::fanout("dlx"))
            .exchange(Exchange::direct("hole"))
            .queue(Queue::new("dead").bind("dlx", ""));
        for (number, (kind, alternate)) in world.exchanges.iter().enumerate() {
            let mut exchange = Exchange::new(format!("x{number}"), *kind);
            if let Some(alternate) = alternate {
                exchange = exchange.alternate(exchange_name(*alternate));
            }
            if number == 5 {
                exchange = exchange.internal();
            }
            topology = topology.exchange(exchange);
        }
        for (number, kept) in world.queues.iter().enumerate() {
            topology = topology.queue(kept.declared(format!("q{number}")));
        }
        broker.declare(&topology).expect("a good topology");
        for bound in &world.bindings {
            let binding = Binding::to(format!("x{}", bound.from)).key(bound.key).arguments(bound.arguments.clone());
            match bound.to {
                Ok(queue) => broker.bind(&format!("q{queue}"), &binding),
                Err(exchange) => broker.bind_exchange(&format!("x{exchange}"), &binding),
            }
            .expect("both ends are there");
        }
        let mut run = Self {
            broker,
            clock,
            consumers: Vec::new(),
            _channels: Vec::new(),
            out: Vec::new(),
            published: 0,
            met: BTreeSet::new(),
        };
        for (number, kept) in world.queues.iter().enumerate() {
            let consumer = kept.consumer.and_then(|eats| run.consume(&format!("q{number}"), eats, kept.quorum));
            run.consumers.push(consumer);
        }
        run
    }

    fn consume(&mut self, queue: &str, eats: Eats, quorum: bool) -> Option<Consumer> {
        let Some(limit) = eats.channel else {
            let builder = self.broker.consumer(queue).prefetch(eats.prefetch);
            return Some(if eats.no_ack { builder.no_ack() } else { builder }.open().expect("there"));
        };
        let connection = self.broker.connect().expect("open");
        let channel = connection.open_channel().expect("open");
        // Quorum queues do not take a limit over a channel.
        let qos = Qos::new(limit);
        channel.basic_qos(if quorum { qos } else { qos.global() }).expect("known");
        let request = Consume::new(queue);
        channel.basic_consume(&if eats.no_ack { request.no_ack() } else { request }).expect("let in");
        self._channels.push((connection, channel));
        None
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Publish(published) => self.publish(published)?,
            Step::Advance(millis) => self.broker.advance(Duration::from_millis(*millis)),
            Step::Drift(millis) => self.clock.set(Moment::from_millis(self.broker.now().as_millis() + millis)),
            Step::Receive(queue, how) => {
                let received = self.consumers[*queue].as_mut().and_then(|consumer| consumer.try_recv().ok());
                self.settle(received, *how);
            }
            Step::Get(queue, how) => {
                let received = self.broker.get(&format!("q{queue}")).expect("open");
                self.settle(received, *how);
            }
            Step::Policy(ttl) => {
                let policy = Policy::new("all", "^q").apply_to(ApplyTo::Queues);
                let policy = match ttl {
                    Some(millis) => policy.message_ttl(Duration::from_millis(*millis)),
                    None => policy.define("max-length", 2_i64),
                };
                self.broker.declare(&Topology::new().policy(policy)).ok();
            }
        }
        self.broker.check_invariants().map_err(TestCaseError::fail)
    }

    fn settle(&mut self, received: Option<Delivery>, how: u8) {
        match (received, how) {
            (None, _) => {}
            (Some(delivery), 0) => _ = delivery.ack(),
            (Some(delivery), 1) => _ = delivery.requeue(),
            (Some(delivery), _) => self.out.push(delivery),
        }
    }

    fn publish(&mut self, published: &Published) -> Result<(), TestCaseError> {
        self.published += 1;
        let mut body = format!("{}:", self.published);
        body.extend(std::iter::repeat_n('.', published.bytes));
        let mut message = Message::new(body.clone()).priority(published.priority);
        for (name, value) in &published.headers {
            message = message.header(name, value.clone());
        }
        if !published.carbon.is_empty() {
            let carbon: Vec<Value> = published.carbon.iter().map(Value::text).collect();
            message = message.header("CC", carbon);
        }
        if let Some(millis) = published.expiration {
            message = message.expires_in(Duration::from_millis(millis));
        }
        let exchange = exchange_name(published.exchange);

        let before = self.broker.stats();
        let deadline = self.broker.next_deadline();
        let told = self.broker.explain_message(&exchange, published.key, &message);
        prop_assert_eq!(&self.broker.stats(), &before, "explaining changes nothing");
        prop_assert_eq!(self.broker.next_deadline(), deadline);
        prop_assert_eq!(&self.broker.explain_message(&exchange, published.key, &message), &told);

        self.meet(&told);
        let outcome = self.broker.publish(&exchange, published.key, message).map_err(|error| error.into_parts().0);
        let after = self.broker.stats();
        let context = format!("{told}\nbefore: {before:#?}\nafter: {after:#?}\noutcome: {outcome:?}");
        compare_outcome(&told, &outcome).map_err(|what| TestCaseError::fail(format!("{what}\n{context}")))?;
        self.compare(&told, &before, &after, &body)
            .map_err(|what| TestCaseError::fail(format!("{what}\n{context}")))?;
        self.compare_bindings(&told).map_err(|what| TestCaseError::fail(format!("{what}\n{context}")))
    }

    /// Notes what is told.
    fn meet(&mut self, told: &Explanation) {
        let letters = told.queues.iter().map(|queue| match queue.dead_letter.as_ref().map(|letter| &letter.end) {
            None => "lost",
            Some(DeadLetterEnd::NoExchange) => "no exchange",
            Some(DeadLetterEnd::Unroutable) => "unroutable",
            Some(_) => "offered",
        });
        let fates = told.queues.iter().map(|queue| match queue.fate {
            Fate::Delivered { .. } => "delivered",
            Fate::Ready { .. } => "ready",
            Fate::Refused { dies: false, .. } => "refused",
            Fate::Refused { dies: true, .. } => "refused and dies",
            Fate::Full { .. } => "full",
            Fate::Dropped { .. } => "dropped",
            Fate::Expired => "expired",
            _ => "other",
        });
        let reached = told.exchanges.iter().filter_map(|exchange| match exchange.reached {
            Reached::Alternate { .. } => Some("alternate"),
            Reached::Bound { .. } => Some("bound"),
            _ => None,
        });
        self.met.extend(letters.chain(fates).chain(reached));
        self.met.extend(told.queues.iter().any(|queue| queue.makes_room.is_some()).then_some("room"));
        self.met.extend(told.queues.iter().any(|queue| queue.expired_first > 0).then_some("first"));
        self.met.extend((told.keys.len() > 1).then_some("more keys"));
    }

    /// Every count of every queue, and of the broker.
    fn compare(&self, told: &Explanation, before: &BrokerStats, after: &BrokerStats, body: &str) -> Result<(), String> {
        let mut letters = Expected::default();
        let reached: BTreeSet<&str> = told.queues.iter().map(|queue| &*queue.name).collect();
        if reached.len() != told.queues.len() {
            return Err("a queue is told twice".to_owned());
        }
        for (before, after) in before.queues.iter().zip(&after.queues).filter(|(queue, _)| *queue.name != *"dead") {
            match told.queues.iter().find(|queue| *queue.name == *before.name) {
                None if before != after => return Err(format!("queue {} was not told of", before.name)),
                None => {}
                Some(queue) => {
                    self.compare_queue(queue, before, after, body)?;
                    letters.add(queue);
                }
            }
        }
        let (was, is) = (&before.dead_letters, &after.dead_letters);
        let found = Expected {
            arrived: is.arrived - was.arrived + is.refused - was.refused,
            no_exchange: is.no_such_exchange - was.no_such_exchange,
            unroutable: is.unroutable - was.unroutable,
            none: is.no_dead_letter_exchange - was.no_dead_letter_exchange,
        };
        if found == letters { Ok(()) } else { Err(format!("letters: told {letters:?}, found {found:?}")) }
    }

    fn compare_queue(
        &self,
        told: &ExplainedQueue,
        before: &QueueStats,
        after: &QueueStats,
        body: &str,
    ) -> Result<(), String> {
        let (was, is) = (&before.totals, &after.totals);
        let fate = &told.fate;
        let one = |holds: bool| u64::from(holds);
        let comes_in = !matches!(fate, Fate::Refused { .. } | Fate::Full { .. });
        let dropped = told.makes_room.as_ref().map_or(0, |room| room.dropped);
        let stays = matches!(fate, Fate::Ready { .. });
        let checks = [
            ("told ready", told.ready, before.ready),
            ("enqueued", one(comes_in), is.enqueued - was.enqueued),
            ("refused", one(matches!(fate, Fate::Refused { .. })), is.refused - was.refused),
            ("full", one(matches!(fate, Fate::Full { .. })), is.full - was.full),
            ("delivered", one(matches!(fate, Fate::Delivered { .. })), is.delivered - was.delivered),
            ("expired", told.expired_first + one(*fate == Fate::Expired), is.expired - was.expired),
            ("maxlen", dropped + one(matches!(fate, Fate::Dropped { .. })), is.max_length - was.max_length),
            ("ready", before.ready + one(stays) - told.expired_first - dropped, after.ready),
        ];
        for (what, told, found) in checks {
            if told != found {
                return Err(format!("{what} of {}: told {told}, found {found}", before.name));
            }
        }
        let ready = self.broker.peek(&before.name, usize::MAX).expect("there");
        let place = ready.iter().position(|peeked| peeked.message.body() == body.as_bytes());
        match (fate, place) {
            (Fate::Ready { ahead }, Some(place)) if told.kind == QueueKind::Classic && place as u64 != *ahead => {
                Err(format!("it stands at {place}"))
            }
            (Fate::Ready { .. }, None) => Err("it is not ready".to_owned()),
            (Fate::Ready { .. }, Some(_)) | (_, None) => Ok(()),
            (_, Some(place)) => Err(format!("it is ready at {place}")),
        }
    }

    /// A binding that matches is never told as a miss, by whatever kind; a miss tells something.
    fn compare_bindings(&self, told: &Explanation) -> Result<(), String> {
        for exchange in &told.exchanges {
            let misses = exchange.bindings.iter().filter(|binding| !binding.is_match());
            if misses.clone().count() > 8 {
                return Err("more than eight misses are told".to_owned());
            }
            if exchange.kind == ExchangeKind::Topic {
                for (binding, key) in misses.flat_map(|binding| told.keys.iter().map(move |key| (binding, key))) {
                    if Miss::of_topic(&binding.key, key).is_none() {
                        return Err(format!("{binding} is told as a miss"));
                    }
                }
            }
        }
        Ok(())
    }

    /// How many messages go before one that is put into each queue: told, and counted by taking them out.
    fn drain(&mut self) -> Result<(), TestCaseError> {
        for queue in 0..QUEUES {
            let name = format!("q{queue}");
            for priority in [7, 0] {
                let message = || Message::new(format!("last {priority}")).priority(priority);
                let told = self.broker.explain_message("", &name, &message());
                let outcome = self.broker.publish("", &name, message());
                let Fate::Ready { ahead } = told.queues[0].fate else { continue };
                prop_assert!(outcome.is_ok(), "{told}");
                // What expires when it comes to the head was before it, too; and it may expire there itself.
                let expired = |broker: &Broker| broker.queue(&name).expect("there").stats().totals.expired;
                let before = expired(&self.broker);
                let (mut taken, mut came) = (0, false);
                self.broker.run_due();
                let went = loop {
                    let went = taken + expired(&self.broker) - before;
                    let Some(delivery) = self.broker.get(&name).expect("open") else { break went - 1 };
                    if delivery.body()[..] == *format!("last {priority}").as_bytes() {
                        came = true;
                        self.out.push(delivery);
                        break went;
                    }
                    taken += 1;
                    self.out.push(delivery);
                };
                let at_once = told.queues[0].expiry.is_some_and(|expiry| expiry.millis == 0);
                prop_assert!(
                    if came { went == ahead } else { at_once && went >= ahead },
                    "{told}\n{went} went before it"
                );
            }
        }
        Ok(())
    }
}

/// Letters that were told, and found.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    arrived: u64,
    no_exchange: u64,
    unroutable: u64,
    none: u64,
}

impl Expected {
    fn add(&mut self, queue: &ExplainedQueue) {
        let itself = matches!(queue.fate, Fate::Expired | Fate::Dropped { .. } | Fate::Refused { dies: true, .. });
        self.put(u64::from(itself) + queue.expired_first, queue.dead_letter.as_ref());
        if let Some(room) = &queue.makes_room {
            self.put(room.dropped, room.dead_letter.as_ref());
        }
    }

    fn put(&mut self, count: u64, letter: Option<&ExplainedDeadLetter>) {
        match letter.map(|letter| &letter.end) {
            None => self.none += count,
            Some(DeadLetterEnd::NoExchange) => self.no_exchange += count,
            Some(DeadLetterEnd::Unroutable) => self.unroutable += count,
            Some(DeadLetterEnd::Queues { offered, .. }) => self.arrived += count * offered.len() as u64,
            Some(other) => panic!("{other:?}"),
        }
    }
}

/// The answer to the publisher.
fn compare_outcome(told: &Explanation, outcome: &Result<leveret::Routed, PublishErrorKind>) -> Result<(), String> {
    let refused = told.queues.iter().filter(|queue| matches!(queue.fate, Fate::Refused { .. })).count();
    let full = told.queues.iter().filter(|queue| matches!(queue.fate, Fate::Full { .. })).count();
    let taken = told.queues.len() - refused - full;
    let agree = match (&told.verdict, outcome) {
        (Verdict::Reaches { queues, refusing, losing }, outcome) => {
            let lost = told.queues.iter().filter(|queue| queue.is_loss()).count();
            let counted = (*queues, *refusing, *losing) == (told.queues.len(), refused + full, lost);
            counted
                && match outcome {
                    Ok(routed) => routed.queues == taken && refused + full == 0,
                    Err(PublishErrorKind::Refused { refused: r, taken: t }) => (*r, *t) == (refused, taken),
                    Err(PublishErrorKind::Full { full: f, taken: t }) => refused == 0 && (*f, *t) == (full, taken),
                    Err(_) => false,
                }
        }
        (Verdict::Unroutable { .. }, Ok(routed)) => routed.queues == 0 && told.queues.is_empty(),
        (Verdict::NoExchange { .. }, Err(PublishErrorKind::NoExchange(_))) => true,
        (Verdict::Internal, Err(PublishErrorKind::Internal(_))) => true,
        _ => false,
    };
    if agree { Ok(()) } else { Err("the verdict is another".to_owned()) }
}

impl World {
    fn run(&self) -> Result<BTreeSet<&'static str>, TestCaseError> {
        let mut run = Run::new(self);
        for step in &self.steps {
            run.take(step)?;
        }
        run.drain()?;
        Ok(run.met)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_told_happens(world in world()) {
        world.run()?;
    }
}

/// The same worlds each time, among which everything is met that can be told of a queue.
#[test]
fn everything_is_met() {
    let mut runner = TestRunner::deterministic();
    let mut met = BTreeSet::new();
    for _ in 0..100 {
        let world = world().new_tree(&mut runner).expect("a world").current();
        met.extend(world.run().unwrap_or_else(|error| panic!("{error}\n{world:#?}")));
    }
    let all = [
        "delivered",
        "ready",
        "refused",
        "refused and dies",
        "full",
        "dropped",
        "expired",
        "room",
        "first",
        "lost",
        "no exchange",
        "unroutable",
        "offered",
        "alternate",
        "bound",
        "more keys",
    ];
    assert_eq!(met.into_iter().collect::<Vec<_>>(), BTreeSet::from(all).into_iter().collect::<Vec<_>>());
}
