//! User code that calls the broker back from where the broker runs it: a waker, a tap, the owner of a body that is freed, a
//! handler that holds deliveries. Every verb is done from each of them, in the middle of every operation: nothing hangs,
//! invariants hold, and the account of all messages closes.
//!
//! Seen to fail with: a waker that is woken under its queue's lock, a body that is freed under it, a tap that is told under
//! it, and, with handlers as well, a return that is not accounted for.

use bytes::Bytes;
use leveret::{
    Acknowledge, Binding, Broker, Consume, ExchangeDeclare, ExchangeDelete, Fact, Message, Overflow, Policy, Publish,
    Queue, QueueDeclare, QueueDelete, Recorder, RecorderBound, Tags, Tap, Topology,
};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

/// Calls the broker back with everything there is, unless it is doing so already.
#[derive(Clone, Debug, Default)]
struct Caller(Arc<Called>);

#[derive(Debug, Default)]
struct Called {
    broker: std::sync::OnceLock<WeakBroker>,
    inside: AtomicBool,
    done: AtomicUsize,
}

/// A broker that is not kept alive by its own wakers and bodies.
#[derive(Debug)]
struct WeakBroker(Weak<Broker>);

impl Caller {
    fn call(&self) {
        let Some(broker) = self.0.broker.get().and_then(|weak| weak.0.upgrade()) else { return };
        // A tap that does something whenever something was done would never end.
        let is_enough = self.0.done.load(Ordering::SeqCst) >= 8;
        if !is_enough && !self.0.inside.swap(true, Ordering::SeqCst) {
            everything(&broker);
            self.0.done.fetch_add(1, Ordering::SeqCst);
            self.0.inside.store(false, Ordering::SeqCst);
        }
    }
}

/// Every verb, on the queues that the operation is about.
fn everything(broker: &Broker) {
    let _ = broker.declare(&Topology::new().queue(Queue::new("inner").bind("amq.fanout", "")));
    let _ = broker.publish("amq.fanout", "", Message::new("inner"));
    for queue in ["a", "b", "inner", "d1"] {
        let _ = broker.get(queue).map(|got| got.map(|delivery| delivery.ack()));
        let _ = broker.get(queue).map(|got| got.map(|delivery| delivery.reject()));
        let _ = broker.get(queue).map(drop);
        if let Ok(mut consumer) = broker.consumer(queue).open() {
            let _ = consumer.try_recv_many(2).map(|batch| batch.requeue());
            let _ = consumer.try_recv().map(|delivery| delivery.ack());
        }
    }
    let _ = broker.set_policy(Policy::new("p", "^inner$").max_length(3, Overflow::DropHead));
    let _ = broker.clear_policy("p");
    let _ = broker.declare_exchange(&ExchangeDeclare::new("x", "topic"));
    let _ = broker.bind("inner", &Binding::to("x").key("#"));
    let _ = broker.delete_exchange(&ExchangeDelete::new("x"));
    if let Ok(connection) = broker.connect()
        && let Ok(channel) = connection.open_channel()
    {
        let _ = channel.queue_declare(&QueueDeclare::new("").exclusive());
        let _ = channel.basic_publish(&Publish::new("", "inner"), Message::new("channel"));
        let _ = channel.basic_get("inner", Acknowledge::Yes);
        let _ = channel.basic_consume(&Consume::new("inner"));
        let _ = channel.basic_ack(Tags::UpTo(0));
    }
    let _ = broker.queue("inner").map(|queue| queue.purge());
    let _ = broker.delete_queue(&QueueDelete::new("inner"));
    let _ = (broker.stats(), broker.explain("amq.fanout", ""), broker.next_deadline());
    broker.run_due();
    broker.flush_taps();
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        self.call();
    }
}

impl Tap for Caller {
    fn saw(&self, _facts: &[Fact]) {
        self.call();
    }
}

struct Owner(Caller);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        b"owned"
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.call();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whence {
    Waker,
    Tap,
    Body,
    Handler,
}

