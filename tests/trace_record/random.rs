//! Whatever is done to a recorded broker, in any order and received late or never: the replay leads to the same.

use leveret::{
    Acknowledge, Binding, Broker, Channel, Clock, Connection, Consume, Consumer, Delivery, Message, Moment, Publish,
    Publisher, Qos, QueueBinding, QueueDeclare, QueueDelete, Requeue, Tags, Trace, TraceLog,
};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const QUEUES: [&str; 5] = ["plain", "short", "dead", "quorum", "strict"];

/// One thing to do. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Op {
    Declare(usize),
    Delete(usize),
    Purge(usize),
    Bind(usize, bool),
    Publish { queue: usize, expires: Option<u64>, mandatory: bool, priority: u8 },
    Get(usize, bool),
    Consume { queue: usize, no_ack: bool, priority: i64 },
    Cancel,
    Qos(u16, bool),
    Settle { tag: u64, multiple: bool, how: u8 },
    Recover,
    Confirm,
    Tx(u8),
    Receive(usize),
    CloseChannel,
    CloseConnection,
    Pass(u64),
    PlainPublish(usize),
    PlainSend(usize),
    PlainConsume { queue: usize, prefetch: u32, no_ack: bool },
    PlainReceive(usize),
    PlainReceiveMany(usize, u8),
    PlainSettle(usize, u8),
    PlainGet(usize),
    PlainDrop(usize),
    PlainBind(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let queue = || 0..QUEUES.len();
    prop_oneof![
        3 => queue().prop_map(Op::Declare),
        1 => queue().prop_map(Op::Delete),
        1 => queue().prop_map(Op::Purge),
        1 => (queue(), any::<bool>()).prop_map(|(queue, make)| Op::Bind(queue, make)),
        12 => (queue(), prop::option::of(0_u64..40), any::<bool>(), 0_u8..3)
            .prop_map(|(queue, expires, mandatory, priority)| Op::Publish { queue, expires, mandatory, priority }),
        3 => (queue(), any::<bool>()).prop_map(|(queue, no_ack)| Op::Get(queue, no_ack)),
        4 => (queue(), any::<bool>(), -1_i64..2)
            .prop_map(|(queue, no_ack, priority)| Op::Consume { queue, no_ack, priority }),
        1 => Just(Op::Cancel),
        2 => (0_u16..4, prop::bool::weighted(0.2)).prop_map(|(count, global)| Op::Qos(count, global)),
        8 => (0_u64..6, any::<bool>(), 0_u8..4).prop_map(|(tag, multiple, how)| Op::Settle { tag, multiple, how }),
        1 => Just(Op::Recover),
        1 => Just(Op::Confirm),
        2 => (0_u8..3).prop_map(Op::Tx),
        4 => (0_usize..4).prop_map(Op::Receive),
        1 => Just(Op::CloseChannel),
        1 => Just(Op::CloseConnection),
        5 => (1_u64..30_000_000).prop_map(Op::Pass),
        3 => queue().prop_map(Op::PlainPublish),
        5 => queue().prop_map(Op::PlainSend),
        3 => (queue(), 0_u32..4, prop::bool::weighted(0.2))
            .prop_map(|(queue, prefetch, no_ack)| Op::PlainConsume { queue, prefetch, no_ack }),
        5 => (0_usize..3).prop_map(Op::PlainReceive),
        2 => (0_usize..3, 0_u8..4).prop_map(|(consumer, how)| Op::PlainReceiveMany(consumer, how)),
        5 => (0_usize..8, 0_u8..4).prop_map(|(delivery, how)| Op::PlainSettle(delivery, how)),
        2 => queue().prop_map(Op::PlainGet),
        1 => (0_usize..3).prop_map(Op::PlainDrop),
        1 => queue().prop_map(Op::PlainBind),
    ]
}

/// A clock that runs by itself, as far as the broker knows.
#[derive(Clone, Debug, Default)]
struct OwnClock(Arc<AtomicU64>);

impl Clock for OwnClock {
    fn now(&self) -> Moment {
        Moment::from_nanos(self.0.load(Ordering::SeqCst))
    }

    fn unix_seconds(&self, moment: Moment) -> u64 {
        1_700_000_000 + moment.as_millis() / 1_000
    }
}

