//! User code that panics where the broker runs it: a tap, a waker, the owner of a body that is freed. Whatever the broker
//! was doing is done all the same: for every operation, everything is afterwards as it is where nobody panics.
//!
//! Seen to fail with: a waker's panic that is let out (with a handler's it ended the process), a body's that is let out of a
//! purge or of a dead letter that goes nowhere, a timer's thread that ends with a tap, a publish whose facts are handed over
//! before it is told that no queue is bound, a shutdown that a tap ends in the middle, deadlines that are forgotten when they
//! are read, a broker that is closed as soon as it drains.

mod watched;

use bytes::Bytes;
use leveret::{
    Acknowledge, Binding, Broker, Connection, Consume, Consumer, Exchange, ExchangeDelete, Fact, Message, Overflow,
    Policy, Publish, Queue, QueueDeclare, QueueDelete, Requeue, Tap, Topology,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread::ThreadId;
use std::time::Duration;
use watched::watched;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Misbehaves {
    Nobody,
    Tap,
    Waker,
    Body,
}

/// Panics while it is armed, as whoever has it misbehaves.
#[derive(Clone, Debug)]
struct Bomb {
    who: Misbehaves,
    armed: Arc<AtomicBool>,
    /// On this thread it never goes off.
    spared: Option<ThreadId>,
}

impl Bomb {
    fn go_off(&self, who: Misbehaves) {
        let is_spared = self.spared == Some(std::thread::current().id());
        if self.who == who && self.armed.load(Ordering::SeqCst) && !is_spared {
            panic!("{who:?} misbehaves");
        }
    }
}

impl Tap for Bomb {
    fn saw(&self, _facts: &[Fact]) {
        self.go_off(Misbehaves::Tap);
    }
}

/// Counts facts, behind the one that panics.
#[derive(Clone, Debug, Default)]
struct Count(Arc<AtomicUsize>);

impl Tap for Count {
    fn saw(&self, facts: &[Fact]) {
        self.0.fetch_add(facts.len(), Ordering::SeqCst);
    }
}

/// A waker that counts, and then panics if it is a bad one.
struct Bell {
    bomb: Option<Bomb>,
    rung: AtomicUsize,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        if let Some(bomb) = &self.bomb {
            bomb.go_off(Misbehaves::Waker);
        }
    }
}

struct Owner(Bomb);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        b"owned"
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.go_off(Misbehaves::Body);
        }
    }
}

/// Three queues that die into two, and two more, at whose ends somebody waits: first one with a bad waker.
struct Rig {
    bomb: Bomb,
    facts: Count,
    broker: Broker,
    connection: Connection,
    bells: Vec<Arc<Bell>>,
    waiting: Vec<Consumer>,
}

impl Rig {
    fn new(who: Misbehaves) -> Self {
        Self::tapped(who, true)
    }

    /// Facts hold what they are about; without a tap an operation lets the last hold go by itself.
    fn tapped(who: Misbehaves, is_tapped: bool) -> Self {
        let bomb = Bomb { who, armed: Arc::default(), spared: None };
        let facts = Count::default();
        let builder = Broker::builder().manual_time();
        let builder = if is_tapped { builder.tap(bomb.clone()).tap(facts.clone()) } else { builder };
        let broker = builder.build();
        let dying = |name: &str| {
            let queue = Queue::new(name).bind("amq.fanout", "").dead_letter_exchange("dlx");
            queue.message_ttl(Duration::from_secs(1))
        };
        let mut topology = Topology::new().exchange(Exchange::fanout("dlx"));
        topology = topology.queue(dying("a")).queue(dying("b").quorum()).queue(dying("c"));
        for (name, exchange) in [("d1", "dlx"), ("d2", "dlx"), ("w1", "amq.fanout"), ("w2", "amq.fanout")] {
            topology = topology.queue(Queue::new(name).bind(exchange, ""));
        }
        broker.declare(&topology).unwrap();
        let connection = broker.connect().unwrap();
        let mut rig = Self { bomb, facts, broker, connection, bells: Vec::new(), waiting: Vec::new() };
        for queue in ["a", "b", "c", "a", "b", "c"] {
            rig.broker.publish("", queue, rig.message()).unwrap();
        }
        for queue in ["d1", "d2", "w1", "w2"] {
            let bomb = queue.ends_with('1').then(|| rig.bomb.clone());
            let bell = Arc::new(Bell { bomb, rung: AtomicUsize::new(0) });
            let mut consumer = rig.broker.consumer(queue).open().unwrap();
            let waker = Waker::from(Arc::clone(&bell));
            assert!(consumer.poll_recv(&mut Context::from_waker(&waker)).is_pending());
            rig.bells.push(bell);
            rig.waiting.push(consumer);
        }
        rig
    }

