//! Every future of the public API, dropped after each number of polls: nothing is lost or doubled, nobody stays behind in a
//! list of those who wait, and whatever the broker did then still works. What is given to a future that is dropped is
//! either where it was to go or gone with the future, as its documentation says; never in both places, never half.
//!
//! Seen to fail with: a `send` whose place in the list of a full queue is not given up, a `RecvChannelEvent` that does not
//! pass its wake on, a shutdown that stays in the list of those who wait for rest, a consumer whose place is kept when it
//! leaves, a driver that does not watch for another deadline.

#![cfg(feature = "testing")]
#![allow(clippy::field_reassign_with_default)] // `Limits` may grow fields.

mod watched;

use leveret::testing::TestBroker;
use leveret::{
    Broker, Channel, ChannelEvent, Consume, Message, Overflow, Publish, Queue, Recorder, RecorderBound, Topology,
};
use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use watched::watched;

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls a future up to so many times, doing the step of each number before it; then drops it. What it gave, if it did.
fn polled<T>(future: impl Future<Output = T>, polls: usize, step: impl FnMut(usize)) -> Option<T> {
    let (given, bell) = polled_by(future, polls, step);
    // Nobody keeps a waker of a future that is gone.
    assert_eq!(Arc::strong_count(&bell), 1, "a waker stayed behind");
    given
}

/// As [`polled`], for what has one place for a waker, which may keep it: a consumer, a broker's driver.
fn polled_by<T>(future: impl Future<Output = T>, polls: usize, mut step: impl FnMut(usize)) -> (Option<T>, Arc<Bell>) {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let given = {
        let mut future = pin!(future);
        let mut context = Context::from_waker(&waker);
        let mut given = None;
        for number in 0..polls {
            step(number);
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                given = Some(value);
                break;
            }
        }
        given
    };
    drop(waker);
    (given, bell)
}

struct Rig {
    broker: Broker,
    recorder: Recorder,
}

/// Two queues of two places each, behind a fanout.
fn rig() -> Rig {
    let recorder = Recorder::new(RecorderBound::messages(1_000));
    let broker = Broker::builder().manual_time().record(recorder.clone()).build();
    let bounded = |name: &str| Queue::new(name).max_length(2, Overflow::RejectPublish).bind("amq.fanout", "");
    broker.declare(&Topology::new().queue(bounded("a")).queue(bounded("b"))).unwrap();
    Rig { broker, recorder }
}

impl Rig {
    fn fill(&self, queue: &str, count: usize) {
        (0..count).for_each(|number| _ = self.broker.publish("", queue, Message::new(number.to_string())).unwrap());
    }

    fn ready(&self, queue: &str) -> u64 {
        self.broker.queue(queue).unwrap().stats().ready
    }

    fn take(&self, queue: &str) {
        self.broker.get(queue).unwrap().unwrap().ack();
    }

    fn is_well(&self) {
        self.broker.check_invariants().unwrap();
        self.recorder.ledger().assert_closed();
        for queue in ["a", "b"] {
            self.broker.queue(queue).unwrap().purge().unwrap();
            self.fill(queue, 2);
            let mut consumer = self.broker.consumer(queue).open().unwrap();
            assert_eq!(consumer.try_recv_many(8).unwrap().ack(), leveret::Settled::Done);
        }
        self.recorder.ledger().assert_closed();
    }
}

const POLLS: std::ops::Range<usize> = 0..7;

#[test]
fn a_receive() {
    let _watch = watched();
    for polls in POLLS {
        for arrives in POLLS {
            let rig = rig();
            let mut consumer = rig.broker.consumer("a").open().unwrap();
            let step = |number| {
                if number == arrives {
                    rig.fill("a", 2)
                }
            };
            let (got, bell) = polled_by(consumer.recv(), polls, step);
            let got = got.flatten();
            assert_eq!(got.is_some(), arrives < polls);
            // What it did not get is the next one's, in order.
            if arrives < polls {
                assert_eq!(&got.as_ref().unwrap().body()[..], b"0");
                assert_eq!(&consumer.try_recv().unwrap().body()[..], b"1");
            }
            drop((got, consumer));
            assert_eq!(Arc::strong_count(&bell), 1);
            rig.is_well();
        }
    }
}

