//! What is held, measured in bytes of the heap: names that came and went leave nothing, and what the broker counts as held
//! is what it holds.
//!
//! This binary has an allocator that counts; its tests take turns. A million names in release, a few thousand in debug.
//!
//! Seen to fail with: a queue's name that is kept when it is deleted, a body that is counted twice, a recorder that counts half
//! of its bodies or no headers, a queue that holds two more lists in place (1,036 bytes), a table of queues that does not shrink,
//! a quorum queue that keeps the places of a backlog, the name of an alternate that outlives its exchange.

#![allow(clippy::field_reassign_with_default)] // The bounds may grow fields.

use leveret::{
    Binding, Broker, Exchange, ExchangeDelete, Message, Policy, Queue, QueueDeclare, QueueDelete, Recorder,
    RecorderBound, Topology, Value,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::sync::Mutex;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Only one test measures at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Bytes that are in use.
fn in_use() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}

const NAMES: usize = if cfg!(debug_assertions) { 5_000 } else { 1_000_000 };
const MIB: isize = 1 << 20;

/// Names of queues, exchanges, keys, policies, consumers, connections and headers, none of them twice.
#[test]
fn names_that_went_leave_no_memory() {
    let _turn = TURN.lock();
    let broker = Broker::builder().manual_time().build();
    let round = |number: usize| {
        let name = format!("a name that is too long to lie in place, of number {number}");
        let exchange = Exchange::topic(&*name).alternate(format!("the alternate of {name}"));
        broker.declare(&Topology::new().exchange(exchange).queue(Queue::new(&*name).bind(&*name, &*name))).unwrap();
        broker.bind(&name, &Binding::to("amq.headers").argument(&*name, &*name)).unwrap();
        let policy = Policy::new(&*name, "^never$").define("max-length", 1_i64);
        broker.set_policy(policy).unwrap();
        broker.publish(&name, &name, Message::new("m").header(&*name, &*name).message_id(&*name)).unwrap();
        let mut consumer = broker.consumer(&name).tag(&*name).open().unwrap();
        consumer.try_recv().unwrap().ack();
        drop(consumer);
        drop(broker.connect_named(&name).unwrap());
        broker.clear_policy(&name).unwrap();
        broker.delete_exchange(&ExchangeDelete::new(&*name)).unwrap();
        broker.delete_queue(&QueueDelete::new(&*name)).unwrap();
    };
    (0..100).for_each(round);
    let before = in_use();
    (100..NAMES).for_each(round);
    let left = in_use() - before;
    assert!(left < MIB / 16, "{left} bytes are left of {NAMES} names");
}

/// What a queue takes that nobody has used yet, with its place in the broker's tables; what only the test double needs is not
/// in production.
#[test]
fn an_idle_queue_takes_a_kibibyte() {
    const QUEUES: isize = 2_000;
    const MOST: isize = if cfg!(feature = "testing") { 1_200 } else { 1_024 };
    let _turn = TURN.lock();
    let broker = Broker::builder().manual_time().build();
    let before = in_use();
    (0..QUEUES).for_each(|number| _ = broker.declare_queue(&QueueDeclare::new(format!("queue-{number}"))).unwrap());
    let each = (in_use() - before) / QUEUES;
    assert!(each <= MOST, "{each} bytes");
}

/// Declared all together and then deleted, so that every table was large once.
#[test]
fn tables_shrink_when_their_names_go() {
    let _turn = TURN.lock();
    let before = in_use();
    let broker = Broker::builder().manual_time().build();
    let empty = in_use() - before;
    let names = || (0..NAMES / 10).map(|number| format!("a name that is too long to lie in place, of number {number}"));
    for name in names() {
        broker.declare(&Topology::new().queue(Queue::new(&*name).bind("amq.topic", &*name))).unwrap();
    }
    let full = in_use() - before;
    for name in names() {
        broker.delete_queue(&QueueDelete::new(&*name)).unwrap();
    }
    let left = in_use() - before;
    // What is left are empty tables, a few dozen bytes for each name that they once had at once.
    assert!(left * 5 < full, "{left} of {full} bytes are left");
    assert!(left - empty < NAMES as isize / 10 * 100, "{left} bytes are left, where an empty broker has {empty}");
    assert_eq!(broker.stats().queues.len(), 0);
    drop(broker);
    assert!(in_use() - before < MIB / 16, "{} bytes are left of the broker", in_use() - before);
}

