//! How long one message takes.
//!
//! * Round trips: a request through a topic exchange to a server's queue, its reply through the default exchange to the
//!   client's queue, all acknowledged; between two threads that are kept awake by each other, between two that have
//!   fallen asleep, and between two tasks on one thread. Beside each the bare ping-pong: crossbeam-channel, park and
//!   unpark, tokio's channel.
//! * From publish to receive, where the consumer waits: back to back, asleep, and under a steady load whose times count
//!   from the moment at which each message was due, so that a stall is not hidden by the messages it held up.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod support;

use criterion::Criterion;
use leveret::{Broker, Consumer, Exchange, Message, Publisher, Queue, Topology};
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::bus::{BOUND, Body, BusReceiver, BusSender, EXCHANGE, KEY, Messages, PATTERN, QUEUE, broker};
use support::floors::Parcel;
use support::mode::{Asked, Mode, run_groups};
use support::pin::{on_first_cpu, pin};
use support::rounds::median;
use support::row::Row;
use support::tails::Tails;
use support::threads::{Inlet, Outlet};

/// How long a pair rests before each round trip so that both sleep.
const REST: Duration = Duration::from_micros(300);
/// One message in this time, under load.
const PACE: Duration = Duration::from_micros(5);
/// The queue of replies.
const REPLIES: &str = "replies";

fn main() {
    let asked = Asked::from_arguments();
    if asked.mode == Mode::Groups {
        return run_groups(groups);
    }
    let rounds = if asked.is_test() { 1 } else { 9 };
    let scaled = |messages: usize| if asked.is_test() { 32 } else { messages };
    type Times = fn(usize) -> Vec<Duration>;
    let questions: [(&str, usize, Times, Times); 6] = [
        ("rpc-awake", 20_000, |n| rpc(n, Duration::ZERO), |n| crossbeam_ping(n, Duration::ZERO)),
        ("rpc-asleep", 300, |n| rpc(n, REST), |n| park_ping(n, REST)),
        ("rpc-tasks", 20_000, rpc_tasks, tokio_ping),
        ("receive-awake", 20_000, |n| bus_one_way(n, Duration::ZERO), |n| channel_one_way(n, Duration::ZERO)),
        ("receive-asleep", 300, |n| bus_one_way(n, REST), |n| channel_one_way(n, REST)),
        ("receive-loaded", 40_000, |n| bus_one_way(n, PACE), |n| channel_one_way(n, PACE)),
    ];
    for (name, messages, ours, floor) in questions.into_iter().filter(|(name, ..)| asked.wants(name)) {
        row(name, rounds, || Tails::of(&ours(scaled(messages))), || Tails::of(&floor(scaled(messages)))).print();
    }
}

/// Interleaves rounds of both; medians over the rounds of each quantile.
fn row(name: &str, rounds: usize, ours: impl Fn() -> Tails, floor: impl Fn() -> Tails) -> Row {
    let pairs: Vec<(Tails, Tails)> = (0..rounds).map(|_| (floor(), ours())).collect();
    let ours = |value: fn(&Tails) -> f64| median(pairs.iter().map(|(_, ours)| value(ours)).collect());
    let floor = |value: fn(&Tails) -> f64| median(pairs.iter().map(|(floor, _)| value(floor)).collect());
    let ratio =
        |value: fn(&Tails) -> f64| median(pairs.iter().map(|(floor, ours)| value(ours) / value(floor)).collect());
    Row::new(format!("latency {name}"))
        .with("leveret_p50_ns", ours(|tails| tails.p50))
        .with("leveret_p99_ns", ours(|tails| tails.p99))
        .with("leveret_p999_ns", ours(|tails| tails.p999))
        .with("floor_p50_ns", floor(|tails| tails.p50))
        .with("floor_p99_ns", floor(|tails| tails.p99))
        .with("floor_p999_ns", floor(|tails| tails.p999))
        .with("ratio", ratio(|tails| tails.p50))
        .with("p99_ratio", ratio(|tails| tails.p99))
}

/// Calls `once` that often with a rest before each, and times it.
fn timed(times: usize, rest: Duration, mut once: impl FnMut()) -> Vec<Duration> {
    (0..times)
        .map(|_| {
            if !rest.is_zero() {
                std::thread::sleep(rest);
            }
            let begun = Instant::now();
            once();
            begun.elapsed()
        })
        .collect()
}

