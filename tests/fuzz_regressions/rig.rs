//! A broker under random operations, for the targets `broker_ops` and `explain`: operations as data that `arbitrary` reads
//! from bytes, and the broker with the connections, channels, consumers and publishers that they are done with.
//!
//! The limits are small, so that they are met; time is moved by the operations alone.

use arbitrary::{Arbitrary, Unstructured};
use leveret::{
    Acknowledge, Binding, Broker, Channel, Connection, Consume, Consumer, Deliveries, Delivery, Exchange,
    ExchangeBinding, ExchangeDeclare, ExchangeDelete, Limits, Message, Overflow, Policy, Publish, Publisher, Qos,
    Queue, QueueBinding, QueueDeclare, QueueDelete, Recorder, Requeue, Strategy, Table, Tags, Topology, Value,
};
use std::time::Duration;

/// Queues: the first four are declared from the start.
const QUEUES: [&str; 8] = ["a", "b", "c", "d", "e", "t.1", "", "nowhere"];
/// Exchanges: the first four too, and those that every broker has.
const EXCHANGES: [&str; 9] = ["all", "topics", "heads", "dead", "", "amq.topic", "amq.direct", "x", "nowhere"];
const KEYS: [&str; 10] = ["a", "b", "c", "d", "t.1", "#", "*.1", "t.#", "", "t.1.2"];
/// Milliseconds that pass at once. Not ages: a kept dead letter is tried again each second of them.
const SPANS: [u64; 10] = [0, 1, 5, 25, 60, 150, 1_000, 5_000, 60_000, 600_000];
/// And in all, for the same reason: an input is to take no seconds.
const MOST_MILLIS: u64 = 1_800_000;
const KINDS: [&str; 5] = ["direct", "topic", "fanout", "headers", "none"];
const ARGUMENTS: [&str; 14] = [
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
    "alternate-exchange",
    "x-match",
];
const POLICY_KEYS: [&str; 8] = [
    "max-length",
    "max-length-bytes",
    "message-ttl",
    "expires",
    "overflow",
    "dead-letter-exchange",
    "delivery-limit",
    "alternate-exchange",
];
const WORDS: [&str; 14] = [
    "classic",
    "quorum",
    "drop-head",
    "reject-publish",
    "reject-publish-dlx",
    "at-most-once",
    "at-least-once",
    "all",
    "any",
    "dead",
    "",
    "topics",
    "a",
    "b",
];

/// One call of the public API.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) enum Op {
    Send { publisher: u8, key: u8, message: Shape },
    SendMany { publisher: u8, key: u8, count: u8, message: Shape },
    Publisher { exchange: u8, mandatory: bool },
    Publish { exchange: u8, key: u8, message: Shape },
    Open { queue: u8, prefetch: u8, no_ack: bool, exclusive: bool, priority: i8 },
    Cancel { consumer: u8 },
    Receive { consumer: u8 },
    ReceiveMany { consumer: u8, limit: u8 },
    Get { queue: u8 },
    Settle { which: u8, how: u8 },
    SettleMany { which: u8, how: u8 },
    OnChannel { channel: u8, call: Call },
    DeclareQueue { queue: u8, flags: u8, arguments: Vec<(u8, Given)> },
    DeclareExchange { exchange: u8, kind: u8, flags: u8, arguments: Vec<(u8, Given)> },
    DeleteQueue { queue: u8, flags: u8 },
    DeleteExchange { exchange: u8 },
    Bind { to: u8, queue: bool, from: u8, key: u8, arguments: Vec<(u8, Given)>, undo: bool },
    Purge { queue: u8 },
    Policy { name: u8, key: u8, value: Given, priority: u8 },
    ClearPolicy { name: u8 },
    Declare,
    Advance { span: u8 },
}

/// One call on a channel.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) enum Call {
    Publish { exchange: u8, key: u8, mandatory: bool, message: Shape },
    Consume { queue: u8, tag: u8, no_ack: bool, exclusive: bool },
    Cancel { tag: u8 },
    Get { queue: u8, no_ack: bool },
    Receive(u8),
    Settle { tag: u8, how: u8 },
    Qos { count: u8, global: bool },
    Mode(u8),
    Declare { queue: u8, flags: u8, arguments: Vec<(u8, Given)> },
    Bind { queue: u8, from: u8, key: u8, undo: bool },
    DeclareExchange { exchange: u8, kind: u8, flags: u8 },
    BindExchange { to: u8, from: u8, key: u8, undo: bool },
    Delete { queue: u8, flags: u8 },
    Purge { queue: u8 },
    Close,
    CloseConnection,
}

