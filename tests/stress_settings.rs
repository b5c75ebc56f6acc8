//! Four publishers and four consumers on one queue, in many settings: both kinds of queue, small and large prefetch,
//! acknowledged one by one and up to, storms of requeues, messages that expire or are rejected and come to a second queue,
//! consumers that come and go, bindings and queues that do.
//!
//! A checker holds each message against what was published: none may be lost, none unexpected, none acknowledged twice,
//! and what a consumer gets of one publisher for the first time is in its order. At the end the sums of the broker close,
//! and the memory that lives is that of the start.
//!
//! `LEVERET_STRESS_MESSAGES` says how many messages each setting has (20,000,000 in a long run). A watchdog ends the
//! process where nothing has moved for a minute.
//!
//! Seen to fail with: a returned message that is lost, one in a hundred.

use leveret::{
    Binding, Broker, Consumer, Deliveries, Exchange, Message, Overflow, Queue, QueueDeclare, QueueDelete, Settled,
    Topology,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PUBLISHERS: u64 = 4;
const CONSUMERS: u64 = 4;
/// What the queue holds at most; publishers wait for room.
const BOUND: u64 = 500;
/// Live bytes may differ by this, for what threads and locks of the process keep.
const SLACK: isize = 64 << 10;

#[derive(Clone, Copy, Debug)]
struct Setting {
    quorum: bool,
    prefetch: u32,
    /// How many are received and acknowledged together.
    batch: usize,
    /// One in so many goes back; 0 is none.
    requeue: u64,
    /// One in so many is rejected; 0 is none.
    reject: u64,
    /// Messages live for so long.
    ttl: Option<Duration>,
    /// A consumer lives for so many batches; 0 is for ever.
    life: u64,
    /// Queues and bindings come and go beside the queue.
    churn: bool,
}

const PLAIN: Setting =
    Setting { quorum: false, prefetch: 16, batch: 1, requeue: 0, reject: 0, ttl: None, life: 0, churn: false };

const SETTINGS: [Setting; 10] = [
    Setting { prefetch: 1, ..PLAIN },
    Setting { prefetch: 256, batch: 32, ..PLAIN },
    Setting { quorum: true, prefetch: 16, ..PLAIN },
    Setting { quorum: true, prefetch: 256, batch: 32, life: 50, ..PLAIN },
    Setting { requeue: 3, life: 20, ..PLAIN },
    Setting { quorum: true, requeue: 3, prefetch: 1, ..PLAIN },
    Setting { ttl: Some(Duration::from_millis(1)), reject: 7, batch: 8, ..PLAIN },
    Setting { quorum: true, ttl: Some(Duration::from_millis(1)), reject: 7, requeue: 11, life: 30, ..PLAIN },
    Setting { churn: true, prefetch: 256, ..PLAIN },
    Setting { churn: true, quorum: true, requeue: 13, reject: 17, batch: 4, life: 10, ..PLAIN },
];

/// What was settled for good, by publisher and number.
struct Checker {
    seen: Vec<Vec<AtomicU64>>,
    each: u64,
    settled: AtomicU64,
    over: SyncSender<()>,
}

impl Checker {
    fn settle(&self, (publisher, at): (u64, u64)) {
        let word = usize::try_from(at / 64).unwrap();
        let bit = 1 << (at % 64);
        let before = self.seen[usize::try_from(publisher).unwrap()][word].fetch_or(bit, Ordering::Relaxed);
        assert_eq!(before & bit, 0, "message {at} of publisher {publisher} was settled twice");
        if self.settled.fetch_add(1, Ordering::AcqRel) + 1 == self.each * PUBLISHERS {
            self.over.send(()).unwrap();
        }
    }

    fn read(&self, body: &[u8]) -> (u64, u64) {
        let text = std::str::from_utf8(body).unwrap();
        let (publisher, at) = text.split_once(' ').unwrap();
        let read: (u64, u64) = (publisher.parse().unwrap(), at.parse().unwrap());
        assert!(read.0 < PUBLISHERS && read.1 < self.each, "{text} was never published");
        read
    }
}

/// One consumer's view: numbers that decide what it does, and how far each publisher has come.
struct Desk<'a> {
    checker: &'a Checker,
    setting: Setting,
    turns: u64,
    last: [Option<u64>; PUBLISHERS as usize],
}

