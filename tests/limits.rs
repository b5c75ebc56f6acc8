//! Every field of `Limits` driven to its bound and one beyond: what the field's documentation promises is what happens,
//! nothing is lost, and the broker goes on. One test for each field, of its name; `every_field_has_a_test` sees to it.

use leveret::{
    Acknowledge, Binding, Broker, Channel, ChannelEvent, Close, Connection, Consume, ConsumeError, Exchange,
    ExchangeDeclare, ExchangeKind, InvalidMessage, Limits, Message, NotPublished, Overflow, Policy, Publish,
    PublishErrorKind, Queue, QueueBinding, QueueDeclare, QueueDelete, ReplyCode, Requeue, Scope, Table, Tags, Topology,
    TopologyError, TryRecvError, Value,
};
use std::time::Duration;

struct Rig {
    broker: Broker,
    connection: Connection,
    channel: Channel,
}

/// A broker with one changed limit, and a channel.
fn rig(change: impl FnOnce(&mut Limits)) -> Rig {
    let mut limits = Limits::default();
    change(&mut limits);
    let broker = Broker::builder().limits(limits).manual_time().build();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    Rig { broker, connection, channel }
}

impl Rig {
    fn declare(&self, queue: &str) {
        self.broker.declare_queue(&QueueDeclare::new(queue).durable()).unwrap();
    }

    fn fill(&self, queue: &str, count: usize) {
        for number in 0..count {
            self.broker.publish("", queue, Message::new(number.to_string())).unwrap();
        }
    }

    /// Ready and out.
    fn counts(&self, queue: &str) -> (u64, u64) {
        let stats = self.broker.queue(queue).unwrap().stats();
        (stats.ready, stats.unacked)
    }

    /// The broker goes on: a connection of its own can do everything.
    fn is_well(&self, queue: &str) {
        self.broker.check_invariants().unwrap();
        let connection = self.broker.connect().unwrap();
        let channel = connection.open_channel().unwrap();
        channel.queue_purge(queue).unwrap();
        channel.basic_publish(&Publish::new("", queue), Message::new("well")).unwrap();
        let got = channel.basic_get(queue, Acknowledge::Yes).unwrap().unwrap();
        channel.basic_ack(got.delivery.delivery_tag).unwrap();
    }
}

/// The connection ends, for this.
fn ends(close: Close, code: ReplyCode, text: &str) {
    assert_eq!((close.scope, close.code), (Scope::Connection, code), "{close}");
    assert!(close.text.contains(text), "{close}");
}

fn reached(what: &'static str, limit: usize) -> TopologyError {
    TopologyError::LimitReached { what, limit }
}

fn drain(channel: &Channel) -> Vec<ChannelEvent> {
    std::iter::from_fn(|| channel.try_recv().ok()).collect()
}

fn bodies(events: &[ChannelEvent]) -> Vec<String> {
    let body = |event: &ChannelEvent| match event {
        ChannelEvent::Deliver(delivery) => Some(String::from_utf8_lossy(delivery.message.body()).into_owned()),
        _ => None,
    };
    events.iter().filter_map(body).collect()
}

#[test]
fn every_field_has_a_test() {
    let debug = format!("{:?}", Limits::default());
    let fields = debug.trim_start_matches("Limits {").trim_end_matches('}').split(',');
    let source = include_str!("limits.rs");
    for field in fields.filter_map(|field| field.split(':').next()) {
        assert!(source.contains(&format!("fn {}()", field.trim())), "no test for {field}");
    }
}