/// What a message is like.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Shape {
    bytes: u8,
    priority: u8,
    flags: u8,
    expiration: u8,
    headers: Vec<(u8, Given)>,
}

/// A value of arguments and headers.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) enum Given {
    Void,
    Flag(bool),
    Small(u8),
    Number(i64),
    Word(u8),
    Key(u8),
    Keys(Vec<u8>),
    Text(String),
    Nested(Vec<(u8, Given)>),
}

/// As many operations as the bytes hold, but no more than that. (A `Vec` of them would end at every second byte.)
pub(crate) fn operations(input: &[u8], most: usize) -> Vec<Op> {
    let mut bytes = Unstructured::new(input);
    let more = || if bytes.is_empty() { None } else { Op::arbitrary(&mut bytes).ok() };
    std::iter::from_fn(more).take(most).collect()
}

/// A broker, and what is had of it.
pub(crate) struct Rig {
    pub(crate) broker: Broker,
    publishers: Vec<Publisher>,
    consumers: Vec<Consumer>,
    singles: Vec<Delivery>,
    batches: Vec<Deliveries>,
    lines: Vec<(Connection, Vec<Channel>)>,
    sent: u64,
    /// So much time may pass yet.
    millis_left: u64,
}

impl Rig {
    pub(crate) fn new(recorder: Recorder) -> Self {
        let mut limits = Limits::default();
        (limits.queues, limits.exchanges, limits.bindings, limits.policies) = (9, 14, 20, 3);
        (limits.ready_messages, limits.ready_bytes, limits.unacked_messages) = (12, 200, 8);
        (limits.undrained_deliveries, limits.channel_events, limits.transaction_operations) = (3, 6, 5);
        (limits.hops_per_call, limits.death_records, limits.consumers_per_queue) = (4, 3, 5);
        limits.dead_letter_retry_millis = 1_000;
        let broker = Broker::builder().limits(limits).manual_time().record(recorder).build();
        broker.declare(&topology()).expect("a good topology");
        let mut rig = Self {
            broker,
            publishers: Vec::new(),
            consumers: Vec::new(),
            singles: Vec::new(),
            batches: Vec::new(),
            lines: Vec::new(),
            sent: 0,
            millis_left: MOST_MILLIS,
        };
        rig.publishers.extend(["", "all"].map(|exchange| rig.broker.publisher(exchange).expect("it is there")));
        (0..2).for_each(|_| rig.connect());
        rig
    }

    fn connect(&mut self) {
        let connection = self.broker.connect().expect("there is room");
        let channels = (0..2).map(|_| connection.open_channel().expect("there is room")).collect();
        self.lines.push((connection, channels));
    }

    pub(crate) fn message(&mut self, shape: &Shape) -> Message {
        self.sent += 1;
        let mut body = self.sent.to_string();
        body.extend(std::iter::repeat_n('.', usize::from(shape.bytes % 64)));
        let mut message = Message::new(body).message_id(format!("m{}", self.sent));
        let properties = message.properties_mut();
        properties.priority = (shape.flags & 1 > 0).then_some(shape.priority);
        properties.delivery_mode = (shape.flags & 2 > 0).then_some(1 + (shape.flags >> 2 & 1));
        let headers = table(&shape.headers, &["CC", "BCC", "n", "x-death", "x-delivery-count", "x-y"]);
        properties.headers = (!headers.is_empty()).then_some(headers);
        if shape.flags & 8 > 0 {
            let texts = ["0", "1", "60", "-1", "+5", "soon", "99999999999999999999"];
            properties.expiration = Some(pick(&texts, shape.expiration).into());
        }
        if shape.flags & 48 == 48 {
            properties.reply_to = Some("amq.rabbitmq.reply-to".into());
        }
        message
    }

    /// The exchange and key of a publish.
    pub(crate) fn address(exchange: u8, key: u8) -> (&'static str, &'static str) {
        (pick(&EXCHANGES, exchange), pick(&KEYS, key))
    }

