//! Threads, tasks, the system's clock and foreign code: what they do to a recorded broker has one order, and is replayed.

use crate::watched::watched;
use leveret::{
    Broker, Consume, Delivery, Message, Overflow, Publish, Queue, QueueDeclare, Requeue, Topology, TraceLog,
};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

fn replay(log: &TraceLog) {
    let trace = log.trace();
    assert!(trace.is_complete(), "{:?}", trace.omitted());
    trace.replay(Broker::builder()).unwrap_or_else(|diverged| panic!("{diverged}\n{}", trace.to_json()));
}

/// A queue whose messages live for some milliseconds, and what they die into.
fn mortal(millis: u64) -> Topology {
    let mortal = Queue::new("mortal").message_ttl(Duration::from_millis(millis)).dead_letter_to("dead");
    Topology::new()
        .queue(mortal)
        .queue(Queue::new("dead").message_ttl(Duration::from_millis(3)).dead_letter_to("end"))
        .queue(Queue::new("end"))
}

#[test]
fn what_dies_on_the_system_s_clock_dies_in_the_replay() {
    let _watch = watched();
    let log = TraceLog::new(1 << 22);
    let broker = Broker::builder().trace(&log).build();
    broker.declare(&mortal(4)).unwrap();
    let mut end = broker.consumer("end").open().unwrap();
    for n in 0..20 {
        broker.publish("", "mortal", Message::new(format!("{n}"))).unwrap();
        if n % 4 == 3 {
            // Longer than the rest, but at the head first.
            end.blocking_recv().unwrap().ack();
        }
    }
    for _ in 0..15 {
        let delivery = end.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(delivery.deaths().len(), 2);
        delivery.ack();
    }
    assert_eq!(end.recv_timeout(Duration::from_millis(2)).err(), Some(leveret::TryRecvError::Empty));
    assert!(log.trace().to_json().contains("clock.advance"));
    replay(&log);
}

#[test]
fn many_threads_are_replayed_in_the_order_they_had() {
    let _watch = watched();
    let log = TraceLog::new(1 << 26);
    let broker = Broker::builder().trace(&log).build();
    broker.declare(&mortal(1)).unwrap();
    broker.declare(&Topology::new().queue(Queue::new("work").max_length(5, Overflow::RejectPublish))).unwrap();
    thread::scope(|scope| {
        for number in 0..3 {
            let broker = &broker;
            scope.spawn(move || plain_worker(broker, number));
            scope.spawn(move || channel_worker(broker));
        }
    });
    replay(&log);
}

fn plain_worker(broker: &Broker, number: usize) {
    let mut publisher = broker.publisher("").unwrap();
    let mut consumer = broker.consumer("work").prefetch(2).open().unwrap();
    for n in 0..60 {
        let _ = publisher.try_send(["work", "mortal"][(n + number) % 2], Message::new(format!("{number}.{n}")));
        match consumer.try_recv() {
            Ok(delivery) if n % 5 == 0 => drop(delivery),
            Ok(delivery) => drop(delivery.ack()),
            Err(_) => drop(broker.get("end").unwrap().map(Delivery::ack)),
        }
    }
}

fn channel_worker(broker: &Broker) {
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.confirm_select().unwrap();
    channel.basic_consume(&Consume::new("end")).unwrap();
    for n in 0..60 {
        channel.basic_publish(&Publish::new("", ["work", "mortal"][n % 2]), Message::new("c")).unwrap();
        while let Ok(event) = channel.try_recv() {
            if let leveret::ChannelEvent::Deliver(delivery) = event {
                let requeue = if delivery.redelivered { Requeue::No } else { Requeue::Yes };
                channel.basic_nack(delivery.delivery_tag, requeue).unwrap();
            }
        }
    }
}

/// Foreign code: a waker that publishes, and that settles a delivery when it is dropped.
struct Foreign {
    broker: Broker,
    _held: Mutex<Option<Delivery>>,
}

impl Wake for Foreign {
    fn wake(self: Arc<Self>) {
        self.broker.publish("", "woken", Message::new("woken")).unwrap();
    }
}

#[test]
fn foreign_code_may_use_the_broker_from_within() {
    let log = TraceLog::new(1 << 22);
    let broker = Broker::builder().manual_time().trace(&log).build();
    broker
        .declare(
            &Topology::new()
                .queue(Queue::new("full").max_length(1, Overflow::RejectPublish))
                .queue(Queue::new("held"))
                .queue(Queue::new("woken")),
        )
        .unwrap();
    broker.publish("", "held", Message::new("h")).unwrap();
    let held = broker.get("held").unwrap();
    let mut publisher = broker.publisher("").unwrap();
    publisher.try_send("full", Message::new("1")).unwrap();
    let foreign = |held| Waker::from(Arc::new(Foreign { broker: broker.clone(), _held: Mutex::new(held) }));
    {
        let mut sending = pin!(publisher.send("full", Message::new("2")));
        let (first, second) = (foreign(held), foreign(None));
        assert!(sending.as_mut().poll(&mut Context::from_waker(&first)).is_pending());
        drop(first);
        // Takes the first waker's place, which requeues what it held, in the middle of an attempt.
        assert!(sending.as_mut().poll(&mut Context::from_waker(&second)).is_pending());
        assert_eq!(broker.queue("held").unwrap().stats().ready, 1);
        broker.get("full").unwrap().unwrap().ack();
        assert_eq!(broker.queue("woken").unwrap().stats().ready, 1);
        assert!(matches!(sending.as_mut().poll(&mut Context::from_waker(&second)), Poll::Ready(Ok(_))));
    }
    replay(&log);
}

#[test]
fn a_shutdown_ends_the_log_and_hangs_nobody() {
    let _watch = watched();
    let log = TraceLog::new(1 << 22);
    let broker = Broker::builder().trace(&log).build();
    broker.declare(&mortal(1)).unwrap();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    broker.publish("", "mortal", Message::new("m")).unwrap();
    broker.publish("", "q", Message::new("m")).unwrap();
    let mut consumer = broker.consumer("q").open().unwrap();
    let delivery = consumer.try_recv().unwrap();
    thread::scope(|scope| {
        let report = scope.spawn(|| broker.shutdown().drain(Duration::from_secs(60)).wait());
        assert!(consumer.blocking_recv().is_none());
        delivery.ack();
        assert!(report.join().unwrap().drained);
    });
    let trace = log.trace();
    assert_eq!(trace.omitted().len(), 1, "{:?}", trace.omitted());
    assert!(trace.omitted()[0].what().contains("shutdown"));
    drop(consumer);
    drop(broker);
    assert_eq!(log.trace(), trace);
}