#[test]
fn a_receive_of_many() {
    for polls in POLLS {
        for arrives in POLLS {
            let rig = rig();
            let mut consumer = rig.broker.consumer("a").open().unwrap();
            let step = |number| {
                if number == arrives {
                    rig.fill("a", 2)
                }
            };
            let (got, bell) = polled_by(consumer.recv_many(8), polls, step);
            let got = got.flatten();
            let there = if arrives < polls { 2 } else { 0 };
            assert_eq!(got.as_ref().map_or(0, |batch| batch.len()), there);
            drop((got, consumer));
            assert_eq!(Arc::strong_count(&bell), 1);
            rig.is_well();
        }
    }
}

#[test]
fn a_stream() {
    for polls in POLLS {
        let rig = rig();
        let mut consumer = rig.broker.consumer("a").open().unwrap();
        let next = std::future::poll_fn(|context| {
            let stream = std::pin::Pin::new(&mut consumer);
            <leveret::Consumer as futures_core::Stream>::poll_next(stream, context)
        });
        let (got, bell) = polled_by(next, polls, |number| {
            if number == 2 {
                rig.fill("a", 1)
            }
        });
        assert_eq!(got.is_some(), polls > 2);
        drop((got, consumer));
        assert_eq!(Arc::strong_count(&bell), 1);
        rig.is_well();
    }
}

/// One queue, or two that get room one after the other: the message is in all of them or in none.
#[test]
fn a_send() {
    for polls in POLLS {
        for (room_in_a, room_in_b) in [(1, 3), (3, 1), (2, 2), (0, 9), (9, 9)] {
            let rig = rig();
            ["a", "b"].into_iter().for_each(|queue| rig.fill(queue, 2));
            let mut publisher = rig.broker.publisher("amq.fanout").unwrap();
            let step = |number| {
                if number == room_in_a {
                    rig.take("a");
                }
                if number == room_in_b {
                    rig.take("b");
                }
            };
            let sent = polled(publisher.send("", Message::new("sent")), polls, step);
            let takes = |room| u64::from(room < polls);
            let (free_a, free_b) = (takes(room_in_a), takes(room_in_b));
            let went = u64::from(sent.is_some_and(|sent| sent.is_ok()));
            assert_eq!(went == 1, room_in_a.max(room_in_b) < polls, "{polls} {room_in_a} {room_in_b}");
            assert_eq!((rig.ready("a"), rig.ready("b")), (2 - free_a + went, 2 - free_b + went));
            drop(publisher);
            rig.is_well();
        }
    }
}

#[test]
fn a_send_of_many() {
    for polls in POLLS {
        let rig = rig();
        let mut publisher = rig.broker.publisher("").unwrap();
        let messages = (0..6).map(|number| Message::new(number.to_string()));
        let step = |number: usize| {
            if number > 0 {
                rig.take("a")
            }
        };
        let sent = polled(publisher.send_many("a", messages), polls, step);
        // Two at once, and one for each that was taken.
        assert_eq!(sent.is_some(), polls >= 5);
        let totals = rig.broker.queue("a").unwrap().stats().totals;
        assert_eq!(totals.enqueued, [0, 2, 3, 4, 5, 6, 6][polls]);
        drop(publisher);
        rig.is_well();
    }
}

fn bodies(channel: &Channel) -> Vec<String> {
    let event = || channel.try_recv().ok();
    let body = |event| match event {
        ChannelEvent::Deliver(delivery) => Some(String::from_utf8_lossy(delivery.message.body()).into_owned()),
        _ => None,
    };
    std::iter::from_fn(event).filter_map(body).collect()
}

/// Several tasks wait at one channel; the one that is woken and dropped passes it on.
#[test]
fn an_event_of_a_channel() {
    let _watch = watched();
    for polls in POLLS {
        let rig = rig();
        let connection = rig.broker.connect().unwrap();
        let channel = connection.open_channel().unwrap();
        channel.basic_consume(&Consume::new("a")).unwrap();
        let got = polled(channel.recv(), polls, |number| {
            if number == 1 {
                rig.fill("a", 2)
            }
        })
        .flatten();
        assert_eq!(got.is_some(), polls > 1);
        assert_eq!(bodies(&channel), if polls > 1 { &["1"][..] } else { &[] });

        let (first, second) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
        let (one, two) = (Waker::from(Arc::clone(&first)), Waker::from(Arc::clone(&second)));
        let (mut waits, mut behind) = (Box::pin(channel.recv()), Box::pin(channel.recv()));
        assert!(waits.as_mut().poll(&mut Context::from_waker(&one)).is_pending());
        assert!(behind.as_mut().poll(&mut Context::from_waker(&two)).is_pending());
        channel.basic_publish(&Publish::new("", "nowhere").mandatory(), Message::new("back")).unwrap();
        drop(waits);
        assert_eq!(second.0.load(Ordering::SeqCst), 1);
        assert!(behind.as_mut().poll(&mut Context::from_waker(&two)).is_ready());
        drop(behind);
        drop(connection);
        rig.is_well();
    }
}

