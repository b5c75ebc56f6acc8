//! What a tap hears: every step of every message, in one gapless order, with a message told from every other; also where
//! the tap calls the broker, panics, or is called from many threads.
//!
//! Seen to fail with: facts on their way to a tap that are not bounded.

mod watched;

use leveret::{
    Acknowledge, Binding, Broker, Cause, Consume, Exchange, ExchangeDeclare, Fact, Limits, Message, MessageRef,
    Overflow, Publish, Queue, QueueDeclare, Reason, Requeue, Tap, Topology, What,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use watched::watched;

/// Remembers everything.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<Fact>>>);

impl Tap for Log {
    fn saw(&self, facts: &[Fact]) {
        self.0.lock().unwrap().extend_from_slice(facts);
    }
}

impl Log {
    fn facts(&self) -> Vec<Fact> {
        let facts = self.0.lock().unwrap().clone();
        for (at, fact) in facts.iter().enumerate() {
            assert_eq!(fact.number, at as u64, "a gap before {fact}");
        }
        assert!(facts.is_sorted_by_key(|fact| fact.at), "time goes back");
        facts
    }

    /// What was heard about messages, a line each: millisecond, body, words.
    fn lines(&self) -> Vec<String> {
        let line = |fact: &Fact| {
            let message = fact.message.as_ref()?;
            let body = String::from_utf8_lossy(message.body()).into_owned();
            Some(format!("{} {body}: {fact}", fact.at.as_millis()))
        };
        self.facts().iter().filter_map(line).collect()
    }

    fn all_lines(&self) -> Vec<String> {
        self.facts().iter().map(ToString::to_string).collect()
    }

    /// The messages that a kind of fact was heard of.
    fn messages(&self, of: impl Fn(&What) -> bool) -> Vec<MessageRef> {
        self.facts().into_iter().filter(|fact| of(&fact.what)).filter_map(|fact| fact.message).collect()
    }
}

fn heard() -> (Broker, Log) {
    heard_with(Limits::default())
}

fn heard_with(limits: Limits) -> (Broker, Log) {
    let log = Log::default();
    (Broker::builder().limits(limits).manual_time().tap(log.clone()).build(), log)
}

#[test]
fn the_whole_way_of_messages() {
    let _watch = watched();
    let (broker, log) = heard();
    let orders = Queue::new("orders").dead_letter_exchange("dead").message_ttl(Duration::from_secs(5));
    let topology = Topology::new()
        .exchange(Exchange::topic("events"))
        .exchange(Exchange::fanout("dead"))
        .queue(orders.bind("events", "order.*"))
        .queue(Queue::new("parked").bind("dead", ""));
    broker.declare(&topology).unwrap();
    let mut consumer = broker.consumer("orders").prefetch(1).tag("billing").open().unwrap();
    broker.publish("events", "order.made", Message::new("a")).unwrap();
    consumer.try_recv().unwrap().requeue();
    consumer.try_recv().unwrap().ack();
    broker.publish("events", "odrer.made", Message::new("b")).unwrap();
    broker.publish("events", "order.made", Message::new("c")).unwrap();
    consumer.try_recv().unwrap().reject();
    broker.publish("events", "order.made", Message::new("d")).unwrap();
    drop(consumer);
    broker.advance(Duration::from_secs(6));
    broker.queue("parked").unwrap().purge().unwrap();
    assert_eq!(
        log.lines(),
        [
            "0 a: published to 'events' with key 'order.made', for 'orders'",
            "0 a: enqueued in 'orders'",
            "0 a: delivered from 'orders' to 'billing', attempt 1",
            "0 a: requeued in 'orders': asked for",
            "0 a: delivered from 'orders' to 'billing', attempt 2",
            "0 a: acknowledged in 'orders'",
            "0 b: published to 'events' with key 'odrer.made', for no queue",
            "0 b: dropped: no queue is bound for it",
            "0 c: published to 'events' with key 'order.made', for 'orders'",
            "0 c: enqueued in 'orders'",
            "0 c: delivered from 'orders' to 'billing', attempt 1",
            "0 c: died in 'orders': rejected",
            "0 c: dead-lettered from 'orders' (rejected) to 'dead' with key 'order.made', for 'parked'",
            "0 c: enqueued in 'parked'",
            "0 d: published to 'events' with key 'order.made', for 'orders'",
            "0 d: enqueued in 'orders'",
            "0 d: delivered from 'orders' to 'billing', attempt 1",
            "0 d: requeued in 'orders': consumer cancelled",
            "5000 d: died in 'orders': expired",
            "5000 d: dead-lettered from 'orders' (expired) to 'dead' with key 'order.made', for 'parked'",
            "5000 d: enqueued in 'parked'",
            "6000 c: purged from 'parked'",
            "6000 d: purged from 'parked'",
        ]
    );
}

#[test]
fn entities_come_and_go() {
    let _watch = watched();
    let (broker, log) = heard();
    let topology =
        Topology::new().exchange(Exchange::topic("events")).queue(Queue::new("orders").bind("events", "order.*"));
    broker.declare(&topology).unwrap();
    broker.declare(&topology).unwrap();
    let consumer = broker.consumer("orders").tag("billing").open().unwrap();
    broker.publish("", "orders", Message::new("a")).unwrap();
    broker.publish("", "orders", Message::new("b")).unwrap();
    broker.unbind("orders", &Binding::to("events").key("order.*")).unwrap();
    broker.queue("orders").unwrap().delete().unwrap();
    drop(consumer);
    broker.delete_exchange(&leveret::ExchangeDelete::new("events")).unwrap();
    assert_eq!(
        log.all_lines(),
        [
            "exchange 'events' declared: topic",
            "queue 'orders' declared: durable, classic",
            "'orders' bound to 'events' with key 'order.*'",
            "consumer 'billing' attached to 'orders'",
            "published to '' with key 'orders', for 'orders'",
            "enqueued in 'orders'",
            "delivered from 'orders' to 'billing', attempt 1",
            "published to '' with key 'orders', for 'orders'",
            "enqueued in 'orders'",
            "delivered from 'orders' to 'billing', attempt 1",
            "'orders' unbound from 'events' with key 'order.*'",
            "queue 'orders' deleted (asked for) with 0 ready, 2 unacknowledged",
            "lost with 'orders': asked for",
            "lost with 'orders': asked for",
            "consumer 'billing' detached from 'orders': queue deleted",
            "exchange 'events' deleted",
        ]
    );
}

/// An auto-delete exchange goes with its last binding, and that with its queue.
#[test]
fn exchanges_that_go_by_themselves_are_told() {
    let _watch = watched();
    let (broker, log) = heard();
    for name in ["first", "second"] {
        broker.declare_exchange(&ExchangeDeclare::new(name, "fanout").auto_delete()).unwrap();
        broker.declare_queue(&QueueDeclare::new(name)).unwrap();
        broker.bind(name, &Binding::to(name)).unwrap();
    }
    broker.unbind("first", &Binding::to("first")).unwrap();
    broker.queue("second").unwrap().delete().unwrap();
    assert_eq!(
        log.all_lines()[6..],
        [
            "'first' unbound from 'first' with key ''",
            "exchange 'first' deleted",
            "queue 'second' deleted (asked for) with 0 ready, 0 unacknowledged",
            "exchange 'second' deleted",
        ]
    );
}

/// A tap that is slow holds up whoever causes very many facts, instead of having them fill the memory.
#[test]
fn a_slow_tap_slows_the_broker_down() {
    let _watch = watched();
    /// Waits at its first call until it is let go, and remembers how much it was given at once.
    #[derive(Debug)]
    struct Slow {
        held: Mutex<Option<std::sync::mpsc::Receiver<()>>>,
        entered: AtomicBool,
        most: AtomicUsize,
    }

    impl Tap for Slow {
        fn saw(&self, facts: &[Fact]) {
            let held = self.held.lock().unwrap().take();
            if let Some(held) = held {
                self.entered.store(true, Ordering::SeqCst);
                // Whoever holds it up may have failed.
                let _ = held.recv();
            }
            self.most.fetch_max(facts.len(), Ordering::SeqCst);
        }
    }

    let (let_go, held) = std::sync::mpsc::channel();
    let slow =
        Arc::new(Slow { held: Mutex::new(Some(held)), entered: AtomicBool::new(false), most: AtomicUsize::new(0) });
    let broker = Broker::builder().tap(Arc::clone(&slow)).build();
    let published = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let let_go = let_go;
        scope.spawn(|| broker.declare_queue(&QueueDeclare::new("q")).unwrap());
        while !slow.entered.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        scope.spawn(|| {
            for _ in 0..40_000 {
                broker.publish("", "nowhere", Message::new("x")).unwrap();
                published.fetch_add(1, Ordering::SeqCst);
            }
        });
        // Two facts each.
        while published.load(Ordering::SeqCst) < 32_760 {
            std::thread::yield_now();
        }
        (0..1_000).for_each(|_| std::thread::yield_now());
        assert!(published.load(Ordering::SeqCst) <= 32_768);
        let_go.send(()).unwrap();
    });
    broker.flush_taps();
    assert!(slow.most.load(Ordering::SeqCst) <= 65_536 + 2);
    assert_eq!(published.into_inner(), 40_000);
}