#[test]
fn exchanges() {
    let rig = rig(|limits| limits.exchanges = 8 + 2);
    let there = rig.broker.stats().exchanges as usize;
    for number in there..10 {
        rig.broker.declare_exchange(&ExchangeDeclare::new(format!("x{number}"), "direct")).unwrap();
    }
    let more = ExchangeDeclare::new("more", "direct");
    assert_eq!(rig.broker.declare_exchange(&more).unwrap_err(), reached("exchanges", 10));
    // One that is there is no new one.
    rig.broker.declare_exchange(&ExchangeDeclare::new("x9", "direct")).unwrap();
    let topology = Topology::new().exchange(Exchange::new("more", ExchangeKind::Direct));
    assert!(rig.broker.declare(&topology).unwrap_err().to_string().contains("more than 10 exchanges"));
    ends(rig.channel.exchange_declare(&more).unwrap_err(), ReplyCode::ResourceError, "more than 10 exchanges");
    rig.broker.delete_exchange(&leveret::ExchangeDelete::new("x9")).unwrap();
    rig.broker.declare_exchange(&more).unwrap();
}

#[test]
fn queues() {
    let rig = rig(|limits| limits.queues = 2);
    rig.declare("a");
    rig.declare("b");
    let more = QueueDeclare::new("c");
    assert_eq!(rig.broker.declare_queue(&more).unwrap_err(), reached("queues", 2));
    assert_eq!(rig.broker.declare_queue(&QueueDeclare::new("")).unwrap_err(), reached("queues", 2));
    rig.declare("a");
    assert!(rig.broker.declare(&Topology::new().queue(Queue::new("c"))).is_err());
    ends(rig.channel.queue_declare(&more).unwrap_err(), ReplyCode::ResourceError, "more than 2 queues");
    rig.is_well("a");
    rig.broker.delete_queue(&QueueDelete::new("a")).unwrap();
    rig.broker.declare_queue(&more).unwrap();
}

#[test]
fn bindings() {
    let rig = rig(|limits| limits.bindings = 2);
    rig.declare("q");
    for key in ["a", "b"] {
        rig.broker.bind("q", &Binding::to("amq.direct").key(key)).unwrap();
    }
    let more = Binding::to("amq.topic").key("c");
    assert_eq!(rig.broker.bind("q", &more).unwrap_err(), reached("bindings", 2));
    assert_eq!(rig.broker.bind_exchange("amq.fanout", &more).unwrap_err(), reached("bindings", 2));
    rig.broker.bind("q", &Binding::to("amq.direct").key("a")).unwrap();
    let close = rig.channel.queue_bind(&QueueBinding::new("q", "amq.topic").key("c")).unwrap_err();
    ends(close, ReplyCode::ResourceError, "more than 2 bindings");
    assert_eq!(rig.broker.publish("amq.topic", "c", Message::new("")).unwrap().queues, 0);
    rig.broker.unbind("q", &Binding::to("amq.direct").key("a")).unwrap();
    rig.broker.bind("q", &more).unwrap();
    rig.is_well("q");
}

#[test]
fn policies() {
    let rig = rig(|limits| limits.policies = 1);
    rig.declare("q");
    rig.broker.set_policy(Policy::new("one", ".*").define("max-length", 5_i64)).unwrap();
    let more = Policy::new("two", ".*").define("max-length", 1_i64);
    assert_eq!(rig.broker.set_policy(more.clone()).unwrap_err(), reached("policies", 1));
    assert!(rig.broker.declare(&Topology::new().policy(more)).is_err());
    rig.broker.set_policy(Policy::new("one", ".*").define("max-length", 3_i64)).unwrap();
    rig.fill("q", 5);
    assert_eq!(rig.counts("q"), (3, 0));
    // A name is a name: it has an end.
    let long = Policy::new("n".repeat(256), ".*").define("max-length", 1_i64);
    rig.broker.clear_policy("one").unwrap();
    assert!(matches!(rig.broker.set_policy(long).unwrap_err(), TopologyError::NameTooLong(_)));
}

#[test]
fn connections() {
    let rig = rig(|limits| limits.connections = 2);
    let second = rig.broker.connect().unwrap();
    ends(rig.broker.connect().unwrap_err(), ReplyCode::NotAllowed, "connection limit (2)");
    assert!(second.is_open() && rig.connection.is_open());
    second.close();
    assert!(rig.broker.connect().is_ok());
}

