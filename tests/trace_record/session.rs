//! A session with everything in it is saved and replayed; and whatever is changed in it is seen.

use leveret::testing::Divergence;
use leveret::{
    Acknowledge, Broker, Channel, ChannelEvent, Close, Consume, Message, Publish, Qos, QueueBinding, QueueDeclare,
    Requeue, Tags, Trace, TraceLog,
};
use std::time::Duration;

/// Dead letters, time to live, confirms, nacks, several channels, a generated queue, mistakes.
fn session(broker: &Broker) -> Result<(), Close> {
    let connection = broker.connect()?;
    let work = connection.open_channel()?;
    let retry = QueueDeclare::new("retry").argument("x-message-ttl", 300).argument("x-dead-letter-exchange", "");
    work.queue_declare(&retry.argument("x-dead-letter-routing-key", "orders"))?;
    let orders = QueueDeclare::new("orders").argument("x-dead-letter-exchange", "").argument("x-max-length", 3);
    work.queue_declare(
        &orders.argument("x-dead-letter-routing-key", "retry").argument("x-overflow", "reject-publish"),
    )?;
    work.basic_qos(Qos::new(2))?;
    work.basic_consume(&Consume::new("orders"))?;

    let publisher = connection.open_channel()?;
    publisher.confirm_select()?;
    for n in 0..7 {
        publish(&publisher, "orders", Message::new(format!("{n}")));
    }
    publisher.basic_publish(&Publish::new("", "nowhere").mandatory(), Message::new("lost")).unwrap();
    work.basic_nack(1, Requeue::No)?;
    work.basic_nack(Tags::UpTo(3), Requeue::Yes)?;
    for _ in 0..3 {
        work.basic_ack(Tags::UpTo(0))?;
    }
    // The first one comes back from the dead, and is not wanted once more.
    broker.advance(Duration::from_millis(300));
    work.basic_reject(last_delivery(&work), Requeue::No)?;
    broker.advance(Duration::from_millis(300));

    let other = broker.connect()?;
    let replies = other.open_channel()?;
    let generated = replies.queue_declare(&QueueDeclare::new("").exclusive())?;
    replies.queue_bind(&QueueBinding::new("", "amq.topic").key("reply.#"))?;
    publisher
        .basic_publish(&Publish::new("amq.topic", "reply.1"), Message::new("r").reply_to(&*generated.queue))
        .unwrap();
    replies.basic_get(&generated.queue, Acknowledge::Yes)?.expect("it was published");
    assert!(replies.queue_declare(&QueueDeclare::new("orders").passive()).is_ok());
    assert!(replies.queue_purge("no such queue").is_err(), "a mistake closes the channel");
    assert!(!replies.is_open());
    let again = other.open_channel()?;
    again.queue_declare(&QueueDeclare::new(generated.queue.as_str()).passive())?;
    assert!(again.basic_qos(Qos::new(1).size(1)).is_err(), "a mistake that ends the connection");
    Ok(())
}

/// The tag of what was delivered last.
fn last_delivery(channel: &Channel) -> u64 {
    let events = std::iter::from_fn(|| channel.try_recv().ok());
    let tags = events.filter_map(|event| match event {
        ChannelEvent::Deliver(delivery) => Some(delivery.delivery_tag),
        _ => None,
    });
    tags.last().expect("something was delivered")
}

fn publish(channel: &Channel, queue: &str, message: Message) {
    channel.basic_publish(&Publish::new("", queue), message).unwrap();
}

fn recorded() -> Trace {
    let log = TraceLog::new(1 << 20);
    let broker = Broker::builder().manual_time().trace(&log).build();
    session(&broker).unwrap();
    log.trace().named("a-session", "everything at once")
}

#[test]
fn a_saved_session_is_replayed_without_a_difference() {
    let trace = recorded();
    assert!(trace.is_complete(), "{:?}", trace.omitted());
    let saved = trace.to_json();
    for said in
        ["basic.nack", "clock.advance", "confirms", "x-death", "basic.return", "channel.close", "connection.close"]
    {
        assert!(saved.contains(said), "{said} in\n{saved}");
    }
    let loaded = Trace::parse(&saved).unwrap();
    assert_eq!(loaded, trace);
    let report = loaded.replay(Broker::builder()).unwrap_or_else(|diverged| panic!("{diverged}"));
    assert_eq!(report.steps, trace.len());
    assert!(report.events > 30, "{report:?}");
}

#[test]
fn the_same_session_gives_the_same_trace() {
    assert_eq!(recorded().to_json(), recorded().to_json());
}

