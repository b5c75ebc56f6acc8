//! Each place where threads meet, under loom: all interleavings with at most two preemptions, and all values that the
//! memory model lets an atomic load see.
//!
//! Nothing is modelled again. `src/base/sync.rs` takes loom's locks, atomics and parking in the place of its own, and the
//! scenarios run the engine: parts of it (`inside.rs`) where those are to be seen alone, and the whole broker where a path
//! goes through several.
//!
//! What loom does not see: the inside of the ring (`rtrb`), which counts as one step; counters of `Arc`; and accesses that
//! are sequentially consistent, for which `src/base/explored.rs` puts fences. Those are stronger, so where two threads
//! cross over (`engine/deadlines.rs`, the manual clock) their order of steps is explored, and not whether each access is
//! strong enough: weaker ones were planted in the clock and the alarms, and not found. A note of `engine/acks.rs` that is
//! not looked at again was planted, and found.
//!
//! ```sh
//! cd tests/interleavings
//! RUSTFLAGS='--cfg leveret_loom' CARGO_TARGET_DIR=target/loom cargo test --release --test loom
//! ```
//!
//! `LOOM_MAX_PREEMPTIONS` is how many preemptions there are, and `LEVERET_LOOM_SECONDS` for how long each scenario is
//! explored at most; a scenario that is cut short says so.
//!
//! Seen to fail with: a deadline that looks whether the timer is to be woken before it is written.

#![cfg(leveret_loom)]

use leveret::internals::Credit;
use leveret::{
    Binding, Broker, Consume, Exchange, Limits, Message, Overflow, Qos, Queue, QueueDeclare, Tags, Topology, inside,
};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    let seconds = std::env::var("LEVERET_LOOM_SECONDS").map_or(10, |text| text.parse().expect("a number of seconds"));
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(2));
    model.max_branches = 100_000;
    model.max_duration = Some(Duration::from_secs(seconds));
    model.check(scenario);
}

fn broker() -> Broker {
    let broker = Broker::builder().manual_time().build();
    broker.declare_queue(&QueueDeclare::new("one")).unwrap();
    broker
}

macro_rules! inside {
    ($($name:ident,)*) => {
        $(#[test]
        fn $name() {
            explore(inside::$name);
        })*
    };
}

inside! {
    a_deadline_is_known_or_wakes_the_timer,
    the_earlier_deadline_of_two_is_known_or_wakes_the_timer,
    an_alarm_is_known_or_wakes_the_timer,
    a_moved_clock_ends_a_wait,
    a_note_or_the_flag_is_seen,
    notes_are_taken_once,
    a_registered_waiter_is_woken,
    a_flush_has_told_what_was_noted,
}

/// `credit.rs`: a limit of one is never exceeded, and what was given back can be taken.
#[test]
fn a_limit_is_never_exceeded() {
    explore(|| {
        let credit = Arc::new(Credit::new(1));
        credit.set_limit(1, 0);
        let out = Arc::new(AtomicBool::new(false));
        let take = |credit: &Credit, out: &AtomicBool| {
            let taken = credit.try_take(true);
            if taken {
                assert!(!out.swap(true, Ordering::AcqRel), "two are out");
                out.store(false, Ordering::Release);
                assert!(credit.give(1), "the gate opens");
            }
            taken
        };
        let other = thread::spawn({
            let (credit, out) = (Arc::clone(&credit), Arc::clone(&out));
            move || take(&credit, &out)
        });
        let mine = take(&credit, &out);
        assert!(other.join().unwrap() || mine);
        assert!(credit.has_room());
    });
}

/// `credit.rs`: of those that drain a full window exactly one is told that it opened.
#[test]
fn a_window_opens_once() {
    explore(|| {
        let credit = Arc::new(Credit::new(2));
        credit.enter_window();
        credit.enter_window();
        assert!(credit.is_window_full());
        let other = thread::spawn({
            let credit = Arc::clone(&credit);
            move || credit.leave_window(1)
        });
        let mine = credit.leave_window(1);
        assert!(mine != other.join().unwrap());
        assert!(!credit.is_window_full());
    });
}

/// Mailbox and waiter: a message that comes while the consumer goes to sleep wakes it.
#[test]
fn a_publish_wakes_a_receiver() {
    explore(|| {
        let broker = broker();
        let mut consumer = broker.consumer("one").prefetch(1).open().unwrap();
        let publisher = broker.clone();
        let publisher = thread::spawn(move || publisher.publish("", "one", Message::new("")).unwrap());
        assert!(consumer.blocking_recv().is_some());
        publisher.join().unwrap();
    });
}

/// Noted acknowledgements: one that comes while the consumer goes to sleep for want of credit gives it the next message.
#[test]
fn an_acknowledgement_wakes_a_receiver() {
    explore(|| {
        let broker = broker();
        for _ in 0..2 {
            broker.publish("", "one", Message::new("")).unwrap();
        }
        let mut consumer = broker.consumer("one").prefetch(1).open().unwrap();
        let first = consumer.try_recv().unwrap();
        let other = thread::spawn(move || first.ack());
        consumer.blocking_recv().unwrap().ack();
        other.join().unwrap();
        assert_eq!(broker.queue("one").unwrap().stats().totals.acknowledged, 2);
    });
}