#[test]
fn channels_tell_why_what_they_held_comes_back() {
    let _watch = watched();
    let (broker, log) = heard();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    let connection = broker.connect().unwrap();
    let first = connection.open_channel().unwrap();
    first.basic_publish(&Publish::new("", "q"), Message::new("a")).unwrap();
    first.basic_publish(&Publish::new("", "nowhere").mandatory(), Message::new("b")).unwrap();
    first.basic_get("q", Acknowledge::Yes).unwrap().unwrap();
    first.basic_recover(Requeue::Yes).unwrap();
    first.basic_consume(&Consume::new("q").tag("one")).unwrap();
    drop(first);
    let second = connection.open_channel().unwrap();
    second.basic_get("q", Acknowledge::Yes).unwrap().unwrap();
    connection.close();
    let causes: Vec<_> = log
        .facts()
        .into_iter()
        .filter_map(|fact| match fact.what {
            What::Requeued { cause } => Some(("requeued", cause)),
            What::ConsumerDetached { cause, .. } => Some(("detached", cause)),
            What::Returned => Some(("returned", Cause::Asked)),
            _ => None,
        })
        .collect();
    assert_eq!(
        causes,
        [
            ("returned", Cause::Asked),
            ("requeued", Cause::Recovered),
            ("detached", Cause::ChannelClosed),
            ("requeued", Cause::ChannelClosed),
            ("requeued", Cause::ConnectionClosed),
        ]
    );
}

