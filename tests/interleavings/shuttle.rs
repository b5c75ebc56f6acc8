//! The whole broker under shuttle: every pair of operations that may meet on a queue, in many thousand schedules each.
//!
//! It is the real engine: `src/base/sync.rs` takes shuttle's locks, atomics and parking in the place of its own. What
//! shuttle does not see is the inside of the ring (`rtrb`, which counts as one step) and orderings weaker than sequential
//! consistency (those are for `loom.rs`).
//!
//! In each schedule two threads carry out an operation each, on one queue or on two, while a third one receives and
//! blocks. Shuttle fails where all are blocked: a deadlock, or a wake-up that was lost. Then the invariants of every queue
//! must hold, the sums must close, and debug assertions, such as the ranks of locks, must not have been hit.
//!
//! ```sh
//! cd tests/interleavings
//! RUSTFLAGS='--cfg leveret_shuttle' CARGO_TARGET_DIR=target/shuttle cargo test --release --test shuttle
//! ```
//!
//! `LEVERET_SCHEDULES` says how many schedules each pair has (random ones; half as many again by PCT). A failure prints the
//! schedule: `shuttle::replay` runs it again.

#![cfg(leveret_shuttle)]

use leveret::{
    Acknowledge, Binding, Broker, Channel, Connection, Consume, Consumer, Delivery, Exchange, Message, Publisher, Qos,
    Queue, QueueHandle, Requeue, Routed, Tags, Topology,
};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner, thread};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Publish,
    Send,
    Get,
    Consume,
    Cancel,
    Ack,
    Nack,
    Purge,
    Delete,
    Bind,
    Close,
    Expire,
    Advance,
    ShutDown,
}

const ACTS: [Act; 14] = [
    Act::Publish,
    Act::Send,
    Act::Get,
    Act::Consume,
    Act::Cancel,
    Act::Ack,
    Act::Nack,
    Act::Purge,
    Act::Delete,
    Act::Bind,
    Act::Close,
    Act::Expire,
    Act::Advance,
    Act::ShutDown,
];

/// How the queues are made.
#[derive(Clone, Copy, Debug)]
struct Setting {
    quorum: bool,
    /// Whether the second thread acts on another queue than the first.
    apart: bool,
}

const SETTINGS: [Setting; 4] = [
    Setting { quorum: false, apart: false },
    Setting { quorum: false, apart: true },
    Setting { quorum: true, apart: false },
    Setting { quorum: true, apart: true },
];

/// A broker, with what was put into it.
struct World {
    broker: Broker,
    handles: Vec<QueueHandle>,
    taken: Arc<AtomicU64>,
    shut: bool,
}

impl World {
    fn new(setting: Setting) -> Self {
        let broker = Broker::builder().manual_time().build();
        let queue = |name: &str| {
            let queue = Queue::new(name).message_ttl(Duration::from_millis(50)).dead_letter_to("graves").bind("x", "k");
            if setting.quorum { queue.quorum() } else { queue }
        };
        let exchange = Exchange::direct("x");
        let topology = Topology::new().exchange(exchange).queue(queue("one")).queue(queue("two"));
        broker.declare(&topology.queue(Queue::new("graves"))).unwrap();
        let handles = ["one", "two"].map(|name| broker.queue(name).unwrap()).into();
        let world = Self { broker, handles, taken: Arc::default(), shut: false };
        for _ in 0..2 {
            count(&world.taken, world.broker.publish("x", "k", Message::new("first")).unwrap());
        }
        world
    }

    /// What a thread needs for its act.
    fn actor(&self, act: Act, queue: &'static str) -> Actor {
        let (broker, taken) = (self.broker.clone(), Arc::clone(&self.taken));
        let mut actor = Actor { act, queue, broker, taken, held: None, consumer: None, channel: None, publisher: None };
        match act {
            Act::Cancel => actor.consumer = Some(self.broker.consumer(queue).prefetch(2).open().unwrap()),
            Act::Ack | Act::Nack => {
                let mut consumer = self.broker.consumer(queue).prefetch(1).open().unwrap();
                actor.held = consumer.try_recv().ok();
                actor.consumer = Some(consumer);
                actor.channel = Some(self.channel(queue));
            }
            Act::Close => actor.channel = Some(self.channel(queue)),
            Act::Send => actor.publisher = Some(self.broker.publisher("x").unwrap()),
            _ => {}
        }
        actor
    }