    /// Carries an operation out. What it says matters to nobody here.
    pub(crate) fn act(&mut self, op: &Op) {
        match op {
            Op::Send { .. } | Op::SendMany { .. } | Op::Publisher { .. } | Op::Publish { .. } => self.publish(op),
            Op::Open { .. } | Op::Cancel { .. } | Op::Receive { .. } | Op::ReceiveMany { .. } | Op::Get { .. } => {
                self.consume(op);
            }
            Op::Settle { which, how } if !self.singles.is_empty() => {
                let delivery = self.singles.swap_remove(usize::from(*which) % self.singles.len());
                match how % 5 {
                    0 => _ = delivery.requeue(),
                    1 => _ = delivery.reject(),
                    2 => drop(delivery),
                    _ => _ = delivery.ack(),
                }
            }
            Op::SettleMany { which, how } if !self.batches.is_empty() => {
                let batch = self.batches.swap_remove(usize::from(*which) % self.batches.len());
                match how % 4 {
                    0 => _ = batch.requeue(),
                    1 => _ = batch.reject(),
                    2 => drop(batch),
                    _ => _ = batch.ack(),
                }
            }
            Op::OnChannel { channel, call } => self.on_channel(usize::from(*channel), call),
            Op::Advance { span } => {
                let millis = SPANS[usize::from(*span) % SPANS.len()].min(self.millis_left);
                self.millis_left -= millis;
                self.broker.advance(Duration::from_millis(millis));
            }
            other => self.arrange(other),
        }
    }

    fn publish(&mut self, op: &Op) {
        match op {
            Op::Send { publisher, key, message } => {
                let message = self.message(message);
                let at = usize::from(*publisher) % self.publishers.len();
                _ = self.publishers[at].try_send(pick(&KEYS, *key), message);
            }
            Op::SendMany { publisher, key, count, message } => {
                let messages: Vec<_> = (0..count % 6).map(|_| self.message(message)).collect();
                let at = usize::from(*publisher) % self.publishers.len();
                _ = self.publishers[at].try_send_many(pick(&KEYS, *key), messages);
            }
            Op::Publisher { exchange, mandatory } => {
                if let Ok(publisher) = self.broker.publisher(pick(&EXCHANGES, *exchange)) {
                    let publisher = if *mandatory { publisher.mandatory() } else { publisher };
                    self.publishers.truncate(3);
                    self.publishers.push(publisher);
                }
            }
            Op::Publish { exchange, key, message } => {
                let message = self.message(message);
                _ = self.broker.publish(pick(&EXCHANGES, *exchange), pick(&KEYS, *key), message);
            }
            _ => {}
        }
    }

    fn consume(&mut self, op: &Op) {
        match op {
            Op::Open { queue, prefetch, no_ack, exclusive, priority } if self.consumers.len() < 4 => {
                let builder = self.broker.consumer(pick(&QUEUES, *queue)).prefetch(u32::from(prefetch % 5));
                let builder = builder.priority(i64::from(*priority));
                let builder = if *no_ack { builder.no_ack() } else { builder };
                self.consumers.extend(if *exclusive { builder.exclusive() } else { builder }.open());
            }
            Op::Cancel { consumer } if !self.consumers.is_empty() => {
                drop(self.consumers.swap_remove(usize::from(*consumer) % self.consumers.len()));
            }
            Op::Receive { consumer } if !self.consumers.is_empty() => {
                let at = usize::from(*consumer) % self.consumers.len();
                self.singles.extend(self.consumers[at].try_recv());
            }
            Op::ReceiveMany { consumer, limit } if !self.consumers.is_empty() => {
                let at = usize::from(*consumer) % self.consumers.len();
                self.batches.extend(self.consumers[at].try_recv_many(usize::from(limit % 5)));
            }
            Op::Get { queue } => self.singles.extend(self.broker.get(pick(&QUEUES, *queue)).ok().flatten()),
            _ => {}
        }
    }