/// A quorum queue counts failures, and lets the message go as a changed one; still it is the same message.
#[test]
fn a_dead_letter_is_linked_to_what_died() {
    let _watch = watched();
    let (broker, log) = heard();
    let quorum = Queue::new("q").quorum().dead_letter_exchange("dead").delivery_limit(1);
    let topology = Topology::new().exchange(Exchange::fanout("dead")).queue(quorum);
    broker.declare(&topology.queue(Queue::new("dlq").bind("dead", ""))).unwrap();
    broker.publish("", "q", Message::new("a")).unwrap();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    channel.basic_get("q", Acknowledge::Yes).unwrap().unwrap();
    drop(channel);
    broker.get("q").unwrap().unwrap().requeue();
    let published = log.messages(|what| matches!(what, What::Published { .. }));
    let died = log.messages(|what| matches!(what, What::Died { reason: Reason::DeliveryLimit }));
    assert_eq!(published, died);
    let next = log.facts().into_iter().filter_map(|fact| match fact.what {
        What::DeadLettered { next, .. } => Some((fact.message.unwrap(), next)),
        _ => None,
    });
    let [(old, new)] = &*next.collect::<Vec<_>>() else { panic!("one dead letter") };
    assert!(old.same_as(&published[0]) && !old.same_as(new));
    let enqueued = log.messages(|what| matches!(what, What::Enqueued));
    assert_eq!(enqueued, [published[0].clone(), new.clone()]);
}

