//! Consumers: receiving in every way, ends, and what comes back.
//!
//! Seen to fail with: a delivery or an end that wakes nobody who waits for it.

#![allow(clippy::field_reassign_with_default)] // `Limits` may grow fields.

mod watched;

use futures_core::Stream;
use leveret::{
    Broker, ConsumeError, Consumer, Limits, Message, QueueDeclare, QueueDelete, Settled, TopologyError, TryRecvError,
};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use watched::watched;

fn broker() -> Broker {
    let broker = Broker::builder().manual_time().build();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    broker
}

fn publish(broker: &Broker, bodies: &[&'static str]) {
    for body in bodies {
        broker.publish("", "q", Message::new(*body)).unwrap();
    }
}

/// Receives and acknowledges all that is here.
fn drain(consumer: &mut Consumer) -> Vec<String> {
    let mut bodies = Vec::new();
    while let Ok(delivery) = consumer.try_recv() {
        bodies.push(String::from_utf8(delivery.body().to_vec()).unwrap());
        delivery.ack();
    }
    bodies
}

fn ready_and_unacked(broker: &Broker) -> (u64, u64) {
    let stats = broker.queue("q").unwrap().stats();
    (stats.ready, stats.unacked)
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn deliveries_come_in_order_up_to_the_prefetch() {
    let _watch = watched();
    let broker = broker();
    publish(&broker, &["1", "2", "3"]);
    let mut consumer = broker.consumer("q").prefetch(2).open().unwrap();
    let first = consumer.try_recv().unwrap();
    let second = consumer.blocking_recv().unwrap();
    assert_eq!((&first.body()[..], &second.body()[..]), (&b"1"[..], &b"2"[..]));
    assert_eq!(consumer.try_recv().unwrap_err(), TryRecvError::Empty);
    first.ack();
    assert_eq!(&consumer.try_recv().unwrap().body()[..], b"3");
}

#[test]
fn a_dropped_consumer_gives_back_what_it_has_not_received() {
    let broker = broker();
    publish(&broker, &["1", "2", "3"]);
    let mut consumer = broker.consumer("q").prefetch(0).open().unwrap();
    let held = consumer.try_recv().unwrap();
    publish(&broker, &["4"]);
    assert_eq!(ready_and_unacked(&broker), (0, 4));
    drop(consumer);
    assert_eq!(ready_and_unacked(&broker), (3, 1));
    assert_eq!(held.ack(), Settled::Done);
    let mut next = broker.consumer("q").open().unwrap();
    assert_eq!(drain(&mut next), ["2", "3", "4"]);
}

#[test]
fn a_cancelled_consumer_hands_out_the_rest_and_ends() {
    let broker = broker();
    publish(&broker, &["1"]);
    let mut consumer = broker.consumer("q").open().unwrap();
    consumer.cancel();
    publish(&broker, &["2"]);
    let bodies: Vec<_> = consumer.iter().map(|delivery| delivery.body().clone()).collect();
    assert_eq!(bodies, ["1"]);
    assert_eq!(consumer.try_recv().unwrap_err(), TryRecvError::Closed);
    assert_eq!(ready_and_unacked(&broker), (2, 0));
}

#[test]
fn a_deleted_queue_ends_its_consumers_after_what_they_have() {
    let _watch = watched();
    let broker = broker();
    publish(&broker, &["1"]);
    let mut consumer = broker.consumer("q").open().unwrap();
    broker.delete_queue(&QueueDelete::new("q")).unwrap();
    assert_eq!(consumer.blocking_recv().unwrap().ack(), Settled::Gone);
    assert!(consumer.blocking_recv().is_none());
    assert!(consumer.blocking_recv().is_none());
}

#[test]
fn a_dropped_broker_ends_a_blocked_consumer() {
    let _watch = watched();
    let broker = broker();
    let mut consumer = broker.consumer("q").open().unwrap();
    let receiver = std::thread::spawn(move || consumer.blocking_recv().is_none());
    drop(broker);
    assert!(receiver.join().unwrap());
}

#[test]
fn without_acknowledgement_nothing_is_out() {
    let broker = broker();
    publish(&broker, &["1", "2"]);
    let mut consumer = broker.consumer("q").no_ack().open().unwrap();
    assert_eq!(ready_and_unacked(&broker), (0, 0));
    drop(consumer.try_recv().unwrap());
    assert_eq!(consumer.try_recv().unwrap().requeue(), Settled::Done);
    assert_eq!(ready_and_unacked(&broker), (0, 0));
}

#[test]
fn a_narrow_window_is_filled_again_and_again() {
    let mut limits = Limits::default();
    limits.undrained_deliveries = 3;
    let broker = Broker::builder().limits(limits).manual_time().build();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    for n in 0..50 {
        broker.publish("", "q", Message::new(n.to_string())).unwrap();
    }
    let mut consumer = broker.consumer("q").no_ack().open().unwrap();
    assert_eq!(broker.queue("q").unwrap().stats().ready, 47);
    assert_eq!(drain(&mut consumer), (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn the_waiting_task_is_woken_once_for_each_wait() {
    let broker = broker();
    let mut consumer = broker.consumer("q").open().unwrap();
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    assert!(consumer.poll_recv(&mut context).is_pending());
    publish(&broker, &["1", "2"]);
    assert_eq!(bell.0.load(Ordering::SeqCst), 1);
    for body in ["1", "2"] {
        let Poll::Ready(Some(delivery)) = Pin::new(&mut consumer).poll_next(&mut context) else { panic!("it is here") };
        assert_eq!(delivery.body(), body);
        delivery.ack();
    }
    assert!(consumer.poll_recv(&mut context).is_pending());
    broker.delete_queue(&QueueDelete::new("q")).unwrap();
    assert_eq!(bell.0.load(Ordering::SeqCst), 2);
    assert!(matches!(consumer.poll_recv(&mut context), Poll::Ready(None)));
}

#[test]
fn a_dropped_recv_loses_nothing() {
    let _watch = watched();
    let broker = broker();
    let mut consumer = broker.consumer("q").open().unwrap();
    let mut context = Context::from_waker(Waker::noop());
    {
        let mut waiting = Box::pin(consumer.recv());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        publish(&broker, &["1"]);
    }
    assert_eq!(consumer.blocking_recv().unwrap().body(), "1");
}

#[test]
fn a_timeout_follows_the_brokers_clock() {
    let _watch = watched();
    let broker = broker();
    let mut consumer = broker.consumer("q").open().unwrap();
    assert_eq!(consumer.recv_timeout(Duration::ZERO).unwrap_err(), TryRecvError::Empty);
    let receiver = std::thread::spawn(move || consumer.recv_timeout(Duration::from_secs(3_600)).unwrap_err());
    while broker.next_deadline().is_none() {
        std::thread::yield_now();
    }
    broker.advance(Duration::from_secs(3_599));
    broker.advance(Duration::from_secs(1));
    assert_eq!(receiver.join().unwrap(), TryRecvError::Empty);
    assert_eq!(broker.next_deadline(), None);
}

#[test]
fn a_delivery_ends_the_wait_for_a_time_that_stands_still() {
    let _watch = watched();
    let broker = broker();
    let mut consumer = broker.consumer("q").open().unwrap();
    let receiver = std::thread::spawn(move || consumer.recv_timeout(Duration::from_secs(1)).unwrap().body().clone());
    while broker.next_deadline().is_none() {
        std::thread::yield_now();
    }
    publish(&broker, &["1"]);
    assert_eq!(receiver.join().unwrap(), "1");
}

#[test]
fn higher_priority_is_served_first() {
    let broker = broker();
    let mut low = broker.consumer("q").prefetch(1).open().unwrap();
    let mut high = broker.consumer("q").prefetch(1).priority(10).open().unwrap();
    publish(&broker, &["1", "2"]);
    assert_eq!(high.try_recv().unwrap().body(), "1");
    assert_eq!(low.try_recv().unwrap().body(), "2");
}

#[test]
fn refusals_say_why() {
    let broker = broker();
    let missing = broker.consumer("none").open().unwrap_err();
    assert_eq!(missing, ConsumeError::Queue(TopologyError::NoQueue { queue: "none".to_owned() }));
    let only = broker.consumer("q").exclusive().tag("mine").open().unwrap();
    assert_eq!((&**only.tag(), &**only.queue()), ("mine", "q"));
    assert_eq!(broker.consumer("q").open().unwrap_err(), ConsumeError::ExclusiveUse("q".to_owned()));
    assert!(matches!(broker.consumer("q").tag("t".repeat(256)).open(), Err(ConsumeError::Tag(_))));
    drop(only);
    assert!(broker.consumer("q").open().is_ok());
}

#[test]
fn a_queue_of_a_connection_is_not_for_others() {
    let broker = broker();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.queue_declare(&QueueDeclare::new("own").exclusive()).unwrap();
    assert!(matches!(broker.consumer("own").open(), Err(ConsumeError::Queue(TopologyError::Locked { .. }))));
    assert!(matches!(broker.get("own"), Err(TopologyError::Locked { .. })));
    let own = broker.queue("own").unwrap();
    assert_eq!(own.stats().ready, 0);
    assert!(matches!(own.purge(), Err(TopologyError::Locked { .. })));
}

#[test]
fn an_auto_delete_queue_goes_with_its_last_consumer() {
    let broker = broker();
    broker.declare_queue(&QueueDeclare::new("brief").auto_delete()).unwrap();
    let one = broker.consumer("brief").open().unwrap();
    let two = broker.consumer("brief").open().unwrap();
    drop(one);
    assert!(broker.queue("brief").is_ok());
    drop(two);
    assert!(broker.queue("brief").is_err());
}