#[test]
fn channels_per_connection() {
    let rig = rig(|limits| limits.channels_per_connection = 2);
    let other = rig.broker.connect().unwrap();
    let second = rig.connection.open_channel().unwrap();
    drop(second);
    let _second = rig.connection.open_channel().unwrap();
    ends(rig.connection.open_channel().unwrap_err(), ReplyCode::NotAllowed, "channel_max (2)");
    assert!(!rig.connection.is_open() && other.is_open());
    for id in [0, 3, u16::MAX] {
        let connection = rig.broker.connect().unwrap();
        ends(connection.open_channel_with_id(id).unwrap_err(), ReplyCode::NotAllowed, "1 to 2");
    }
}

#[test]
fn consumers_per_queue() {
    for kind in ["classic", "quorum"] {
        let rig = rig(|limits| limits.consumers_per_queue = 2);
        rig.broker.declare_queue(&QueueDeclare::new("q").durable().argument("x-queue-type", kind)).unwrap();
        let _plain = rig.broker.consumer("q").open().unwrap();
        rig.channel.basic_consume(&Consume::new("q").tag("second")).unwrap();
        let refused = rig.broker.consumer("q").open().unwrap_err();
        assert_eq!(refused, ConsumeError::TooMany("q".to_owned()));
        let close = rig.channel.basic_consume(&Consume::new("q")).unwrap_err();
        ends(close, ReplyCode::ResourceError, "more than 2 consumers of a queue");
        // The second one went with its connection.
        assert!(rig.broker.consumer("q").open().is_ok());
        rig.broker.check_invariants().unwrap();
    }
}

#[test]
fn ready_messages() {
    for kind in ["classic", "quorum"] {
        let rig = rig(|limits| limits.ready_messages = 3);
        rig.broker.declare_queue(&QueueDeclare::new("q").durable().argument("x-queue-type", kind)).unwrap();
        rig.fill("q", 3);
        is_full(&rig, 3);
        // A consumer makes room, and whoever waits is let in.
        let mut publisher = rig.broker.publisher("").unwrap();
        let broker = rig.broker.clone();
        let waiting = std::thread::spawn(move || publisher.blocking_send("q", Message::new("waited")));
        broker.get("q").unwrap().unwrap().ack();
        assert_eq!(waiting.join().unwrap().unwrap().queues, 1);
        assert_eq!(rig.counts("q"), (3, 0));
        rig.is_well("q");
    }
}

#[test]
fn ready_bytes() {
    let rig = rig(|limits| limits.ready_bytes = 10);
    rig.declare("q");
    rig.broker.publish("", "q", Message::new("0123456789")).unwrap();
    is_full(&rig, 1);
    // An empty body takes no bytes; what could never come in is refused at once, not waited for.
    rig.broker.publish("", "q", Message::new("")).unwrap();
    let mut publisher = rig.broker.publisher("").unwrap();
    let never = publisher.blocking_send("q", Message::new("01234567890")).unwrap_err();
    assert_eq!(never.into_message().body().len(), 11);
    rig.is_well("q");
}

