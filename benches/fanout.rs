//! What a publish to many queues costs: a topic exchange with 1, 10, 100 and 1000 queues, each with its consumer, all on
//! one thread. The body is shared: every delivery is asserted to have the very bytes that were published.
//!
//! The base line sends a value into as many crossbeam channels and receives it from each, the body cloned for each.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod support;

use criterion::{Criterion, Throughput};
use leveret::{Broker, Consumer, Exchange, Queue, Topology};
use std::hint::black_box;
use std::time::Instant;
use support::bus::{BOUND, Body, EXCHANGE, KEY, Messages, PATTERN};
use support::floors::Parcel;
use support::mode::{Asked, Mode, run_groups};
use support::pin::on_first_cpu;
use support::rounds::{Candidate, interleave, of};
use support::row::Row;

const SIZES: [usize; 4] = [1, 10, 100, 1_000];

fn main() {
    let asked = Asked::from_arguments();
    if asked.mode == Mode::Groups {
        return run_groups(groups);
    }
    on_first_cpu(|| {
        let mut first_ns = None;
        for queues in SIZES.into_iter().filter(|queues| asked.wants(&queues.to_string())) {
            let measured = interleave(asked.plan(), candidates(queues));
            let (ours, floor) = (of(&measured, "leveret"), &measured[0]);
            let row = Row::new(format!("fanout {queues}"))
                .ns(ours)
                .with("floor_ns", floor.ns)
                .with("queue_ns", ours.ns / queues as f64)
                .with("floor_queue_ns", floor.ns / queues as f64);
            // What each queue beyond the first adds, beside what one channel costs.
            let row = match first_ns {
                Some(first) if queues > 1 => {
                    let further = (ours.ns - first) / (queues - 1) as f64;
                    row.with("further_ns", further).with("ratio", further / (floor.ns / queues as f64))
                }
                _ => row.with("ratio", ours.ratio),
            };
            row.print();
            if queues == 1 {
                first_ns = Some(ours.ns);
            }
        }
    });
}

fn candidates(queues: usize) -> Vec<Candidate<'static>> {
    let channels: Vec<_> = (0..queues).map(|_| crossbeam_channel::bounded::<Parcel>(BOUND)).collect();
    let floor = move |messages| {
        let begun = Instant::now();
        for _ in 0..messages {
            let body = Body::Fresh.make();
            for (sender, _) in &channels {
                sender.send(Parcel::new(body.clone())).unwrap();
            }
            for (_, receiver) in &channels {
                receiver.recv().unwrap().use_up();
            }
        }
        begun.elapsed()
    };
    let (broker, mut consumers) = bus(queues);
    let (mut publisher, mut made) = (broker.publisher(EXCHANGE).unwrap(), Messages::new());
    let ours = move |messages| {
        let begun = Instant::now();
        for _ in 0..messages {
            publish_to_all(&mut publisher, &mut made, &mut consumers);
        }
        let took = begun.elapsed();
        black_box(&broker);
        took
    };
    vec![Candidate::new("crossbeam", floor), Candidate::new("leveret", ours)]
}

fn publish_to_all(publisher: &mut leveret::Publisher, made: &mut Messages, consumers: &mut [Consumer]) {
    let body = Body::Fresh.make();
    let bytes = body.as_ptr();
    let routed = publisher.try_send(KEY, made.next(body)).unwrap();
    assert_eq!(routed.queues, consumers.len());
    for consumer in consumers {
        let delivery = consumer.try_recv().unwrap();
        assert_eq!(delivery.body().as_ptr(), bytes, "the body was copied");
        delivery.ack();
    }
}

/// A broker with so many queues bound alike, and a consumer of each.
fn bus(queues: usize) -> (Broker, Vec<Consumer>) {
    let broker = Broker::new();
    let names: Vec<String> = (0..queues).map(|n| format!("orders-{n}")).collect();
    let exchange = Topology::new().exchange(Exchange::topic(EXCHANGE));
    let topology =
        names.iter().fold(exchange, |topology, name| topology.queue(Queue::new(name).bind(EXCHANGE, PATTERN)));
    broker.declare(&topology).unwrap();
    let consumers = names.iter().map(|name| broker.consumer(name).prefetch(16).open().unwrap());
    let consumers = consumers.collect();
    (broker, consumers)
}

fn groups(criterion: &mut Criterion) {
    for queues in SIZES {
        let mut group = criterion.benchmark_group(format!("fanout {queues}"));
        group.throughput(Throughput::Elements(queues as u64));
        for mut candidate in candidates(queues) {
            group.bench_function(candidate.name(), |bench| bench.iter_custom(|messages| candidate.run(messages)));
        }
        group.finish();
    }
}