    fn channel(&self, queue: &str) -> (Connection, Channel) {
        let connection = self.broker.connect().unwrap();
        let channel = connection.open_channel().unwrap();
        channel.basic_qos(Qos::new(1)).unwrap();
        channel.basic_consume(&Consume::new(queue)).unwrap();
        (connection, channel)
    }

    /// All is settled: the sums must close.
    fn check(&self) {
        self.broker.check_invariants().unwrap();
        let stats = self.broker.stats();
        let (mut enqueued, mut died) = (0, 0);
        for handle in &self.handles {
            let (seen, totals) = (handle.stats(), handle.stats().totals);
            enqueued += totals.enqueued;
            let deaths = totals.rejected + totals.expired + totals.max_length + totals.delivery_limit;
            died += deaths;
            if !handle.is_gone() {
                let gone = totals.acknowledged + deaths + totals.purged + totals.lost;
                assert_eq!(totals.enqueued, gone + seen.ready + seen.unacked, "{seen:?}");
                assert_eq!((seen.unacked, seen.consumers), (0, 0), "{seen:?}");
            }
        }
        assert_eq!(enqueued, self.taken.load(Ordering::SeqCst), "what publishers were told is in the queues");
        if !self.shut {
            let letters = stats.dead_letters;
            let ended = letters.arrived + letters.unroutable + letters.cycles + letters.refused;
            assert_eq!(died, ended + letters.no_such_exchange + letters.no_dead_letter_exchange);
            let graves = self.broker.queue("graves").unwrap().stats();
            assert_eq!(graves.totals.enqueued, letters.arrived);
        }
    }
}

fn count(taken: &AtomicU64, routed: Routed) {
    taken.fetch_add(routed.queues as u64, Ordering::SeqCst);
}

/// A thread that does one thing.
struct Actor {
    act: Act,
    queue: &'static str,
    broker: Broker,
    taken: Arc<AtomicU64>,
    held: Option<Delivery>,
    consumer: Option<Consumer>,
    channel: Option<(Connection, Channel)>,
    publisher: Option<Publisher>,
}

impl Actor {
    /// Refusals are answers, too: the other thread may have deleted the queue or ended the broker.
    fn run(mut self) {
        match self.act {
            Act::Publish => self.publish("", self.queue),
            Act::Send => {
                for _ in 0..2 {
                    let sent = self.publisher.as_mut().unwrap().blocking_send("k", Message::new("sent"));
                    sent.into_iter().for_each(|routed| count(&self.taken, routed));
                }
            }
            Act::Get => {
                if let Ok(Some(delivery)) = self.broker.get(self.queue) {
                    delivery.ack();
                }
                if let Ok(channel) = self.broker.connect().and_then(|connection| connection.open_channel()) {
                    let _ = channel.basic_get(self.queue, Acknowledge::Yes);
                }
            }
            Act::Consume => {
                if let Ok(mut consumer) = self.broker.consumer(self.queue).prefetch(1).open() {
                    for _ in 0..2 {
                        consumer.try_recv().into_iter().for_each(|delivery| _ = delivery.ack());
                    }
                }
            }
            Act::Cancel => {
                let consumer = self.consumer.as_mut().unwrap();
                consumer.cancel();
                while let Ok(delivery) = consumer.try_recv() {
                    delivery.requeue();
                }
            }
            Act::Ack => {
                self.held.take().map(Delivery::ack);
                let _ = self.channel.as_ref().unwrap().1.basic_ack(Tags::UpTo(0));
            }
            Act::Nack => {
                self.held.take().map(Delivery::requeue);
                let _ = self.channel.as_ref().unwrap().1.basic_nack(Tags::UpTo(0), Requeue::No);
            }
            Act::Purge => drop(self.broker.queue(self.queue).and_then(|queue| queue.purge())),
            Act::Delete => drop(self.broker.queue(self.queue).and_then(QueueHandle::delete)),
            Act::Bind => {
                let _ = self.broker.unbind(self.queue, &Binding::to("x").key("k"));
                let _ = self.broker.bind(self.queue, &Binding::to("x").key("k"));
            }
            Act::Close => {
                let (connection, channel) = self.channel.as_ref().unwrap();
                let _ = channel.try_recv();
                let _ = channel.close();
                connection.close();
            }
            Act::Expire => {
                let message = Message::new("short").expires_in(Duration::from_millis(1));
                let routed = self.broker.publish("", self.queue, message);
                routed.into_iter().for_each(|routed| count(&self.taken, routed));
                self.broker.advance(Duration::from_millis(1));
            }
            Act::Advance => self.broker.advance(Duration::from_millis(60)),
            Act::ShutDown => {
                self.held = None;
                let _ = self.broker.shutdown().wait();
            }
        }
    }

