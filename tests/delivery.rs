//! Deliveries: settled once, and never lost.
//!
//! Seen to fail with: a delivery that is acknowledged when it is dropped.

#![allow(clippy::field_reassign_with_default)] // `Limits` may grow fields.

use leveret::{Broker, Message, QueueDeclare, QueueDelete, Settled, Value};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn broker() -> Broker {
    let broker = Broker::builder().manual_time().build();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    broker
}

#[test]
fn a_dropped_delivery_comes_back_and_is_counted() {
    let broker = broker();
    broker.publish("", "q", Message::new("m")).unwrap();
    for attempt in 1..4 {
        let delivery = broker.get("q").unwrap().unwrap();
        assert_eq!((delivery.attempt(), delivery.redelivered()), (attempt, attempt > 1));
    }
}

#[test]
fn a_panic_brings_the_delivery_back() {
    let broker = broker();
    broker.publish("", "q", Message::new("m")).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _delivery = broker.get("q").unwrap().unwrap();
        panic!("the handler fails");
    }));
    assert!(panicked.is_err());
    assert_eq!(broker.get("q").unwrap().unwrap().attempt(), 2);
}

/// A panic drops what was made last first: the delivery, while its consumer still takes messages.
#[test]
fn a_panic_where_the_consumer_outlives_the_delivery_hands_it_out_once_more() {
    let broker = broker();
    broker.publish("", "q", Message::new("m")).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut consumer = broker.consumer("q").open().unwrap();
        let _delivery = consumer.try_recv().unwrap();
        panic!("the handler fails");
    }));
    assert!(panicked.is_err());
    // Twice back: from the delivery, and from the consumer, to which it was handed again unreceived.
    assert_eq!(broker.get("q").unwrap().unwrap().attempt(), 3);

    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let delivery = broker.consumer("q").open().unwrap().try_recv().unwrap();
        panic!("the handler fails with {delivery:?}");
    }));
    assert!(panicked.is_err());
    assert_eq!(broker.get("q").unwrap().unwrap().attempt(), 5);
}

#[test]
fn acknowledged_is_gone() {
    let broker = broker();
    broker.publish("", "q", Message::new("m")).unwrap();
    assert_eq!(broker.get("q").unwrap().unwrap().ack(), Settled::Done);
    assert!(broker.get("q").unwrap().is_none());
}

#[test]
fn requeued_stands_at_its_old_place() {
    let broker = broker();
    for body in ["1", "2"] {
        broker.publish("", "q", Message::new(body)).unwrap();
    }
    assert_eq!(broker.get("q").unwrap().unwrap().requeue(), Settled::Done);
    assert_eq!(&broker.get("q").unwrap().unwrap().body()[..], b"1");
}

#[test]
fn rejected_goes_to_the_dead_letter_exchange_with_its_history() {
    let broker = broker();
    let work =
        QueueDeclare::new("work").argument("x-dead-letter-exchange", "").argument("x-dead-letter-routing-key", "q");
    broker.declare_queue(&work).unwrap();
    broker.publish("", "work", Message::new("m")).unwrap();
    broker.get("work").unwrap().unwrap().reject();
    let dead = broker.get("q").unwrap().unwrap();
    assert_eq!((&*dead.deaths()[0].queue, dead.deaths()[0].count, dead.attempt()), ("work", 1, 1));
    assert_eq!(dead.header("x-first-death-reason"), Some(&Value::from("rejected")));
}

#[test]
fn settling_after_the_queue_is_deleted_says_that_it_is_gone() {
    let broker = broker();
    broker.publish("", "q", Message::new("m")).unwrap();
    let delivery = broker.get("q").unwrap().unwrap();
    broker.delete_queue(&QueueDelete::new("q")).unwrap();
    assert_eq!(delivery.ack(), Settled::Gone);
}

#[test]
fn a_delivery_does_not_keep_its_broker_open() {
    let broker = broker();
    broker.publish("", "q", Message::new("m")).unwrap();
    let delivery = broker.get("q").unwrap().unwrap();
    drop(broker);
    assert_eq!(&delivery.body()[..], b"m");
    assert_eq!(delivery.requeue(), Settled::Gone);
}

#[test]
fn a_quorum_queue_shows_its_count_from_the_first_return_on() {
    let broker = broker();
    broker.declare_queue(&QueueDeclare::new("safe").durable().argument("x-queue-type", "quorum")).unwrap();
    broker.publish("", "safe", Message::new("m").header("n", 1)).unwrap();
    let first = broker.get("safe").unwrap().unwrap();
    assert_eq!(first.header("x-delivery-count"), None);
    first.requeue();
    let second = broker.get("safe").unwrap().unwrap();
    assert_eq!(second.header("x-delivery-count").and_then(Value::as_integer), Some(1));
    assert_eq!((second.header("n"), second.attempt()), (Some(&Value::from(1)), 2));
}

#[test]
fn a_delivery_tells_where_it_came_from() {
    let broker = broker();
    broker.bind("q", &leveret::Binding::to("amq.topic").key("a.*")).unwrap();
    broker.publish("amq.topic", "a.b", Message::new("m").message_id("id")).unwrap();
    let delivery = broker.get("q").unwrap().unwrap();
    assert_eq!((&**delivery.exchange(), &**delivery.routing_key(), &**delivery.queue()), ("amq.topic", "a.b", "q"));
    assert_eq!(delivery.properties().message_id.as_deref(), Some("id"));
    assert_eq!(delivery.message().body(), delivery.body());
    delivery.ack();
}