/// The queue `q` is at a bound of the broker: every way to publish says so and gives the message back.
fn is_full(rig: &Rig, ready: u64) {
    let message = || Message::new("more").header("kept", true);
    let refused = rig.broker.publish("", "q", message()).unwrap_err();
    assert_eq!(*refused.kind(), PublishErrorKind::Full { full: 1, taken: 0 });
    assert_eq!(refused.into_message(), message());
    let mut publisher = rig.broker.publisher("").unwrap();
    let late = publisher.send_timeout("q", message(), Duration::ZERO).unwrap_err();
    assert_eq!(*late.kind(), PublishErrorKind::Timeout { taken: 0 });
    assert_eq!(late.into_message(), message());
    let refused = rig.channel.basic_publish(&Publish::new("", "q"), message()).unwrap_err();
    assert_eq!((refused.reason, refused.message), (NotPublished::QueueFull, Some(message())));
    assert!(rig.channel.is_open());

    let confirms = rig.connection.open_channel().unwrap();
    confirms.confirm_select().unwrap();
    confirms.basic_publish(&Publish::new("", "q"), message()).unwrap();
    assert_eq!(drain(&confirms), [ChannelEvent::Nack { tag: 1, multiple: false }]);
    let transaction = rig.connection.open_channel().unwrap();
    transaction.tx_select().unwrap();
    transaction.basic_publish(&Publish::new("", "q"), message()).unwrap();
    assert_eq!(transaction.tx_commit().unwrap_err().code, ReplyCode::PreconditionFailed);

    // A dead letter is dropped and counted.
    rig.broker.declare(&Topology::new().queue(Queue::new("dying").dead_letter_to("q"))).unwrap();
    rig.broker.publish("", "dying", Message::new("dead")).unwrap();
    rig.broker.get("dying").unwrap().unwrap().reject();
    assert_eq!(rig.broker.stats().dead_letters.refused, 1);
    assert_eq!(rig.counts("q"), (ready, 0));
}

#[test]
fn unacked_messages() {
    let rig = rig(|limits| limits.unacked_messages = 3);
    rig.declare("q");
    rig.fill("q", 10);
    // A consumer without prefetch: the queue waits for settlements.
    rig.channel.basic_consume(&Consume::new("q").tag("t")).unwrap();
    assert_eq!(bodies(&drain(&rig.channel)), ["0", "1", "2"]);
    rig.channel.basic_ack(1).unwrap();
    assert_eq!(bodies(&drain(&rig.channel)), ["3"]);
    assert_eq!(rig.counts("q"), (6, 3));
    // Cancelling and consuming anew does not get around it, whatever the prefetch; nor does a get.
    rig.channel.basic_cancel("t").unwrap();
    type Attempt = fn(&Channel) -> Result<(), Close>;
    let beyond: [Attempt; 3] = [
        |channel| channel.basic_consume(&Consume::new("q")).map(drop),
        |channel| {
            channel.basic_qos(leveret::Qos::new(1))?;
            channel.basic_consume(&Consume::new("q")).map(drop)
        },
        |channel| channel.basic_get("q", Acknowledge::Yes).map(drop),
    ];
    for ask in beyond {
        let connection = rig.broker.connect().unwrap();
        let channel = connection.open_channel().unwrap();
        channel.basic_recover(Requeue::Yes).unwrap();
        rig.broker.queue("q").unwrap().purge().unwrap();
        rig.fill("q", 5);
        for _ in 0..3 {
            channel.basic_get("q", Acknowledge::Yes).unwrap().unwrap();
        }
        // What needs no acknowledgement adds nothing.
        channel.basic_get("q", Acknowledge::No).unwrap().unwrap();
        ends(ask(&channel).unwrap_err(), ReplyCode::ResourceError, "more than 3 unsettled deliveries");
        assert_eq!(rig.counts("q").0, 4);
    }
    // A get without a channel looks at what the whole queue has out.
    assert_eq!(rig.broker.get("q").unwrap_err(), reached("unsettled deliveries", 3));
    rig.channel.basic_ack(Tags::UpTo(0)).unwrap();
    rig.broker.get("q").unwrap().unwrap().ack();
    rig.is_well("q");
}

