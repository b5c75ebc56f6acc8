//! A thousand brokers leave nothing behind: no thread and no memory.
//!
//! Every broker gets deadlines, so that its timer's thread starts, and publishers and consumers at work. This binary has
//! an allocator that counts, and so this one test.
//!
//! Seen to fail with: a timer's thread that is not ended, an engine that is kept.

#![allow(clippy::field_reassign_with_default)] // `Limits` may grow fields.

use leveret::{Broker, Message, QueueDeclare};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Uses a broker as a program does, and drops it with everything still at work.
fn use_and_drop() {
    let broker = Broker::new();
    broker.declare_queue(&QueueDeclare::new("dead")).unwrap();
    let mortal = QueueDeclare::new("q")
        .argument("x-message-ttl", 3_600_000)
        .argument("x-expires", 7_200_000)
        .argument("x-dead-letter-exchange", "")
        .argument("x-dead-letter-routing-key", "dead");
    broker.declare_queue(&mortal).unwrap();
    let mut publisher = broker.publisher("").unwrap();
    for n in 0..20 {
        publisher.blocking_send("q", Message::new(vec![n; 100]).header("n", i32::from(n))).unwrap();
    }
    let mut consumer = broker.consumer("q").prefetch(5).open().unwrap();
    let kept = consumer.blocking_recv().unwrap();
    consumer.blocking_recv().unwrap().ack();
    consumer.blocking_recv().unwrap().reject();
    assert!(consumer.recv_timeout(Duration::ZERO).is_ok());
    let waiting = std::thread::spawn({
        let mut idle = broker.consumer("dead").open().unwrap();
        move || while idle.blocking_recv().is_some() {}
    });
    drop(broker);
    waiting.join().unwrap();
    drop(kept);
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// Bytes that are in use.
fn in_use() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}

#[test]
fn a_thousand_brokers_leave_no_thread_and_no_memory() {
    // What the process keeps for itself (thread tables, the names of files) it has after a few.
    for _ in 0..20 {
        use_and_drop();
    }
    let (threads_before, bytes_before) = (threads(), in_use());
    for _ in 0..1_000 {
        use_and_drop();
    }
    // Linux lists a thread for a moment after it was joined.
    let begun = Instant::now();
    while threads() > threads_before {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} threads are left", threads() - threads_before);
        std::thread::yield_now();
    }
    // The runtime's own tables of threads and of parked ones come and go. The smallest thing a broker could leave behind,
    // in each of a thousand, would be more.
    let left = in_use() - bytes_before;
    assert!(left < 16_000, "{left} bytes are left of a thousand brokers");
}
