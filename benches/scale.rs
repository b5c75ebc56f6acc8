//! What size costs: a message where there are 1, 100, 10,000 and 100,000 queues, the memory of a queue, a message and a
//! consumer, the time to declare and delete a queue, and to move time over 100,000 deadlines.
//!
//! `hot` is one queue with a consumer among all of them; `spread` goes through all queues in turn, and takes each message
//! out again by `get`. The base line is the same with one queue in the broker.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod support;

use criterion::Criterion;
use leveret::{Broker, Exchange, Message, Overflow, Queue, QueueDeclare, QueueDelete, Topology};
use std::time::{Duration, Instant};
use support::bus::{Body, EXCHANGE, Messages};
use support::memory::bytes_of;
use support::mode::{Asked, Mode, run_groups};
use support::pin::on_first_cpu;
use support::rounds::{Candidate, Plan, interleave, median, of};
use support::row::Row;

#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

const SIZES: [usize; 4] = [1, 100, 10_000, 100_000];
/// So many are made to find out what one has.
const MANY: usize = 10_000;

fn main() {
    let asked = Asked::from_arguments();
    if asked.mode == Mode::Groups {
        return run_groups(groups);
    }
    let (sizes, many, deadlines) =
        if asked.is_test() { (&SIZES[..2], 100, 100) } else { (&SIZES[..], MANY, SIZES[SIZES.len() - 1]) };
    on_first_cpu(|| {
        for size in sizes.iter().filter(|size| asked.wants(&format!("scale {size}"))) {
            of_size(*size, asked.plan()).print();
        }
        #[cfg(feature = "testing")]
        if asked.wants("scale double") {
            double(asked.plan()).print();
        }
        if asked.wants("scale memory") {
            memory(many).print();
        }
        let rounds = if asked.is_test() { 1 } else { 5 };
        if asked.wants("scale deadlines-of-queues") {
            deadlines_of_queues(deadlines, rounds).print();
        }
        if asked.wants("scale deadlines-of-messages") {
            deadlines_of_messages(deadlines, rounds).print();
        }
    });
}

/// A broker with so many queues, each bound by a key of its own.
struct Bus {
    broker: Broker,
    keys: Vec<(String, String)>,
}

impl Bus {
    fn new(queues: usize) -> Self {
        let keys: Vec<_> = (0..queues).map(|n| (format!("order.n{n}.created"), format!("orders-{n}"))).collect();
        let broker = Broker::new();
        let exchange = Topology::new().exchange(Exchange::topic(EXCHANGE));
        let topology = keys.iter().fold(exchange, |topology, (key, queue)| {
            topology.queue(Queue::new(queue.as_str()).bind(EXCHANGE, key.as_str()))
        });
        broker.declare(&topology).unwrap();
        Self { broker, keys }
    }