#[test]
fn refusals_name_the_queue_and_the_reason() {
    let _watch = watched();
    let mut limits = Limits::default();
    limits.ready_messages = 1;
    let (broker, log) = heard_with(limits);
    let topology = Topology::new()
        .exchange(Exchange::fanout("all"))
        .queue(Queue::new("small").max_length(0, Overflow::RejectPublish).bind("all", ""))
        .queue(Queue::new("bound").bind("all", ""));
    broker.declare(&topology).unwrap();
    broker.publish("all", "", Message::new("a")).unwrap_err();
    broker.publish("all", "", Message::new("b")).unwrap_err();
    broker.publish("missing", "", Message::new("c")).unwrap_err();
    let mut publisher = broker.publisher("").unwrap();
    publisher.blocking_send("small", Message::new("d")).unwrap_err();
    assert_eq!(
        log.lines(),
        [
            "0 a: published to 'all' with key '', for 'small', 'bound'",
            "0 a: refused by 'small': it is full",
            "0 a: enqueued in 'bound'",
            "0 b: published to 'all' with key '', for 'small', 'bound'",
            "0 b: refused by 'small': it is full",
            "0 b: refused by 'bound': the broker's own bound is reached",
            "0 c: not published: there is no such exchange",
            "0 d: published to '' with key 'small', for 'small'",
            "0 d: refused by 'small': it could never hold it",
        ]
    );
}

/// Publishes once more for everything that is published to `q`, and looks at the broker meanwhile.
#[derive(Debug, Default)]
struct Echo {
    broker: OnceLock<Broker>,
    log: Log,
}

impl Tap for Echo {
    fn saw(&self, facts: &[Fact]) {
        self.log.saw(facts);
        let Some(broker) = self.broker.get() else { return };
        broker.flush_taps();
        for fact in facts {
            if matches!(fact.what, What::Published { .. }) && fact.message.as_ref().unwrap().routing_key() == "q" {
                let _ = broker.stats();
                broker.publish("", "echo", Message::new("echo")).unwrap();
            }
        }
    }
}

#[test]
fn a_tap_may_call_the_broker() {
    let _watch = watched();
    let echo = Arc::new(Echo::default());
    let broker = Broker::builder().manual_time().tap(Arc::clone(&echo)).build();
    broker.declare(&Topology::new().queue(Queue::new("q")).queue(Queue::new("echo"))).unwrap();
    let connection = broker.connect().unwrap();
    let channel = connection.open_channel().unwrap();
    echo.broker.set(broker.clone()).unwrap();
    broker.publish("", "q", Message::new("a")).unwrap();
    // A channel holds its lock while it publishes; the tap comes after that.
    channel.basic_publish(&Publish::new("", "q"), Message::new("b")).unwrap();
    assert_eq!(
        echo.log.lines(),
        [
            "0 a: published to '' with key 'q', for 'q'",
            "0 a: enqueued in 'q'",
            "0 echo: published to '' with key 'echo', for 'echo'",
            "0 echo: enqueued in 'echo'",
            "0 b: published to '' with key 'q', for 'q'",
            "0 b: enqueued in 'q'",
            "0 echo: published to '' with key 'echo', for 'echo'",
            "0 echo: enqueued in 'echo'",
        ]
    );
}

/// Panics while it is told to.
#[derive(Clone, Debug, Default)]
struct Bomb {
    armed: Arc<AtomicBool>,
    went_off: Arc<AtomicUsize>,
}

impl Tap for Bomb {
    fn saw(&self, _facts: &[Fact]) {
        if self.armed.load(Ordering::SeqCst) {
            self.went_off.fetch_add(1, Ordering::SeqCst);
            panic!("the tap panics");
        }
    }
}

impl Bomb {
    /// Carries something out, with every call of the tap panicking.
    fn under<T>(&self, work: impl FnOnce() -> T) {
        self.armed.store(true, Ordering::SeqCst);
        let before = self.went_off.load(Ordering::SeqCst);
        let outcome = catch_unwind(AssertUnwindSafe(|| drop(work())));
        self.armed.store(false, Ordering::SeqCst);
        assert!(outcome.is_err(), "the call at hand panics");
        assert!(self.went_off.load(Ordering::SeqCst) > before);
    }
}