    fn message(&self) -> Message {
        Message::new(Bytes::from_owner(Owner(self.bomb.clone())))
    }

    /// Everything that there is to see.
    fn summary(&self) -> String {
        self.broker.check_invariants().unwrap();
        let stats = self.broker.stats();
        self.broker.flush_taps();
        let rung: Vec<usize> = self.bells.iter().map(|bell| bell.rung.load(Ordering::SeqCst)).collect();
        format!(
            "rung {rung:?}, facts {}, next {:?}\n{stats:#?}",
            self.facts.0.load(Ordering::SeqCst),
            self.broker.next_deadline()
        )
    }
}

type Operation = (&'static str, fn(&mut Rig));

const OPERATIONS: [Operation; 24] = [
    ("publish to all", |rig| drop(rig.broker.publish("amq.fanout", "", rig.message()))),
    ("publish without a queue", |rig| drop(rig.broker.publish("amq.direct", "x", rig.message()))),
    ("send many", |rig| {
        let mut publisher = rig.broker.publisher("amq.fanout").unwrap();
        let messages = [rig.message(), rig.message()];
        drop(publisher.try_send_many("", messages));
    }),
    ("ack", |rig| _ = rig.broker.get("a").unwrap().unwrap().ack()),
    ("reject", |rig| _ = rig.broker.get("a").unwrap().unwrap().reject()),
    ("requeue", |rig| _ = rig.broker.get("b").unwrap().unwrap().requeue()),
    ("drop a delivery", |rig| drop(rig.broker.get("b").unwrap())),
    ("ack a batch", |rig| {
        let mut consumer = rig.broker.consumer("a").open().unwrap();
        consumer.try_recv_many(8).unwrap().ack();
    }),
    ("reject a batch", |rig| {
        let mut consumer = rig.broker.consumer("b").open().unwrap();
        consumer.try_recv_many(8).unwrap().reject();
    }),
    ("open and drop a consumer", |rig| drop(rig.broker.consumer("c").open())),
    ("purge", |rig| _ = rig.broker.queue("a").unwrap().purge().unwrap()),
    ("delete", |rig| _ = rig.broker.delete_queue(&QueueDelete::new("a")).unwrap()),
    ("delete where somebody waits", |rig| _ = rig.broker.delete_queue(&QueueDelete::new("w1")).unwrap()),
    ("a policy over all", |rig| {
        let policy = Policy::new("short", "^[abc]$").max_length(0, Overflow::DropHead);
        rig.broker.set_policy(policy).unwrap();
    }),
    ("expire", |rig| rig.broker.advance(Duration::from_secs(1))),
    ("expire without a queue", |rig| {
        for queue in ["d1", "d2"] {
            rig.broker.unbind(queue, &Binding::to("dlx")).unwrap();
        }
        rig.broker.advance(Duration::from_secs(1));
    }),
    ("expire without an exchange", |rig| {
        rig.broker.delete_exchange(&ExchangeDelete::new("dlx")).unwrap();
        rig.broker.advance(Duration::from_secs(1));
    }),
    ("declare a topology", |rig| {
        let topology =
            Topology::new().queue(Queue::new("new").bind("dlx", "")).queue(Queue::new("newer").bind("dlx", ""));
        drop(rig.broker.declare(&topology));
    }),
    ("bind", |rig| rig.broker.bind("a", &Binding::to("dlx")).unwrap()),
    ("a channel publishes and settles", |rig| {
        let channel = rig.connection.open_channel().unwrap();
        channel.basic_publish(&Publish::new("amq.fanout", ""), rig.message()).unwrap();
        channel.basic_get("a", Acknowledge::Yes).unwrap();
        channel.basic_get("b", Acknowledge::Yes).unwrap();
        channel.basic_nack(leveret::Tags::UpTo(2), Requeue::No).unwrap();
    }),
    ("a transaction", |rig| {
        let channel = rig.connection.open_channel().unwrap();
        channel.tx_select().unwrap();
        channel.basic_get("a", Acknowledge::Yes).unwrap();
        channel.basic_nack(1, Requeue::No).unwrap();
        channel.basic_publish(&Publish::new("amq.fanout", ""), rig.message()).unwrap();
        channel.tx_commit().unwrap();
    }),
    ("a channel closes with deliveries", |rig| {
        let channel = rig.connection.open_channel().unwrap();
        for queue in ["a", "b", "c"] {
            channel.basic_consume(&Consume::new(queue)).unwrap();
        }
        channel.close().unwrap();
    }),
    ("a connection closes with queues", |rig| {
        let channel = rig.connection.open_channel().unwrap();
        for queue in ["mine", "mine too"] {
            channel.queue_declare(&QueueDeclare::new(queue).exclusive()).unwrap();
            channel.basic_publish(&Publish::new("", queue), rig.message()).unwrap();
        }
        channel.basic_get("a", Acknowledge::Yes).unwrap();
        rig.connection.close();
    }),
    ("shut down", |rig| drop(rig.broker.shutdown().wait())),
];

/// What is there after an operation under which somebody misbehaves, and whether it panicked.
fn after(operation: fn(&mut Rig), who: Misbehaves, is_tapped: bool) -> (String, bool) {
    let mut rig = Rig::tapped(who, is_tapped);
    rig.bomb.armed.store(true, Ordering::SeqCst);
    let outcome = catch_unwind(AssertUnwindSafe(|| operation(&mut rig)));
    rig.bomb.armed.store(false, Ordering::SeqCst);
    rig.broker.run_due();
    let summary = rig.summary();
    rig.waiting.clear();
    rig.broker.check_invariants().unwrap();
    (summary, outcome.is_err())
}

/// Holds every operation against one in which nobody misbehaves; tells all differences. `panics` is whether the call does.
fn compare(who: Misbehaves, panics: Option<bool>, wanted: impl Fn(&str) -> bool) {
    let mut wrong = Vec::new();
    for (name, operation) in OPERATIONS.into_iter().filter(|(name, _)| wanted(name)) {
        let taps: &[bool] = if who == Misbehaves::Tap { &[true] } else { &[true, false] };
        for is_tapped in taps {
            let (found, panicked) = after(operation, who, *is_tapped);
            let (expected, _) = after(operation, Misbehaves::Nobody, *is_tapped);
            let name = format!("{name}, {}", if *is_tapped { "with a tap" } else { "without one" });
            if panics.is_some_and(|panics| panics != panicked) {
                wrong.push(format!("{name}: panicked is {panicked}"));
            }
            let lines = found.lines().zip(expected.lines()).filter(|(found, expected)| found != expected);
            wrong.extend(lines.map(|(found, expected)| format!("{name}: {found} instead of {expected}")));
        }
    }
    assert!(wrong.is_empty(), "{who:?}:\n{}", wrong.join("\n"));
}

#[test]
fn everything_is_as_if_no_waker_had_panicked() {
    compare(Misbehaves::Waker, Some(false), |_| true);
}

#[test]
fn everything_is_as_if_no_body_had_panicked() {
    compare(Misbehaves::Body, None, |_| true);
    // What the broker frees by itself is nobody's at hand.
    let of_the_broker = [
        "purge",
        "delete",
        "a policy over all",
        "expire",
        "expire without a queue",
        "expire without an exchange",
        "a connection closes with queues",
        "shut down",
    ];
    compare(Misbehaves::Body, Some(false), |name| of_the_broker.contains(&name));
}

/// The call at hand panics, after it has done its work. Operations that are several calls end there, and are left out.
#[test]
fn everything_is_as_if_no_tap_had_panicked() {
    let several = [
        "send many",
        "ack",
        "reject",
        "requeue",
        "ack a batch",
        "reject a batch",
        "expire without a queue",
        "expire without an exchange",
        "a channel publishes and settles",
        "a transaction",
        "a channel closes with deliveries",
        "a connection closes with queues",
    ];
    compare(Misbehaves::Tap, Some(true), |name| !several.contains(&name));
}

/// A handler panics, its delivery comes back, and whoever is woken for that panics as well: that must not end the process.
#[test]
fn a_waker_may_panic_while_a_handler_does() {
    let rig = Rig::new(Misbehaves::Waker);
    rig.broker.publish("", "d1", Message::new("m")).unwrap();
    let mut other = rig.waiting;
    let delivery = other[0].try_recv().unwrap();
    let bell = Waker::from(Arc::clone(&rig.bells[0]));
    let mut second = rig.broker.consumer("d1").open().unwrap();
    assert!(second.poll_recv(&mut Context::from_waker(&bell)).is_pending());
    rig.bomb.armed.store(true, Ordering::SeqCst);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let (_delivery, _first) = (delivery, other);
        panic!("the handler fails");
    }));
    rig.bomb.armed.store(false, Ordering::SeqCst);
    assert!(outcome.is_err());
    assert_eq!(second.try_recv().unwrap().attempt(), 2);
    rig.broker.check_invariants().unwrap();
}