    /// Publish, receive and ack on one of the queues.
    fn hot(&self) -> impl FnMut(u64) -> Duration + '_ {
        let (key, queue) = &self.keys[0];
        let (mut publisher, mut made) = (self.broker.publisher(EXCHANGE).unwrap(), Messages::new());
        let mut consumer = self.broker.consumer(queue).open().unwrap();
        move |messages| {
            let begun = Instant::now();
            for _ in 0..messages {
                publisher.try_send(key, made.next(Body::Fresh.make())).unwrap();
                consumer.try_recv().unwrap().ack();
            }
            begun.elapsed()
        }
    }

    /// Publish to one queue after the other, and get and ack from it.
    fn spread(&self) -> impl FnMut(u64) -> Duration + '_ {
        let (mut publisher, mut made) = (self.broker.publisher(EXCHANGE).unwrap(), Messages::new());
        let mut at = 0;
        move |messages| {
            let begun = Instant::now();
            for _ in 0..messages {
                // Far from the last one, and through all: the step has no divisor in common with any size.
                at = (at + 7_919) % self.keys.len();
                let (key, queue) = &self.keys[at];
                publisher.try_send(key, made.next(Body::Fresh.make())).unwrap();
                self.broker.get(queue).unwrap().unwrap().ack();
            }
            begun.elapsed()
        }
    }

    /// Declares queues that nobody uses, by themselves or as a topology each, and deletes them; the time of one of the two.
    fn declare_and_delete(&self, timed: Timed) -> impl FnMut(u64) -> Duration + '_ {
        move |queues| {
            let names: Vec<String> = (0..queues).map(|n| format!("passing-{n}")).collect();
            let begun = Instant::now();
            for name in &names {
                if timed == Timed::Topology {
                    self.broker.declare(&Topology::new().queue(Queue::new(name))).unwrap();
                } else {
                    self.broker.declare_queue(&QueueDeclare::new(name.as_str())).unwrap();
                }
            }
            let declared = begun.elapsed();
            let begun = Instant::now();
            for name in &names {
                self.broker.delete_queue(&QueueDelete::new(name.as_str())).unwrap();
            }
            if timed == Timed::Delete { begun.elapsed() } else { declared }
        }
    }
}

/// What of declaring and deleting is timed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Timed {
    Declare,
    Topology,
    Delete,
}

fn of_size(size: usize, plan: Plan) -> Row {
    // Brokers of their own for hot and spread: the hot queue has a consumer, which would take what `get` is to find.
    let (one, one_spread) = (Bus::new(1), Bus::new(1));
    let (many, many_spread) = (Bus::new(size), Bus::new(size));
    let measured = interleave(
        plan,
        vec![
            Candidate::new("hot_of_one", one.hot()),
            Candidate::new("hot", many.hot()),
            Candidate::new("spread_of_one", one_spread.spread()),
            Candidate::new("spread", many_spread.spread()),
            Candidate::new("declare", many.declare_and_delete(Timed::Declare)),
            Candidate::new("declare_topology", many.declare_and_delete(Timed::Topology)),
            Candidate::new("delete", many.declare_and_delete(Timed::Delete)),
        ],
    );
    let (hot, spread) = (of(&measured, "hot"), of(&measured, "spread"));
    Row::new(format!("scale {size}"))
        .ns(hot)
        .with("ratio", hot.ratio)
        .ns(spread)
        .with("spread_ratio", spread.ns / of(&measured, "spread_of_one").ns)
        .ns(of(&measured, "declare"))
        .ns(of(&measured, "declare_topology"))
        .ns(of(&measured, "delete"))
}

/// What one test costs: a broker is made, twenty things are declared in it (five exchanges, five queues, ten bindings), one
/// message is published, received and acknowledged, and all is dropped. Beside it the same with a plain broker.
#[cfg(feature = "testing")]
fn double(plan: Plan) -> Row {
    let topology = (0..5).fold(Topology::new(), |topology, n| {
        let queue = Queue::new(format!("q{n}")).bind(format!("e{n}"), "order.#").bind("e0", format!("x.{n}.*"));
        topology.exchange(Exchange::topic(format!("e{n}"))).queue(queue)
    });
    let once = |broker: &Broker| {
        broker.declare(&topology).unwrap();
        let mut consumer = broker.consumer("q1").open().unwrap();
        broker.publish("e1", "order.a", Message::new("x")).unwrap();
        consumer.try_recv().unwrap().ack();
    };
    let plain = |times| {
        let begun = Instant::now();
        (0..times).for_each(|_| once(&Broker::builder().manual_time().build()));
        begun.elapsed()
    };
    let test = |times| {
        let begun = Instant::now();
        for _ in 0..times {
            let t = leveret::testing::TestBroker::new();
            once(&t);
            t.settle_blocking().unwrap();
        }
        begun.elapsed()
    };
    let measured = interleave(plan, vec![Candidate::new("plain", plain), Candidate::new("test", test)]);
    let test = of(&measured, "test");
    Row::new("scale double").ns(test).ns(&measured[0]).with("ratio", test.ratio)
}