/// Who uses the broker.
struct Session {
    broker: Broker,
    clock: Option<OwnClock>,
    connections: [Option<(Connection, [Option<Channel>; 2])>; 2],
    publisher: Publisher,
    consumers: Vec<Consumer>,
    held: Vec<Delivery>,
}

impl Session {
    fn new(log: &TraceLog, own_clock: bool) -> Self {
        let clock = own_clock.then(OwnClock::default);
        let builder = Broker::builder().trace(log);
        let broker = match &clock {
            Some(clock) => builder.clock(clock.clone()).build(),
            None => builder.manual_time().build(),
        };
        let publisher = broker.publisher("").unwrap();
        Self { broker, clock, connections: [None, None], publisher, consumers: Vec::new(), held: Vec::new() }
    }

    /// The channel in this place, opened where it is not open.
    fn channel(&mut self, place: usize) -> Option<&Channel> {
        let connection = &mut self.connections[place / 2];
        if connection.as_ref().is_none_or(|(connection, _)| !connection.is_open()) {
            *connection = Some((self.broker.connect().ok()?, [None, None]));
        }
        let (connection, channels) = connection.as_mut()?;
        let channel = &mut channels[place % 2];
        if channel.as_ref().is_none_or(|channel| !channel.is_open()) {
            *channel = Some(connection.open_channel().ok()?);
        }
        channel.as_ref()
    }

    fn perform(&mut self, place: usize, op: &Op) {
        match op {
            Op::CloseConnection => self.connections[place / 2] = None,
            Op::CloseChannel => {
                if let Some((_, channels)) = &mut self.connections[place / 2] {
                    channels[place % 2] = None;
                }
            }
            Op::Pass(nanos) => match &self.clock {
                Some(clock) => {
                    clock.0.fetch_add(*nanos, Ordering::SeqCst);
                    if nanos % 2 == 0 {
                        self.broker.run_due();
                    }
                }
                None => self.broker.advance(Duration::from_millis(*nanos / 1_000_000)),
            },
            Op::PlainPublish(queue) => drop(self.broker.publish("", QUEUES[*queue], Message::new("plain"))),
            Op::PlainSend(queue) => drop(self.publisher.try_send(QUEUES[*queue], Message::new("sent"))),
            Op::PlainConsume { queue, prefetch, no_ack } => {
                let consumer = self.broker.consumer(QUEUES[*queue]).prefetch(*prefetch);
                self.consumers.extend(if *no_ack { consumer.no_ack() } else { consumer }.open());
            }
            Op::PlainReceive(at) => {
                let consumer = self.consumers.get_mut(*at);
                self.held.extend(consumer.and_then(|consumer| consumer.try_recv().ok()));
            }
            Op::PlainReceiveMany(at, how) => {
                let Some(consumer) = self.consumers.get_mut(*at) else { return };
                let Ok(mut batch) = consumer.try_recv_many(3) else { return };
                match how {
                    0 => drop(batch.ack()),
                    1 => drop(batch.ack_up_to(1)),
                    2 => drop(batch.reject()),
                    _ => self.held.extend(batch),
                }
            }
            Op::PlainSettle(at, how) if *at < self.held.len() => settle(self.held.remove(*at), *how),
            Op::PlainSettle(..) => {}
            Op::PlainGet(queue) => self.held.extend(self.broker.get(QUEUES[*queue]).ok().flatten()),
            Op::PlainDrop(at) if *at < self.consumers.len() => drop(self.consumers.remove(*at)),
            Op::PlainDrop(_) => {}
            Op::PlainBind(queue) => drop(self.broker.bind(QUEUES[*queue], &Binding::to("amq.fanout"))),
            _ => {
                if let Some(channel) = self.channel(place) {
                    on_channel(channel, op);
                }
            }
        }
    }
}

fn settle(delivery: Delivery, how: u8) {
    match how {
        0 => drop(delivery.ack()),
        1 => drop(delivery.reject()),
        2 => drop(delivery.requeue()),
        _ => drop(delivery),
    }
}

