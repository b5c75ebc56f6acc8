//! Real threads on one queue: publishers, consumers that acknowledge, reject and requeue, consumers that come and go,
//! and somebody who looks. Nothing may be lost, doubled or reordered, and nobody may wait for ever.
//!
//! Acknowledgements that nobody waits for are only noted, and carried out by whoever acts on the queue next.
//!
//! Seen to fail with: no second look at what is noted after the flag is set, so that an acknowledgement is not seen or a
//! consumer waits for ever. Found here: a consumer that comes while one leaves, and takes its place in the queue with what
//! lay behind its ring.

mod watched;

use leveret::{Broker, Message, Queue, TryRecvError};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use watched::watched;

fn number(message: &leveret::Envelope) -> (u64, u64) {
    let text = std::str::from_utf8(message.body()).unwrap();
    let (publisher, at) = text.split_once(' ').unwrap();
    (publisher.parse().unwrap(), at.parse().unwrap())
}

/// Publishes `count` messages under `publisher`, waiting for room.
fn publish(broker: &Broker, publisher: u64, count: u64) {
    let mut queue = broker.publisher("").unwrap().mandatory();
    for at in 0..count {
        let routed = queue.blocking_send("work", Message::new(format!("{publisher} {at}"))).unwrap();
        assert_eq!(routed.queues, 1);
    }
}

/// How a broker's queue is set up, and how its consumers behave.
#[derive(Clone, Copy)]
struct Setting {
    publishers: u64,
    consumers: u64,
    prefetch: u32,
    bound: u64,
    each: u64,
}

fn live(setting: Setting) {
    let broker = Broker::new();
    let queue = Queue::new("work").max_length(setting.bound, leveret::Overflow::RejectPublish);
    broker.declare(&leveret::Topology::new().queue(queue)).unwrap();
    let total = setting.publishers * setting.each;
    let acknowledged = AtomicU64::new(0);
    let seen: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for publisher in 0..setting.publishers {
            let broker = &broker;
            scope.spawn(move || publish(broker, publisher, setting.each));
        }
        for which in 0..setting.consumers {
            let (broker, acknowledged, seen) = (&broker, &acknowledged, &seen);
            scope.spawn(move || {
                let mut mine = Vec::new();
                let mut turns = which;
                while acknowledged.load(Ordering::Acquire) < total {
                    // A consumer lives for some deliveries; what it has not received goes back.
                    let mut consumer = broker.consumer("work").prefetch(setting.prefetch).open().unwrap();
                    for _ in 0..500 {
                        let delivery = match consumer.try_recv() {
                            Ok(delivery) => delivery,
                            Err(TryRecvError::Empty) => {
                                std::thread::yield_now();
                                continue;
                            }
                            Err(error) => panic!("{error}"),
                        };
                        turns += 1;
                        if turns % 17 == 0 {
                            delivery.requeue();
                        } else if turns % 23 == 0 {
                            drop(delivery);
                        } else {
                            mine.push(number(delivery.message()));
                            delivery.ack();
                            acknowledged.fetch_add(1, Ordering::AcqRel);
                        }
                    }
                }
                seen.lock().unwrap().append(&mut mine);
            });
        }
        let (broker, acknowledged) = (&broker, &acknowledged);
        scope.spawn(move || {
            let work = broker.queue("work").unwrap();
            while acknowledged.load(Ordering::Acquire) < total {
                // Acknowledged first: what was acknowledged before the look must be gone in it.
                let before = acknowledged.load(Ordering::Acquire);
                let stats = work.stats();
                assert!(stats.totals.acknowledged >= before, "an acknowledgement that returned is not seen");
                let held = stats.ready + stats.unacked;
                assert_eq!(stats.totals.enqueued, held + stats.totals.acknowledged);
                std::thread::yield_now();
            }
        });
    });
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    let expected: Vec<_> = (0..setting.publishers).flat_map(|p| (0..setting.each).map(move |at| (p, at))).collect();
    assert_eq!(seen.len(), expected.len());
    assert!(seen == expected, "a message was lost or acknowledged twice");
    let stats = broker.queue("work").unwrap().stats();
    assert_eq!((stats.ready, stats.unacked), (0, 0));
}

#[test]
fn nothing_is_lost_or_doubled_between_threads() {
    let _watch = watched();
    for (publishers, consumers, prefetch, bound) in [(1, 1, 1, 4), (1, 1, 64, 1_000), (4, 4, 8, 32), (2, 3, 256, 16)] {
        live(Setting { publishers, consumers, prefetch, bound, each: 60_000 / publishers });
    }
}

/// One publisher, one consumer, both at full speed: the order is kept and nobody waits for ever, whatever the prefetch.
#[test]
fn one_to_one_keeps_its_order() {
    let _watch = watched();
    for prefetch in [1, 2, 31, 32, 33, 64, 256] {
        let broker = Broker::new();
        broker.declare(&leveret::Topology::new().queue(Queue::new("work"))).unwrap();
        std::thread::scope(|scope| {
            let mut consumer = broker.consumer("work").prefetch(prefetch).open().unwrap();
            let publisher = &broker;
            scope.spawn(move || publish(publisher, 0, 10_000));
            for at in 0..10_000 {
                let delivery = consumer.blocking_recv().unwrap();
                assert_eq!(number(delivery.message()), (0, at));
                delivery.ack();
            }
        });
    }
}

/// Consumers come and go on a queue that holds more than fits into their rings: whatever one leaves behind its ring comes
/// back, also where another one takes its place in the queue at that moment.
#[test]
fn what_a_consumer_leaves_comes_back_whoever_comes() {
    const MESSAGES: u64 = 100;
    let _watch = watched();
    let broker = Broker::new();
    broker.declare(&leveret::Topology::new().queue(Queue::new("work"))).unwrap();
    publish(&broker, 0, MESSAGES);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    drop(broker.consumer("work").open().unwrap());
                }
            });
        }
    });
    let stats = broker.queue("work").unwrap().stats();
    assert_eq!((stats.ready, stats.unacked), (MESSAGES, 0));
}

/// Acknowledged by another thread than the one that receives, which waits for the credit.
#[test]
fn a_receiver_that_waits_for_credit_is_served() {
    let _watch = watched();
    for prefetch in [1, 3] {
        let broker = Arc::new(Broker::new());
        broker.declare(&leveret::Topology::new().queue(Queue::new("work"))).unwrap();
        let (hand, handed) = std::sync::mpsc::channel::<leveret::Delivery>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                handed.into_iter().for_each(|delivery| assert_eq!(delivery.ack(), leveret::Settled::Done))
            });
            let publisher = Arc::clone(&broker);
            scope.spawn(move || publish(&publisher, 0, 30_000));
            let mut consumer = broker.consumer("work").prefetch(prefetch).open().unwrap();
            for _ in 0..30_000 {
                hand.send(consumer.blocking_recv().unwrap()).unwrap();
            }
            drop(hand);
        });
    }
}