/// `ready_bytes` and `unacked_bytes` are what the bodies take, however they came.
#[test]
fn bytes_that_a_queue_counts_are_those_it_holds() {
    let _turn = TURN.lock();
    const BODY: usize = 16 << 10;
    const MESSAGES: usize = 500;
    for quorum in [false, true] {
        let broker = Broker::builder().manual_time().build();
        let queue = if quorum { Queue::new("q").quorum() } else { Queue::new("q") };
        broker.declare(&Topology::new().queue(queue)).unwrap();
        let counted = || {
            let stats = broker.queue("q").unwrap().stats();
            (stats.ready_bytes + stats.unacked_bytes) as isize
        };
        let before = in_use();
        let near = |what: &str| {
            let (counted, measured) = (counted(), in_use() - before);
            let apart = (measured - counted).abs();
            assert!(apart * 5 <= counted.max(MIB / 4), "{what}: {counted} bytes counted, {measured} measured");
        };
        for _ in 0..MESSAGES {
            broker.publish("", "q", Message::new(vec![7_u8; BODY])).unwrap();
        }
        assert_eq!(counted(), (BODY * MESSAGES) as isize);
        near("published");
        let mut consumer = broker.consumer("q").prefetch(100).open().unwrap();
        near("out");
        let mut held = consumer.try_recv_many(100).unwrap();
        held.ack_up_to(50);
        near("acknowledged");
        held.requeue();
        drop(consumer);
        near("requeued");
        broker.queue("q").unwrap().purge().unwrap();
        assert_eq!(counted(), 0);
        near("purged");
    }
}

/// Tens of thousands of messages that waited, were out, and came back, and then went.
#[test]
fn a_backlog_that_went_leaves_no_memory() {
    let _turn = TURN.lock();
    for quorum in [false, true] {
        let broker = Broker::builder().manual_time().build();
        let queue = if quorum { Queue::new("q").quorum() } else { Queue::new("q") };
        broker.declare(&Topology::new().queue(queue)).unwrap();
        let before = in_use();
        for _ in 0..20_000 {
            broker.publish("", "q", Message::new("m")).unwrap();
        }
        let mut consumer = broker.consumer("q").prefetch(10_000).open().unwrap();
        consumer.try_recv_many(10_000).unwrap().requeue();
        consumer.try_recv_many(5_000).unwrap().ack();
        drop(consumer);
        while let Some(delivery) = broker.get("q").unwrap() {
            delivery.ack();
        }
        let left = in_use() - before;
        assert!(left < MIB / 16, "{left} bytes are left in a queue of which quorum is {quorum}");
    }
}

/// A fan-out shares its body: counted in each queue, held once.
#[test]
fn a_body_is_held_once_for_all_queues() {
    let _turn = TURN.lock();
    const BODY: usize = 1 << 20;
    let broker = Broker::builder().manual_time().build();
    for queue in 0..8 {
        broker.declare(&Topology::new().queue(Queue::new(queue.to_string()).bind("amq.fanout", ""))).unwrap();
    }
    let before = in_use();
    broker.publish("amq.fanout", "", Message::new(vec![7_u8; BODY])).unwrap();
    let held = in_use() - before;
    assert!((held - BODY as isize).abs() * 5 < BODY as isize, "{held} bytes");
    let counted: u64 = broker.stats().queues.iter().map(|queue| queue.ready_bytes).sum();
    assert_eq!(counted, 8 * BODY as u64);
    (0..8).for_each(|queue: u32| _ = broker.queue(&queue.to_string()).unwrap().purge().unwrap());
    assert!(in_use() - before < MIB / 16, "{} bytes", in_use() - before);
}

/// A recorder at its bound in bytes holds those bytes and no more, whatever goes through.
#[test]
fn a_recorder_holds_what_it_may() {
    let _turn = TURN.lock();
    const LARGE: usize = 16 << 10;
    let mut bound = RecorderBound::messages(1_000);
    bound.bytes = 2 << 20;
    let in_body = |bytes| Message::new(bytes);
    let in_headers = |bytes: Vec<u8>| Message::new("").header("blob", Value::ByteArray(bytes.into()));
    for message in [&in_body as &dyn Fn(Vec<u8>) -> Message, &in_headers] {
        let broker = Broker::builder().manual_time().record(Recorder::new(bound)).build();
        broker.declare(&Topology::new().queue(Queue::new("q"))).unwrap();
        let before = in_use();
        for _ in 0..1_000 {
            broker.publish("", "q", message(vec![7_u8; LARGE])).unwrap();
            broker.get("q").unwrap().unwrap().ack();
        }
        let (held, most) = (in_use() - before, bound.bytes as isize);
        assert!((held - most).abs() * 5 <= most, "{held} bytes held, {most} allowed");
    }
}