/// The bus of round trips.
fn rpc_bus() -> Broker {
    let broker = Broker::new();
    let requests = Queue::new(QUEUE).bind(EXCHANGE, PATTERN);
    let topology = Topology::new().exchange(Exchange::topic(EXCHANGE)).queue(requests).queue(Queue::new(REPLIES));
    broker.declare(&topology).unwrap();
    broker
}

fn consumer(broker: &Broker, queue: &str) -> Consumer {
    broker.consumer(queue).prefetch(16).open().unwrap()
}

fn request(made: &mut Messages) -> Message {
    made.next(Body::Fresh.make()).reply_to(REPLIES).correlation_id("1")
}

/// A reply to a request that has just come. The request is acknowledged by the caller.
fn reply_to(request: &leveret::Delivery, publisher: &mut Publisher) {
    let properties = request.properties();
    let reply = Message::new(request.body().clone()).correlation_id(properties.correlation_id.clone().unwrap());
    publisher.try_send(properties.reply_to.as_deref().unwrap(), reply).unwrap();
}

fn rpc(times: usize, rest: Duration) -> Vec<Duration> {
    let broker = rpc_bus();
    std::thread::scope(|scope| {
        let (mut requests, mut replies) = (consumer(&broker, QUEUE), broker.publisher("").unwrap());
        scope.spawn(move || {
            pin(1);
            while let Some(request) = requests.blocking_recv() {
                reply_to(&request, &mut replies);
                request.ack();
            }
        });
        let client = scope.spawn(|| {
            pin(0);
            let (mut publisher, mut made) = (broker.publisher(EXCHANGE).unwrap(), Messages::new());
            let mut replies = consumer(&broker, REPLIES);
            let taken = timed(times, rest, || {
                publisher.try_send(KEY, request(&mut made)).unwrap();
                replies.blocking_recv().unwrap().ack();
            });
            // Ends the server.
            broker.queue(QUEUE).unwrap().delete().unwrap();
            taken
        });
        client.join().unwrap()
    })
}

fn crossbeam_ping(times: usize, rest: Duration) -> Vec<Duration> {
    let (ping, pinged) = crossbeam_channel::bounded::<Parcel>(BOUND);
    let (pong, ponged) = crossbeam_channel::bounded::<Parcel>(BOUND);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            pin(1);
            pinged.iter().for_each(|parcel| pong.send(parcel).unwrap());
        });
        let client = scope.spawn(move || {
            pin(0);
            timed(times, rest, || {
                ping.send(Parcel::new(Body::Fresh.make())).unwrap();
                ponged.recv().unwrap().use_up();
            })
        });
        client.join().unwrap()
    })
}

/// Two threads that only wake each other.
fn park_ping(times: usize, rest: Duration) -> Vec<Duration> {
    let (asked, answered) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let (asked, answered) = (&asked, &answered);
        let (introduce, introduced) = std::sync::mpsc::channel::<std::thread::Thread>();
        let server = scope.spawn(move || {
            pin(1);
            let client = introduced.recv().unwrap();
            for turn in 1..=times as u64 {
                park_until(asked, turn);
                answered.store(turn, Ordering::Release);
                client.unpark();
            }
        });
        let client = scope.spawn(move || {
            pin(0);
            introduce.send(std::thread::current()).unwrap();
            let mut turn = 0;
            timed(times, rest, || {
                turn += 1;
                asked.store(turn, Ordering::Release);
                server.thread().unpark();
                park_until(answered, turn);
            })
        });
        client.join().unwrap()
    })
}

fn park_until(counter: &AtomicU64, turn: u64) {
    while counter.load(Ordering::Acquire) < turn {
        std::thread::park();
    }
}

/// Runs this to its end on one thread.
fn on_one_thread<T: Send>(work: impl Future<Output = T> + Send) -> T {
    on_first_cpu(|| tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work))
}

fn rpc_tasks(times: usize) -> Vec<Duration> {
    let broker = rpc_bus();
    on_one_thread(async move {
        let (mut requests, mut replies) = (consumer(&broker, QUEUE), broker.publisher("").unwrap());
        tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                reply_to(&request, &mut replies);
                request.ack();
            }
        });
        let client = tokio::spawn(async move {
            let (mut publisher, mut made) = (broker.publisher(EXCHANGE).unwrap(), Messages::new());
            let mut replies = consumer(&broker, REPLIES);
            let mut taken = Vec::with_capacity(times);
            for _ in 0..times {
                let begun = Instant::now();
                publisher.try_send(KEY, request(&mut made)).unwrap();
                replies.recv().await.unwrap().ack();
                taken.push(begun.elapsed());
            }
            taken
        });
        client.await.unwrap()
    })
}

