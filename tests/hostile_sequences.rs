//! Random sequences of calls with random hostile arguments, over several channels of several connections with small
//! limits: none panics, a close is always one of RabbitMQ's codes, invariants hold after every call, and at the end the
//! broker is well.
//!
//! Seen to fail with: a delivery that comes back and is still counted as out.

mod hostile;

use hostile::{judge, names, values};
use leveret::{
    Acknowledge, Binding, Broker, Channel, ChannelEvent, Close, Connection, Consume, ExchangeBinding, ExchangeDeclare,
    ExchangeDelete, Limits, Message, NotPublished, Policy, Publish, Qos, QueueBinding, QueueDeclare, QueueDelete,
    Requeue, Table, Tags, Value,
};
use proptest::prelude::*;
use std::time::Duration;

/// A call. Names and values are drawn from the hostile ones and from a few that exist, so that calls meet.
#[derive(Clone, Debug)]
enum Call {
    DeclareExchange { name: String, kind: &'static str, flags: u8, arguments: Table },
    DeleteExchange { name: String, if_unused: bool },
    BindExchange { to: String, from: String, key: String, arguments: Table, undo: bool },
    DeclareQueue { name: String, flags: u8, arguments: Table },
    DeleteQueue { name: String, flags: u8 },
    BindQueue { queue: String, from: String, key: String, arguments: Table, undo: bool },
    Purge(String),
    Publish { exchange: String, key: String, flags: u8, message: Message },
    Consume { queue: String, tag: String, flags: u8, arguments: Table },
    Cancel(String),
    Get { queue: String, acknowledge: Acknowledge },
    Settle { how: u8, tag: u64, requeue: Requeue },
    Qos { count: u16, size: u32, global: bool },
    Mode(u8),
    Receive(u8),
    Close,
    Policy { name: String, key: String, value: Value },
    Advance(u64),
    Plain { queue: String, exchange: String, message: Message },
}

fn name() -> impl Strategy<Value = String> {
    let known = ["q", "quorum", "x", "amq.topic", "amq.headers", "amq.direct", "t", "amq.rabbitmq.reply-to"];
    prop_oneof![
        6 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        3 => Just(String::new()),
        1 => prop::sample::select(names()),
    ]
}

/// Mostly a queue that is there, or the one declared last.
fn queue() -> impl Strategy<Value = String> {
    prop_oneof![6 => prop::sample::select(vec!["q", "quorum"]).prop_map(str::to_owned), 1 => name()]
}

/// Mostly an exchange that leads to one.
fn exchange() -> impl Strategy<Value = String> {
    prop_oneof![6 => prop::sample::select(vec!["", "x", "amq.topic"]).prop_map(str::to_owned), 1 => name()]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![2 => prop::sample::select(values()), 2 => (-2_i64..5).prop_map(Value::from), 1 => Just("q".into())]
}

fn table(known: &'static [&'static str]) -> impl Strategy<Value = Table> {
    let entry = (prop::sample::select(known.to_vec()), value());
    prop_oneof![3 => Just(Table::new()), 1 => prop::collection::vec(entry, 1..4).prop_map(|e| e.into_iter().collect())]
}

const OF_QUEUES: &[&str] = &[
    "x-queue-type",
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-single-active-consumer",
    "x-delivery-limit",
    "x-dead-letter-strategy",
    "",
];

fn message() -> impl Strategy<Value = Message> {
    let headers = table(&["CC", "BCC", "x-death", "x-match", "n", "x-delivery-count"]);
    let expiration =
        prop::option::weighted(0.2, prop::sample::select(vec!["0", "1", "+5", "-1", "soon", "99999999999"]));
    let reply = prop::option::weighted(0.1, name());
    (headers, expiration, reply, prop::option::weighted(0.3, any::<u8>()), 0_usize..12).prop_map(
        |(headers, expiration, reply, priority, bytes)| {
            let mut message = Message::new(vec![7_u8; bytes]);
            let properties = message.properties_mut();
            properties.headers = (!headers.is_empty()).then_some(headers);
            properties.expiration = expiration.map(Into::into);
            properties.reply_to = reply.map(Into::into);
            properties.priority = priority;
            message
        },
    )
}