impl Desk<'_> {
    /// A small generator: which of so many it is this time.
    fn one_in(&mut self, many: u64) -> bool {
        self.turns = self.turns.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        many > 0 && (self.turns >> 33).is_multiple_of(many)
    }

    fn serve(&mut self, consumer: &mut Consumer) {
        let mut batches = 0;
        while self.setting.life == 0 || batches < self.setting.life {
            batches += 1;
            let Some(batch) = consumer.blocking_recv_many(self.setting.batch) else { return };
            if self.setting.batch > 1 && self.setting.requeue == 0 && self.setting.reject == 0 {
                self.settle_up_to(batch);
            } else {
                self.settle_each(batch);
            }
        }
    }

    /// Half of them up to one, then the rest.
    fn settle_up_to(&mut self, mut batch: Deliveries) {
        let read: Vec<_> = batch.messages().map(|message| self.checker.read(message.body())).collect();
        if self.setting.life == 0 {
            // Nothing ever comes back.
            read.iter().for_each(|read| self.follows(*read));
        }
        let (first, rest) = read.split_at(read.len() / 2);
        assert_eq!(batch.ack_up_to(first.len()), Settled::Done);
        first.iter().for_each(|read| self.checker.settle(*read));
        assert_eq!(batch.ack(), Settled::Done);
        rest.iter().for_each(|read| self.checker.settle(*read));
    }

    fn settle_each(&mut self, batch: Deliveries) {
        let mut kept = Vec::new();
        for delivery in batch {
            let read = self.checker.read(delivery.body());
            if !delivery.redelivered() {
                self.follows(read);
            }
            if self.one_in(self.setting.requeue) {
                assert_eq!(delivery.requeue(), Settled::Done);
            } else if self.one_in(self.setting.reject) {
                delivery.reject();
            } else {
                kept.push((read, delivery));
            }
        }
        for (read, delivery) in kept {
            assert_eq!(delivery.ack(), Settled::Done);
            self.checker.settle(read);
        }
    }

    /// What comes for the first time is in its publisher's order.
    fn follows(&mut self, read: (u64, u64)) {
        let last = self.last[usize::try_from(read.0).unwrap()].replace(read.1);
        assert!(last.is_none_or(|last| last < read.1), "{read:?} came after {last:?}");
    }
}

/// Opens consumers one after the other, until the queue is gone.
fn consume(broker: &Broker, checker: &Checker, setting: Setting, which: u64) {
    let mut desk = Desk { checker, setting, turns: which, last: [None; PUBLISHERS as usize] };
    while let Ok(mut consumer) = broker.consumer("work").prefetch(setting.prefetch).open() {
        desk.serve(&mut consumer);
    }
}

/// Takes what died.
fn bury(broker: &Broker, checker: &Checker) {
    let Ok(mut graves) = broker.consumer("graves").open() else { return };
    while let Some(batch) = graves.blocking_recv_many(64) {
        for delivery in batch {
            let read = checker.read(delivery.body());
            assert!(!delivery.deaths().is_empty());
            delivery.ack();
            checker.settle(read);
        }
    }
}

fn publish(broker: &Broker, publisher: u64, each: u64) {
    let mut exchange = broker.publisher("x").unwrap();
    for at in 0..each {
        let routed = exchange.blocking_send("work", Message::new(format!("{publisher} {at}"))).unwrap();
        assert!(routed.queues >= 1);
    }
}

/// Queues that come, are bound beside the other one, take copies, and go.
fn churn(broker: &Broker, over: &AtomicBool) {
    for turn in 0_u64.. {
        if over.load(Ordering::Acquire) {
            return;
        }
        let name = format!("side-{}", turn % 3);
        broker.declare_queue(&QueueDeclare::new(&name)).unwrap();
        broker.bind(&name, &Binding::to("x").key("work")).unwrap();
        std::thread::yield_now();
        if turn % 2 == 0 {
            broker.unbind(&name, &Binding::to("x").key("work")).unwrap();
        }
        broker.delete_queue(&QueueDelete::new(&name)).unwrap();
    }
}