#[test]
fn undrained_deliveries() {
    for kind in ["classic", "quorum"] {
        let rig = rig(|limits| limits.undrained_deliveries = 4);
        rig.broker.declare_queue(&QueueDeclare::new("q").durable().argument("x-queue-type", kind)).unwrap();
        rig.fill("q", 10);
        rig.channel.basic_consume(&Consume::new("q").no_ack()).unwrap();
        assert_eq!(rig.counts("q").0, 6, "{kind}");
        // It receives them all, in order, with the queue a window ahead.
        assert_eq!(bodies(&drain(&rig.channel)).concat(), "0123456789");
        let mut plain = rig.broker.consumer("q").prefetch(0).open().unwrap();
        rig.channel.close().unwrap();
        rig.fill("q", 10);
        assert_eq!(rig.counts("q"), (6, 4));
        let got: Vec<_> = std::iter::from_fn(|| plain.try_recv().ok()).collect();
        assert_eq!(got.len(), 10);
        drop((got, plain));
        assert_eq!(rig.counts("q"), (10, 0));
        rig.is_well("q");
    }
}

#[test]
fn channel_events() {
    let rig = rig(|limits| limits.channel_events = 2);
    rig.declare("q");
    let to = |key: &str| Publish::new("", key).mandatory();
    for _ in 0..2 {
        rig.channel.basic_publish(&to("nowhere"), Message::new("back")).unwrap();
    }
    let refused = rig.channel.basic_publish(&to("nowhere"), Message::new("more")).unwrap_err();
    assert_eq!((refused.reason, refused.message), (NotPublished::EventsFull, Some(Message::new("more"))));
    assert!(rig.channel.is_open());
    assert_eq!(drain(&rig.channel).len(), 2);
    rig.channel.basic_publish(&to("q"), Message::new("taken")).unwrap();
    rig.is_well("q");
}

#[test]
fn channel_events_of_direct_replies_are_dropped_at_the_bound() {
    let rig = rig(|limits| limits.channel_events = 2);
    rig.declare("requests");
    rig.channel.basic_consume(&Consume::new("amq.rabbitmq.reply-to").no_ack()).unwrap();
    let ask = Message::new("?").reply_to("amq.rabbitmq.reply-to");
    rig.channel.basic_publish(&Publish::new("", "requests"), ask).unwrap();
    let request = rig.broker.get("requests").unwrap().unwrap();
    let address = request.properties().reply_to.clone().unwrap();
    let server = rig.connection.open_channel().unwrap();
    for reply in ["1", "2", "3"] {
        server.basic_publish(&Publish::new("", &*address), Message::new(reply)).unwrap();
    }
    assert_eq!(bodies(&drain(&rig.channel)), ["1", "2"]);
}

/// A program that consumes from queues that are deleted, and never receives, gathers cancels without end.
#[test]
fn channel_events_of_cancels_end_with_a_refusal() {
    let rig = rig(|limits| limits.channel_events = 2);
    for _ in 0..2 {
        rig.channel.queue_declare(&QueueDeclare::new("gone")).unwrap();
        rig.channel.basic_consume(&Consume::new("gone")).unwrap();
        rig.channel.queue_delete(&QueueDelete::new("gone")).unwrap();
    }
    rig.channel.queue_declare(&QueueDeclare::new("gone")).unwrap();
    let close = rig.channel.basic_consume(&Consume::new("gone")).unwrap_err();
    ends(close, ReplyCode::ResourceError, "more than 2 events waiting on a channel");
    assert_eq!(drain(&rig.channel).len(), 3);
}

#[test]
fn transaction_operations() {
    let rig = rig(|limits| limits.transaction_operations = 2);
    rig.declare("q");
    rig.channel.tx_select().unwrap();
    for body in ["1", "2"] {
        rig.channel.basic_publish(&Publish::new("", "q"), Message::new(body)).unwrap();
    }
    let refused = rig.channel.basic_publish(&Publish::new("", "q"), Message::new("3")).unwrap_err();
    assert_eq!((refused.reason, refused.message), (NotPublished::TransactionFull, Some(Message::new("3"))));
    rig.channel.tx_commit().unwrap();
    assert_eq!(rig.counts("q"), (2, 0));
    rig.is_well("q");
}