fn requeue() -> impl Strategy<Value = Requeue> {
    prop::sample::select(vec![Requeue::Yes, Requeue::No])
}

fn topology_call() -> impl Strategy<Value = Call> {
    let kind = prop::sample::select(vec!["direct", "topic", "fanout", "headers", "x-none"]);
    let binding = || (queue(), exchange(), name(), table(&["x-match", "n", ""]), prop::bool::weighted(0.3));
    let keys =
        vec!["max-length", "message-ttl", "expires", "overflow", "dead-letter-exchange", "delivery-limit", "odd"];
    prop_oneof![
        (name(), kind, any::<u8>(), table(&["alternate-exchange", "n"]))
            .prop_map(|(name, kind, flags, arguments)| Call::DeclareExchange { name, kind, flags, arguments }),
        (name(), any::<bool>()).prop_map(|(name, if_unused)| Call::DeleteExchange { name, if_unused }),
        binding().prop_map(|(to, from, key, arguments, undo)| Call::BindExchange { to, from, key, arguments, undo }),
        (name(), any::<u8>(), table(OF_QUEUES)).prop_map(|(name, flags, arguments)| Call::DeclareQueue {
            name,
            flags,
            arguments
        }),
        (name(), any::<u8>()).prop_map(|(name, flags)| Call::DeleteQueue { name, flags }),
        binding().prop_map(|(queue, from, key, arguments, undo)| Call::BindQueue { queue, from, key, arguments, undo }),
        queue().prop_map(Call::Purge),
        (name(), prop::sample::select(keys), value()).prop_map(|(name, key, value)| Call::Policy {
            name,
            key: key.to_owned(),
            value
        }),
    ]
}

fn message_call() -> impl Strategy<Value = Call> {
    let acknowledge = prop::sample::select(vec![Acknowledge::Yes, Acknowledge::No]);
    let span = prop_oneof![4 => 0_u64..3, 1 => prop::sample::select(vec![60_000, 1 << 32, u64::MAX])];
    prop_oneof![
        8 => (exchange(), queue(), any::<u8>(), message())
            .prop_map(|(exchange, key, flags, message)| Call::Publish { exchange, key, flags, message }),
        4 => (queue(), name(), any::<u8>(), table(&["x-priority", "x-stream-offset", "n"]))
            .prop_map(|(queue, tag, flags, arguments)| Call::Consume { queue, tag, flags, arguments }),
        1 => name().prop_map(Call::Cancel),
        4 => (queue(), acknowledge).prop_map(|(queue, acknowledge)| Call::Get { queue, acknowledge }),
        6 => (any::<u8>(), prop_oneof![Just(0), 0_u64..6], requeue()).prop_map(|(how, tag, requeue)| Call::Settle { how, tag, requeue }),
        1 => (0_u16..4, 0_u32..2, any::<bool>())
            .prop_map(|(count, size, global)| Call::Qos { count, size: size / 2, global }),
        1 => any::<u8>().prop_map(Call::Mode),
        4 => (1_u8..9).prop_map(Call::Receive),
        1 => Just(Call::Close),
        1 => span.prop_map(Call::Advance),
        2 => (queue(), exchange(), message())
            .prop_map(|(queue, exchange, message)| Call::Plain { queue, exchange, message }),
    ]
}

/// Two connections with two channels each; what is closed is opened anew.
struct Rig {
    broker: Broker,
    connections: [Connection; 2],
    channels: [[Channel; 2]; 2],
}

impl Rig {
    fn new() -> Self {
        let mut limits = Limits::default();
        (limits.queues, limits.exchanges, limits.bindings, limits.policies) = (8, 14, 8, 2);
        (limits.ready_messages, limits.ready_bytes, limits.unacked_messages) = (8, 60, 6);
        (limits.undrained_deliveries, limits.channel_events, limits.transaction_operations) = (3, 5, 4);
        (limits.hops_per_call, limits.death_records, limits.consumers_per_queue) = (3, 2, 4);
        let broker = Broker::builder().limits(limits).manual_time().build();
        broker.declare_queue(&QueueDeclare::new("q").argument("x-dead-letter-exchange", "x")).unwrap();
        let quorum = QueueDeclare::new("quorum").durable().argument("x-queue-type", "quorum");
        broker.declare_queue(&quorum.argument("x-dead-letter-exchange", "amq.topic")).unwrap();
        broker.declare_exchange(&ExchangeDeclare::new("x", "topic").auto_delete()).unwrap();
        broker.bind("quorum", &Binding::to("x").key("#")).unwrap();
        let connections = [broker.connect().unwrap(), broker.connect().unwrap()];
        let channels = [0, 1].map(|at| [0, 1].map(|_| connections[at].open_channel().unwrap()));
        Self { broker, connections, channels }
    }