#[test]
fn a_shutdown() {
    let _watch = watched();
    for polls in POLLS {
        for settles in POLLS {
            let rig = rig();
            rig.fill("a", 2);
            let mut held = rig.broker.get("a").unwrap();
            let shutdown = rig.broker.shutdown().drain(Duration::from_secs(9)).into_future();
            let step = |number| {
                if number == settles {
                    _ = held.take().map(|delivery| delivery.ack())
                }
            };
            let report = polled(shutdown, polls, step);
            assert_eq!(report.is_some(), settles < polls);
            assert_eq!(rig.broker.is_closed(), report.is_some());
            rig.broker.check_invariants().unwrap();
            drop(held);
            // Begun or not, a new one brings it to its end.
            let last = rig.broker.shutdown().drain(Duration::from_secs(9)).wait();
            let left: u64 = report.unwrap_or(last).left.iter().map(|left| left.ready).sum();
            assert_eq!(left, if settles < polls { 1 } else { 2 });
            rig.recorder.ledger().assert_closed();
        }
    }
}

/// The waits of the test double: whatever moment they are dropped at, time is somewhere between, and the next one works.
#[test]
fn waits_of_the_test_double() {
    let _watch = watched();
    let dying = |name: &str, millis| Queue::new(name).message_ttl(Duration::from_millis(millis)).dead_letter_to("dead");
    let broker = || {
        let t = TestBroker::new();
        let topology = Topology::new().queue(dying("one", 1)).queue(dying("two", 2)).queue(Queue::new("dead"));
        t.declare(&topology).unwrap();
        ["one", "two"].into_iter().for_each(|queue| _ = t.publish("", queue, Message::new(queue)).unwrap());
        t
    };
    for polls in 0..12 {
        for which in 0..6 {
            let t = broker();
            let mut consumer = t.consumer("dead").open().unwrap();
            let held = t.get("one").unwrap().unwrap();
            match which {
                0 => drop(polled(t.settle(), polls, |_| {})),
                1 => drop(polled(t.advance(Duration::from_millis(2)), polls, |_| {})),
                2 => drop(polled(t.advance_to_next(), polls, |_| {})),
                3 => drop(polled(t.run_until_quiet(Duration::from_secs(1)), polls, |_| {})),
                4 => drop(polled(t.attended(), polls, |_| {})),
                _ => drop(polled(t.shutdown().drain(Duration::from_secs(1)).into_future(), polls, |_| {})),
            }
            t.check_invariants().unwrap();
            held.requeue();
            if which < 5 {
                t.advance_blocking(Duration::from_millis(5)).unwrap();
                let dead: Vec<_> =
                    std::iter::from_fn(|| consumer.try_recv().ok()).map(|delivery| delivery.ack()).collect();
                assert_eq!(dead.len(), 2, "{which} {polls}");
            } else {
                let _ = t.shutdown().wait();
                assert!(t.is_closed());
            }
            t.ledger().assert_closed();
        }
    }
}

/// The task that drives a broker by tokio's clock: dropped at any moment, deadlines fire by the next one, or by a call.
#[cfg(feature = "tokio")]
#[test]
fn a_driver() {
    let _watch = watched();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _entered = runtime.enter();
    for polls in POLLS {
        let broker = Broker::builder().clock(leveret::TokioClock::new()).build();
        let dying = Queue::new("dying").message_ttl(Duration::from_millis(5)).dead_letter_to("dead");
        broker.declare(&Topology::new().queue(dying).queue(Queue::new("dead"))).unwrap();
        let step = |number| match number {
            1 => _ = broker.publish("", "dying", Message::new("one")).unwrap(),
            3 => runtime.block_on(tokio::time::advance(Duration::from_millis(5))),
            _ => {}
        };
        let (ended, bell) = polled_by(broker.drive(), polls, step);
        assert!(ended.is_none());
        let dead = || broker.queue("dead").unwrap().stats().ready;
        assert_eq!(dead(), u64::from(polls > 3), "{polls}");
        if polls > 1 {
            runtime.block_on(async {
                let driver = tokio::spawn(broker.drive());
                tokio::time::sleep(Duration::from_millis(20)).await;
                assert_eq!(dead(), 1);
                driver.abort();
            });
        }
        broker.check_invariants().unwrap();
        drop(broker);
        assert_eq!(Arc::strong_count(&bell), 1);
    }
}