/// The broker's own thread outlives what it runs.
#[test]
fn the_timer_outlives_a_waker_and_a_tap_that_panic() {
    let _watch = watched();
    for who in [Misbehaves::Waker, Misbehaves::Tap] {
        // Any thread that acts hands over what the timer's thread has just noted: this one is to do it in peace.
        let bomb = Bomb { who, armed: Arc::default(), spared: Some(std::thread::current().id()) };
        let broker = Broker::builder().tap(bomb.clone()).build();
        let dying = |name: &str, millis| {
            Queue::new(name).message_ttl(Duration::from_millis(millis)).dead_letter_exchange("amq.fanout")
        };
        let dead = |name: &str| Queue::new(name).bind("amq.fanout", "");
        let topology = Topology::new().queue(dead("late")).queue(dead("waits"));
        broker.declare(&topology.queue(dying("soon", 1)).queue(dying("later", 5))).unwrap();
        let mut waits = broker.consumer("waits").open().unwrap();
        let bell = Arc::new(Bell { bomb: Some(bomb.clone()), rung: AtomicUsize::new(0) });
        let waker = Waker::from(Arc::clone(&bell));
        assert!(waits.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        let mut late = broker.consumer("late").open().unwrap();
        for queue in ["soon", "later"] {
            broker.publish("", queue, Message::new(queue)).unwrap();
        }
        bomb.armed.store(true, Ordering::SeqCst);
        let bodies = [0, 1].map(|_| {
            let delivery = late.recv_timeout(Duration::from_secs(10)).unwrap();
            let body = delivery.body().clone();
            std::mem::forget(delivery);
            body
        });
        bomb.armed.store(false, Ordering::SeqCst);
        assert_eq!(bodies, ["soon", "later"].map(Bytes::from));
        assert_eq!(bell.rung.load(Ordering::SeqCst), 1);
        broker.check_invariants().unwrap();
    }
}

/// Three queues have a deadline at the same moment; where a tap panics at the first, the others are still due.
#[test]
fn deadlines_outlive_a_tap_that_panics() {
    let rig = Rig::new(Misbehaves::Tap);
    rig.bomb.armed.store(true, Ordering::SeqCst);
    let expire = || rig.broker.advance(Duration::from_secs(1));
    assert!(catch_unwind(AssertUnwindSafe(expire)).is_err());
    rig.bomb.armed.store(false, Ordering::SeqCst);
    assert_eq!(rig.broker.next_deadline(), Some(rig.broker.now()));
    // No look at a queue has it expire: only its deadline.
    rig.broker.run_due();
    assert_eq!(rig.broker.queue("d1").unwrap().stats().totals.enqueued, 6);
}

/// A tap may stop a shutdown that drains; a new one brings it to its end, and nothing was lost.
#[test]
fn a_drain_that_a_tap_ended_is_taken_up_again() {
    let _watch = watched();
    let rig = Rig::new(Misbehaves::Tap);
    let out = rig.broker.get("a").unwrap().unwrap();
    rig.bomb.armed.store(true, Ordering::SeqCst);
    let drain = || rig.broker.shutdown().drain(Duration::from_secs(1)).wait();
    assert!(catch_unwind(AssertUnwindSafe(drain)).is_err());
    rig.bomb.armed.store(false, Ordering::SeqCst);
    assert!(!rig.broker.is_closed() && rig.broker.publish("", "a", Message::new("late")).is_err());
    assert_eq!(out.ack(), leveret::Settled::Done);
    let report = drain();
    assert!(report.drained && rig.broker.is_closed());
    assert_eq!(report.left.iter().map(|left| left.ready).sum::<u64>(), 5);
}