    fn carry_out(&mut self, which: usize, call: &Call) {
        let (at, number) = (which / 2 % 2, which % 2);
        let channel = &self.channels[at][number];
        let outcome = on_channel(&self.broker, channel, call);
        // Which code it is to be, the tables of the other hostile tests say; here it must be one, with its text.
        let seen = outcome.as_ref().copied().map_err(|close| (close.scope, close.code));
        judge("a call", &outcome, seen);
        let codes = [403, 404, 405, 406, 502, 506, 530, 540];
        assert!(seen.is_ok() || codes.contains(&seen.unwrap_err().1.code()), "{call:?}: {seen:?}");
        self.broker.check_invariants().unwrap();
        if !self.connections[at].is_open() {
            self.connections[at] = self.broker.connect().unwrap();
            for channel in 0..2 {
                self.channels[at][channel] = self.connections[at].open_channel().unwrap();
            }
        } else if !self.channels[at][number].is_open() {
            self.channels[at][number] = self.connections[at].open_channel().unwrap();
        }
    }

    /// Everything is given up, and the broker is as able as a new one.
    fn ends_well(self) {
        let Self { broker, connections, channels } = self;
        drop(channels);
        drop(connections);
        broker.run_due();
        broker.check_invariants().unwrap();
        for queue in broker.stats().queues {
            assert_eq!((queue.unacked, queue.consumers), (0, 0), "{}", queue.name);
            broker.delete_queue(&QueueDelete::new(&*queue.name)).unwrap();
        }
        let connection = broker.connect().unwrap();
        let channel = connection.open_channel().unwrap();
        channel.queue_declare(&QueueDeclare::new("well")).unwrap();
        channel.confirm_select().unwrap();
        channel.basic_publish(&Publish::new("", "well"), Message::new("m")).unwrap();
        channel.basic_consume(&Consume::new("well")).unwrap();
        assert_eq!(channel.try_recv().unwrap(), ChannelEvent::Ack { tag: 1, multiple: false });
        assert!(matches!(channel.try_recv(), Ok(ChannelEvent::Deliver(_))));
        channel.basic_ack(1).unwrap();
    }
}