    /// What changes the topology.
    fn arrange(&mut self, op: &Op) {
        let broker = &self.broker;
        match op {
            Op::DeclareQueue { queue, flags, arguments } => {
                _ = broker.declare_queue(&queue_declare(*queue, *flags, arguments));
            }
            Op::DeclareExchange { exchange, kind, flags, arguments } => {
                let declare = exchange_declare(*exchange, *kind, *flags);
                _ = broker.declare_exchange(&declare.arguments(table(arguments, &ARGUMENTS)));
            }
            Op::DeleteQueue { queue, flags } => _ = broker.delete_queue(&queue_delete(*queue, *flags)),
            Op::DeleteExchange { exchange } => {
                _ = broker.delete_exchange(&ExchangeDelete::new(pick(&EXCHANGES, *exchange)));
            }
            Op::Bind { to, queue, from, key, arguments, undo } => {
                let binding = Binding::to(pick(&EXCHANGES, *from)).key(pick(&KEYS, *key));
                let binding = binding.arguments(table(arguments, &["n", "x-y", "x-match"]));
                _ = match (queue, undo) {
                    (true, false) => broker.bind(pick(&QUEUES, *to), &binding),
                    (true, true) => broker.unbind(pick(&QUEUES, *to), &binding),
                    (false, false) => broker.bind_exchange(pick(&EXCHANGES, *to), &binding),
                    (false, true) => broker.unbind_exchange(pick(&EXCHANGES, *to), &binding),
                };
            }
            Op::Purge { queue } => _ = broker.queue(pick(&QUEUES, *queue)).map(|queue| queue.purge()),
            Op::Policy { name, key, value, priority } => {
                let policy = Policy::new(format!("p{}", name % 4), pick(&["", "^[a-c]$", "t|x"], name / 4));
                let policy = policy.priority(i64::from(*priority)).define(pick(&POLICY_KEYS, *key), value.value());
                _ = broker.set_policy(policy);
            }
            Op::ClearPolicy { name } => _ = broker.clear_policy(&format!("p{}", name % 4)),
            Op::Declare => _ = broker.declare(&topology()),
            _ => {}
        }
    }

    fn on_channel(&mut self, which: usize, call: &Call) {
        let (line, number) = (which / 2 % 2, which % 2);
        match call {
            Call::CloseConnection => self.lines[line].0.close(),
            Call::Publish { exchange, key, mandatory, message } => {
                let publish = Publish::new(pick(&EXCHANGES, *exchange), pick(&KEYS, *key));
                let publish = if *mandatory { publish.mandatory() } else { publish };
                let message = self.message(message);
                _ = self.lines[line].1[number].basic_publish(&publish, message);
            }
            call => perform(&self.lines[line].1[number], call),
        }
        let (connection, channels) = &mut self.lines[line];
        // What was closed is replaced.
        if !connection.is_open() {
            channels.clear();
            drop(self.lines.remove(line));
            self.connect();
        } else if !channels[number].is_open() {
            channels[number] = connection.open_channel().expect("there is room");
        }
    }
}

/// One call on a channel that is not a publish. What it comes to matters to nobody here.
fn perform(channel: &Channel, call: &Call) {
    match call {
        Call::Consume { queue, tag, no_ack, exclusive } => {
            let consume = Consume::new(pick(&QUEUES, *queue)).tag(pick(&["", "t", "u"], *tag));
            let consume = if *no_ack { consume.no_ack() } else { consume };
            _ = channel.basic_consume(&if *exclusive { consume.exclusive() } else { consume });
        }
        Call::Cancel { tag } => _ = channel.basic_cancel(pick(&["t", "u", ""], *tag)),
        Call::Get { queue, no_ack } => {
            let acknowledge = if *no_ack { Acknowledge::No } else { Acknowledge::Yes };
            _ = channel.basic_get(pick(&QUEUES, *queue), acknowledge);
        }
        Call::Receive(most) => (0..most % 8).map_while(|_| channel.try_recv().ok()).for_each(drop),
        Call::Settle { tag, how } => {
            let tag = u64::from(tag % 12);
            let requeue = if how & 1 > 0 { Requeue::Yes } else { Requeue::No };
            _ = match how / 2 % 6 {
                0 => channel.basic_ack(tag),
                1 => channel.basic_ack(Tags::UpTo(tag)),
                2 => channel.basic_nack(tag, requeue),
                3 => channel.basic_nack(Tags::UpTo(tag), requeue),
                4 => channel.basic_reject(tag, requeue),
                _ => channel.basic_recover(Requeue::Yes),
            };
        }
        Call::Qos { count, global } => {
            let qos = Qos::new(u16::from(count % 5));
            _ = channel.basic_qos(if *global { qos.global() } else { qos });
        }
        Call::Mode(mode) => {
            _ = match mode % 4 {
                0 => channel.confirm_select(),
                1 => channel.tx_select(),
                2 => channel.tx_commit(),
                _ => channel.tx_rollback(),
            };
        }
        Call::Close => _ = channel.close(),
        other => rearrange(channel, other),
    }
}