/// Once, the settlement that was one too many was taken from the ledger before it was refused, so the close that
/// followed did not know of it, and its message stayed out for ever.
#[test]
fn transaction_operations_lose_no_settlement() {
    let rig = rig(|limits| limits.transaction_operations = 1);
    rig.declare("a");
    rig.declare("b");
    for tags in [Tags::One(2), Tags::UpTo(2)] {
        rig.fill("a", 1);
        rig.fill("b", 1);
        let channel = rig.connection.open_channel().unwrap();
        channel.tx_select().unwrap();
        channel.basic_get("a", Acknowledge::Yes).unwrap().unwrap();
        channel.basic_get("b", Acknowledge::Yes).unwrap().unwrap();
        if tags == Tags::One(2) {
            channel.basic_ack(1).unwrap();
        }
        let close = channel.basic_ack(tags).unwrap_err();
        assert_eq!((close.scope, close.code), (Scope::Channel, ReplyCode::PreconditionFailed));
        for queue in ["a", "b"] {
            assert_eq!(rig.counts(queue), (1, 0), "{queue} {tags:?}");
            rig.is_well(queue);
        }
    }
}

#[test]
fn message_bytes() {
    let rig = rig(|limits| limits.message_bytes = 4);
    rig.declare("q");
    rig.broker.publish("", "q", Message::new("1234")).unwrap();
    let invalid = InvalidMessage::BodyTooLarge { bytes: 5, limit: 4 };
    refuses(&rig, Message::new("12345"), invalid, "message size 5 is larger than configured max size 4");
}

/// A message is refused as this and given back, with and without a channel.
fn refuses(rig: &Rig, message: Message, invalid: InvalidMessage, text: &str) {
    let refused = rig.broker.publish("", "q", message.clone()).unwrap_err();
    assert_eq!(*refused.kind(), PublishErrorKind::Invalid(invalid));
    assert_eq!(refused.into_message(), message);
    let channel = rig.connection.open_channel().unwrap();
    let refused = channel.basic_publish(&Publish::new("", "q"), message.clone()).unwrap_err();
    assert_eq!(refused.message, Some(message));
    let NotPublished::Closed(close) = refused.reason else { panic!("{:?}", refused.reason) };
    assert_eq!((close.scope, close.code), (Scope::Channel, ReplyCode::PreconditionFailed));
    assert!(close.text.contains(text), "{close}");
    rig.is_well("q");
}

fn with_headers(headers: Table) -> Message {
    let mut message = Message::new("");
    message.properties_mut().headers = Some(headers);
    message
}

/// Arguments have the bounds of headers.
fn refuses_arguments(rig: &Rig, arguments: Table, what: &'static str, limit: usize) {
    let declare = QueueDeclare::new("new").arguments(arguments.clone());
    assert_eq!(rig.broker.declare_queue(&declare).unwrap_err(), reached(what, limit));
    let binding = Binding::to("amq.headers").arguments(arguments);
    assert_eq!(rig.broker.bind("q", &binding).unwrap_err(), reached(what, limit));
    rig.is_well("q");
}

#[test]
fn header_fields() {
    let rig = rig(|limits| limits.header_fields = 3);
    rig.declare("q");
    let two = Table::new().with("list", vec![Value::Void, Value::Void]);
    rig.broker.publish("", "q", with_headers(two.clone())).unwrap();
    let invalid = InvalidMessage::Headers { what: "fields", limit: 3 };
    let four = two.with("more", 1_i64);
    refuses(&rig, with_headers(four.clone()), invalid, "too many fields; at most 3");
    refuses_arguments(&rig, four, "fields in arguments", 3);
}

#[test]
fn header_bytes() {
    let rig = rig(|limits| limits.header_bytes = 10);
    rig.declare("q");
    rig.broker.publish("", "q", Message::new("").header("name", "123456")).unwrap();
    let invalid = InvalidMessage::Headers { what: "bytes", limit: 10 };
    refuses(&rig, Message::new("").header("name", "1234567"), invalid, "too many bytes; at most 10");
    refuses_arguments(&rig, Table::new().with("name", "1234567"), "bytes in arguments", 10);
}