fn on_channel(broker: &Broker, channel: &Channel, call: &Call) -> Result<(), Close> {
    match call.clone() {
        Call::DeclareExchange { name, kind, flags, arguments } => {
            let mut declare = ExchangeDeclare::new(name, kind).arguments(arguments);
            declare = if flags & 1 > 0 { declare.durable() } else { declare };
            declare = if flags & 2 > 0 { declare.auto_delete() } else { declare };
            declare = if flags & 12 == 12 { declare.internal() } else { declare };
            channel.exchange_declare(&if flags & 48 == 48 { declare.passive() } else { declare })
        }
        Call::DeleteExchange { name, if_unused } => {
            let delete = ExchangeDelete::new(name);
            channel.exchange_delete(&if if_unused { delete.if_unused() } else { delete })
        }
        Call::BindExchange { to, from, key, arguments, undo } => {
            let binding = ExchangeBinding::new(to, from).key(key).arguments(arguments);
            if undo { channel.exchange_unbind(&binding) } else { channel.exchange_bind(&binding) }
        }
        Call::DeclareQueue { name, flags, arguments } => {
            let mut declare = QueueDeclare::new(name).arguments(arguments);
            declare = if flags & 1 > 0 { declare.durable() } else { declare };
            declare = if flags & 6 == 6 { declare.exclusive() } else { declare };
            declare = if flags & 24 == 24 { declare.auto_delete() } else { declare };
            channel.queue_declare(&if flags & 96 == 96 { declare.passive() } else { declare }).map(drop)
        }
        Call::DeleteQueue { name, flags } => {
            let mut delete = QueueDelete::new(name);
            delete = if flags & 1 > 0 { delete.if_empty() } else { delete };
            channel.queue_delete(&if flags & 2 > 0 { delete.if_unused() } else { delete }).map(drop)
        }
        Call::BindQueue { queue, from, key, arguments, undo } => {
            let binding = QueueBinding::new(queue, from).key(key).arguments(arguments);
            if undo { channel.queue_unbind(&binding) } else { channel.queue_bind(&binding) }
        }
        Call::Purge(name) => channel.queue_purge(&name).map(drop),
        Call::Publish { exchange, key, flags, message } => publish(channel, exchange, key, flags, message),
        Call::Consume { queue, tag, flags, arguments } => {
            let mut consume = Consume::new(queue).tag(tag).arguments(arguments);
            consume = if flags & 3 > 0 { consume } else { consume.no_ack() };
            channel.basic_consume(&if flags & 28 > 0 { consume } else { consume.exclusive() }).map(drop)
        }
        Call::Cancel(tag) => channel.basic_cancel(&tag),
        Call::Get { queue, acknowledge } => channel.basic_get(&queue, acknowledge).map(drop),
        Call::Settle { how, tag, requeue } => match how % 6 {
            0 => channel.basic_ack(tag),
            1 => channel.basic_ack(Tags::UpTo(tag)),
            2 => channel.basic_nack(tag, requeue),
            3 => channel.basic_nack(Tags::UpTo(tag), requeue),
            4 => channel.basic_reject(tag, requeue),
            _ => channel.basic_recover(Requeue::Yes),
        },
        Call::Qos { count, size, global } => {
            let qos = Qos::new(count).size(size);
            channel.basic_qos(if global { qos.global() } else { qos })
        }
        Call::Mode(mode) => match mode % 4 {
            0 => channel.confirm_select(),
            1 => channel.tx_select(),
            2 => channel.tx_commit(),
            _ => channel.tx_rollback(),
        },
        Call::Receive(most) => {
            (0..most).map_while(|_| channel.try_recv().ok()).for_each(drop);
            Ok(())
        }
        Call::Close => channel.close(),
        other => without_channel(broker, other),
    }
}

fn publish(channel: &Channel, exchange: String, key: String, flags: u8, message: Message) -> Result<(), Close> {
    let mut publish = Publish::new(exchange, key);
    publish = if flags & 1 > 0 { publish.mandatory() } else { publish };
    publish = if flags == 254 { publish.immediate() } else { publish };
    let shown = format!("{message:?}");
    channel.basic_publish(&publish, message).or_else(|error| {
        // Whatever was wrong, the message is back. Order among headers is not kept.
        let back = format!("{:?}", error.message);
        assert_eq!(back.len(), shown.len(), "{back} was {shown}");
        match error.reason {
            NotPublished::Closed(close) => Err(close),
            _ => Ok(()),
        }
    })
}

fn without_channel(broker: &Broker, call: Call) -> Result<(), Close> {
    match call {
        Call::Policy { name, key, value } => {
            let _ = broker.set_policy(Policy::new(name.clone(), "q|t").define(key, value));
            let _ = broker.clear_policy(if name.len() % 2 == 0 { &name } else { "" });
        }
        Call::Advance(millis) => broker.advance(Duration::from_millis(millis)),
        Call::Plain { queue, exchange, message } => {
            let _ = broker.publish(&exchange, &queue, message.clone());
            if let Ok(mut publisher) = broker.publisher(&exchange) {
                let _ = publisher.send_timeout(&queue, message, Duration::ZERO);
            }
            let kept = broker.get(&queue).ok().flatten();
            if let Ok(mut consumer) = broker.consumer(&queue).prefetch(2).open() {
                let _ = consumer.try_recv().map(|delivery| delivery.reject());
            }
            drop(kept);
        }
        _ => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn random_calls_do_no_harm(
        calls in prop::collection::vec((0_usize..4, prop_oneof![1 => topology_call(), 2 => message_call()]), 1..120)
    ) {
        let mut rig = Rig::new();
        for (which, call) in &calls {
            rig.carry_out(*which, call);
        }
        rig.ends_well();
    }
}
