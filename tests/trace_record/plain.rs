//! The plain API is recorded as the channels that do the same, and these lead to the same.

use crate::watched::watched;
use leveret::{
    Binding, Broker, Exchange, Message, Overflow, PublishErrorKind, Queue, QueueDeclare, QueueDelete, Topology, Trace,
    TraceLog,
};
use std::time::Duration;

fn broker() -> (Broker, TraceLog) {
    let log = TraceLog::new(1 << 22);
    (Broker::builder().manual_time().trace(&log).build(), log)
}

/// The trace, which must read again and lead to the same.
fn checked(log: &TraceLog) -> Trace {
    let trace = log.trace();
    assert_eq!(Trace::parse(&trace.to_json()).as_ref(), Ok(&trace));
    trace.replay(Broker::builder()).unwrap_or_else(|diverged| panic!("{diverged}\n{}", trace.to_json()));
    trace
}

/// A message that cannot be published.
fn never() -> Message {
    let mut message = Message::new("m");
    message.properties_mut().expiration = Some("never".into());
    message
}

/// How often an operation was done.
fn count(trace: &Trace, operation: &str) -> usize {
    trace.to_json().matches(&format!("\"do\":\"{operation}\"")).count()
}

#[test]
fn a_shop_of_plain_handles_is_replayed() {
    let (broker, log) = broker();
    broker
        .declare(
            &Topology::new()
                .exchange(Exchange::topic("events"))
                .exchange(Exchange::fanout("all").bind("events", "#"))
                .queue(
                    Queue::new("orders")
                        .bind("events", "order.*")
                        .dead_letter_to("dead")
                        .message_ttl(Duration::from_secs(5)),
                )
                .queue(Queue::new("audit").bind("all", ""))
                .queue(Queue::new("dead").max_length(2, Overflow::DropHead))
                .queue(Queue::new("payments").quorum().delivery_limit(2).dead_letter_to("dead")),
        )
        .unwrap();
    let mut events = broker.publisher("events").unwrap().mandatory();
    for n in 0..6 {
        assert_eq!(events.try_send("order.created", Message::new(format!("{n}"))).unwrap().queues, 2);
    }
    let mut orders = broker.consumer("orders").prefetch(2).open().unwrap();
    orders.try_recv().unwrap().ack();
    let held = orders.try_recv().unwrap();
    orders.try_recv().unwrap().reject();
    orders.try_recv().unwrap().requeue();
    held.ack();
    let again = orders.try_recv().unwrap();
    assert!(again.redelivered());
    broker.advance(Duration::from_secs(6));
    drop(again);
    drop(orders);
    for _ in 0..3 {
        broker.publish("", "payments", Message::new("pay").message_id("p")).unwrap();
    }
    let mut payments = broker.consumer("payments").tag("till").priority(3).open().unwrap();
    for _ in 0..5 {
        drop(payments.try_recv().unwrap());
    }
    payments.cancel();
    drop(payments);
    let got = broker.get("audit").unwrap().unwrap();
    assert!(broker.get("dead").unwrap().is_some_and(|delivery| delivery.ack() == leveret::Settled::Done));
    got.reject();
    assert_eq!(broker.queue("audit").unwrap().purge().unwrap(), 5);
    broker.queue("audit").unwrap().delete().unwrap();
    let trace = checked(&log);
    assert!(trace.is_complete(), "{:?}", trace.omitted());
    assert!(trace.to_json().contains("x-delivery-count"));
    assert_eq!(count(&trace, "basic.publish"), 9);
    assert_eq!(count(&trace, "clock.advance"), 1);
}

#[test]
fn errors_are_closes_of_channels_that_open_again() {
    let (broker, log) = broker();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    broker.declare_queue(&QueueDeclare::new("q").durable()).unwrap_err();
    broker.declare_queue(&QueueDeclare::new("r").argument("x-max-length", -1)).unwrap_err();
    broker.bind("q", &Binding::to("nowhere")).unwrap_err();
    broker.get("nowhere").map(drop).unwrap_err();
    broker.consumer("nowhere").open().map(drop).unwrap_err();
    broker.publish("nowhere", "k", Message::new("m")).unwrap_err();
    broker.publish("", "q", Message::new("m")).unwrap();
    broker.publish("", "q", never()).unwrap_err();
    broker.publish("nowhere", "q", never()).unwrap_err();
    broker.delete_queue(&QueueDelete::new("q").if_empty()).unwrap_err();
    let only = broker.consumer("q").exclusive().open().unwrap();
    broker.consumer("q").open().map(drop).unwrap_err();
    drop(only);
    let mut events = broker.publisher("amq.topic").unwrap().mandatory();
    let unroutable = events.try_send("k", Message::new("m")).unwrap_err();
    assert!(matches!(unroutable.kind(), PublishErrorKind::Unroutable { .. }));
    let trace = checked(&log);
    assert!(trace.is_complete(), "{:?}", trace.omitted());
    assert_eq!(trace.to_json().matches("\"event\":\"channel.close\"").count(), 10);
    assert!(count(&trace, "channel.open") >= 6);
}