#[test]
fn header_depth() {
    let nested = |levels| (2..levels).fold(Table::new().with("end", 1), |inner, _| Table::new().with("in", inner));
    let with = |levels| Message::new("").header("top", nested(levels));
    let rig_of = |depth| rig(|limits| limits.header_depth = depth);
    // However high it is set, 128 levels are the most.
    for (depth, most) in [(3, 3), (64, 64), (usize::MAX, 128)] {
        let rig = rig_of(depth);
        rig.declare("q");
        rig.broker.publish("", "q", with(most)).unwrap();
        let invalid = InvalidMessage::Headers { what: "levels", limit: most };
        refuses(&rig, with(most + 1), invalid, "too many levels");
        rig.broker.bind("q", &Binding::to("amq.headers").arguments(nested(most + 1))).unwrap();
        refuses_arguments(&rig, nested(most + 2), "levels in arguments", most);
    }
}

#[test]
fn carbon_copies() {
    let rig = rig(|limits| limits.carbon_copies = 3);
    rig.declare("q");
    let keys = |count: usize| vec![Value::from("q"); count];
    let of = |cc, bcc| Message::new("").header("CC", keys(cc)).header("BCC", keys(bcc));
    assert_eq!(rig.broker.publish("", "nowhere", of(1, 2)).unwrap().queues, 1);
    let reason = "4 keys; at most 3 are taken".to_owned();
    refuses(&rig, of(2, 2), InvalidMessage::CarbonCopy { header: "CC", reason }, "4 keys; at most 3");
}

#[test]
fn hops_per_call() {
    for hops in [0, 1, 3] {
        let rig = rig(|limits| limits.hops_per_call = hops);
        let dying = Queue::new("dying").dead_letter_to("grave").message_ttl(Duration::from_millis(5));
        rig.broker.declare(&Topology::new().queue(dying).queue(Queue::new("grave"))).unwrap();
        rig.fill("dying", 10);
        // All die within one call, which carries its share; each later call carries some more.
        let purged = rig.broker.set_policy(Policy::new("p", "dying").max_length(0, Overflow::DropHead));
        purged.unwrap();
        let share = hops.max(1) as u64;
        let arrived = |rig: &Rig| rig.broker.stats().dead_letters.arrived;
        assert_eq!(arrived(&rig), share);
        assert_eq!(rig.broker.next_deadline(), Some(rig.broker.now()));
        rig.broker.publish("", "nowhere", Message::new("")).unwrap();
        assert_eq!(arrived(&rig), 2 * share);
        rig.declare("elsewhere");
        assert_eq!(arrived(&rig), 3 * share);
        rig.broker.run_due();
        assert_eq!(arrived(&rig), 10);
        // Nothing was lost, and the order is kept.
        let order: Vec<_> = std::iter::from_fn(|| rig.broker.get("grave").unwrap())
            .map(|delivery| String::from_utf8_lossy(&{ delivery.body().clone() }).into_owned())
            .take(10)
            .collect();
        assert_eq!(order.len(), 10);
        rig.is_well("elsewhere");
    }
}

#[test]
fn death_records() {
    for limit in [0_usize, 1, 2] {
        let rig = rig(|limits| limits.death_records = limit);
        let chain = |from: &str, to: &str| Queue::new(from).dead_letter_to(to);
        let topology = Topology::new().queue(chain("a", "b")).queue(chain("b", "c")).queue(chain("c", "d"));
        rig.broker.declare(&topology.queue(Queue::new("d"))).unwrap();
        rig.fill("a", 1);
        for queue in ["a", "b", "c"] {
            rig.broker.get(queue).unwrap().unwrap().reject();
        }
        let last = rig.broker.get("d").unwrap().unwrap();
        let queues: Vec<&str> = last.deaths().iter().map(|death| &*death.queue).collect();
        assert_eq!(queues, &["c", "b"][..limit.max(1)]);
        let Some(Value::Array(shown)) = last.header("x-death") else { panic!("no x-death") };
        assert_eq!(shown.len(), limit.max(1));
        assert_eq!(last.header("x-first-death-queue"), Some(&Value::from("a")));
    }
}