/// What changes the topology, on a channel.
fn rearrange(channel: &Channel, call: &Call) {
    match call {
        Call::Declare { queue, flags, arguments } => {
            _ = channel.queue_declare(&queue_declare(*queue, *flags, arguments));
        }
        Call::Bind { queue, from, key, undo } => {
            let binding = QueueBinding::new(pick(&QUEUES, *queue), pick(&EXCHANGES, *from)).key(pick(&KEYS, *key));
            _ = if *undo { channel.queue_unbind(&binding) } else { channel.queue_bind(&binding) };
        }
        Call::DeclareExchange { exchange, kind, flags } => {
            _ = channel.exchange_declare(&exchange_declare(*exchange, *kind, *flags));
        }
        Call::BindExchange { to, from, key, undo } => {
            let binding = ExchangeBinding::new(pick(&EXCHANGES, *to), pick(&EXCHANGES, *from)).key(pick(&KEYS, *key));
            _ = if *undo { channel.exchange_unbind(&binding) } else { channel.exchange_bind(&binding) };
        }
        Call::Delete { queue, flags } => _ = channel.queue_delete(&queue_delete(*queue, *flags)),
        Call::Purge { queue } => _ = channel.queue_purge(pick(&QUEUES, *queue)),
        _ => {}
    }
}

fn queue_declare(queue: u8, flags: u8, arguments: &[(u8, Given)]) -> QueueDeclare {
    let declare = QueueDeclare::new(pick(&QUEUES, queue)).arguments(table(arguments, &ARGUMENTS));
    let declare = if flags & 1 > 0 { declare.durable() } else { declare };
    let declare = if flags & 6 == 6 { declare.exclusive() } else { declare };
    let declare = if flags & 24 == 24 { declare.auto_delete() } else { declare };
    if flags & 96 == 96 { declare.passive() } else { declare }
}

fn exchange_declare(exchange: u8, kind: u8, flags: u8) -> ExchangeDeclare {
    let declare = ExchangeDeclare::new(pick(&EXCHANGES, exchange), pick(&KINDS, kind));
    let declare = if flags & 1 > 0 { declare.durable() } else { declare };
    let declare = if flags & 6 == 6 { declare.auto_delete() } else { declare };
    let declare = if flags & 24 == 24 { declare.internal() } else { declare };
    if flags & 96 == 96 { declare.passive() } else { declare }
}

fn queue_delete(queue: u8, flags: u8) -> QueueDelete {
    let delete = QueueDelete::new(pick(&QUEUES, queue));
    let delete = if flags & 3 == 3 { delete.if_empty() } else { delete };
    if flags & 12 == 12 { delete.if_unused() } else { delete }
}

/// What is there from the start: classic with a time to live and a length, quorum with a delivery limit (both dead-letter
/// to each other), classic that dead-letters what it refuses, quorum that keeps its dead letters.
fn topology() -> Topology {
    let a = Queue::new("a").message_ttl(Duration::from_millis(150)).max_length(3, Overflow::DropHead);
    let b = Queue::new("b").quorum().delivery_limit(2).dead_letter_exchange("").dead_letter_routing_key("a");
    let c = Queue::new("c").max_length(2, Overflow::RejectPublishDlx).dead_letter_exchange("dead");
    let d = Queue::new("d").quorum().max_length(3, Overflow::RejectPublish).dead_letter_strategy(Strategy::AtLeastOnce);
    Topology::new()
        .exchange(Exchange::fanout("all"))
        .exchange(Exchange::topic("topics").alternate("all"))
        .exchange(Exchange::headers("heads"))
        .exchange(Exchange::fanout("dead"))
        .queue(a.dead_letter_exchange("").dead_letter_routing_key("b").bind("all", "").bind("topics", "t.#"))
        .queue(b.bind("all", "").bind("dead", ""))
        .queue(c.bind("all", "").bind("topics", "*.1"))
        .queue(d.dead_letter_exchange("topics").dead_letter_routing_key("e").bind("all", ""))
}

fn table(entries: &[(u8, Given)], names: &[&'static str]) -> Table {
    entries.iter().take(5).map(|(name, given)| (pick(names, *name), given.value())).collect()
}

impl Given {
    fn value(&self) -> Value {
        match self {
            Self::Void => Value::Void,
            Self::Flag(flag) => Value::Bool(*flag),
            Self::Small(number) => Value::I64(i64::from(number % 8)),
            Self::Number(number) => Value::I64(*number),
            Self::Word(word) => Value::text(pick(&WORDS, *word)),
            Self::Key(key) => Value::text(pick(&KEYS, *key)),
            Self::Keys(keys) => Value::Array(keys.iter().take(4).map(|key| Value::text(pick(&KEYS, *key))).collect()),
            Self::Text(text) => Value::text(text),
            Self::Nested(entries) => Value::Table(table(entries, &["n", "queue", "count", "reason"])),
        }
    }
}

fn pick(list: &[&'static str], which: u8) -> &'static str {
    list[usize::from(which) % list.len()]
}