type Operation = (&'static str, fn(&Broker, &dyn Fn() -> Message));

const OPERATIONS: [Operation; 12] = [
    ("publish", |broker, message| drop(broker.publish("amq.fanout", "", message()))),
    ("publish nowhere", |broker, message| drop(broker.publish("amq.direct", "x", message()))),
    ("ack", |broker, _| _ = broker.get("a").unwrap().map(|delivery| delivery.ack())),
    ("reject", |broker, _| _ = broker.get("a").unwrap().map(|delivery| delivery.reject())),
    ("requeue", |broker, _| _ = broker.get("b").unwrap().map(|delivery| delivery.requeue())),
    ("a batch", |broker, _| {
        let mut consumer = broker.consumer("b").open().unwrap();
        let _ = consumer.try_recv_many(8).map(|batch| batch.reject());
    }),
    ("purge", |broker, _| drop(broker.queue("a").unwrap().purge())),
    ("delete", |broker, _| drop(broker.delete_queue(&QueueDelete::new("a")))),
    ("policy", |broker, _| {
        broker.set_policy(Policy::new("short", "^[ab]$").max_length(0, Overflow::DropHead)).unwrap();
    }),
    ("expire", |broker, _| broker.advance(Duration::from_secs(1))),
    ("a channel", |broker, message| {
        let connection = broker.connect().unwrap();
        let channel = connection.open_channel().unwrap();
        channel.tx_select().unwrap();
        let _ = channel.basic_publish(&Publish::new("amq.fanout", ""), message());
        let _ = channel.basic_get("a", Acknowledge::Yes);
        channel.tx_commit().unwrap();
    }),
    ("shut down", |broker, _| drop(broker.shutdown().wait())),
];

/// One operation, in the middle of which somebody calls back.
fn run(name: &str, operation: fn(&Broker, &dyn Fn() -> Message), from: Whence) -> usize {
    let caller = Caller::default();
    let recorder = Recorder::new(RecorderBound::messages(10_000));
    let mut builder = Broker::builder().manual_time();
    // A recorder holds the messages that it remembers, so nothing would be freed.
    if from != Whence::Body {
        builder = builder.record(recorder.clone());
    }
    if from == Whence::Tap {
        builder = builder.tap(caller.clone());
    }
    let broker = Arc::new(builder.build());
    let dying =
        |name: &str| Queue::new(name).bind("amq.fanout", "").dead_letter_to("d1").message_ttl(Duration::from_secs(1));
    let topology = Topology::new().queue(dying("a")).queue(dying("b").quorum()).queue(Queue::new("d1"));
    broker.declare(&topology.queue(Queue::new("waits").bind("amq.fanout", ""))).unwrap();
    let message = || match from {
        Whence::Body => Message::new(Bytes::from_owner(Owner(caller.clone()))),
        _ => Message::new("plain"),
    };
    for queue in ["a", "b", "a", "b"] {
        broker.publish("", queue, message()).unwrap();
    }
    let mut waiting = Vec::new();
    for queue in ["waits", "d1"] {
        let mut consumer = broker.consumer(queue).open().unwrap();
        let waker = if from == Whence::Waker { Waker::from(Arc::new(caller.clone())) } else { Waker::noop().clone() };
        assert!(consumer.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        waiting.push(consumer);
    }
    caller.0.broker.set(WeakBroker(Arc::downgrade(&broker))).unwrap();
    let in_hand = (from == Whence::Handler).then(|| broker.get("a").unwrap());
    if in_hand.is_some() {
        caller.call();
    }
    operation(&broker, &message);
    if in_hand.is_some() {
        caller.call();
    }
    drop((in_hand, waiting));
    broker.check_invariants().unwrap();
    broker.flush_taps();
    if from != Whence::Body {
        recorder.ledger().assert_closed();
    }
    if name != "shut down" {
        broker.declare_queue(&QueueDeclare::new("well")).unwrap();
        broker.publish("", "well", Message::new("well")).unwrap();
        assert!(broker.get("well").unwrap().is_some(), "{name} {from:?}");
    }
    caller.0.done.load(Ordering::SeqCst)
}

/// All operations; where somebody who calls back is asked at all, he got through.
fn all(from: Whence) {
    let calls: usize = OPERATIONS.into_iter().map(|(name, operation)| run(name, operation, from)).sum();
    assert!(calls >= OPERATIONS.len() / 2, "{from:?} called back {calls} times only");
}

#[test]
fn a_waker_may_do_everything() {
    all(Whence::Waker);
}

#[test]
fn a_tap_may_do_everything() {
    all(Whence::Tap);
}

#[test]
fn the_owner_of_a_body_may_do_everything() {
    all(Whence::Body);
}

#[test]
fn a_handler_may_do_everything() {
    all(Whence::Handler);
}
