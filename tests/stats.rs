//! Statistics answer where a message went.
//!
//! Seen to fail with: every delivery counted as a redelivery.

#![allow(clippy::field_reassign_with_default)] // `Limits` may grow fields.

use leveret::{Broker, Message, Queue, QueueDeclare, QueueDelete, Topology};
use std::time::Duration;

fn broker() -> Broker {
    Broker::builder().manual_time().build()
}

fn dying(queue: &str, exchange: &str, key: &str) -> QueueDeclare {
    QueueDeclare::new(queue)
        .argument("x-dead-letter-exchange", exchange)
        .argument("x-dead-letter-routing-key", key)
        .argument("x-max-length", 0)
}

#[test]
fn queues_are_listed_in_the_order_of_their_declaration() {
    let broker = broker();
    for queue in ["z", "a", "m"] {
        broker.declare_queue(&QueueDeclare::new(queue)).unwrap();
    }
    let names: Vec<String> = broker.stats().queues.iter().map(|queue| queue.name.to_string()).collect();
    assert_eq!(names, ["z", "a", "m"]);
    assert_eq!(broker.stats().exchanges, 6);
}

/// Without a delivery limit a quorum queue has a way of its own to take back what is returned.
#[test]
fn returns_are_counted_with_a_delivery_limit_and_without() {
    for limit in [-1, 20] {
        let broker = broker();
        broker.declare(&Topology::new().queue(Queue::new("q").quorum().argument("x-delivery-limit", limit))).unwrap();
        broker.publish("", "q", Message::new("")).unwrap();
        for round in 1..=3 {
            broker.get("q").unwrap().unwrap().requeue();
            let totals = broker.queue("q").unwrap().stats().totals;
            assert_eq!((totals.enqueued, totals.delivered, totals.requeued), (1, round, round), "limit {limit}");
        }
    }
}

#[test]
fn every_fate_of_a_message_is_counted() {
    let broker = broker();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    for body in ["acked", "rejected", "requeued", "out"] {
        broker.publish("", "q", Message::new(body)).unwrap();
    }
    broker.publish("", "q", Message::new("expired").expires_in(Duration::ZERO)).unwrap();
    broker.get("q").unwrap().unwrap().ack();
    broker.get("q").unwrap().unwrap().reject();
    broker.get("q").unwrap().unwrap().requeue();
    let _first_again = broker.get("q").unwrap().unwrap();
    let _out = broker.get("q").unwrap().unwrap();
    assert!(broker.get("q").unwrap().is_none());
    let stats = broker.queue("q").unwrap().stats();
    let totals = stats.totals;
    assert_eq!((stats.ready, stats.unacked), (0, 2));
    assert_eq!((totals.enqueued, totals.acknowledged, totals.rejected, totals.requeued), (5, 1, 1, 1));
    assert_eq!((totals.expired, totals.delivered, totals.redelivered), (1, 5, 1));
    assert_eq!(broker.stats().publishes.published, 5);
    assert_eq!(broker.stats().dead_letters.no_dead_letter_exchange, 2);
}

#[test]
fn the_dead_are_counted_by_where_they_ended() {
    let broker = broker();
    broker.declare_queue(&QueueDeclare::new("morgue")).unwrap();
    broker.declare_queue(&dying("arrives", "", "morgue")).unwrap();
    broker.declare_queue(&dying("nowhere", "no-such-exchange", "")).unwrap();
    broker.declare_queue(&dying("unbound", "", "nobody")).unwrap();
    broker.declare_queue(&dying("circle", "", "circle")).unwrap();
    broker.declare_queue(&QueueDeclare::new("dropped").argument("x-max-length", 0)).unwrap();
    for queue in ["arrives", "nowhere", "unbound", "circle", "dropped"] {
        broker.publish("", queue, Message::new("m")).unwrap();
    }
    let dead = broker.stats().dead_letters;
    assert_eq!((dead.arrived, dead.no_such_exchange, dead.unroutable), (1, 1, 1));
    assert_eq!((dead.cycles, dead.no_dead_letter_exchange, dead.refused), (1, 1, 0));
}

#[test]
fn looking_changes_nothing_and_purging_only_what_is_ready() {
    let broker = broker();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    for body in ["1", "2", "3"] {
        broker.publish("", "q", Message::new(body)).unwrap();
    }
    broker.get("q").unwrap().unwrap().requeue();
    let out = broker.get("q").unwrap().unwrap();
    let queue = broker.queue("q").unwrap();
    let before = queue.stats();
    let seen: Vec<_> = queue.peek(10).iter().map(|seen| (seen.message.body().clone(), seen.redelivered)).collect();
    assert_eq!(seen, [("2".into(), false), ("3".into(), false)]);
    assert_eq!(queue.peek(1).len(), 1);
    assert_eq!(broker.peek("q", 10).unwrap().len(), 2);
    assert!(broker.peek("none", 10).is_err());
    assert_eq!(queue.stats(), before);
    assert_eq!(queue.purge().unwrap(), 2);
    assert_eq!((queue.stats().ready, queue.stats().unacked), (0, 1));
    out.requeue();
    assert!(queue.peek(1)[0].redelivered);
}

#[test]
fn a_handle_stays_with_its_queue() {
    let broker = broker();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    let old = broker.queue("q").unwrap();
    let same = broker.queue("q").unwrap();
    broker.publish("", "q", Message::new("m")).unwrap();
    assert_eq!(old.delete().unwrap(), 1);
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    assert!(same.is_gone());
    assert!(same.purge().is_err());
    assert!(same.delete().is_err());
    assert!(broker.queue("q").is_ok());
}

#[cfg(feature = "serde")]
#[test]
fn statistics_are_json() {
    let broker = broker();
    broker.declare(&Topology::new()).unwrap();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    let json = serde_json::to_value(broker.stats()).unwrap();
    assert_eq!(json["queues"][0]["name"], "q");
    assert_eq!(json["queues"][0]["kind"], "classic");
    assert_eq!(json["publishes"]["published"], 0);
}

/// A publish that goes to one queue only is counted by that queue, and stays counted when the queue is gone.
#[test]
fn every_publish_is_counted_once_whichever_way_it_goes() {
    let broker = Broker::builder().manual_time().build();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    let mut publisher = broker.publisher("").unwrap();
    broker.publish("", "q", Message::new("once")).unwrap();
    publisher.try_send("q", Message::new("warm up")).unwrap();
    publisher.try_send("q", Message::new("warm")).unwrap();
    publisher.blocking_send("q", Message::new("waiting")).unwrap();
    publisher.blocking_send_many("q", ["a", "b", "c"].map(Message::new)).unwrap();
    publisher.try_send("nowhere", Message::new("lost")).unwrap();
    let published = || (broker.stats().publishes.published, broker.stats().publishes.unroutable);
    assert_eq!(published(), (8, 1));
    broker.delete_queue(&QueueDelete::new("q")).unwrap();
    assert_eq!(published(), (8, 1));
}