#[test]
fn dead_letter_retry_millis() {
    for millis in [0, 1, 1_000, u64::MAX] {
        let rig = rig(|limits| limits.dead_letter_retry_millis = millis);
        let dying = QueueDeclare::new("dying")
            .durable()
            .argument("x-queue-type", "quorum")
            .argument("x-overflow", "reject-publish")
            .argument("x-dead-letter-exchange", "")
            .argument("x-dead-letter-routing-key", "late")
            .argument("x-dead-letter-strategy", "at-least-once");
        rig.broker.declare_queue(&dying).unwrap();
        rig.fill("dying", 1);
        rig.broker.get("dying").unwrap().unwrap().reject();
        assert_eq!(rig.broker.queue("dying").unwrap().stats().dying, 1);
        rig.declare("late");
        rig.broker.run_due();
        assert_eq!(rig.counts("late").0, 0);
        if millis > 1_000 {
            // Never, and no call hangs.
            rig.broker.advance(Duration::from_secs(1_000_000));
            assert_eq!(rig.broker.queue("dying").unwrap().stats().dying, 1);
            continue;
        }
        rig.broker.advance(Duration::from_millis(millis.max(1)));
        assert_eq!(rig.counts("late").0, 1);
        assert_eq!(rig.broker.queue("dying").unwrap().stats().dying, 0);
    }
}

#[test]
fn default_prefetch() {
    let rig = rig(|limits| limits.default_prefetch = 2);
    rig.declare("q");
    rig.fill("q", 5);
    let mut consumer = rig.broker.consumer("q").open().unwrap();
    assert_eq!(rig.counts("q"), (3, 2));
    let first = consumer.try_recv().unwrap();
    let second = consumer.try_recv().unwrap();
    assert_eq!(consumer.try_recv().unwrap_err(), TryRecvError::Empty);
    first.ack();
    assert_eq!(&consumer.try_recv().unwrap().body()[..], b"2");
    drop(second);
    drop(consumer);
    // None is no limit but the broker's own.
    let rig = self::rig(|limits| (limits.default_prefetch, limits.unacked_messages) = (0, 3));
    rig.declare("q");
    rig.fill("q", 5);
    let _consumer = rig.broker.consumer("q").open().unwrap();
    assert_eq!(rig.counts("q"), (2, 3));
}

#[test]
fn cached_routes() {
    for limit in [0, 1, 2, 3, 1_024] {
        let rig = rig(|limits| limits.cached_routes = limit);
        rig.declare("q");
        for key in ["a", "b", "c"] {
            rig.broker.bind("q", &Binding::to("amq.direct").key(key)).unwrap();
        }
        let mut publisher = rig.broker.publisher("amq.direct").unwrap();
        for _ in 0..3 {
            for key in ["a", "b", "c", "d"] {
                let routed = publisher.try_send(key, Message::new(key)).unwrap();
                assert_eq!(routed.queues, usize::from(key != "d"), "{limit} {key}");
            }
        }
        // What it remembers of keys that are hostile is bounded: as many keys as one likes, and the routes are right.
        for number in 0..5_000 {
            assert_eq!(publisher.try_send(&number.to_string(), Message::new("")).unwrap().queues, 0);
        }
        rig.broker.unbind("q", &Binding::to("amq.direct").key("a")).unwrap();
        assert_eq!(publisher.try_send("a", Message::new("")).unwrap().queues, 0);
        assert_eq!(rig.counts("q"), (9, 0));
    }
}