#[test]
fn a_panic_in_a_tap_loses_no_message() {
    let _watch = watched();
    for kind in ["classic", "quorum"] {
        let (bomb, log) = (Bomb::default(), Log::default());
        let broker = Broker::builder().manual_time().tap(bomb.clone()).tap(log.clone()).build();
        broker.declare_queue(&QueueDeclare::new("q").durable().argument("x-queue-type", kind)).unwrap();
        let ready = || {
            broker.check_invariants().unwrap();
            let stats = broker.queue("q").unwrap().stats();
            (stats.ready, stats.unacked, stats.consumers)
        };
        bomb.under(|| broker.publish("", "q", Message::new("a")));
        assert_eq!(ready(), (1, 0, 0));
        bomb.under(|| broker.get("q"));
        assert_eq!(ready(), (1, 0, 0));
        bomb.under(|| broker.consumer("q").open());
        assert_eq!(ready(), (1, 0, 0));
        for body in ["b", "c", "d"] {
            broker.publish("", "q", Message::new(body)).unwrap();
        }
        let mut consumer = broker.consumer("q").prefetch(2).open().unwrap();
        assert_eq!(ready(), (2, 2, 1));
        let delivery = consumer.try_recv().unwrap();
        bomb.under(|| delivery.ack());
        // The acknowledgement counted, and made room for the next.
        assert_eq!(ready(), (1, 2, 1));
        let held = consumer.try_recv_many(8).unwrap();
        bomb.under(|| held.requeue());
        assert_eq!(ready(), (1, 2, 1));
        bomb.under(|| drop(consumer));
        assert_eq!(ready(), (3, 0, 0));
        // The other tap heard everything all the same.
        assert!(log.facts().len() > 10);
        broker.publish("", "q", Message::new("e")).unwrap();
        assert_eq!(ready(), (4, 0, 0));
    }
}

/// A consumer without prefetch has a window, which opens while a delivery is in its hands.
#[test]
fn a_panic_while_a_window_opens_loses_nothing_either() {
    let _watch = watched();
    let bomb = Bomb::default();
    let mut limits = Limits::default();
    limits.undrained_deliveries = 2;
    let broker = Broker::builder().limits(limits).manual_time().tap(bomb.clone()).build();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    for body in 0..6 {
        broker.publish("", "q", Message::new(body.to_string())).unwrap();
    }
    let mut consumer = broker.consumer("q").prefetch(0).open().unwrap();
    let held = consumer.try_recv().unwrap();
    bomb.under(|| {
        loop {
            consumer.try_recv().unwrap().ack();
        }
    });
    broker.check_invariants().unwrap();
    drop((held, consumer));
    let totals = broker.queue("q").unwrap().stats();
    assert_eq!((totals.ready + totals.totals.acknowledged, totals.unacked), (6, 0));
}

/// A tap that panics while its thread unwinds does not end the process.
#[test]
fn a_panic_in_a_panic_is_swallowed() {
    let _watch = watched();
    let bomb = Bomb::default();
    let broker = Broker::builder().manual_time().tap(bomb.clone()).build();
    broker.declare_queue(&QueueDeclare::new("q")).unwrap();
    broker.publish("", "q", Message::new("a")).unwrap();
    let delivery = broker.get("q").unwrap().unwrap();
    bomb.armed.store(true, Ordering::SeqCst);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let _dropped_while_unwinding = delivery;
        panic!("the handler panics");
    }));
    bomb.armed.store(false, Ordering::SeqCst);
    assert!(outcome.is_err());
    assert_eq!(broker.queue("q").unwrap().stats().ready, 1);
    assert_eq!(bomb.went_off.load(Ordering::SeqCst), 1);
}

#[test]
fn many_threads_have_one_order() {
    let _watch = watched();
    let log = Log::default();
    let broker = Broker::builder().tap(log.clone()).build();
    broker.declare(&Topology::new().queue(Queue::new("q")).queue(Queue::new("other"))).unwrap();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let broker = &broker;
            scope.spawn(move || {
                for number in 0..200 {
                    let key = if number % 3 == 0 { "other" } else { "q" };
                    broker.publish("", key, Message::new(format!("{name}{number}"))).unwrap();
                    if let Some(delivery) = broker.get("q").unwrap() {
                        delivery.ack();
                    }
                }
            });
        }
    });
    broker.flush_taps();
    // A queue hands out in the order in which it took in.
    let of = |wanted: fn(&What) -> bool| log.messages(wanted);
    let in_q = |message: &MessageRef| message.routing_key() == "q";
    let enqueued: Vec<_> = of(|what| matches!(what, What::Enqueued)).into_iter().filter(in_q).collect();
    let delivered = of(|what| matches!(what, What::Delivered { .. }));
    assert_eq!(delivered, enqueued[..delivered.len()]);
    assert_eq!(enqueued.len(), 3 * 133);
}