#[test]
fn a_changed_argument_diverges_where_it_first_matters() {
    let saved = recorded().to_json();
    let changed = saved.replace(r#""x-message-ttl":{"$i32":300}"#, r#""x-message-ttl":{"$i32":301}"#);
    assert_ne!(saved, changed);
    let diverged = replayed(&changed).unwrap_err();
    assert!(diverged.operation().contains("clock.advance"), "{diverged}");
    assert!(diverged.seen().len() < diverged.expected().len(), "{diverged}");
    let report = diverged.to_string();
    assert!(report.contains("events expected") || report.contains("event 1:"), "{report}");
    assert!(
        report.lines().any(|line| line.trim_start().starts_with("- {") && line.contains("basic.deliver")),
        "{report}"
    );
    assert!(report.contains(&format!("step {} of {}", diverged.step(), diverged.of())), "{report}");

    let changed = saved.replace(r#""x-max-length":{"$i32":3}"#, r#""x-max-length":{"$i32":4}"#);
    let diverged = replayed(&changed).unwrap_err();
    assert!(diverged.operation().contains("basic.publish"), "{diverged}");
    assert!(diverged.to_string().contains("+ {"), "{diverged}");
}

fn replayed(json: &str) -> Result<leveret::testing::ReplayReport, Divergence> {
    Trace::parse(json).unwrap().replay(Broker::builder())
}

#[test]
fn what_ends_on_the_broker_s_side_is_no_step() {
    let log = TraceLog::new(1 << 20);
    let broker = Broker::builder().manual_time().trace(&log).build();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.queue_declare(&QueueDeclare::new("q")).unwrap();
    let before = log.trace();
    drop(broker);
    drop((channel, connection));
    assert_eq!(log.trace(), before);
}

#[test]
fn a_full_log_stops_and_says_so() {
    let log = TraceLog::new(4_000);
    let broker = Broker::builder().manual_time().trace(&log).build();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.queue_declare(&QueueDeclare::new("q")).unwrap();
    assert!(!log.is_cut());
    for _ in 0..50 {
        publish(&channel, "q", Message::new("0123456789".repeat(10)));
    }
    assert!(log.is_cut());
    let trace = log.trace();
    assert!(trace.is_cut() && !trace.is_complete());
    assert!((5..20).contains(&trace.len()), "{}", trace.len());
    assert!(trace.to_json().contains("\"cut\": true"));
    assert_eq!(Trace::parse(&trace.to_json()).unwrap(), trace);
    trace.replay(Broker::builder()).unwrap();
    publish(&channel, "q", Message::new("small"));
    assert_eq!(log.trace(), trace, "it stops for good");
}

#[test]
fn a_log_is_of_one_broker() {
    let log = TraceLog::new(1 << 20);
    let first = Broker::builder().manual_time().trace(&log).build();
    let second = Broker::builder().manual_time().trace(&log).build();
    second.connect().unwrap();
    assert!(log.trace().is_empty());
    let _connection = first.connect().unwrap();
    assert_eq!(log.trace().len(), 1);
}

#[test]
fn what_a_failing_channel_never_sees_is_not_written() {
    let log = TraceLog::new(1 << 20);
    let broker = Broker::builder().manual_time().trace(&log).build();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.queue_declare(&QueueDeclare::new("own")).unwrap();
    let full = QueueDeclare::new("full").argument("x-max-length", 1).argument("x-overflow", "reject-publish");
    channel.queue_declare(&full).unwrap();
    publish(&channel, "full", Message::new("there"));
    channel.basic_consume(&Consume::new("own")).unwrap();
    channel.tx_select().unwrap();
    publish(&channel, "own", Message::new("delivered by the commit"));
    publish(&channel, "full", Message::new("refused by the commit"));
    assert!(channel.tx_commit().is_err());
    assert!(matches!(channel.try_recv(), Ok(ChannelEvent::Closed(_))), "the delivery is gone");
    let trace = log.trace();
    assert!(!trace.to_json().contains("basic.deliver"));
    trace.replay(Broker::builder()).unwrap_or_else(|diverged| panic!("{diverged}"));
}

#[test]
fn deliveries_that_wait_for_a_consumer_to_receive_are_told() {
    let log = TraceLog::new(1 << 20);
    let mut limits = leveret::Limits::default();
    limits.undrained_deliveries = 4;
    let broker = Broker::builder().limits(limits.clone()).manual_time().trace(&log).build();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.queue_declare(&QueueDeclare::new("q")).unwrap();
    (0..10).for_each(|n| publish(&channel, "q", Message::new(format!("{n}"))));
    channel.basic_consume(&Consume::new("q").no_ack()).unwrap();
    while channel.try_recv().is_ok() {}
    assert!(log.trace().is_complete(), "received at once, as a replay does");
    log.trace().replay(Broker::builder().limits(limits)).unwrap();
    (0..10).for_each(|n| publish(&channel, "q", Message::new(format!("{n}"))));
    while channel.try_recv().is_ok() {}
    let trace = log.trace();
    assert!(trace.omitted()[0].what().contains("c1/a waited"), "{:?}", trace.omitted());
    let diverged = trace.replay(Broker::builder()).unwrap_err();
    assert!(diverged.to_string().contains("c1/a waited"), "{diverged}");
}

#[test]
fn what_the_format_has_no_words_for_is_listed() {
    let log = TraceLog::new(1 << 20);
    let broker = Broker::builder().manual_time().trace(&log).build();
    let channel = broker.connect().unwrap().open_channel();
    assert!(channel.is_ok());
    broker.set_policy(leveret::Policy::new("short", "^tmp").message_ttl(Duration::from_secs(1))).unwrap();
    let odd = leveret::Value::LongString(vec![0xff].into());
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.basic_publish(&Publish::new("", "q"), Message::new("m").header("odd", odd)).unwrap();
    let trace = log.trace();
    let what: Vec<String> = trace.omitted().iter().map(ToString::to_string).collect();
    assert_eq!(what.len(), 2, "{what:?}");
    assert!(what[0].contains("policy") && what[0].contains("short"), "{what:?}");
    assert!(what[1].contains("basic.publish") && what[1].contains("string-not-utf8"), "{what:?}");
    assert_eq!(Trace::parse(&trace.to_json()).unwrap(), trace);
}