fn tokio_ping(times: usize) -> Vec<Duration> {
    on_one_thread(async move {
        let (ping, mut pinged) = tokio::sync::mpsc::channel::<Parcel>(BOUND);
        let (pong, mut ponged) = tokio::sync::mpsc::channel::<Parcel>(BOUND);
        tokio::spawn(async move {
            while let Some(parcel) = pinged.recv().await {
                pong.send(parcel).await.unwrap();
            }
        });
        let client = tokio::spawn(async move {
            let mut taken = Vec::with_capacity(times);
            for _ in 0..times {
                let begun = Instant::now();
                ping.send(Parcel::new(Body::Fresh.make())).await.unwrap();
                ponged.recv().await.unwrap().use_up();
                taken.push(begun.elapsed());
            }
            taken
        });
        client.await.unwrap()
    })
}

fn bus_one_way(messages: usize, gap: Duration) -> Vec<Duration> {
    let broker = broker();
    one_way(BusSender::new(&broker), BusReceiver::new(&broker, 256), messages, gap)
}

fn channel_one_way(messages: usize, gap: Duration) -> Vec<Duration> {
    let (sender, receiver) = crossbeam_channel::bounded::<Parcel>(BOUND);
    one_way(sender, receiver, messages, gap)
}

/// From one thread to another, timed from the moment at which each message was due to when it is received and settled.
///
/// Without a gap the next message is due when the last has come. A gap shorter than [`REST`] is a steady pace, kept by
/// spinning; a longer one is slept through, so that the receiver falls asleep.
fn one_way(mut sender: impl Inlet, mut receiver: impl Outlet, messages: usize, gap: Duration) -> Vec<Duration> {
    let clock = Instant::now();
    let due: Vec<AtomicU64> = (0..messages).map(|_| AtomicU64::new(0)).collect();
    let came = AtomicU64::new(0);
    let ready = AtomicBool::new(false);
    let now = || clock.elapsed().as_nanos() as u64;
    std::thread::scope(|scope| {
        let (due, came, ready) = (&due, &came, &ready);
        let consuming = scope.spawn(move || {
            pin(1);
            ready.store(true, Ordering::Release);
            let take = |due: &AtomicU64| {
                receiver.receive();
                let took = now().saturating_sub(due.load(Ordering::Relaxed));
                came.fetch_add(1, Ordering::Release);
                Duration::from_nanos(took)
            };
            due.iter().map(take).collect()
        });
        scope.spawn(move || {
            pin(0);
            spin_until(|| ready.load(Ordering::Acquire));
            let begun = now();
            for (n, due) in due.iter().enumerate() {
                if gap.is_zero() {
                    spin_until(|| came.load(Ordering::Acquire) == n as u64);
                    due.store(now(), Ordering::Relaxed);
                } else if gap < REST {
                    let moment = begun + (gap * n as u32).as_nanos() as u64;
                    spin_until(|| now() >= moment);
                    due.store(moment, Ordering::Relaxed);
                } else {
                    std::thread::sleep(gap);
                    due.store(now(), Ordering::Relaxed);
                }
                sender.send(black_box(Body::Fresh.make()));
            }
            // The channel must not end before its last message has come.
            spin_until(|| came.load(Ordering::Acquire) == messages as u64);
        });
        consuming.join().unwrap()
    })
}

/// Spins, and yields now and then for machines with one CPU.
fn spin_until(mut done: impl FnMut() -> bool) {
    let mut turns = 0_u32;
    while !done() {
        turns += 1;
        if turns.is_multiple_of(256) {
            std::thread::yield_now();
        }
        spin_loop();
    }
}

fn groups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("latency round trip");
    let sum = |taken: Vec<Duration>| taken.iter().sum::<Duration>();
    group.bench_function("leveret, threads awake", |bench| {
        bench.iter_custom(|times| sum(rpc(times as usize, Duration::ZERO)));
    });
    group.bench_function("crossbeam, threads awake", |bench| {
        bench.iter_custom(|times| sum(crossbeam_ping(times as usize, Duration::ZERO)));
    });
    group.bench_function("leveret, tasks", |bench| bench.iter_custom(|times| sum(rpc_tasks(times as usize))));
    group.bench_function("tokio, tasks", |bench| bench.iter_custom(|times| sum(tokio_ping(times as usize))));
    group.finish();
}