/// Noted acknowledgements: one that returned is seen by whoever looks afterwards.
#[test]
fn an_acknowledgement_that_returned_is_seen() {
    explore(|| {
        let broker = broker();
        broker.publish("", "one", Message::new("")).unwrap();
        let mut consumer = broker.consumer("one").prefetch(1).open().unwrap();
        let first = consumer.try_recv().unwrap();
        let returned = Arc::new(AtomicBool::new(false));
        let other = thread::spawn({
            let returned = Arc::clone(&returned);
            move || {
                first.ack();
                returned.store(true, Ordering::Release);
            }
        });
        let before = returned.load(Ordering::Acquire);
        let seen = broker.queue("one").unwrap().stats().totals.acknowledged;
        assert!(seen == 1 || !before);
        other.join().unwrap();
    });
}

/// Room: a publisher that goes to sleep while room comes is woken.
#[test]
fn room_wakes_a_publisher() {
    explore(|| {
        let broker = Broker::builder().manual_time().build();
        let queue = Queue::new("one").max_length(1, Overflow::RejectPublish);
        broker.declare(&Topology::new().queue(queue)).unwrap();
        let mut publisher = broker.publisher("").unwrap();
        publisher.try_send("one", Message::new("")).unwrap();
        let mut consumer = broker.consumer("one").prefetch(2).open().unwrap();
        publisher.try_send("one", Message::new("")).unwrap();
        let other = thread::spawn(move || {
            while let Ok(delivery) = consumer.try_recv() {
                delivery.ack();
            }
            consumer
        });
        publisher.blocking_send("one", Message::new("")).unwrap();
        drop(other.join().unwrap());
    });
}

/// The window of a consumer without prefetch: what it drained makes room for the next.
#[test]
fn a_drained_window_is_filled() {
    explore(|| {
        let mut limits = Limits::default();
        limits.undrained_deliveries = 1;
        let broker = Broker::builder().manual_time().limits(limits).build();
        broker.declare_queue(&QueueDeclare::new("one")).unwrap();
        let mut consumer = broker.consumer("one").open().unwrap();
        let publisher = broker.clone();
        let publisher = thread::spawn(move || {
            for _ in 0..2 {
                publisher.publish("", "one", Message::new("")).unwrap();
            }
        });
        for _ in 0..2 {
            consumer.blocking_recv().unwrap().ack();
        }
        publisher.join().unwrap();
    });
}

/// The limit that a channel's queues share: what is acknowledged of one queue lets the other one deliver.
#[test]
fn a_shared_limit_is_handed_on() {
    explore(|| {
        let broker = broker();
        broker.declare_queue(&QueueDeclare::new("two")).unwrap();
        let connection = broker.connect().unwrap();
        let channel = Arc::new(connection.open_channel().unwrap());
        channel.basic_qos(Qos::new(1).global()).unwrap();
        broker.publish("", "one", Message::new("")).unwrap();
        broker.publish("", "two", Message::new("")).unwrap();
        channel.basic_consume(&Consume::new("one")).unwrap();
        channel.basic_consume(&Consume::new("two")).unwrap();
        channel.try_recv().unwrap();
        let other = thread::spawn({
            let channel = Arc::clone(&channel);
            move || channel.basic_ack(Tags::UpTo(0)).unwrap()
        });
        assert!(channel.blocking_recv().is_some());
        other.join().unwrap();
    });
}

/// The route cache: a publish after a bind that returned goes to the new queue; one beside it, to either.
#[test]
fn a_bind_that_returned_counts() {
    explore(|| {
        let broker = Broker::builder().manual_time().build();
        let topology = Topology::new().exchange(Exchange::direct("x")).queue(Queue::new("one").bind("x", "k"));
        broker.declare(&topology.queue(Queue::new("two"))).unwrap();
        let mut publisher = broker.publisher("x").unwrap();
        assert_eq!(publisher.try_send("k", Message::new("")).unwrap().queues, 1);
        let bound = Arc::new(AtomicBool::new(false));
        let other = thread::spawn({
            let (broker, bound) = (broker.clone(), Arc::clone(&bound));
            move || {
                broker.bind("two", &Binding::to("x").key("k")).unwrap();
                bound.store(true, Ordering::Release);
            }
        });
        let before = bound.load(Ordering::Acquire);
        let queues = publisher.try_send("k", Message::new("")).unwrap().queues;
        assert!(queues == 2 || queues == 1 && !before);
        other.join().unwrap();
        assert_eq!(publisher.try_send("k", Message::new("")).unwrap().queues, 2);
    });
}

/// Coming to rest: the last settlement wakes whoever waits for it.
#[test]
fn a_drain_ends_with_the_last_settlement() {
    explore(|| {
        let broker = broker();
        broker.publish("", "one", Message::new("")).unwrap();
        let mut consumer = broker.consumer("one").prefetch(1).open().unwrap();
        let delivery = consumer.try_recv().unwrap();
        let other = thread::spawn(move || delivery.ack());
        assert!(broker.shutdown().drain(Duration::from_secs(1)).wait().drained);
        other.join().unwrap();
    });
}

/// The end of a queue, and of a broker, wakes its consumers.
#[test]
fn an_end_wakes_a_receiver() {
    for whole in [false, true] {
        explore(move || {
            let broker = broker();
            let mut consumer = broker.consumer("one").prefetch(1).open().unwrap();
            let other = thread::spawn(move || {
                if whole {
                    let _ = broker.shutdown().wait();
                } else {
                    broker.queue("one").unwrap().delete().unwrap();
                }
                broker
            });
            assert!(consumer.blocking_recv().is_none());
            drop(other.join().unwrap());
        });
    }
}
