//! Back-pressure: senders wait for slow consumers, and memory stays within the bounds.
//!
//! Seen to fail with: room that wakes nobody who waits for it.

#![allow(clippy::field_reassign_with_default)] // `Limits` may grow fields.

mod watched;

use leveret::{Binding, Broker, Limits, Message, PublishErrorKind, QueueDeclare};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use watched::watched;

fn rejecting(queue: &str, length: u32) -> QueueDeclare {
    QueueDeclare::new(queue).argument("x-max-length", length).argument("x-overflow", "reject-publish")
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Sends far more than the queue holds, through several senders, and looks at its length at every delivery.
fn never_longer_than(broker: &Broker, longest: u64) {
    const EACH: usize = 300;
    std::thread::scope(|scope| {
        let senders = [0, 1, 2].map(|_| {
            let mut publisher = broker.publisher("").unwrap();
            scope.spawn(move || {
                for n in 0..EACH {
                    publisher.blocking_send("q", Message::new(n.to_string())).unwrap();
                }
            })
        });
        let mut slow = broker.consumer("q").prefetch(1).open().unwrap();
        for _ in 0..3 * EACH {
            let delivery = slow.blocking_recv().unwrap();
            assert!(broker.queue("q").unwrap().stats().ready <= longest);
            delivery.ack();
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
    let stats = broker.queue("q").unwrap().stats();
    assert_eq!((stats.ready, stats.unacked, stats.totals.acknowledged), (0, 0, 900));
    assert_eq!(stats.totals.refused + stats.totals.full, 0);
}

#[test]
fn a_classic_queue_of_its_own_length_bounds_its_senders() {
    let _watch = watched();
    let broker = Broker::builder().manual_time().build();
    broker.declare_queue(&rejecting("q", 5)).unwrap();
    never_longer_than(&broker, 5);
}

#[test]
fn a_quorum_queue_goes_over_its_length_by_one_at_most() {
    let _watch = watched();
    let broker = Broker::builder().manual_time().build();
    broker.declare_queue(&rejecting("q", 5).durable().argument("x-queue-type", "quorum")).unwrap();
    never_longer_than(&broker, 6);
}

#[test]
fn the_brokers_own_bound_holds_every_queue() {
    let _watch = watched();
    let mut limits = Limits::default();
    limits.ready_messages = 7;
    let broker = Broker::builder().limits(limits).manual_time().build();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    never_longer_than(&broker, 7);
}

#[test]
fn a_bound_in_bytes_waits_for_as_many_bytes() {
    let _watch = watched();
    let mut limits = Limits::default();
    limits.ready_bytes = 10;
    let broker = Broker::builder().limits(limits).manual_time().build();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    broker.publish("", "q", Message::new("123456")).unwrap();
    broker.publish("", "q", Message::new("1234")).unwrap();
    let mut publisher = broker.publisher("").unwrap();
    let mut sending = Box::pin(publisher.send("q", Message::new("12345")));
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    assert!(sending.as_mut().poll(&mut context).is_pending());
    let first = broker.get("q").unwrap().unwrap();
    assert_eq!(bell.rung(), 1);
    assert!(matches!(sending.as_mut().poll(&mut context), Poll::Ready(Ok(routed)) if routed.queues == 1));
    first.ack();
}

#[test]
fn no_queue_gets_a_message_before_every_queue_has_room() {
    let _watch = watched();
    let broker = Broker::builder().manual_time().build();
    for queue in ["a", "b", "c"] {
        broker.declare_queue(&rejecting(queue, 1)).unwrap();
        broker.bind(queue, &Binding::to("amq.fanout")).unwrap();
    }
    for full in ["a", "c"] {
        broker.publish("", full, Message::new("first")).unwrap();
    }
    let ready = || broker.stats().queues.iter().map(|queue| queue.ready).collect::<Vec<_>>();
    let mut publisher = broker.publisher("amq.fanout").unwrap();
    let mut sending = Box::pin(publisher.send("", Message::new("second")));
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    assert!(sending.as_mut().poll(&mut context).is_pending());
    broker.get("a").unwrap().unwrap().ack();
    assert_eq!(bell.rung(), 1);
    assert!(sending.as_mut().poll(&mut context).is_pending());
    assert_eq!(ready(), [0, 0, 1]);
    broker.get("c").unwrap().unwrap().ack();
    assert!(matches!(sending.as_mut().poll(&mut context), Poll::Ready(Ok(routed)) if routed.queues == 3));
    assert_eq!(ready(), [1, 1, 1]);
}

#[test]
fn a_dropped_send_leaves_neither_message_nor_waiter() {
    let _watch = watched();
    let broker = Broker::builder().manual_time().build();
    broker.declare_queue(&rejecting("q", 1)).unwrap();
    broker.publish("", "q", Message::new("first")).unwrap();
    let mut publisher = broker.publisher("").unwrap();
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    {
        let mut sending = Box::pin(publisher.send("q", Message::new("second")));
        assert!(sending.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(waker);
    assert_eq!(Arc::strong_count(&bell), 1);
    broker.get("q").unwrap().unwrap().ack();
    assert_eq!((bell.rung(), broker.queue("q").unwrap().stats().ready), (0, 0));
}

#[test]
fn a_waiting_send_follows_the_topology() {
    let _watch = watched();
    let broker = Broker::builder().manual_time().build();
    for queue in ["full", "other"] {
        broker.declare_queue(&rejecting(queue, 1)).unwrap();
    }
    broker.bind("full", &Binding::to("amq.direct").key("k")).unwrap();
    broker.publish("", "full", Message::new("first")).unwrap();
    let mut publisher = broker.publisher("amq.direct").unwrap();
    let mut sending = Box::pin(publisher.send("k", Message::new("second")));
    let mut context = Context::from_waker(Waker::noop());
    assert!(sending.as_mut().poll(&mut context).is_pending());
    broker.bind("other", &Binding::to("amq.direct").key("k")).unwrap();
    broker.queue("full").unwrap().delete().unwrap();
    assert!(matches!(sending.as_mut().poll(&mut context), Poll::Ready(Ok(routed)) if routed.queues == 1));
    assert_eq!(broker.queue("other").unwrap().stats().ready, 1);
}

#[test]
fn a_closed_broker_ends_the_wait() {
    let _watch = watched();
    let broker = Broker::builder().manual_time().build();
    broker.declare_queue(&rejecting("q", 1)).unwrap();
    broker.publish("", "q", Message::new("first")).unwrap();
    let mut publisher = broker.publisher("").unwrap();
    let sender = std::thread::spawn(move || publisher.blocking_send("q", Message::new("second")).unwrap_err());
    drop(broker);
    let error = sender.join().unwrap();
    assert_eq!(error.kind(), &PublishErrorKind::Closed);
    assert_eq!(error.into_message(), Message::new("second"));
}

#[test]
fn what_a_slow_consumer_has_not_received_is_bounded_too() {
    let _watch = watched();
    let mut limits = Limits::default();
    limits.unacked_messages = 10;
    limits.undrained_deliveries = 1_000;
    let broker = Broker::builder().limits(limits).manual_time().build();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    let _slow = broker.consumer("q").prefetch(0).open().unwrap();
    for _ in 0..50 {
        broker.publish("", "q", Message::new("m")).unwrap();
    }
    let stats = broker.queue("q").unwrap().stats();
    assert_eq!((stats.ready, stats.unacked), (40, 10));
}