/// Ends the process where nothing has moved for a minute.
fn watch(checker: &Checker, over: &std::sync::mpsc::Receiver<()>) {
    let mut before = u64::MAX;
    while over.recv_timeout(Duration::from_secs(60)) == Err(RecvTimeoutError::Timeout) {
        let now = checker.settled.load(Ordering::Acquire);
        if now == before {
            // Not by `eprintln!`, which the test harness keeps to itself until the end that does not come.
            let _ = writeln!(std::io::stderr(), "nothing has moved for a minute, at {now} messages");
            std::process::exit(101);
        }
        before = now;
    }
}

fn broker(setting: Setting) -> Broker {
    let broker = Broker::new();
    let mut queue =
        Queue::new("work").max_length(BOUND, Overflow::RejectPublish).dead_letter_to("graves").bind("x", "work");
    if setting.quorum {
        queue = queue.quorum();
    }
    if let Some(ttl) = setting.ttl {
        queue = queue.message_ttl(ttl);
    }
    let topology = Topology::new().exchange(Exchange::direct("x")).queue(queue).queue(Queue::new("graves"));
    broker.declare(&topology).unwrap();
    broker
}

fn run(setting: Setting, messages: u64) {
    let each = messages / PUBLISHERS;
    let words = usize::try_from(each.div_ceil(64)).unwrap();
    let (over, done) = sync_channel(1);
    let seen = (0..PUBLISHERS).map(|_| (0..words).map(|_| AtomicU64::new(0)).collect()).collect();
    let checker = Checker { seen, each, settled: AtomicU64::new(0), over };
    let broker = broker(setting);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (broker, checker, stop) = (&broker, &checker, &stop);
        for publisher in 0..PUBLISHERS {
            scope.spawn(move || publish(broker, publisher, each));
        }
        for which in 0..CONSUMERS {
            scope.spawn(move || consume(broker, checker, setting, which));
        }
        scope.spawn(move || bury(broker, checker));
        if setting.churn {
            scope.spawn(move || churn(broker, stop));
        }
        watch(checker, &done);
        stop.store(true, Ordering::Release);
        close(broker, each * PUBLISHERS);
    });
    broker.check_invariants().unwrap();
    let all: u32 = checker.seen.iter().flatten().map(|word| word.load(Ordering::Acquire).count_ones()).sum();
    assert_eq!(u64::from(all), each * PUBLISHERS, "messages were lost");
}

/// Everything was settled: the sums must close. Then the queues go, which ends their consumers.
fn close(broker: &Broker, messages: u64) {
    let (work, graves) = (broker.queue("work").unwrap(), broker.queue("graves").unwrap());
    let (seen, buried) = (work.stats(), graves.stats());
    let totals = seen.totals;
    let died = totals.rejected + totals.expired + totals.delivery_limit + totals.max_length;
    assert_eq!((seen.ready, seen.unacked, buried.ready, buried.unacked), (0, 0, 0, 0), "{seen:?} {buried:?}");
    assert_eq!((totals.enqueued, totals.acknowledged + died), (messages, messages), "{totals:?}");
    assert_eq!((buried.totals.enqueued, buried.totals.acknowledged), (died, died));
    assert_eq!(broker.stats().dead_letters.arrived, died);
    work.delete().unwrap();
    graves.delete().unwrap();
}

fn live() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}

/// One test, since the memory is that of the process.
#[test]
fn every_setting_settles_each_message_once_and_gives_its_memory_back() {
    let messages = std::env::var("LEVERET_STRESS_MESSAGES").map_or(16_000, |text| text.parse().expect("a number"));
    // What the process keeps for its first threads is not counted.
    run(PLAIN, 1_000);
    for setting in SETTINGS {
        let before = live();
        run(setting, messages);
        let kept = live() - before;
        assert!(kept.abs() <= SLACK, "{kept} bytes more live than before: {setting:?}");
        println!("{messages} messages, {kept} bytes kept: {setting:?}");
    }
}
