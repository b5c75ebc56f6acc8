//! The timer's thread: none before a first deadline, one with it, none where the caller drives time, none after the
//! broker. The threads of this process are counted, as Linux lists them; so this binary has one test.
//!
//! Seen to fail with: a thread that starts with the broker.
#![cfg(target_os = "linux")]

use leveret::{Broker, Message, QueueDeclare};
use std::time::{Duration, Instant};

/// How many threads this process has.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Waits until there are no more threads than `count`: Linux lists one for a moment after it was joined.
fn come_down_to(count: usize) {
    let begun = Instant::now();
    while threads() > count {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} threads are left over", threads() - count);
        std::thread::yield_now();
    }
}

/// Uses a broker without any deadline.
fn use_it(broker: &Broker) {
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    broker.publisher("").unwrap().blocking_send("q", Message::new("m")).unwrap();
    broker.consumer("q").open().unwrap().blocking_recv().unwrap().ack();
    let channel = broker.connect().unwrap().open_channel().unwrap();
    assert!(!channel.is_open(), "its connection is dropped");
}

/// A queue whose message has a deadline, in an hour.
fn give_deadline(broker: &Broker) {
    broker.publish("", "q", Message::new("mortal").expires_in(Duration::from_secs(3_600))).unwrap();
    assert!(broker.next_deadline().is_some());
}

#[test]
fn a_thread_comes_with_the_first_deadline_and_goes_with_the_broker() {
    let before = threads();
    let broker = Broker::new();
    use_it(&broker);
    assert_eq!((broker.next_deadline(), threads()), (None, before));
    give_deadline(&broker);
    assert_eq!(threads(), before + 1);
    give_deadline(&broker);
    assert_eq!(threads(), before + 1);
    drop(broker);
    come_down_to(before);

    for builder in [Broker::builder().manual_time(), Broker::builder().drive_manually()] {
        let driven = builder.build();
        use_it(&driven);
        give_deadline(&driven);
        driven.run_due();
        assert_eq!(threads(), before);
    }
}