#[test]
fn refused_publishes_are_nacks() {
    let _watch = watched();
    let (broker, log) = broker();
    broker.declare(&Topology::new().queue(Queue::new("q").max_length(2, Overflow::RejectPublish))).unwrap();
    let mut publisher = broker.publisher("").unwrap();
    let sent = publisher.try_send_many("q", ["1", "2", "3", "4"].map(Message::new)).unwrap_err();
    assert_eq!(sent.published().messages, 2);
    publisher.send_timeout("q", Message::new("5"), Duration::ZERO).unwrap_err();
    broker.get("q").unwrap().unwrap().ack();
    publisher.blocking_send("q", Message::new("6")).unwrap();
    let trace = checked(&log);
    assert!(trace.to_json().contains(r#""acked":[],"nacked":[3]"#), "{}", trace.to_json());
    assert_eq!(count(&trace, "basic.publish"), 4, "what only waited was not published");
    assert!(trace.is_complete(), "{:?}", trace.omitted());
}

#[test]
fn batches_are_settled_as_multiple_where_that_says_the_same() {
    let (broker, log) = broker();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    for n in 0..8 {
        broker.publish("", "q", Message::new(format!("{n}"))).unwrap();
    }
    let mut consumer = broker.consumer("q").prefetch(4).open().unwrap();
    let first = consumer.try_recv().unwrap();
    let batch = consumer.try_recv_many(2).unwrap();
    batch.ack();
    first.requeue();
    let mut batch = consumer.try_recv_many(3).unwrap();
    batch.ack_up_to(2);
    drop(batch);
    drop(consumer);
    let trace = checked(&log);
    assert!(trace.is_complete(), "{:?}", trace.omitted());
    assert!(trace.to_json().contains("\"multiple\":true"));
}

#[test]
fn a_deleted_queue_cancels_and_the_rest_comes_to_nothing() {
    let (broker, log) = broker();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    for body in ["1", "2"] {
        broker.publish("", "q", Message::new(body)).unwrap();
    }
    let mut consumer = broker.consumer("q").open().unwrap();
    let delivery = consumer.try_recv().unwrap();
    broker.delete_queue(&QueueDelete::new("q")).unwrap();
    assert_eq!(delivery.ack(), leveret::Settled::Gone);
    drop(consumer);
    let trace = checked(&log);
    assert!(trace.to_json().contains("\"event\":\"basic.cancel\""));
}

#[test]
fn plain_handles_and_channels_are_recorded_together() {
    let (broker, log) = broker();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.basic_consume(&leveret::Consume::new("q")).unwrap();
    let mut consumer = broker.consumer("q").no_ack().open().unwrap();
    let mut publisher = broker.publisher("").unwrap();
    for n in 0..6 {
        publisher.try_send("q", Message::new(format!("{n}"))).unwrap();
    }
    assert_eq!(consumer.try_recv_many(10).unwrap().len(), 3);
    channel.basic_nack(leveret::Tags::UpTo(2), leveret::Requeue::Yes).unwrap();
    drop(channel);
    drop(connection);
    drop(publisher.clone());
    let trace = checked(&log);
    assert!(trace.is_complete(), "{:?}", trace.omitted());
}

#[test]
fn a_sender_that_waits_is_recorded_when_it_gets_through() {
    let _watch = watched();
    let (broker, log) = broker();
    broker.declare(&Topology::new().queue(Queue::new("q").max_length(1, Overflow::RejectPublish))).unwrap();
    let mut publisher = broker.publisher("").unwrap();
    publisher.blocking_send("q", Message::new("1")).unwrap();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| publisher.blocking_send("q", Message::new("2")));
        while let Ok(None) = broker.get("q").map(|got| got.map(leveret::Delivery::ack)) {}
        sender.join().unwrap().unwrap();
    });
    let trace = checked(&log);
    assert!(trace.is_complete(), "{:?}", trace.omitted());
    assert_eq!(count(&trace, "basic.publish"), 2);
}
