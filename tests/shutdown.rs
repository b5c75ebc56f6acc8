//! Shutting down in order.

#![allow(clippy::field_reassign_with_default)] // `Limits` may grow fields.

mod watched;

use leveret::{
    Broker, Consume, ConsumeError, Message, PublishErrorKind, Queue, QueueDeclare, Settled, Topology, TopologyError,
};
use std::future::IntoFuture;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use watched::watched;

fn broker() -> Broker {
    let broker = Broker::builder().manual_time().build();
    for queue in ["q", "dead"] {
        broker.declare_queue(&QueueDeclare::new(queue)).unwrap();
    }
    broker
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn at_once_reports_what_is_left() {
    let _watch = watched();
    let broker = broker();
    for body in ["1", "2"] {
        broker.publish("", "q", Message::new(body)).unwrap();
    }
    let out = broker.get("q").unwrap().unwrap();
    let report = broker.shutdown().wait();
    assert!(!report.drained);
    assert_eq!((report.left.len(), &*report.left[0].queue), (1, "q"));
    assert_eq!((report.left[0].ready, report.left[0].unacked), (1, 1));
    assert!(broker.is_closed());
    assert_eq!(out.ack(), Settled::Gone);
    let again = broker.shutdown().drain(Duration::from_secs(1)).wait();
    assert!(again.left.is_empty());
}

#[test]
fn while_it_drains_nothing_new_goes_in_or_out() {
    let _watch = watched();
    for queue in [Queue::new("q"), Queue::new("q").quorum()] {
        drains(queue);
    }
}

/// A queue with two messages, of which one is out.
fn drains(queue: Queue) {
    let broker = Broker::builder().manual_time().build();
    broker.declare(&Topology::new().queue(queue)).unwrap();
    let mut publisher = broker.publisher("").unwrap();
    publisher.try_send("q", Message::new("1")).unwrap();
    let mut consumer = broker.consumer("q").prefetch(1).open().unwrap();
    publisher.try_send("q", Message::new("2")).unwrap();
    let mut shutdown = broker.shutdown().drain(Duration::from_secs(60)).into_future();
    assert!(poll(&mut shutdown).is_pending());

    let refused = publisher.try_send("q", Message::new("3")).unwrap_err();
    assert_eq!(refused.kind(), &PublishErrorKind::Closed);
    assert_eq!(broker.publish("", "q", Message::new("3")).unwrap_err().kind(), &PublishErrorKind::Closed);
    assert_eq!(broker.consumer("q").open().unwrap_err(), ConsumeError::Queue(TopologyError::Closed));
    assert_eq!(broker.get("q").unwrap_err(), TopologyError::Closed);

    let last = consumer.blocking_recv().unwrap();
    assert_eq!(last.body(), "1");
    assert!(consumer.blocking_recv().is_none());
    assert!(poll(&mut shutdown).is_pending());
    assert_eq!(last.ack(), Settled::Done);
    let Poll::Ready(report) = poll(&mut shutdown) else { panic!("all is settled") };
    assert!(report.drained);
    assert_eq!((report.left[0].ready, report.left[0].unacked), (1, 0));
    assert!(broker.is_closed());
}

/// A channel may still consume; it takes the place in the queue that the plain consumer had, and nothing of what that one
/// has before it, though it is more than its ring holds.
#[test]
fn what_a_consumer_has_before_it_survives_who_comes_while_it_drains() {
    let _watch = watched();
    const MESSAGES: usize = 40;
    let broker = broker();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    for _ in 0..MESSAGES {
        broker.publish("", "q", Message::new("m")).unwrap();
    }
    let mut consumer = broker.consumer("q").prefetch(256).open().unwrap();
    let mut shutdown = broker.shutdown().drain(Duration::from_secs(60)).into_future();
    assert!(poll(&mut shutdown).is_pending());
    channel.basic_consume(&Consume::new("q")).unwrap();
    let mut received = 0;
    while let Some(delivery) = consumer.blocking_recv() {
        delivery.ack();
        received += 1;
    }
    assert_eq!(received, MESSAGES);
    assert!(poll(&mut shutdown).is_ready());
}

#[test]
fn a_settlement_ends_a_blocked_drain() {
    let _watch = watched();
    let broker = broker();
    broker.publish("", "q", Message::new("1")).unwrap();
    let out = broker.get("q").unwrap().unwrap();
    let waiting = broker.clone();
    let drain = std::thread::spawn(move || waiting.shutdown().drain(Duration::from_secs(60)).wait());
    while broker.next_deadline().is_none() {
        std::thread::yield_now();
    }
    out.ack();
    assert!(drain.join().unwrap().drained);
}

#[test]
fn the_drain_ends_with_its_time() {
    let _watch = watched();
    let broker = broker();
    broker.publish("", "q", Message::new("1")).unwrap();
    let _out = broker.get("q").unwrap().unwrap();
    let waiting = broker.clone();
    let drain = std::thread::spawn(move || waiting.shutdown().drain(Duration::from_secs(60)).wait());
    while broker.next_deadline().is_none() {
        std::thread::yield_now();
    }
    broker.advance(Duration::from_secs(60));
    let report = drain.join().unwrap();
    assert!(!report.drained);
    assert_eq!(report.left[0].unacked, 1);
}

#[test]
fn a_dropped_drain_can_be_taken_up_again() {
    let _watch = watched();
    let broker = broker();
    broker.publish("", "q", Message::new("1")).unwrap();
    let out = broker.get("q").unwrap().unwrap();
    let mut shutdown = broker.shutdown().drain(Duration::from_secs(60)).into_future();
    assert!(poll(&mut shutdown).is_pending());
    drop(shutdown);
    assert!(!broker.is_closed());
    assert_eq!(broker.next_deadline(), None);
    out.ack();
    assert!(broker.shutdown().wait().drained);
}

#[test]
fn the_last_handle_closes_at_once() {
    let _watch = watched();
    let broker = broker();
    let mut publisher = broker.publisher("").unwrap();
    let mut consumer = broker.consumer("q").open().unwrap();
    let clone = broker.clone();
    drop(broker);
    publisher.try_send("q", Message::new("1")).unwrap();
    drop(clone);
    assert_eq!(publisher.try_send("q", Message::new("2")).unwrap_err().kind(), &PublishErrorKind::Closed);
    assert_eq!(consumer.blocking_recv().unwrap().ack(), Settled::Gone);
    assert!(consumer.blocking_recv().is_none());
}

#[test]
fn the_timer_wakes_a_drain_that_is_a_task() {
    let _watch = watched();
    let broker = Broker::new();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    broker.publish("", "q", Message::new("1")).unwrap();
    let _out = broker.get("q").unwrap().unwrap();
    let report = smol::block_on(broker.shutdown().drain(Duration::from_millis(1)).into_future());
    assert!(!report.drained);
}

/// The table of deadlines once kept what the queues of a closed broker waited for, and nobody ever took it out: whoever
/// fired what is due, and so the broker's own thread, went round for ever.
#[test]
fn time_goes_on_after_the_end() {
    let _watch = watched();
    let broker = broker();
    broker.publish("", "q", Message::new("1").expires_in(Duration::from_millis(10))).unwrap();
    let _ = broker.shutdown().wait();
    assert_eq!(broker.next_deadline(), None);
    broker.advance(Duration::from_secs(1));
    assert_eq!(broker.now().as_millis(), 1_000);
}

#[test]
fn the_timer_ends_with_a_deadline_before_it() {
    let _watch = watched();
    for _ in 0..200 {
        let broker = Broker::new();
        for number in 0..50 {
            broker.declare_queue(&QueueDeclare::new(format!("q{number}"))).unwrap();
            broker.publish("", &format!("q{number}"), Message::new("1").expires_in(Duration::from_millis(0))).unwrap();
            broker.publish("", &format!("q{number}"), Message::new("1").expires_in(Duration::from_millis(1))).unwrap();
        }
        let _ = broker.shutdown().wait();
    }
}

/// A queue that was in use until the drain began is not unused since its consumer came.
#[test]
fn a_drain_does_not_expire_a_queue_that_was_in_use() {
    for kind in ["classic", "quorum"] {
        let broker = Broker::builder().manual_time().build();
        let declare = QueueDeclare::new("x").durable().argument("x-queue-type", kind).argument("x-expires", 60_000_i64);
        broker.declare_queue(&declare).unwrap();
        broker.publish("", "x", Message::new("1")).unwrap();
        let mut consumer = broker.consumer("x").open().unwrap();
        let out = consumer.try_recv().unwrap();
        broker.advance(Duration::from_secs(3_600));
        let mut shutdown = broker.shutdown().drain(Duration::from_secs(10)).into_future();
        assert!(poll(&mut shutdown).is_pending());
        broker.advance(Duration::from_secs(1));
        assert_eq!(out.ack(), Settled::Done, "{kind}");
    }
}