/// Bytes of an idle queue, of a ready message with a body of 64 bytes, and of a consumer that waits.
fn memory(many: usize) -> Row {
    let broker = Broker::new();
    let names: Vec<String> = (0..many).map(|n| format!("idle-{n}")).collect();
    let ((), queues) = bytes_of(|| {
        for name in &names {
            broker.declare_queue(&QueueDeclare::new(name.as_str())).unwrap();
        }
    });

    let (mut publisher, mut made) = (broker.publisher("").unwrap(), Messages::new());
    // The first makes the route known.
    publisher.try_send(&names[0], made.next(Body::Fresh.make())).unwrap();
    let ((), messages) = bytes_of(|| {
        for _ in 0..many {
            publisher.try_send(&names[0], made.next(Body::Fresh.make())).unwrap();
        }
    });

    let open = || broker.consumer(&names[1]).open().unwrap();
    let (consumers, opened) = bytes_of(|| (0..many).map(|_| open()).collect::<Vec<_>>());
    drop(consumers);
    let each = many as f64;
    Row::new("scale memory")
        .with("queue_bytes", queues / each)
        .with("message_bytes", messages / each)
        .with("consumer_bytes", opened / each)
}

/// As many queues with a time to live and one message each: what moving time costs where nothing is due, and for each
/// message that expires.
fn deadlines_of_queues(queues: usize, rounds: usize) -> Row {
    let broker = Broker::builder().manual_time().build();
    let names: Vec<String> = (0..queues).map(|n| format!("short-{n}")).collect();
    let topology = names.iter().fold(Topology::new(), |topology, name| {
        topology.queue(Queue::new(name.as_str()).message_ttl(Duration::from_secs(1)).max_length(9, Overflow::DropHead))
    });
    broker.declare(&topology).unwrap();
    let publish = || {
        for name in &names {
            broker.publish("", name, Message::new(Body::Static.make())).unwrap();
        }
    };
    advance_row("scale deadlines-of-queues", &broker, queues, rounds, publish)
}

/// As many messages in one queue, each with a time to live of its own.
fn deadlines_of_messages(messages: usize, rounds: usize) -> Row {
    let broker = Broker::builder().manual_time().build();
    broker.declare_queue(&QueueDeclare::new("short")).unwrap();
    let mut publisher = broker.publisher("").unwrap();
    let publish = || {
        for n in 0..messages as u64 {
            let message = Message::new(Body::Static.make()).expires_in(Duration::from_millis(1_000 + n));
            publisher.try_send("short", message).unwrap();
        }
    };
    advance_row("scale deadlines-of-messages", &broker, messages, rounds, publish)
}

fn advance_row(name: &str, broker: &Broker, deadlines: usize, rounds: usize, mut publish: impl FnMut()) -> Row {
    let timed = |span: Duration| {
        let begun = Instant::now();
        broker.advance(span);
        begun.elapsed().as_nanos() as f64
    };
    let (mut idle, mut fired) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        publish();
        idle.push(timed(Duration::from_millis(1)));
        fired.push(timed(Duration::from_secs(3_600)) / deadlines as f64);
        assert_eq!(broker.next_deadline(), None, "all have expired");
    }
    Row::new(name)
        .with("deadlines", deadlines as f64)
        .with("fire_ns", median(fired))
        .with("nothing_due_ns", median(idle))
}

fn groups(criterion: &mut Criterion) {
    for size in SIZES {
        let (hot, spread) = (Bus::new(size), Bus::new(size));
        let mut group = criterion.benchmark_group(format!("scale {size}"));
        let mut run = hot.hot();
        group.bench_function("hot", |bench| bench.iter_custom(&mut run));
        let mut run = spread.spread();
        group.bench_function("spread", |bench| bench.iter_custom(&mut run));
        group.finish();
    }
}