fn on_channel(channel: &Channel, op: &Op) {
    match op {
        Op::Declare(queue) => drop(channel.queue_declare(&declaration(*queue))),
        Op::Delete(queue) => drop(channel.queue_delete(&QueueDelete::new(QUEUES[*queue]))),
        Op::Purge(queue) => drop(channel.queue_purge(QUEUES[*queue])),
        Op::Bind(queue, true) => drop(channel.queue_bind(&QueueBinding::new(QUEUES[*queue], "amq.fanout"))),
        Op::Bind(queue, false) => drop(channel.queue_unbind(&QueueBinding::new(QUEUES[*queue], "amq.fanout"))),
        Op::Publish { queue, expires, mandatory, priority } => {
            let mut message = Message::new("m").priority(*priority);
            if let Some(millis) = expires {
                message = message.expires_in(Duration::from_millis(*millis));
            }
            let to = if *priority == 2 { Publish::new("amq.fanout", "k") } else { Publish::new("", QUEUES[*queue]) };
            drop(channel.basic_publish(&if *mandatory { to.mandatory() } else { to }, message));
        }
        Op::Get(queue, no_ack) => {
            let acknowledge = if *no_ack { Acknowledge::No } else { Acknowledge::Yes };
            drop(channel.basic_get(QUEUES[*queue], acknowledge));
        }
        Op::Consume { queue, no_ack, priority } => {
            let consume = Consume::new(QUEUES[*queue]).argument("x-priority", *priority);
            drop(channel.basic_consume(&if *no_ack { consume.no_ack() } else { consume.tag("t") }));
        }
        Op::Cancel => drop(channel.basic_cancel("t")),
        Op::Qos(count, global) => {
            drop(channel.basic_qos(if *global { Qos::new(*count).global() } else { Qos::new(*count) }))
        }
        Op::Settle { tag, multiple, how } => {
            let tags = if *multiple { Tags::UpTo(*tag) } else { Tags::One(*tag) };
            drop(match how {
                0 | 1 => channel.basic_ack(tags),
                2 => channel.basic_nack(tags, Requeue::Yes),
                _ => channel.basic_nack(tags, Requeue::No),
            });
        }
        Op::Recover => drop(channel.basic_recover(Requeue::Yes)),
        Op::Confirm => drop(channel.confirm_select()),
        Op::Tx(0) => drop(channel.tx_select()),
        Op::Tx(1) => drop(channel.tx_commit()),
        Op::Tx(_) => drop(channel.tx_rollback()),
        Op::Receive(count) => (0..*count).for_each(|_| drop(channel.try_recv())),
        _ => unreachable!("{op:?} is no method of a channel"),
    }
}

fn declaration(queue: usize) -> QueueDeclare {
    let declare = QueueDeclare::new(QUEUES[queue]).argument("x-dead-letter-exchange", "");
    let declare = declare.argument("x-dead-letter-routing-key", QUEUES[(queue + 2) % QUEUES.len()]);
    match QUEUES[queue] {
        "short" => declare.argument("x-message-ttl", 15).argument("x-max-length", 3),
        "dead" => declare.argument("x-max-length", 2).argument("x-overflow", "reject-publish"),
        "quorum" => declare.argument("x-queue-type", "quorum").argument("x-delivery-limit", 2).durable(),
        "strict" => {
            let strict = declare.argument("x-queue-type", "quorum").argument("x-max-length", 2).durable();
            strict.argument("x-overflow", "reject-publish")
        }
        _ => declare.argument("x-max-priority", 2),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_sessions_are_replayed_without_a_difference(
        ops in prop::collection::vec((0_usize..4, op()), 1..60),
        own_clock in any::<bool>(),
    ) {
        let log = TraceLog::new(64 << 20);
        let mut session = Session::new(&log, own_clock);
        for queue in 0..QUEUES.len() {
            session.perform(0, &Op::Declare(queue));
        }
        for (place, op) in &ops {
            session.perform(*place, op);
        }
        let trace = log.trace();
        prop_assert!(trace.is_complete(), "{:?}", trace.omitted());
        let read = Trace::parse(&trace.to_json());
        prop_assert_eq!(read.as_ref(), Ok(&trace));
        let replayed = trace.replay(Broker::builder());
        if let Err(diverged) = replayed {
            return Err(TestCaseError::fail(format!("{diverged}\n{}", trace.to_json())));
        }
    }
}