    fn publish(&self, exchange: &str, key: &str) {
        for _ in 0..2 {
            let routed = self.broker.publish(exchange, key, Message::new("published"));
            routed.into_iter().for_each(|routed| count(&self.taken, routed));
        }
    }
}

/// Receives until the last message, or until the consumer ends.
fn receive(mut consumer: Consumer) {
    while let Some(delivery) = consumer.blocking_recv() {
        let last = &delivery.body()[..] == b"last";
        delivery.ack();
        if last {
            return;
        }
    }
}

fn meet(first: Act, second: Act, setting: Setting) {
    let mut world = World::new(setting);
    let other = if setting.apart { "two" } else { "one" };
    let actors = [world.actor(first, "one"), world.actor(second, other)];
    let consumer = world.broker.consumer("one").prefetch(2).open().unwrap();
    let receiver = thread::spawn(move || receive(consumer));
    let actors = actors.map(|actor| thread::spawn(move || actor.run()));
    actors.into_iter().for_each(|actor| actor.join().unwrap());
    world.shut = world.broker.is_closed();
    let last = world.broker.publish("", "one", Message::new("last"));
    last.into_iter().for_each(|routed| count(&world.taken, routed));
    receiver.join().unwrap();
    world.check();
}

fn schedules() -> usize {
    std::env::var("LEVERET_SCHEDULES").map_or(100, |text| text.parse().expect("LEVERET_SCHEDULES is a number"))
}

fn explore(scheduler: impl Scheduler + 'static, scenario: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(scenario);
}

/// Two consumers that hold more than their rings do leave and come at the same time: one takes the place of the other, and
/// everything comes back.
///
/// Seen to fail, in some hundred schedules, where the machine let go of a consumer under one lock and its sink was taken
/// out under another.
#[test]
fn one_that_comes_takes_the_place_of_one_that_leaves() {
    const MESSAGES: u64 = 40;
    let scenario = || {
        let broker = Broker::builder().manual_time().build();
        broker.declare(&Topology::new().queue(Queue::new("one"))).unwrap();
        for _ in 0..MESSAGES {
            broker.publish("", "one", Message::new("m")).unwrap();
        }
        let comes_and_goes = |broker: Broker| move || drop(broker.consumer("one").prefetch(256).open().unwrap());
        let threads = [(); 2].map(|()| thread::spawn(comes_and_goes(broker.clone())));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        broker.check_invariants().unwrap();
        let stats = broker.queue("one").unwrap().stats();
        assert_eq!((stats.ready, stats.unacked), (MESSAGES, 0));
    };
    explore(RandomScheduler::new(schedules()), scenario);
    explore(PctScheduler::new(3, schedules().div_ceil(2)), scenario);
}

fn explore_pairs_of(first: Act) {
    let at = ACTS.iter().position(|act| *act == first).unwrap();
    for second in &ACTS[at..] {
        for setting in SETTINGS {
            println!("{first:?} and {second:?}, {setting:?}");
            let scenario = {
                let second = *second;
                move || meet(first, second, setting)
            };
            explore(RandomScheduler::new(schedules()), scenario);
            explore(PctScheduler::new(3, schedules().div_ceil(2)), scenario);
        }
    }
}

macro_rules! pairs {
    ($($name:ident: $act:ident,)*) => {
        $(#[test]
        fn $name() {
            explore_pairs_of(Act::$act);
        })*
    };
}

pairs! {
    publish_meets: Publish,
    send_meets: Send,
    get_meets: Get,
    consume_meets: Consume,
    cancel_meets: Cancel,
    ack_meets: Ack,
    nack_meets: Nack,
    purge_meets: Purge,
    delete_meets: Delete,
    bind_meets: Bind,
    close_meets: Close,
    expire_meets: Expire,
    advance_meets: Advance,
    shut_down_meets: ShutDown,
}
